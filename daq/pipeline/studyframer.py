"""Frames, views, projections, beats and strips from rows and marks as they come: live, replayed and later the same.

A row is counted once what decides its slot is settled: a beat when it has ended, a place of the bed when the next one
is known. Until then it waits; so many rows wait at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy.typing as npt

from daq.errors import RefusedError
from daq.model.framed import Framed
from daq.pipeline.binning import Bins, Columns
from daq.pipeline.seriesframed import framed_of
from daq.pipeline.seriesrule import BYTES, SeriesRule, Setup, rules_of
from daq.pipeline.seriestable import Horizon, SeriesTable, table_of
from daq.pipeline.timetable import FIRST_PS, LAST_PS
from daq.pipeline.timetablemarks import StepTold, Told

MOST_WAITING = 1 << 23
"""Rows that wait in all: 10 s of 800,000 events a second. More are let go of, and counted."""
_COLUMNS = ("time_ps", "x_mm", "y_mm", "head", "windows")


@dataclass(slots=True)
class _Series:
    rule: SeriesRule
    bins: Bins
    steps: list[StepTold]
    table: SeriesTable
    waiting: list[dict[str, npt.NDArray[Any]]] = field(default_factory=list)
    done: dict[int, SeriesTable] = field(default_factory=dict)
    rows_waiting: int = 0
    skipped: int = 0


class StudyFramer:
    """Makes the series of a study. Add rows and marks as they come; one thread uses it.

    With `only_present` what was counted of a series is let go of when the next one begins: for looking at.
    """

    def __init__(
        self, setup: Setup, *, steps: Sequence[int] = (), only_present: bool = False, most_waiting: int = MOST_WAITING
    ) -> None:
        """Begin with nothing; `steps` are the numbers of the recorded steps that pictures are made of, none: all."""
        self.setup, self.told = setup, Told()
        self._wanted, self._only_present, self._most_waiting = frozenset(steps), only_present, most_waiting
        self._named = {step.name: step for step in setup.steps}
        self._series: list[_Series] = []
        self._planned = 0
        self._horizon = Horizon()

    @property
    def skipped(self) -> int:
        """Return how many rows were let go of because too many waited."""
        return sum(series.skipped for series in self._series)

    @property
    def settled_ps(self) -> int:
        """Return the time before which no row waits: it is known where it belongs."""
        return min((series.table.settled_ps for series in self._series), default=LAST_PS)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the series so far."""
        return tuple(series.rule.name for series in self._series)

    def mark(self, kind: str, time_ps: int, source: int, value: int, value2: float, text: str) -> None:
        """Take in one mark, by its name; `settle` when all of a batch are in."""
        self.told.see(kind, time_ps, source, value, value2, text)

    def settle(self, *, complete: bool = False) -> None:
        """Take note of the marks that came; `complete`: no others will. Count the rows whose slots are known now."""
        if complete:
            self._horizon = replace(self._horizon, complete=True)
        for step in self.told.steps[self._planned :]:
            self._plan(step)
        self._planned = len(self.told.steps)
        for series in self._series:
            series.table = table_of(series.rule, self.told, series.steps, self._horizon, done=series.done)
            if series.waiting:
                waiting, series.waiting, series.rows_waiting = series.waiting, [], 0
                for rows in waiting:
                    self._count(series, rows, is_copy=True)

    def add(self, singles: Columns, marks: Columns | None = None) -> None:
        """Take in the rows and marks of a slice, marks with their kinds as indices in `MARKS`.

        Rows need `time_ps`, `x_mm`, `y_mm` and, where there are, `head` and `windows`; they may be views.
        """
        news = marks is not None and len(marks.get("kind", ())) and self.told.see_columns(marks)
        rows = len(singles.get("time_ps", ()))
        first, last = (int(singles["time_ps"].min()), int(singles["time_ps"].max())) if rows else (0, 0)
        if (rows and self._reach(last)) or news:
            self.settle()
        if not rows:
            return
        for series in self._series:
            if first < series.steps[-1].span[1] and last >= series.steps[0].begin_ps:
                self._count(series, singles, is_copy=False)

    def reach(self, time_ps: int) -> None:
        """Take note of how far rows have come that wait elsewhere, and of what that settles."""
        if self._reach(time_ps):
            self.settle()

    def framed(self) -> list[Framed]:
        """Return all series as they are now, counts copied."""
        return [self._framed(one) for one in self._series]

    def present(self, *, copied: bool = True) -> list[Framed]:
        """Return the series of the last step, none before the first; unless `copied` its counts go on to grow."""
        last = self.told.steps[-1:]
        return [self._framed(one, copied=copied) for one in self._series if one.steps[-1:] == last]

    def _framed(self, series: _Series, *, copied: bool = True) -> Framed:
        """Return a series; what a step that lasts will yet count is not in its times."""
        known = series.table
        if not self._horizon.complete and series.steps[-1].end_ps is None:
            known = known.until(self._horizon.seen_ps + 1)
        return framed_of(series.rule, self.told, series.steps, known, series.bins, copied=copied)

    def _reach(self, time_ps: int) -> bool:
        """Take note of how far rows have come; return True where that settles the end of a step."""
        before = self._horizon.seen_ps
        if time_ps <= before:
            return False
        self._horizon = replace(self._horizon, seen_ps=time_ps)
        return any(step.end_ps is not None and before <= step.end_ps < time_ps for step in self.told.steps)

    def _plan(self, step: StepTold) -> None:
        """Find the series that a step belongs to, or begin one."""
        if self._wanted and step.number not in self._wanted:
            return
        lasts_ps = step.span[1] - step.begin_ps if self._horizon.passed(step) else None
        rules = rules_of(self.setup, self._named.get(step.name), step.name, lasts_ps=lasts_ps)
        last = self._series[-len(rules) :]
        goes_on = [one.rule.key for one in last] == [rule.key for rule in rules]
        if goes_on and all(len(one.steps) < one.rule.views and not _has(one, step.name) for one in last):
            for series in last:
                series.steps.append(step)
            return
        if self._only_present:
            self._series = []
        self._require_room(rules)
        for rule in rules:
            steps = [step]
            table = table_of(rule, self.told, steps, self._horizon)
            self._series.append(_Series(rule, Bins(rule), steps, table))

    def _require_room(self, rules: Sequence[SeriesRule]) -> None:
        """Refuse more pixels in all series together than one may have."""
        held = sum(one.bins.counts.size for one in self._series)
        cells, most = held + sum(rule.cells for rule in rules), self.setup.most_cells
        if cells > most:
            raise RefusedError(
                f"{rules[0].name}: with the series before it pictures need {cells * BYTES / 1e9:.2f} GB; at most "
                f"{most * BYTES / 1e9:.2f} GB are taken: make pictures of its steps one by one, or fewer pixels a side"
            )

    def _count(self, series: _Series, rows: Columns, *, is_copy: bool) -> None:
        """Count the rows of which the slot is known, and let the others wait."""
        settled = series.table.settled_ps
        times = rows["time_ps"]
        if int(times.max()) < settled:
            series.bins.add(rows, series.table.table)
            return
        names = [name for name in _COLUMNS if name in rows]
        ready = times < settled
        if settled > FIRST_PS and ready.any():
            series.bins.add({name: rows[name][ready] for name in names}, series.table.table)
            left = {name: rows[name][~ready] for name in names}
        else:
            left = {name: rows[name] if is_copy else rows[name].copy() for name in names}
        if series.rows_waiting + len(left["time_ps"]) > self._most_waiting:
            series.skipped += len(left["time_ps"])
            return
        series.waiting.append(left)
        series.rows_waiting += len(left["time_ps"])


def _has(series: _Series, name: str) -> bool:
    return any(step.name == name for step in series.steps)
