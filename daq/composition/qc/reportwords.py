"""What a trend says, in sentences and as plain data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from daq.composition.qc.reporttrend import Trend, charts_of, moment_of
from daq.qc.judgingwords import number
from daq.qc.trend.changepoint import Change
from daq.qc.trend.fixed import first_beyond
from daq.qc.trend.series import ALL
from daq.qc.trend.watch import Chart, State

_MOST_NAMED = 6
_SURELY = 0.001
_WHOLE = 10.0


def rate_sentence(trends: list[Trend]) -> str:
    """Return what rate of false alarms all these charts together have, and so each of them."""
    rate = sum(1.0 / trend.rule.tests_between for trend in trends)
    charts = charts_of(trends)
    return (
        f"{charts:,} control charts: while nothing changes, a false alarm of any of them at most once in "
        f"{number(1.0 / rate)} tests, of each once in {number(charts / rate)}."
    )


def trend_sentences(trend: Trend, subject: str | None = None) -> list[str]:
    """Return the state of a figure: how many charts stand where, and of each that changed since when and how fast.

    `subject`: of this chart alone.
    """
    if subject is not None:
        return [chart_sentence(trend, chart) for chart in trend.watched.charts if chart.subject == subject]
    changed = trend.changed
    lines = [f"{_counted(trend)}."]
    lines += [chart_sentence(trend, chart) for chart in changed[:_MOST_NAMED]]
    if len(changed) > _MOST_NAMED:
        lines.append(f"and {len(changed) - _MOST_NAMED} more")
    lines += trend.remarks
    waves = sum(chart.correlation > 0.0 for chart in trend.watched.charts)
    if waves:
        lines.append(f"In {waves} of them neighbouring results hang together (a slow wave); their limits are wider.")
    return lines


def _counted(trend: Trend) -> str:
    states = [chart.state for chart in trend.watched.charts]
    said = []
    for state, words in ((State.CHANGED, "changed"), (State.STEADY, "steady"), (State.LEARNING, "learning")):
        if state in states:
            said.append(f"{states.count(state)} {words}")
    if not said:
        return "no result"
    if set(states) == {State.LEARNING}:
        most = max(chart.results for chart in trend.watched.charts)
        said[-1] += f" what is normal: {most} of {trend.rule.baseline} results"
    return ", ".join(said)


def chart_sentence(trend: Trend, chart: Chart) -> str:
    """Return since when a chart is changed, from what to what, and how fast."""
    if chart.state is State.LEARNING:
        return f"{_subject(trend, chart)}: learning what is normal: {chart.results} of {trend.rule.baseline} results"
    if chart.alarm is None:
        return f"{_subject(trend, chart)}: {chart.state}, normal {number(chart.mean)} {chart.unit}"
    way = "up" if chart.alarm.side > 0 else "down"
    text = f"{_subject(trend, chart)}: alarm {_date(chart.alarm.day)}, {way}"
    if chart.change is not None:
        text += f"; {_change(chart.change, chart.unit)}"
    beyond = fixed_alarm(trend, chart)
    late = "no fixed limit is set" if trend.fixed is None else "a fixed limit was not reached"
    return f"{text}; {late if beyond is None else f'beyond a fixed limit {_date(beyond)}'}"


def _subject(trend: Trend, chart: Chart) -> str:
    others = len(trend.watched.subjects) > len(trend.watched.series.subjects) and chart.subject != ALL
    return f"{chart.subject} against the others" if others else chart.subject or "value"


def _change(change: Change, unit: str) -> str:
    span = f"between {_date(change.earliest)} and {_date(change.latest)}"
    levels = f"from {number(change.level_before)} to {number(change.level_now)} {unit}"
    if change.kind == "shift":
        return f"a shift {_date(change.day)} ({span}) {levels}"
    sure = f"p {'< 0.001' if change.p < _SURELY else f'= {change.p:.3f}'}"
    percent = 100.0 * change.per_year / change.level_before if change.level_before else math.nan
    share = f", {percent:+,.{0 if abs(percent) >= _WHOLE else 2}f} %" if math.isfinite(percent) else ""
    slope = f"{change.per_year:+.3g} ± {change.per_year_error:.1g} {unit} a year{share} ({sure})"
    return f"a drift since {_date(change.day)} ({span}) {levels}, {slope}"


def fixed_alarm(trend: Trend, chart: Chart) -> float | None:
    """Return the first day of the present normal on which the value itself was beyond a fixed limit; None for none."""
    if trend.fixed is None or not math.isfinite(chart.mean):
        return None
    edges = [edge for _, edge in trend.fixed.about(chart.subject, chart.mean)]
    below = max((edge for edge in edges if edge < chart.mean), default=-math.inf)
    above = min((edge for edge in edges if edge > chart.mean), default=math.inf)
    series, since = trend.watched.series, trend.watched.series.days >= chart.begun
    at = trend.watched.subjects.index(chart.subject)
    values = trend.watched.stretches[-1].values[:, [at]] if chart.subject == ALL else series.values[since][:, [at]]
    first = float(first_beyond(values, below=below, above=above)[0])
    return None if math.isnan(first) else float(series.days[since][int(first)])


def _date(day: float) -> str:
    return moment_of(day).strftime("%Y-%m-%d")


def trend_json(trend: Trend, subject: str | None = None) -> dict[str, Any]:
    """Return the charts of a figure, or of one subject, as plain data; times are UTC, values in the figure's unit."""
    return {
        "figure": trend.figure, "unit": trend.watched.series.unit, "method": trend.rule.method,
        "tests_between_false_alarms": trend.rule.tests_between, "baseline_results": trend.rule.baseline,
        "tolerance": trend.tolerance, "tests": len(trend.watched.series.days),
        "remarks": list(trend.remarks),
        "charts": [_chart_json(trend, chart) for chart in trend.watched.charts if subject in {None, chart.subject}],
    }  # fmt: skip


def _chart_json(trend: Trend, chart: Chart) -> dict[str, Any]:
    beyond = fixed_alarm(trend, chart)
    return {
        "subject": chart.subject, "state": str(chart.state), "normal_since": _time(chart.begun),
        "normal_mean": _finite(chart.mean), "sigma": _finite(chart.sigma), "limit": _finite(chart.limit),
        "results_of_normal": chart.results, "outliers_of_normal": chart.left_out, "correlation": chart.correlation,
        "newest": _finite(chart.newest), "alarm": None if chart.alarm is None else _time(chart.alarm.day),
        "side": 0 if chart.alarm is None else chart.alarm.side,
        "fixed_limit_alarm": None if beyond is None else _time(beyond),
        "earlier_alarms": [_time(each.day) for each in chart.earlier],
        "change": None if chart.change is None else _change_json(chart.change),
    }  # fmt: skip


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind, "since": _time(change.day), "earliest": _time(change.earliest),
        "latest": _time(change.latest), "level_before": change.level_before, "level_now": change.level_now,
        "per_year": change.per_year, "per_year_error": change.per_year_error, "p": change.p,
    }  # fmt: skip


def _time(day: float) -> str:
    return moment_of(day).isoformat(timespec="seconds").replace("+00:00", "Z")


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
