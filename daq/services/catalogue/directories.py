"""From acquisition directories to rows: found under a storage, read, judged. Garbage is a row that says so."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import MissingError, ScandaqError
from daq.model.cleantext import clean_text
from daq.model.patient import is_opaque_key
from daq.model.study import reference_of
from daq.services.catalogue.entry import Acquisition, Outcome, moment_ms
from daq.storage.listing import load_manifest
from daq.storage.manifest import MANIFEST
from daq.storage.runrecord import RUN_FILE
from daq.storage.scan import name_of_segment

if TYPE_CHECKING:
    from daq.storage.manifest import Manifest

_DEEPEST = 4
_MOST_DIRECTORIES = 1_000_000
_MOST_PROBLEMS = 100
_MOST_NAME = 200
_MOST_TEXT = 500
_MOST_STEPS = 1000
_MOST_COUNTS = 50
_LARGEST = 2**63 - 1
_TAIL_BYTES = 1 << 16
_PS_PER_MS = 10**9
_ID_TIME = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z-")
_BY_ITSELF = frozenset({"stalled", "silent", "disk", "motion lost", "unattended", "gone"})
"""What ends a recording that nobody meant to end."""


@dataclass(slots=True)
class Walk:
    """What was seen under a storage. `problems` are the first hundred folders that could not be looked into."""

    seen: int = 0
    unreadable: int = 0
    problems: list[str] = field(default_factory=list)

    def cannot(self, path: str, why: str) -> None:
        """Count a folder that cannot be looked into."""
        self.unreadable += 1
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(f"{clean_text(path, _MOST_TEXT)}: {why}")


def acquisition_directories(storage: Path, walk: Walk) -> Iterator[tuple[str, str]]:
    """Yield the path and stamp of every acquisition directory under `storage`, newest name first within a folder.

    A directory is one where it has a manifest or a segment; below it nothing is looked for. Links are not followed.
    Raise `MissingError` where there is no such storage.
    """
    if not storage.is_dir():
        raise MissingError(f"{storage}: no such storage folder")
    folders = [(str(storage.absolute()), 0)]
    while folders and walk.seen < _MOST_DIRECTORIES:
        folder, depth = folders.pop()
        walk.seen += 1
        entries = _entries(folder, walk)
        if _is_acquisition(entries):
            yield folder, _stamp(folder)
        elif depth < _DEEPEST:
            below = [entry.path for entry in entries if _may_hold(entry)]
            folders += [(path, depth + 1) for path in sorted(below)]


def _entries(folder: str, walk: Walk) -> list[os.DirEntry[str]]:
    try:
        folder.encode()
        with os.scandir(folder) as found:
            return list(found)
    except UnicodeEncodeError:
        walk.cannot(ascii(folder), "its name is not UTF-8")
    except OSError as why:
        walk.cannot(folder, why.strerror or str(why))
    return []


def _is_acquisition(entries: list[os.DirEntry[str]]) -> bool:
    return any(entry.name == MANIFEST or name_of_segment(Path(entry.name)) for entry in entries)


def _may_hold(entry: os.DirEntry[str]) -> bool:
    """Return True for a folder to look into: none that is hidden, a link, or still being recovered into."""
    try:
        is_folder = entry.is_dir(follow_symlinks=False)
    except OSError:
        return False
    return is_folder and not entry.name.startswith(".") and not entry.name.endswith(".partial")


def _stamp(directory: str) -> str:
    try:
        found = Path(directory, MANIFEST).stat()
    except OSError:
        return ""
    return f"{found.st_mtime_ns}:{found.st_size}:{found.st_ino}"


def is_directory_of(directory: Path) -> bool:
    """Return True where the folder is there and is an acquisition directory."""
    return _is_acquisition(_entries(str(directory), Walk()))


def describe(directory: Path) -> Acquisition:
    """Return the row of a directory as it is now. Garbage in it makes the row `damaged`, and says why."""
    stamp = _stamp(str(directory))
    try:
        manifest = load_manifest(directory)
        return _of_manifest(directory, manifest, stamp)
    except MissingError as why:
        state, problem = ("damaged" if directory.is_dir() else "missing"), str(why)
    except ScandaqError as why:
        state, problem = "damaged", str(why)
    name = clean_text(directory.name, _MOST_NAME)
    return Acquisition(
        id=name, directory=str(directory), state="damaged" if state == "damaged" else "missing", stamp=stamp,
        created_ms=_time_of_id(name), size_bytes=_bytes_in(directory), problem=clean_text(problem, _MOST_TEXT),
    )  # fmt: skip


def _of_manifest(directory: Path, manifest: Manifest, stamp: str) -> Acquisition:
    protocol, study = manifest.protocol or {}, reference_of(manifest.study)
    created_ms = moment_ms(manifest.created_utc)
    is_open = manifest.state == "open"
    ended_ms = moment_ms(manifest.sealed_utc)
    if manifest.state == "recovered":  # sealed when it was recovered, which may be years later
        lasted = manifest.duration_ps
        ended_ms = None if created_ms is None or lasted is None else _bounded(created_ms + lasted // _PS_PER_MS)
    return Acquisition(
        id=clean_text(manifest.acquisition_id, _MOST_NAME),
        directory=str(directory),
        state=manifest.state,
        outcome=None if is_open else _outcome(directory, manifest),
        created_ms=created_ms,
        ended_ms=ended_ms,
        ended_by=_text(manifest.ended_by),
        operator=_text(manifest.operator),
        protocol=_text(protocol.get("id")),
        protocol_version=_text(protocol.get("version")),
        protocol_state=_text(protocol.get("state")),
        profile=_text(manifest.profile.get("id")),
        scanner=_text((manifest.scanner or {}).get("id")),
        station=_text(manifest.station),
        steps=_steps(manifest),
        counts=_counts(manifest),
        duration_ps=_bounded(manifest.duration_ps),
        size_bytes=_bytes_in(directory) if is_open else _bounded(sum(s.size_bytes for s in manifest.segments)) or 0,
        simulated=manifest.simulated,
        continues=_text(manifest.continues),
        recovered_from=_text(manifest.recovered_from),
        patient_key=_key(manifest.patient_reference),
        administration_key=_key(manifest.administration_reference),
        study=None if study is None else study.key,
        session=None if study is None else study.session,
        label=None if study is None else _text(study.label),
        stamp=stamp,
    )


def _outcome(directory: Path, manifest: Manifest) -> Outcome:
    """Return how a sealed recording ended: as the run documents say, else as its steps and its end tell."""
    said = _said_outcome(directory)
    if said is not None:
        return said
    ended_by = manifest.ended_by or ""
    if ended_by == "fault":
        return "fault"
    wanted = (manifest.protocol or {}).get("steps")
    done = sum(step.completed for step in manifest.steps or ())
    if isinstance(wanted, int) and done < wanted:
        return "interrupted"
    return "interrupted" if ended_by in _BY_ITSELF or manifest.state == "recovered" else "completed"


def _said_outcome(directory: Path) -> Outcome | None:
    """Return the outcome that the end of `run.jsonl` tells, None where it tells none."""
    try:
        with (directory / RUN_FILE).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return None
    exit_status: object = None
    for name, document in filter(None, map(_document, reversed(lines))):
        if name == "stop":
            exit_status = document.get("exit_status")
        elif exit_status is not None:
            data = document.get("data")
            told = set(map(str, data.values())) if isinstance(data, dict) else set()
            if "fault" in told or "interrupted" in told:
                return "fault" if "fault" in told else "interrupted"
        if exit_status in ("success", "abort"):
            return "completed" if exit_status == "success" else "aborted"
    return "interrupted" if exit_status == "fail" else None


def _document(line: bytes) -> tuple[str, dict[str, Any]] | None:
    try:
        content = json.loads(line)
        return str(content["name"]), dict(content["doc"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _steps(manifest: Manifest) -> list[dict[str, Any]]:
    return [
        {
            "number": _bounded(step.number), "name": clean_text(step.name, _MOST_NAME), "moving": step.moving,
            "begin_ps": _bounded(step.begin_ps), "end_ps": _bounded(step.end_ps), "ended_by": _text(step.ended_by),
            "completed": step.completed,
        }
        for step in (manifest.steps or [])[:_MOST_STEPS]
    ]  # fmt: skip


def _counts(manifest: Manifest) -> dict[str, int]:
    counts: dict[str, int] = {}
    for segment in manifest.segments:
        stream = clean_text(segment.stream, _MOST_NAME)
        if stream in counts or len(counts) < _MOST_COUNTS:
            counts[stream] = _bounded(counts.get(stream, 0) + segment.rows) or 0
    return counts


def _bytes_in(directory: Path) -> int:
    """Return the bytes of all segment files that are there."""
    total = 0
    for entry in _entries(str(directory), Walk()):
        if name_of_segment(Path(entry.name)):
            try:
                total += entry.stat(follow_symlinks=False).st_size
            except OSError:
                continue  # removed since
    return total


def _time_of_id(name: str) -> int | None:
    """Return the time that an acquisition id of ours begins with."""
    found = _ID_TIME.match(name)
    return moment_ms("{}-{}-{}T{}:{}:{}Z".format(*found.groups())) if found else None


def _text(value: object) -> str | None:
    return None if value is None or value == "" else clean_text(str(value)[: 4 * _MOST_NAME], _MOST_NAME)


def _key(value: str | None) -> str | None:
    """Return an opaque key; whatever else a foreign manifest has in its place might be a name."""
    return value if is_opaque_key(value) else None


def _bounded(value: int | None) -> int | None:
    """Return the number where a database can hold it."""
    return value if value is not None and -_LARGEST <= value <= _LARGEST else None
