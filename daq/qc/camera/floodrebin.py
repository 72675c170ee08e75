"""A flood picture of small pixels, added up to pixels near 6.4 mm as NEMA NU 1 asks, and which of them are of a field.

The factor is whole, so that no count is shared between pixels: noise stays what it is. Pixels that are left over at
the ends are left out, as many at both, one more at the end of higher numbers where that cannot be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.qc.fields import FieldOfView, Floats, Mask, centres_mm
from daq.qc.uniformity import NEMA_PIXEL_MM, PIXEL_RANGE_MM, counted

_HALF = 0.5 - 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Flood:
    """A flood in pixels near 6.4 mm, all pictures [rows, columns].

    `plain`: counts. `shown`: what is judged, sums of weights where events have weights, else `plain`. `useful`,
    `central`: pixels of which at least half lies in the field. `x_mm`, `y_mm`: centres of columns and rows, 0 in the
    middle of the detector. `factor`: pixels of the picture along a side of one of these.
    """

    plain: Floats
    shown: Floats
    useful: Mask
    central: Mask
    x_mm: Floats
    y_mm: Floats
    pixel_mm: float
    factor: int
    field: FieldOfView

    @property
    def is_corrected(self) -> bool:
        """Return True where events had weights."""
        return self.shown is not self.plain

    @property
    def binning(self) -> str:
        """Return for people how it was made."""
        fine = self.pixel_mm / self.factor
        return (
            f"pixels of {self.pixel_mm:.3f} mm, {self.factor} x {self.factor} of {fine:.3f} mm "
            f"(NEMA NU 1: 6.4 mm within 30 %)"
        )


def factor_for(pixel_mm: float) -> int:
    """Return how many pixels along a side make one nearest to 6.4 mm. Raise `RefusedError` where none is in range."""
    if not 0.0 < pixel_mm < np.inf:
        raise RefusedError(f"pixels of {pixel_mm:g} mm are none")
    low, high = PIXEL_RANGE_MM
    nearest = max(1, round(NEMA_PIXEL_MM / pixel_mm))
    found = [each for each in (nearest - 1, nearest, nearest + 1) if each > 0 and low <= each * pixel_mm <= high]
    if not found:
        raise RefusedError(
            f"pixels of {pixel_mm:g} mm: no whole number of them makes one of {low:g} to {high:g} mm, which NEMA NU 1 "
            "asks of a flood; acquire it with smaller ones"
        )
    return min(found, key=lambda each: abs(each * pixel_mm - NEMA_PIXEL_MM))


def added_up(picture: npt.NDArray[Any], factor: int) -> Floats:
    """Return the picture with `factor` x `factor` pixels added up, float64; what is left over at the ends is not in."""
    rows, columns = (_kept(size, factor) for size in picture.shape)
    part = np.asarray(picture[rows, columns], np.float64)
    high, wide = part.shape[0] // factor, part.shape[1] // factor
    return np.asarray(part.reshape(high, factor, wide, factor).sum(axis=(1, 3)))


def rebinned(
    counts: npt.NDArray[Any], *, pixel_mm: float, field: FieldOfView, weighted: npt.NDArray[Any] | None = None
) -> Flood:
    """Return the flood of a picture whose middle is that of the detector.

    `counts`, `weighted` [rows, columns]: whole counts, and sums of uniformity weights of the same events. Raises
    `RefusedError` where no factor fits, and for pictures that are smaller than the field, empty, or no counts.
    """
    plain = _counts(counts)
    shown = plain if weighted is None else _counts(weighted)
    if plain.shape != shown.shape:
        raise RefusedError(f"a flood of {plain.shape} pixels has weights of {shown.shape}")
    factor = factor_for(pixel_mm)
    _require_field(plain.shape, pixel_mm, factor, field)
    rows, columns = plain.shape
    shares = [added_up(each.shares(rows, columns, pixel_mm), factor) / factor**2 for each in (field, field.central)]
    small = added_up(plain, factor)
    y, x = (
        centres_mm(size, pixel_mm)[_kept(size, factor)].reshape(-1, factor).mean(axis=1) for size in plain.shape
    )  # fmt: skip
    return Flood(
        small, small if weighted is None else added_up(shown, factor), shares[0] >= _HALF, shares[1] >= _HALF, x, y,
        pixel_mm * factor, factor, field,
    )  # fmt: skip


def _kept(size: int, factor: int) -> slice:
    first = size % factor // 2
    return slice(first, first + size // factor * factor)


def _counts(picture: npt.NDArray[Any]) -> Floats:
    values = counted(picture)
    if not values.any():
        raise RefusedError("the flood holds no counts")
    return values


def _require_field(shape: tuple[int, ...], pixel_mm: float, factor: int, field: FieldOfView) -> None:
    high, wide = (size * pixel_mm for size in shape)
    most = pixel_mm * factor
    if wide < field.width_mm - most or high < field.height_mm - most:
        raise RefusedError(
            f"a flood of {wide:g} x {high:g} mm does not hold the useful field of view, "
            f"{field.width_mm:g} x {field.height_mm:g} mm"
        )
