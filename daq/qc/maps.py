"""Maps over the detector: cells of measured values, gaps filled, put on the points of a `Grid`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError, UsageError
from daq.model.headcalibration import MOST_POINTS, Grid
from daq.qc.fields import FieldOfView, Floats, Mask, centres_mm
from daq.qc.peaks import log_parabola_peaks
from daq.qc.uniformity import smoothed

FEWEST_IN_CELL = 400
"""Counts of a cell in the photopeak: its place is then known to 0.25 keV at 10 % of 140 keV."""
BIN_KEV = 0.5
"""Bin k is about k times that: energies that come in steps of half a keV lie in the middles of bins."""
REACH = 0.6
"""A photopeak is fitted that part of its width at half maximum to both sides."""
LEAST_WEIGHT, MOST_WEIGHT = 0.5, 2.0
"""What a uniformity map may give: beyond it a region is broken and no weight mends it."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Square cells around the middle of the detector; the middle of each is a point of a map."""

    rows: int
    columns: int
    pitch_mm: float

    def __post_init__(self) -> None:
        if not (0 < self.rows <= MOST_POINTS and 0 < self.columns <= MOST_POINTS and self.pitch_mm > 0):
            raise UsageError(f"{self.rows} x {self.columns} cells of {self.pitch_mm:g} mm; at most {MOST_POINTS}")

    @classmethod
    def over(cls, field: FieldOfView, pitch_mm: float) -> Cells:
        """Return cells that cover a field."""
        rows, columns = (int(np.ceil(size / pitch_mm - 1e-9)) for size in (field.height_mm, field.width_mm))
        return cls(rows, columns, pitch_mm)

    def index(self, x_mm: npt.NDArray[Any], y_mm: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return the cell of each position, row after row; -1 outside and for NaN."""
        column = np.floor(np.asarray(x_mm, np.float64) / self.pitch_mm + self.columns / 2)
        row = np.floor(np.asarray(y_mm, np.float64) / self.pitch_mm + self.rows / 2)
        inside = (column >= 0) & (column < self.columns) & (row >= 0) & (row < self.rows)
        return np.where(inside, row * self.columns + column, -1).astype(np.int64)

    def grid(self, values: Floats) -> Grid:
        """Return the map of values [rows, columns] at the middles of cells."""
        y0, x0 = centres_mm(self.rows, self.pitch_mm)[0], centres_mm(self.columns, self.pitch_mm)[0]
        return Grid.of(values, x0_mm=float(x0), y0_mm=float(y0), pitch_mm=self.pitch_mm)


class CellSpectra:
    """Spectra of cells, filled piece by piece: int64 [cells, bins]."""

    def __init__(self, cells: Cells, line_kev: float) -> None:
        """Make room for energies up to one and a half times the line."""
        self.cells, self.line_kev = cells, line_kev
        self.bins = int(np.ceil(1.5 * line_kev / BIN_KEV))
        self.counts = np.zeros((cells.rows * cells.columns, self.bins), np.int64)

    def add(self, x_mm: npt.NDArray[Any], y_mm: npt.NDArray[Any], energy_kev: npt.NDArray[Any]) -> None:
        """Add events."""
        cell = self.cells.index(x_mm, y_mm)
        at = np.rint(np.asarray(energy_kev, np.float64) / BIN_KEV)
        inside = (cell >= 0) & (at >= 0) & (at < self.bins)
        flat = cell[inside] * self.bins + at[inside].astype(np.int64)
        self.counts += np.bincount(flat, minlength=self.counts.size).reshape(self.counts.shape)

    def peak_ratios(self, *, fwhm_percent: float) -> Floats:
        """Return where the photopeak is in each cell, over the line, [rows, columns]; NaN where it is not known.

        First it is looked for over a wide range, then fitted around what was found.
        """
        axis = np.asarray(np.arange(self.bins) * BIN_KEV, np.float64)
        width = self.line_kev * fwhm_percent / 100.0
        start = self._rough(axis, width)
        found = log_parabola_peaks(axis, self.counts, start, half_width=REACH * width)
        near = np.abs(axis - np.nan_to_num(found)[:, None]) <= REACH * width
        enough = (self.counts * near).sum(axis=1) >= FEWEST_IN_CELL
        ratios = np.where(enough, found / self.line_kev, np.nan)
        return ratios.reshape(self.cells.rows, self.cells.columns)

    def _rough(self, axis: Floats, width: float) -> Floats:
        """Return the highest place of each smoothed spectrum above 60 % of the line."""
        box = np.ones(max(1, 2 * int(width / BIN_KEV / 4) + 1))
        sums = np.cumsum(np.pad(self.counts, ((0, 0), (len(box) // 2 + 1, len(box) // 2))), axis=1)
        smooth = (sums[:, len(box) :] - sums[:, : -len(box)]).astype(np.float64)
        smooth[:, axis < 0.6 * self.line_kev] = 0.0
        return np.asarray(axis[np.argmax(smooth, axis=1)])


def energy_map(spectra: CellSpectra, *, fwhm_percent: float) -> Grid:
    """Return the ratios of peaks of a flood, as `HeadCorrections.energy` takes them.

    Raises `RefusedError` where more than half of the cells have no peak.
    """
    ratios = spectra.peak_ratios(fwhm_percent=fwhm_percent)
    known = np.isfinite(ratios)
    if known.mean() < 0.5:  # noqa: PLR2004 - half
        raise RefusedError(
            f"{known.sum()} of {known.size} cells of {spectra.cells.pitch_mm:g} mm have a photopeak of "
            f"{FEWEST_IN_CELL} counts: too few counts, or another nuclide"
        )
    return spectra.cells.grid(filled(ratios, known))


def uniformity_map(flood: npt.NDArray[Any], cells: Cells, field: FieldOfView) -> Grid:
    """Return the weights that make a flood even, 1 on average over the counts of the central field of view.

    The flood [rows, columns] is smoothed by the nine-point kernel before. Raises `RefusedError` where the central
    field holds cells that would need a weight beyond 0.5 to 2.
    """
    counts = np.asarray(flood, np.float64)
    useful = field.pixels(cells.rows, cells.columns, cells.pitch_mm)
    central = field.central.pixels(cells.rows, cells.columns, cells.pitch_mm)
    smooth = smoothed(counts, counts > 0.0)
    mean = float(smooth[central].mean()) if central.any() else 0.0
    if mean <= 0.0:
        raise RefusedError("the flood holds no counts in the central field of view")
    with np.errstate(divide="ignore"):
        weight = np.where(smooth > 0.0, mean / smooth, np.inf)
    beyond = central & ((weight > MOST_WEIGHT) | (weight < LEAST_WEIGHT))
    if beyond.any():
        row, column = (int(at[0]) for at in np.nonzero(beyond))
        x, y = centres_mm(cells.columns, cells.pitch_mm)[column], centres_mm(cells.rows, cells.pitch_mm)[row]
        raise RefusedError(
            f"{beyond.sum()} cells of the central field hold less than half or more than twice of its mean, the first "
            f"at x {x:.0f} mm, y {y:.0f} mm: that is a fault of the head, which no weight mends"
        )
    known = useful | (weight < MOST_WEIGHT)
    return cells.grid(filled(np.clip(weight, LEAST_WEIGHT, MOST_WEIGHT), known))


def filled(values: Floats, known: Mask) -> Floats:
    """Return values [rows, columns] with those not known made of known neighbours, ring by ring."""
    if not known.any():
        raise RefusedError("a map without a single known value")
    made, have = np.where(known, values, 0.0), known.copy()
    while not have.all():
        padded, weight = np.pad(made, 1), np.pad(have.astype(np.float64), 1)
        rows, columns = made.shape
        sums, weights = np.zeros(made.shape), np.zeros(made.shape)
        for row in range(3):
            for column in range(3):
                part = np.s_[row : row + rows, column : column + columns]
                sums += padded[part]
                weights += weight[part]
        ready = ~have & (weights > 0.0)
        made[ready] = sums[ready] / weights[ready]
        have |= ready
    return made


def looked_up(grid: Grid, x_mm: npt.NDArray[Any], y_mm: npt.NDArray[Any]) -> Floats:
    """Return the values of a map at positions, bilinear between its points, that of the nearest edge outside."""
    values = grid.values().astype(np.float64)
    column = np.clip((np.asarray(x_mm, np.float64) - grid.x0_mm) / grid.pitch_mm, 0.0, grid.columns - 1.0)
    row = np.clip((np.asarray(y_mm, np.float64) - grid.y0_mm) / grid.pitch_mm, 0.0, grid.rows - 1.0)
    left, below = np.floor(column).astype(np.int64), np.floor(row).astype(np.int64)
    right, above = np.minimum(left + 1, grid.columns - 1), np.minimum(below + 1, grid.rows - 1)
    across, up = column - left, row - below
    low = values[below, left] * (1 - across) + values[below, right] * across
    high = values[above, left] * (1 - across) + values[above, right] * across
    return np.asarray(low * (1 - up) + high * up)
