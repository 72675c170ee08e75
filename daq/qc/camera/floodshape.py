"""What a flood shows over large parts of the field: where it is not covered, how it slopes, what lay before it.

Half a flood, a patient or a bed before the head, and a source that is near or off the axis say something of how the
flood was taken, not of the head: a test with one of them is not evaluable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, stats

from daq.errors import RefusedError
from daq.qc.camera.floodrebin import Flood
from daq.qc.camera.floodsource import PointSource, point_source
from daq.qc.fields import Floats, Mask
from daq.qc.uniformity import smoothed

FEWEST_COUNTS = 25.0
"""Counts per pixel below which no shape is looked for."""
COVERED = 0.5
"""A smoothed pixel below that share of the lit part is not covered."""
_BOX = 5
"""Pixels along a side of the square over which cold regions are looked for: a patient is larger."""
_SIGMAS = 4.0
_LEAST = 0.04
"""A region is cold from that share below what the slope of the flood lets expect."""
_CLIPPED = 0.03
_EVEN = 0.01
"""No head is evener than that over a square."""
_ROUNDS = 12
_LIT = 0.9
TILT_NOISE = 540.0
"""What counting alone gives of `tilt_percent`, times the root of the counts in the field: 538 to 544 +- 11 in 300
simulated floods each of 36 x 30, 40 x 40, 85 x 63 and 120 x 90 pixels; a single one spreads by 190."""
_STARTS = (0.85, 0.5, 0.15)
"""Quantiles of the lit part from which the slope is looked for, besides the parabola through all of it."""
_EDGE = 3
"""Pixels around what is not covered that are half covered."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A part of the field: its share of the field's pixels, its area, its ends in mm, its mean against the rest."""

    share: float
    area_cm2: float
    x_mm: tuple[float, float]
    y_mm: tuple[float, float]
    deficit_percent: float

    @property
    def place(self) -> str:
        """Return for people where it is."""
        x, y = self.x_mm, self.y_mm
        return f"x {x[0]:.0f} to {x[1]:.0f} mm, y {y[0]:.0f} to {y[1]:.0f} mm"


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """`judged`, `used` [rows, columns]: pixels that are neither in nor near `missing` and `cold`; those of the slope.

    `expected` [rows, columns]: the slope, counts per pixel. `tilt_percent`: 100 (max - min) / (max + min) of it over
    the field; `tilt_chance`: how probable so much slope is by counting alone (chi squared, five degrees of freedom).
    """

    judged: Mask
    used: Mask
    expected: Floats
    tilt_percent: float
    tilt_noise_percent: float
    tilt_chance: float
    missing: Region | None
    """As large as a cold region, and less than half as bright as the rest: not covered."""
    cold: Region | None
    """The largest region, as large as was asked for, that is off the slope. `deficit_percent` is below zero where it is
    brighter than the rest: then something lay before the rest."""
    source: PointSource | None = None


def shape_of(flood: Flood, *, bare: bool, least_cold_cm2: float, without: Mask | None = None) -> Shape:
    """Return the shape of a flood; `bare`: of a point source without a collimator, whose light falls off with distance.

    `without` [rows, columns]: pixels that have no part in it, for a line runs through them.

    Raises `RefusedError` for fewer than 25 counts per pixel of the lit part.
    """
    covered, level = _covered(flood, least_cold_cm2)
    missing = _region(flood, covered.missing, np.full(flood.plain.shape, level))
    inside = covered.inside if without is None else covered.inside & ~without
    used, expected, chance = _sloped(flood, inside)
    source = None
    if bare and chance < 1e-3:  # noqa: PLR2004 - a slope that is none needs no source
        source, expected = point_source(flood, used, expected)
    percent = 100.0 * _tilt(expected[flood.useful])
    noise = TILT_NOISE / float(np.sqrt(max(flood.plain[used].sum(), 1.0)))
    cold, off = _off(flood, inside, expected, least_cold_cm2)
    return Shape(inside & ~_near(off), used, expected, percent, noise, chance, missing, cold, source)


@dataclass(frozen=True, slots=True, eq=False)
class _Covered:
    inside: Mask
    missing: Mask


def _covered(flood: Flood, least_cm2: float) -> tuple[_Covered, float]:
    """Return what is covered and what is not, large parts only, and the median of what is lit."""
    smooth = smoothed(flood.shown, flood.useful)
    bright = float(np.quantile(smooth[flood.useful], _LIT))
    lit = flood.useful & (smooth > COVERED * bright)
    level = float(np.median(smooth[lit])) if bright > 0.0 else 0.0
    if level < FEWEST_COUNTS:
        raise RefusedError(
            f"the flood has {level:.1f} counts per pixel of {flood.pixel_mm:.2f} mm; fewer than {FEWEST_COUNTS:g} "
            "say nothing of its shape"
        )
    dark = flood.useful & (smooth <= COVERED * level)
    parts, count = ndimage.label(dark)
    areas_cm2 = np.bincount(parts.ravel(), minlength=count + 1) * (flood.pixel_mm / 10.0) ** 2
    large = areas_cm2 >= least_cm2
    large[0] = False
    missing = large[parts]
    return _Covered(flood.useful & ~_near(missing), missing), level


def _near(region: Mask) -> Mask:
    """Return the region with the pixels around it that are half in it."""
    return np.asarray(ndimage.binary_dilation(region, iterations=_EDGE)) if region.any() else region


def _sloped(flood: Flood, covered: Mask) -> tuple[Mask, Floats, float]:
    """Return the pixels that follow a parabola, the parabola, and the chance of its slope.

    Pixels that stand out are left out and it is fitted again: what is cold, or hot, has no part in the slope. It begins
    with the parabola through all pixels and with even floods of several levels; that which most pixels follow stands.
    """
    terms, even = _terms(flood), np.ones(flood.shown.shape)
    means = 1.0 + _residual(flood.shown, even, covered)[0]
    starts = [covered]
    for share in _STARTS:
        level = float(np.quantile(means[covered], share))
        starts.append(covered & (np.abs(means - level) <= _tolerated(level)))
    made, used = min(
        (_settled(flood, terms, covered, start) for start in starts if start.sum() > covered.sum() / 8),
        key=lambda each: _cost(flood, terms, covered, each[0]),
    )
    chance = _chance(made, terms[used], float(flood.shown[used].mean()))
    return used, _parabola(terms, made), chance


def _settled(flood: Flood, terms: Floats, covered: Mask, used: Mask) -> tuple[Floats, Mask]:
    """Return the parabola of the pixels that follow it, and these."""
    made = _fitted(flood.shown, terms, used)
    for _ in range(_ROUNDS):
        off, sigma = _residual(flood.shown, _parabola(terms, made), covered)
        again = covered & (np.abs(off) <= np.maximum(_SIGMAS * sigma, _CLIPPED))
        if (again == used).all() or again.sum() < covered.sum() / 8:
            break
        used, made = again, _fitted(flood.shown, terms, again)
    return made, used


def _cost(flood: Flood, terms: Floats, covered: Mask, made: Floats) -> float:
    """Return how badly a slope fits: the mean of (off / sigma)^2, at most 4 each, more where it is steep.

    Many that fit well count more than all that fit a little; of two that fit alike the flatter one stands.
    """
    expected = _parabola(terms, made)
    off, sigma = _residual(flood.shown, expected, covered)
    mean = float(np.minimum((off / np.maximum(sigma, _EVEN))[covered] ** 2, 4.0).mean())
    return mean * (1.0 + 2.0 * _tilt(expected[covered]))


def _tilt(expected: Floats) -> float:
    return float((expected.max() - expected.min()) / (expected.max() + expected.min()))


def _parabola(terms: Floats, made: Floats) -> Floats:
    return np.maximum(np.asarray(terms @ made), 1.0)


def _tolerated(level: float) -> float:
    """Return how far the mean of a square of pixels may be off a level, in counts."""
    return max(_SIGMAS * float(np.sqrt(level)) / _BOX, _CLIPPED * level)


def _terms(flood: Flood) -> Floats:
    """Return 1, u, v, u^2, uv, v^2 of each pixel, [rows, columns, 6]; u and v go from -1 to 1 over the field."""
    u, v = np.meshgrid(flood.x_mm / (flood.field.width_mm / 2), flood.y_mm / (flood.field.height_mm / 2))
    return np.stack([np.ones(u.shape), u, v, u * u, u * v, v * v], axis=-1)


def _fitted(picture: Floats, terms: Floats, used: Mask) -> Floats:
    """Return the parabola by least squares; the six terms are near enough to orthogonal for the normal equations."""
    chosen = terms[used]
    return np.asarray(np.linalg.solve(chosen.T @ chosen, chosen.T @ picture[used]))


def _chance(made: Floats, terms: Floats, mean: float) -> float:
    spread = mean * np.linalg.inv(terms.T @ terms)[1:, 1:]
    return float(stats.chi2.sf(float(made[1:] @ np.linalg.solve(spread, made[1:])), len(made) - 1))


def _residual(picture: Floats, expected: Floats, inside: Mask) -> tuple[Floats, Floats]:
    """Return how far squares of pixels are off, as a share, and their standard deviation, [rows, columns]."""
    weight = inside.astype(np.float64)
    size = float(_BOX * _BOX)
    found, wanted = (
        ndimage.uniform_filter(each * weight, _BOX, mode="constant") * size for each in (picture, expected)
    )  # fmt: skip
    wanted = np.maximum(wanted, 1.0)
    return np.where(inside, found / wanted - 1.0, 0.0), 1.0 / np.sqrt(wanted)


def _off(flood: Flood, covered: Mask, expected: Floats, least_cm2: float) -> tuple[Region | None, Mask]:
    """Return the largest region off the slope where it is as large as `least_cm2`, cold before hot; its pixels."""
    off, sigma = _residual(flood.shown, expected, covered)
    for way in (-1.0, 1.0):
        parts, count = ndimage.label(covered & (way * off > np.maximum(_SIGMAS * sigma, _LEAST)))
        if count:
            chosen = parts == int(np.argmax(np.bincount(parts.ravel())[1:])) + 1
            found = _region(flood, chosen, expected)
            if found is not None and found.area_cm2 >= least_cm2:
                return found, chosen
    return None, np.zeros(covered.shape, bool)


def _region(flood: Flood, chosen: Mask, expected: Floats) -> Region | None:
    if not chosen.any():
        return None
    rows, columns = np.nonzero(chosen)
    half = flood.pixel_mm / 2
    mean = float(flood.shown[chosen].sum() / expected[chosen].sum())
    return Region(
        float(chosen.sum() / flood.useful.sum()), float(chosen.sum()) * (flood.pixel_mm / 10.0) ** 2,
        (float(flood.x_mm[columns.min()]) - half, float(flood.x_mm[columns.max()]) + half),
        (float(flood.y_mm[rows.min()]) - half, float(flood.y_mm[rows.max()]) + half), 100.0 * (1.0 - mean),
    )  # fmt: skip
