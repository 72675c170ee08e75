"""Uniformity along a sweep over a sheet source: is each row as bright as the next, is the speed constant.

Rows of the strip are added up to pixels near 6.4 mm and divided by how long they were exposed. Rows that were not
exposed in full, or that the sheet does not light, are not judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.qc.camera.floodnoise import expected_highest
from daq.qc.camera.floodrebin import factor_for
from daq.qc.fields import Floats, Mask
from daq.qc.uniformity import counted

EXPOSED = 0.9
LIT = 0.5
"""A row or column with less than that share of the bright ones is beside the sheet."""
_EDGES = 2
"""Rows and columns at the edge of the sheet that are half lit, left out at both ends."""
_FEWEST_ROWS = 10
_BRIGHT = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class SweepFound:
    """`rows` [n]: counts per row of full exposure, at `y_mm` [n]; `columns` [m] at `x_mm` [m].

    All in per cent: `integral` and `across`: 100 (max - min) / (max + min); `slope`: change from begin to end of the
    straight line through the rows; `stripe`: the row at `stripe_mm` that is most off the line. `*_noise`: what counting
    alone gives, the standard deviation of the slope, what is expected of the others.
    """

    y_mm: Floats
    rows: Floats
    line: Floats
    x_mm: Floats
    columns: Floats
    pixel_mm: float
    integral: float
    integral_noise: float
    slope: float
    slope_sigma: float
    stripe: float
    stripe_mm: float
    stripe_noise: float
    across: float
    across_noise: float
    length_mm: float

    @property
    def counts_per_row(self) -> float:
        """Return the mean counts of a row."""
        return float(self.rows.mean())


def swept(
    counts: npt.NDArray[Any], exposure: npt.NDArray[Any], *, full: float, pixel_mm: float, width_mm: float,
    y0_mm: float = 0.0,
) -> SweepFound:  # fmt: skip
    """Return how even a strip [rows, columns] is; the middle of its columns is that of the detector.

    `exposure` [rows]: how long each row was seen, `full` what a whole one is, in one unit. `y0_mm`: lower edge of row
    0. Raises `RefusedError` where fewer than ten rows near 6.4 mm are exposed in full and lit.
    """
    strip, factor = counted(counts), factor_for(pixel_mm)
    size_mm = pixel_mm * factor
    rate, shares, x = _binned(strip, _shares(exposure, strip.shape[0], full), factor, pixel_mm)
    useful = np.abs(x) + size_mm / 2.0 <= width_mm / 2.0 + 1e-9
    down = _lit_run(np.where(shares >= EXPOSED, rate[:, useful].sum(axis=1), 0.0))
    wise = useful & _lit_run(np.where(useful, rate[down].sum(axis=0), 0.0)) if down.any() else useful
    if down.sum() < _FEWEST_ROWS or not wise.any():
        raise RefusedError(
            f"{int(down.sum())} rows of {size_mm:.2f} mm were exposed in full and lit by the sheet; {_FEWEST_ROWS} are "
            "needed"
        )
    y = np.asarray(y0_mm + (np.arange(len(rate)) + 0.5) * size_mm, np.float64)
    return _found(y[down], rate[np.ix_(down, wise)], x[wise], size_mm)


def _shares(exposure: npt.NDArray[Any], rows: int, full: float) -> Floats:
    seen = np.asarray(exposure, np.float64)
    if seen.shape != (rows,) or not np.isfinite(seen).all() or full <= 0.0:
        raise RefusedError(f"a strip of {rows} rows has exposures of {seen.size} rows, {full:g} in full")
    return seen / full


def _binned(strip: Floats, shares: Floats, factor: int, pixel_mm: float) -> tuple[Floats, Floats, Floats]:
    """Return counts per full exposure of large pixels, the least exposure within a row of them, the columns' x."""
    high, wide = strip.shape[0] // factor, strip.shape[1] // factor
    left = (strip.shape[1] - wide * factor) // 2
    part = strip[: high * factor, left : left + wide * factor].reshape(high, factor, wide, factor).sum(axis=(1, 3))
    each = shares[: high * factor].reshape(high, factor)
    x = (np.arange(wide) + 0.5) * pixel_mm * factor + (left - strip.shape[1] / 2.0) * pixel_mm
    return part / np.maximum(each.mean(axis=1), 1e-9)[:, None], each.min(axis=1), x


def _lit_run(sums: Floats) -> Mask:
    """Return the longest run of lit places without its ends, which are half lit."""
    lit = sums > LIT * np.quantile(sums, _BRIGHT) if sums.any() else np.zeros(len(sums), bool)
    changes = np.flatnonzero(np.diff(np.concatenate([[0], lit.astype(np.int8), [0]])))
    chosen = np.zeros(len(sums), bool)
    if len(changes):
        begins, ends = changes[::2], changes[1::2]
        longest = int(np.argmax(ends - begins))
        chosen[begins[longest] + _EDGES : max(begins[longest] + _EDGES, ends[longest] - _EDGES)] = True
    return chosen


def _found(y: Floats, rate: Floats, x: Floats, pixel_mm: float) -> SweepFound:
    rows, columns = rate.sum(axis=1), rate.sum(axis=0)
    along = (y - y.mean()) / np.ptp(y)
    slope = float((along * rows).sum() / (along**2).sum())
    line = rows.mean() + slope * along
    off = 100.0 * (rows / line - 1.0)
    worst = int(np.argmax(np.abs(off)))
    sigma = 100.0 / float(np.sqrt(rows.mean()))
    one = np.array([1.0])
    return SweepFound(
        y, rows, line, x, columns, pixel_mm,
        _spread(rows), sigma * expected_highest(one, np.array([float(len(rows))])),
        100.0 * slope / float(rows.mean()), sigma / float(np.sqrt((along**2).sum())),
        float(off[worst]), float(y[worst]), sigma * expected_highest(one, np.array([2.0 * len(rows)])),
        _spread(columns),
        100.0 / float(np.sqrt(columns.mean())) * expected_highest(one, np.array([float(len(columns))])),
        float(len(y)) * pixel_mm,
    )  # fmt: skip


def _spread(values: Floats) -> float:
    return float(100.0 * (values.max() - values.min()) / (values.max() + values.min()))
