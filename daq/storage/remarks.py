"""What people remarked about a recording: `remarks.jsonl` beside its segments, a line for each, never changed.

Each line holds the SHA-256 of the one before it, so that one that is changed or taken out shows. It may quote what a
person wrote, and is readable for its owner alone. The recording itself stays as it is.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import FormatError, MissingError, RefusedError, StorageFailedError
from daq.model.geometry import PatientOrientation

if TYPE_CHECKING:
    from daq.storage.manifest import Manifest

REMARKS_FILE = "remarks.jsonl"
NOT_FOR_DIAGNOSIS = "not-for-diagnosis"
ORIENTATION = "orientation"
LABEL = "label"
"""What a view is called was wrong; `value` is what it is called."""
SIDE = "side"
"""The side of the body was wrong; `value` is L, R, or empty for none."""
SIDES = ("L", "R", "")
COUNTS = "counts"
"""Of views that were taken twice, this acquisition counts; `value` is when that was said."""
CORRECTIONS = (ORIENTATION, LABEL, SIDE)
"""What was wrong in pictures that were made before."""
MOST_LABEL = 64
_SCHEMA = "remark/1"
_MODE = 0o600
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Remark:
    """One remark. `step` counts from 1, None: of all steps. `value`: what should have been said, `old`: what was."""

    what: str
    reason: str
    by: str
    at_utc: str
    step: int | None = None
    value: str | None = None
    old: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "what": self.what, "step": self.step, "value": self.value, "old": self.old, "reason": self.reason,
            "by": self.by, "at_utc": self.at_utc,
        }  # fmt: skip


def read_remarks(directory: Path) -> list[Remark]:
    """Return the remarks in order; none where there is no such file. Raise `FormatError` where the chain is broken."""
    return [remark for remark, _ in _chain(directory / REMARKS_FILE)]


def add_remark(directory: Path, remark: Remark) -> None:
    """Append a remark durably. Raise `RefusedError` where it stands there already, `StorageFailedError`."""
    if not directory.is_dir():
        raise MissingError(f"{directory}: no such directory")
    path = directory / REMARKS_FILE
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _append(descriptor, path, remark)
        finally:
            os.close(descriptor)
    except OSError as why:
        raise StorageFailedError(f"{path} cannot be written: {why.strerror or why}") from None


def corrected(manifest: Manifest, directory: Path) -> Manifest:
    """Return the manifest as corrections have it: how the patient lay. The one that is given stays as it is."""
    said = [remark for remark in read_remarks(directory) if remark.what == ORIENTATION]
    if not said or manifest.study is None:
        return manifest
    return manifest.model_copy(update={"study": {**manifest.study, "patient_orientation": said[-1].value}})


def _append(descriptor: int, path: Path, remark: Remark) -> None:
    held = _chain(path)
    same = _standing(held, remark)
    if same is not None and same.value == remark.value:
        raise RefusedError(f"{path.parent.name}: that is remarked already, by {same.by}")
    body = {"schema": _SCHEMA, **remark.to_json(), "previous": held[-1][1] if held else ""}
    line = (json.dumps(body, separators=(",", ":")) + "\n").encode()
    size = os.fstat(descriptor).st_size
    if size + len(line) > _MOST_BYTES:
        raise RefusedError(f"{path} has {_MOST_BYTES} bytes, which is the limit")
    try:
        _write_whole(descriptor, line)
    except OSError:
        os.ftruncate(descriptor, size)  # half a line would break the chain for good
        raise


def _write_whole(descriptor: int, line: bytes) -> None:
    if os.write(descriptor, line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(descriptor)


def _standing(held: Sequence[tuple[Remark, str]], remark: Remark) -> Remark | None:
    """Return what stands of the same kind for the same step: the newest."""
    same = (each for each, _ in reversed(held) if (each.what, each.step) == (remark.what, remark.step))
    return next(same, None)


def _chain(path: Path) -> list[tuple[Remark, str]]:
    """Return each remark with the hash of its line."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return []
    except OSError as why:
        raise StorageFailedError(f"{path} cannot be read: {why.strerror}") from None
    found: list[tuple[Remark, str]] = []
    for number, line in enumerate(data.splitlines(keepends=True), start=1):
        told = _line(line)
        if told is None or told.get("previous") != (found[-1][1] if found else ""):
            raise FormatError(f"{path}: line {number} was changed, or one before it is missing")
        found.append((_remark(told), hashlib.sha256(line).hexdigest()))
    return found


def _line(line: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    known = isinstance(told, dict) and told.get("schema") == _SCHEMA and line.endswith(b"\n")
    if not known or not all(isinstance(told.get(key), str) for key in ("what", "reason", "by", "at_utc")):
        return None
    return told if _may_be(told["what"], told.get("value")) else None


def _may_be(what: str, value: object) -> bool:
    """Return whether a correction can have that value; other remarks have none."""
    if what == LABEL:
        return isinstance(value, str) and len(value) <= MOST_LABEL
    allowed = {ORIENTATION: tuple(map(str, PatientOrientation)), SIDE: SIDES}
    return value in allowed[what] if what in allowed else True


def _remark(told: Mapping[str, Any]) -> Remark:
    said = {key: str(told[key]) for key in ("what", "reason", "by", "at_utc")}
    return Remark(**said, step=told.get("step"), value=told.get("value"), old=told.get("old"))
