"""Bodies with depth: organs of solids that take up activity in time, and the density of what they lie in, on a grid."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from daq.errors import UsageError
from daq.model.nuclide_table import nuclide
from simulators.camera.solids import Solid
from simulators.pet.model import Position

Floats = npt.NDArray[np.float64]
Stuff = tuple[tuple[Solid, float], ...]
"""Solids with their densities over water's."""

DENSITY_STEPS = 64
"""Codes of the grid per density of water: the densest that it holds is just below twice as dense."""
COLD = 128
"""What is added to the code where no activity is."""
MOST_VOXELS = 64 << 20
MOST_ORGANS = 200
AIR, LUNG, FAT, WATER, SPONGY, BONE = 0.0, 0.26, 0.93, 1.0, 1.18, 1.6
"""Electrons per volume over those of water: of lung, fat, and of bone as a mixture of its marrow and its rind."""


@dataclass(frozen=True, slots=True)
class Organ:
    """Solids with one uptake. `shares`: of its activity in each solid, their sum is 1.

    `curve`: seconds since the injection, ascending, and the share of the injected activity that is in it then, without
    decay; straight between them, constant before and after.
    """

    name: str
    solids: tuple[Solid, ...]
    shares: tuple[float, ...]
    curve: tuple[tuple[float, float], ...] = ((0.0, 1.0),)
    nuclide: str = "Tc-99m"

    def __post_init__(self) -> None:
        nuclide(self.nuclide)
        if len(self.solids) != len(self.shares) or not self.solids:
            raise UsageError(f"organ {self.name}: {len(self.solids)} solids with {len(self.shares)} shares")
        if not math.isclose(sum(self.shares), 1.0, abs_tol=1e-6) or min(self.shares) < 0:
            raise UsageError(f"organ {self.name}: shares must be zero or more, and 1 in all; are {sum(self.shares):g}")
        times = [at_s for at_s, _ in self.curve]
        if not times or times != sorted(times) or min(share for _, share in self.curve) < 0:
            raise UsageError(f"organ {self.name}: its curve must be ascending in time, and zero or more")

    def share(self, since_s: float) -> float:
        """Return the share of the injected activity in it so long after the injection."""
        times, shares = zip(*self.curve, strict=True)
        return float(np.interp(since_s, times, shares))


def organ(
    name: str, solids: Iterable[Solid], share: float | tuple[tuple[float, float], ...] = 1.0, *,
    nuclide: str = "Tc-99m", weights: Iterable[float] | None = None,
) -> Organ:  # fmt: skip
    """Return an organ whose activity is spread evenly over the volume, `weights` times as dense in each solid."""
    parts = tuple(solids)
    raw = np.array([part.volume_mm3 for part in parts])
    if weights is not None:
        raw = raw * np.fromiter(weights, np.float64, len(parts))
    if raw.sum() <= 0:
        raw = np.ones(len(parts))
    curve = share if isinstance(share, tuple) else ((0.0, float(share)),)
    return Organ(name, parts, tuple(map(float, raw / raw.sum())), curve, nuclide)


@dataclass(frozen=True, slots=True)
class Body:
    """Organs, and what attenuates: solids with their densities over water's, later ones in place of earlier ones.

    `after_s`: how long after the injection it is usually looked at. `leads`: it is long, and its head or feet, which
    goes first, lies `setting.LEAD_MM` before the middle of the detectors while the bed is at 0; the others lie with
    their 0 there. `cold`: where nothing is, whatever organ it lies in; only within what attenuates.
    """

    name: str
    organs: tuple[Organ, ...]
    stuff: tuple[tuple[Solid, float], ...] = ()
    voxel_mm: float = 6.0
    after_s: float = 0.0
    leads: bool = False
    cold: tuple[Solid, ...] = ()

    def __post_init__(self) -> None:
        if len(self.organs) > MOST_ORGANS:
            raise UsageError(f"body {self.name}: has {len(self.organs)} organs; at most {MOST_ORGANS}")

    def grid(self) -> Grid:
        """Return its densities on a grid. Raises `UsageError` for a grid that is too large."""
        return _grid(self.stuff, self.voxel_mm, self.cold)

    def span_mm(self) -> tuple[float, float]:
        """Return between which z it lies: all its organs and all that attenuates."""
        solids = [*(solid for one in self.organs for solid in one.solids), *(solid for solid, _ in self.stuff)]
        low = min(solid.centre_mm[2] - float(solid.half_mm[2]) for solid in solids)
        return low, max(solid.centre_mm[2] + float(solid.half_mm[2]) for solid in solids)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Densities, uint8 [z, y, x] in steps of 1 / `DENSITY_STEPS`; cubes of `voxel_mm`, the first one's corner `low`."""

    codes: npt.NDArray[np.uint8]
    low_mm: Position
    voxel_mm: float

    @classmethod
    def of(cls, stuff: Stuff, voxel_mm: float, cold: tuple[Solid, ...] = ()) -> Grid:
        """Return what solids make: a cube has the density of the last solid that its middle lies in."""
        if not stuff:
            return cls(np.zeros((1, 1, 1), np.uint8), (0.0, 0.0, 0.0), voxel_mm)
        if not (voxel_mm > 0 and math.isfinite(voxel_mm)):
            raise UsageError(f"voxels of {voxel_mm} mm: must be above zero")
        centres = np.array([solid.centre_mm for solid, _ in stuff])
        halves = np.array([solid.half_mm for solid, _ in stuff])
        low = (centres - halves).min(axis=0)
        counts = np.ceil(((centres + halves).max(axis=0) - low) / voxel_mm).astype(int) + 1
        if int(np.prod(counts)) > MOST_VOXELS:
            raise UsageError(f"a grid of {counts[0]} x {counts[1]} x {counts[2]} voxels; at most {MOST_VOXELS}")
        codes = np.zeros(tuple(counts[::-1]), np.uint8)
        for solid, density in stuff:
            part, held = _held(solid, codes, low, voxel_mm)
            part[held] = min(round(density * DENSITY_STEPS), COLD - 1)
        for solid in cold:
            part, held = _held(solid, codes, low, voxel_mm)
            part[held] |= COLD
        return cls(codes, (float(low[0]), float(low[1]), float(low[2])), voxel_mm)

    @property
    def numbers(self) -> Floats:
        """Return it as the compiled loops take it."""
        densest, any_cold = int((self.codes & (COLD - 1)).max()), bool(self.codes.max() >= COLD)
        return np.array([*self.low_mm, self.voxel_mm, densest, 1 / self.voxel_mm, any_cold], np.float64)


@lru_cache(maxsize=8)
def _grid(stuff: Stuff, voxel_mm: float, cold: tuple[Solid, ...]) -> Grid:
    """Return a grid, which nobody changes, once for all runs."""
    return Grid.of(stuff, voxel_mm, cold)


def _held(
    solid: Solid, codes: npt.NDArray[np.uint8], low_mm: Floats, voxel_mm: float
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Return the part of the grid around a solid, and which of its cubes have their middle in the solid."""
    middle, half = np.array(solid.centre_mm), solid.half_mm
    begin = np.maximum(np.floor((middle - half - low_mm) / voxel_mm).astype(int), 0)
    end = np.minimum(np.ceil((middle + half - low_mm) / voxel_mm).astype(int) + 1, codes.shape[::-1])
    x, y, z = (low_mm[k] + (np.arange(begin[k], end[k]) + 0.5) * voxel_mm for k in range(3))
    places = np.stack(np.broadcast_arrays(x[None, None, :], y[None, :, None], z[:, None, None]), axis=-1)
    return codes[begin[2] : end[2], begin[1] : end[1], begin[0] : end[0]], solid.holds(places)
