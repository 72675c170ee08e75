"""The report of a month: what was done and what was missed, every result, alarms of charts, trends, signatures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from daq.composition.qc.report import made_words, trend_parts, year_before
from daq.composition.qc.reportmodel import TONE_OF, Cell, Facts, Part, Report, Sentences, Table, Tone, clean
from daq.composition.qc.reportparts import signatures_table
from daq.composition.qc.reporttrend import Trend, moment_of
from daq.errors import UsageError
from daq.model.qc.documents import Document
from daq.model.qc.figures import Figure, Level
from daq.model.qc.limits import Every, QcTest
from daq.qc.judging import RANKS
from daq.qc.judgingwords import number
from daq.qc.trend.watch import Chart
from daq.services.qc.abilities import Kept

_MONTH = re.compile(r"(2[0-9]{3})-(0[1-9]|1[0-2])")
_SATURDAY, _SUNDAY = 5, 6
_MOST_NAMED = 4
_MOST_ALARMS = 100
_SHORT: dict[Level, str] = {
    Level.IN_LIMITS: "ok", Level.NOT_JUDGED: "nj", Level.NOT_EVALUABLE: "ne", Level.ACTION: "ACT",
    Level.SUSPENSION: "SUS",
}  # fmt: skip
_LEGEND = (
    "ok: in limits; nj: not judged, no limit is set; ne: not evaluable; ACT: beyond the action level; SUS: beyond the "
    "suspension level; -: a test of every day was not done on a working day (Monday to Friday). Several on one day: "
    "the worst. Done, and evaluable: of the working days, of the weeks that are all in the month, of the months. Days "
    "are those of {zone}."
)
_PERIODS: dict[Every, str] = {"day": "working days", "week": "weeks", "month": "months"}


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month of a site. `first`, `after`: its first moment and the first after it, aware."""

    year: int
    month: int
    zone: tzinfo

    @property
    def first(self) -> datetime:
        """Return its first moment."""
        return datetime(self.year, self.month, 1, tzinfo=self.zone)

    @property
    def after(self) -> datetime:
        """Return the first moment after it."""
        over = self.month // 12
        return datetime(self.year + over, self.month % 12 + 1, 1, tzinfo=self.zone)

    @property
    def days(self) -> list[date]:
        """Return its days."""
        first, after = self.first.date(), self.after.date()
        return [first + timedelta(days=number) for number in range((after - first).days)]


def month_from(text: str, zone: tzinfo) -> Month:
    """Return the month of `2031-05`. Raise `UsageError`."""
    found = _MONTH.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no month, such as 2031-05")
    return Month(int(found[1]), int(found[2]), zone)


@dataclass(frozen=True, slots=True, eq=False)
class MonthBooks:
    """What the books have of a month: results newest first, events, charts by test."""

    tests: Mapping[str, QcTest]
    results: Sequence[Kept]
    events: Sequence[Document]
    trends: Mapping[str, Sequence[Trend]]


def month_report(month: Month, books: MonthBooks, scanner: str, station: str, now: datetime) -> Report:
    """Return the report of a month. `now`: days after it are not missed yet."""
    counted = [kept for kept in books.results if kept.struck is None]
    unsigned = [kept for kept in counted if not any(kept.holds(each) for each in kept.signatures)]
    simulated = any(kept.document.simulated for kept in books.results)
    calendar = _calendar(month, books.tests, counted, now)
    parts: list[Part] = [
        Facts("What it is of", (("Scanner", clean(scanner)), ("Station", clean(station)),
                                ("Days", f"{month.first:%Y-%m-%d} to {month.days[-1]:%Y-%m-%d}"),
                                ("Results", f"{len(books.results)}, {len(books.results) - len(counted)} struck out"))),
        calendar, _alarms(month, books.trends), *_events(books.events),
        _results(books.results, month),
    ]  # fmt: skip
    year_ago = year_before(month.after.isoformat())
    for name, trends in books.trends.items():
        parts += trend_parts(
            trends, simulated=simulated, since_day=year_ago, title=f"Trend: {clean(_title(books.tests, name), 120)}"
        )
    parts.append(signatures_table(counted))
    return Report(
        title=f"Quality control, {month.first:%B %Y}", about=clean(f"{scanner}; {station}", 300),
        verdict=_verdict(counted, _behind(calendar), books.trends, simulated=simulated), simulated=simulated,
        unsigned=f"{len(unsigned)} OF {len(counted)} RESULTS NOT SIGNED" if unsigned else "",
        parts=tuple(parts), made=made_words(now.astimezone(UTC).isoformat()),
    )  # fmt: skip


def _title(tests: Mapping[str, QcTest], name: str) -> str:
    return tests[name].title if name in tests else name


def _verdict(
    counted: Sequence[Kept], behind: int, trends: Mapping[str, Sequence[Trend]], *, simulated: bool
) -> Cell:  # fmt: skip
    levels = [kept.result.level for kept in counted]
    beyond = [
        f"{levels.count(level)} beyond the {level} level"
        for level in (Level.SUSPENSION, Level.ACTION) if level in levels
    ]  # fmt: skip
    if Level.NOT_EVALUABLE in levels:
        beyond.append(f"{levels.count(Level.NOT_EVALUABLE)} not evaluable")
    changed = sum(len(trend.changed) for each in trends.values() for trend in each)
    words = f"{len(levels)} results" + (f": {', '.join(beyond)}" if beyond else ", none beyond a limit")
    words += f"; {changed} control chart{'s' if changed > 1 else ''} changed" if changed else "; no chart changed"
    words += f"; {behind} test{'s' if behind > 1 else ''} not done as often as due" if behind else ""
    worst = max(levels, key=RANKS.index, default=Level.NOT_JUDGED)
    tone = "action" if (changed or behind) and worst in {Level.IN_LIMITS, Level.NOT_JUDGED} else TONE_OF[worst]
    return Cell(f"{'SIMULATED: ' if simulated else ''}{words}", tone)


def _behind(calendar: Table) -> int:
    """Return how many tests were done less often than they are due."""
    return sum(row[-1].tone == "missed" for row in calendar.rows)


def _calendar(month: Month, tests: Mapping[str, QcTest], counted: Sequence[Kept], now: datetime) -> Table:
    by_day: dict[tuple[str, date], list[Level]] = {}
    for kept in counted:
        by_day.setdefault((kept.result.test, _day(kept, month.zone)), []).append(kept.result.level)
    names = dict.fromkeys([*tests, *(kept.result.test for kept in counted)])
    today = now.astimezone(month.zone).date()
    rows = tuple(_calendar_row(name, tests.get(name), month, by_day, today) for name in names)
    head = ("test", *(f"{day.day}" for day in month.days), "done")
    return Table("Calendar", head, rows, note=_LEGEND.format(zone=clean(_zone_words(month), 60)), narrow=True)


def _zone_words(month: Month) -> str:
    """Return the name of the zone; of one that a file of the host gives without a name, what its clocks said."""
    named = getattr(month.zone, "key", None)
    clocks = dict.fromkeys(f"{each:%Z} (UTC{each:%z})" for each in (month.first, month.after - timedelta(seconds=1)))
    return str(named) if named else " and ".join(clocks)


def _calendar_row(
    name: str, test: QcTest | None, month: Month, by_day: Mapping[tuple[str, date], list[Level]], today: date
) -> tuple[Cell, ...]:
    every = None if test is None else test.every
    cells = [_calendar_cell(by_day.get((name, day), []), day, every, today) for day in month.days]
    done = [day for day in month.days if set(by_day.get((name, day), ())) - {Level.NOT_EVALUABLE}]
    had, wanted = _done(done, every, month, today)
    words = str(had) if wanted is None else f"{had}/{wanted}"
    behind = wanted is not None and had < wanted
    return (Cell(clean(test.title if test else name, 60)), *cells, Cell(words, "missed" if behind else ""))


def _calendar_cell(levels: list[Level], day: date, every: Every | None, today: date) -> Cell:
    if levels:
        worst = max(levels, key=RANKS.index)
        return Cell(_SHORT[worst], TONE_OF[worst])
    missed = every == "day" and day < today and day.weekday() < _SATURDAY
    return Cell("-", "missed") if missed else Cell("")


def _done(done: Sequence[date], every: Every | None, month: Month, today: date) -> tuple[int, int | None]:
    """Return in how many of the working days, whole weeks or months that are over it was done, and how many these are.

    None where a month does not say it. Weeks that lie in two months count in neither.
    """
    if every not in _PERIODS:
        return len(done), None
    had = {_period(day, every) for day in done}
    wanted = {_period(day, every) for day in month.days if _is_over(day, every, month, today)}
    return len(wanted & had), len(wanted)


def _is_over(day: date, every: Every, month: Month, today: date) -> bool:
    """Return whether a day ends a working day, a week that is all in the month, or the month, and is past."""
    ends = {
        "day": day.weekday() < _SATURDAY, "week": day.weekday() == _SUNDAY and day.day > _SUNDAY,
        "month": day == month.days[-1],
    }  # fmt: skip
    return ends[every] and day < today


def _period(day: date, every: Every) -> object:
    return {"day": day, "week": day.isocalendar()[:2], "month": (day.year, day.month)}[every]


def _alarms(month: Month, trends: Mapping[str, Sequence[Trend]]) -> Table:
    """Return alarms of all charts within the month, and of charts that changed before and were not mended."""
    rows = sorted(
        row
        for name, each in trends.items() for trend in each for chart in trend.watched.charts
        for row in _alarm_rows(month, name, trend, chart)
    )  # fmt: skip
    cells = tuple(tuple(Cell(clean(text, 120)) for text in row) for row in rows[:_MOST_ALARMS])
    note = f"{len(rows)} in all." if rows else "No chart is out of control."
    return Table("Alarms of control charts", ("day", "test", "figure", "of", "way", "now"), cells, note=note)


def _alarm_rows(month: Month, name: str, trend: Trend, chart: Chart) -> list[tuple[str, ...]]:
    """Return the alarms of a chart: those within the month, and the one that it still is in."""
    found: list[tuple[str, ...]] = []
    for alarm in (*chart.earlier, *((chart.alarm,) if chart.alarm else ())):
        at = moment_of(alarm.day).astimezone(month.zone)
        now = "still so" if alarm is chart.alarm else "a service ended it"
        if month.first <= at < month.after or alarm is chart.alarm:
            way = "up" if alarm.side > 0 else "down"
            found.append((f"{at:%Y-%m-%d}", name, trend.about, chart.subject, way, now))
    return found


def _events(events: Sequence[Document]) -> list[Part]:
    lines = tuple(
        clean(f"{event.at_utc[:16].replace('T', ' ')} UTC: {event.body.get('what', 'event')}, "
              f"{event.body.get('text', '')} ({event.by})")
        for event in events
    )  # fmt: skip
    return [Sentences("Service, recalibration, damage", lines)] if lines else []


def _results(results: Sequence[Kept], month: Month) -> Table:
    ordered = sorted(results, key=lambda kept: (kept.document.at_utc, kept.document.id))
    head = ("performed", "test", "level", "what was found", "by", "signed by")
    rows = tuple(_result_row(kept, month.zone) for kept in ordered)
    return Table("Results", head, rows, note=clean(f"Times are those of {_zone_words(month)}; of signatures UTC."))


def _result_row(kept: Kept, zone: tzinfo) -> tuple[Cell, ...]:
    result = kept.result
    signed = ", ".join(f"{each.by} ({each.body.get('meaning', '')})" for each in kept.signatures if kept.holds(each))
    level: Cell = Cell(str(result.level), TONE_OF[result.level])
    if kept.struck is not None:
        level = Cell(f"struck out: {clean(kept.struck.body.get('reason', ''), 120)}", "quiet")
    nobody: Tone = "missed" if not signed and kept.struck is None else ""
    return (
        Cell(f"{_moment(kept).astimezone(zone):%m-%d %H:%M}"), Cell(clean(result.title, 80)), level,
        Cell(_most_important(kept)), Cell(clean(kept.document.by, 80)), Cell(clean(signed, 160) or "nobody", nobody),
    )  # fmt: skip


def _most_important(kept: Kept) -> str:
    """Return the sentence that made the level, or what stands against the test."""
    result = kept.result
    if result.obstacles:
        return clean(result.obstacles[0], 240)
    if result.level in {Level.IN_LIMITS, Level.NOT_JUDGED}:
        return clean(
            "; ".join(map(_spanned, [one for one in result.figures if one.name in result.limits][:_MOST_NAMED]))
        )
    told = [one.text for one in result.judged if one.level is result.level]
    more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
    return f"{clean(told[0], 200)}{more}" if told else ""


def _spanned(figure: Figure) -> str:
    """Return a figure with its least and greatest value."""
    known = [value for value in figure.values if value is not None]
    if not known:
        return f"{figure.name} not determined"
    span = number(min(known)) if min(known) == max(known) else f"{number(min(known))} to {number(max(known))}"
    return f"{figure.name.replace('_', ' ')} {span} {figure.unit}"


def _moment(kept: Kept) -> datetime:
    moment = datetime.fromisoformat(kept.document.at_utc)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _day(kept: Kept, zone: tzinfo) -> date:
    return _moment(kept).astimezone(zone).date()
