"""Photopeaks of many spectra at once: of blocks and crystals, each where it is in keV, never only against another day.

A vendor's daily test that compares with yesterday let the peak of 511 keV go to 468 keV in five years (PubMed 21784686,
abstract read): what is judged must be the energy itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.qc.peaks import Peak, log_parabola_peaks, peak_at
from daq.qc.pet.ringmap import Floats

ANNIHILATION_KEV = 510.99895
"""Rest energy of the electron, CODATA 2018."""
SEARCH = 0.15
"""A photopeak is looked for within this share of where it should be, above and below."""
_REACH = 0.6
"""The parabola goes to both sides by this share of the full width at half maximum."""
_TO_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
_FAR_FROM_LINE = 0.3
MOST_WIDTHS = 1024
_FLANKS = 2.5


@dataclass(frozen=True, slots=True, eq=False)
class PeakRows:
    """By spectrum, float64 [rows]: `at`, its `noise` (1 sigma), `fwhm_percent` of `at`, `counts` about the peak.

    NaN where there are too few counts or no peak; `counts` never.
    """

    at: Floats
    noise: Floats
    fwhm_percent: Floats
    counts: Floats


def whole_peak(axis: Floats, spectrum: npt.NDArray[Any], *, line: float, search: float = SEARCH) -> Peak:
    """Return the photopeak of a spectrum on an even axis. Raise `RefusedError` where none is within `search` of it.

    What rises to a maximum at the edge of the search, or does not fall to half on both sides, is no photopeak.
    """
    from daq.qc.peaks import peak_near

    return peak_near(axis, spectrum, low=line * (1 - search), high=line * (1 + search), what="spectrum", unit=" keV")


def highest_line(axis: Floats, spectrum: npt.NDArray[Any]) -> float:
    """Return about where the photopeak is on an axis of unknown scale, e.g. ADC codes.

    Counts times the axis are highest there: a Compton continuum, which ends at two thirds of it, has more counts only
    lower down. Raises `RefusedError` for an empty spectrum.
    """
    values = np.asarray(spectrum, np.float64)
    if not values.any():
        raise RefusedError("the spectrum is empty")
    smooth = np.convolve(values, np.ones(9) / 9.0, mode="same")
    return float(axis[int(np.argmax(smooth * axis))])


def peak_rows(
    axis: Floats, spectra: npt.NDArray[Any], whole: Peak, *, fewest: float, search: float = SEARCH
) -> PeakRows:
    """Return the photopeaks of spectra [rows, bins] by that of all together; rows with fewer counts than that are NaN.

    Where each is highest within `search` of `whole` it begins; then the parabola of logarithms, which a Gaussian is.
    Noise: sigma^2 / sqrt(sum of n x^2) of the bins that the parabola goes through. Of more than `MOST_WIDTHS` rows only
    some, spread evenly, have a width: these are crystals, of which the middle one is wanted.
    """
    values = np.asarray(spectra, np.float64)
    step = float(axis[1] - axis[0])
    start, counts = _starts(axis, values, whole, search)
    known = counts >= max(fewest, 1.0)
    at, reach = np.full(len(values), np.nan), _REACH * whole.fwhm
    if known.any():
        at[known] = _parabolas(axis, values[known], start[known], reach)
    at[np.abs(at - whole.at) > _FAR_FROM_LINE * whole.at] = np.nan
    width = np.full(len(values), np.nan)
    found = np.flatnonzero(np.isfinite(at))
    for row in found[:: max(1, len(found) // MOST_WIDTHS)]:
        width[row] = _width(axis, values[row], round(float((at[row] - axis[0]) / step)))
    own = np.nanmedian(width) if np.isfinite(width).any() else whole.fwhm
    sigma = float(own) / _TO_SIGMA
    squares = _squares_within(reach / sigma) * sigma**2
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = np.where(np.isfinite(at), sigma**2 / np.sqrt(counts * squares), np.nan)
        return PeakRows(at, noise, 100.0 * width / at, counts)


def resolution_noise_percent(peaks: PeakRows) -> Floats:
    """Return 1 sigma of `fwhm_percent`, which is read off two flanks: 2.5 / sqrt(counts) of it.

    The 2.5 was measured with bins of a twentieth of the width, 1,000 to 30,000 counts: no closed form.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(peaks.fwhm_percent * _FLANKS / np.sqrt(peaks.counts))


def gains(peaks: PeakRows, old: Floats, *, line: float = ANNIHILATION_KEV) -> Floats:
    """Return keV per code [rows] that put the peaks at `line`, of energies made with `old` keV per code."""
    return np.asarray(old * line / peaks.at)


def _starts(axis: Floats, values: Floats, whole: Peak, search: float) -> tuple[Floats, Floats]:
    """Return where each row is highest within the search, and its counts as far about it as the parabola goes."""
    step = float(axis[1] - axis[0])
    wide = max(3, round(whole.fwhm / step / 3.0) | 1)
    sums = np.cumsum(np.pad(values, ((0, 0), (wide // 2 + 1, wide // 2))), axis=1)
    smooth = sums[:, wide:] - sums[:, :-wide]
    inside = (axis >= whole.at * (1 - search)) & (axis <= whole.at * (1 + search))
    top = np.argmax(np.where(inside[None, :], smooth, -1.0), axis=1)
    half = max(1, round(_REACH * whole.fwhm / step))
    total = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
    rows = np.arange(len(values))
    upper, lower = np.minimum(top + half + 1, values.shape[1]), np.maximum(top - half, 0)
    return axis[top], np.asarray(total[rows, upper] - total[rows, lower])


def _parabolas(axis: Floats, values: Floats, start: Floats, reach: float) -> Floats:
    """Return the tops of parabolas about `start`, of as many bins as these can move over and no more."""
    step = float(axis[1] - axis[0])
    half = math.ceil(2.5 * reach / step)
    away = np.arange(-half, half + 1)
    middle = np.rint((start - axis[0]) / step).astype(np.int64)
    at = middle[:, None] + away[None, :]
    inside = (at >= 0) & (at < values.shape[1])
    cut = np.where(inside, np.take_along_axis(values, np.clip(at, 0, values.shape[1] - 1), axis=1), 0.0)
    found = log_parabola_peaks(away.astype(np.float64) * step, cut, np.zeros(len(start)), half_width=reach)
    return np.asarray(axis[0] + middle * step + found)


def _width(axis: Floats, values: Floats, top: int) -> float:
    try:
        return peak_at(axis, np.convolve(values, np.ones(3) / 3.0, mode="same"), top).fwhm
    except RefusedError:
        return math.nan


def _squares_within(reach: float) -> float:
    """Return the mean of squares of a normal variable within +-`reach`."""
    inside = math.erf(reach / math.sqrt(2.0))
    return 1.0 - 2.0 * reach * math.exp(-reach * reach / 2.0) / math.sqrt(2.0 * math.pi) / inside
