"""Closed forms of collimators: how sharp they are, how many photons they let through, how many pass their walls.

Parallel holes: H. O. Anger, "Scintillation camera with multichannel collimators", J. Nucl. Med. 5, 515 (1964); pinhole:
the same author in G. J. Hine (ed.), "Instrumentation in Nuclear Medicine" 1, 1967; both as in S. R. Cherry, J. A.
Sorenson, M. E. Phelps, "Physics in Nuclear Medicine", 4th ed., chapter 14. Resolutions are full widths at half maximum,
in mm in the plane of the source; distances are from the source to the face of the collimator, or to the pinhole.
"""

from __future__ import annotations

import math
from types import MappingProxyType

import numpy as np

from daq.errors import LimitError, MissingError
from daq.model.camera import Collimator

_ENERGIES_KEV = {
    "lead": (30, 40, 50, 60, 80, 88, 88.1, 100, 120, 140, 160, 180, 200, 250, 300, 350, 400, 450, 500, 600,
             700, 790),
    "tungsten": (30, 40, 50, 60, 69.5, 69.6, 80, 100, 120, 140, 160, 180, 200, 250, 300, 350, 400, 450, 500, 600, 700,
                 790),
}  # fmt: skip
_PER_MM = {
    "lead": (32.85, 15.25, 8.385, 5.141, 2.397, 1.869, 8.398, 6.056, 3.805, 2.578, 1.843, 1.375, 1.062, 0.6298, 0.4237,
             0.3113, 0.2438, 0.2001, 0.1702, 0.1324, 0.1101, 0.09666),
    "tungsten": (41.55, 19.06, 10.4, 6.354, 4.288, 20.98, 14.56, 8.212, 5.124, 3.438, 2.445, 1.823, 1.412, 0.8449,
                 0.5764, 0.4307, 0.3433, 0.2866, 0.2476, 0.198, 0.1681, 0.15),
}  # fmt: skip
MATERIALS = MappingProxyType({name: (np.log(_ENERGIES_KEV[name]), np.log(_PER_MM[name])) for name in _PER_MM})
"""Logarithms of energies in keV and of attenuation in 1/mm. Photoelectric absorption and Compton scattering by xraylib
4.3.0 (T. Schoonjans et al., Spectrochim. Acta B 66, 776, 2011) for lead of 11.35 and tungsten of 19.3 g/cm3; coherent
scattering, which leaves the energy and nearly the direction, is not counted."""
_HEXAGON = math.sqrt(3) / (8 * math.pi)
"""Area of a hexagon over the square of the distance of its flats, over 4 pi: K^2 of the usual notation, K = 0.26."""


def attenuation_per_mm(material: str, energy_kev: float) -> float:
    """Return the linear attenuation coefficient. Raises `MissingError`, or `LimitError` beyond 30 to 790 keV."""
    if material not in MATERIALS:
        raise MissingError(f"collimator of {material!r}: known are {', '.join(MATERIALS)}")
    energies, coefficients = MATERIALS[material]
    lowest, highest = math.exp(energies[0]), math.exp(energies[-1])
    if not lowest - 1e-6 <= energy_kev <= highest + 1e-6:
        raise LimitError(f"attenuation in {material} at {energy_kev:g} keV: known from {lowest:g} to {highest:g} keV")
    return float(np.exp(np.interp(math.log(energy_kev), energies, coefficients)))


def effective_length_mm(collimator: Collimator, energy_kev: float) -> float:
    """Return the length of parallel holes less two mean free paths: photons pass the ends of the walls.

    Raises `LimitError` where nothing is left, for the collimator does not collimate such photons.
    """
    through_mm = 2.0 / attenuation_per_mm(collimator.material, energy_kev)
    if through_mm >= collimator.length_mm:
        raise LimitError(
            f"holes of {collimator.length_mm:g} mm in {collimator.material} do not collimate {energy_kev:g} keV: two "
            f"mean free paths are {through_mm:.3g} mm"
        )
    return collimator.length_mm - through_mm


def effective_diameter_mm(collimator: Collimator, energy_kev: float) -> float:
    """Return the diameter of a pinhole with what passes its edge. Raises `LimitError` without an opening angle."""
    if collimator.opening_deg is None:
        raise LimitError("a pinhole without an opening angle: what passes its edge is not known")
    slope = math.tan(math.radians(collimator.opening_deg) / 2)
    beyond_mm = 2.0 / attenuation_per_mm(collimator.material, energy_kev) * slope
    return math.sqrt(collimator.hole_mm * (collimator.hole_mm + beyond_mm))


def magnification(collimator: Collimator, distance_mm: float) -> float:
    """Return how many times larger the picture on the crystal is than the source; parallel holes: 1."""
    return 1.0 if collimator.kind == "parallel" else collimator.length_mm / _beyond_zero(distance_mm)


def geometric_resolution_mm(
    collimator: Collimator, energy_kev: float, distance_mm: float, *, gap_mm: float = 0.0
) -> float:
    """Return the resolution of the collimator alone; `gap_mm`: from parallel holes to where the crystal is hit."""
    if collimator.kind == "pinhole":
        length_mm = collimator.length_mm
        return effective_diameter_mm(collimator, energy_kev) * (length_mm + distance_mm) / length_mm
    length_mm = effective_length_mm(collimator, energy_kev)
    return collimator.hole_mm * (length_mm + distance_mm + gap_mm) / length_mm


def system_resolution_mm(
    collimator: Collimator, energy_kev: float, distance_mm: float, *, intrinsic_mm: float, gap_mm: float = 0.0
) -> float:
    """Return the resolution of collimator and crystal together; `intrinsic_mm` is that of the crystal."""
    of_crystal_mm = intrinsic_mm / magnification(collimator, distance_mm)
    return math.hypot(geometric_resolution_mm(collimator, energy_kev, distance_mm, gap_mm=gap_mm), of_crystal_mm)


def efficiency(collimator: Collimator, energy_kev: float, distance_mm: float, *, angle_deg: float = 0.0) -> float:
    """Return the share of a point source's photons that come through, into all directions counted.

    That of parallel holes does not depend on the distance. `angle_deg`: how far the source is off a pinhole's axis;
    none comes through beyond its opening.
    """
    if collimator.kind == "parallel":
        open_share = (collimator.hole_mm / (collimator.hole_mm + collimator.septum_mm)) ** 2
        return _HEXAGON * (collimator.hole_mm / effective_length_mm(collimator, energy_kev)) ** 2 * open_share
    diameter_mm = effective_diameter_mm(collimator, energy_kev)
    if abs(angle_deg) >= (collimator.opening_deg or 0.0) / 2:
        return 0.0
    return (diameter_mm / (4 * _beyond_zero(distance_mm))) ** 2 * math.cos(math.radians(angle_deg)) ** 3


def sensitivity_cps_per_mbq(
    collimator: Collimator, energy_kev: float, distance_mm: float, *, photons_per_decay: float, counted_share: float
) -> float:
    """Return the counts per second of a source of 1 MBq in air.

    `counted_share`: of the photons that reach the crystal those that end up in the energy window.
    """
    return 1e6 * photons_per_decay * counted_share * efficiency(collimator, energy_kev, distance_mm)


def septal_penetration(collimator: Collimator, energy_kev: float) -> float:
    """Return the share of photons that pass one wall of parallel holes on the shortest way from hole to hole."""
    if collimator.kind == "pinhole":
        raise LimitError("a pinhole has no walls between holes")
    way_mm = collimator.septum_mm * collimator.length_mm / (2 * collimator.hole_mm + collimator.septum_mm)
    return math.exp(-attenuation_per_mm(collimator.material, energy_kev) * way_mm)


def _beyond_zero(distance_mm: float) -> float:
    if not distance_mm > 0:
        raise LimitError(f"a source {distance_mm:g} mm in front of a pinhole: must be above zero")
    return distance_mm
