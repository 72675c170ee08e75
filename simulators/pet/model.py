"""What a simulated PET scan consists of: sources, what they lie in, detectors, their faults, the time span.

Positions are scanner coordinates of `daq.model.scanner` in mm, activities Bq at time zero. What the model leaves out is
listed in docs/explanations/pet-simulation.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError, UsageError
from daq.model.nuclide_table import nuclide
from daq.model.nuclides import LineKind, Nuclide
from daq.model.scanner import Ring

Position = tuple[float, float, float]
Floats = npt.NDArray[np.float64]

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
ELECTRON_KEV = 510.99895
"""Rest energy of the electron (CODATA 2018): the energy of an annihilation photon."""
NUCLIDES = ("F-18", "Ga-68", "Ge-68", "Na-22", "C-11", "N-13", "O-15", "Rb-82", "Cu-64")
"""What a source may hold: positrons, and gammas that come with them at once. Zr-89's come 15 s later."""
IEC_DIAMETERS_MM = (10.0, 13.0, 17.0, 22.0, 28.0, 37.0)
"""Spheres of the NEMA NU 2 body phantom, on a circle of 57.2 mm radius."""
IEC_RADIUS_MM = 57.2
BACKGROUND = 255
"""`origin` of photons from the crystals themselves."""


class Shape(IntEnum):
    """Codes of the shapes in the compiled loops."""

    POINT = 0
    LINE = 1
    CYLINDER = 2
    SPHERE = 3


class PhotonFlag(IntFlag):
    """What is true of a single. `TURNED`: scattered because `scatter_fraction` wanted it, not by the medium."""

    SCATTERED = 1
    PILED_UP = 2
    BACKGROUND = 4
    GAMMA = 8
    CONTINUUM = 16
    TURNED = 32


@dataclass(frozen=True, slots=True)
class Source:
    """Activity spread evenly over a shape.

    `size_mm`: of a line half of it as a vector; of a cylinder radius, half its length along z, 0; of a sphere radius.
    """

    nuclide: str
    activity_bq: float
    shape: Shape = Shape.POINT
    position_mm: Position = (0.0, 0.0, 0.0)
    size_mm: Position = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if self.nuclide not in NUCLIDES:
            raise RefusedError(f"source of {self.nuclide!r}: the simulator knows {', '.join(NUCLIDES)}")
        if not (math.isfinite(self.activity_bq) and self.activity_bq >= 0):
            raise UsageError(f"source of {self.activity_bq} Bq: must be zero or more")
        if not all(math.isfinite(value) for value in (*self.position_mm, *self.size_mm)):
            raise UsageError(f"source at {self.position_mm} mm, size {self.size_mm} mm: numbers must be finite")

    @property
    def decaying(self) -> Nuclide:
        """Return the nuclide whose half-life the source has."""
        return nuclide(self.nuclide)

    @property
    def emitting(self) -> Nuclide:
        """Return the nuclide whose radiation it has: the daughter, where that is in equilibrium."""
        return nuclide(self.decaying.daughter or self.nuclide)

    def gammas(self) -> Floats:
        """Return energy in keV and chance of every gamma, float64 [n, 2]."""
        lines = [line for line in self.emitting.lines if line.kind is LineKind.GAMMA]
        return np.array([[line.energy_kev, line.per_100_decays / 100] for line in lines], np.float64).reshape(-1, 2)

    @property
    def reach_mm(self) -> float:
        """Return the largest distance of its activity from the axis."""
        x, y, _ = self.position_mm
        if self.shape is Shape.LINE:
            ends = [math.hypot(x + sign * self.size_mm[0], y + sign * self.size_mm[1]) for sign in (-1, 1)]
            return max(ends)
        return math.hypot(x, y) + (self.size_mm[0] if self.shape is not Shape.POINT else 0.0)


def point(nuclide: str, activity_bq: float, position_mm: Position = (0.0, 0.0, 0.0)) -> Source:
    """Return a point source."""
    return Source(nuclide, activity_bq, Shape.POINT, position_mm)


def line(nuclide: str, activity_bq: float, length_mm: float, position_mm: Position = (0.0, 0.0, 0.0)) -> Source:
    """Return a line source along the axis, its middle at `position_mm`."""
    return Source(nuclide, activity_bq, Shape.LINE, position_mm, (0.0, 0.0, length_mm / 2))


def cylinder(
    nuclide: str, activity_bq: float, radius_mm: float, length_mm: float, position_mm: Position = (0.0, 0.0, 0.0)
) -> Source:
    """Return a cylinder along the axis."""
    return Source(nuclide, activity_bq, Shape.CYLINDER, position_mm, (radius_mm, length_mm / 2, 0.0))


def sphere(nuclide: str, activity_bq: float, radius_mm: float, position_mm: Position = (0.0, 0.0, 0.0)) -> Source:
    """Return a sphere."""
    return Source(nuclide, activity_bq, Shape.SPHERE, position_mm, (radius_mm, 0.0, 0.0))


def iec_body(nuclide: str, bq_per_ml: float, ratio: float, *, radius_mm: float = 147.0) -> tuple[Source, ...]:
    """Return six spheres of the NEMA NU 2 body phantom in a cylinder of background, `ratio` times as active.

    The body is a round cylinder, 180 mm long, where the phantom is not round; there is no lung insert.
    """
    volume_ml = math.pi * radius_mm**2 * 180.0 / 1000
    body = cylinder(nuclide, bq_per_ml * volume_ml, radius_mm, 180.0)
    spheres = []
    for index, diameter_mm in enumerate(IEC_DIAMETERS_MM):
        angle = math.radians(60.0 * index)
        at = (IEC_RADIUS_MM * math.cos(angle), IEC_RADIUS_MM * math.sin(angle), 0.0)
        extra_bq = (ratio - 1.0) * bq_per_ml * math.pi / 6 * diameter_mm**3 / 1000
        spheres.append(sphere(nuclide, extra_bq, diameter_mm / 2, at))
    return body, *spheres


@dataclass(frozen=True, slots=True)
class Medium:
    """A cylinder along z that attenuates and scatters. `mu_per_mm` at 511 keV; water has 0.0096.

    `compton_share`: of the photons that interact, those that are scattered by Klein and Nishina's formula and go on;
    the others are absorbed. 0 gives pure absorption.
    """

    radius_mm: float
    length_mm: float
    mu_per_mm: float = 0.0096
    compton_share: float = 1.0
    position_mm: Position = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        for name in ("radius_mm", "length_mm"):
            if not (getattr(self, name) > 0 and math.isfinite(getattr(self, name))):
                raise UsageError(f"medium of {name} {getattr(self, name)}: must be above zero")
        if not (self.mu_per_mm >= 0 and math.isfinite(self.mu_per_mm)):
            raise UsageError(f"medium of mu_per_mm {self.mu_per_mm}: must be zero or more")
        if not 0.0 <= self.compton_share <= 1.0:
            raise UsageError(f"medium of compton_share {self.compton_share}: must be from 0 to 1")

    @property
    def reach_mm(self) -> float:
        """Return the largest distance of its side from the axis of the ring."""
        return math.hypot(self.position_mm[0], self.position_mm[1]) + self.radius_mm


@dataclass(frozen=True, slots=True)
class Detectors:
    """What the crystals and their electronics do.

    `efficiency`: chance that a photon that meets a crystal is detected, whatever its energy. `photofraction`: of these,
    the share that leaves its whole energy; the others leave that of a Compton electron. `energy_fwhm` at 511 keV, a
    fraction; it goes with 1/sqrt(E). `coincidence_fwhm_ps`: of the difference of two times. `dead_time_ps`:
    paralysable, per module. `integration_ps`: photons that come to a module so soon after one that is recorded add
    their energy to it. `lutetium_bq`: Lu-176 per crystal. `gain_sigma`, `offset_sigma_ps`: spread of the modules.
    """

    efficiency: float = 1.0
    photofraction: float = 1.0
    threshold_kev: float = 0.0
    energy_fwhm: float = 0.11
    coincidence_fwhm_ps: float = 214.0
    dead_time_ps: int = 0
    integration_ps: int = 0
    lutetium_bq: float = 0.0
    gain_sigma: float = 0.0
    offset_sigma_ps: float = 0.0

    def __post_init__(self) -> None:
        for name in ("efficiency", "photofraction"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UsageError(f"{name} {getattr(self, name)}: must be from 0 to 1")
        for name in self.__slots__:
            if not (getattr(self, name) >= 0 and math.isfinite(getattr(self, name))):
                raise UsageError(f"{name} {getattr(self, name)}: must be zero or more")
        if self.integration_ps > self.dead_time_ps:
            raise UsageError(
                f"integration_ps {self.integration_ps}: more than dead_time_ps {self.dead_time_ps}; a pulse that is"
                " still being integrated cannot be followed by the next"
            )
        for name, most in MOST.items():
            if getattr(self, name) > most:
                raise UsageError(f"{name} {getattr(self, name)}: at most {most:g}")


MOST = {"gain_sigma": 0.1, "offset_sigma_ps": 1e5, "coincidence_fwhm_ps": 5e4, "dead_time_ps": 1e12}
"""Gains and offsets are cut at five sigma: gains stay above zero, and times are at most 1 us wrong, by which a
simulator lets everything be later on the wire."""


MOST_FAULT_PS, MOST_NOISE_CPS = 500_000, 1e7
GAINS = (0.1, 10.0)


@dataclass(frozen=True, slots=True)
class ModuleFault:
    """What is wrong with one module, from the beginning of the scan on, beside the spread of all.

    Energies are reported `gain` times too high, times `offset_ps` too late; of photons that would be detected the share
    `efficiency` is, 0 in a dead module. `noise_cps`: singles of no photon, their energies even from 0 to 700 keV.
    """

    module: int
    gain: float = 1.0
    offset_ps: int = 0
    efficiency: float = 1.0
    noise_cps: float = 0.0

    def __post_init__(self) -> None:
        if self.module < 0:
            raise UsageError(f"fault of module {self.module}: must be zero or more")
        if not GAINS[0] <= self.gain <= GAINS[1]:
            raise UsageError(f"fault of module {self.module}: gain {self.gain}: must be from 0.1 to 10")
        if not abs(self.offset_ps) <= MOST_FAULT_PS:
            raise UsageError(f"fault of module {self.module}: offset_ps {self.offset_ps}: at most {MOST_FAULT_PS}")
        if not 0.0 <= self.efficiency <= 1.0:
            raise UsageError(f"fault of module {self.module}: efficiency {self.efficiency}: must be from 0 to 1")
        if not 0.0 <= self.noise_cps <= MOST_NOISE_CPS:
            raise UsageError(f"fault of module {self.module}: noise_cps {self.noise_cps}: must be from 0 to 1e7")


@dataclass(frozen=True, slots=True)
class Scan:
    """One simulated scan from `start_s` for `seconds`; activities hold at time zero.

    `scatter_fraction`: of the pairs of which both photons meet a crystal, that share has one photon turned, by an
    energy loss down to `scatter_floor_kev`, to another crystal. It is set, not the result of a medium. `faults`: of
    single modules, each module once.
    """

    ring: Ring
    sources: tuple[Source, ...]
    detectors: Detectors = field(default_factory=Detectors)
    medium: Medium | None = None
    scatter_fraction: float = 0.0
    scatter_floor_kev: float = 400.0
    start_s: float = 0.0
    seconds: float = 1.0
    faults: tuple[ModuleFault, ...] = ()

    def __post_init__(self) -> None:
        if self.ring.layers > 1:
            raise RefusedError(f"a ring of {self.ring.layers} layers: the simulator knows rings of one layer")
        if not 0.0 <= self.scatter_fraction < 1.0:
            raise UsageError(f"scatter_fraction {self.scatter_fraction}: must be from 0 to below 1")
        if not ELECTRON_KEV / 3 < self.scatter_floor_kev < ELECTRON_KEV:
            raise UsageError(f"scatter_floor_kev {self.scatter_floor_kev}: Compton leaves 170.3 to 511 keV")
        if not (math.isfinite(self.start_s) and 0 < self.seconds <= MAX_SECONDS and abs(self.start_s) <= MAX_SECONDS):
            raise UsageError(f"a scan of {self.seconds} s from {self.start_s} s; at most {MAX_SECONDS:g} s")
        if len(self.sources) >= BACKGROUND:
            raise UsageError(f"{len(self.sources)} sources; at most {BACKGROUND - 1}")
        self._check_bore()
        self._check_faults()

    def _check_faults(self) -> None:
        """Raise `UsageError` for a module that there is not, or twice."""
        ring = self.ring
        count = (ring.detectors_per_ring // ring.module_detectors) * math.ceil(ring.rings / ring.module_rings)
        numbers = [fault.module for fault in self.faults]
        for number in numbers:
            if number >= count:
                raise UsageError(f"fault of module {number}: the ring has modules 0 to {count - 1}")
            if numbers.count(number) > 1:
                raise UsageError(f"fault of module {number}: it stands there twice")

    def _check_bore(self) -> None:
        """Raise `UsageError` where something lies in the crystals."""
        radius_mm = self.ring.radius_mm
        things = [("a source", source.reach_mm) for source in self.sources]
        things += [("the medium", self.medium.reach_mm)] if self.medium else []
        for thing, reach_mm in things:
            if reach_mm >= radius_mm:
                raise UsageError(f"{thing} reaches {reach_mm:g} mm from the axis; the bore has {radius_mm:g} mm")


MAX_SECONDS = 1e6
