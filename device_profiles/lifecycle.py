"""`lifecycle.jsonl` in a folder of calibrations: what is active, step by step. Without it the newest that fits counts.

The file is only ever added to: each step makes it anew with one line more, whole or not at all, while the folder is
locked. Who may take a step is who may write into the folder.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from daq.errors import FormatError, MissingError, ProfileError, RefusedError
from daq.model.calibrationlifecycle import Entry, Lifecycle, lifecycle_of
from daq.model.cameracalibration import CameraCalibration
from daq.model.tables import from_pydantic, known_keys, refusal

FILE = "lifecycle.jsonl"
MOST_BYTES = 16 << 20


def camera_slot(of: CameraCalibration) -> str:
    """Return what there is one active calibration of: kind, head and serial; of uniformity collimator and windows."""
    slot = f"{of.kind} of head {of.head}, serial number {of.serial}, {of.instrument}"
    if of.kind != "uniformity":
        return slot
    windows = sorted(f"{one.lower_kev:g}-{one.upper_kev:g} keV" for one in of.windows)
    return f"{slot}, {f'collimator {of.collimator}' if of.collimator else 'no collimator'}, {', '.join(windows)}"


def ring_slot(instrument: str) -> str:
    """Return the slot of a table of times and energies: there is one of each instrument."""
    return f"times and energies of {instrument}"


def normalisation_slot(instrument: str) -> str:
    """Return the slot of the efficiencies of a ring's crystals."""
    return f"normalisation of {instrument}"


def read_lifecycle(folder: Path) -> Lifecycle | None:
    """Return what is said of the calibrations of a folder; None where the folder keeps no life-cycle.

    Raises `FormatError` for a file that is damaged, forged or too large, `ProfileError` where it cannot be read.
    """
    path = folder / FILE
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as why:
        raise ProfileError(f"{path}: cannot be read ({why.strerror})") from None
    return _parsed(path, content)


def require_files(folder: Path, lifecycle: Lifecycle, there: Collection[str]) -> None:
    """Raise `ProfileError` where a calibration is active and its file is not there: nothing takes its place unseen."""
    for slot in lifecycle.stacks:
        active = lifecycle.active(slot)
        if active and active not in there:
            raise ProfileError(f"{folder}: {active} is active ({slot}), and its file is not there")


def begin(folder: Path, **said: str) -> Lifecycle:
    """Begin the life-cycle of a folder: from then on only what is active is used. `said`: user, by, at_utc, reason."""
    if not folder.is_dir():
        raise MissingError(f"{folder}: no such folder of calibrations")
    with _locked(folder):
        if read_lifecycle(folder) is not None:
            raise RefusedError(f"{folder} keeps a life-cycle already")
        return _written(folder, Lifecycle(), step="begun", **said)


def take_step(folder: Path, step: Callable[[Lifecycle], dict[str, str]]) -> Lifecycle:
    """Add one step; `step` says which, of what the lines say while nobody else adds any.

    Raises `RefusedError` for a step that cannot follow, and for a folder that keeps no life-cycle.
    """
    with _locked(folder):
        known = read_lifecycle(folder)
        if known is None:
            raise RefusedError(
                f"{folder} keeps no life-cycle: begin it first, or the newest calibration that fits counts"
            )
        return _written(folder, known, **step(known))


def _written(folder: Path, known: Lifecycle, **said: str) -> Lifecycle:
    fields: dict[str, Any] = {"seq": len(known.entries) + 1, "previous": known.head, **said}
    try:
        entry = Entry.model_validate(fields)
    except ValidationError as why:
        raise RefusedError(refusal("life-cycle", from_pydantic(why, known_keys(Entry)))) from None
    known.add(entry)
    content = b"".join(each.line() for each in known.entries)
    if len(content) > MOST_BYTES:
        raise RefusedError(f"{folder / FILE} would be longer than {MOST_BYTES} bytes: begin a new folder")
    _replace(folder / FILE, content)
    return known


def _parsed(path: Path, content: bytes) -> Lifecycle:
    if len(content) > MOST_BYTES:
        raise FormatError(f"{path}: longer than {MOST_BYTES} bytes")
    *lines, tail = content.split(b"\n")
    if tail or not lines:
        raise FormatError(f"{path}: its last line is cut off; nothing of this folder is used until that is mended")
    return lifecycle_of(lines, str(path))


def _replace(path: Path, content: bytes) -> None:
    """Put a file in the place of the one before: at every instant the disk has one of both, whole."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        try:
            with beside.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        opened = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
    except OSError as why:
        raise RefusedError(f"{path} cannot be written: {why.strerror}") from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder against others who take a step, or refuse where one does: nobody waits."""
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as why:
        raise MissingError(f"{folder}: no such folder of calibrations ({why.strerror})") from None
    try:
        _lock(opened, folder)
        yield
    finally:
        os.close(opened)


def _lock(opened: int, folder: Path) -> None:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RefusedError(f"{folder}: somebody else takes a step just now; try again") from None
    except OSError as why:
        raise RefusedError(f"{folder} cannot be locked against others: {why.strerror}") from None
