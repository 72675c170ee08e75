"""EWMA and tabular CUSUM of many charts at once, in units of the standard deviation of one result.

Roberts, Technometrics 1, 239, 1959; Page, Biometrika 41, 100, 1954; both as in NIST/SEMATECH, e-Handbook of Statistical
Methods, sections 6.3.2.3 and 6.3.2.4. A missing result leaves a chart where it was: charts go by results, not by days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from daq.qc.trend.runlength import Floats, asymptotic_sigma


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """What was drawn: `high` and `low` statistic and the limit on both, [tests, charts], in standard deviations.

    EWMA: `high` is the average and `low` its negative. CUSUM: the sums of either side. NaN before the chart begins.
    """

    high: Floats
    low: Floats
    limit: Floats

    def first_alarms(self) -> tuple[Floats, Floats]:
        """Return for each chart the first test beyond the limit, NaN for none, and the side, 1 or -1, [charts]."""
        up, down = self.high > self.limit, self.low > self.limit
        beyond = up | down
        any_ = beyond.any(axis=0) if len(beyond) else np.zeros(beyond.shape[1], dtype=bool)
        first = np.argmax(beyond, axis=0) if len(beyond) else np.zeros(beyond.shape[1], dtype=np.int64)
        side = np.where(up[first, np.arange(up.shape[1])], 1.0, -1.0) if len(up) else np.ones(up.shape[1])
        return np.where(any_, first, np.nan), np.where(any_, side, np.nan)


def ewma(results: Floats, weight: float, widths: Floats, tolerance: Floats) -> Drawn:
    """Return EWMA charts that begin at 0, with limits that widen to their lasting width as the exact variance does.

    `results`: [tests, charts], NaN where there is none; `widths`: in asymptotic standard deviations, [charts];
    `tolerance`: a mean that is off by no more than this is none worth an alarm, [charts].
    """
    tests, charts = results.shape
    average, seen = np.zeros(charts), np.zeros(charts)
    high, limit = np.full((tests, charts), np.nan), np.full((tests, charts), np.nan)
    for test in range(tests):
        there = np.isfinite(results[test])
        average = np.where(there, average + weight * (results[test] - average), average)
        seen += there
        begun = seen > 0
        width = widths * asymptotic_sigma(weight) * np.sqrt(-np.expm1(2.0 * seen * np.log1p(-weight + 1e-12)))
        high[test] = np.where(begun, average, np.nan)
        limit[test] = np.where(begun, width + tolerance, np.nan)
    return Drawn(high, -high, limit)


def cusum(results: Floats, slacks: Floats, limits: Floats, tolerance: Floats) -> Drawn:
    """Return two-sided tabular CUSUM charts: sums of what results are beyond the slack, never below 0.

    `results`: [tests, charts], NaN where there is none; `slacks` and `limits` [charts]; `tolerance` widens the slack:
    while the mean is off by no more, alarms are no more frequent than while it is not off at all.
    """
    tests, charts = results.shape
    up, down, begun = np.zeros(charts), np.zeros(charts), np.zeros(charts, dtype=bool)
    high, low = np.full((tests, charts), np.nan), np.full((tests, charts), np.nan)
    taken = slacks + tolerance
    for test in range(tests):
        there = np.isfinite(results[test])
        begun |= there
        up = np.where(there, np.maximum(0.0, up + results[test] - taken), up)
        down = np.where(there, np.maximum(0.0, down - results[test] - taken), down)
        high[test], low[test] = np.where(begun, up, np.nan), np.where(begun, down, np.nan)
    return Drawn(high, low, np.where(np.isfinite(high), limits, np.nan))
