"""The life-cycle of calibrations: candidate, verified, signed, active; and how one gives way to another.

Each step is one line of a file that is only ever added to. A line carries the hash of the line before and its own; read
in order the lines must make sense, step by step. What is active stands in them and nowhere else: a newer file is a
candidate until somebody signs and activates it.

    candidate --sign--> signed --activate--> active --(another is activated)--> superseded
    active --roll back--> rolled back, and the one superseded last is active again
    superseded or rolled back --sign--> signed
    any of them --retire--> retired
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, ValidationError

from daq.errors import FormatError, RefusedError
from daq.model.layout import Strict

LIFECYCLE_SCHEMA = "calibration-lifecycle/1"
NOTHING_BEFORE = "0" * 64
"""`previous` of the first line."""
_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Text = Annotated[str, Field(max_length=500)]


class State(StrEnum):
    """Where a calibration stands. `verified` is a candidate whose newest check acquisition it passed."""

    CANDIDATE = "candidate"
    VERIFIED = "verified"
    SIGNED = "signed"
    ACTIVE = "active"
    SUPERSEDED = "superseded"
    ROLLED_BACK = "rolled back"
    RETIRED = "retired"


class Entry(Strict):
    """One step. `slot`: what there is one active calibration of.

    `other`: of one activated, that which gives way; of one rolled back, that which is active again; empty: none.
    """

    seq: PositiveInt
    step: Literal["begun", "signed", "activated", "rolled-back", "retired"]
    calibration: Annotated[str, Field(max_length=100)] = ""
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    """Of the calibration, so that another of the same name is not taken for it."""
    slot: _Text = ""
    other: Annotated[str, Field(max_length=100)] = ""
    user: Annotated[str, Field(min_length=1, max_length=100)]
    """The user of the host."""
    by: Annotated[str, Field(min_length=1, max_length=100)]
    """Who says so, by the name that was given; else the user of the host."""
    at_utc: Annotated[str, Field(min_length=1, max_length=40)]
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    check: _Text = ""
    """What verified it: the recording of its check, or the result of quality control that was named."""
    previous: _Hash

    def line(self) -> bytes:
        """Return its line, with its hash and the newline."""
        body = _canonical({"schema": LIFECYCLE_SCHEMA, **self.model_dump(mode="json")})
        return body[:-1] + b',"hash":"' + self.hash.encode() + b'"}\n'

    @property
    def hash(self) -> str:
        """Return the SHA-256 of what its line says before its hash."""
        return hashlib.sha256(_canonical({"schema": LIFECYCLE_SCHEMA, **self.model_dump(mode="json")})).hexdigest()


@dataclass(slots=True)
class Lifecycle:
    """What the lines say. `stacks`: of each slot those that were or are active, the active one last."""

    entries: list[Entry] = field(default_factory=list)
    states: dict[str, State] = field(default_factory=dict)
    stacks: dict[str, list[str]] = field(default_factory=dict)
    _of: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def head(self) -> str:
        """Return the hash of the last line."""
        return self.entries[-1].hash if self.entries else NOTHING_BEFORE

    def state(self, calibration: str) -> State:
        """Return where a calibration stands; one that no line names is a candidate."""
        return self.states.get(calibration, State.CANDIDATE)

    def active(self, slot: str) -> str:
        """Return the calibration that is active in a slot; empty where none is."""
        newest = self.stacks.get(slot, [""])[-1:]
        return newest[0] if newest and self.state(newest[0]) is State.ACTIVE else ""

    def before(self, slot: str) -> str:
        """Return what would be active again after a roll-back; empty where nothing was."""
        stack = self.stacks.get(slot, [])
        return stack[-2] if len(stack) > 1 and self.active(slot) else ""

    def sha256(self, calibration: str) -> str:
        """Return the hash of the calibration that lines speak of; empty where none does."""
        return self._of.get(calibration, ("", ""))[1]

    def add(self, entry: Entry) -> None:
        """Take the next step. Raise `RefusedError` for one that cannot follow."""
        if entry.seq != len(self.entries) + 1 or entry.previous != self.head:
            raise RefusedError(f"line {entry.seq} does not follow line {len(self.entries)}")
        if (entry.step == "begun") != (not self.entries):
            raise RefusedError("the first line, and no other, says that the life-cycle is begun")
        if entry.step != "begun":
            self._same_as_before(entry)
            _STEPS[entry.step](self, entry)
            self._of[entry.calibration] = (entry.slot, entry.sha256)
        self.entries.append(entry)

    def _same_as_before(self, entry: Entry) -> None:
        if not entry.calibration or not entry.slot or not entry.sha256:
            raise RefusedError(f"line {entry.seq} does not say which calibration it speaks of")
        was = self._of.get(entry.calibration)
        if was is not None and was != (entry.slot, entry.sha256):
            raise RefusedError(f"{entry.calibration} is not the calibration that earlier lines speak of: {was[0]}, "
                               f"SHA-256 {was[1][:12]}, now {entry.slot}, {entry.sha256[:12]}")  # fmt: skip

    def sign(self, entry: Entry) -> None:
        """Sign a candidate, or one that was active before: superseded or rolled back."""
        self._demand(entry, State.CANDIDATE, State.SUPERSEDED, State.ROLLED_BACK)
        if not entry.check:
            raise RefusedError(f"{entry.calibration} is not verified: no check acquisition is named")
        self.states[entry.calibration] = State.SIGNED

    def activate(self, entry: Entry) -> None:
        """Make a signed one the active one of its slot, in place of the one that it names."""
        self._demand(entry, State.SIGNED)
        active = self.active(entry.slot)
        if entry.other != active:
            raise RefusedError(
                f"{entry.slot}: {active or 'none'} is active, and {entry.other or 'none'} was to give way"
            )
        if active:
            self.states[active] = State.SUPERSEDED
        stack = self.stacks.setdefault(entry.slot, [])
        stack[:] = [one for one in stack if one != entry.calibration] + [entry.calibration]
        self.states[entry.calibration] = State.ACTIVE

    def roll_back(self, entry: Entry) -> None:
        """Take the active one back; the one before is active again."""
        self._demand(entry, State.ACTIVE)
        before = self.before(entry.slot)
        if not before:
            raise RefusedError(f"{entry.slot}: nothing was active before {entry.calibration}; it can be retired")
        if entry.other != before:
            raise RefusedError(
                f"{entry.slot}: {before} was active before {entry.calibration}, not {entry.other or 'none'}"
            )
        self.stacks[entry.slot].pop()
        self.states |= {entry.calibration: State.ROLLED_BACK, before: State.ACTIVE}

    def retire(self, entry: Entry) -> None:
        """Take a calibration out for good; where it is the active one, none is."""
        if self.state(entry.calibration) is State.RETIRED:
            raise RefusedError(f"{entry.calibration} is retired already")
        stack = self.stacks.get(entry.slot, [])
        if entry.calibration in stack:
            stack.remove(entry.calibration)
        self.states[entry.calibration] = State.RETIRED

    def _demand(self, entry: Entry, *states: State) -> None:
        state = self.state(entry.calibration)
        if state not in states:
            raise RefusedError(f"{entry.calibration} is {state}; {entry.step} needs one that is {' or '.join(states)}")


_STEPS = {
    "signed": Lifecycle.sign, "activated": Lifecycle.activate, "rolled-back": Lifecycle.roll_back,
    "retired": Lifecycle.retire,
}  # fmt: skip


def lifecycle_of(lines: Iterable[bytes], where: str) -> Lifecycle:
    """Return what lines say. Raise `FormatError` for one that is damaged, forged, or cannot follow those before."""
    made = Lifecycle()
    for number, raw in enumerate(lines, 1):
        try:
            made.add(_entry_of(raw))
        except (RefusedError, FormatError) as why:
            raise FormatError(
                f"{where}, line {number}: {why}; nothing of this folder is used until that is mended"
            ) from None
    return made


def _entry_of(raw: bytes) -> Entry:
    try:
        told: dict[str, Any] = json.loads(raw)
        schema, stated = told.pop("schema"), told.pop("hash")
        entry = Entry.model_validate_json(json.dumps(told))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ValidationError):
        raise FormatError("it is no line of a life-cycle") from None
    if schema != LIFECYCLE_SCHEMA:
        raise FormatError(f"its schema is {str(schema)[:40]!r}; this build knows {LIFECYCLE_SCHEMA!r}")
    if entry.hash != stated or entry.line().rstrip(b"\n") != raw:
        raise FormatError("it was changed after it was written: its hash does not fit")
    return entry


def _canonical(told: dict[str, Any]) -> bytes:
    return json.dumps(told, sort_keys=False, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
