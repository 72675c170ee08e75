"""Heads, sources and spectra as the compiled loops take them: rows of numbers, and tables over the photon's energy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.model.camera import Collimator
from daq.model.collimator import effective_diameter_mm, effective_length_mm, efficiency
from daq.model.nuclide_table import nuclide
from daq.model.nuclides import Nuclide
from simulators.camera.materials import crystal_material
from simulators.camera.model import Field, SimulatedHead, Source
from simulators.pet.model import Medium

Floats = npt.NDArray[np.float64]

LOWEST_KEV, HIGHEST_KEV, STEPS = 20.0, 790.0, 1024
"""Energies of the tables, in equal steps of the logarithm; photons below are absorbed, lines above are refused."""
COLLIMATED_KEV = 30.0
"""The lowest energy that the closed forms of collimators know; below, crystals hardly see photons."""


def energies_kev() -> Floats:
    """Return the energies of the tables."""
    return np.asarray(np.geomspace(LOWEST_KEV, HIGHEST_KEV, STEPS))


def decaying(name: str) -> Nuclide:
    """Return the nuclide whose half-life a source has."""
    return nuclide(name)


def lines_of(name: str) -> Floats:
    """Return energy in keV and photons per decay of every line, float64 [n, 2]; those of the daughter where it emits.

    Raises `RefusedError` for a nuclide without a line that the tables hold.
    """
    emitting = nuclide(decaying(name).daughter or name)
    found = [
        (line.energy_kev, line.per_100_decays / 100)
        for line in emitting.lines
        if LOWEST_KEV < line.energy_kev < HIGHEST_KEV
    ]
    if not found:
        raise RefusedError(f"source of {name!r}: has no line from {LOWEST_KEV:g} to {HIGHEST_KEV:g} keV")
    return np.array(found, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class HeadNumbers:
    """One head: `plain` [10] and a `table` [energies, 4].

    The table has 1/mm in the crystal, the share of absorption in that, the chance to pass the collimator (of a pinhole
    without the part of the place), and the effective length of parallel holes or the width of a pinhole in mm.
    """

    plain: Floats
    table: Floats


def head_numbers(head: SimulatedHead, highest_kev: float) -> HeadNumbers:
    """Return a head as the compiled loops take it, for photons up to `highest_kev`.

    Raises `MissingError` for a crystal that is not known, `LimitError` where photons pass the collimator's walls.
    """
    angle = math.radians(head.angle_deg)
    crystal = head.crystal
    collimator = head.collimator
    hole, length = (collimator.hole_mm, collimator.length_mm) if collimator else (0.0, 0.0)
    plain = np.array(
        [
            crystal.width_mm, crystal.height_mm, math.sin(angle), math.cos(angle), head.radius_mm,
            crystal.thickness_mm, kind_of(collimator), hole, length, opening_cosine(collimator),
        ]
    )  # fmt: skip
    kev = energies_kev()
    material = crystal_material(crystal.material)
    total = material.total(kev)
    passing, effective = collimation(collimator, np.clip(kev, COLLIMATED_KEV, max(highest_kev, COLLIMATED_KEV)))
    table = np.ascontiguousarray(np.stack([total, material.photo(kev) / total, passing, effective], axis=1))
    return HeadNumbers(plain, table)


def kind_of(collimator: Collimator | None) -> int:
    """Return the code of a collimator: 0 none, 1 parallel holes, 2 a pinhole."""
    return 0 if collimator is None else 1 if collimator.kind == "parallel" else 2


def opening_cosine(collimator: Collimator | None) -> float:
    """Return the cosine of the half opening angle of a pinhole; 0 for all else."""
    if collimator is None or collimator.opening_deg is None:
        return 0.0
    return math.cos(math.radians(collimator.opening_deg / 2))


def collimation(collimator: Collimator | None, energy_kev: Floats) -> tuple[Floats, Floats]:
    """Return chance to pass, and effective length of holes or width of a pinhole in mm, by energy [n].

    The closed forms are those of `daq.model.collimator`; of a pinhole the chance is that of a place 1 mm in front of
    it, which another at b mm under the angle t multiplies by cos^3 t / b^2. Raises `LimitError` where photons pass.
    """
    if collimator is None:
        return np.ones_like(energy_kev), np.zeros_like(energy_kev)
    width_of = effective_length_mm if collimator.kind == "parallel" else effective_diameter_mm
    width_of(collimator, energy_kev[-1])  # the highest first: the refusal is to name an energy that is there
    passing = [efficiency(collimator, kev, 1.0) for kev in energy_kev]
    return np.array(passing), np.array([width_of(collimator, kev) for kev in energy_kev])


def source_numbers(source: Source, length_ps: int) -> Floats:
    """Return a source as `simulators.pet.paths` takes it."""
    per_ps = decaying(source.nuclide).decay_constant_per_s / 1e12
    return np.array([source.shape, *source.position_mm, *source.size_mm, 0.0, per_ps, length_ps], np.float64)


def field_numbers(source: Field, length_ps: int) -> Floats:
    """Return a field: numbers of its mask, distance, decay constant per ps, length in ps."""
    per_ps = decaying(source.nuclide).decay_constant_per_s / 1e12
    return np.array([*source.mask.numbers(), source.distance_mm, per_ps, length_ps], np.float64)


def medium_numbers(medium: Medium | None) -> Floats:
    """Return the medium as `simulators.pet.paths` takes it."""
    if medium is None:
        return np.zeros(7)
    return np.array(
        [
            medium.radius_mm, medium.length_mm / 2, *medium.position_mm, medium.mu_per_mm, medium.compton_share
        ]
    )  # fmt: skip
