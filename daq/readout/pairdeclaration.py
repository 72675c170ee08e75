"""Live figures of a ring: singles by module; prompts and delayeds by time of flight, plane and angle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import MismatchError
from daq.model.events import StreamName
from daq.model.scanner import Ring, modules, place

MOST_TOF_BINS = 255
MOST_SIDE = 256
"""Bins of the sinogram along each side."""
MOST_MODULES = 65_536
MOST_TABLE = 1 << 24
DEFAULT_TOF_PS = 5000
"""Half the range of the histogram where nobody says how wide the window is."""
DEFAULT_RING_DIFFERENCE = 3

NOWHERE = -1


@dataclass(frozen=True, slots=True)
class RingLook:
    """Figures of one ring. `has_tof`: coincidences carry a time of flight; `has_pairs`: they carry two detectors.

    In the sinogram are coincidences whose rings are at most `ring_difference` apart; `fold_angle` views and
    `fold_radius` positions, powers of two, share a bin.
    """

    ring: Ring
    modules: int
    module_stream: StreamName
    module_columns: tuple[str, ...]
    has_pairs: bool
    has_tof: bool
    tof_ps: int
    ring_difference: int
    fold_angle: int
    fold_radius: int

    @property
    def tof_bins(self) -> int:
        """Return the bins of the time of flight, over -`tof_ps` to +`tof_ps` inclusive."""
        return min(MOST_TOF_BINS, 2 * self.tof_ps + 1)

    @property
    def views(self) -> int:
        """Return the angles of the sinogram."""
        return -(-(self.ring.detectors_per_ring // 2) // self.fold_angle)

    @property
    def radii(self) -> int:
        """Return the radial positions of the sinogram."""
        return -(-self.ring.detectors_per_ring // self.fold_radius)

    @property
    def planes(self) -> int:
        """Return the bins of the axial profile: the sum of the two rings."""
        return 2 * self.ring.rings - 1

    @property
    def about(self) -> dict[str, Any]:
        """Return it as plain data, for readers of the figures."""
        return {
            "modules": {"stream": self.module_stream, "columns": list(self.module_columns), "modules": self.modules},
            "tof": {"low_ps": -self.tof_ps, "high_ps": self.tof_ps, "bins": self.tof_bins} if self.has_tof else None,
            "axial": {"planes": self.planes, "plane_mm": self.ring.axial_pitch_mm / 2} if self.has_pairs else None,
            "sinogram": {
                "views": self.views, "radii": self.radii, "ring_difference": self.ring_difference,
                "crystals": self.ring.detectors_per_ring, "fold_angle": self.fold_angle,
                "fold_radius": self.fold_radius, "radius_mm": self.ring.radius_mm + self.ring.interaction_depth_mm,
            } if self.has_pairs else None,
        }  # fmt: skip


def declare_ring(
    columns: Mapping[StreamName, Sequence[str]], ring: Ring | None, *, half_window_ps: int | None = None
) -> RingLook | None:
    """Return the figures of `ring` that these columns can give; None without a ring, or without detectors."""
    singles, pairs = columns.get("singles", ()), columns.get("coincidences", ())
    has_pairs = {"detector_a", "detector_b"} <= set(pairs)
    if ring is None or ring.highest_detector >= MOST_TABLE or not (has_pairs or "detector" in singles):
        return None
    per_turn = ring.detectors_per_ring // ring.module_detectors
    count = per_turn * -(-ring.rings // ring.module_rings)
    if not 0 < count <= MOST_MODULES:
        return None
    return RingLook(
        ring=ring,
        modules=count,
        module_stream="singles" if "detector" in singles else "coincidences",
        module_columns=("detector",) if "detector" in singles else ("detector_a", "detector_b"),
        has_pairs=has_pairs,
        has_tof=has_pairs and "tof_ps" in pairs,
        tof_ps=half_window_ps or DEFAULT_TOF_PS,
        ring_difference=min(DEFAULT_RING_DIFFERENCE, ring.rings - 1),
        fold_angle=_fold(ring.detectors_per_ring // 2),
        fold_radius=_fold(ring.detectors_per_ring),
    )


def places_of(ring: Ring) -> npt.NDArray[np.int32]:
    """Return module, ring and crystal of every number up to the highest, int32 [numbers, 3]; -1 where none is."""
    table = np.full((ring.highest_detector + 1, 3), NOWHERE, np.int32)
    layers, rings, crystals = np.meshgrid(
        np.arange(ring.layers), np.arange(ring.rings), np.arange(ring.detectors_per_ring), indexing="ij"
    )
    numbers = (layers * ring.layer_step + rings * ring.ring_step + crystals).ravel().astype(np.uint32)
    at = place(ring, numbers)
    table[numbers, 0] = modules(ring, numbers)
    table[numbers, 1] = at.ring
    table[numbers, 2] = at.crystal
    if len(np.unique(numbers)) != len(numbers):
        raise MismatchError("ring: two crystals have one detector number")
    return table


def _fold(bins: int) -> int:
    fold = 1
    while -(-bins // fold) > MOST_SIDE:
        fold *= 2
    return fold
