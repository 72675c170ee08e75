"""Write the series of a recording as DICOM Nuclear Medicine images: a new folder with a file for each object.

The folder appears under its name only when all of it is complete. An object names the patient where the recording has
an identity beside it; its file is readable for its owner alone.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread

from daq.errors import MissingError, RefusedError, StorageFailedError
from daq.model.framed import Framed
from daq.storage.dicom import read_papers, write_dicom
from daq.storage.dicomframes import Overflow
from daq.storage.dicomrejected import write_notes
from daq.storage.exportfile import sha256_of
from daq.storage.files import partial_path
from daq.storage.framed import framed_in
from daq.storage.framedfile import file_names
from daq.storage.reader import ListMode, open_listmode
from daq.storage.remarks import corrected

_FOLDER_MODE = 0o700


@dataclass(frozen=True, slots=True)
class WrittenObject:
    """One object that was written, and the series it is of."""

    file: Path
    kind: str
    name: str
    steps: tuple[int, ...]
    frames: int
    counts: int
    size_bytes: int
    sha256: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class ExportedDicom:
    """What was written. `missing` says what of the recording is not in it."""

    directory: Path
    objects: tuple[WrittenObject, ...]
    missing: tuple[str, ...]
    notes: tuple[Path, ...] = ()
    """Rejection notes: what is not to be used any more, and why."""


def export_dicom(
    directory: Path, out: Path, *, step: int | None = None, overflow: Overflow = "refuse", weighted: bool = False,
    allow_damaged: bool = False,
) -> ExportedDicom:  # fmt: skip
    """Write every series of a recording, or those with a step, into the new folder `out`.

    `weighted`: each event counts its weight by the uniformity map, where one was used. Raises `RefusedError` where the
    folder exists or cannot be made, the recording is not sealed, or a series cannot be converted, naming the
    attribute; `MissingError` where it has no such step; what reading raises; `StorageFailedError`.
    """
    partial = partial_path(out, "an export never overwrites a folder")
    with open_listmode(directory, allow_damaged=allow_damaged) as recording:
        if recording.manifest.state == "open":
            raise RefusedError(f"{directory} is not sealed: dicom is made of sealed recordings only; recover it first")
        recording.manifest = corrected(recording.manifest, directory)
        series = _wanted(recording, step, weighted=weighted)
        manifest, missing = recording.manifest, _missing(recording)
    papers = read_papers(directory)
    made: list[tuple[Framed, Path]] = []
    _make(partial, out)
    try:
        for number, name, one in series:
            file = partial / f"{name}.dcm"
            made += [(one, at) for at in write_dicom(file, one, manifest, papers, number=number, overflow=overflow)]
        objects = tuple(_written(one, file, out) for one, file in made)
        notes = write_notes(partial, made, directory, directory / "images")
        partial.rename(out)
    except OSError as why:
        raise StorageFailedError(f"{out}: {why.strerror or why} while writing; nothing is left of it") from None
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
    return ExportedDicom(out, objects, missing, tuple(out / each.name for each in notes))


def _make(partial: Path, out: Path) -> None:
    try:
        partial.mkdir(mode=_FOLDER_MODE)
    except OSError as why:
        raise RefusedError(f"{out}: no folder can be made there: {why.strerror or why}") from None


def _wanted(recording: ListMode, step: int | None, *, weighted: bool) -> list[tuple[int, str, Framed]]:
    """Return the series with their numbers, which are those of all series, and names of files."""
    every = framed_in(recording, weighted=weighted)
    numbered = enumerate(zip(file_names(every), every, strict=True), start=1)
    found = [(number, name, one) for number, (name, one) in numbered if step is None or step in one.steps]
    if not found:
        which = "no series of pictures" if step is None else f"no series with step {step}"
        raise MissingError(f"{recording.directory}: it has {which}")
    return found


def _missing(recording: ListMode) -> tuple[str, ...]:
    return tuple(f"{name}: {damage}" for name, damages in recording.damages.items() for damage in damages)


def _written(one: Framed, file: Path, out: Path) -> WrittenObject:
    size, digest = sha256_of(file)
    read = dcmread(file, stop_before_pixels=True)
    return WrittenObject(
        out / file.name, str(one.kind), one.name, one.steps, int(read.NumberOfFrames), int(read.CountsAccumulated or 0),
        size, digest, str(read.SOPInstanceUID),
    )  # fmt: skip
