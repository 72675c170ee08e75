"""What a gamma camera sees, by closed forms: point sources all the way round, bars, cylinders with spheres."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from daq.model.windows import FWHM_PER_SIGMA
from daq.qc.fields import Floats, centres_mm

Solid = tuple[float, float, float, float, float | None, float]
"""x (left), y (back), z (up), radius, half height of a cylinder or None of a sphere, activity per mm^3."""


def turn(views: int, arc_deg: float = 360.0, start_deg: float = 0.0) -> Floats:
    return np.asarray(start_deg + arc_deg / views * np.arange(views), np.float64)


def spot(rows: int, columns: int, pixel_mm: float, at_mm: tuple[float, float], fwhm_mm: float) -> Floats:
    """Return the share of a source in each pixel, exactly: a Gaussian integrated over pixels."""
    sigma = fwhm_mm / FWHM_PER_SIGMA
    shares = []
    for count, middle in ((rows, at_mm[1]), (columns, at_mm[0])):
        edges = centres_mm(count + 1, pixel_mm)
        shares.append(np.diff(ndtr((edges - middle) / sigma)))
    return np.outer(*shares)


def point_views(
    angle_deg: Floats, sources_mm: Sequence[tuple[float, float, float]], *, rows: int = 64, columns: int = 64,
    pixel_mm: float = 4.8, fwhm_mm: float = 10.0, counts: float = 4000.0, offset_mm: float = 0.0,
    moved_mm: Floats | None = None,
) -> Floats:  # fmt: skip
    """Return expected counts [views, rows, columns]; `moved_mm` [views]: how far the head is off along the axis."""
    up = np.zeros(len(angle_deg)) if moved_mm is None else moved_mm
    return np.array([
        sum(
            counts * spot(rows, columns, pixel_mm, (offset_mm + y * math.sin(a) - x * math.cos(a), z + off), fwhm_mm)
            for x, y, z in sources_mm
        )
        for a, off in zip(np.radians(angle_deg), up, strict=True)
    ])  # fmt: skip


def solid_views(
    angle_deg: Floats, solids: Sequence[Solid], *, rows: int, columns: int, pixel_mm: float, inner: int = 3
) -> Floats:  # fmt: skip
    """Return line integrals [views, rows, columns] through solids, the mean of `inner` squared points of a pixel."""
    across, up = centres_mm(columns * inner, pixel_mm / inner), centres_mm(rows * inner, pixel_mm / inner)
    found = []
    for angle in np.radians(angle_deg):
        seen = np.zeros((rows * inner, columns * inner))
        for x, y, z, radius, half, weight in solids:
            side = across[None, :] - (y * math.sin(angle) - x * math.cos(angle))
            rest = side**2 + (0.0 if half is not None else (up[:, None] - z) ** 2)
            chord = 2.0 * weight * np.sqrt(np.maximum(radius**2 - rest, 0.0))
            seen += chord if half is None else chord * (np.abs(up[:, None] - z) <= half)
        found.append(seen.reshape(rows, inner, columns, inner).mean(axis=(1, 3)))
    return np.array(found)


def bar_events(
    random: np.random.Generator, events: int, widths_mm: Sequence[float], *, fwhm_mm: float, turn_deg: float = 0.0,
    size_mm: tuple[float, float] = (540.0, 400.0), middle_mm: tuple[float, float] = (0.0, 0.0),
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return places of events behind a phantom of four quadrants, blurred; bars of neighbours are perpendicular."""
    x, y = (random.uniform(-size / 2, size / 2, 2 * events) for size in size_mm)
    angle = math.radians(turn_deg)
    u = (x - middle_mm[0]) * math.cos(angle) + (y - middle_mm[1]) * math.sin(angle)
    v = (y - middle_mm[1]) * math.cos(angle) - (x - middle_mm[0]) * math.sin(angle)
    quadrant = np.where(v >= 0, np.where(u >= 0, 0, 1), np.where(u >= 0, 3, 2))
    along = np.where(quadrant % 2 == 0, u, v)
    passed = np.floor(along / np.array(widths_mm)[quadrant]) % 2 == 0
    sigma = fwhm_mm / FWHM_PER_SIGMA
    x, y = x[passed], y[passed]
    return x + random.normal(0, sigma, len(x)), y + random.normal(0, sigma, len(y))
