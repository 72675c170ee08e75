"""Flood-field uniformity by the procedure of NEMA NU 1, with the noise that counting alone gives.

1. Pixels of which half lies in the useful field of view (UFOV) belong to it; 2. edge pixels of it with less than 75 %
of the mean of the central field (CFOV) do not, and 3. neither do direct neighbours of a pixel that does not. 4. They
are smoothed once with 1-2-1, 2-4-2, 1-2-1, weight 0 outside. 5. Integral uniformity = 100 (max - min) / (max + min) in
each field; 6. differential uniformity = the largest such value over five pixels in a row or column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.qc.camera.floodnoise import KERNEL, RUN, noise_factors
from daq.qc.fields import FieldOfView, Floats, Mask

NEMA_PIXEL_MM = 6.4
PIXEL_RANGE_MM = (4.48, 8.32)
"""6.4 mm within 30 %, which NEMA NU 1 asks of the pixels of a flood."""
NEMA_COUNTS_PER_PIXEL = 10_000
EDGE = 0.75
"""An edge pixel below this share of the mean of the central field is left out."""


@dataclass(frozen=True, slots=True)
class Field:
    """Uniformity of one field of view in per cent, and the pixels it was taken over."""

    integral_percent: float
    differential_x_percent: float
    differential_y_percent: float
    pixels: int

    @property
    def differential_percent(self) -> float:
        """Return the larger one of both directions."""
        return max(self.differential_x_percent, self.differential_y_percent)


@dataclass(frozen=True, slots=True)
class FloodUniformity:
    """What a flood says, and how much of it is noise."""

    ufov: Field
    cfov: Field
    counts: float
    """In the useful field of view."""
    counts_per_pixel: float
    """Mean over the central field of view."""
    pixel_mm: float
    noise_factors: Mapping[str, float] = field(default_factory=dict)
    """What counting alone gives in this field, times the root of the counts per pixel (`daq.qc.camera.floodnoise`)."""

    @property
    def noise_percent(self) -> dict[str, float]:
        """Return what counting alone would give for a perfect flood of so many counts, by the figure's name."""
        return {name: factor / math.sqrt(self.counts_per_pixel) for name, factor in self.noise_factors.items()}

    def percent(self, name: str) -> float:
        """Return the uniformity of one of the names of `noise_factors`."""
        of = self.ufov if name.startswith("ufov") else self.cfov
        return of.integral_percent if name.endswith("integral") else of.differential_percent

    @property
    def is_nema_grade(self) -> bool:
        """True where the counts and the pixels are those that NEMA NU 1 asks for."""
        low, high = PIXEL_RANGE_MM
        return self.counts_per_pixel >= NEMA_COUNTS_PER_PIXEL and low <= self.pixel_mm <= high

    def is_evaluable(self, limit_percent: float) -> bool:
        """Return whether integral uniformity can be judged against a limit: the noise must stay below half of it."""
        return self.noise_percent["ufov_integral"] <= limit_percent / 2.0


def pixels_for(field: FieldOfView, pixel_mm: float = NEMA_PIXEL_MM) -> tuple[int, int]:
    """Return rows and columns of a flood picture that holds the field, with a margin, in even numbers."""
    rows, columns = (2 * (math.ceil(size / pixel_mm / 2) + 1) for size in (field.height_mm, field.width_mm))
    return rows, columns


def flood_uniformity(counts: npt.NDArray[Any], *, pixel_mm: float, field: FieldOfView) -> FloodUniformity:
    """Return the uniformity of a flood picture [rows, columns] (`daq.qc.fields`), counts or sums of weights.

    Raises `RefusedError` for a picture that is smaller than the field, empty in the middle of it, or holds what are no
    counts.
    """
    flood = counted(counts)
    rows, columns = flood.shape
    if rows * pixel_mm < field.height_mm - pixel_mm or columns * pixel_mm < field.width_mm - pixel_mm:
        raise RefusedError(
            f"a flood of {columns * pixel_mm:g} x {rows * pixel_mm:g} mm does not hold the useful field of view, "
            f"{field.width_mm:g} x {field.height_mm:g} mm"
        )
    useful, central = (each.pixels(rows, columns, pixel_mm) for each in (field, field.central))
    return uniformity_within(flood, useful, central, pixel_mm=pixel_mm)


def counted(picture: npt.NDArray[Any]) -> Floats:
    """Return a picture as float64 [rows, columns]; raise `RefusedError` where it is none of counts."""
    flood = np.asarray(picture, np.float64)
    if flood.ndim != 2 or not np.isfinite(flood).all() or (flood < 0.0).any():  # noqa: PLR2004 - rows and columns
        raise RefusedError(f"a flood of shape {flood.shape} is no picture of counts: one is not finite or below zero")
    return flood


def uniformity_within(flood: Floats, inside: Mask, central: Mask, *, pixel_mm: float) -> FloodUniformity:
    """Return the uniformity of a flood [rows, columns] in fields that are given as pixels.

    Raises `RefusedError` for a flood that is empty in the central field.
    """
    mean = float(flood[central].mean()) if central.any() else 0.0
    if mean <= 0.0:
        raise RefusedError("the flood holds no counts in the central field of view")
    useful = analysed(flood, inside, mean)
    smooth = smoothed(flood, useful)
    return FloodUniformity(
        _field(smooth, useful), _field(smooth, useful & central), float(flood[useful].sum()), mean, pixel_mm,
        noise_factors(useful, central),
    )  # fmt: skip


def analysed(flood: Floats, inside: Mask, central_mean: float) -> Mask:
    """Return which pixels of the useful field are analysed: not faint ones of its edge, nor neighbours of a zero.

    Zeros are those faint ones and empty pixels outside of the field. An empty pixel amid the field stays: it is a fault
    that uniformity must show.
    """
    kept = inside & ~(_beside(~inside, beyond=True) & (flood < EDGE * central_mean))
    zero = np.where(inside, ~kept, flood <= 0.0)
    return np.asarray(kept & ~_beside(zero, beyond=False))


def smoothed(flood: Floats, inside: Mask) -> Floats:
    """Return the nine-point smoothed flood where `inside`, 0 elsewhere; pixels outside have no weight."""
    weights, sums = np.zeros(flood.shape), np.zeros(flood.shape)
    padded, used = np.pad(np.where(inside, flood, 0.0), 1), np.pad(inside.astype(np.float64), 1)
    rows, columns = flood.shape
    for row in range(3):
        for column in range(3):
            part = np.s_[row : row + rows, column : column + columns]
            sums += KERNEL[row, column] * padded[part]
            weights += KERNEL[row, column] * used[part]
    return np.asarray(np.where(inside, sums / np.where(weights > 0.0, weights, 1.0), 0.0))


def _field(smooth: Floats, inside: Mask) -> Field:
    if not inside.any():
        raise RefusedError("no pixel of the field of view is left to be analysed")
    values = smooth[inside]
    return Field(
        _spread(float(values.max()), float(values.min())), _differential(smooth, inside),
        _differential(smooth.T, inside.T), int(inside.sum()),
    )  # fmt: skip


def _spread(highest: float, lowest: float) -> float:
    return 100.0 * (highest - lowest) / (highest + lowest)


def _differential(smooth: Floats, inside: Mask) -> float:
    """Return the largest spread over five contiguous pixels of a row; 0 where no five are."""
    if smooth.shape[1] < RUN:
        return 0.0
    runs = np.lib.stride_tricks.sliding_window_view(smooth, RUN, axis=1)
    whole = np.lib.stride_tricks.sliding_window_view(inside, RUN, axis=1).all(axis=2)
    if not whole.any():
        return 0.0
    high, low = runs.max(axis=2)[whole], runs.min(axis=2)[whole]
    return float((100.0 * (high - low) / np.where(high > 0.0, high + low, 1.0)).max())  # five empty ones do not differ


def _beside(mask: Mask, *, beyond: bool) -> Mask:
    """Return True where one of four direct neighbours is in `mask`; `beyond`: whether those outside the picture are."""
    padded = np.pad(mask, 1, constant_values=beyond)
    return np.asarray(padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:])
