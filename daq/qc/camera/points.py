"""Point sources in pictures: where they are, how sharp, and how well counting lets that be known.

A place is the centroid of what lies within a reach of it, less the background of the ring around that. It is no fit of
a shape, so that it has no bias by the shape, as long as the whole spot lies inside of the reach.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import LimitError
from daq.qc.fields import Floats, centres_mm

REACH_MM = 25.0
FEWEST_COUNTS = 100
"""With fewer counts a centroid is off by a tenth of the spot's width, and a background by chance moves it."""
_LEAST_SHARE = 0.2
"""A source has at least this share of the counts of the strongest one."""
_RING = 1.6
"""The background is taken up to this many times the reach."""
_STEPS = 20
_SETTLED_PIXELS = 1e-3
_MOST = 40
_EDGE_WIDTHS = 2.0
"""A spot must end so many of its standard deviations before the edge: 2.3 % lie beyond on one side."""


@dataclass(frozen=True, slots=True)
class PointSource:
    """A source, mm about the middle of the picture; `counts` are net of background.

    `noise_x_mm`, `noise_y_mm`: one standard deviation of the place by counting. `width_mm`: root mean square of the
    distances from the place along one axis.
    """

    x_mm: float
    y_mm: float
    counts: float
    noise_x_mm: float
    noise_y_mm: float
    width_mm: float


def point_sources(
    counts: npt.NDArray[Any], pixel_mm: float, *, reach_mm: float = REACH_MM, share: float = _LEAST_SHARE
) -> tuple[PointSource, ...]:
    """Return the sources in a picture [rows, columns] (`daq.qc.fields`), the strongest first.

    Sources nearer to each other than twice `reach_mm` are one. Raises `LimitError` where the strongest has fewer than
    100 counts.
    """
    left = np.array(counts, np.float64)
    x, y = centres_mm(left.shape[1], pixel_mm), centres_mm(left.shape[0], pixel_mm)
    background = float(np.median(left))
    found: list[PointSource] = []
    while len(found) < _MOST:
        at = _densest(left, x, y, reach_mm / 2.0)
        near = np.hypot(x[None, :] - at[0], y[:, None] - at[1]) <= reach_mm
        if found and (left[near] - background).sum() < share * found[0].counts:
            break
        found.append(refined(np.asarray(counts, np.float64), pixel_mm, at, reach_mm=reach_mm))
        apart = np.hypot(x[None, :] - found[-1].x_mm, y[:, None] - found[-1].y_mm)
        left[apart <= _RING * reach_mm] = background
    return tuple(sorted(found, key=lambda one: -one.counts))


def refined(
    counts: Floats, pixel_mm: float, start_mm: tuple[float, float], *, reach_mm: float = REACH_MM,
    fewest: float = FEWEST_COUNTS,
) -> PointSource:  # fmt: skip
    """Return the source around a place; raise `LimitError` with fewer than `fewest` net counts there."""
    at = start_mm
    for _ in range(_STEPS):
        near = _around(counts, at, reach_mm, pixel_mm)
        net = near.counts - near.background * near.inside
        total = float(net.sum())
        if not total >= fewest:  # what is no number is refused, too
            raise LimitError(
                f"a point source of {total:.0f} counts at ({at[0]:.0f}, {at[1]:.0f}) mm; at least {fewest:g} are needed"
            )
        before, at = at, (float((net.sum(axis=0) @ near.x_mm) / total), float((net.sum(axis=1) @ near.y_mm) / total))
        if math.dist(before, at) < _SETTLED_PIXELS * pixel_mm:
            break
    away_x, away_y = (near.x_mm - at[0]) ** 2, (near.y_mm - at[1]) ** 2
    noise_x = math.sqrt(float(near.counts.sum(axis=0) @ away_x)) / total
    noise_y = math.sqrt(float(near.counts.sum(axis=1) @ away_y)) / total
    square = float(net.sum(axis=0) @ away_x + net.sum(axis=1) @ away_y) / total
    return PointSource(at[0], at[1], total, noise_x, noise_y, math.sqrt(max(square, 0.0) / 2.0))


def near_edge(source: PointSource, width_mm: float, height_mm: float) -> bool:
    """Return True where the spot is cut off by the edge of a field, so that its centroid is no place of the source."""
    beyond = _EDGE_WIDTHS * source.width_mm
    return abs(source.x_mm) + beyond > width_mm / 2.0 or abs(source.y_mm) + beyond > height_mm / 2.0


@dataclass(frozen=True, slots=True, eq=False)
class _Near:
    """What lies within the reach of a place: counts there, the share of pixels, the background of a pixel."""

    counts: Floats
    inside: Floats
    x_mm: Floats
    y_mm: Floats
    background: float


def _around(counts: Floats, at: tuple[float, float], reach_mm: float, pixel_mm: float) -> _Near:
    """Return what is near to a place; the background is the mean of the ring around the reach."""
    rows, columns = (
        _part(count, middle, _RING * reach_mm + pixel_mm, pixel_mm)
        for count, middle in zip(counts.shape, (at[1], at[0]), strict=True)
    )
    x, y = centres_mm(counts.shape[1], pixel_mm)[columns], centres_mm(counts.shape[0], pixel_mm)[rows]
    part = counts[rows, columns]
    inside, wide = (_disc(x, y, at, reach, pixel_mm) for reach in (reach_mm, _RING * reach_mm))
    ring = wide - inside
    area = float(ring.sum())
    return _Near(part * inside, inside, x, y, float((part * ring).sum()) / area if area > 0.0 else 0.0)


def _part(count: int, middle_mm: float, reach_mm: float, pixel_mm: float) -> slice:
    at = (count - 1) / 2.0 + middle_mm / pixel_mm
    wide = reach_mm / pixel_mm
    return slice(max(0, math.floor(at - wide)), max(0, min(count, math.ceil(at + wide) + 1)))


def _disc(x: Floats, y: Floats, at: tuple[float, float], reach_mm: float, pixel_mm: float) -> Floats:
    """Return which share of each pixel counts: 1 inside, falling to 0 over one pixel at the rim."""
    away = np.hypot(x[None, :] - at[0], y[:, None] - at[1])
    return np.asarray(np.clip((reach_mm - away) / pixel_mm + 0.5, 0.0, 1.0))


def _densest(counts: Floats, x: Floats, y: Floats, size_mm: float) -> tuple[float, float]:
    """Return the middle of the square of about `size_mm` that holds most."""
    by = max(1, round(size_mm / abs(x[1] - x[0])))
    sums = np.pad(counts, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    rows, columns = counts.shape
    by = min(by, rows, columns)
    boxes = sums[by:, by:] - sums[:-by, by:] - sums[by:, :-by] + sums[:-by, :-by]
    row, column = np.unravel_index(int(np.argmax(boxes)), boxes.shape)
    return float(x[column : column + by].mean()), float(y[row : row + by].mean())
