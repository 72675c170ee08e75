"""Useful and central field of view, and pictures of positions in square pixels.

A picture is [rows, columns]; row 0 lies at the lowest y, column 0 at the lowest x, and the middle of the picture at
x = y = 0, so that the centre of pixel k of N is at (k - (N - 1) / 2) * pixel_mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from daq.errors import UsageError

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

CENTRAL = 0.75
"""The central field of view has this share of each linear dimension of the useful one (NEMA NU 1)."""
_SUBDIVISIONS = 16
"""A pixel's share inside a round field is counted at as many points along each side."""


@dataclass(frozen=True, slots=True)
class FieldOfView:
    """The useful field of view as the manufacturer states it: its width along x and height along y, mm."""

    width_mm: float
    height_mm: float
    shape: Literal["rectangle", "ellipse"] = "rectangle"

    def __post_init__(self) -> None:
        if not (0 < self.width_mm < np.inf and 0 < self.height_mm < np.inf):
            raise UsageError(f"a field of view of {self.width_mm:g} x {self.height_mm:g} mm is none")

    @property
    def central(self) -> FieldOfView:
        """Return the central field of view: 75 % of each linear dimension."""
        return FieldOfView(self.width_mm * CENTRAL, self.height_mm * CENTRAL, self.shape)

    def holds(self, x_mm: npt.NDArray[Any], y_mm: npt.NDArray[Any]) -> Mask:
        """Return True where a position lies inside; a position that is NaN does not."""
        across, along = np.abs(x_mm) / (self.width_mm / 2), np.abs(y_mm) / (self.height_mm / 2)
        if self.shape == "ellipse":
            inside: Mask = across**2 + along**2 <= 1.0
            return inside
        return np.asarray((across <= 1.0) & (along <= 1.0))

    def shares(self, rows: int, columns: int, pixel_mm: float) -> Floats:
        """Return which share of each pixel's area lies inside, float64 [rows, columns]."""
        y, x = centres_mm(rows, pixel_mm), centres_mm(columns, pixel_mm)
        if self.shape == "rectangle":
            return np.outer(_covered(y, pixel_mm, self.height_mm / 2), _covered(x, pixel_mm, self.width_mm / 2))
        within = ((np.arange(_SUBDIVISIONS) + 0.5) / _SUBDIVISIONS - 0.5) * pixel_mm
        across = (((x[:, None] + within) / (self.width_mm / 2)) ** 2).reshape(-1)
        along = (((y[:, None] + within) / (self.height_mm / 2)) ** 2).reshape(-1)
        inside = (along[:, None] + across[None, :] <= 1.0).reshape(rows, _SUBDIVISIONS, columns, _SUBDIVISIONS)
        return np.asarray(inside.mean(axis=(1, 3)))

    def pixels(self, rows: int, columns: int, pixel_mm: float) -> Mask:
        """Return True for pixels of which at least half of the area lies inside, [rows, columns]."""
        return np.asarray(self.shares(rows, columns, pixel_mm) >= 0.5 - 1e-9)


def centres_mm(count: int, pixel_mm: float) -> Floats:
    """Return the centres of `count` pixels around 0, mm."""
    return np.asarray((np.arange(count) - (count - 1) / 2) * pixel_mm, np.float64)


def picture(
    x_mm: npt.NDArray[Any], y_mm: npt.NDArray[Any], *, rows: int, columns: int, pixel_mm: float
) -> npt.NDArray[np.int64]:
    """Return how many positions fall into each pixel, int64 [rows, columns]; those outside or NaN are in none."""
    columns_at = _pixel_of(x_mm, columns, pixel_mm)
    rows_at = _pixel_of(y_mm, rows, pixel_mm)
    inside = (columns_at >= 0) & (columns_at < columns) & (rows_at >= 0) & (rows_at < rows)
    flat = rows_at[inside] * columns + columns_at[inside]
    return np.bincount(flat, minlength=rows * columns).reshape(rows, columns)


def _pixel_of(position_mm: npt.NDArray[Any], count: int, pixel_mm: float) -> npt.NDArray[np.int64]:
    at = np.floor(np.asarray(position_mm, np.float64) / pixel_mm + count / 2)
    return np.where(np.isfinite(at), np.clip(at, -1, count), -1).astype(np.int64)


def _covered(centres: Floats, pixel_mm: float, half_mm: float) -> Floats:
    """Return the share of each pixel along one axis that lies within `half_mm` of 0."""
    low, high = np.maximum(centres - pixel_mm / 2, -half_mm), np.minimum(centres + pixel_mm / 2, half_mm)
    return np.asarray(np.clip(high - low, 0.0, pixel_mm) / pixel_mm)
