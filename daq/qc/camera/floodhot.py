"""The hottest place of a picture of few counts: a contamination, and how sure it is that it is none by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import signal, stats

from daq.errors import RefusedError
from daq.qc.camera.floodspots import surprise
from daq.qc.fields import FieldOfView, Floats, centres_mm
from daq.qc.uniformity import counted

SPOT_MM = 40.0
SURE_SIGMA = 3.0
"""One of 740 clean backgrounds has a hotter place by chance: the places that are tried are counted."""
_TINY = -600.0


@dataclass(frozen=True, slots=True)
class Hottest:
    """`counts` in the disc at a place, `expected` there by the mean of the rest; `sigma`: of the normal distribution.

    `chance`: that any of the places that were tried holds as many.
    """

    x_mm: float
    y_mm: float
    diameter_mm: float
    counts: float
    expected: float
    chance: float
    sigma: float


def hottest(
    counts: npt.NDArray[Any], *, pixel_mm: float, field: FieldOfView, diameter_mm: float = SPOT_MM
) -> Hottest | None:
    """Return the hottest place of a picture [rows, columns] about the middle of the detector; None without counts.

    A disc and a single pixel are tried at every place; the chance is that of Poisson's distribution about the mean of
    all outside of the disc, times the number of places (Bonferroni). Raises `RefusedError` for what is no picture of
    counts, or where the disc does not fit into the field.
    """
    picture = counted(counts)
    rows, columns = picture.shape
    inside = field.pixels(rows, columns, pixel_mm)
    if diameter_mm > min(field.width_mm, field.height_mm) / 2:
        raise RefusedError(f"a disc of {diameter_mm:g} mm is too large for {field.width_mm:g} x {field.height_mm:g} mm")
    total, pixels = float(picture[inside].sum()), int(inside.sum())
    if total <= 0.0:
        return None
    sizes = (pixel_mm, diameter_mm) if diameter_mm > pixel_mm else (pixel_mm,)
    tries = len(sizes) * pixels
    y, x = centres_mm(rows, pixel_mm), centres_mm(columns, pixel_mm)
    found = []
    for size in sizes:
        held, area = (
            _held(np.where(inside, picture, 0.0), size, pixel_mm),
            _held(inside.astype(np.float64), size, pixel_mm),
        )
        rest = np.maximum(total - held, 0.5) / np.maximum(pixels - area, 1.0)
        logarithm = np.where(inside, stats.poisson.logsf(np.rint(held) - 1.0, np.maximum(rest * area, 1e-9)), 0.0)
        row, column = np.unravel_index(int(np.argmin(logarithm)), logarithm.shape)
        expected = float((rest * area)[row, column])
        chance, sigma = _sure(float(logarithm[row, column]), tries, float(held[row, column]), expected)
        found.append(
            Hottest(float(x[column]), float(y[row]), size, float(np.rint(held[row, column])), expected, chance, sigma)
        )
    return min(found, key=lambda each: (each.chance, -each.sigma))


def _held(picture: Floats, diameter_mm: float, pixel_mm: float) -> Floats:
    radius = max(diameter_mm / 2.0 / pixel_mm, 0.5)
    reach = int(radius)
    if not reach:
        return picture
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (x * x + y * y <= radius * radius).astype(np.float64)
    return np.asarray(np.rint(signal.convolve(picture, disc, mode="same", method="direct")), np.float64)


def _sure(logarithm: float, tries: int, counts: float, expected: float) -> tuple[float, float]:
    """Return the chance of one as hot among so many, and the standard deviations that it is worth, 0 at least."""
    if logarithm < _TINY:
        return 0.0, float(surprise(np.array(counts), np.array(expected)))
    chance = float(-np.expm1(tries * np.log1p(-min(np.exp(logarithm), 1.0 - 1e-16))))
    return chance, max(0.0, float(stats.norm.isf(chance)))
