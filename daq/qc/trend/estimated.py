"""Limits of charts whose mean and sigma are estimated from few results, for a stated chance of a false alarm.

Limits of textbooks take mean and sigma as known. From 30 results the mean is wrong by 0.18 sigma, which is nearly the
whole standard deviation of an EWMA of weight 0.1, and such charts alarm many times too often (Jones, Champ and Rigdon,
Technometrics 43, 156, 2001; Quesenberry, J. Qual. Technol. 25, 237, 1993). Here the run length given the errors of
mean and sigma is averaged over these errors: normal, and chi with n - 1 degrees of freedom. So the chance of an alarm
within the horizon, over all baselines that might have been drawn, is what is stated. After the horizon it is less
often: charts with an unlucky baseline have alarmed by then.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.interpolate import RegularGridInterpolator
from scipy.optimize import brentq
from scipy.special import gammainccinv, gammaincinv

from daq.qc.trend.runlength import LONGEST, Floats, cusum_run_lengths, ewma_run_lengths

FEWEST_RESULTS = 20
"""Fewer results are no normal."""
_WIDTHS = np.linspace(0.25, 16.0, 46)
_SHIFTS = np.linspace(0.0, 2.2, 16)
_SLACKS = np.linspace(-2.0, 3.0, 51)
_LIMITS = np.linspace(0.25, 60.0, 120)
_MEAN_POINTS, _SIGMA_POINTS = 33, 49
_FAR = 6.0
_RARE = 1e-10
_SLACK_ERRORS = 2.0


def false_alarm_chance(tests_between: float, charts: int, horizon: int) -> float:
    """Return the chance of a chart to alarm within `horizon` tests, where all together do so every `tests_between`."""
    return -math.expm1(-horizon / (tests_between * charts))


@lru_cache(maxsize=4096)
def ewma_width_estimated(weight: float, results: int, chance: float, horizon: int) -> float:
    """Return the width of an EWMA chart, in asymptotic standard deviations by the estimated sigma.

    `chance`: of an alarm within `horizon` tests while nothing changes; `results`: that the normal was estimated from.
    """
    hazards = _ewma_hazards(weight)
    shift, ratio, share = _errors(results)

    def excess(width: float) -> float:
        rate = np.exp(hazards(np.stack([np.clip(width * ratio, _WIDTHS[0], _WIDTHS[-1]), shift], axis=-1)))
        return _log_chance(rate, share, horizon) - math.log(chance)

    return float(brentq(excess, 0.2, 60.0, xtol=1e-5))


@lru_cache(maxsize=4096)
def cusum_limit_estimated(slack: float, results: int, chance: float, horizon: int) -> float:
    """Return the limit of a two-sided CUSUM chart, in standard deviations of one result by the estimated sigma.

    `slack`: with what `slack_estimated` adds.
    """
    hazards = _cusum_hazards()
    shift, ratio, share = _errors(results)

    def excess(limit: float) -> float:
        within = np.clip(limit * ratio, _LIMITS[0], _LIMITS[-1])
        sides = [np.clip(slack * ratio + sign * shift, _SLACKS[0], _SLACKS[-1]) for sign in (-1.0, 1.0)]
        rate = sum(np.exp(hazards(np.stack([side, within], axis=-1))) for side in sides)
        return _log_chance(rate, share, horizon) - math.log(chance)

    return float(brentq(excess, 0.2, 400.0, xtol=1e-4))


def slack_estimated(slack: float, results: int) -> float:
    """Return the slack of a CUSUM chart whose mean is estimated: by two standard errors of that mean more.

    Without, every 150th baseline of 30 results is wrong by more than a slack of 0.5, and its sum grows for ever.
    """
    return slack + _SLACK_ERRORS / math.sqrt(results)


def _log_chance(rate: Floats, share: Floats, horizon: int) -> float:
    return math.log(max(float(np.sum(share * -np.expm1(-horizon * rate))), 1e-300))


@lru_cache(maxsize=256)
def _errors(results: int) -> tuple[Floats, Floats, Floats]:
    """Return errors of the mean, ratios of estimated to true sigma, and the share of each pair, [points]."""
    far = min(_FAR / math.sqrt(results), float(_SHIFTS[-1]))
    shift = np.linspace(0.0, far, _MEAN_POINTS)
    mean_share = np.exp(-0.5 * results * shift**2)  # normal; what it sums to is divided out
    mean_share[0] /= 2.0  # the other half is of the other side
    freedom = results - 1
    # Chi squared of so many degrees of freedom is twice a gamma variable of half as many.
    low, high = (math.sqrt(2.0 * far_off(freedom / 2.0, _RARE) / freedom) for far_off in (gammaincinv, gammainccinv))
    ratio = np.linspace(low, high, _SIGMA_POINTS)
    ratio_share = (
        np.exp(freedom * (np.log(ratio) - (ratio**2 - 1.0) / 2.0)) / ratio
    )  # chi squared, times the ratio; likewise
    share = np.outer(mean_share / mean_share.sum(), ratio_share / ratio_share.sum())
    shifts, ratios = np.meshgrid(shift, ratio, indexing="ij")
    return shifts.ravel(), ratios.ravel(), share.ravel()


@lru_cache(maxsize=8)
def _ewma_hazards(weight: float) -> RegularGridInterpolator:
    """Return the logarithm of alarms per test as a function of width and shift."""
    lengths = np.stack([
        ewma_run_lengths(weight, np.full(len(_SHIFTS), width), _SHIFTS) for width in _WIDTHS
    ])  # fmt: skip
    return RegularGridInterpolator((_WIDTHS, _SHIFTS), -np.log(np.minimum(lengths, LONGEST)))


@lru_cache(maxsize=1)
def _cusum_hazards() -> RegularGridInterpolator:
    """Return the logarithm of alarms per test of one side as a function of slack and limit."""
    lengths = np.stack([cusum_run_lengths(_SLACKS, np.full(len(_SLACKS), limit)) for limit in _LIMITS], axis=1)
    return RegularGridInterpolator((_SLACKS, _LIMITS), -np.log(np.minimum(lengths, LONGEST)))
