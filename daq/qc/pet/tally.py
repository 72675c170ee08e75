"""Sums over the coincidences of a ring, gathered piece by piece in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.qc.pet.kernels import count_pairs, count_times
from daq.qc.pet.ringmap import Floats, Ints, RingMap

TIME_BINS = 256
FLIGHT_BINS = 80
"""64 up to the flight through a diameter, the others for steep lines of response."""


@dataclass(slots=True, eq=False)
class PairTally:
    """Counts of prompts (index 0) and delayeds (index 1); int64.

    `crystals` [2, detectors], `blocks` [2, B, B] in the upper half, `planes` and `places`: pairs by how many planes and
    how many places around the ring they are apart. `strangers`: pairs with a number that is no crystal.
    """

    ring: RingMap
    crystals: Ints = field(init=False)
    blocks: Ints = field(init=False)
    planes: Ints = field(init=False)
    places: Ints = field(init=False)
    strangers: int = 0
    _centre: Floats = field(init=False)

    def __post_init__(self) -> None:
        of = self.ring
        self.crystals = np.zeros((2, of.size), np.int64)
        self.blocks = np.zeros((2, of.blocks, of.blocks), np.int64)
        self.planes = np.zeros((2, of.ring.rings), np.int64)
        self.places = np.zeros((2, of.ring.detectors_per_ring // 2 + 1), np.int64)
        self._centre = np.zeros(5)

    def add(self, first: npt.NDArray[Any], second: npt.NDArray[Any], kind: npt.NDArray[Any]) -> None:
        """Add pairs: detector numbers uint32 [n], `kind` uint8 [n]."""
        of = self.ring
        self.strangers += count_pairs(
            np.ascontiguousarray(first, np.uint32), np.ascontiguousarray(second, np.uint32),
            np.ascontiguousarray(kind, np.uint8), of.block, of.plane, of.around, of.x_mm, of.y_mm, self.crystals,
            self.blocks, self.planes, self.places, self._centre,
        )  # fmt: skip

    @property
    def prompts(self) -> int:
        """Return the prompts."""
        return int(self.crystals[0].sum()) // 2

    @property
    def delayeds(self) -> int:
        """Return the delayeds."""
        return int(self.crystals[1].sum()) // 2

    @property
    def net(self) -> int:
        """Return prompts less delayeds."""
        return self.prompts - self.delayeds

    @property
    def net_crystals(self) -> Ints:
        """Return prompts less delayeds of each detector number."""
        return np.asarray(self.crystals[0] - self.crystals[1])

    @property
    def net_blocks(self) -> Ints:
        """Return prompts less delayeds of pairs of blocks, symmetric, int64 [B, B]."""
        upper = self.blocks[0] - self.blocks[1]
        return np.asarray(upper + upper.T - np.diag(np.diag(upper)))

    def centre_mm(self) -> tuple[float, float] | None:
        """Return where the activity is across the axis: the point that lines of response pass nearest, least squares.

        Lines through a source whose middle is c lie at s = c . n on average, whatever its shape, where it is seen from
        all sides alike. None without counts from two directions.
        """
        xx, xy, yy, sx, sy = self._centre
        determinant = xx * yy - xy * xy
        if not determinant > 1e-6 * max(xx * yy, 1.0):
            return None
        return float((yy * sx - xy * sy) / determinant), float((xx * sy - xy * sx) / determinant)

    def centre_noise_mm(self, spread_mm: float) -> float:
        """Return the standard deviation of either coordinate, of lines that scatter by `spread_mm` about the middle."""
        trues = max(self.prompts - self.delayeds, 1)
        return float(spread_mm * np.sqrt(2.0 * (self.prompts + self.delayeds)) / trues)


@dataclass(slots=True, eq=False)
class TimeTally:
    """Differences of time by pair of blocks, prompts less delayeds: int32 [pairs, 256] over +-`reach_ps`.

    `flights`: by half the difference of time that flight in a cylinder of `radius_mm` can make (`flight_axis_ps`).
    """

    ring: RingMap
    reach_ps: float
    radius_mm: float
    times: npt.NDArray[np.int32] = field(init=False)
    delayeds: Ints = field(init=False)
    flights: Ints = field(init=False)
    beyond: int = 0

    def __post_init__(self) -> None:
        blocks = self.ring.blocks
        self.times = np.zeros((blocks * (blocks - 1) // 2, TIME_BINS), np.int32)
        self.delayeds = np.zeros((blocks, blocks), np.int64)
        self.flights = np.zeros(FLIGHT_BINS, np.int64)

    def add(
        self, first: npt.NDArray[Any], second: npt.NDArray[Any], kind: npt.NDArray[Any], tof_ps: npt.NDArray[Any]
    ) -> None:
        """Add pairs: detector numbers uint32 [n], `kind` uint8 [n], `tof_ps` = t_second - t_first, int32 [n]."""
        of = self.ring
        self.beyond += count_times(
            np.ascontiguousarray(first, np.uint32), np.ascontiguousarray(second, np.uint32),
            np.ascontiguousarray(kind, np.uint8), np.ascontiguousarray(tof_ps, np.int32), of.block, of.plane, of.around,
            of.x_mm, of.y_mm, of.ring.axial_pitch_mm, self.radius_mm, self.reach_ps, self.times, self.delayeds,
            self.flights,
        )  # fmt: skip

    @property
    def axis_ps(self) -> Floats:
        """Return the middles of the bins."""
        return np.asarray((np.arange(TIME_BINS) + 0.5) * self.bin_ps - self.reach_ps)

    @property
    def bin_ps(self) -> float:
        """Return the width of a bin."""
        return 2.0 * self.reach_ps / TIME_BINS

    @property
    def pairs(self) -> tuple[Ints, Ints]:
        """Return the lower and the higher block of each row of `times`."""
        low, high = np.triu_indices(self.ring.blocks, 1)
        return low.astype(np.int64), high.astype(np.int64)
