"""Slices from projections by filtered back-projection (scikit-image), for a quick look at whether a rotation worked.

Nothing is corrected: no attenuation, no scatter, no decay, no resolution, no offset of the axis. Not for diagnosis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.composition.sheetregions import slice_of
from daq.pipeline.tomography import Projections

Floats = npt.NDArray[np.float64]
_MOST = 64
_HALF_TURN_DEG = 180.0
_FILTER = "hann"
_WIDE_GAP = 2.5


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """A volume `values` [rows, n, n]: towards the head, towards the back, towards the left; cubic voxels.

    The axis of rotation goes through the middle of the middle voxel of a slice; row 0 is the lowest of the projections.
    """

    values: Floats
    voxel_mm: float
    y0_mm: float

    def place_mm(self, index: tuple[int, int, int]) -> tuple[float, float, float]:
        """Return where the middle of a voxel is: to the left, to the back, towards the head."""
        along, back, left = index
        middle = (self.values.shape[1] - 1) / 2
        up = self.y0_mm + (along + 0.5) * self.voxel_mm
        return (left - middle) * self.voxel_mm, (back - middle) * self.voxel_mm, up


def back_projected(taken: Projections, y0_mm: float, *, most: int = _MOST) -> Volume:
    """Return the volume of projections whose lowest row begins at `y0_mm`, at most about `most` voxels a side.

    A projection is scaled to the mean live time. Counts are put into an odd number of columns, so that the axis is in
    the middle of one of them: it lies between two pixels where their number is even (`daq.model.geometry.index_to_mm`).
    """
    scaled = taken.scaled()
    rows, columns = scaled.shape[1:]
    by = max(1, math.ceil(max(rows, columns) / most))
    across = 2 * math.ceil((columns / by - 1) / 2) + 1
    middle = columns / 2
    edges = middle + (np.arange(across + 1) - across / 2) * by
    small = _put_into(scaled, edges, axis=2)
    small = _put_into(small, np.arange(math.ceil(rows / by) + 1, dtype=np.float64) * by, axis=1)
    theta = taken.angle_deg + _HALF_TURN_DEG
    values = np.stack([slice_of(small[:, row].T, theta, window=_FILTER) for row in range(small.shape[1])])
    return Volume(values, taken.pixel_mm * by, y0_mm)


def missing_angles(angle_deg: Floats) -> tuple[float, float] | None:
    """Return the widest range of angles that no projection covers, from and to, opposite ones counted as the same.

    None where angles are as dense there as elsewhere.
    """
    seen = np.unique(np.round(angle_deg % _HALF_TURN_DEG, 3))
    gaps = np.diff(np.append(seen, seen[0] + _HALF_TURN_DEG))
    widest = int(gaps.argmax())
    if gaps[widest] <= _WIDE_GAP * float(np.median(gaps)):
        return None
    return float(seen[widest]), float(seen[widest] + gaps[widest])


def _put_into(counts: Floats, edges: Floats, *, axis: int) -> Floats:
    """Return counts along an axis of pixels 0 to 1, 1 to 2 ... in bins of other edges; those of a pixel lie evenly."""
    moved = np.moveaxis(counts, axis, -1)
    total = np.concatenate([np.zeros((*moved.shape[:-1], 1)), np.cumsum(moved, axis=-1)], axis=-1)
    at = np.clip(edges, 0, moved.shape[-1])
    below = np.minimum(at.astype(np.int64), moved.shape[-1] - 1)
    upto = total[..., below] + (at - below) * moved[..., below]
    return np.moveaxis(np.diff(upto, axis=-1), -1, axis)
