"""The DICOM of whom, what study, when and by what: patient, study, series, equipment, frame of reference.

Dates and times are local to the station, and say how far that is from UTC; those of an imported recording are not
known. Unique identifiers follow from the study's key, so that objects made again are the same objects.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError
from pydicom import Dataset

from daq.errors import FormatError, MissingError
from daq.model.administration import AdministrationRecord
from daq.model.dicomcodes import ANATOMY, Anatomy
from daq.model.framed import NOT_FOR_DIAGNOSIS, Framed
from daq.model.orientation import lying
from daq.model.patient import KEY_BYTES
from daq.model.study import StudyReference
from daq.storage.dicomvalues import (
    date_of,
    plain_text,
    put,
    put_codes,
    put_decimal,
    put_text,
    put_user,
    put_whole,
    refuse,
    time_of,
)
from daq.storage.manifest import Manifest
from daq.storage.patientfile import Patient, read_administration, read_patient

_SEX = {"female": "F", "male": "M", "other": "O", "unknown": ""}
_PS_PER_US = 10**6
_PER_SESSION = 1000
MOST_SERIES = 999


@dataclass(frozen=True, slots=True)
class StudyPapers:
    """What lies privately beside a recording."""

    patient: Patient | None = None
    administration: AdministrationRecord | None = None


def read_papers(directory: Path) -> StudyPapers:
    """Return patient and administration of a recording, None where there is no such file. Raise `FormatError`."""
    try:
        patient = read_patient(directory)
    except MissingError:
        patient = None
    try:
        return StudyPapers(patient, read_administration(directory))
    except MissingError:
        return StudyPapers(patient)


@dataclass(frozen=True, slots=True)
class Dates:
    """Turns times of a recording into local ones. `zero` is time zero; None of an imported recording."""

    zero: datetime | None

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Return those of a recording. All of an object have one offset from UTC, that of its beginning."""
        start_ns = manifest.time.get("start_utc_ns")
        if manifest.time.get("imported") or type(start_ns) is not int:
            return cls(None)
        start = datetime.fromtimestamp(start_ns // 10**9, UTC) + timedelta(microseconds=start_ns % 10**9 // 1000)
        local = start.astimezone()
        return cls(local.replace(tzinfo=timezone(local.utcoffset() or timedelta())))

    def at(self, time_ps: int) -> datetime | None:
        """Return the local time of a time since time zero."""
        return None if self.zero is None else self.zero + timedelta(microseconds=time_ps // _PS_PER_US)

    def local(self, moment: datetime) -> datetime:
        """Return an aware time in the zone of the recording."""
        return moment if self.zero is None else moment.astimezone(self.zero.tzinfo)


def reference_of(manifest: Manifest, patient: Patient | None = None) -> StudyReference:
    """Return the study of a recording; of one without, a study of its own that follows from its name.

    What was given to another `patient` is another study for DICOM, where a study is of one patient alone.
    """
    times = 0 if patient is None else patient.reassigned
    if manifest.study is None:
        digest = hashlib.sha256(manifest.acquisition_id.encode()).digest()
        return StudyReference.new(digest[:KEY_BYTES], reassigned=times)
    try:
        return StudyReference.model_validate({**manifest.study, "reassigned": times})
    except ValidationError as why:
        raise FormatError(f"{manifest.acquisition_id}: the manifest's study: {why.errors()[0]['msg']}") from None


def add_patient(to: Dataset, manifest: Manifest, papers: StudyPapers) -> None:
    """Add the patient, and what the administration record says of the body. No message shows a value of these."""
    told = {} if papers.patient is None else papers.patient.identity.reveal()
    born = told.get("birth_date")
    put(to, "PatientName", told.get("name", "SIMULATED^PHANTOM" if manifest.simulated else ""), private=True)
    put(to, "PatientID", _patient_id(manifest, told), private=True)
    put(to, "PatientBirthDate", None if born is None else f"{born:%Y%m%d}", private=True)
    put(to, "PatientSex", _SEX[told.get("sex", "unknown")], private=True)
    if told.get("issuer"):
        put(to, "IssuerOfPatientID", told["issuer"], private=True)
    record = papers.administration
    if record is not None and record.weight_kg is not None:
        put_decimal(to, "PatientWeight", record.weight_kg)
    if record is not None and record.height_m is not None:
        put_decimal(to, "PatientSize", record.height_m)


def _patient_id(manifest: Manifest, told: dict[str, Any]) -> str:
    number = str(told.get("patient_id") or manifest.patient_reference or "")
    if not manifest.simulated or number.startswith("SIM"):
        return number
    return f"SIM-{number or manifest.acquisition_id}"[:64]


def add_study(
    to: Dataset, manifest: Manifest, reference: StudyReference, dates: Dates, patient: Patient | None = None
) -> None:
    """Add the study; its identifier is that of every session. The number of its order is the patient file's."""
    put(to, "StudyInstanceUID", reference.uid("study"))
    put(to, "StudyID", reference.key[2:18])
    began = _began(reference, dates)
    put(to, "StudyDate", date_of(began))
    put(to, "StudyTime", time_of(began))
    order = "" if patient is None else patient.identity.reveal()["accession_number"]
    put(to, "AccessionNumber", order, private=True)
    put(to, "ReferringPhysicianName", "")
    put_text(to, "StudyDescription", _simulated(manifest, str((manifest.protocol or {}).get("title", ""))))
    if dates.zero is not None:
        put(to, "TimezoneOffsetFromUTC", f"{dates.zero:%z}"[:5])


def _began(reference: StudyReference, dates: Dates) -> datetime | None:
    """Return when the study began; of one that does not say so, when this recording did."""
    if reference.began_utc is None:
        return dates.at(0)
    try:
        return dates.local(datetime.fromisoformat(reference.began_utc))
    except ValueError:
        refuse("StudyDate", f"{reference.began_utc!r} of the manifest's study is no date and time")


def add_series(to: Dataset, framed: Framed, manifest: Manifest, reference: StudyReference, number: int) -> None:
    """Add the series. `number` counts within the session, from 1."""
    if not 1 <= number <= MOST_SERIES:
        refuse("SeriesNumber", f"{number}; a session has at most {MOST_SERIES} series")
    anatomy = ANATOMY.get(framed.region or "")
    put(to, "Modality", "NM")
    of = f"{framed.kind}/{'all beats' if framed.ungated else ''}/{framed.steps[0]}/{framed.name}"
    of += f"/{' '.join(framed.parts)}" if framed.parts else ""
    of += "".join(f"/{text}" for text in framed.remarked)  # corrected it is another series: what was sent stays true
    put(to, "SeriesInstanceUID", reference.uid(f"series/{manifest.acquisition_id}/{of}"))
    put_whole(to, "SeriesNumber", number + _PER_SESSION * (reference.session - 1))
    parts = [
        framed.name,
        framed.label,
        "all beats" if framed.ungated else "",
        "all parts" if framed.parts else "",
        framed.role.replace("_", " "),
    ]
    told = ", ".join(part for part in parts if part and part != "emission")
    marked = f"{NOT_FOR_DIAGNOSIS} {told}" if framed.not_for_diagnosis else told
    put_text(to, "SeriesDescription", _simulated(manifest, marked))
    put_text(to, "ProtocolName", str((manifest.protocol or {}).get("id", "")))
    put_user(to, "OperatorsName", manifest.operator or "")
    if anatomy is not None:
        put(to, "BodyPartExamined", anatomy.body_part)
        put_codes(to, "AnatomicRegionSequence", anatomy.code)
    _add_side(to, framed, anatomy)


def _add_side(to: Dataset, framed: Framed, anatomy: Anatomy | None) -> None:
    """Add which side it is. Laterality is of what the body has two of, and of nothing else."""
    side = None if framed.laterality is None else str(framed.laterality)
    if anatomy is not None and not anatomy.sides:
        if side:
            put(to, "ImageLaterality", side)
    elif anatomy is not None and anatomy.sides == "both" and side is None:
        put(to, "ImageLaterality", "B")
    else:
        put(to, "Laterality", side)  # empty where it may be one of two, and which is not known


def add_orientation(to: Dataset, framed: Framed) -> None:
    """Add how the patient lay and went in: the attribute that older readers know, and the one that replaced it."""
    said = lying(framed.orientation)
    item = put_codes(to, "PatientOrientationCodeSequence", said.orientation)
    if item is not None:
        put_codes(item, "PatientOrientationModifierCodeSequence", said.modifier)
    put_codes(to, "PatientGantryRelationshipCodeSequence", said.gantry)
    put_codes(to, "PatientEquipmentRelationshipCodeSequence", said.gantry)


def add_equipment(to: Dataset, manifest: Manifest) -> None:
    """Add the instrument and the software."""
    scanner = manifest.scanner or manifest.profile
    put_text(to, "Manufacturer", str(scanner.get("vendor", "")))
    put_text(to, "ManufacturerModelName", str(scanner.get("title") or scanner.get("id") or ""))
    put_text(to, "StationName", manifest.station or "")
    versions = [plain_text(f"{name} {version}", 64) for name, version in sorted(manifest.software.items())]
    put(to, "SoftwareVersions", versions)


def add_frame_of_reference(to: Dataset, manifest: Manifest, reference: StudyReference) -> None:
    """Add the frame of reference: that of the CT whose hand-over was confirmed, else that of this position."""
    position = reference.position_uid_of or manifest.acquisition_id
    handed_over = manifest.frame_handed_over or reference.frame_of_reference_uid
    put(to, "FrameOfReferenceUID", handed_over or reference.uid(f"position/{position}"))
    put(to, "PositionReferenceIndicator", "")


def _simulated(manifest: Manifest, text: str) -> str:
    return f"SIMULATED {text}".strip() if manifest.simulated else text
