"""An even cylinder in slices: where it is, how uniform, whether there are rings, and how much of that is noise.

IAEA Human Health Series 6, "Quality Assurance for SPECT Systems", 2009, tests of tomographic uniformity (title read,
text not): integral uniformity of slices, and rings about the axis, which a fault of a flood makes. What counting alone
gives is found by drawing the projections of a perfect cylinder of the same size, place and counts, reconstructed alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from daq.errors import LimitError, RefusedError
from daq.qc.camera.tomography import Places, Views, Window, chang, cylinder_views, slices
from daq.qc.fields import Floats, Mask
from daq.qc.uniformity import smoothed

WITHIN = 0.8
"""Of the cylinder's radius: what is analysed; beyond, the edge is blurred."""
_CENTRE = 0.12
"""Of the radius: the disc in the middle whose deficit is told, and at least 1.5 pixels."""
_ABOUT = (0.3, 0.7)
_DRAWS = 12
_SEED = 20_090_600
_LEAST_RADIUS_PIXELS = 6.0
_LEAST_COUNTS = 20.0
"""In a column of a view, all slices together."""
_PLATEAU = 0.9
_EMPTY = 0.5


@dataclass(frozen=True, slots=True)
class Cylinder:
    """Where a cylinder is about the axis, mm; its axis is parallel to that of rotation."""

    x_mm: float
    y_mm: float
    radius_mm: float


@dataclass(frozen=True, slots=True)
class Evenness:
    """Of a slice, in per cent: integral uniformity, largest deviation of a ring, deficit of the middle."""

    integral: float
    ring: float
    deficit: float


@dataclass(frozen=True, slots=True, eq=False)
class CylinderSlices:
    """An even cylinder: each slice by its row, and the mean of all of them, with what a perfect cylinder would show.

    Noise: expected value of integral uniformity and rings, standard deviation of the deficit; `perfect_deficit` is the
    deficit that the reconstruction itself leaves. `mean_slice` [n, n]; `radii_mm`, `rings`: its radial profile.
    """

    cylinder: Cylinder
    rows: tuple[int, ...]
    slices: tuple[Evenness, ...]
    slice_noise: Evenness
    mean: Evenness
    mean_noise: Evenness
    perfect_deficit: float
    counts_per_slice: float
    mean_slice: Floats
    radii_mm: Floats
    rings: Floats


def find_cylinder(picture: Floats, places: Places) -> Cylinder:
    """Return where the cylinder of a slice [n, n] is: what has more than half of its mean."""
    level = 0.3 * float(np.percentile(picture, 99.0))
    for _ in range(3):
        above = picture > level
        if not above.any() or level <= 0.0:
            raise RefusedError("no cylinder is seen in the slices: they hold nothing")
        level = 0.5 * float(picture[above].mean())
    above = picture > level
    pixel = float(places.x_mm[0, 1] - places.x_mm[0, 0])
    radius = math.sqrt(float(above.sum()) / math.pi) * pixel
    if radius < _LEAST_RADIUS_PIXELS * pixel:
        raise RefusedError(f"what is seen in the slices has a radius of {radius:.1f} mm: no cylinder")
    x, y = float(places.x_mm[above].mean()), float(places.y_mm[above].mean())
    inside = np.hypot(places.x_mm - x, places.y_mm - y) <= radius
    if (inside & above).sum() < 0.9 * above.sum():
        raise RefusedError("what is seen in the slices is not round: no cylinder, or one that leaves the field of view")
    return Cylinder(x, y, radius)


def rows_of(counts: Floats) -> tuple[int, ...]:
    """Return the rows that a cylinder fills, its ends left out: those with nine tenths of the highest tenth's mean."""
    profile = counts.sum(axis=(0, 2))
    high = float(np.sort(profile)[-max(1, len(profile) // 10) :].mean())
    filled = np.flatnonzero(profile >= _PLATEAU * high)
    if high <= 0.0 or not len(filled):
        raise LimitError("the projections hold no counts")
    return tuple(range(int(filled[0]) + 1, int(filled[-1])))


def cylinder_slices(views: Views, rows: tuple[int, ...], *, per_mm: float, window: Window = "hann") -> CylinderSlices:
    """Return what the slices of an even cylinder say; `rows` are those looked at, `per_mm` the attenuation, 0 for none.

    Raises `LimitError` for slices that together have fewer than 20 counts in a column of a view, `RefusedError` where
    rows are not there or no cylinder is.
    """
    total = views.counts.shape[1]
    if not rows or min(rows) < 0 or max(rows) >= total:
        raise RefusedError(f"slices {min(rows, default=0) + 1} to {max(rows, default=0) + 1} of {total}")
    chosen = Views(views.counts[:, list(rows)], views.angle_deg, views.pixel_mm)
    per_slice = float(chosen.counts.sum()) / len(rows)
    if float(chosen.counts.sum(axis=1).mean()) < _LEAST_COUNTS:
        raise LimitError(f"{per_slice:.0f} counts in each of {len(rows)} slices: too few to see anything but noise")
    in_each = chosen.counts.sum(axis=(0, 2))
    faint = np.flatnonzero(in_each < _EMPTY * np.median(in_each))
    if len(faint):
        raise RefusedError(
            f"slice {rows[int(faint[0])] + 1} holds {in_each[faint[0]]:.0f} counts, others {np.median(in_each):.0f}: "
            "the cylinder does not fill it"
        )
    places = Places.grid(views.counts.shape[2], views.pixel_mm)
    plain = slices(chosen, places, window=window)
    cylinder = find_cylinder(plain.mean(axis=0), places)
    factor = chang(places, radius_mm=cylinder.radius_mm, middle_mm=(cylinder.x_mm, cylinder.y_mm), per_mm=per_mm)
    corrected = plain * factor if per_mm > 0.0 else plain
    found = tuple(_evenness(each, places, cylinder) for each in corrected)
    mean = corrected.mean(axis=0)
    one, several, perfect = _by_chance(chosen, places, cylinder, factor, per_mm, window)
    radii, rings = _rings(mean, places, cylinder)
    return CylinderSlices(
        cylinder, rows, found, one, _evenness(mean, places, cylinder), several, perfect, per_slice, mean, radii, rings
    )  # fmt: skip


def _evenness(picture: Floats, places: Places, cylinder: Cylinder) -> Evenness:
    away = np.hypot(places.x_mm - cylinder.x_mm, places.y_mm - cylinder.y_mm)
    inside = away <= WITHIN * cylinder.radius_mm
    smooth = smoothed(picture, inside)[inside]
    high, low = float(smooth.max()), float(smooth.min())
    integral = 100.0 * (high - low) / (high + low) if low > 0.0 else 100.0
    radii, rings = _rings(picture, places, cylinder)
    fitted = np.polyval(np.polyfit(radii**2, rings, 2, w=np.sqrt(radii)), radii**2)
    ring = 100.0 * float(np.abs(rings / fitted - 1.0).max())
    return Evenness(integral, ring, _deficit(picture, away, cylinder, places))


def _deficit(picture: Floats, away: Floats, cylinder: Cylinder, places: Places) -> float:
    pixel = float(places.x_mm[0, 1] - places.x_mm[0, 0])
    middle = away <= max(_CENTRE * cylinder.radius_mm, 1.5 * pixel)
    about = (away >= _ABOUT[0] * cylinder.radius_mm) & (away <= _ABOUT[1] * cylinder.radius_mm)
    return 100.0 * (1.0 - float(picture[middle].mean() / picture[about].mean()))


def _rings(picture: Floats, places: Places, cylinder: Cylinder) -> tuple[Floats, Floats]:
    """Return radii and means of rings as wide as pixels, inside of what is analysed.

    Rings of a fault are about the axis of rotation, not about the cylinder: so are these.
    """
    pixel = float(places.x_mm[0, 1] - places.x_mm[0, 0])
    away = np.hypot(places.x_mm, places.y_mm)
    inside = _analysed(places, cylinder)
    number = np.floor(away / pixel).astype(np.int64)
    pixels = np.bincount(number[inside], minlength=1)
    sums, at = (np.bincount(number[inside], values[inside], len(pixels)) for values in (picture, away))
    whole = pixels >= np.maximum(4, 0.5 * 2.0 * math.pi * (np.arange(len(pixels)) + 0.5))
    if whole.sum() < 4:  # noqa: PLR2004 - fewer rings than terms of the profile
        raise RefusedError("the cylinder is too far off the axis of rotation for rings about it to be told")
    return at[whole] / pixels[whole], sums[whole] / pixels[whole]


def _analysed(places: Places, cylinder: Cylinder) -> Mask:
    away = np.hypot(places.x_mm - cylinder.x_mm, places.y_mm - cylinder.y_mm)
    return np.asarray(away <= WITHIN * cylinder.radius_mm)


def _by_chance(
    views: Views, places: Places, cylinder: Cylinder, factor: Floats, per_mm: float, window: Window
) -> tuple[Evenness, Evenness, float]:
    """Return what counting makes of one slice and of the mean of all, and the deficit of a perfect cylinder."""
    shape = cylinder_views(
        views.angle_deg, views.counts.shape[2], views.pixel_mm, radius_mm=cylinder.radius_mm,
        middle_mm=(cylinder.x_mm, cylinder.y_mm), per_mm=per_mm,
    )  # fmt: skip
    total = float(views.counts.sum())
    random = np.random.default_rng(_SEED)
    drawn = [random.poisson(np.repeat(shape[:, None] * counts, _DRAWS, axis=1))
             for counts in (total / views.counts.shape[1], total)]  # fmt: skip
    perfect = np.concatenate([shape[:, None] * total, *drawn], axis=1).astype(np.float64)
    made = slices(Views(perfect, views.angle_deg, views.pixel_mm), places, window=window) * factor
    told = [_evenness(each, places, cylinder) for each in made]
    return _typical(told[1 : 1 + _DRAWS]), _typical(told[1 + _DRAWS :]), told[0].deficit


def _typical(told: list[Evenness]) -> Evenness:
    integral, ring = (float(np.mean([getattr(one, name) for one in told])) for name in ("integral", "ring"))
    return Evenness(integral, ring, float(np.std([one.deficit for one in told], ddof=1)))
