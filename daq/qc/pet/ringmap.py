"""Tables of a ring by detector number: which block, plane and position around it a crystal has, and where it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.model.scanner import Ring, are_virtual, modules, place, positions_mm

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class RingMap:
    """Arrays by detector number [size]; -1 where no crystal is. `x_mm`, `y_mm` are by position around the ring."""

    ring: Ring
    real: npt.NDArray[np.bool_]
    block: npt.NDArray[np.int32]
    plane: npt.NDArray[np.int32]
    around: npt.NDArray[np.int32]
    x_mm: Floats
    y_mm: Floats

    @property
    def size(self) -> int:
        """Return one more than the highest detector number."""
        return len(self.real)

    @property
    def per_turn(self) -> int:
        """Return the blocks around the ring."""
        return self.ring.detectors_per_ring // self.ring.module_detectors

    @property
    def rows(self) -> int:
        """Return the rows of blocks along the axis."""
        return -(-self.ring.rings // self.ring.module_rings)

    @property
    def blocks(self) -> int:
        """Return the number of blocks."""
        return self.per_turn * self.rows

    @property
    def detectors(self) -> Ints:
        """Return the numbers of all crystals, ascending."""
        return np.flatnonzero(self.real)

    def grid(self, by_detector: npt.NDArray[np.generic]) -> Floats:
        """Return values by detector number [size] as [rings, around]; 0 where no crystal is."""
        out = np.zeros((self.ring.rings, self.ring.detectors_per_ring))
        at = self.detectors
        out[self.plane[at], self.around[at]] = by_detector[at]
        return out

    def of_blocks(self, by_detector: npt.NDArray[np.generic]) -> Floats:
        """Return the sums over the crystals of each block, float64 [blocks]."""
        at = self.detectors
        values = np.asarray(by_detector, np.float64)[at]
        return np.bincount(self.block[at], values, minlength=self.blocks).astype(np.float64)

    def block_centres_mm(self) -> Floats:
        """Return x and y of the middle of each block, float64 [blocks, 2]."""
        at = self.detectors
        count = np.bincount(self.block[at], minlength=self.blocks)
        sums = [
            np.bincount(self.block[at], axis[self.around[at]], minlength=self.blocks) for axis in (self.x_mm, self.y_mm)
        ]
        return np.stack(sums, axis=-1) / np.maximum(count, 1)[:, None]

    def angles_rad(self) -> Floats:
        """Return the angle of the middle of each place of a block around the ring, float64 [per_turn]."""
        centres = self.block_centres_mm()[: self.per_turn]
        return np.asarray(np.arctan2(centres[:, 1], centres[:, 0]))


def ring_map(ring: Ring) -> RingMap:
    """Return the tables of a ring. Raise `RefusedError` for crystals in layers: what they share is not known here."""
    if ring.layers > 1:
        raise RefusedError(f"a ring of {ring.layers} layers: blocks are looked at in rings of one layer only")
    rows = np.arange(ring.rings)[:, None] * ring.ring_step
    numbers = (rows + np.arange(ring.detectors_per_ring)).reshape(-1).astype(np.uint32)
    numbers = numbers[~are_virtual(ring, numbers)]
    at = place(ring, numbers)
    tables = [np.full(ring.highest_detector + 1, -1, np.int32) for _ in range(3)]
    for table, values in zip(tables, (modules(ring, numbers), at.ring, at.crystal), strict=True):
        table[numbers] = values
    where = positions_mm(ring, np.arange(ring.detectors_per_ring, dtype=np.uint32))
    block, plane, around = tables
    return RingMap(ring, block >= 0, block, plane, around, where[:, 0].copy(), where[:, 1].copy())
