"""Control charts of all figures of a test and of all their subjects, at one stated rate of false alarms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from daq.qc.trend.baseline import Bools, Normal, normal_of, straightened
from daq.qc.trend.changepoint import Change, change_in
from daq.qc.trend.charts import Drawn, cusum, ewma
from daq.qc.trend.common import parted
from daq.qc.trend.estimated import (
    cusum_limit_estimated,
    ewma_width_estimated,
    false_alarm_chance,
    slack_estimated,
)
from daq.qc.trend.runlength import Floats, asymptotic_sigma
from daq.qc.trend.series import ALL, Rule, Series, chart_count, normals

_NEVER = 1e12
"""Limit of a chart without a normal, whose results are all NaN."""


class State(StrEnum):
    """Where a chart stands after its newest result."""

    LEARNING = "learning"
    """There are too few results since the beginning or the last event to know what is normal."""
    STEADY = "steady"
    CHANGED = "changed"
    """Out of control: an alarm since the last event."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A chart left its limit on a day, upwards (1) or downwards (-1); it stays so until the next event."""

    day: float
    side: int


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart after all results. `begun`: first day of the normal that holds now; `results`: it was made of.

    `sigma`: of one result; `limit`: how far the mean may move before an alarm, in the figure's unit, tolerance
    included; `correlation`: of neighbouring results, 0 where not significant; `earlier`: alarms before the last event.
    """

    figure: str
    unit: str
    subject: str
    state: State
    begun: float
    results: int
    mean: float
    sigma: float
    limit: float
    correlation: float
    left_out: int
    newest: float
    alarm: Alarm | None
    earlier: tuple[Alarm, ...]
    change: Change | None


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """The charts of one normal, a column each. `values`: what is charted, in the figure's unit, [tests, charts]."""

    tests: slice
    values: Floats
    normal: Normal
    drawn: Drawn
    allowed: Floats
    """The tolerance of each chart, in the figure's unit, [charts]."""
    alarms: tuple[Floats, Floats]
    """First test beyond the limit, counted from the stretch's first, NaN for none; and the side; [charts]."""


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """A figure with its charts. `subjects`: of the columns; `charts`: in the same order, as they stand now."""

    series: Series
    subjects: tuple[str, ...]
    stretches: tuple[Stretch, ...]
    charts: tuple[Chart, ...]


def watch(
    series: Sequence[Series], rule: Rule, events: Sequence[float] = (), tolerances: Mapping[str, float] | None = None
) -> list[Watched]:
    """Return the charts of all series. `events`: days at which a new normal begins.

    `tolerances`: by figure, how far its mean may wander (with the room's temperature) without that being a change; for
    one block against the others `rule.answer_share` of it. While no mean wanders further, all charts together alarm
    falsely at most once in `rule.tests_between` tests.
    """
    chance = false_alarm_chance(rule.tests_between, max(chart_count(series, rule), 1), rule.horizon)
    allowed = tolerances or {}
    return [_watched(each, rule, events, allowed.get(each.figure, 0.0), chance) for each in series]


def _watched(series: Series, rule: Rule, events: Sequence[float], tolerance: float, chance: float) -> Watched:
    together = len(series.subjects) >= rule.from_subjects
    subjects = (*series.subjects, ALL) if together else series.subjects
    stretches = tuple(
        _stretch(series, tests, rule, tolerance, chance, together=together) for tests in normals(series.days, events)
    )
    charts = tuple(_chart(series, subjects, at, stretches, rule) for at in range(len(subjects))) if stretches else ()
    return Watched(series, subjects, stretches, charts)


def _stretch(
    series: Series, tests: slice, rule: Rule, tolerance: float, chance: float, *, together: bool
) -> Stretch:  # fmt: skip
    values = series.values[tests]
    noise = None if series.noise is None else series.noise[tests]
    if together:
        values, noise = parted(values, noise, rule.baseline)
    charted = straightened(values, rule.baseline) if series.extreme and not together else values
    normal, first = normal_of(charted, noise, rule.baseline)
    allowed = np.full(values.shape[1], tolerance)
    if together:
        allowed[:-1] *= rule.answer_share
    drawn = _drawn(_standardised(charted, noise, normal, first), normal, rule, allowed, chance)
    if charted is not values:
        normal = replace(normal, mean=normal_of(values, noise, rule.baseline)[0].mean)
    return Stretch(tests, values, normal, drawn, allowed, drawn.first_alarms())


def _standardised(values: Floats, noise: Floats | None, normal: Normal, first: Bools) -> Floats:
    """Return results after the normal, less its mean, in standard deviations; with fewer counts these are wider."""
    variance = np.where(normal.known, normal.sigma, np.inf) ** 2
    if noise is not None:
        variance = variance + np.fmax(noise**2 - normal.noise**2, 0.0)
    return np.where(first | ~normal.known, np.nan, (values - normal.mean) / np.sqrt(variance))


def _drawn(off: Floats, normal: Normal, rule: Rule, allowed: Floats, chance: float) -> Drawn:
    """Return the charts; a single result counts for no more than so much beyond what a lasting change must be."""
    tolerance = allowed / np.where(normal.known, normal.sigma, np.inf)
    if rule.method == "ewma":
        widths = _each(normal, lambda n: ewma_width_estimated(rule.weight, n, chance, rule.horizon))
        most = widths * asymptotic_sigma(rule.weight) + tolerance + rule.most_sigma
        return ewma(np.clip(off, -most, most), rule.weight, widths, tolerance)
    slacks = _each(normal, lambda n: slack_estimated(rule.slack, n))
    limits = _each(normal, lambda n: cusum_limit_estimated(slack_estimated(rule.slack, n), n, chance, rule.horizon))
    most = slacks + tolerance + rule.most_sigma
    return cusum(np.clip(off, -most, most), slacks, limits, tolerance)


def _each(normal: Normal, by_results: Callable[[int], float]) -> Floats:
    """Return what depends on the number of results, computed once for each number, [charts]."""
    made = {int(n): by_results(int(n)) for n in np.unique(normal.results[normal.known])}
    return np.array([made[int(n)] if ok else _NEVER for n, ok in zip(normal.results, normal.known, strict=True)])


def _chart(series: Series, subjects: tuple[str, ...], at: int, stretches: tuple[Stretch, ...], rule: Rule) -> Chart:
    alarms = [_alarm(series, each, at) for each in stretches]
    last, normal, alarm = stretches[-1], stretches[-1].normal, alarms[-1]
    known = bool(normal.known[at])
    state = State.CHANGED if alarm else State.STEADY if known else State.LEARNING
    there = np.flatnonzero(np.isfinite(last.values[:, at]))
    days = series.days[last.tests]
    return Chart(
        figure=series.figure, unit=series.unit, subject=subjects[at], state=state,
        begun=float(days[0]), results=min(len(there), rule.baseline) if not known else int(normal.results[at]),
        mean=float(normal.mean[at]), sigma=float(normal.sigma[at]),
        limit=_limit(last, at, rule),
        correlation=float(normal.correlation[at]), left_out=int(normal.left_out[at]),
        newest=float(last.values[there[-1], at]) if len(there) else float("nan"),
        alarm=alarm, earlier=tuple(each for each in alarms[:-1] if each),
        change=change_in(days[there], last.values[there, at], alarm.day) if alarm else None,
    )  # fmt: skip


def _limit(stretch: Stretch, at: int, rule: Rule) -> float:
    """Return from where on a lasting change alarms in the end, in the figure's unit; NaN before the chart begins."""
    normal, limits = stretch.normal, stretch.drawn.limit[:, at]
    seen = limits[np.isfinite(limits)]
    if not normal.known[at] or not len(seen):
        return float("nan")
    sigma = float(normal.sigma[at])
    if rule.method == "cusum":
        return sigma * slack_estimated(rule.slack, int(normal.results[at])) + float(stretch.allowed[at])
    return sigma * float(seen[-1])


def _alarm(series: Series, stretch: Stretch, at: int) -> Alarm | None:
    first, side = stretch.alarms
    if not np.isfinite(first[at]):
        return None
    return Alarm(float(series.days[stretch.tests][int(first[at])]), int(side[at]))
