"""Linearity maps: from lines or holes that are known to where positions have to be moved.

A mask says how a true place is displaced. A map must say for a displaced place where it belongs: the displacement is
inverted by stepping t <- m - d(t), which converges as long as the distortion does not fold positions over.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.model.headcalibration import Grid
from daq.qc.fields import Floats, Mask, centres_mm
from daq.qc.maps import Cells, filled
from daq.qc.slits import SlitPeaks

_STEPS = 30
_CONVERGED_MM = 0.02
_FINER = 8
_HOLE_REACH = 0.45
"""A hole is looked for within this share of the pitch around where its neighbours say."""
_FEWEST_IN_HOLE = 50
_HOLE_CORE = 0.4
"""A hole has more than this share of what is near within half of the reach: flat counts have a quarter there."""


@dataclass(frozen=True, slots=True, eq=False)
class Displacement:
    """How far places are displaced: values [rows, columns] in mm at true places `y_mm` [rows], `x_mm` [columns]."""

    x_mm: Floats
    y_mm: Floats
    values: Floats

    def refined(self) -> Displacement:
        """Return it at eight times as many places, by cubic splines: straight lines would cut off what is curved."""
        x, along_x = _spline(self.x_mm)
        y, along_y = _spline(self.y_mm)
        return Displacement(x, y, np.asarray(along_y @ self.values @ along_x.T))

    def at(self, x_mm: Floats, y_mm: Floats) -> Floats:
        """Return the displacement at true places: bilinear, beyond the outermost lines as at them."""
        left, across = _place(self.x_mm, x_mm)
        below, up = _place(self.y_mm, y_mm)
        low = self.values[below, left] * (1 - across) + self.values[below, left + 1] * across
        high = self.values[below + 1, left] * (1 - across) + self.values[below + 1, left + 1] * across
        return np.asarray(low * (1 - up) + high * up)


def of_slits(peaks: SlitPeaks) -> Displacement:
    """Return the displacement across the lines of a slit mask; lines that were not found are as their neighbours."""
    moved = filled(peaks.at_mm - peaks.lines_mm, np.isfinite(peaks.at_mm))
    if peaks.mask.across == "x":
        return Displacement(peaks.lines_mm, peaks.strips_mm, moved)
    return Displacement(peaks.strips_mm, peaks.lines_mm, moved.T)


def of_holes(
    picture: npt.NDArray[Any], pixel_mm: float, *, pitch_mm: float, rows: int, columns: int
) -> tuple[Displacement, Displacement, Mask]:
    """Return the displacements in x and y of a grid of holes, and which holes were found [rows, columns].

    `picture` is fine (pixels of about a tenth of the pitch). The middle hole is looked for in the middle, the others
    from their neighbours, wherever these have led. Raises `RefusedError` where not even half of them are found.
    """
    places = _Holes(np.asarray(picture, np.float64), pixel_mm, pitch_mm).found(rows, columns)
    known = np.isfinite(places[..., 0])
    if known.mean() < 0.5:  # noqa: PLR2004 - half
        raise RefusedError(
            f"{known.sum()} of {known.size} holes every {pitch_mm:g} mm were found: too few counts, or another mask"
        )
    x, y = centres_mm(columns, pitch_mm), centres_mm(rows, pitch_mm)
    moved_x, moved_y = places[..., 0] - x, places[..., 1] - y[:, None]
    return Displacement(x, y, filled(moved_x, known)), Displacement(x, y, filled(moved_y, known)), known


def linearity_map(across_x: Displacement, across_y: Displacement, cells: Cells) -> tuple[Grid, Grid]:
    """Return what has to be added to x and to y, mm, as `HeadCorrections` takes it.

    Raises `RefusedError` where the displacement cannot be inverted.
    """
    across_x, across_y = across_x.refined(), across_y.refined()
    _require_order(across_x.x_mm, across_x.values, "x")
    _require_order(across_y.y_mm, across_y.values.T, "y")
    measured_x, measured_y = np.meshgrid(
        centres_mm(cells.columns, cells.pitch_mm), centres_mm(cells.rows, cells.pitch_mm)
    )
    true_x, true_y, change = measured_x.copy(), measured_y.copy(), np.inf
    for _ in range(_STEPS):
        next_x = measured_x - across_x.at(true_x, true_y)
        next_y = measured_y - across_y.at(true_x, true_y)
        change = float(max(np.abs(next_x - true_x).max(), np.abs(next_y - true_y).max()))
        true_x, true_y = next_x, next_y
        if change < _CONVERGED_MM:
            return cells.grid(true_x - measured_x), cells.grid(true_y - measured_y)
    raise RefusedError(
        f"the distortion cannot be inverted: after {_STEPS} steps places still move by {change:.2f} mm, "
        f"not below {_CONVERGED_MM} mm"
    )


def _require_order(points: Floats, displacement: Floats, along: str) -> None:
    """Refuse displaced places that are not in the order of the true ones."""
    folded = np.diff(points + displacement, axis=-1) <= 0.0
    if folded.any():
        at = points[int(np.nonzero(folded)[-1][0])]
        raise RefusedError(f"the distortion folds positions over: lines near {along} = {at:g} mm change their order")


class _Holes:
    """Finds holes of a grid in a picture, from the middle outwards."""

    def __init__(self, picture: Floats, pixel_mm: float, pitch_mm: float) -> None:
        self._picture, self._pixel, self._pitch = picture, pixel_mm, pitch_mm
        self._x, self._y = centres_mm(picture.shape[1], pixel_mm), centres_mm(picture.shape[0], pixel_mm)

    def found(self, rows: int, columns: int) -> Floats:
        """Return x and y of each hole, float64 [rows, columns, 2], NaN where it was not found."""
        places = np.full((rows, columns, 2), np.nan)
        middle = (rows // 2, columns // 2)
        true = np.array([centres_mm(columns, self._pitch)[middle[1]], centres_mm(rows, self._pitch)[middle[0]]])
        waiting = deque([(middle, true)])
        tried = {middle}
        while waiting:
            (row, column), expected = waiting.popleft()
            place = self._centroid(expected)
            if place is None:
                continue
            places[row, column] = place
            for up, right in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                beside = (row + up, column + right)
                if 0 <= beside[0] < rows and 0 <= beside[1] < columns and beside not in tried:
                    tried.add(beside)
                    waiting.append((beside, place + self._step(places, (row, column), (up, right))))
        return places

    def _step(self, places: Floats, at: tuple[int, int], way: tuple[int, int]) -> Floats:
        """Return how far the next hole is: as far as the last one where that is known, else by the pitch."""
        before = (at[0] - way[0], at[1] - way[1])
        if 0 <= before[0] < places.shape[0] and 0 <= before[1] < places.shape[1]:
            last = places[at] - places[before]
            if np.isfinite(last).all():
                return np.asarray(last)
        return np.array([way[1] * self._pitch, way[0] * self._pitch])

    def _centroid(self, expected: Floats) -> Floats | None:
        """Return the centroid of the hole near a place; None where there is none."""
        place, reach = expected.copy(), _HOLE_REACH * self._pitch
        for _ in range(_STEPS):
            across = np.flatnonzero(np.abs(self._x - place[0]) <= reach)
            along = np.flatnonzero(np.abs(self._y - place[1]) <= reach)
            if not len(across) or not len(along):
                return None
            part = self._picture[along[0] : along[-1] + 1, across[0] : across[-1] + 1]
            total = part.sum()
            if total < _FEWEST_IN_HOLE:
                return None
            moved = np.array([part.sum(axis=0) @ self._x[across], part.sum(axis=1) @ self._y[along]]) / total
            if np.abs(moved - place).max() < 0.1 * self._pixel:
                break
            place = moved
        if np.abs(moved - expected).max() > reach or not self._is_hole(part, across, along, moved):
            return None
        return np.asarray(moved)

    def _is_hole(self, part: Floats, across: npt.NDArray[np.int64], along: npt.NDArray[np.int64], at: Floats) -> bool:
        """Return False where counts are spread as those of a flood, which has a centroid anywhere."""
        core = _HOLE_REACH * self._pitch / 2
        inner = part[np.abs(self._y[along] - at[1]) <= core][:, np.abs(self._x[across] - at[0]) <= core]
        return bool(inner.sum() > _HOLE_CORE * part.sum())


def _spline(points: Floats) -> tuple[Floats, Floats]:
    """Return finer points and the matrix [finer, points] that gives a natural cubic spline through values there."""
    count, step = len(points), float(points[1] - points[0])
    bends = np.zeros((count, count))
    if count > 2:  # noqa: PLR2004 - a straight line has no bend
        inner = 4.0 * np.eye(count - 2) + np.eye(count - 2, k=1) + np.eye(count - 2, k=-1)
        second = np.eye(count - 2, count) - 2.0 * np.eye(count - 2, count, k=1) + np.eye(count - 2, count, k=2)
        bends[1:-1] = np.linalg.solve(inner, 6.0 / step**2 * second)
    finer = np.linspace(points[0], points[-1], (count - 1) * _FINER + 1)
    low, share = _place(points, finer)
    rest = 1.0 - share
    matrix = rest[:, None] * np.eye(count)[low] + share[:, None] * np.eye(count)[low + 1]
    curve = ((rest**3 - rest)[:, None] * bends[low] + (share**3 - share)[:, None] * bends[low + 1]) * step**2 / 6.0
    return finer, matrix + curve


def _place(points: Floats, at: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the point below each place and how far it is towards the next one, within the points."""
    within = np.clip(at, points[0], points[-1])
    low = np.clip(np.searchsorted(points, within, side="right") - 1, 0, len(points) - 2)
    return low, np.asarray((within - points[low]) / (points[low + 1] - points[low]))
