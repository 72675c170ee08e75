"""Contrast of cold spheres in a cylinder: found wherever they are, measured where the phantom has them.

Tomographic contrast as for the phantom of R. J. Jaszczak: (background - sphere) / background. A sphere's value is the
mean over a disc of its own diameter in the slices through its middle; the background is what lies in the same slices,
inside of 85 % of the radius, and away from all spheres. 1 is what a perfect reconstruction would give; blur, scatter
and small spheres make it less. Spheres are searched for as a pattern, never one by one: of noise the coldest place
would be a sphere, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from daq.errors import LimitError, RefusedError
from daq.qc.camera.cylinder import Cylinder, find_cylinder
from daq.qc.camera.tomography import Places, Views, Window, chang, mean_noise, slices
from daq.qc.fields import Floats, Mask

_STEP_DEG = 2.0
_WITHIN = 0.85
_CLEAR_MM = 12.0
_THICK = 0.25
"""Slices within this share of a sphere's diameter from its middle are taken."""
_STANDS_OUT = 6.0
_TOP_SHARE = 0.6
_FEWEST_PIXELS = 20


@dataclass(frozen=True, slots=True)
class Sphere:
    """A sphere: where its middle is, mm, and its contrast with the standard deviation by counting."""

    diameter_mm: float
    x_mm: float
    y_mm: float
    contrast: float
    noise: float


@dataclass(frozen=True, slots=True, eq=False)
class Spheres:
    """All spheres of a phantom. `row`: of their middles, with its fraction; `picture` [n, n]: the slice there."""

    cylinder: Cylinder
    row: float
    turn_deg: float
    spheres: tuple[Sphere, ...]
    picture: Floats
    counts: float


def cold_spheres(
    views: Views, rows: tuple[int, ...], *, diameters_mm: Sequence[float], circle_mm: float, per_mm: float,
    window: Window = "hann",
) -> Spheres:  # fmt: skip
    """Return the contrast of spheres that lie evenly on a circle of the radius `circle_mm`, in the order given.

    `rows`: the slices that are looked at. Either sense of the order and any turn are found. Raises `RefusedError` where
    no pattern stands out.
    """
    if not rows or min(rows) < 0 or max(rows) >= views.counts.shape[1]:
        raise RefusedError(f"{len(rows)} slices of {views.counts.shape[1]}: which ones hold the phantom is not known")
    chosen = Views(views.counts[:, list(rows)], views.angle_deg, views.pixel_mm)
    places = Places.grid(views.counts.shape[2], views.pixel_mm)
    volume = slices(chosen, places, window=window)
    cylinder = find_cylinder(volume.mean(axis=0), places)
    middle = (cylinder.x_mm, cylinder.y_mm)
    factor = chang(places, radius_mm=cylinder.radius_mm, middle_mm=middle, per_mm=per_mm)
    volume = volume * (factor if per_mm > 0.0 else 1.0)
    row, turn, sense = _pattern(volume, places, cylinder, diameters_mm, circle_mm)
    angles = np.radians(turn + sense * 360.0 / len(diameters_mm) * np.arange(len(diameters_mm)))
    at = [(middle[0] + circle_mm * math.cos(one), middle[1] + circle_mm * math.sin(one)) for one in angles]
    background = _background(places, cylinder, at, diameters_mm)
    found = tuple(
        _sphere(chosen, volume, places, row, (place, diameter), background, factor if per_mm > 0.0 else None, window)
        for place, diameter in zip(at, diameters_mm, strict=True)
    )
    picture = volume[min(max(round(row), 0), len(volume) - 1)]
    return Spheres(cylinder, rows[0] + row, turn % 360.0, found, picture, float(chosen.counts.sum()))


def _pattern(
    volume: Floats, places: Places, cylinder: Cylinder, diameters_mm: Sequence[float], circle_mm: float
) -> tuple[float, float, float]:
    """Return row with its fraction, turn in degrees and sense of the coldest pattern; larger spheres count for more."""
    turns = np.arange(0.0, 360.0, _STEP_DEG)
    weight = np.array(diameters_mm, np.float64) ** 2
    cold = np.stack([_around(each, places, cylinder, circle_mm, turns, min(diameters_mm)) for each in volume])
    cold = np.median(cold, axis=1, keepdims=True) - cold
    scores = []
    for sense in (1.0, -1.0):
        steps = np.rint(sense * 360.0 / len(weight) * np.arange(len(weight)) / _STEP_DEG).astype(int)
        parts = [own * np.roll(cold, -step, axis=1) for own, step in zip(weight, steps, strict=True)]
        scores.append(np.sum(parts, axis=0))
    at, row, turn = np.unravel_index(int(np.argmax(scores)), (2, *cold.shape))
    score = scores[at]
    if score[row, turn] <= _STANDS_OUT * 1.4826 * float(np.median(np.abs(scores))):
        raise RefusedError(
            f"no pattern of {len(weight)} cold spheres on a circle of {circle_mm:g} mm stands out of the slices"
        )
    middle = _middle(score[:, turn], int(row))
    around = np.roll(score[row], len(turns) // 2 - int(turn))
    return middle, float(turns[turn] + _STEP_DEG * (_middle(around, len(turns) // 2) - len(turns) // 2)), 1.0 - 2.0 * at


def _middle(score: Floats, top: int) -> float:
    """Return the middle of what hangs together about a top and is above 0.6 of it: less noisy than the top."""
    above = score >= _TOP_SHARE * score[top]
    low, high = top, top
    while low > 0 and above[low - 1]:
        low -= 1
    while high < len(score) - 1 and above[high + 1]:
        high += 1
    part = score[low : high + 1] - _TOP_SHARE * score[top]
    return float((np.arange(low, high + 1) * part).sum() / part.sum())


def _around(
    picture: Floats, places: Places, cylinder: Cylinder, circle_mm: float, turns: Floats, finest_mm: float
) -> Floats:
    """Return the means [turns] over discs of the finest sphere's diameter around the circle."""
    pixel = float(places.x_mm[0, 1] - places.x_mm[0, 0])
    size = len(picture)
    means = []
    for turn in np.radians(turns):
        x, y = cylinder.x_mm + circle_mm * math.cos(turn), cylinder.y_mm + circle_mm * math.sin(turn)
        column, row = (one / pixel + (size - 1) / 2.0 for one in (x, y))
        wide = math.ceil(finest_mm / 2.0 / pixel + 1.0)
        part = np.s_[
            max(0, round(row) - wide) : round(row) + wide + 1, max(0, round(column) - wide) : round(column) + wide + 1
        ]
        share = _share(np.hypot(places.x_mm[part] - x, places.y_mm[part] - y), finest_mm, pixel)
        if share.sum() <= 0.0:
            raise RefusedError(f"a circle of {circle_mm:g} mm about the cylinder leaves the slices")
        means.append(float((picture[part] * share).sum() / share.sum()))
    return np.array(means)


def _share(away: Floats, diameter_mm: float, pixel_mm: float) -> Floats:
    return np.asarray(np.clip((diameter_mm / 2.0 - away) / pixel_mm + 0.5, 0.0, 1.0))


def _background(
    places: Places, cylinder: Cylinder, at: Sequence[tuple[float, float]], diameters_mm: Sequence[float]
) -> Mask:
    inside = np.hypot(places.x_mm - cylinder.x_mm, places.y_mm - cylinder.y_mm) <= _WITHIN * cylinder.radius_mm
    for (x, y), diameter in zip(at, diameters_mm, strict=True):
        inside &= np.hypot(places.x_mm - x, places.y_mm - y) > diameter / 2.0 + _CLEAR_MM
    if inside.sum() < _FEWEST_PIXELS:
        raise RefusedError(f"{inside.sum()} pixels lie between the spheres: too few for a background")
    return np.asarray(inside)


def _sphere(
    views: Views, volume: Floats, places: Places, row: float, of: tuple[tuple[float, float], float], background: Mask,
    factor: Floats | None, window: Window,
) -> Sphere:  # fmt: skip
    (x, y), diameter = of
    pixel = float(places.x_mm[0, 1] - places.x_mm[0, 0])
    thick = np.clip(max(_THICK * diameter / pixel, 0.5) + 0.5 - np.abs(np.arange(len(volume)) - row), 0.0, 1.0)
    if thick.sum() <= 0.0:
        raise RefusedError("the spheres lie beyond the slices that are looked at")
    thick = thick / thick.sum()
    share = _share(np.hypot(places.x_mm - x, places.y_mm - y), diameter, pixel)
    mean = np.tensordot(thick, volume, axes=1)
    behind = float(mean[background].mean())
    if behind <= 0.0:
        raise LimitError("the background between the spheres holds no counts")
    contrast = 1.0 - float((mean * share).sum() / share.sum()) / behind
    weight = share / share.sum() - (1.0 - contrast) * background / background.sum()
    thin = Views(np.tensordot(views.counts, thick**2, axes=(1, 0))[:, None], views.angle_deg, views.pixel_mm)
    noise = mean_noise(thin, places, weight if factor is None else weight * factor, window=window)[0]
    return Sphere(diameter, x, y, contrast, float(noise) / behind)
