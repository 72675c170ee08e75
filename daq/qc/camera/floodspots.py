"""Spots and lines of a flood that are weaker or stronger than what is around them: where, how large, how sure.

A disc of the size of a photomultiplier, and smaller ones, is laid everywhere on the field. What it holds is compared
with what the slope of the flood lets expect there; how sure a difference is follows from Poisson's likelihood. The
chance of a false one in a perfect flood is at most `FALSE_ALARMS`, however many discs are tried (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage, signal, stats

from daq.qc.camera.floodnoise import expected_highest
from daq.qc.camera.floodrebin import Flood
from daq.qc.fields import Floats, Mask, centres_mm

FALSE_ALARMS = 1e-3
"""Of a perfect flood: the chance that any spot is found, and that any line is."""
LEAST_PERCENT = 3.0
"""A smaller difference is real where it is sure, but no fault that anyone looks for."""
PMT_MM = 76.0
"""Three inches."""
_SHARES = (1.0, 0.66, 0.33)
"""Diameters of discs over that of a photomultiplier; a single pixel is tried, too."""
_INSIDE = 0.6
"""A disc is judged where that share of it lies in the field."""
_MOST = 8
_APART = 1.4
_BESIDE = (2, 3, 4)
"""Lines on either side that a line is compared with."""
_PARTS = 8
_SIDES = (*_BESIDE, *(-step for step in _BESIDE))
_INDEPENDENT = 18.0
"""Independent trials per disc that has room in the field. By simulation, 300 floods each of four fields: the worst disc
of a perfect flood is 1.00 times `noise_percent` (85 x 63 and 120 x 90 pixels) on average, 0.87 where the field is three
to four discs wide, for there the slope follows them; it spreads by 10 to 13 %."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A disc that is off: `percent` below zero is a deficit; `sigmas`: of the normal distribution."""

    x_mm: float
    y_mm: float
    diameter_mm: float
    percent: float
    sigmas: float

    def __str__(self) -> str:
        """Return it for people."""
        kind = "excess" if self.percent > 0 else "deficit"
        return (
            f"{kind} of {abs(self.percent):.1f} % in a disc of {self.diameter_mm:.0f} mm at x {self.x_mm:.0f} mm, "
            f"y {self.y_mm:.0f} mm ({abs(self.sigmas):.1f} sigma)"
        )


@dataclass(frozen=True, slots=True)
class Line:
    """A row or column of the picture's own pixels that is off against its neighbours."""

    along: Literal["row", "column"]
    at_mm: float
    percent: float
    sigmas: float

    def __str__(self) -> str:
        """Return it for people."""
        where = "y" if self.along == "row" else "x"
        return (
            f"{self.along} at {where} {self.at_mm:.1f} mm is {self.percent:+.1f} % off ({abs(self.sigmas):.1f} sigma)"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Spots:
    """Those found, the surest first; the worst disc of the size of a photomultiplier, found or not, and its noise.

    `worst`: None where no disc could be judged, for a region, lines or the edge take too much of the field.
    `noise_percent`: what the worst disc of a perfect flood of so many counts is expected to be.
    """

    found: tuple[Spot, ...]
    worst: Spot | None
    noise_percent: float


@dataclass(frozen=True, slots=True, eq=False)
class _Tried:
    """Discs of one size everywhere: how far off, how sure, [rows, columns]; NaN where a disc is not judged."""

    diameter_mm: float
    percent: Floats
    sigmas: Floats
    disc: Floats
    wanted: Floats


def spots_in(
    flood: Flood, expected: Floats, inside: Mask, *, pmt_mm: float = PMT_MM, least_percent: float = LEAST_PERCENT
) -> Spots:
    """Return the spots of the part `inside` against `expected` counts, both [rows, columns]."""
    sizes = [flood.pixel_mm, *(share * pmt_mm for share in _SHARES if share * pmt_mm >= 2 * flood.pixel_mm)]
    surest = float(stats.norm.isf(FALSE_ALARMS / (2.0 * len(sizes) * max(int(inside.sum()), 1))))
    tried = [_tried(flood, expected, inside, size) for size in sizes]
    largest = max(tried, key=lambda each: each.diameter_mm)
    worst = None if np.isnan(largest.percent).all() else _at(flood, largest, np.abs(largest.percent))
    noise = _noise(largest)
    found: list[Spot] = []
    while len(found) < _MOST:
        spot = max((_at(flood, each, np.abs(each.sigmas)) for each in tried), key=lambda each: abs(each.sigmas))
        if abs(spot.sigmas) <= surest or not spot.sigmas:
            break
        if abs(spot.percent) >= least_percent:
            found.append(spot)
        inside = inside & ~_around(flood, spot)
        tried = [_tried(flood, expected, inside, size) for size in sizes]
    return Spots(tuple(found), worst, noise)


def _tried(flood: Flood, expected: Floats, inside: Mask, diameter_mm: float) -> _Tried:
    disc = _disc(diameter_mm / 2.0 / flood.pixel_mm)
    weight = inside.astype(np.float64)
    counts, shown, wanted, pixels = (
        _summed(each * weight, disc) for each in (flood.plain, flood.shown, expected, np.ones(weight.shape))
    )  # fmt: skip
    judged = inside & (pixels >= _INSIDE * disc.sum()) & (wanted > 0.0) & (counts >= 0.0)
    share = np.where(judged, shown / np.where(judged, wanted, 1.0) - 1.0, np.nan)
    mean_weight = np.where(counts > 0.0, shown / np.maximum(counts, 1.0), 1.0)
    sigmas = np.where(judged, surprise(counts, wanted / np.maximum(mean_weight, 1e-6)), np.nan)
    return _Tried(diameter_mm, 100.0 * share, sigmas, disc, np.where(judged, wanted, np.nan))


def surprise(counts: Floats, expected: Floats) -> Floats:
    """Return how many standard deviations of the normal distribution counts are off: signed root of the deviance.

    Unlike (n - m) / sqrt(m) its tails are those of Poisson's distribution to a few per cent down to ten counts.
    """
    wanted = np.maximum(expected, 1e-9)
    logarithm = np.where(counts > 0.0, counts * np.log(np.maximum(counts, 1e-9) / wanted), 0.0)
    return np.asarray(np.sign(counts - wanted) * np.sqrt(np.maximum(2.0 * (logarithm - counts + wanted), 0.0)))


def _disc(radius: float) -> Floats:
    reach = int(np.floor(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.asarray(x * x + y * y <= max(radius, 0.5) ** 2, np.float64)


def _summed(picture: Floats, disc: Floats) -> Floats:
    if disc.size == 1:
        return picture
    return np.asarray(np.maximum(np.asarray(signal.oaconvolve(picture, disc, mode="same")), 0.0))


def _at(flood: Flood, tried: _Tried, by: Floats) -> Spot:
    """Return the disc for which `by` is highest, its middle that of what it lacks or has too much."""
    if np.isnan(by).all():
        return Spot(0.0, 0.0, tried.diameter_mm, 0.0, 0.0)
    row, column = np.unravel_index(int(np.nanargmax(by)), by.shape)
    return Spot(
        float(flood.x_mm[column]), float(flood.y_mm[row]), tried.diameter_mm, float(tried.percent[row, column]),
        float(tried.sigmas[row, column]),
    )  # fmt: skip


def _around(flood: Flood, spot: Spot) -> Mask:
    x, y = np.meshgrid(flood.x_mm - spot.x_mm, flood.y_mm - spot.y_mm)
    return np.asarray(np.hypot(x, y) <= max(_APART * spot.diameter_mm / 2.0, 1.5 * flood.pixel_mm))


def _noise(tried: _Tried) -> float:
    """Return what the worst of the discs is by chance; neighbours overlap and are one trial together."""
    wanted = tried.wanted[~np.isnan(tried.wanted)]
    if not len(wanted):
        return 0.0
    sigmas, times = np.unique(np.rint(1e4 / np.sqrt(wanted)), return_counts=True)
    share = min(1.0, _INDEPENDENT / float(tried.disc.sum()))
    both = np.asarray(2.0 * times, np.float64)
    return expected_highest(np.asarray(sigmas / 100.0, np.float64), both, share=share)


def lines_in(
    picture: npt.NDArray[Any], covered: Mask, *, pixel_mm: float, least_percent: float = LEAST_PERCENT
) -> tuple[Line, ...]:
    """Return rows and columns of a picture of small pixels that are off against three lines on both sides.

    `covered` [rows, columns]: pixels of the field that are lit; a line is judged where it and its neighbours lie in it.
    """
    surest = float(stats.norm.isf(FALSE_ALARMS / (2.0 * sum(picture.shape))))
    found: list[Line] = []
    ways: tuple[tuple[Any, Mask, Literal["row", "column"]], ...]
    ways = ((picture, covered, "row"), (picture.T, covered.T, "column"))
    for seen, lit, along in ways:
        for at, line in _lines(seen, lit, pixel_mm, along):
            if abs(line.sigmas) > surest and abs(line.percent) >= least_percent and _throughout(seen, lit, at, line):
                found.append(line)
    return tuple(found)


def _throughout(picture: npt.NDArray[Any], covered: Mask, at: int, line: Line) -> bool:
    """Return whether a line is off in most of its parts, against the lines two beside it: a spot is in one or two."""
    here, below, above = (
        [float(part.sum()) for part in np.array_split(np.where(covered[at], picture[row], 0), _PARTS)]
        for row in (at, at - 2, at + 2)
    )
    off = [
        2.0 * mine / (left + right) - 1.0 for mine, left, right in zip(here, below, above, strict=True) if left + right
    ]
    return bool(float(np.median(off)) * np.sign(line.percent) > abs(line.percent) / 200.0)


def _lines(
    picture: npt.NDArray[Any], covered: Mask, pixel_mm: float, along: Literal["row", "column"]
) -> Iterator[tuple[int, Line]]:
    """Return all rows against those on both sides, by the side from which they differ less: an edge is no line."""
    reach = _BESIDE[-1]
    common = ndimage.minimum_filter1d(covered.astype(np.uint8), 2 * reach + 1, axis=0, mode="constant").astype(bool)
    padded = np.pad(np.asarray(picture, np.float64), ((reach, reach), (0, 0)))
    sums = {step: (padded[reach + step : reach + step + len(picture)] * common).sum(axis=1) for step in (0, *_SIDES)}
    sides = [np.mean([sums[way * step] for step in _BESIDE], axis=0) for way in (-1, 1)]
    percent = np.array([100.0 * (sums[0] / np.maximum(side, 1e-9) - 1.0) for side in sides])
    sigmas = np.array(
        [(sums[0] - side) / np.sqrt(np.maximum(side, 1.0) * (1.0 + 1.0 / len(_BESIDE))) for side in sides]
    )
    nearer = np.argmin(np.abs(sigmas), axis=0)[None, :]
    least, share = np.take_along_axis(sigmas, nearer, 0)[0], np.take_along_axis(percent, nearer, 0)[0]
    alike = np.sign(sigmas[0]) == np.sign(sigmas[1])
    judged = alike & (common.sum(axis=1) >= covered.sum(axis=1).max() / 2)
    y = centres_mm(len(picture), pixel_mm)
    for row in np.flatnonzero(judged):
        yield int(row), Line(along, float(y[row]), float(share[row]), float(least[row]))
