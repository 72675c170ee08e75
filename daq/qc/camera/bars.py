"""Bar phantoms of four quadrants: which bars are told apart, and the resolution by statistical moments.

The method is that of M. D. Hander et al., Med. Phys. 24, 327 (1997), with all harmonics of the square wave, as H. J.
Wasserman, Nucl. Med. Commun. 19, 1089 (1998) found to be needed. Bars and gaps of the width w make the square wave

    n(u) = m (1 + (4/pi) sum over odd k of (+-1/k) MTF(k f) cos(2 pi k f u)),  f = 1 / (2 w),

so that its variance over whole periods, over the square of its mean, is

    V = (8/pi^2) sum over odd k of MTF(k f)^2 / k^2   (1 where nothing is blurred),

which is solved for the width of a Gaussian, MTF(f) = exp(-2 pi^2 sigma^2 f^2). Pixels of the size p average over their
area, which multiplies harmonic k by sinc(k f p cos t) sinc(k f p sin t), t the angle of the bars to the pixels.
Counting adds the mean to the variance of counts; it is taken off, and so is a slow change over the quadrant (a
paraboloid).
All lengths are mm: pixels have no say in the result but by the sinc.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from daq.errors import RefusedError
from daq.model.windows import FWHM_PER_SIGMA
from daq.qc.camera.barplaces import Region, regions, turn_deg
from daq.qc.fields import FieldOfView, Floats

MARGIN_MM = 15.0
RULE = 1.75
"""Bars are just resolved where the FWHM is this many times their width: common practice, no primary source read."""
RESOLVED_MODULATION = 4.0 / math.pi * math.exp(-((math.pi * RULE / FWHM_PER_SIGMA) ** 2) / 2.0)
"""What the rule says in terms of modulation: 0.083 of the first harmonic over the mean."""
_HARMONICS = np.arange(1, 16, 2, dtype=np.float64)
_TREND_TERMS = 6
_LEAST_SIGMAS = 3.0
_EVEN = 0.05
_SHARP_MM = 1e-3


@dataclass(frozen=True, slots=True)
class Quadrant:
    """A quadrant: `fwhm_mm` is None where it cannot be told, and `why` says the reason.

    `modulation`: of the first harmonic over the mean, pixels taken out; `noise_mm`, `modulation_noise`: one standard
    deviation by counting. `x_mm`, `y_mm`: its middle. `counts` are those of the region.
    """

    bars_mm: float
    x_mm: float
    y_mm: float
    modulation: float | None
    modulation_noise: float
    fwhm_mm: float | None
    noise_mm: float | None
    counts: float
    why: str = ""

    @property
    def resolved(self) -> bool:
        """Return True where the bars are told apart, beyond chance."""
        told = self.modulation is not None and self.modulation > _LEAST_SIGMAS * self.modulation_noise
        return told and self.modulation is not None and self.modulation >= RESOLVED_MODULATION


@dataclass(frozen=True, slots=True)
class BarPhantom:
    """A bar phantom as a head sees it; `turn_deg`: of its bars against the pixels, 0 to 90."""

    turn_deg: float
    quadrants: tuple[Quadrant, ...]

    @property
    def finest_resolved_mm(self) -> float | None:
        """Return the width of the finest bars that are told apart; None where none are."""
        return min((each.bars_mm for each in self.quadrants if each.resolved), default=None)

    @property
    def fwhm(self) -> tuple[float, float] | None:
        """Return the resolution and its noise, mm: the mean of quadrants by the inverse squares of their noise."""
        told = [(each.fwhm_mm, each.noise_mm) for each in self.quadrants if each.fwhm_mm and each.noise_mm]
        if not told:
            return None
        weights = np.array([noise**-2 for _, noise in told])
        return float(np.average([value for value, _ in told], weights=weights)), float(weights.sum() ** -0.5)


def bar_phantom(
    counts: npt.NDArray[Any], pixel_mm: float, *, bars_mm: tuple[float, ...], field: FieldOfView,
    centre_mm: tuple[float, float] = (0.0, 0.0), margin_mm: float = MARGIN_MM, transmission: float = 0.0,
) -> BarPhantom:  # fmt: skip
    """Return what a flood [rows, columns] through a phantom with bars of four widths says.

    Which quadrant is where, and how the phantom is turned, is found. `margin_mm`: what is left out beside the borders
    of quadrants, so that the middle of the phantom may be off `centre_mm` by as much. `transmission`: the share that
    bars let pass. Raises `RefusedError` where no bars are found at all.
    """
    if len(bars_mm) != 4:  # noqa: PLR2004 - four quadrants
        raise RefusedError(f"bars of {len(bars_mm)} widths; a phantom of four quadrants has four")
    seen = np.asarray(counts, np.float64)
    told = [width for width in bars_mm if pixel_mm <= width]
    if not told:
        raise RefusedError(f"pixels of {pixel_mm:g} mm are wider than bars of {max(bars_mm):g} mm: they show none")
    turn = turn_deg(seen, pixel_mm, tuple(dict.fromkeys(told)), field=field, centre_mm=centre_mm)
    found = regions(seen, pixel_mm, turn, field=field, centre_mm=centre_mm, margin_mm=margin_mm)
    flat = [_flattened(region) for region in found]
    waves = np.array([  # bars that pixels cannot show would look like wider ones
        [_wave(region, ratio, width) if width >= pixel_mm else 0.0 for width in bars_mm]
        for region, ratio in zip(found, flat, strict=True)
    ])  # fmt: skip
    order = max(permutations(range(4)), key=lambda of: float(waves[np.arange(4), list(of)].sum()))
    return BarPhantom(turn, tuple(
        _quadrant(region, ratio, bars_mm[width], pixel_mm, transmission)
        for region, ratio, width in zip(found, flat, order, strict=True)
    ))  # fmt: skip


def variance_of(sigma_mm: float, bars_mm: float, pixel_mm: float, turn_deg_: float = 0.0) -> float:
    """Return V of a square wave of bars blurred by a Gaussian and by pixels: variance over the mean squared."""
    frequency = _HARMONICS / (2.0 * bars_mm)
    turn = math.radians(turn_deg_)
    pixels = np.sinc(frequency * pixel_mm * math.cos(turn)) * np.sinc(frequency * pixel_mm * math.sin(turn))
    blur = np.exp(-2.0 * (math.pi * sigma_mm * frequency) ** 2)
    return float(8.0 / math.pi**2 * ((blur * pixels / _HARMONICS) ** 2).sum())


def _flattened(region: Region) -> tuple[Floats, Floats]:
    """Return counts of a region over a paraboloid through them, and that paraboloid, both [pixels]."""
    u, v = region.u_mm / np.ptp(region.u_mm), region.v_mm / np.ptp(region.v_mm)
    terms = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=1)
    found, *_ = np.linalg.lstsq(terms, region.counts, rcond=None)
    trend = np.asarray(terms @ found)
    if trend.min() <= 0.0:
        raise RefusedError("a quadrant of the bar phantom is empty in part: too few counts, or another phantom")
    return region.counts / trend, trend


def _wave(region: Region, flat: tuple[Floats, Floats], width_mm: float) -> float:
    """Return the amplitude of waves of bars of a width, along the stronger one of both directions."""
    ratio = flat[0] - 1.0
    found = [abs(np.mean(ratio * np.exp(1j * math.pi * at / width_mm))) for at in (region.u_mm, region.v_mm)]
    return float(2.0 * max(found))


def _quadrant(
    region: Region, flat: tuple[Floats, Floats], width_mm: float, pixel_mm: float, transmission: float
) -> Quadrant:
    ratio, trend = flat
    number, mean = len(ratio), float(trend.mean())
    lead = ((1.0 - transmission) / (1.0 + transmission)) ** 2
    poisson = float((1.0 / trend).mean())
    variance = (float((ratio - 1.0).var()) * number / (number - _TREND_TERMS) - poisson) / lead
    noise = math.sqrt((2.0 * poisson**2 + 4.0 * poisson * max(variance, 0.0) + poisson**3) / number) / lead
    why = _uneven(region, width_mm, pixel_mm)
    if why:
        return Quadrant(width_mm, region.x_mm, region.y_mm, None, 0.0, None, None, mean * number, why)
    one = _first_harmonic(variance, width_mm, pixel_mm, region.turn_deg)
    up = _first_harmonic(variance + noise, width_mm, pixel_mm, region.turn_deg)
    spread = max(up - one, math.sqrt(noise) * (one == 0.0))
    fwhm, of_counting, why = _fwhm(variance, noise, width_mm, pixel_mm, region.turn_deg)
    return Quadrant(width_mm, region.x_mm, region.y_mm, one, spread, fwhm, of_counting, mean * number, why)


def _fwhm(
    variance: float, noise: float, width_mm: float, pixel_mm: float, turn: float
) -> tuple[float | None, float | None, str]:
    if variance <= _LEAST_SIGMAS * noise:
        return None, None, f"bars of {width_mm:g} mm do not stand out of the noise"
    if variance >= variance_of(_SHARP_MM, width_mm, pixel_mm, turn):
        return None, None, f"bars of {width_mm:g} mm are as sharp as if nothing blurred them: they are too wide to tell"
    sigma = _sigma(variance, width_mm, pixel_mm, turn)
    step = 0.01 * sigma
    slope = (
        variance_of(sigma + step, width_mm, pixel_mm, turn) - variance_of(sigma - step, width_mm, pixel_mm, turn)
    ) / (2.0 * step)
    return FWHM_PER_SIGMA * sigma, FWHM_PER_SIGMA * noise / abs(slope), ""


def _sigma(variance: float, width_mm: float, pixel_mm: float, turn: float) -> float:
    return float(
        brentq(lambda sigma: variance_of(sigma, width_mm, pixel_mm, turn) - variance, _SHARP_MM, 20.0 * width_mm)
    )


def _first_harmonic(variance: float, width_mm: float, pixel_mm: float, turn: float) -> float:
    """Return the modulation of the first harmonic of the blur alone, that of the pixels taken out."""
    if variance <= 0.0:
        return 0.0
    highest = variance_of(_SHARP_MM, width_mm, pixel_mm, turn)
    if variance >= highest:
        return 4.0 / math.pi
    sigma = _sigma(variance, width_mm, pixel_mm, turn)
    return 4.0 / math.pi * math.exp(-2.0 * (math.pi * sigma / (2.0 * width_mm)) ** 2)


def _uneven(region: Region, width_mm: float, pixel_mm: float) -> str:
    """Return why pixels do not sample the bars evenly; empty where they do."""
    if pixel_mm > width_mm:
        return f"pixels of {pixel_mm:g} mm are wider than bars of {width_mm:g} mm"
    for at in (region.u_mm, region.v_mm):
        for harmonic in (1, 2):  # the first shifts the mean, the second the variance
            if abs(np.mean(np.exp(1j * math.pi * harmonic * at / width_mm))) > _EVEN:
                return f"pixels of {pixel_mm:g} mm meet bars of {width_mm:g} mm at a few places of their period alone"
    return ""
