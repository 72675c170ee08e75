"""Noise-equivalent count rate and dead-time losses over activity (NEMA NU 2-2018, section 4.4.5 and 4.4.6)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError, UsageError
from daq.qc.pet.nemascatter import Rates

Floats = npt.NDArray[np.float64]
_FALLS_BY = 2.0
"""By so many standard deviations the rate must fall on either side of a maximum that is one."""
_LOWEST = 3


def necr(trues: float, scatter: float, randoms: float, k: int) -> float:
    """Return T^2 / (T + S + k R) in the unit of the rates; 0 without any. Raises `UsageError` unless k is 1 or 2.

    k = 1: randoms are taken off without noise, from singles or smoothed delayeds; k = 2: delayeds are subtracted.
    """
    if k not in (1, 2):
        raise UsageError(f"k = {k}: it is 1 (randoms known without noise) or 2 (delayeds are subtracted)")
    below = trues + scatter + k * randoms
    return trues**2 / below if below > 0.0 else 0.0


def necr_of(rates: Rates, k: int) -> tuple[float, float]:
    """Return the rate of a frame and its standard deviation, T, S and R taken for independent of each other."""
    value = necr(rates.trues, rates.scatter, rates.randoms, k)
    below = rates.trues + rates.scatter + k * rates.randoms
    if below <= 0.0:
        return value, 0.0
    slopes = (rates.trues * (below + rates.scatter + k * rates.randoms) / below**2, value / below, k * value / below)
    return value, math.sqrt(sum((slope * noise) ** 2 for slope, noise in zip(slopes, rates.noise, strict=True)))


@dataclass(frozen=True, slots=True)
class NecrPeak:
    """The frame with the highest rate, per second and kBq/mL; `error` is one standard deviation of the rate."""

    value: float
    error: float
    concentration_kbq_per_ml: float
    frame: int


def peak_necr(rates: Sequence[Rates], k: int) -> NecrPeak | None:
    """Return the frame of the highest rate; None where the data do not contain the maximum.

    They contain it when there is a frame of higher and one of lower activity whose rates are lower by more than noise.
    Nothing is fitted and nothing extrapolated.
    """
    found = [necr_of(each, k) for each in rates]
    if not found:
        return None
    top = max(range(len(found)), key=lambda at: found[at][0])
    activity = rates[top].concentration_kbq_per_ml
    for side in (1.0, -1.0):
        beside = [at for at, each in enumerate(rates) if side * (each.concentration_kbq_per_ml - activity) > 0.0]
        if not any(_is_lower(found[at], found[top]) for at in beside):
            return None
    return NecrPeak(*found[top], activity, top)


def losses_percent(rates: Sequence[Rates]) -> tuple[Floats, Floats]:
    """Return by frame how much of T + S is lost to dead time, per cent, and one standard deviation of it.

    Against the three frames of least activity, whose rate per activity is taken for that without losses (section
    4.4.6); they have losses of their own, so this is a lower bound. Raises `RefusedError` for fewer frames.
    """
    if len(rates) < _LOWEST:
        raise RefusedError(f"{len(rates)} frames: losses need the three of least activity to compare with")
    activity = np.array([each.concentration_kbq_per_ml for each in rates])
    measured = np.array([each.trues + each.scatter for each in rates])
    error = np.array([math.hypot(each.noise[0], each.noise[1]) for each in rates])
    lowest = np.argsort(activity)[:_LOWEST]
    if not np.all(activity > 0.0) or not measured[lowest].sum() > 0.0:
        raise RefusedError("a frame without activity, or no coincidences in those of least: losses are not known")
    per_activity = float(np.mean(measured[lowest] / activity[lowest]))
    ideal = per_activity * activity
    return 100.0 * (1.0 - measured / ideal), 100.0 * error / ideal


def grows_faster(rates: Sequence[Rates], *, by: float = 0.05, sigmas: float = 5.0) -> bool:
    """Return whether T + S per activity is higher in a frame of more activity than in that of least.

    No detector does so: losses make it fall. Then the nuclide, times or activity are not those that were said.
    `by`: the share that is let pass, beyond so many standard deviations of counting.
    """
    order = sorted((each for each in rates if each.concentration_kbq_per_ml > 0.0), key=_concentration)
    if not order:
        return False
    each_of, noise = zip(*((_per_activity(each)) for each in order), strict=True)
    return any(
        value > (1.0 + by) * each_of[0] and value - each_of[0] > sigmas * math.hypot(error, noise[0])
        for value, error in zip(each_of[1:], noise[1:], strict=True)
    )


def _concentration(rates: Rates) -> float:
    return rates.concentration_kbq_per_ml


def _per_activity(rates: Rates) -> tuple[float, float]:
    activity = rates.concentration_kbq_per_ml
    return (rates.trues + rates.scatter) / activity, math.hypot(rates.noise[0], rates.noise[1]) / activity


def _is_lower(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return other[0] - one[0] > _FALLS_BY * math.hypot(one[1], other[1])
