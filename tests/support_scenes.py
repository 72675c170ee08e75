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


def seen_by(*sources: Source, collimator: Collimator = LEHR, angle_deg: float = 180.0, **more: object) -> Scene:
    head = SimulatedHead(0, CRYSTAL, angle_deg, FACE_MM, collimator)
    return Scene((head,), sources, **more)  # type: ignore[arg-type]


def solid_angle_share(width_mm: float, height_mm: float, distance_mm: float) -> float:
    """Return the share of all directions that a rectangle covers, seen from in front of its middle."""
    a, b, d = width_mm / 2, height_mm / 2, distance_mm
    return math.atan(a * b / (d * math.sqrt(a * a + b * b + d * d))) / math.pi


def stopped_in_crystal(energy: float) -> float:
    """Return the share of photons that 9.5 mm of NaI stop, by photoelectric absorption and Compton scattering.

    Coefficients of xraylib 4.3.0 in 1/mm; between the energies by logarithms.
    """
    energies = np.log([60, 80, 100, 120, 140, 160, 180, 200, 300, 400, 500, 600])
    photo = [2.241, 1.007, 0.536, 0.3188, 0.2052, 0.14, 0.09997, 0.07405, 0.02376, 0.01095, 0.006176, 0.003957]
    compton = [
        0.04285, 0.04272, 0.04195, 0.04092, 0.03983, 0.03873, 0.03768, 0.03668, 0.03249, 0.02937, 0.02696, 0.02502,
    ]  # fmt: skip
    per_mm = sum(float(np.exp(np.interp(math.log(energy), energies, np.log(part)))) for part in (photo, compton))
    return 1 - math.exp(-9.5 * per_mm)


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
