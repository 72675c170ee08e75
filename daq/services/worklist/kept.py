"""What the station itself knows of an entry: status, acquisitions, what was given, every identity it has had.

All of it follows from a list of happenings, each of which is one line of a file (`daq.services.worklist.store`) and is
never changed. Nothing here reads or writes. Happenings are taken in by one thread while others look: what is looked
through is replaced, never added to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any, Literal

from daq.model.console.worklist import ProcedureCode, ScheduledStep, Status
from daq.model.patient import PatientIdentity

Change = Literal["correction", "reconciliation"]


@dataclass(slots=True, repr=False)
class IdentityChange:
    """An identity that was replaced: both, why, by whom, when, and who has countersigned."""

    kind: Change
    before: PatientIdentity
    after: PatientIdentity
    reason: str
    by: str
    at_utc: str
    countersigned_by: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Moved:
    """An acquisition that was given to an entry: it had been taken for somebody else's. `second` signed with `by`."""

    before: PatientIdentity
    reason: str
    by: str
    second: str
    at_utc: str


@dataclass(slots=True)
class RunNote:
    """An acquisition of an entry. `outcome`: empty while it is under way."""

    run: str
    protocol: str
    session: int
    last: bool
    """It is of the last session of its protocol."""
    at_utc: str
    by: str
    confirmed: str
    """How the identity was confirmed at the bed."""
    acquiring: bool = False
    outcome: str = ""
    ended_utc: str = ""
    parts: dict[str, list[str]] = field(default_factory=dict)
    """All views of the session, each with its steps; empty where that was not noted."""
    done: list[str] = field(default_factory=list)
    """Views that are whole, or that a person found good."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an exam is: views that are there, all that the session of the protocol has, and what is left of them."""

    protocol: str
    session: int
    done: int
    of: int
    left: tuple[str, ...]
    """Names of the steps that are left."""

    @property
    def words(self) -> str:
        """Return it in words."""
        return f"{self.done} of {self.of} {'view' if self.of == 1 else 'views'}"


@dataclass(slots=True, repr=False)
class Kept:
    """What is known of one entry. `step`: as the worklist last had it; `other`: the entry that it turned out to be."""

    key: str
    step: ScheduledStep
    by: str = ""
    runs: dict[str, RunNote] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    changes: list[IdentityChange] = field(default_factory=list)
    discontinued: str = ""
    discontinued_by: str = ""
    other: str | None = None
    moved: dict[str, Moved] = field(default_factory=dict)
    """By acquisition."""

    @property
    def now(self) -> ScheduledStep:
        """Return the step with the identity that it has now."""
        return self.step.of(self.changes[-1].after) if self.changes else self.step

    @property
    def to_reconcile(self) -> bool:
        """Return True for a temporary identity that nobody has given the real one."""
        return self.now.identity.temporary and self.other is None

    @property
    def to_countersign(self) -> bool:
        """Return True while a changed identity waits for a second person."""
        return any(each.countersigned_by is None for each in self.changes)

    @property
    def waits(self) -> bool:
        """Return True while a person still has to do something about its identity."""
        return self.to_reconcile or self.to_countersign

    @property
    def status(self) -> Status:
        """Return where it stands."""
        runs = list(self.runs.values())
        if any(run.acquiring and not run.outcome for run in runs):
            return "acquiring"
        if any(not run.outcome for run in runs):
            return "in preparation"
        if self.discontinued or self.other is not None:
            return "discontinued"
        if any(run.last and self._whole(run) for run in runs):
            return "done"
        newest = runs[-1] if runs else None
        begun = newest is not None and any(run.acquiring or run.done for run in self._session(newest))
        return (
            "ended early" if begun and newest is not None and newest.parts and not self._whole(newest) else "scheduled"
        )

    @property
    def progress(self) -> Progress | None:
        """Return how far the session is that was prepared last; None where nobody noted its views."""
        newest = next(reversed(self.runs.values()), None)
        if newest is None or not newest.parts:
            return None
        done = self._done(newest)
        left = [step for name, steps in newest.parts.items() if name not in done for step in steps]
        return Progress(newest.protocol, newest.session, len(done), len(newest.parts), tuple(left))

    def _session(self, run: RunNote) -> list[RunNote]:
        """Return the acquisitions of the same session of the same protocol."""
        return [each for each in self.runs.values() if (each.protocol, each.session) == (run.protocol, run.session)]

    def _done(self, run: RunNote) -> set[str]:
        """Return the views of the session of a run that are done, by it or by others of the same session."""
        return {name for each in self._session(run) for name in each.done} & run.parts.keys()

    def _whole(self, run: RunNote) -> bool:
        """Return True where the session of a run that has ended is there; of an old note only its outcome is known."""
        if not run.parts:
            return run.outcome == "completed"
        return bool(run.outcome) and self._done(run) == run.parts.keys()

    @property
    def why(self) -> str:
        """Return what there is to say about the status, empty where nothing is."""
        if self.discontinued:
            return self.discontinued
        ended = [run for run in self.runs.values() if run.outcome]
        if self.status not in ("scheduled", "ended early") or not ended:
            return ""
        newest = ended[-1]
        if self._whole(newest):
            return f"session {newest.session} is done"
        if self.status == "ended early" and newest.outcome == "completed":
            return ""
        return f"the last acquisition: {newest.outcome}"


def apply(known: dict[str, Kept], told: Mapping[str, Any]) -> None:
    """Take in one happening. Raise `KeyError`, `TypeError`, `ValueError` or `RefusedError` for what is none."""
    what, key = told["what"], str(told["entry"])
    if what == "entry":
        _entered(known, key, told)
    elif what == "other":
        known[key].other = str(told["other"])
        real = known[known[key].other or ""]
        real.runs = {**real.runs, **known[key].runs}
    elif what == "moved":
        _moved(known, key, told)
    else:
        _HAPPENINGS[what](known[key], told)


def _moved(known: dict[str, Kept], key: str, told: Mapping[str, Any]) -> None:
    """Give acquisitions to an entry, and take them from those that had them."""
    runs = [RunNote(**each) for each in told["runs"]]
    names = {run.run for run in runs}
    why = Moved(
        identity_from_json(told["before"]), str(told["reason"]), str(told["by"]), str(told["second"]),
        str(told["at_utc"]),
    )  # fmt: skip
    for kept in known.values():
        if names & kept.runs.keys():
            kept.runs = {name: run for name, run in kept.runs.items() if name not in names}
            kept.moved = {name: moved for name, moved in kept.moved.items() if name not in names}
    known[key].runs = {**known[key].runs, **{run.run: run for run in runs}}
    known[key].moved = {**known[key].moved, **dict.fromkeys(names, why)}


def _entered(known: dict[str, Kept], key: str, told: Mapping[str, Any]) -> None:
    step = step_from_json(told["step"])
    if key in known:
        known[key].step = step
    else:
        known[key] = Kept(key, step, by=str(told["by"]))


def _run(kept: Kept, told: Mapping[str, Any]) -> None:
    note = RunNote(**told["run"])
    kept.runs = {**kept.runs, note.run: note}


def _dropped(kept: Kept, told: Mapping[str, Any]) -> None:
    kept.runs = {name: note for name, note in kept.runs.items() if name != str(told["run"])}


def _acquiring(kept: Kept, told: Mapping[str, Any]) -> None:
    kept.runs[str(told["run"])].acquiring = True


def _ended(kept: Kept, told: Mapping[str, Any]) -> None:
    note = kept.runs[str(told["run"])]
    note.outcome, note.ended_utc = str(told["outcome"]), str(told["at_utc"])


def _views(kept: Kept, told: Mapping[str, Any]) -> None:
    kept.runs[str(told["run"])].done = [str(name) for name in told["done"]]


def _identity(kept: Kept, told: Mapping[str, Any]) -> None:
    before, after = (identity_from_json(told[name]) for name in ("before", "after"))
    kept.changes.append(
        IdentityChange(told["kind"], before, after, str(told["reason"]), str(told["by"]), str(told["at_utc"]))
    )


def _countersigned(kept: Kept, told: Mapping[str, Any]) -> None:
    for change in kept.changes:
        change.countersigned_by = change.countersigned_by or str(told["by"])


def _administration(kept: Kept, told: Mapping[str, Any]) -> None:
    kept.record = dict(told["record"])


def _discontinued(kept: Kept, told: Mapping[str, Any]) -> None:
    kept.discontinued, kept.discontinued_by = str(told["reason"]), str(told["by"])


_HAPPENINGS: dict[str, Callable[[Kept, Mapping[str, Any]], None]] = {
    "views": _views, "run": _run, "dropped": _dropped, "acquiring": _acquiring, "ended": _ended, "identity": _identity,
    "countersigned": _countersigned, "administration": _administration, "discontinued": _discontinued,
}  # fmt: skip


# Plain data, for the file


def identity_json(identity: PatientIdentity) -> dict[str, Any]:
    """Return an identity as plain data: for the private file, and for people at the station."""
    told = identity.reveal()
    born = told["birth_date"]
    return {**told, "other_ids": list(told["other_ids"]), "birth_date": None if born is None else born.isoformat()}


def identity_from_json(told: Mapping[str, Any]) -> PatientIdentity:
    """Return the identity of plain data. Raises what a wrong one raises, without its values."""
    born = told["birth_date"]
    given = {**told, "other_ids": tuple(told["other_ids"])}
    return PatientIdentity(**{**given, "birth_date": None if born is None else date.fromisoformat(born)})


def step_json(step: ScheduledStep) -> dict[str, Any]:
    """Return a step as plain data, for the private file."""
    told = {each.name: getattr(step, each.name) for each in fields(step)}
    code = None if step.code is None else step.code.model_dump()
    return {
        **told, "start": step.start.isoformat(), "identity": identity_json(step.identity), "code": code,
        "administration": dict(step.administration),
    }  # fmt: skip


def step_from_json(told: Mapping[str, Any]) -> ScheduledStep:
    """Return the step of plain data."""
    code = told["code"]
    return ScheduledStep(**{
        **told, "start": datetime.fromisoformat(told["start"]), "identity": identity_from_json(told["identity"]),
        "code": None if code is None else ProcedureCode.model_validate(code),
    })  # fmt: skip
