"""Lead on the bare crystal: where it lets photons pass."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from daq.errors import UsageError


class MaskKind(IntEnum):
    """Codes of the masks in the compiled loops."""

    OPEN = 0
    SLITS = 1
    HOLES = 2
    BARS = 3
    QUADRANTS = 4


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask centred on the crystal. `leak`: the share of photons that its lead lets pass.

    Slits `width_mm` wide are `pitch_mm` apart, one through the middle, and run along `along`; round holes of
    `width_mm` are on a square grid of `pitch_mm`, one in the middle. Bars and gaps are `width_mm` wide. Quadrants have
    the widths `widths_mm`, in the order right top, left top, left bottom, right bottom; bars along y, x, y, x.
    """

    kind: MaskKind = MaskKind.OPEN
    width_mm: float = 1.0
    pitch_mm: float = 30.0
    along: str = "y"
    widths_mm: tuple[float, float, float, float] = (2.0, 2.5, 3.0, 3.5)
    leak: float = 0.0

    def __post_init__(self) -> None:
        if not all(value > 0 and math.isfinite(value) for value in (self.width_mm, self.pitch_mm, *self.widths_mm)):
            raise UsageError(f"mask of width {self.width_mm} mm, pitch {self.pitch_mm} mm: must be above zero")
        if self.kind in (MaskKind.SLITS, MaskKind.HOLES) and self.width_mm > self.pitch_mm:
            raise UsageError(f"mask of width {self.width_mm} mm: wider than its pitch {self.pitch_mm} mm")
        if self.along not in ("x", "y"):
            raise UsageError(f"mask along {self.along!r}: must be x or y")
        if not 0.0 <= self.leak <= 1.0:
            raise UsageError(f"mask of leak {self.leak}: must be from 0 to 1")

    def numbers(self) -> tuple[float, ...]:
        """Return it as the compiled loops take it: kind, width, pitch, 1 where along x, four widths, leak."""
        return (self.kind, self.width_mm, self.pitch_mm, float(self.along == "x"), *self.widths_mm, self.leak)


def slits(along: str = "y", *, width_mm: float = 1.0, pitch_mm: float = 30.0, leak: float = 0.0) -> Mask:
    """Return a slit mask as NEMA NU 1 uses it."""
    return Mask(MaskKind.SLITS, width_mm, pitch_mm, along, leak=leak)


def holes(*, width_mm: float = 2.0, pitch_mm: float = 15.0, leak: float = 0.0) -> Mask:
    """Return a grid of holes."""
    return Mask(MaskKind.HOLES, width_mm, pitch_mm, leak=leak)


def bars(width_mm: float, along: str = "y") -> Mask:
    """Return parallel bars."""
    return Mask(MaskKind.BARS, width_mm, along=along)


def quadrants(widths_mm: tuple[float, float, float, float] = (2.0, 2.5, 3.0, 3.5)) -> Mask:
    """Return four quadrants of bars."""
    return Mask(MaskKind.QUADRANTS, widths_mm=widths_mm)
