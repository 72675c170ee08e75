"""Ways of photons from sources to crystals, in pieces for the compiled loops of `tracks`.

A photon is a row of numbers as in `simulators.pet.paths`. Only photons that pass are followed: collimators let some
1e-4 pass, so the direction towards the head is given, and chance decides what stood in the way.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from daq.model.kernel import spliced
from simulators.pet.paths import (
    AT_X,
    AT_Y,
    AT_Z,
    COMPTON_SHARE,
    CYLINDER_RADIUS,
    DX,
    DY,
    DZ,
    ELECTRON,
    ENERGY,
    MU,
    SHAPE,
    SIZE_X,
    SIZE_Y,
    SIZE_Z,
    X,
    Y,
    Z,
    aim,
    compton_cosine,
    deflect,
    inside_from_to,
    klein_nishina,
    start,
    unit,
)  # fmt: skip

WIDTH, HEIGHT, TO_X, TO_Y, FACE, THICKNESS, COLLIMATOR, HOLE, LENGTH, OPENING = range(10)
"""Places in a head."""
TOTAL, PHOTO_SHARE, PASSING, EFFECTIVE = range(4)
"""Places in a row of its table."""
MASK, MASK_WIDTH, MASK_PITCH, MASK_ALONG, MASK_FIRST = range(5)
MASK_LEAK, DISTANCE, FIELD_DECAY, FIELD_LENGTH = 8, 9, 10, 11
"""Places in a field."""
LINE_KEV, LINE_UP_TO = 0, 1
"""Places in a line: its energy, and the cumulative share of photons up to it."""

_BOX = 4
_PARALLEL = 1
_SLITS, _HOLES, _BARS = 1, 2, 3
_SCATTERED, _CONTINUUM = 1, 16
_SIGMA = 2.3548200450309493
_LOWEST = 20.0
_LOG_LOWEST = math.log(20.0)
_PER_STEP = 1023.0 / (math.log(790.0) - math.log(20.0))


@spliced
def at_energy(table: Any, energy: Any, place: Any) -> Any:
    """Return a column of a head's table at an energy."""
    step = max((math.log(energy) - _LOG_LOWEST) * _PER_STEP, 0.0)
    low = min(np.int64(step), table.shape[0] - 2)
    return table[low, place] + (min(step, table.shape[0] - 1.0) - low) * (table[low + 1, place] - table[low, place])


@spliced
def normal(rng: Any) -> Any:
    """Return a random number of the standard normal distribution (G. E. P. Box and M. E. Muller 1958)."""
    return math.sqrt(-2.0 * math.log(unit(rng))) * math.cos(2.0 * math.pi * unit(rng))


@spliced
def passing_time(rng: Any, per_ps: Any, length_ps: Any) -> Any:
    """Return when in a stretch of time a decay is, as activity falls."""
    passing, later = per_ps * length_ps, unit(rng)
    if passing > 1e-9:  # noqa: PLR2004 - below, activity is constant to 1e-9
        later = -math.log1p(later * math.expm1(-passing)) / passing
    return later * length_ps


@spliced
def pick_line(rng: Any, lines: Any) -> Any:
    """Return the number of a line, as often as it is emitted."""
    chance, line = unit(rng), 0
    while line < lines.shape[0] - 1 and chance >= lines[line, LINE_UP_TO]:
        line += 1
    return line


@spliced
def deposit(rng: Any, energy: Any, head: Any, table: Any) -> Any:
    """Return what a photon leaves in the crystal, below zero where it passes, and whether that is all it has.

    A photon that is scattered there meets, on its way out, half the thickness of the crystal on average.
    """
    if unit(rng) >= -math.expm1(-at_energy(table, energy, TOTAL) * head[THICKNESS]):
        return -1.0, True
    if unit(rng) < at_energy(table, energy, PHOTO_SHARE):
        return energy, True
    left = energy / (1.0 + energy / ELECTRON * (1.0 - compton_cosine(rng, energy, -1.0)))
    if left > _LOWEST and unit(rng) < math.exp(-at_energy(table, left, TOTAL) * head[THICKNESS] / 2.0):
        return energy - left, False
    return energy, True


@spliced
def through(x: Any, y: Any, field: Any) -> Any:
    """Tell whether a place of a mask is open."""
    kind, width, pitch = np.int64(field[MASK]), field[MASK_WIDTH], field[MASK_PITCH]
    if kind == 0:
        return True
    across = y if field[MASK_ALONG] > 0.0 else x
    if kind == _SLITS:
        return abs(across - pitch * math.floor(across / pitch + 0.5)) <= width / 2.0
    if kind == _HOLES:
        dx = x - pitch * math.floor(x / pitch + 0.5)
        dy = y - pitch * math.floor(y / pitch + 0.5)
        return dx * dx + dy * dy <= width * width / 4.0
    if kind != _BARS:
        quadrant = (0 if x >= 0.0 else 1) if y >= 0.0 else (2 if x < 0.0 else 3)
        width = field[MASK_FIRST + quadrant]
        across = x if quadrant % 2 == 0 else y
    return np.int64(math.floor(across / width)) % 2 == 0


@spliced
def write(when: Any, x: Any, y: Any, got: Any, photon_kev: Any, line: Any, flags: Any, rows: Any, at: Any) -> Any:
    """Write a row (time, place, energies, marks); return where the next one goes."""
    times, places, marks = rows
    times[at] = when[0] + np.int64(math.floor(when[1] + 0.5))
    places[at, 0], places[at, 1], places[at, 2], places[at, 3] = x, y, got[0], photon_kev
    marks[at, 0], marks[at, 1] = line, flags | (0 if got[1] else _CONTINUUM)
    return at + 1


@spliced
def begin(rng: Any, source: Any, photon: Any) -> None:
    """Put a photon at a random place of the source."""
    if np.int64(source[SHAPE]) != _BOX:
        start(rng, source, photon)
        return
    photon[X] = source[AT_X] + (2.0 * unit(rng) - 1.0) * source[SIZE_X]
    photon[Y] = source[AT_Y] + (2.0 * unit(rng) - 1.0) * source[SIZE_Y]
    photon[Z] = source[AT_Z] + (2.0 * unit(rng) - 1.0) * source[SIZE_Z]


@spliced
def mu_at(energy: Any, medium: Any) -> Any:
    """Return the coefficient of the medium, which is given at 511 keV and goes with the Compton cross section."""
    return medium[MU] * klein_nishina(energy) / klein_nishina(ELECTRON)


@spliced
def wander(rng: Any, photon: Any, medium: Any) -> Any:
    """Lead a photon to where the medium scatters it, and no further; return False where that does not happen."""
    begins, ends = inside_from_to(photon, medium)
    free = begins - math.log(unit(rng)) / mu_at(photon[ENERGY], medium)
    if free >= ends or unit(rng) >= medium[COMPTON_SHARE]:
        return False
    photon[X] += free * photon[DX]
    photon[Y] += free * photon[DY]
    photon[Z] += free * photon[DZ]
    return True


@spliced
def scattered(rng: Any, photon: Any, medium: Any, orders: Any) -> Any:
    """Lead a photon to its last scattering of 1 to `orders`, all alike often tried; return False where it is lost."""
    aim(rng, photon)
    for _ in range(np.int64(unit(rng) * orders)):
        if not wander(rng, photon, medium):
            return False
        deflect(rng, photon, compton_cosine(rng, photon[ENERGY], -1.0))
        if photon[ENERGY] < _LOWEST:
            return False
    return wander(rng, photon, medium)


@spliced
def turn(photon: Any, way: Any) -> Any:
    """Turn a photon to `way`; return the chance of that per solid angle, over that of a photon of any direction."""
    cosine = photon[DX] * way[0] + photon[DY] * way[1] + photon[DZ] * way[2]
    share = 1.0 / (1.0 + photon[ENERGY] / ELECTRON * (1.0 - cosine))
    chance = share * share * (share + 1.0 / share - 1.0 + cosine * cosine) / klein_nishina(photon[ENERGY])
    photon[ENERGY] *= share
    return chance if photon[ENERGY] > _LOWEST else 0.0


@spliced
def towards(photon: Any, head: Any) -> Any:
    """Return the direction from a photon to the head: square to parallel holes, or to a pinhole."""
    if np.int64(head[COLLIMATOR]) == _PARALLEL:
        return head[TO_X], head[TO_Y], 0.0
    x, y = head[FACE] * head[TO_X] - photon[X], head[FACE] * head[TO_Y] - photon[Y]
    length = math.sqrt(x * x + y * y + photon[Z] * photon[Z])
    return x / length, y / length, -photon[Z] / length


@spliced
def escapes(photon: Any, way: Any, medium: Any) -> Any:
    """Return the chance that the medium lets a photon pass along `way`."""
    if medium[CYLINDER_RADIUS] <= 0.0:
        return 1.0
    photon[DX], photon[DY], photon[DZ] = way
    begins, ends = inside_from_to(photon, medium)
    return math.exp(-(ends - begins) * mu_at(photon[ENERGY], medium))


@spliced
def projected(rng: Any, photon: Any, way: Any, head: Any, table: Any) -> Any:
    """Return place on the crystal and chance of passing the collimator, which is zero behind its face.

    A pinhole turns the picture upside down, and its chance depends on the place.
    """
    depth = head[FACE] - photon[X] * head[TO_X] - photon[Y] * head[TO_Y]
    across = photon[Y] * head[TO_X] - photon[X] * head[TO_Y]
    wide, passes = at_energy(table, photon[ENERGY], EFFECTIVE), at_energy(table, photon[ENERGY], PASSING)
    if depth <= 0.0:
        return 0.0, 0.0, 0.0
    if np.int64(head[COLLIMATOR]) == _PARALLEL:
        sigma = head[HOLE] * (wide + depth) / wide / _SIGMA
        return across + sigma * normal(rng), photon[Z] + sigma * normal(rng), passes
    cosine, magnified = way[0] * head[TO_X] + way[1] * head[TO_Y], head[LENGTH] / depth
    if cosine <= head[OPENING]:
        return 0.0, 0.0, 0.0
    sigma = wide * (1.0 + magnified) / _SIGMA
    passes *= cosine * cosine * cosine / (depth * depth)
    return sigma * normal(rng) - across * magnified, sigma * normal(rng) - photon[Z] * magnified, passes
