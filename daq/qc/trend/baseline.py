"""The normal of a chart: mean and spread of the first results, robust against single bad ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.qc.trend.estimated import FEWEST_RESULTS
from daq.qc.trend.runlength import Floats

Bools = npt.NDArray[np.bool_]
_MAD_TO_SIGMA = 1.4826
_OUTLIER_SIGMA = 5.0
_SIGNIFICANT = 2.33
"""One-sided 1 %: of 100 charts of independent results one is taken for correlated, and gets wider limits."""
_MOST_CORRELATION = 0.9
_SMALLEST = 1e-300
_LEAST_RATIO = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Normal:
    """Mean and spread of each chart, all [charts].

    `sigma`: as charts use it, not below the counting noise, wider where results hang together; `spread`: as found;
    `results`: that it rests on; `left_out`: outliers; `correlation`: of neighbours, 0 where it is not significant;
    `noise`: median counting noise of these results, NaN where it is not known. Charts with too few have NaN.
    """

    mean: Floats
    sigma: Floats
    spread: Floats
    results: npt.NDArray[np.int64]
    left_out: npt.NDArray[np.int64]
    correlation: Floats
    noise: Floats

    @property
    def known(self) -> Bools:
        """Return which charts have a normal, [charts]."""
        found: Bools = np.isfinite(self.sigma) & (self.sigma > 0.0)
        return found


def normal_of(values: Floats, noise: Floats | None, wanted: int) -> tuple[Normal, Bools]:
    """Return the normal of the first `wanted` results, and which results those are, [tests, charts].

    Results further than five robust standard deviations (1.4826 MAD) from the median are left out; of the others the
    plain mean and standard deviation are taken, for these waste nothing: median and MAD alone would need three times
    as many results. A mean of fewer than 20 is none. Neighbours that hang together (first autocorrelation r above its
    one-sided 1 % bound) make the spread of slow sums larger by sqrt((1 + r) / (1 - r)), and sigma is raised by that.
    """
    there = np.isfinite(values)
    first = there & (np.cumsum(there, axis=0) <= wanted)
    enough = first.sum(axis=0) == wanted
    kept = first & (np.abs(values - _median(values, first)) <= _OUTLIER_SIGMA * _MAD_TO_SIGMA * _mad(values, first))
    count = kept.sum(axis=0)
    good = enough & (count >= FEWEST_RESULTS)
    mean = np.where(good, _sum(values, kept) / np.maximum(count, 1), np.nan)
    off = np.where(kept, values - mean, 0.0)
    spread = np.where(good, np.sqrt(np.sum(off * off, axis=0) / np.maximum(count - 1, 1)), np.nan)
    correlation = _correlation(off, kept, good)
    floor = np.full(values.shape[1], np.nan) if noise is None else _median(noise, kept & np.isfinite(noise))
    sigma = np.fmax(spread, floor) * np.sqrt((1.0 + correlation) / (1.0 - correlation))
    left_out = np.where(good, first.sum(axis=0) - count, 0)
    return Normal(mean, np.where(good, sigma, np.nan), spread, count, left_out, correlation, floor), first


def straightened(values: Floats, wanted: int) -> Floats:
    """Return extremes of many, skewed to high values, as about normal ones near the typical first one of each chart.

    y = m + m (1 - (m / x)^2) / 2, which is x at m and rises by 1 there; m is the median of the first `wanted` results.
    Measured with floods of Poisson counts, 10,000 a pixel, after the smoothing of NEMA NU 1: integral uniformity is
    skewed by 0.9 of counting alone and by 0.5 over 2 % of true unevenness; y by less than 0.1 in both. Charts of x
    alarmed up to 2.2 (EWMA) and 2.6 times (CUSUM) as often as stated, of y 0.8 to 1.2 times.
    """
    there = np.isfinite(values)
    typical = _median(values, there & (np.cumsum(there, axis=0) <= wanted))
    known = typical > 0.0
    ratio = np.maximum(values / np.where(known, typical, 1.0), _LEAST_RATIO)
    return np.where(known, typical * (1.5 - 0.5 / (ratio * ratio)), values)


def _sum(values: Floats, which: Bools) -> Floats:
    found: Floats = np.sum(np.where(which, values, 0.0), axis=0)
    return found


def _median(values: Floats, which: Bools) -> Floats:
    """Return the median of some rows of each column; NaN where there are none."""
    if not len(values):
        return np.full(values.shape[1], np.nan)
    ordered = np.sort(np.where(which, values, np.inf), axis=0)
    count = which.sum(axis=0)
    columns = np.arange(values.shape[1])
    low = ordered[np.maximum(count - 1, 0) // 2, columns]
    high = ordered[np.minimum(count // 2, len(values) - 1), columns]
    found = np.full(values.shape[1], np.nan)
    some = count > 0
    found[some] = (low[some] + high[some]) / 2.0
    return found


def _mad(values: Floats, which: Bools) -> Floats:
    return _median(np.abs(values - _median(values, which)), which)


def _correlation(off: Floats, kept: Bools, good: Bools) -> Floats:
    """Return the first autocorrelation of neighbouring results where it is significantly above 0, else 0, [charts]."""
    together = (kept[1:] & kept[:-1]).sum(axis=0)
    power = np.sum(off * off, axis=0)
    found = np.sum(off[1:] * off[:-1], axis=0) / np.maximum(power, _SMALLEST)
    found += 1.0 / np.maximum(together, 1)  # its mean is -1/n where results are independent
    significant = good & (together > 0) & (found > _SIGNIFICANT / np.sqrt(np.maximum(together, 1)))
    return np.where(significant, np.minimum(found, _MOST_CORRELATION), 0.0)
