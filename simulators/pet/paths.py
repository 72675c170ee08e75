"""Ways of photons, in pieces for the compiled loop of `kernels`: chance, sources, the medium, the ring.

Random numbers are those of splitmix64 (G. Steele et al., OOPSLA 2014); `rng` [1] holds the state. Lengths are mm,
energies keV. A photon is a row of numbers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from daq.model.kernel import spliced

RADIUS, FIRST_ANGLE, TURN, PITCH, RINGS, AROUND, RING_STEP, MODULE_DETECTORS, MODULE_RINGS = range(9)
"""Places in `ring`; angles in radians, TURN from crystal to crystal with its sign."""
CYLINDER_RADIUS, CYLINDER_HALF, CYLINDER_X, CYLINDER_Y, CYLINDER_Z, MU, COMPTON_SHARE = range(7)
"""Places in `medium`; a radius of 0: none."""
SHAPE, AT_X, AT_Y, AT_Z, SIZE_X, SIZE_Y, SIZE_Z, POSITRON, DECAY_PER_PS, LENGTH_PS = range(10)
"""Places in `source`."""
X, Y, Z, DX, DY, DZ, ENERGY, PATH, SCATTERS = range(9)
"""Places of a photon: where it is, where it goes, its energy, how far it has come, how often it was scattered."""
ELECTRON = 510.99895
"""Rest energy of the electron, keV: `model.ELECTRON_KEV`."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_LOWEST_KEV = 20.0
_POINT, _LINE, _CYLINDER = 0, 1, 2


@spliced
def unit(rng: Any) -> Any:
    """Return a random number above 0 and below 1."""
    rng[0] += _GOLDEN
    z = rng[0]
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    z = z ^ (z >> np.uint64(31))
    return (np.float64(z >> np.uint64(11)) + 0.5) * 2.0**-53


@spliced
def copy(photon: Any, to: Any) -> None:
    """Make a photon the same as another; number by number, for slices would count references."""
    for place in range(9):
        to[place] = photon[place]


@spliced
def aim(rng: Any, photon: Any) -> None:
    """Give a photon a direction, all alike likely."""
    cosine = 2.0 * unit(rng) - 1.0
    azimuth = 2.0 * math.pi * unit(rng)
    sine = math.sqrt(1.0 - cosine * cosine)
    photon[DX], photon[DY], photon[DZ] = sine * math.cos(azimuth), sine * math.sin(azimuth), cosine


@spliced
def start(rng: Any, source: Any, photon: Any) -> None:
    """Put a photon at a random place of the source."""
    photon[X], photon[Y], photon[Z] = source[AT_X], source[AT_Y], source[AT_Z]
    photon[PATH], photon[SCATTERS] = 0.0, 0.0
    shape = np.int64(source[SHAPE])
    if shape == _POINT:
        return
    if shape == _LINE:
        along = 2.0 * unit(rng) - 1.0
        photon[X] += along * source[SIZE_X]
        photon[Y] += along * source[SIZE_Y]
        photon[Z] += along * source[SIZE_Z]
        return
    if shape == _CYLINDER:
        radius = source[SIZE_X] * math.sqrt(unit(rng))
        azimuth = 2.0 * math.pi * unit(rng)
        photon[X] += radius * math.cos(azimuth)
        photon[Y] += radius * math.sin(azimuth)
        photon[Z] += source[SIZE_Y] * (2.0 * unit(rng) - 1.0)
        return
    radius = source[SIZE_X] * unit(rng) ** (1.0 / 3.0)
    aim(rng, photon)
    photon[X] += radius * photon[DX]
    photon[Y] += radius * photon[DY]
    photon[Z] += radius * photon[DZ]


@spliced
def klein_nishina(energy: Any) -> Any:
    """Return the cross section of Klein and Nishina for one electron in units of 2 pi r_e^2."""
    a = energy / ELECTRON
    b = 1.0 + 2.0 * a
    log = math.log(b)
    first = (1.0 + a) / (a * a) * (2.0 * (1.0 + a) / b - log / a)
    return first + log / (2.0 * a) - (1.0 + 3.0 * a) / (b * b)


@spliced
def compton_cosine(rng: Any, energy: Any, lowest: Any) -> Any:
    """Return the cosine of a scattering angle, `lowest` or more, by the formula of Klein and Nishina."""
    while True:
        cosine = lowest + (1.0 - lowest) * unit(rng)
        share = 1.0 / (1.0 + energy / ELECTRON * (1.0 - cosine))
        chance = share * share * (share + 1.0 / share - 1.0 + cosine * cosine) / 2.0
        if unit(rng) < chance:
            return cosine


@spliced
def deflect(rng: Any, photon: Any, cosine: Any) -> None:
    """Turn a photon by an angle, to any side, and take the energy from it that Compton scattering does."""
    photon[ENERGY] /= 1.0 + photon[ENERGY] / ELECTRON * (1.0 - cosine)
    azimuth = 2.0 * math.pi * unit(rng)
    sine = math.sqrt(max(1.0 - cosine * cosine, 0.0))
    along, across = sine * math.cos(azimuth), sine * math.sin(azimuth)
    u, v, w = photon[DX], photon[DY], photon[DZ]
    flat = math.sqrt(u * u + v * v)
    if flat < 1e-9:  # noqa: PLR2004 - along the axis: any two directions across it do
        photon[DX], photon[DY], photon[DZ] = along, across, cosine * w
        return
    photon[DX] = u * cosine + (u * w * along - v * across) / flat
    photon[DY] = v * cosine + (v * w * along + u * across) / flat
    photon[DZ] = w * cosine - flat * along


@spliced
def inside_from_to(photon: Any, medium: Any) -> Any:
    """Return where along a photon's way, from 0 on, the cylinder begins and ends; equal where it is not met."""
    x, y, z = photon[X] - medium[CYLINDER_X], photon[Y] - medium[CYLINDER_Y], photon[Z] - medium[CYLINDER_Z]
    a = photon[DX] ** 2 + photon[DY] ** 2
    b = x * photon[DX] + y * photon[DY]
    c = x * x + y * y - medium[CYLINDER_RADIUS] ** 2
    begin, end = 0.0, 1e12
    if a < 1e-18:  # noqa: PLR2004 - along the axis
        if c > 0.0:
            return 0.0, 0.0
    else:
        root = b * b - a * c
        if root <= 0.0:
            return 0.0, 0.0
        begin, end = max(0.0, (-b - math.sqrt(root)) / a), (-b + math.sqrt(root)) / a
    if abs(photon[DZ]) > 1e-12:  # noqa: PLR2004
        near, far = (-medium[CYLINDER_HALF] - z) / photon[DZ], (medium[CYLINDER_HALF] - z) / photon[DZ]
        begin, end = max(begin, min(near, far)), min(end, max(near, far))
    elif abs(z) > medium[CYLINDER_HALF]:
        return 0.0, 0.0
    return begin, max(begin, end)


@spliced
def leave(rng: Any, photon: Any, medium: Any) -> Any:
    """Lead a photon out of the medium; return False when it was absorbed there."""
    if medium[CYLINDER_RADIUS] <= 0.0:
        return True
    while True:
        begin, end = inside_from_to(photon, medium)
        mu = medium[MU]
        if photon[ENERGY] != ELECTRON:
            mu *= klein_nishina(photon[ENERGY]) / klein_nishina(ELECTRON)
        free = -math.log(unit(rng)) / mu if mu > 0.0 else 1e12
        if begin + free >= end:
            return True
        if unit(rng) >= medium[COMPTON_SHARE] or photon[ENERGY] < _LOWEST_KEV:
            return False
        photon[X] += (begin + free) * photon[DX]
        photon[Y] += (begin + free) * photon[DY]
        photon[Z] += (begin + free) * photon[DZ]
        photon[PATH] += begin + free
        deflect(rng, photon, compton_cosine(rng, photon[ENERGY], -1.0))
        photon[SCATTERS] += 1.0


@spliced
def meet(photon: Any, ring: Any, real: Any) -> Any:
    """Return ring, crystal and distance of where a photon meets the ring from inside; ring -1: nowhere."""
    a = photon[DX] ** 2 + photon[DY] ** 2
    if a < 1e-18:  # noqa: PLR2004
        return np.int64(-1), np.int64(0), 0.0
    b = photon[X] * photon[DX] + photon[Y] * photon[DY]
    c = photon[X] ** 2 + photon[Y] ** 2 - ring[RADIUS] ** 2
    root = b * b - a * c
    if root < 0.0:
        return np.int64(-1), np.int64(0), 0.0
    length = (-b + math.sqrt(root)) / a
    row = math.floor((photon[Z] + length * photon[DZ]) / ring[PITCH] + ring[RINGS] / 2)
    if length <= 0.0 or row < 0 or row >= ring[RINGS]:
        return np.int64(-1), np.int64(0), 0.0
    angle = math.atan2(photon[Y] + length * photon[DY], photon[X] + length * photon[DX])
    around = np.int64(ring[AROUND])
    crystal = np.int64(math.floor((angle - ring[FIRST_ANGLE]) / ring[TURN] + 0.5)) % around
    if not real[crystal % np.int64(ring[MODULE_DETECTORS])]:
        return np.int64(-1), np.int64(0), 0.0
    return np.int64(row), crystal, length
