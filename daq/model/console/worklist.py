"""A scheduled procedure step: who comes when for what, with attributes named after DICOM's modality worklist.

A step shows nobody by accident: printing it gives its key alone, which is random or keyed, and says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, tzinfo
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from daq.errors import RefusedError
from daq.model.activity import activity_mbq
from daq.model.administration_rules import Pregnancy
from daq.model.patient import PatientIdentity, Sex
from daq.model.words import unreadable, unreadable_name

Origin = Literal["scheduled", "manual", "emergency", "phantom"]
"""Whether the worklist has it, or somebody entered it here: a patient, a temporary identity, a phantom."""
Status = Literal["scheduled", "in preparation", "acquiring", "ended early", "done", "discontinued"]
STATUSES: tuple[Status, ...] = get_args(Status)
_SEXES: Mapping[str, Sex] = {"F": "female", "M": "male", "O": "other", "": "unknown"}
_IDENTIFYING = frozenset(
    {"patient_name", "patient_id", "issuer_of_patient_id", "other_patient_ids", "accession_number"}
)
_LONG = frozenset({"allergies", "medical_alerts"})
"""Texts of any number of lines."""

Short = Annotated[str, Field(max_length=16)]
Long = Annotated[str, Field(max_length=64)]
Words = Annotated[str, Field(max_length=500)]
Uid = Annotated[str, Field(max_length=64, pattern=r"^([0-9]+(\.[0-9]+)*)?$")]


class ProcedureCode(BaseModel):
    """A coded entry: DICOM's Code Value, Coding Scheme Designator, Code Meaning."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    code_value: Short
    coding_scheme_designator: Short = ""
    code_meaning: Long = ""


class WorklistEntry(BaseModel):
    """One entry as the file of a worklist has it. Keys are DICOM's keywords in small letters."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    scheduled_procedure_step_start: Annotated[str, Field(min_length=10, max_length=40)]
    """Date and time, RFC 3339; without a zone it is the time of this station."""
    patient_name: Annotated[str, Field(min_length=1, max_length=324)] = Field(repr=False)
    """`Family^Given`, as DICOM writes it."""
    patient_id: Annotated[str, Field(min_length=1, max_length=64)] = Field(repr=False)
    issuer_of_patient_id: Long = Field(default="", repr=False)
    other_patient_ids: Annotated[list[Long], Field(max_length=20)] = Field(default=[], repr=False)
    patient_birth_date: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | None = Field(
        default=None, repr=False
    )
    patient_sex: Literal["F", "M", "O", ""] = Field(default="", repr=False)
    accession_number: Short = Field(default="", repr=False)
    modality: Literal["NM", "PT"] = "NM"
    scheduled_station_name: Short = ""
    """Empty: any station."""
    scheduled_procedure_step_id: Short = Field(default="", repr=False)
    scheduled_procedure_step_description: Long = ""
    requested_procedure_id: Short = Field(default="", repr=False)
    requested_procedure_description: Long = ""
    requested_procedure_code: ProcedureCode | None = None
    study_instance_uid: Uid = Field(default="", repr=False)
    referring_physician_name: Annotated[str, Field(max_length=324)] = Field(default="", repr=False)
    patient_weight_kg: Annotated[float, Field(ge=0.2, le=650.0)] | None = Field(default=None, repr=False)
    patient_size_m: Annotated[float, Field(ge=0.2, le=2.8)] | None = Field(default=None, repr=False)
    pregnancy_status: Pregnancy = Field(default="unknown", repr=False)
    allergies: Words = Field(default="", repr=False)
    medical_alerts: Words = Field(default="", repr=False)
    radiopharmaceutical: Long = ""
    radionuclide: Annotated[str, Field(max_length=16)] = ""
    radionuclide_total_dose: Annotated[str, Field(max_length=40)] | None = None
    """Planned activity with its unit: `600 MBq`."""
    administration: dict[str, Any] | None = Field(default=None, repr=False)
    """What the dose system knows of the administration record; keys as `administration.json` has them."""
    protocol: Annotated[str, Field(max_length=100)] | None = None
    """Id of the protocol, where the worklist knows it."""

    @model_validator(mode="after")
    def _readable(self) -> Self:
        for name, value in self:
            texts = value if isinstance(value, list) else [value]
            if isinstance(value, ProcedureCode):
                texts = [part for _, part in value]
            for text in texts:
                if isinstance(text, str) and (why := _against(name, text)) is not None:
                    raise ValueError(f"{name}: {why}")
        return self


class WorklistFile(BaseModel):
    """The whole file, for its JSON Schema; entries are read one by one, so that a wrong one hides no other."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    schema_: Literal["worklist/1"] = Field(alias="schema")
    entries: Annotated[list[WorklistEntry], Field(max_length=10_000)]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ScheduledStep:
    """Who comes when for what. Frozen; printing it gives the key alone.

    `start` has its zone, `dose_mbq` is what is planned, `administration` what is known of the record, plain data.
    """

    key: str
    start: datetime
    identity: PatientIdentity
    origin: Origin = "scheduled"
    modality: str = "NM"
    station: str = ""
    step_id: str = ""
    step_description: str = ""
    procedure_id: str = ""
    procedure: str = ""
    code: ProcedureCode | None = None
    study_uid: str = ""
    referring: str = ""
    weight_kg: float | None = None
    height_m: float | None = None
    pregnancy: Pregnancy = "unknown"
    allergies: str = ""
    alerts: str = ""
    agent: str = ""
    nuclide: str = ""
    dose_mbq: float | None = None
    administration: Mapping[str, Any] = field(default_factory=dict)
    protocol: str | None = None
    reason: str = ""
    """Why somebody entered it here."""

    def __repr__(self) -> str:
        return f"ScheduledStep({self.key})"

    @property
    def title(self) -> str:
        """Return what is to be done, in words; empty where nobody said."""
        meaning = self.code.code_meaning if self.code is not None else ""
        return self.procedure or self.step_description or meaning

    def of(self, identity: PatientIdentity) -> Self:
        """Return the step with another identity."""
        return replace(self, identity=identity)


def step_of(entry: WorklistEntry, key: str, zone: tzinfo) -> ScheduledStep:
    """Return the step of an entry. Raise `RefusedError` naming the field, never with a value that names somebody."""
    return ScheduledStep(
        key=key, start=_moment(entry.scheduled_procedure_step_start, zone), identity=_identity(entry),
        modality=entry.modality, station=entry.scheduled_station_name, step_id=entry.scheduled_procedure_step_id,
        step_description=entry.scheduled_procedure_step_description, procedure_id=entry.requested_procedure_id,
        procedure=entry.requested_procedure_description, code=entry.requested_procedure_code,
        study_uid=entry.study_instance_uid, referring=entry.referring_physician_name,
        weight_kg=entry.patient_weight_kg, height_m=entry.patient_size_m, pregnancy=entry.pregnancy_status,
        allergies=entry.allergies, alerts=entry.medical_alerts, agent=entry.radiopharmaceutical,
        nuclide=entry.radionuclide, dose_mbq=_dose(entry.radionuclide_total_dose),
        administration=dict(entry.administration or {}), protocol=entry.protocol,
    )  # fmt: skip


def _against(name: str, text: str) -> str | None:
    return unreadable_name(text) if name in _IDENTIFYING else unreadable(text, lines=name in _LONG)


def _moment(text: str, zone: tzinfo) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise RefusedError("scheduled_procedure_step_start: no date and time, such as 2026-01-31T09:30") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)


def _identity(entry: WorklistEntry) -> PatientIdentity:
    born = entry.patient_birth_date
    try:
        birth_date = None if born is None else date.fromisoformat(born)
    except ValueError:
        raise RefusedError("patient_birth_date: no day of the calendar") from None
    return PatientIdentity(
        name=entry.patient_name, patient_id=entry.patient_id, issuer=entry.issuer_of_patient_id,
        birth_date=birth_date, sex=_SEXES[entry.patient_sex], other_ids=tuple(entry.other_patient_ids),
        accession_number=entry.accession_number,
    )  # fmt: skip


def _dose(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return activity_mbq(text)
    except RefusedError as why:
        raise RefusedError(f"radionuclide_total_dose: {why}") from None
