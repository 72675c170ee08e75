"""A series of pictures as a DICOM Nuclear Medicine image: STATIC, WHOLE BODY, DYNAMIC, GATED, TOMO, GATED TOMO.

One object holds all heads and energy windows of a series. Counts are raw; what DICOM cannot express is refused with the
attribute's name. An object names the patient, so its file is readable for its owner alone.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, NuclearMedicineImageStorage

from daq.errors import StorageFailedError
from daq.model.framed import Floats, Framed, HeadSeen, ImageKind, Ints, Slots
from daq.storage.dicomcourse import add_course, protocol_of
from daq.storage.dicomframes import Overflow, add_frames, slot_order
from daq.storage.dicomkinds import add_kind
from daq.storage.dicomnm import add_detectors, add_tracer, add_windows
from daq.storage.dicomstudy import (
    Dates,
    StudyPapers,
    add_equipment,
    add_frame_of_reference,
    add_orientation,
    add_patient,
    add_series,
    add_study,
    read_papers,
    reference_of,
)
from daq.storage.dicomvalues import put
from daq.storage.exportfile import new_paths
from daq.storage.manifest import Manifest

__all__ = ["StudyPapers", "dicom_of", "objects_of", "read_papers", "write_dataset", "write_dicom"]

IMPLEMENTATION_UID = "2.25.9476752369657158365478640733982217637"
_MODE = 0o600


def dicom_of(
    framed: Framed, manifest: Manifest, papers: StudyPapers | None = None, *, number: int | None = None,
    instance: int = 1, overflow: Overflow = "refuse",
) -> Dataset:  # fmt: skip
    """Return a series as one object, with its file's preamble, ready to be written.

    `number`: of the series within the session, by default that of its first step. `instance`: of the object within the
    series. `overflow`: what is done with pixels above 65,535: `refuse`, or `divide` all by one whole number, which the
    object says. Raises `RefusedError` that names the attribute which cannot be given; `FormatError` for a manifest
    whose study is none.
    """
    papers = papers or StudyPapers()
    reference, dates, made = reference_of(manifest, papers.patient), Dates.of(manifest), Dataset()
    order = slot_order(framed)
    put(made, "SpecificCharacterSet", "ISO_IR 192")
    put(made, "SOPClassUID", NuclearMedicineImageStorage)
    put(made, "SOPInstanceUID", reference.uid(f"object/{manifest.acquisition_id}/{_digest(framed, overflow)}"))
    put(made, "InstanceNumber", instance)
    add_patient(made, manifest, papers)
    add_study(made, manifest, reference, dates, papers.patient)
    add_series(made, framed, manifest, reference, number or framed.steps[0])
    add_orientation(made, framed)
    add_frame_of_reference(made, manifest, reference)
    add_equipment(made, manifest)
    add_course(made, framed, manifest, dates)
    add_frames(made, framed, order, overflow=overflow)
    add_windows(made, framed.windows)
    add_tracer(made, framed, papers.administration, _nuclide(manifest), dates)
    add_detectors(made, framed, manifest)
    add_kind(made, framed, order)
    made.file_meta = _meta(made)
    return made


def objects_of(framed: Framed) -> tuple[Framed, ...]:
    """Return the series by object: several frames of a kind that has one, as statics, are an object each."""
    if framed.kind not in (ImageKind.STATIC, ImageKind.WHOLE_BODY) or len(framed.slots) <= 1:
        return (framed,)
    return tuple(_of_slot(framed, slot) for slot in range(len(framed.slots)))


def write_dicom(
    path: Path, framed: Framed, manifest: Manifest, papers: StudyPapers | None = None, *, number: int | None = None,
    overflow: Overflow = "refuse",
) -> tuple[Path, ...]:  # fmt: skip
    """Write a series durably to the new file `path`, mode 0600; return what was written.

    A series of several objects goes to `path` with `-1`, `-2`, ... before its suffix. Raises what `dicom_of` does,
    `RefusedError` where a file is there already, `StorageFailedError`.
    """
    objects = objects_of(framed)
    single = len(objects) == 1
    made = []
    for instance, each in enumerate(objects, start=1):
        out = path if single else path.with_name(f"{path.stem}-{instance}{path.suffix}")
        dataset = dicom_of(each, manifest, papers, number=number, instance=instance, overflow=overflow)
        write_dataset(out, dataset)
        made.append(out)
    return tuple(made)


def write_dataset(path: Path, dataset: Dataset) -> None:
    """Write one object durably to a new file that only its owner may read. `RefusedError`, `StorageFailedError`."""
    partial = new_paths(path)
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except OSError as why:
        raise StorageFailedError(f"{path}: {why.strerror or why} while writing; nothing is left of it") from None
    finally:
        partial.unlink(missing_ok=True)


def _meta(made: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = NuclearMedicineImageStorage
    meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = "SCANDAQ"
    return meta


def _digest(framed: Framed, overflow: Overflow) -> str:
    """Return what tells this picture of a recording from every other: framed in another way it is another object."""
    windows = [(window.name, window.lower_kev, window.upper_kev) for window in framed.windows]
    slots = framed.slots
    digest = hashlib.sha256(json.dumps([framed.about, windows, overflow], sort_keys=True).encode())
    for values in (framed.counts, framed.weighted, slots.begin_ps, slots.end_ps, slots.phase, slots.time_slot):
        if values is not None:
            digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _nuclide(manifest: Manifest) -> str | None:
    """Return the radionuclide that the protocol of a recording is for."""
    named = protocol_of(manifest).get("radionuclide")
    return named if isinstance(named, str) else None


def _of_slot(framed: Framed, slot: int) -> Framed:
    def ints(values: Ints) -> Ints:
        return values[slot : slot + 1]

    def floats(values: Floats) -> Floats:
        return values[slot : slot + 1]

    of = framed.slots
    one = Slots(
        ints(of.begin_ps), ints(of.end_ps), ints(of.live_ps), ints(of.phase), ints(of.time_slice), ints(of.view),
        ints(of.time_slot), floats(of.gantry_deg), floats(of.bed_mm),
    )  # fmt: skip
    return replace(
        framed, counts=framed.counts[:, :, slot : slot + 1], slots=one,
        weighted=None if framed.weighted is None else framed.weighted[:, :, slot : slot + 1],
        heads=tuple(_of_head(head, slot) for head in framed.heads),
    )  # fmt: skip


def _of_head(head: HeadSeen, slot: int) -> HeadSeen:
    return replace(head, radius_mm=head.radius_mm[slot : slot + 1])
