"""Which DICOM images of a recording are not to be used any more, and the notes that say so.

Rejected are images that somebody marked as not for diagnosis, and those that were made before something was corrected:
how the patient lay, what a view is called, its side, or whose data it is. Those were sent to others, perhaps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import NuclearMedicineImageStorage

from daq.errors import MissingError
from daq.model.framed import Framed
from daq.model.orientation import Code
from daq.storage.dicom import write_dataset
from daq.storage.dicomnote import OTHER_PATIENT, QUALITY, SAFETY, Rejection, rejection_note
from daq.storage.patientfile import Patient, read_patient
from daq.storage.remarked import concerns
from daq.storage.remarks import CORRECTIONS, NOT_FOR_DIAGNOSIS, Remark, read_remarks

_NAMES = {QUALITY.value: "quality", SAFETY.value: "corrected", OTHER_PATIENT.value: "other-patient"}
_ORDER = (QUALITY, SAFETY, OTHER_PATIENT)
_BEFORE = "before-*"


@dataclass(frozen=True, slots=True)
class _Old:
    """An image that was made before: the name of its file, and its header."""

    name: str
    header: Dataset


def write_notes(folder: Path, made: Sequence[tuple[Framed, Path]], directory: Path, images: Path) -> list[Path]:
    """Write the notes that a recording needs into `folder`; return them, none where nothing is rejected.

    `made`: the images that were made now. `images` holds those that were made before, in it and in its folders
    `before-N`. Raises `RefusedError` that names an attribute, `FormatError` for remarks that were changed,
    `StorageFailedError`.
    """
    patient, remarks = _patient(directory), read_remarks(directory)
    if not remarks and (patient is None or not patient.reassigned):
        return []
    found: dict[tuple[str, str], tuple[Rejection, list[Dataset]]] = {}
    fresh = {path.name: (one, _header(path)) for one, path in made}
    known = {str(header.SOPInstanceUID) for _, header in fresh.values() if header is not None}

    def reject(header: Dataset, why: Rejection) -> None:
        found.setdefault((why.title.value, str(header.StudyInstanceUID)), (why, []))[1].append(header)

    for one, header in fresh.values():
        marked = _newest(remarks, one, marks=True)
        if header is not None and marked is not None:
            reject(header, _rejection(QUALITY, marked))
    for old in _earlier(images):
        why = _why(old, fresh, remarks, patient)
        if why is not None and str(old.header.SOPInstanceUID) not in known:
            known.add(str(old.header.SOPInstanceUID))
            reject(old.header, why)
    return _written(folder, found)


def _written(folder: Path, found: Mapping[tuple[str, str], tuple[Rejection, list[Dataset]]]) -> list[Path]:
    paths: list[Path] = []
    for title in _ORDER:
        notes = [told for (value, _), told in sorted(found.items()) if value == title.value]
        for number, (why, headers) in enumerate(notes, start=1):
            name = f"rejected-{_NAMES[title.value]}{'' if number == 1 else f'-{number}'}.dcm"
            write_dataset(folder / name, rejection_note(headers, why))
            paths.append(folder / name)
    return paths


def _why(
    old: _Old, fresh: Mapping[str, tuple[Framed, Dataset | None]], remarks: Sequence[Remark], patient: Patient | None
) -> Rejection | None:  # fmt: skip
    """Return why an image of before is rejected; None where it is only made again."""
    of_study = {str(header.StudyInstanceUID) for _, header in fresh.values() if header is not None}
    if patient is not None and patient.reassigned and of_study and str(old.header.StudyInstanceUID) not in of_study:
        done = next(each for each in reversed(patient.corrections) if each.reassigned)
        return Rejection(OTHER_PATIENT, done.reason, done.by, done.at_utc)
    one = fresh.get(old.name, (None, None))[0]
    if one is None:
        return None
    corrected, marked = _newest(remarks, one, marks=False), _newest(remarks, one, marks=True)
    if corrected is not None:
        return _rejection(SAFETY, corrected)
    return None if marked is None else _rejection(QUALITY, marked)


def _newest(remarks: Sequence[Remark], one: Framed, *, marks: bool) -> Remark | None:
    """Return the newest remark on a series: a mark, or a correction."""
    kinds = (NOT_FOR_DIAGNOSIS,) if marks else CORRECTIONS
    return next((each for each in reversed(remarks) if concerns(each, one) and each.what in kinds), None)


def _rejection(title: Code, remark: Remark) -> Rejection:
    return Rejection(title, remark.reason, remark.by, remark.at_utc)


def _earlier(images: Path) -> list[_Old]:
    paths = [*images.glob("*.dcm"), *(path for folder in images.glob(_BEFORE) for path in folder.glob("*.dcm"))]
    headers = ((path, _header(path)) for path in sorted(paths))
    return [_Old(path.name, header) for path, header in headers if header is not None]


def _header(path: Path) -> Dataset | None:
    """Return the header of an image; None for a note, and for what is no image any more: nothing can be said of it."""
    try:
        header = dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, OSError):
        return None
    return header if header.get("SOPClassUID") == NuclearMedicineImageStorage else None


def _patient(directory: Path) -> Patient | None:
    try:
        return read_patient(directory)
    except MissingError:
        return None
