"""What may be asked and done about the worklist: who comes, for what, and what became of it.

The answers of most of these verbs name patients: they are given at the station, never to a broker.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from daq.model.arguments import Arguments, Named, Reason, Text
from daq.model.station import Role

Key = Annotated[str, Field(pattern=r"^w-[a-z2-7]{26}$")]
"""Opaque key of an entry."""
Day = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Moment = Annotated[str, Field(min_length=10, max_length=40)]


class Worklist(Arguments):
    """Ask who comes on a day, earliest first. `text`: rows whose name, numbers or procedure hold all of its words."""

    day: Day | None = None
    """Of the station's calendar; none said: today."""
    text: Annotated[str, Field(max_length=200)] = Field(default="", repr=False)
    offset: Annotated[int, Field(ge=0, le=100_000)] = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 500


class WorklistEntryAsk(Arguments):
    """Ask for one entry whole: identity, order, administration record, acquisitions, corrections, protocols."""

    entry: Key


class WorklistFind(Arguments):
    """Find entries by a number that was scanned or typed: patient id, other id or accession number, exactly."""

    number: Annotated[str, Field(min_length=1, max_length=64)] = Field(repr=False)
    day: Day | None = None


class WorklistAdd(Arguments):
    """Enter somebody who is not on the worklist, or a phantom. Why is said in `reason`."""

    kind: Literal["patient", "phantom"] = "patient"
    patient: dict[str, Any] | None = Field(default=None, repr=False)
    """As `prepare` takes it; needed for a patient. A phantom gets a number of its own."""
    procedure: Annotated[Text, Field(max_length=64)] = ""
    start: Moment | None = None
    """None said: now."""
    protocol: Named | None = None

    @model_validator(mode="after")
    def _said(self) -> Self:
        if not self.reason.strip():
            raise ValueError("reason: say why it is not on the worklist")
        if (self.kind == "patient") != (self.patient is not None):
            raise ValueError("patient: is needed for a patient, and a phantom has none")
        return self


class WorklistEmergency(Arguments):
    """Make a temporary identity for somebody who cannot wait; it is reconciled later."""

    sex: Literal["female", "male", "other", "unknown"] = "unknown"
    protocol: Named | None = None


class WorklistReconcile(Arguments):
    """Give a temporary identity the real one: that of another entry of the worklist, or one that is typed."""

    entry: Key
    other: Key | None = None
    patient: dict[str, Any] | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.other is None) == (self.patient is None):
            raise ValueError("other, patient: one of them says who it is")
        return self


class WorklistCorrect(Arguments):
    """Correct a wrong identity. One person may; it is flagged until another one has countersigned."""

    entry: Key
    patient: dict[str, Any] = Field(repr=False)
    reason: Reason


class WorklistCountersign(Arguments):
    """Countersign the corrections of an entry, as another person than who made them."""

    entry: Key


class WorklistDiscontinue(Arguments):
    """Say that an entry is not done, and why."""

    entry: Key
    reason: Reason


class WorklistLate(Arguments):
    """Find the entry of an earlier acquisition, to add a view to its study; it is made where there is none any more."""

    run: Named


class WorklistAdministration(Arguments):
    """Note fields of the administration record of an entry, as far as they are known; a null forgets one.

    What is known already of something that was acquired is replaced only with a reason.
    """

    entry: Key
    changes: Annotated[dict[str, Any], Field(max_length=40)] = Field(default={}, repr=False)
    injected_now: bool = False
    """The tracer is injected at this moment."""


class PatientAsk(Arguments):
    """Ask who is on the bed: of the acquisition under way, else of the entry that is named."""

    entry: Key | None = None


WORKLIST_VERBS: dict[str, tuple[type[Arguments], Role, str]] = {
    "worklist": (Worklist, Role.TECHNOLOGIST, "who comes on a day, for what, and what became of it"),
    "worklist-entry": (WorklistEntryAsk, Role.TECHNOLOGIST, "one entry of the worklist, whole"),
    "worklist-find": (WorklistFind, Role.TECHNOLOGIST, "entries by a number that was scanned"),
    "worklist-add": (WorklistAdd, Role.TECHNOLOGIST, "enter somebody who is not on the worklist, or a phantom"),
    "worklist-emergency": (WorklistEmergency, Role.TECHNOLOGIST, "make a temporary identity, to be reconciled"),
    "worklist-reconcile": (WorklistReconcile, Role.TECHNOLOGIST, "give a temporary identity the real one"),
    "worklist-correct": (WorklistCorrect, Role.TECHNOLOGIST, "correct a wrong identity; flagged until countersigned"),
    "worklist-countersign": (WorklistCountersign, Role.TECHNOLOGIST, "countersign what another person corrected"),
    "worklist-discontinue": (WorklistDiscontinue, Role.TECHNOLOGIST, "say that an entry is not done, and why"),
    "worklist-late": (WorklistLate, Role.TECHNOLOGIST, "the entry of an earlier acquisition, to add a late view to it"),
    "worklist-administration": (WorklistAdministration, Role.TECHNOLOGIST, "note what was given, before it is used"),
    "patient": (PatientAsk, Role.TECHNOLOGIST, "who is on the bed"),
}
"""Verb: its arguments, the least role, what it does."""
WORKLIST_ASKING = frozenset({"worklist", "worklist-entry", "worklist-find", "patient", "rehearse"})
WORKLIST_IN_TURN = frozenset({"worklist-reconcile", "worklist-correct", "worklist-countersign"})
"""They change files of acquisitions, as `prepare` and `amend` do."""
WORKLIST_PRIVATE = frozenset(WORKLIST_VERBS) | {"rehearse"}
"""Their answers name patients, or say what was given: never over a broker."""
