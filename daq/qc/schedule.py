"""Which tests of quality control are due: of their results, of events, of now and the site's time zone.

A test of every day is done once in each calendar day of the site, one of every week in each ISO week (Monday to
Sunday), and so by calendar month, quarter, half-year and year. It is *due* when the period after that in which it was
done begins, and *overdue* when a second one begins without it. A result that says nothing (not evaluable) does not
count as done; one beyond its suspension level is *failed* until a newer one says something of the same head; one
beyond its action level is done, and somebody investigates. After an event that touches the test what was found before
no longer counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Literal

from daq.errors import UsageError
from daq.model.qc.figures import Level
from daq.model.qc.limits import After, Every, QcTest
from daq.qc.judging import RANKS
from daq.qc.units import ALL

State = Literal["valid", "due", "overdue", "failed", "never", "after-service"]
_MONTHS: dict[Every, int] = {"month": 1, "quarter": 3, "half-year": 6, "year": 12}
_URGENT: tuple[State, ...] = ("failed", "after-service", "never", "overdue", "due", "valid")


@dataclass(frozen=True, slots=True)
class Done:
    """A result as the schedule sees it. `performed`: aware; when the test was done, not when it was entered.

    `says`: the heads (sources, the whole: `daq.qc.units`) of which it says something; `suspended`: those of them that
    are beyond the suspension level.
    """

    id: str
    performed: datetime
    level: Level
    struck: bool = False
    says: frozenset[str] = frozenset({ALL})
    suspended: frozenset[str] | None = None
    """None: all of `says`, where the level is suspension."""


@dataclass(frozen=True, slots=True)
class Event:
    """Service, recalibration, damage ... `tests`: those it touches; none said: all that are to be done `after` it."""

    what: After
    at: datetime
    tests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Due:
    """Where a test stands. `newest`: the result it rests on; `words`: why it stands so, a sentence.

    `next_due`: when it is to be done next, or since when it was to be done; None where no calendar says so. `asked`:
    the calendar or an event asks for it, or it failed; a test on demand that was never done is not asked for. `blocks`:
    no patient is acquired meanwhile but by name and reason: a blocking test of every day as soon as it is due, others
    when they are overdue. `ignored`: sentences about results that do not count.
    """

    test: str
    title: str
    state: State
    newest: Done | None
    next_due: datetime | None
    blocking: bool
    asked: bool
    blocks: bool
    words: str
    ignored: tuple[str, ...] = ()


def due_list(
    tests: Mapping[str, QcTest],
    results: Mapping[str, Sequence[Done]],
    events: Iterable[Event],
    *,
    now: datetime,
    zone: tzinfo,
    heads: frozenset[str] = frozenset(),
) -> tuple[Due, ...]:
    """Return where each test stands: those that block first, then by how much they ask for, then by name.

    `results`: of each test the newest few in any order (one that does not count must not hide one that does). `zone`:
    of the site. `heads`: the units of all heads that the scanner has (`daq.qc.units`): a test that is of heads is done
    when it was done of each of them. Raise `UsageError` for a time without its time zone.
    """
    happened = tuple(events)
    listed = [
        due(name, test, results.get(name, ()), happened, now=now, zone=zone, heads=heads)
        for name, test in tests.items()
    ]
    return tuple(sorted(listed, key=_order))


def due(
    name: str, test: QcTest, results: Sequence[Done], events: Iterable[Event], *, now: datetime, zone: tzinfo,
    heads: frozenset[str] = frozenset(),
) -> Due:  # fmt: skip
    """Return where one test stands."""
    happened = tuple(event for event in events if _touches(event, name, test))
    _refuse_naive([now, *(one.performed for one in results), *(event.at for event in happened)])
    kept = [one for one in results if not one.struck]
    past = [one for one in kept if one.performed <= now]
    says = sorted((one for one in past if one.level is not Level.NOT_EVALUABLE), key=_age, reverse=True)
    rests_on, missing = _rests_on(says, heads)
    newest = _still_suspended(says) or rests_on
    event = max((each for each in happened if each.at <= now), key=lambda each: each.at, default=None)
    state = _state(test, newest, event, now, zone)
    until = None if newest is None or test.every is None else period_after(newest.performed, test.every, zone)
    asked = state != "valid" and (test.every is not None or state in ("failed", "after-service"))
    return Due(
        test=name,
        title=test.title,
        state=state,
        newest=newest,
        next_due=event.at if event is not None and state == "after-service" else until,
        blocking=test.blocking,
        asked=asked,
        blocks=test.blocking and asked and (state != "due" or test.every == "day"),
        words=_words(test, state, newest, event, zone) + _of_heads(state, newest, heads, missing),
        ignored=tuple(_ignored(kept, newest, now, zone)),
    )


def _age(one: Done) -> tuple[datetime, int]:
    """Of two of one moment the worse counts."""
    return one.performed, RANKS.index(one.level)


def _rests_on(newest_first: Sequence[Done], heads: frozenset[str]) -> tuple[Done | None, tuple[str, ...]]:
    """Return the result that a test rests on, and the heads of which it was never done.

    Of a test of heads that is the newest one of the head whose newest is oldest; none while a head has none.
    """
    seen = frozenset[str]().union(*(one.says for one in newest_first))
    if not seen & heads:
        return next(iter(newest_first), None), ()
    of = {head: next((one for one in newest_first if one.says & {head, ALL}), None) for head in sorted(heads)}
    missing = tuple(head for head, one in of.items() if one is None)
    return (None if missing else min((one for one in of.values() if one is not None), key=_age)), missing


def _of_heads(state: State, newest: Done | None, heads: frozenset[str], missing: Sequence[str]) -> str:
    """Return the heads of which it was never done, or whose result it rests on where those of others are newer."""
    if newest is None:
        return f" of {', '.join(missing)}" if missing and state == "never" else ""
    of = newest.says & heads
    return f" ({', '.join(sorted(of))})" if of and of != heads else ""


def _still_suspended(newest_first: Sequence[Done]) -> Done | None:
    """Return the newest result that suspends a head of which no newer one says anything; None where there is none."""
    said: set[str] = set()
    for one in newest_first:
        suspended = one.says if one.suspended is None else one.suspended
        if one.level is Level.SUSPENSION and ALL not in said and not suspended <= said:
            return one
        said |= one.says
    return None


def period_start(at: datetime, every: Every, zone: tzinfo) -> datetime:
    """Return when the calendar period of an instant begins at the site, as UTC."""
    return _midnight(_first_day(at.astimezone(zone).date(), every), zone)


def period_after(at: datetime, every: Every, zone: tzinfo) -> datetime:
    """Return when the calendar period after that of an instant begins at the site, as UTC.

    A day is as long as it is there: 23 hours or 25 where clocks are changed. Where midnight itself is skipped the day
    begins when clocks jump.
    """
    return _midnight(_next_first(_first_day(at.astimezone(zone).date(), every), every), zone)


def _first_day(day: date, every: Every) -> date:
    if every == "day":
        return day
    if every == "week":
        return day - timedelta(days=day.weekday())
    months = _MONTHS[every]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def _next_first(first: date, every: Every) -> date:
    if every in ("day", "week"):
        return first + timedelta(days=1 if every == "day" else 7)
    months = first.month - 1 + _MONTHS[every]
    return date(first.year + months // 12, months % 12 + 1, 1)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _touches(event: Event, name: str, test: QcTest) -> bool:
    return name in event.tests if event.tests else event.what in test.after


def _state(test: QcTest, newest: Done | None, event: Event | None, now: datetime, zone: tzinfo) -> State:
    if event is not None and (newest is None or newest.performed <= event.at):
        return "after-service"
    if newest is None:
        return "never"
    if newest.level is Level.SUSPENSION:
        return "failed"
    if test.every is None:
        return "valid"
    until = period_after(newest.performed, test.every, zone)
    if now < until:
        return "valid"
    return "due" if now < period_after(until, test.every, zone) else "overdue"


def _words(test: QcTest, state: State, newest: Done | None, event: Event | None, zone: tzinfo) -> str:
    often = f"every {test.every}" if test.every is not None else "on demand"
    if state == "after-service" and event is not None:
        return f"{event.what} at {_local(event.at, zone)}, and it was not done since"
    if newest is None:
        return f"{often}; never done"
    done = f"{often}; last done {_local(newest.performed, zone)}, {newest.level}"
    return {"failed": f"{done}: do not use", "overdue": f"{done}: more than one {test.every} was left out"}.get(
        state, done
    )


def _ignored(kept: Sequence[Done], newest: Done | None, now: datetime, zone: tzinfo) -> Iterable[str]:
    for one in sorted(kept, key=lambda each: each.performed):
        when = _local(one.performed, zone)
        if one.performed > now:
            yield f"result {one.id} of {when} lies in the future and does not count: a clock was wrong"
        elif one.level is Level.NOT_EVALUABLE and (newest is None or one.performed >= newest.performed):
            yield f"result {one.id} of {when} is not evaluable and does not count as done"


def _local(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M %z")


def _order(one: Due) -> tuple[bool, bool, bool, int, str]:
    return (not one.blocks, not (one.asked and one.blocking), not one.asked, _URGENT.index(one.state), one.test)


def _refuse_naive(times: Iterable[datetime]) -> None:
    for at in times:
        if at.utcoffset() is None:
            raise UsageError(f"a time of quality control, {at.isoformat()}, has no time zone: nobody knows when it was")
