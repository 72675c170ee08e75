"""Control charts as a screen draws them: states of all charts, and points and lines of one, as plain data."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from daq.composition.qc.reportbooks import test_of, trends_of
from daq.composition.qc.reporttrend import MS_PER_DAY, Trend
from daq.composition.qc.reporttrenddraw import average_of, shown_subject
from daq.composition.qc.reportwords import chart_sentence, rate_sentence, trend_json, trend_sentences
from daq.errors import MissingError
from daq.qc.trend.runlength import Floats
from daq.qc.trend.series import ALL, Rule
from daq.qc.trend.watch import Stretch

if TYPE_CHECKING:
    from daq.model.scanner import ScannerProfile
    from daq.services.qc.books import QcBooks

_MOST_CHARTS = 60
"""Of a figure so many charts are told, those that changed first; the others are counted."""
_MOST_POINTS = 4000
_MS_PER_S = 1000.0


async def charts_told(books: QcBooks, scanner: ScannerProfile, job: Mapping[str, Any]) -> dict[str, Any]:
    """Return all charts of a test, and the drawing of one. Raise `MissingError` where there is nothing to chart."""
    test = test_of(scanner, job["test"])
    trends = await trends_of(books, job["test"], test, rule=Rule(method=job["method"]))
    newest = await books.newest(job["test"])
    if not trends:
        return {"test": job["test"], "title": test.title, "trends": [], "drawn": None, "rate": "", "simulated": False}
    wanted = _wanted(trends, job["figure"])
    subject = _shown(wanted) if job["subject"] is None else job["subject"]
    if subject not in wanted.watched.subjects:
        raise MissingError(f"{wanted.figure} has no chart of {subject!r}")
    since_day = (time.time() * _MS_PER_S) / MS_PER_DAY - job["days"]
    return {
        "test": job["test"], "title": test.title, "simulated": newest is not None and newest.document.simulated,
        "rate": rate_sentence(trends), "trends": [_told(trend) for trend in trends],
        "drawn": drawn(wanted, subject, since_day),
    }  # fmt: skip


def _wanted(trends: list[Trend], figure: str | None) -> Trend:
    """Return the figure that is drawn: the one named, else the first that changed, else the first."""
    if figure is None:
        return next((trend for trend in trends if trend.changed), trends[0])
    found = next((trend for trend in trends if trend.figure == figure), None)
    if found is None:
        raise MissingError(f"no chart of {figure!r}; there are {', '.join(trend.figure for trend in trends)}")
    return found


def _shown(trend: Trend) -> str:
    """Return the subject that is drawn: that which changed, what all have in common, or the first."""
    subjects = trend.watched.subjects
    return shown_subject(trend) if trend.changed or ALL in subjects else next(iter(subjects), "")


def _told(trend: Trend) -> dict[str, Any]:
    told = trend_json(trend)
    changed = [chart.subject for chart in trend.changed]
    order = sorted(told["charts"], key=lambda chart: chart["subject"] not in changed)[:_MOST_CHARTS]
    return {
        **told, "about": trend.about, "sentences": trend_sentences(trend), "charts": order,
        "chart_count": len(told["charts"]), "states": dict(Counter(str(each.state) for each in trend.watched.charts)),
    }  # fmt: skip


def drawn(trend: Trend, subject: str, since_day: float) -> dict[str, Any]:
    """Return the points of a chart from a day on, oldest first, and the lines beside them.

    `at_ms`: when, ms since 1970; `value` in the figure's unit; `average`, `mean`, `upper` and `lower` of an EWMA, null
    where there is none. Of a CUSUM `high` and `low` are its sums and `limit` theirs, in standard deviations.
    """
    at = trend.watched.subjects.index(subject)
    days = trend.watched.series.days
    lines = [_lines(trend, each, at) for each in trend.watched.stretches]
    joined = {name: np.concatenate([line[name] for line in lines]) for name in lines[0]} if lines else {}
    first = max(int(np.searchsorted(days, since_day)), len(days) - _MOST_POINTS, 0)
    chart = trend.watched.charts[at]
    fixed = [] if trend.fixed is None or not math.isfinite(chart.mean) else trend.fixed.about(subject, chart.mean)
    events = [(day * MS_PER_DAY, words) for day, words in trend.events if day >= (days[first] if len(days) else 0.0)]
    return {
        "figure": trend.figure, "about": trend.about, "unit": trend.watched.series.unit, "subject": subject,
        "method": trend.rule.method, "sentence": chart_sentence(trend, chart), "state": str(chart.state),
        "at_ms": [round(day * MS_PER_DAY) for day in days[first:].tolist()], "earlier": first,
        **{name: _numbers(values[first:]) for name, values in joined.items()},
        "fixed": [[level, edge] for level, edge in fixed], "events": events,
        "alarms": [
            {"at_ms": round(each.day * MS_PER_DAY), "side": each.side, "holds": each is chart.alarm}
            for each in (*chart.earlier, *((chart.alarm,) if chart.alarm else ()))
        ],
        "change": None if chart.change is None else {
            "at_ms": round(chart.change.day * MS_PER_DAY), "earliest_ms": round(chart.change.earliest * MS_PER_DAY),
            "latest_ms": round(chart.change.latest * MS_PER_DAY), "kind": chart.change.kind,
        },
    }  # fmt: skip


def _lines(trend: Trend, stretch: Stretch, at: int) -> dict[str, Floats]:
    """Return values and lines of one normal, each [tests], NaN where there is none."""
    values, known = stretch.values[:, at], bool(stretch.normal.known[at])
    mean = float(stretch.normal.mean[at]) if known else math.nan
    sigma = float(stretch.normal.sigma[at]) if known else math.nan
    limit = stretch.drawn.limit[:, at] if known else np.full(len(values), np.nan)
    told = {"value": values, "mean": np.full(len(values), mean)}
    if trend.rule.method == "cusum":
        sums = {"high": stretch.drawn.high[:, at], "low": stretch.drawn.low[:, at], "limit": limit}
        return {**told, **{name: each if known else np.full(len(values), np.nan) for name, each in sums.items()}}
    average = average_of(values, mean, trend.rule.weight) if known else np.full(len(values), np.nan)
    begun = np.isfinite(limit)
    return {
        **told, "average": np.where(begun, average, np.nan), "upper": mean + sigma * limit,
        "lower": mean - sigma * limit,
    }  # fmt: skip


def _numbers(values: Floats) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values.tolist()]
