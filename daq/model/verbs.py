"""What may be asked of the daemon, whoever asks: verbs, their arguments, and who may."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from daq.errors import AccessError, UsageError
from daq.model.arguments import Arguments, Named, OfRun, Text
from daq.model.console.acquire_verbs import ACQUIRE_ASKING, ACQUIRE_VERBS
from daq.model.console.protocol_verbs import PROTOCOL_ASKING, PROTOCOL_VERBS
from daq.model.console.qc_verbs import CONSOLE_QC_ASKING, CONSOLE_QC_VERBS
from daq.model.console.room_verbs import ROOM_ASKING, ROOM_VERBS
from daq.model.console.service_verbs import SERVICE_ASKING, SERVICE_LOCAL, SERVICE_VERBS
from daq.model.console.study_verbs import STUDY_ASKING, STUDY_IN_TURN, STUDY_PRIVATE, STUDY_VERBS
from daq.model.console.window_verbs import WINDOW_IN_TURN, WINDOW_VERBS
from daq.model.console.worklist_verbs import (
    WORKLIST_ASKING,
    WORKLIST_IN_TURN,
    WORKLIST_PRIVATE,
    WORKLIST_VERBS,
    Key,
)
from daq.model.handover import MAX_RECORD_TEXT, record_of
from daq.model.qc.verbs import QC_ASKING, QC_IN_TURN, QC_VERBS
from daq.model.station import Actor, Role
from daq.model.windowchange import WindowEdges
from daq.model.words import said


class Prepare(Arguments):
    """Check everything, set devices, position for the first step, arm the readout.

    `draft_reason`: why a protocol that nobody has signed is used. `overrides`: requirement to reason, for requirements
    that cannot be shown to hold. `patient` and `administration` go into files of the recording's directory alone.
    """

    protocol: Named
    draft_reason: Text = ""
    overrides: dict[Named, Named] = Field(default_factory=dict)
    continues: Named | None = None
    """Acquisition that this one continues; both are of static views. What moves or frames is acquired anew."""
    study: Named | None = None
    """Key of the study that it belongs to, or an acquisition of it; none said: a new study."""
    session: Annotated[int, Field(ge=1, le=20)] = 1
    """Of a protocol whose steps are done in several sessions, hours apart."""
    repeats: Named | None = None
    """Acquisition whose views are taken again; both are kept."""
    views: Annotated[list[Named], Field(default_factory=list, max_length=200)]
    """Names of the steps that are taken, of this session; none said: all."""
    same_position_as: Named | None = None
    """Acquisition since which the patient has not moved on the bed: it is of the same study, and both have one frame of
    reference."""
    patient_orientation: Literal["HFS", "HFP", "HFDL", "HFDR", "FFS", "FFP", "FFDL", "FFDR"] | None = None
    """How the patient lies; none said: as the protocol says."""
    windows: Annotated[list[WindowEdges], Field(default_factory=list, max_length=16)]
    """Energy windows that are others in this exam than the protocol says; none said: as it says."""
    label: Annotated[Text, Field(max_length=64)] = ""
    """What a person calls it; no patient's name."""
    administration: dict[str, Any] | None = Field(default=None, repr=False)
    patient: dict[str, Any] | None = Field(default=None, repr=False)
    entry: Key | None = None
    """Entry of the worklist that it is for: who it is and what was given come from there."""
    identity_confirmed: Literal["asked", "wristband"] | None = None
    """How a person made sure, at the bed, of who lies there. The console cannot prepare an entry without."""


class Rehearse(Prepare):
    """Ask what would speak against preparing just so: every requirement, with what is the case."""


class Start(OfRun):
    """Begin the first step, or the one that waits; `at`: not now, but at this time, RFC 3339, within 24 h."""

    at: Annotated[str, Field(max_length=40)] | None = None

    @property
    def moment(self) -> datetime | None:
        """Return the time. Raises `UsageError` for a text that is none, or has no time zone."""
        if self.at is None:
            return None
        try:
            found = datetime.fromisoformat(self.at)
        except ValueError:
            found = None
        if found is None or found.tzinfo is None:
            raise UsageError(f"start: at = {self.at!r} is no time of RFC 3339, such as 2026-11-23T14:30:00+01:00")
        return found


class HandOver(OfRun):
    """Confirm what another machine hands over, or what a person has looked at; `name`: of the step, default the next.

    What `record` holds: `daq.model.handover`; `text` is the same as TOML or JSON, as a file has it. One of both.
    """

    name: Named | None = None
    record: dict[str, Any] | None = None
    text: Annotated[str, Field(max_length=MAX_RECORD_TEXT)] | None = None

    @property
    def told(self) -> dict[str, Any]:
        """Return the record. Raises `UsageError` where there is none, two, or a text that is none."""
        if (self.record is None) == (self.text is None):
            raise UsageError("hand-over: give either record or text")
        return record_of(self.text) if self.text is not None else self.record or {}


class Residual(Arguments):
    """Note what was left of the dose. A value that is known already is replaced only with a reason."""

    activity: Named
    """With its unit: `12.5 MBq`."""
    at: Text | None = None
    """When it was measured, by the calibrator's clock, RFC 3339 with its zone; none said: now."""
    run: Named | None = None
    """Acquisition, also one that has ended; none said: the one under way."""


class Amend(Arguments):
    """Change fields of the administration record, as `daq.model.administration` has them; copies in the study, too."""

    changes: Annotated[dict[str, Any], Field(min_length=1, max_length=50)] = Field(repr=False)
    run: Named | None = None


class AcknowledgeAlarm(Arguments):
    """Say that an alarm was seen."""

    device: Named
    name: Named


class Mark(OfRun):
    """Put a text into the recording."""

    text: Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(said)]


class LowerVoltage(Arguments):
    """Take the high voltage of one channel, or of all, down: to `volts` where one is named, else off."""

    device: Named | None = None
    volts: Annotated[float, Field(ge=0)] = 0.0


class Check(Arguments):
    """Ask controllers who they are, and say what is against raising and moving; of one device or controller, or all."""

    device: Named | None = None


class Read(Arguments):
    """Read a device or controller now: one quantity, value or register, or everything that is read regularly."""

    device: Named
    name: Named | None = None
    channel: Named | None = None


class Set(Arguments):
    """Set a value or register of a controller that neither energises nor moves, and read it back."""

    device: Named
    name: Named
    value: float | str
    channel: Named | None = None


class Clear(Arguments):
    """Let a controller forget a trip or a stall whose cause is gone."""

    device: Named


class Act(Arguments):
    """Do an action of a controller that makes safe or does no harm."""

    device: Named
    action: Named
    channel: Named | None = None


class Arm(Arguments):
    """Take leave to raise a supply up to `volts` within the next `valid_s` seconds."""

    device: Named
    volts: Annotated[float, Field(gt=0)]
    valid_s: Annotated[float, Field(gt=0, le=600)] = 60.0


class Raise(Arguments):
    """Raise a supply that oneself has armed; `within_s` seconds, by default what its slope needs."""

    device: Named
    volts: Annotated[float, Field(gt=0)]
    within_s: Annotated[float, Field(gt=0, le=590)] | None = None


class Confirm(Arguments):
    """State, after motion was lost, that identity and position of the patient were confirmed."""

    identity: bool
    position: bool


class Home(Arguments):
    """Find the reference of these axes, or of all; the enable is held meanwhile."""

    axes: Annotated[list[Named], Field(default_factory=list, max_length=32)]


class Retreat(Arguments):
    """Move one axis away from the patient while the enable is held, whatever else is wrong."""

    axis: Named


class Simulate(Arguments):
    """Do to a simulated device what a person would do to the real one: press, release, open, close ..."""

    device: Named
    action: Named
    value: float | str | bool | None = None


class ConsoleLink(Arguments):
    """Ask for a link that signs oneself in at the console, once."""


VERBS: dict[str, tuple[type[Arguments], Role, str]] = {
    "status": (Arguments, Role.VIEWER, "what the station is doing, and what is possible now"),
    "describe": (Arguments, Role.VIEWER, "what there is: devices, readings, versions"),
    "alarms": (Arguments, Role.VIEWER, "the alarms that are shown"),
    "prepare": (Prepare, Role.TECHNOLOGIST, "check, set, position and arm for a protocol"),
    "start": (Start, Role.TECHNOLOGIST, "begin the first step, or the one that waits"),
    "pause": (OfRun, Role.TECHNOLOGIST, "pause, as the kind of acquisition does"),
    "resume": (OfRun, Role.TECHNOLOGIST, "go on after a pause"),
    "stop": (OfRun, Role.VIEWER, "end in order; what was recorded is kept"),
    "abort": (OfRun, Role.VIEWER, "give up; what was recorded is kept"),
    "end-step": (OfRun, Role.TECHNOLOGIST, "end the step that records, and go on to the next"),
    "acknowledge": (OfRun, Role.TECHNOLOGIST, "return to ready after an end or a fault"),
    "acknowledge-alarm": (AcknowledgeAlarm, Role.TECHNOLOGIST, "say that an alarm was seen"),
    "renew-arming": (OfRun, Role.TECHNOLOGIST, "wait for the start as long again"),
    "injected-now": (OfRun, Role.TECHNOLOGIST, "note the time of injection in the administration record"),
    "residual": (Residual, Role.TECHNOLOGIST, "note what was left of the dose, also after the acquisition has ended"),
    "amend": (Amend, Role.TECHNOLOGIST, "change fields of the administration record; what is known needs a reason"),
    "hand-over": (HandOver, Role.TECHNOLOGIST, "confirm what is handed over: the CT of a PET/CT, the overlay"),
    "confirm": (Confirm, Role.TECHNOLOGIST, "after motion was lost: identity and position are confirmed"),
    "home": (Home, Role.TECHNOLOGIST, "find the reference of axes; the enable is held meanwhile"),
    "retreat": (Retreat, Role.TECHNOLOGIST, "move an axis away from the patient; the enable is held meanwhile"),
    "mark": (Mark, Role.TECHNOLOGIST, "put a text into the recording"),
    "stop-motion": (Arguments, Role.VIEWER, "stop every axis; always possible, for everybody"),
    "lower-voltage": (LowerVoltage, Role.VIEWER, "take high voltage down; always possible, for everybody"),
    "check": (
        Check,
        Role.VIEWER,
        "who controllers say they are, how their wires are, what is against using devices",
    ),
    "read": (Read, Role.VIEWER, "read a device or a controller now"),
    "set": (Set, Role.SERVICE, "set what neither energises nor moves, and read it back"),
    "clear": (Clear, Role.TECHNOLOGIST, "let a controller forget a trip or a stall whose cause is gone"),
    "act": (Act, Role.SERVICE, "do an action of a controller that neither energises nor moves"),
    "arm-voltage": (Arm, Role.SERVICE, "take leave to raise one supply, for a while"),
    "raise-voltage": (Raise, Role.SERVICE, "raise the supply that was armed, step by step, each read back"),
    "simulate": (Simulate, Role.TECHNOLOGIST, "work a simulated device, on simulated stations alone"),
    "console-link": (ConsoleLink, Role.VIEWER, "a link that signs oneself in at the console, once"),
    "rehearse": (Rehearse, Role.TECHNOLOGIST, "what would speak against preparing just so"),
    **QC_VERBS,
    **CONSOLE_QC_VERBS,
    **ROOM_VERBS,
    **WORKLIST_VERBS,
    **STUDY_VERBS,
    **SERVICE_VERBS,
    **ACQUIRE_VERBS,
    **PROTOCOL_VERBS,
    **WINDOW_VERBS,
}
"""Verb: its arguments, the least role, what it does. Stopping and lowering are everybody's."""

ALWAYS = frozenset({"stop", "abort", "stop-motion", "lower-voltage"})
"""Verbs that never wait for others, and for no entry in the audit log."""
IN_TURN = frozenset({
    "prepare", "start", "pause", "resume", "end-step", "acknowledge", "renew-arming", "hand-over", "residual", "amend",
}) | WINDOW_IN_TURN | QC_IN_TURN | WORKLIST_IN_TURN | STUDY_IN_TURN  # fmt: skip
"""Verbs that change the acquisition: carried out one after the other."""
ASKING = (
    frozenset({"status", "describe", "alarms", "check", "read"})
    | QC_ASKING
    | CONSOLE_QC_ASKING
    | ROOM_ASKING
    | ACQUIRE_ASKING
    | PROTOCOL_ASKING
)
ASKING |= STUDY_ASKING | SERVICE_ASKING | WORKLIST_ASKING
"""Verbs that change nothing and leave no trace."""
LOCAL = frozenset({"set", "clear", "act", "arm-voltage", "raise-voltage", "console-link"})
LOCAL |= STUDY_PRIVATE | SERVICE_LOCAL | WORKLIST_PRIVATE
"""Verbs that are never taken from a broker, whatever the site lists: who raises energy is at this host."""
ON_DEVICES = frozenset({"set", "clear", "act", "arm-voltage", "raise-voltage", "lower-voltage"})
"""Verbs that change a device: `old` and `new` of their answers go into the audit log."""


def checked(verb: str, args: dict[str, object], actor: Actor) -> Arguments:
    """Return the arguments of a verb, typed; raise `UsageError` or `AccessError`."""
    if verb not in VERBS:
        raise UsageError(f"verb {verb!r} is none of {', '.join(VERBS)}")
    model, role, _ = VERBS[verb]
    if actor.role < role:
        raise AccessError(f"{actor.user} ({actor.role.name.lower()}) may not {verb}: that needs {role.name.lower()}")
    if verb in LOCAL and actor.origin == "mqtt":
        raise AccessError(f"{actor.user} may not {verb} over MQTT: that is taken on the station's own host alone")
    try:
        return model.model_validate(args)
    except ValidationError as why:
        raise UsageError(f"{verb}: {_against(why, model)}") from None


def _against(why: ValidationError, model: type[Arguments]) -> str:
    """Return the first thing that is wrong with arguments, as a sentence for people."""
    first = why.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    said_of_it = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "string_pattern_mismatch":
        return f"{place}: is not written as it has to be; look it up, or copy it whole"
    if first["type"] == "value_error":
        return f"{place + ': ' if place else ''}{said_of_it}"
    return f"{place + ': ' if place else ''}{said_of_it}; its arguments are {', '.join(model.model_fields)}"
