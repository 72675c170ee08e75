"""A flood in squares as large as a photomultiplier, always the same ones: what a chart can follow from day to day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.qc.camera.floodrebin import Flood
from daq.qc.fields import Floats, Mask

_FILLED = 0.5
"""A square is judged where that share of its pixels is."""


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Squares of the field, [n] each. `names`: `region ROW.COLUMN`, 1.1 at the lowest x and y.

    `percent`: off the slope of the flood, plain counts; None where too little of a square is judged. `sigma_percent`:
    its standard deviation by counting.
    """

    names: tuple[str, ...]
    x_mm: tuple[float, ...]
    y_mm: tuple[float, ...]
    percent: tuple[float | None, ...]
    sigma_percent: tuple[float | None, ...]
    counts: tuple[float, ...]


def regions_of(flood: Flood, expected: Floats, judged: Mask, *, size_mm: float) -> Regions:
    """Return the squares of about `size_mm` that the useful field is divided into; `expected`: of plain counts.

    All arrays [rows, columns]. The squares depend on the field and `size_mm` alone, not on what was counted.
    """
    rows, y = _divided(flood.y_mm, flood.field.height_mm, size_mm)
    columns, x = _divided(flood.x_mm, flood.field.width_mm, size_mm)
    place = rows[:, None] * len(x) + columns[None, :]
    inside = flood.useful & (rows >= 0)[:, None] & (columns >= 0)[None, :]
    size = len(x) * len(y)
    used = inside & judged
    counts, wanted = (np.bincount(place[used], each[used], minlength=size) for each in (flood.plain, expected))
    whole, seen = (np.bincount(place[each], minlength=size) for each in (inside, used))
    known = (seen > _FILLED * whole) & (wanted > 0.0)
    off = 100.0 * (counts / np.where(known, wanted, 1.0) - 1.0)
    sigma = 100.0 / np.sqrt(np.where(known, wanted, 1.0))
    return Regions(
        tuple(f"region {row + 1}.{column + 1}" for row in range(len(y)) for column in range(len(x))),
        tuple(float(each) for _ in y for each in x), tuple(float(each) for each in y for _ in x),
        tuple(float(value) if is_known else None for value, is_known in zip(off, known, strict=True)),
        tuple(float(value) if is_known else None for value, is_known in zip(sigma, known, strict=True)),
        tuple(map(float, counts)),
    )  # fmt: skip


def _divided(at_mm: Floats, length_mm: float, size_mm: float) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the part that each pixel lies in, -1 beyond the field, and the middles of the parts."""
    parts = max(1, round(length_mm / size_mm))
    found = np.floor((at_mm / length_mm + 0.5) * parts).astype(np.int64)
    found = np.where((found >= 0) & (found < parts), found, -1)
    return found, np.asarray(((np.arange(parts) + 0.5) / parts - 0.5) * length_mm, np.float64)
