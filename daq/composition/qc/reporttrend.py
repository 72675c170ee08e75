"""Trends of a test: from results in the books, or a CSV file, to charts with fixed limits beside them."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from daq.errors import FormatError, MissingError
from daq.model.qc.documents import Document
from daq.model.qc.known import ANALYSES
from daq.model.qc.limits import Bounds, Limit, QcTest
from daq.qc.trend.fixed import decays_like
from daq.qc.trend.runlength import Floats
from daq.qc.trend.series import Rule, Series, chart_count
from daq.qc.trend.watch import Chart, State, Watched, watch
from daq.services.catalogue.entry import moment_ms
from daq.services.qc.abilities import FigureSeries

MS_PER_DAY = 86_400_000.0
TOLERATED = 0.1
"""A mean may wander by this share of the way to its action level without that being a change."""
TESTS_BETWEEN = 250.0
"""Where the scanner profile does not say: one false alarm in a year of working days."""
_EXTREME_SPREAD = 0.1
"""The worst of many spreads by so little of what is expected of it: only for these is the skewness measured."""
_MOST_CSV_VALUES = 50_000_000
_FIXED_COLUMNS = 4
_PARTS = ("value", "noise", "event", "simulated")


@dataclass(frozen=True, slots=True)
class Fixed:
    """Fixed limits of a figure. `percent`: of the reference, or of the normal where there is none; else in its unit."""

    action: Bounds | None
    suspension: Bounds | None = None
    of: str = "value"
    reference: Mapping[str, float] | None = None

    def about(self, subject: str, mean: float) -> list[tuple[str, float]]:
        """Return the bounds in the figure's unit for a subject with this normal, with the level of each."""
        base = mean if self.reference is None else self.reference.get(subject, mean)
        levels = [
            (level, given) for level, given in (("action", self.action), ("suspension", self.suspension)) if given
        ]
        edges = [(level, edge) for level, given in levels for edge in (given.below, given.above) if edge is not None]
        return [(level, self._absolute(edge, base)) for level, edge in edges]

    def _absolute(self, edge: float, base: float) -> float:
        if self.of == "reference-percent":
            return base + abs(base) * edge / 100.0
        return base + edge if self.of == "reference-difference" else edge


@dataclass(frozen=True, slots=True, eq=False)
class Trend:
    """A figure of a test with its charts. `events`: days and words; `fixed`: its fixed limits, None where none are set.

    `tests_between`: what was asked of all its charts together; `tolerance`: how far a mean may wander.
    """

    figure: str
    about: str
    watched: Watched
    rule: Rule
    tolerance: float
    fixed: Fixed | None
    events: tuple[tuple[float, str], ...]
    remarks: tuple[str, ...] = ()

    @property
    def changed(self) -> list[Chart]:
        """Return the charts that are out of control, what all have in common first, then by when they alarmed."""
        found = [chart for chart in self.watched.charts if chart.state is State.CHANGED]
        together = len(self.watched.subjects) > len(self.watched.series.subjects)
        last = self.watched.subjects[-1] if together else None
        return sorted(found, key=lambda chart: (chart.subject != last, chart.alarm.day if chart.alarm else 0.0))


def trend_of(
    series: Series, fixed: Fixed | None, events: Sequence[tuple[float, str]], rule: Rule, about: str = ""
) -> Trend:  # fmt: skip
    """Return the charts of a figure. The tolerance is a tenth of the way from the normal to the action level."""
    tolerance = _tolerance(series, fixed)
    days = [day for day, _ in events]
    (watched,) = watch([series], rule, days, {series.figure: tolerance})
    return Trend(series.figure, about or series.figure, watched, rule, tolerance, fixed, tuple(events))


def _tolerance(series: Series, fixed: Fixed | None) -> float:
    """Return a tenth of the least way from the typical value to an action level; 0 where none is set, or it is past."""
    first = series.values[: Rule().baseline]
    first = first[np.isfinite(first)]
    if fixed is None or not first.size:
        return 0.0
    middle = float(np.median(first))
    edges = [edge for level, edge in fixed.about("", middle) if level == "action"]
    return TOLERATED * min((abs(edge - middle) for edge in edges), default=0.0)


def series_from(found: FigureSeries, analysis: str, *, whole: Sequence[int] | None = None) -> Series:
    """Return what the books have of a figure as a series; noise that is an expected value as its spread."""
    kept = np.arange(len(found.at_ms)) if whole is None else np.asarray(whole, dtype=np.int64)
    kind = ANALYSES[analysis].figure(found.figure) if analysis in ANALYSES else None
    noise = found.noise * (kind.spread if kind is not None and kind.noise == "floor" else 1.0)
    return Series(
        found.figure, found.unit, found.subjects, found.at_ms[kept] / MS_PER_DAY, found.values[kept],
        noise[kept] if np.isfinite(noise).any() else None,
        kind is not None and kind.noise == "floor" and kind.spread <= _EXTREME_SPREAD,
    )  # fmt: skip


def without(found: FigureSeries, obstructed: frozenset[str]) -> list[int]:
    """Return which results are part of a trend: those that nothing stands against."""
    return [at for at, identity in enumerate(found.results) if identity not in obstructed]


def fixed_of(test: QcTest, figure: str, reference: Mapping[str, float] | None) -> Fixed | None:
    """Return the fixed limits of a figure as the scanner profile has them."""
    limit = test.limits.get(figure)
    return None if limit is None else _fixed(limit, reference)


def _fixed(limit: Limit, reference: Mapping[str, float] | None) -> Fixed:
    return Fixed(limit.action, limit.suspension, limit.of, reference if limit.of != "value" else None)


def decay_remark(series: Series, events: Sequence[tuple[float, str]], nuclide: str, half_life_days: float) -> str:
    """Return a sentence where the middle of a figure falls, since the last event, as its source does; else nothing."""
    since = max((day for day, _ in events if len(series.days) and day <= series.days[-1]), default=-math.inf)
    kept = np.isfinite(series.values).any(axis=1) & (series.days > since)
    if not kept.any():
        return ""
    middle = np.nanmedian(series.values[kept], axis=1)
    if not decays_like(series.days[kept], middle, half_life_days):
        return ""
    return f"It falls as {nuclide} decays: not divided by the activity of the day, it says nothing of the scanner."


def events_from(documents: Iterable[Document]) -> list[tuple[float, str]]:
    """Return days and words of events, oldest first."""
    found = []
    for document in documents:
        at_ms = moment_ms(document.at_utc)
        if at_ms is not None:
            text = str(document.body.get("text") or "")
            found.append((at_ms / MS_PER_DAY, f"{document.body.get('what', 'event')}{': ' if text else ''}{text}"))
    return sorted(found)


def figures_watched(test: QcTest) -> dict[str, float]:
    """Return the figures that have charts, with the mean tests between false alarms: those named, else with a limit."""
    return dict(test.trend) or dict.fromkeys(test.limits, TESTS_BETWEEN)


def moment_of(day: float) -> datetime:
    """Return the moment of a day since 1970."""
    return datetime.fromtimestamp(day * MS_PER_DAY / 1000.0, tz=UTC)


class TrendFile(NamedTuple):
    """What a file has: series, days and words of events, and whether it says that all is simulated."""

    series: list[Series]
    events: list[tuple[float, str]]
    simulated: bool


def read_csv(path: Path) -> TrendFile:
    """Return what a file has that is as `python -m simulators qc-series` writes it.

    Columns: `performed_utc`, `figure`, `unit`, `part`, then one for each subject; `part` is `value`, `noise`,
    `event`, which has its words in the next column, or `simulated`. Raise `MissingError`, `FormatError` with the line.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return _series_of(csv.reader(file), path)
    except FileNotFoundError:
        raise MissingError(f"{path}: no such file") from None
    except (UnicodeDecodeError, csv.Error) as why:
        raise FormatError(f"{path}: no CSV file in UTF-8: {why}") from None


def _series_of(rows: Iterable[list[str]], path: Path) -> TrendFile:
    lines = iter(rows)
    head = next(lines, [])
    if head[:_FIXED_COLUMNS] != ["performed_utc", "figure", "unit", "part"] or len(head) == _FIXED_COLUMNS:
        raise FormatError(f"{path}: the first line must be performed_utc,figure,unit,part and then the subjects")
    subjects = tuple(head[_FIXED_COLUMNS:])
    events: list[tuple[float, str]] = []
    found: dict[tuple[str, str], dict[float, dict[str, list[float]]]] = {}
    count, simulated = 0, False
    for number, row in enumerate(lines, start=2):
        day = _day(row, path, number)
        if row[3] == "event":
            events.append((day, row[4] if len(row) > _FIXED_COLUMNS else "event"))
            continue
        if row[3] == "simulated":
            simulated = True
            continue
        count += len(subjects)
        if count > _MOST_CSV_VALUES:
            raise FormatError(f"{path}: line {number}: more than {_MOST_CSV_VALUES:,} values")
        found.setdefault((row[1], row[2]), {}).setdefault(day, {})[row[3]] = _numbers(row, len(subjects), path, number)
    return TrendFile([_table(*key, subjects, by_day) for key, by_day in found.items()], sorted(events), simulated)


def _day(row: list[str], path: Path, number: int) -> float:
    at_ms = moment_ms(row[0]) if row else None
    if at_ms is None or len(row) < _FIXED_COLUMNS or row[3] not in _PARTS:
        raise FormatError(f"{path}: line {number}: begins with no time, or its part is none of {', '.join(_PARTS)}")
    return at_ms / MS_PER_DAY


def _numbers(row: list[str], wanted: int, path: Path, number: int) -> list[float]:
    cells = row[_FIXED_COLUMNS:]
    if len(cells) != wanted:
        raise FormatError(f"{path}: line {number}: {len(cells)} values, and there are {wanted} subjects")
    try:
        return [float(cell) if cell else math.nan for cell in cells]
    except ValueError as why:
        raise FormatError(f"{path}: line {number}: {why}") from None


def _table(figure: str, unit: str, subjects: tuple[str, ...], by_day: dict[float, dict[str, list[float]]]) -> Series:
    days = np.array(sorted(by_day))
    nothing = [math.nan] * len(subjects)
    values, noise = (
        np.array([by_day[day].get(part, nothing) for day in days.tolist()]).reshape(len(days), len(subjects))
        for part in ("value", "noise")
    )
    finite: Floats | None = noise if np.isfinite(noise).any() else None
    return Series(figure, unit, subjects, days, values, finite)


def charts_of(trends: Sequence[Trend]) -> int:
    """Return how many charts there are in all."""
    return sum(chart_count([trend.watched.series], trend.rule) for trend in trends)
