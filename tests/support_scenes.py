"""Scenes of the camera simulator for tests, and closed forms written down a second time."""

from __future__ import annotations

import math

import numpy as np

from daq.model.camera import Collimator, Crystal
from simulators.camera.model import Scene, SimulatedHead, Source

CRYSTAL = Crystal(material="NaI(Tl)", thickness_mm=9.5, width_mm=540, height_mm=400)
LEHR = Collimator(hole_mm=1.5, septum_mm=0.2, length_mm=35, energy_max_kev=160, source="test")
PINHOLE = Collimator(
    kind="pinhole", hole_mm=4, length_mm=200, opening_deg=80, material="tungsten", energy_max_kev=365, source="test"
)
FACE_MM = 150.0
FWHM = 2 * math.sqrt(2 * math.log(2))


def poisson_z(found: float, expected: float) -> float:
    """Return by how many standard deviations a count is off."""
    return (found - expected) / math.sqrt(expected)


def spread_z(values: np.ndarray, sigma: float) -> float:
    """Return by how many standard deviations the spread of normal values is off."""
    return float((values.std() - sigma) / (sigma / math.sqrt(2 * len(values))))


def seen_by(*sources: Source, collimator: Collimator = LEHR, angle_deg: float = 180.0, **more: object) -> Scene:
    head = SimulatedHead(0, CRYSTAL, angle_deg, FACE_MM, collimator)
    return Scene((head,), sources, **more)  # type: ignore[arg-type]


def solid_angle_share(width_mm: float, height_mm: float, distance_mm: float) -> float:
    """Return the share of all directions that a rectangle covers, seen from in front of its middle."""
    a, b, d = width_mm / 2, height_mm / 2, distance_mm
    return math.atan(a * b / (d * math.sqrt(a * a + b * b + d * d))) / math.pi


def attenuation(energies: tuple[float, float], total_per_mm: tuple[float, float], energy: float) -> float:
    """Return a coefficient between two energies, by logarithms."""
    slope = math.log(total_per_mm[1] / total_per_mm[0]) / math.log(energies[1] / energies[0])
    return total_per_mm[0] * (energy / energies[0]) ** slope


def stopped_in_crystal(energy: float) -> float:
    """Return the share of photons that 9.5 mm of NaI stop, near 140 keV: photoelectric and Compton of xraylib 4.3.0."""
    mu = attenuation((140, 160), (0.2052, 0.14), energy) + attenuation((140, 160), (0.03983, 0.03873), energy)
    return 1 - math.exp(-mu * 9.5)


def differential_klein_nishina(energy: float, cosine: np.ndarray) -> np.ndarray:
    """Return the cross section per solid angle of O. Klein and Y. Nishina, over r_e^2."""
    ratio = 1 / (1 + energy / 510.999 * (1 - cosine))
    return ratio**2 * (ratio + 1 / ratio - 1 + cosine**2) / 2


def once_scattered_over_direct(energy: float, mu_per_mm: float, radius_mm: float, half_mm: float) -> float:
    """Return scattered photons per direct one at a parallel collimator, of a point in a thin cylinder's middle.

    The way in the cylinder, weighed by how likely scattering towards the head is against any direction.
    """
    fine = (np.arange(2000) + 0.5) / 2000
    total = 4 * math.pi * np.mean(differential_klein_nishina(energy, 2 * fine - 1))
    along, azimuth = 2 * fine[:, None] - 1, 2 * math.pi * fine[None, :]
    across = np.sqrt(1 - along * along)
    way = np.minimum(radius_mm / across, half_mm / abs(along))
    chance = differential_klein_nishina(energy, across * np.cos(azimuth)) / total
    return mu_per_mm * 4 * math.pi * float(np.mean(way * chance))
