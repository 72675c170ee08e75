"""The geometry of a ring as PETSIRD wants it: one kind of module, repeated; one kind of crystal, repeated in a module.

A detection bin is `energy + energies * (element + elements * module)`. Modules count as `daq.model.scanner.modules`
does; elements of a module count its layers, its rings, then its positions around the ring without virtual ones. Every
crystal's box lies where `daq.model.scanner.positions_mm` puts the crystal: its inner face on the radius, its middle at
the crystal's angle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.model.scanner import Ring

NO_BIN = 0xFFFFFFFF
MOST_NUMBERS = 1 << 26
MOST_POSITIONS = 1 << 22
"""The most detector numbers, holes included, and the most positions of crystals that a table is made for: 256 MiB."""

Matrices = npt.NDArray[np.float32]
"""[n, 3, 4]: rotation and translation in mm."""


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """Corners [8, 3] of a crystal in mm, its transforms in a module, and those of the modules, all float32."""

    corners: npt.NDArray[np.float32]
    elements: Matrices
    modules: Matrices


def geometry(ring: Ring) -> Geometry:
    """Return the geometry, or raise `RefusedError` where the scanner profile does not give the size of crystals."""
    if ring.crystal_mm is None:
        raise RefusedError(
            "the scanner profile does not say how large a crystal is (ring.crystal_mm): PETSIRD needs it"
        )
    length, width, height = ring.crystal_mm
    unit = [(0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1), (1, 1, 0)]
    corners = (np.array(unit, np.float64) - (0.0, 0.5, 0.5)) * (length, width, height)
    return Geometry(corners.astype(np.float32), _elements(ring), _modules(ring))


def crystal_positions(ring: Ring) -> list[int]:
    """Return the positions within a module, around the ring, where there is a crystal."""
    return [at for at in range(ring.module_detectors) if at not in ring.virtual_positions]


def detection_bins(ring: Ring, energies: int = 1) -> npt.NDArray[np.uint32]:
    """Return per detector number its first detection bin; `NO_BIN` for gaps and for numbers that mean no crystal.

    Raise `RefusedError` for a scanner of too many numbers.
    """
    if ring.highest_detector >= MOST_NUMBERS:
        raise RefusedError(
            f"detector numbers up to {ring.highest_detector}: a table is made for at most {MOST_NUMBERS}"
        )
    if ring.layers * ring.rings * ring.detectors_per_ring > MOST_POSITIONS:
        raise RefusedError(
            f"{ring.layers} layers of {ring.rings} rings: at most {MOST_POSITIONS} positions are understood"
        )
    positions = crystal_positions(ring)
    elements = len(positions) * ring.module_rings * ring.layers
    per_turn = ring.detectors_per_ring // ring.module_detectors
    if energies * elements * per_turn * (ring.rings // ring.module_rings) >= NO_BIN:
        raise RefusedError(f"{energies} energy bins of so many crystals: detection bins do not fit 32 bits")
    layer, row, around = np.ix_(*(np.arange(size) for size in (ring.layers, ring.rings, ring.detectors_per_ring)))
    place_in_module = np.full(ring.module_detectors, -1, np.int64)
    place_in_module[positions] = np.arange(len(positions))
    at = place_in_module[around % ring.module_detectors]
    module = (row // ring.module_rings) * per_turn + around // ring.module_detectors
    element = (layer * ring.module_rings + row % ring.module_rings) * len(positions) + at
    bins = np.where(at >= 0, (module * elements + element) * energies, NO_BIN)
    table = np.full(ring.highest_detector + 1, NO_BIN, np.uint32)
    table[layer * ring.layer_step + row * ring.ring_step + around] = bins
    return table


def _turn_rad(ring: Ring) -> float:
    step = 2 * np.pi / ring.detectors_per_ring
    return step if ring.direction == "counter_clockwise" else -step


def _elements(ring: Ring) -> Matrices:
    """Return where crystals lie in a module that points along +x: turned about the axis of the ring, then moved."""
    middle = (ring.module_detectors - 1) / 2
    made = []
    for layer in range(ring.layers):
        radius_mm = ring.radius_mm + layer * (ring.layer_pitch_mm or 0.0)
        for row in range(ring.module_rings):
            z_mm = (row - (ring.module_rings - 1) / 2) * ring.axial_pitch_mm
            angles = [(position - middle) * _turn_rad(ring) for position in crystal_positions(ring)]
            made += [_turned(angle_rad, radius_mm, z_mm) for angle_rad in angles]
    return np.array(made, np.float32)


def _modules(ring: Ring) -> Matrices:
    middle = (ring.module_detectors - 1) / 2
    along = ring.rings // ring.module_rings
    made = []
    for row in range(along):
        z_mm = (row - (along - 1) / 2) * ring.module_rings * ring.axial_pitch_mm
        for module in range(ring.detectors_per_ring // ring.module_detectors):
            crystal = module * ring.module_detectors + middle
            made.append(_turned(np.radians(ring.first_angle_deg) + crystal * _turn_rad(ring), 0.0, z_mm))
    return np.array(made, np.float32)


def _turned(angle_rad: float, radius_mm: float, z_mm: float) -> npt.NDArray[np.float64]:
    """Return the transform [3, 4] that turns about z by an angle, after moving by `radius_mm` along x, and lifts."""
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[cos, -sin, 0, radius_mm * cos], [sin, cos, 0, radius_mm * sin], [0, 0, 1, z_mm]])
