"""Since when, and how much: a single shift, or a drift that began one day, of a chart that alarmed.

Shift: maximum likelihood (Hinkley, Biometrika 57, 1, 1970). Drift: a broken line that is level and then slopes, by
least squares at every possible beginning; both of the results up to 60 after the alarm, for what came later need not
be as it began. The range of the day is all days whose likelihood ratio statistic is within 7.35 of the best: 95 % where
the tails on both sides are exponential, (1 - exp(-x/2))^2 = 0.95 (Yao, Ann. Stat. 15, 1321, 1987; the value in Hansen,
Econometrica 68, 575, 2000). The slope is that of all results since, judged by Student's t with n - 2 degrees of
freedom; neighbours that hang together widen its error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtr

from daq.qc.trend.line import line_through
from daq.qc.trend.runlength import Floats

FEWEST = 8
AFTER = 60
"""Results after the alarm that still help to date the change."""
RATIO_95 = 7.35
DAYS_PER_YEAR = 365.25
_MOST_CORRELATION = 0.95


@dataclass(frozen=True, slots=True)
class Change:
    """What changed. `day`, `earliest`, `latest`: the first day after the change, and its 95 % range.

    `level_before`, `level_now`: fitted; `per_year`: slope of a drift with its standard error and p by the t-test, 0
    for a shift.
    """

    kind: Literal["shift", "drift"]
    day: float
    earliest: float
    latest: float
    level_before: float
    level_now: float
    per_year: float = 0.0
    per_year_error: float = 0.0
    p: float = 0.0


def change_in(days: Floats, values: Floats, noticed: float = math.inf) -> Change | None:
    """Return the shift or the drift that fits better; None of fewer than eight results. Both [n], none of them NaN.

    `noticed`: it was no later than this day.
    """
    if len(values) < FEWEST:
        return None
    places = max(int(np.searchsorted(days, noticed, side="right")) - 1, 1)
    near = slice(0, places + 1 + AFTER)
    shifts, drifts = _shift_residuals(values[near])[:places], _drift_residuals(days[near], values[near])[:places]
    if shifts.min() <= drifts.min():
        return _shift(days, values, shifts, len(values[near]))
    return _drift(days, values, drifts, len(values[near]))


def _shift_residuals(values: Floats) -> Floats:
    """Return the sum of squares around two means, of which the second begins at each result but the first, [n - 1]."""
    off = values - values.mean()
    before = np.cumsum(off)[:-1]
    count = np.arange(1, len(values))
    found: Floats = float(np.sum(off * off)) - before**2 / count - before**2 / (len(values) - count)
    return found


def _drift_residuals(days: Floats, values: Floats) -> Floats:
    """Return the sum of squares around a line that begins to slope at each result but the last two, [n - 2]."""
    count = len(values)
    later = days - days.mean()
    after = np.arange(count, 0, -1)
    ends = _suffix(later)
    sum_h = ends - after * later
    sum_hh = _suffix(later**2) - 2.0 * later * ends + after * later**2
    off = values - values.mean()
    sum_hy = _suffix(later * off) - later * _suffix(off)
    power = np.maximum(sum_hh - sum_h**2 / count, 1e-12 * max(float(sum_hh[0]), 1e-300))
    found: Floats = (float(np.sum(off * off)) - sum_hy**2 / power)[:-2]
    return found


def _suffix(values: Floats) -> Floats:
    found: Floats = np.cumsum(values[::-1])[::-1]
    return found


def _range(residuals: Floats, count: int) -> tuple[int, int, int]:
    """Return the best place, and the first and last of its 95 % range."""
    best = int(np.argmin(residuals))
    ratio = count * np.log(np.maximum(residuals, 1e-300) / max(float(residuals[best]), 1e-300))
    within = np.flatnonzero(ratio <= RATIO_95)
    return best, int(within[0]), int(within[-1])


def _shift(days: Floats, values: Floats, residuals: Floats, near: int) -> Change:
    best, first, last = _range(residuals, near)
    before, after = values[: best + 1], values[best + 1 :]
    return Change(
        "shift", float(days[best + 1]), float(days[first + 1]), float(days[last + 1]), float(before.mean()),
        float(after.mean()),
    )  # fmt: skip


def _drift(days: Floats, values: Floats, residuals: Floats, near: int) -> Change:
    best, first, last = _range(residuals, near)
    hinge = np.maximum(days - days[best], 0.0)[:near]
    before = line_through(hinge, values[:near]).intercept
    since, of = days[best:] - days[best], values[best:]
    line = line_through(since, of)
    error = line.error * _widening(of - line.intercept - line.slope * since)
    t = abs(line.slope) / error if error > 0.0 else math.inf
    return Change(
        "drift", float(days[best]), float(days[first]), float(days[last]), before,
        float(line.intercept + line.slope * since[-1]), line.slope * DAYS_PER_YEAR, error * DAYS_PER_YEAR,
        float(2.0 * stdtr(len(of) - 2, -t)),
    )  # fmt: skip


def _widening(off: Floats) -> float:
    """Return by how much the error of a slope is larger because neighbours hang together."""
    power = float(np.sum(off * off))
    found = float(np.sum(off[1:] * off[:-1])) / power if power > 0.0 else 0.0
    found = min(max(found, 0.0), _MOST_CORRELATION)
    return math.sqrt((1.0 + found) / (1.0 - found))
