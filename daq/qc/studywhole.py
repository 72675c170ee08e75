"""The verdict on a whole study: its acquisitions together, and the sessions that its protocols still wait for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from daq.model.protocol import AcquisitionProtocol
from daq.model.verdict import Check, Grade, Verdict
from daq.qc.studygiven import duration_text

MISSING = "missing session"
"""Name of the checks of sessions that were not acquired."""


@dataclass(frozen=True, slots=True)
class Part:
    """One acquisition of a study. `grade`: by its own verdict, None where it has none, and `sentences` say why."""

    acquisition: str
    protocol: str
    session: int
    grade: Grade | None
    sentences: tuple[str, ...] = ()
    repeats: str | None = None
    chosen_utc: str = ""
    """When a person said that it counts, of views that were taken twice; empty where nobody did."""


def whole(
    parts: Sequence[Part], protocols: Sequence[AcquisitionProtocol], injected_at: datetime | None, now: datetime
) -> Verdict:
    """Return the verdict on a study: the worst of its sessions, those that are missing included.

    An acquisition whose views were taken again is told, and counts no more. `protocols`: one of each that was used.
    """
    others = _passed_over(parts)
    checks = [_acquired(part, others.get(part.acquisition, "")) for part in parts]
    for protocol in protocols:
        there = {part.session for part in parts if part.protocol == protocol.id}
        checks += _missing(protocol, there, injected_at, now)
    return Verdict(tuple(checks))


def _passed_over(parts: Sequence[Part]) -> dict[str, str]:
    """Return which acquisitions do not count, and why: the last of two takings does, unless a person chose."""
    by_name = {part.acquisition: part for part in parts}
    found = {}
    for part in parts:
        before = by_name.get(part.repeats or "")
        if before is not None and before.chosen_utc > part.chosen_utc:
            found[part.acquisition] = f"{before.acquisition} was chosen, which counts"
        elif part.repeats is not None:
            found[part.repeats] = f"taken again by {part.acquisition}, which counts"
    return found


def _acquired(part: Part, passed_over: str) -> Check:
    name, of = f"session {part.session}", part.acquisition
    said = f": {'; '.join(part.sentences)}" if part.sentences else ""
    if part.grade is None:
        return Check(name, of, Grade.NOT_EVALUABLE, f"no verdict{said}")
    if passed_over:
        return Check(name, of, Grade.GOOD, f"{part.grade.word}, {passed_over}")
    return Check(name, of, part.grade, f"{part.grade.word}{said}")


def _missing(
    protocol: AcquisitionProtocol, there: set[int], injected_at: datetime | None, now: datetime
) -> Iterator[Check]:
    for session in protocol.sessions:
        if session in there:
            continue
        steps = protocol.of_session(session).steps
        what = f"session {session} of {protocol.id} ({', '.join(step.name for step in steps)}) is missing"
        window_s = next((step.after_injection_s for step in steps if step.after_injection_s is not None), None)
        if window_s is None:
            yield Check(MISSING, "", Grade.NOT_EVALUABLE, what)
            continue
        wanted = f"{duration_text(window_s[0])} to {duration_text(window_s[1])} after the injection"
        if injected_at is None:
            text = f"{what}: wanted {wanted}, whose time nobody noted"
            yield Check(MISSING, "", Grade.NOT_EVALUABLE, text)
            continue
        after_s = (now - injected_at).total_seconds()
        until = f"{_clock(injected_at, window_s[0])} to {_clock(injected_at, window_s[1])}"
        grade = Grade.BAD if after_s > window_s[1] else Grade.NOT_EVALUABLE
        text = f"{what}: wanted {wanted}, {until}; {_when(after_s, window_s)}"
        yield Check(MISSING, "", grade, text, after_s, window_s[1], "s")


def _when(after_s: float, window_s: tuple[float, float]) -> str:
    if after_s < window_s[0]:
        return f"{duration_text(window_s[0] - after_s)} to go"
    if after_s <= window_s[1]:
        return f"it is time now, {duration_text(window_s[1] - after_s)} left"
    return f"that was over {duration_text(after_s - window_s[1])} ago"


def _clock(injected_at: datetime, after_s: float) -> str:
    """Return a time of the station's clock for people."""
    return f"{(injected_at + timedelta(seconds=after_s)).astimezone():%Y-%m-%d %H:%M}"
