"""Scenes of the camera simulator for tests, and closed forms written down a second time."""

from __future__ import annotations

import math

import numpy as np

from daq.model.camera import Collimator, Crystal
from simulators.camera.model import Scene, SimulatedHead, Source
from simulators.pet.model import Medium

CRYSTAL = Crystal(material="NaI(Tl)", thickness_mm=9.5, width_mm=540, height_mm=400)
LEHR = Collimator(hole_mm=1.5, septum_mm=0.2, length_mm=35, energy_max_kev=160, source="test")
PINHOLE = Collimator(
    kind="pinhole", hole_mm=4, length_mm=200, opening_deg=80, material="tungsten", energy_max_kev=365, source="test"
)
FACE_MM = 150.0
TUNGSTEN = (20, 40, 60, 69.5, 69.6, 80, 100, 120, 140.5), (129, 19.1, 6.35, 4.29, 21, 14.6, 8.21, 5.12, 3.41)
"""keV, and 1/mm by xraylib 4.3.0."""
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


def differential_klein_nishina(energy: float | np.ndarray, cosine: np.ndarray) -> np.ndarray:
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


def scattered_into_pinhole(energy: float, medium: Medium, *, orders: int, count: int) -> tuple[float, float]:
    """Return the share of a point's photons that scatter up to `orders` times, come through PINHOLE and are stopped.

    The point is in the middle of `medium`. Photons are thrown one by one; where one scatters, its chance to go from
    there to the pinhole, in front of the patient, is scored. The second number is the standard deviation of the first.
    """
    draw = np.random.default_rng(1)
    at, kev = np.zeros((count, 3)), np.full(count, energy)
    way = _any_direction(draw, count)
    scored, rows, weight = np.zeros(count), np.arange(count), 1.0
    for _ in range(orders):
        free_mm = draw.exponential(1 / _of_medium(kev, medium))
        inside = free_mm < _way_out_mm(at, way, medium)
        at, way, kev, rows = at[inside] + (way * free_mm[:, None])[inside], way[inside], kev[inside], rows[inside]
        weight *= medium.compton_share
        scored[rows] += weight * _into_pinhole(at, way, kev, medium)
        cosine = _compton_cosines(draw, kev)
        kev = kev / (1 + kev / 510.999 * (1 - cosine))
        way = _turned(draw, way, cosine)
    return float(scored.mean()), float(scored.std() / math.sqrt(count))


def _any_direction(draw: np.random.Generator, count: int) -> np.ndarray:
    found = draw.standard_normal((count, 3))
    return found / np.linalg.norm(found, axis=1)[:, None]


def _total_klein_nishina(energy: np.ndarray) -> np.ndarray:
    listed, cosines = np.geomspace(20, 511, 60), (np.arange(400) + 0.5) / 200 - 1
    return np.interp(energy, listed, [4 * math.pi * differential_klein_nishina(e, cosines).mean() for e in listed])


def _of_medium(energy: np.ndarray, medium: Medium) -> np.ndarray:
    return medium.mu_per_mm * _total_klein_nishina(energy) / _total_klein_nishina(np.array([510.999]))


def _way_out_mm(at: np.ndarray, way: np.ndarray, medium: Medium) -> np.ndarray:
    a, b = (way[:, :2] ** 2).sum(axis=1), (way * at)[:, :2].sum(axis=1)
    side = (-b + np.sqrt(b * b - a * ((at[:, :2] ** 2).sum(axis=1) - medium.radius_mm**2))) / a
    return np.minimum(side, (np.sign(way[:, 2]) * medium.length_mm / 2 - at[:, 2]) / way[:, 2])


def _into_pinhole(at: np.ndarray, way: np.ndarray, kev: np.ndarray, medium: Medium) -> np.ndarray:
    to = np.array([0.0, -FACE_MM, 0.0]) - at
    to /= np.linalg.norm(to, axis=1)[:, None]
    cosine = (way * to).sum(axis=1)
    after = kev / (1 + kev / 510.999 * (1 - cosine))
    turns = 4 * math.pi * differential_klein_nishina(kev, cosine) / _total_klein_nishina(kev)
    tungsten = np.interp(after, *TUNGSTEN)
    squared = 4 * (4 + 2 / tungsten * math.tan(math.radians(40)))
    straight = -to[:, 1]
    passes = squared / 16 / (at[:, 1] + FACE_MM) ** 2 * straight**3 * (straight > math.cos(math.radians(40)))
    listed = np.geomspace(20, 141, 200)
    stopped = np.interp(after, listed, [stopped_in_crystal(max(each, 60.0)) for each in listed])
    return turns * passes * np.exp(-_of_medium(after, medium) * _way_out_mm(at, to, medium)) * stopped


def _compton_cosines(draw: np.random.Generator, kev: np.ndarray) -> np.ndarray:
    found, open_ = np.empty(len(kev)), np.arange(len(kev))
    while len(open_):
        cosine = draw.uniform(-1, 1, len(open_))
        taken = draw.random(len(open_)) < differential_klein_nishina(kev[open_], cosine)
        found[open_[taken]] = cosine[taken]
        open_ = open_[~taken]
    return found


def _turned(draw: np.random.Generator, way: np.ndarray, cosine: np.ndarray) -> np.ndarray:
    across = np.cross(way, _any_direction(draw, len(way)))
    across /= np.linalg.norm(across, axis=1)[:, None]
    return cosine[:, None] * way + np.sqrt(np.maximum(1 - cosine**2, 0))[:, None] * across
