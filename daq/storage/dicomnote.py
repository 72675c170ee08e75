"""Rejection notes: Key Object Selection documents that tell an archive which images are not to be used, and why.

IHE RAD TF-3 4.66 (Imaging Object Change Management): the document is of the patient and study of the images, its
title says why (PS3.16 CID 7010, TID 2010). Archives hide what a note rejects; other readers show the note itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, KeyObjectSelectionDocumentStorage

from daq.model.orientation import Code
from daq.storage.dicomvalues import coded, date_of, plain_text, put, put_codes, put_items, put_text, put_user, time_of

QUALITY = Code("113001", "DCM", "Rejected for Quality Reasons")
SAFETY = Code("113037", "DCM", "Rejected for Patient Safety Reasons")
OTHER_PATIENT = Code("113038", "DCM", "Incorrect Modality Worklist Entry")
_PERSON = (Code("121005", "DCM", "Observer Type"), Code("121006", "DCM", "Person"))
_OBSERVER = Code("121008", "DCM", "Person Observer Name")
_DESCRIPTION = Code("113012", "DCM", "Key Object Description")
_SERIES = {QUALITY.value: 990, SAFETY.value: 991, OTHER_PATIENT.value: 992}
_OF_PATIENT = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
_OF_STUDY = (
    "SpecificCharacterSet", "StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "AccessionNumber",
    "ReferringPhysicianName", "StudyDescription", "TimezoneOffsetFromUTC",
)  # fmt: skip
_OF_EQUIPMENT = ("Manufacturer", "ManufacturerModelName", "StationName", "SoftwareVersions")
_KEY_BYTES = 16
_MOST_REASON = 1000


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why images are rejected: the title of the note, the words of a person, who, and when (RFC 3339)."""

    title: Code
    reason: str
    by: str
    at_utc: str


def rejection_note(images: Sequence[Dataset], why: Rejection) -> Dataset:
    """Return a note that rejects images of one study, ready to be written. `images`: their headers, one at least.

    Raises `RefusedError` that names the attribute which cannot be given.
    """
    ordered = sorted(images, key=lambda image: (str(image.SeriesInstanceUID), str(image.SOPInstanceUID)))
    first, made = ordered[0], Dataset()
    for keyword in (*_OF_STUDY, *_OF_PATIENT, *_OF_EQUIPMENT):
        if keyword in first:
            made[keyword] = first[keyword]
    names = [str(image.SOPInstanceUID) for image in ordered]
    when = _local(why.at_utc, first)
    put(made, "TimezoneOffsetFromUTC", f"{when:%z}"[:5])
    put(made, "SOPClassUID", KeyObjectSelectionDocumentStorage)
    put(made, "SOPInstanceUID", _uid("note", why, names))
    put(made, "Modality", "KO")
    put(made, "SeriesInstanceUID", _uid("series", why, [str(first.StudyInstanceUID)]))
    put(made, "SeriesNumber", _SERIES[why.title.value])
    put_text(made, "SeriesDescription", why.title.meaning)
    put_items(made, "ReferencedPerformedProcedureStepSequence")
    put(made, "InstanceNumber", 1)
    put(made, "ContentDate", date_of(when))
    put(made, "ContentTime", time_of(when))
    put_items(made, "CurrentRequestedProcedureEvidenceSequence", [_evidence(ordered)])
    _add_content(made, ordered, why)
    made.file_meta = _meta(made)
    return made


def _local(at_utc: str, image: Dataset) -> datetime:
    """Return a time in the zone of the images: a document has one, and the date of the study is in it."""
    zone = str(image.get("TimezoneOffsetFromUTC") or "+0000")
    return datetime.fromisoformat(at_utc).astimezone(datetime.strptime(zone, "%z").tzinfo)


def _add_content(made: Dataset, images: Sequence[Dataset], why: Rejection) -> None:
    """Add the tree of TID 2010: who says so, why, and which images."""
    put(made, "ValueType", "CONTAINER")
    put_codes(made, "ConceptNameCodeSequence", why.title)
    put(made, "ContinuityOfContent", "SEPARATE")
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "2010"
    put_items(made, "ContentTemplateSequence", [template])
    told = _item("HAS OBS CONTEXT", "CODE", _PERSON[0])
    put_codes(told, "ConceptCodeSequence", _PERSON[1])
    who = _item("HAS OBS CONTEXT", "PNAME", _OBSERVER)
    put_user(who, "PersonName", why.by)
    words = _item("CONTAINS", "TEXT", _DESCRIPTION)
    put(words, "TextValue", plain_text(why.reason, _MOST_REASON) or why.title.meaning, private=True)
    put_items(made, "ContentSequence", [told, who, words, *(_image(each) for each in images)])


def _item(relation: str, kind: str, name: Code | None) -> Dataset:
    item = Dataset()
    put(item, "RelationshipType", relation)
    put(item, "ValueType", kind)
    if name is not None:
        put_items(item, "ConceptNameCodeSequence", [coded(name)])
    return item


def _image(image: Dataset) -> Dataset:
    item = _item("CONTAINS", "IMAGE", None)
    put_items(item, "ReferencedSOPSequence", [_reference(image)])
    return item


def _reference(image: Dataset) -> Dataset:
    item = Dataset()
    put(item, "ReferencedSOPClassUID", image.SOPClassUID)
    put(item, "ReferencedSOPInstanceUID", image.SOPInstanceUID)
    return item


def _evidence(images: Sequence[Dataset]) -> Dataset:
    """Return the item of the study: every image that the note names, by series."""
    study = Dataset()
    series: dict[str, list[Dataset]] = {}
    for image in images:
        series.setdefault(str(image.SeriesInstanceUID), []).append(image)
    items = []
    for uid, members in series.items():
        one = Dataset()
        put_items(one, "ReferencedSOPSequence", map(_reference, members))
        put(one, "SeriesInstanceUID", uid)
        items.append(one)
    put_items(study, "ReferencedSeriesSequence", items)
    put(study, "StudyInstanceUID", images[0].StudyInstanceUID)
    return study


def _uid(what: str, why: Rejection, of: Sequence[str]) -> str:
    """Return an identifier that follows from what is rejected, why, by whom and when: the same for the same note."""
    text = "/".join((what, why.title.value, *((why.by, why.at_utc) if what == "note" else ()), *of))
    digest = bytearray(hashlib.sha256(text.encode()).digest()[:_KEY_BYTES])
    digest[6], digest[8] = digest[6] & 0x0F | 0x50, digest[8] & 0x3F | 0x80  # a UUID of version 5, RFC 9562
    return f"2.25.{int.from_bytes(digest, 'big')}"


def _meta(made: Dataset) -> FileMetaDataset:
    from daq.storage.dicom import IMPLEMENTATION_UID

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = KeyObjectSelectionDocumentStorage
    meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = "SCANDAQ"
    return meta
