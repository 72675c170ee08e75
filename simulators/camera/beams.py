"""Streams of candidates for the compiled loops: of a source through a collimator, its walls, or onto a bare crystal."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators.camera.model import Field, SimulatedHead, Source
from simulators.camera.tables import HeadNumbers, decaying, energies_kev, lines_of
from simulators.camera.walls import piercing_lines
from simulators.camera.ways import FACE, HEIGHT, PASSING, WIDTH
from simulators.pet.model import ELECTRON_KEV

Floats = npt.NDArray[np.float64]

THROUGH_WALLS = -1
"""In place of orders of scatter."""


@dataclass(frozen=True, slots=True, eq=False)
class Beam:
    """Candidates of one source for one head. `per_decay`: how many; `most`: the chance that each stands for.

    `orders`: scatterings in the medium, 0 for none; -1: through the walls of the collimator.
    """

    number: int
    source: Source | Field
    head: int
    lines: Floats
    per_decay: float
    most: float = 1.0
    orders: int = 0

    def per_s(self, at_s: float) -> float:
        """Return the expected candidates per second."""
        return self.source.activity_bq * decaying(self.source.nuclide).activity_factor(at_s) * self.per_decay


def _cumulative(lines: Floats) -> Floats:
    """Return energies and cumulative shares of lines."""
    return np.stack([lines[:, 0], np.cumsum(lines[:, 1]) / lines[:, 1].sum()], axis=1)


def field_beam(number: int, source: Field, head: HeadNumbers) -> Beam:
    """Return the beam of a field: photons on the whole crystal as if it were all as near as its middle."""
    lines = lines_of(source.nuclide)
    share = head.plain[WIDTH] * head.plain[HEIGHT] / (4 * math.pi * source.distance_mm**2)
    return Beam(number, source, source.head, _cumulative(lines), float(lines[:, 1].sum() * share))


def view_beam(
    number: int, source: Source, head: SimulatedHead, numbers: HeadNumbers, orders: int, reach_mm: float
) -> Beam:
    """Return a beam through a collimator. `orders`: scatterings, 0 for none; `reach_mm`: of the medium they are in."""
    lines = lines_of(source.nuclide)
    most = float(np.interp(lines[:, 0], energies_kev(), numbers.table[:, PASSING]).max())
    if orders:
        most = max(most, float(numbers.table[energies_kev() <= lines[:, 0].max(), PASSING].max()))
        most *= 2.0 / _klein_nishina(float(lines[:, 0].max()))
    if head.collimator is not None and head.collimator.kind == "pinhole":
        near = max(reach_mm, source.reach_mm(math.radians(head.angle_deg)))
        most /= (numbers.plain[FACE] - near) ** 2
    per_decay = float(lines[:, 1].sum()) * most * max(orders, 1)
    return Beam(number, source, head.number, _cumulative(lines), per_decay, most, orders)


def piercing_beams(number: int, source: Source, head: SimulatedHead, numbers: HeadNumbers) -> list[Beam]:
    """Return the beam through the walls of a collimator, or none where they stop what the source emits."""
    lines = lines_of(source.nuclide)
    holes = np.interp(lines[:, 0], energies_kev(), numbers.table[:, PASSING])
    piercing, per_decay = piercing_lines(head.collimator, lines, holes)
    if per_decay == 0.0:
        return []
    return [Beam(number, source, head.number, piercing, per_decay, orders=THROUGH_WALLS)]


def _klein_nishina(energy_kev: float) -> float:
    """Return the cross section for one electron in units of 2 pi r_e^2."""
    a = energy_kev / ELECTRON_KEV
    b = 1 + 2 * a
    first = (1 + a) / a**2 * (2 * (1 + a) / b - math.log(b) / a)
    return first + math.log(b) / (2 * a) - (1 + 3 * a) / b**2
