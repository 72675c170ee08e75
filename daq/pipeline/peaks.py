"""Where the photopeak of a spectrum is: the top of the curve through the logarithms of the bins around its maximum.

A Gaussian is a parabola there. This verifies a peak while one looks; it calibrates nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from daq.model.windows import FWHM_PER_SIGMA, EnergyWindow

if TYPE_CHECKING:
    from daq.pipeline.energyaxis import EnergyAxis

LEAST_COUNTS = 1000
"""Fewer between the bounds tell no peak: its place would be off by more than a per cent of its width."""
_SMOOTHED = 0.05
"""The maximum is looked for in a spectrum that is averaged over so much of the window."""
_TOP = 0.6
"""What is above this part of the maximum is the top: there background and Compton edge matter least."""
_LEAST_BINS = 5
_VAGUE = 0.06
"""A top known to no more than this part of its width is noise on a slope or a plain."""


@dataclass(frozen=True, slots=True)
class Peak:
    """A photopeak: its middle, full width at half maximum, and the middle's standard deviation by counting alone."""

    kev: float
    fwhm_kev: float
    error_kev: float


def peak_in(spectrum: npt.NDArray[Any], axis: EnergyAxis, window: EnergyWindow) -> Peak | None:
    """Return the peak that `window` is about, looked for in the window and half of its width on either side.

    `spectrum` [bins] are counts. None where there is none: too few counts, or nothing but a slope.
    """
    centres_kev = axis.centres_kev
    half_kev = (window.upper_kev - window.lower_kev) / 2.0
    near = (centres_kev >= window.lower_kev - half_kev) & (centres_kev < window.upper_kev + half_kev)
    counts, energies = np.asarray(spectrum, np.float64)[near], centres_kev[near]
    if counts.sum() < LEAST_COUNTS or len(counts) < _LEAST_BINS:
        return None
    width = max(1, round(2.0 * half_kev * _SMOOTHED / axis.bin_kev))
    smooth = np.convolve(counts, np.ones(width) / width, "same")
    at = int(smooth.argmax())
    if at in (0, len(counts) - 1):
        return None
    top = _around(smooth > _TOP * smooth[at], at) & (counts > 0)
    if top.sum() < _LEAST_BINS:
        return None
    peak = _parabola(energies[top], counts[top])
    vague = peak is None or peak.error_kev > _VAGUE * peak.fwhm_kev or peak.fwhm_kev > 4.0 * half_kev
    return None if vague else peak


def peaks_in(spectrum: npt.NDArray[Any], axis: EnergyAxis, windows: Sequence[EnergyWindow]) -> list[Peak | None]:
    """Return the peak of each window, None where there is none or where it is another's: inside that one, not this."""
    found = [peak_in(spectrum, axis, window) for window in windows]
    return [
        None if peak is not None and _is_anothers(peak.kev, window, windows) else peak
        for peak, window in zip(found, windows, strict=True)
    ]


def in_middle(peak: Peak, window: EnergyWindow) -> bool:
    """Return True where the peak lies in the middle half of the window, or could by three of its standard deviations.

    Off by a quarter of a 20 % window, 5 % of its energy, a peak of 9.8 % width has lost an eighth of its counts.
    """
    middle_kev = (window.lower_kev + window.upper_kev) / 2.0
    return abs(peak.kev - middle_kev) <= (window.upper_kev - window.lower_kev) / 4.0 + 3.0 * peak.error_kev


def _is_anothers(kev: float, own: EnergyWindow, windows: Sequence[EnergyWindow]) -> bool:
    if own.lower_kev <= kev < own.upper_kev:
        return False
    return any(window.lower_kev <= kev < window.upper_kev for window in windows)


def _around(high: npt.NDArray[np.bool_], at: int) -> npt.NDArray[np.bool_]:
    """Return which places are high without a break up to `at`."""
    low = np.flatnonzero(~high)
    begin, end = low[low < at], low[low > at]
    found = np.zeros(len(high), np.bool_)
    found[(begin[-1] + 1 if len(begin) else 0) : (end[0] if len(end) else len(high))] = True
    return found


def _parabola(energies: npt.NDArray[np.float64], counts: npt.NDArray[np.float64]) -> Peak | None:
    """Fit log counts by a parabola, each bin weighted by its counts; None where it has no top among the energies."""
    middle = float(np.average(energies, weights=counts))
    curve, slope, _ = np.polyfit(energies - middle, np.log(counts), 2, w=np.sqrt(counts))
    if curve >= 0.0:
        return None
    kev = middle - slope / (2.0 * curve)
    if not energies[0] <= kev <= energies[-1]:
        return None
    sigma = math.sqrt(-0.5 / curve)
    # The slope at the middle is known to 1 / sqrt(sum of counts times squared distance).
    spread = float(np.sum(counts * (energies - middle) ** 2))
    return Peak(float(kev), sigma * FWHM_PER_SIGMA, sigma**2 / math.sqrt(spread))
