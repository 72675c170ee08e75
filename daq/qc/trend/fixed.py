"""What stands beside a control chart: fixed limits, the vendor's "so many per cent of yesterday", and decay."""

from __future__ import annotations

import math

import numpy as np

from daq.qc.trend.line import line_through
from daq.qc.trend.runlength import Floats

FEWEST = 8
_NEAR_ERRORS = 3.0


def first_beyond(values: Floats, *, below: Floats | float = -math.inf, above: Floats | float = math.inf) -> Floats:
    """Return the first test of each column that is below or above, NaN for none. [tests, charts] -> [charts]."""
    beyond = (values < below) | (values > above)
    if not len(beyond):
        return np.full(values.shape[1], np.nan)
    return np.where(beyond.any(axis=0), np.argmax(beyond, axis=0).astype(np.float64), np.nan)


def first_off_yesterday(values: Floats, percent: float) -> Floats:
    """Return the first test that is off the one before by more than `percent` of it, NaN for none, [charts]."""
    before = _carried(values)[:-1]
    moved = np.abs(values[1:] - before) > np.abs(before) * percent / 100.0
    return first_beyond(moved.astype(np.float64), above=0.5) + 1.0


def _carried(values: Floats) -> Floats:
    """Return values with each missing one as the last before it."""
    at = np.where(np.isfinite(values), np.arange(len(values))[:, None], 0)
    return np.take_along_axis(values, np.maximum.accumulate(at, axis=0), axis=0)


def decays_like(days: Floats, values: Floats, half_life_days: float) -> bool:
    """Return whether positive values fall as a source of this half-life does, within three standard errors.

    Figures are absolute: per activity at the time, or ratios. One that decays was divided by nothing, and its trend is
    the source's. [n] each, without NaN; False of fewer than eight, of a span under a twentieth of the half-life, and
    where no decay at all would fit as well.
    """
    if len(values) < FEWEST or np.any(values <= 0.0) or days[-1] - days[0] < half_life_days / 20.0:
        return False
    line = line_through(days, np.log(values))
    expected, error = -math.log(2.0) / half_life_days, _NEAR_ERRORS * line.error
    return bool(abs(line.slope - expected) <= max(error, -0.02 * expected) and abs(line.slope) > error)
