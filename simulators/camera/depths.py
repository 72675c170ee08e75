"""Ways of photons through bodies, in pieces for the compiled loop of `observe`. See `body` and `solids`.

A place is that of the patient, x, y, z in mm. Energies keV, times ps.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from daq.model.kernel import spliced
from simulators.pet.paths import ELECTRON, compton_cosine, unit

FORM, CENTRE, MATRIX, INNER, CUT, BEAT, FIXED, ORGAN, PLACES = 0, 1, 4, 13, 14, 15, 16, 17, 18
"""Places in a row of a solid; FIXED: its places are those of the head, across, up, towards the head."""
LOW_X, LOW_Y, LOW_Z, VOXEL, DENSEST, PER_MM, ANY_COLD = range(7)
"""Places in a grid: its corner, the edge of its cubes, the densest, cubes per mm, whether there is anything cold."""
TURN, SHIFT, DRIFT, ANGLE, TURNING, FACE_AT, FACING = 0, 9, 12, 15, 16, 17, 18
"""Places in a pose: patient to gantry as 9 numbers, where the patient's 0 is and how it drifts, the head's angle and
face, and how they change, per ps."""
BEGAN, FULL, EMPTY, SYSTOLE, DIASTOLE = range(5)
"""Places in a beat: its R wave, volumes over the largest at its beginning and after systole, how long both take."""
POSE_PLACES = 19
KEV_PER_ROW = 4.0
"""Between the rows of a table of angles, which has the cosines of equally many photons each."""
WATER, PASSES, WIDE, CRYSTAL, PHOTO = range(5)
"""Places in a row of a table by keV: coefficients of water and of the crystal per mm, the share of absorption in that;
chance to pass the collimator, and its effective length in mm."""

COLD, DENSITY = 128, 127
"""The bit of a code that says that there is no activity, and those that are its density: `body.COLD`."""
_BALL, _ROD, _BLOCK = 0, 1, 2
_CAVITY, _WALL = 1, 2
_ALONG = 1e-9
_LOWEST_KEV = 20.0


@spliced
def volume_at(when: Any, beats: Any) -> Any:
    """Return the volume of the cavity over its largest; 1 before the first beat."""
    row = beats.shape[0] - 1
    while row >= 0 and beats[row, BEGAN] > when:
        row -= 1
    if row < 0:
        return 1.0
    full, empty, since = beats[row, FULL], beats[row, EMPTY], when - beats[row, BEGAN]
    if since < beats[row, SYSTOLE]:
        return full - (full - empty) * 0.5 * (1.0 - math.cos(math.pi * since / beats[row, SYSTOLE]))
    filled = min((since - beats[row, SYSTOLE]) / beats[row, DIASTOLE], 1.0)
    return empty + (1.0 - empty) * 0.5 * (1.0 - math.cos(math.pi * filled))


@spliced
def pick(rng: Any, upto: Any, guide: Any) -> Any:
    """Return a row by cumulative shares, the last of which is 1; `guide` [n]: the row of every n-th part of them."""
    chance = unit(rng)
    row = guide[np.int64(chance * guide.shape[0])]
    while upto[row] <= chance and row < upto.shape[0] - 1:
        row += 1
    return row


@spliced
def in_ball(rng: Any, place: Any) -> None:
    """Put a place anywhere into the unit ball."""
    while True:
        for row in range(3):
            place[row] = 2.0 * unit(rng) - 1.0
        if place[0] * place[0] + place[1] * place[1] + place[2] * place[2] <= 1.0:
            return


@spliced
def in_rod(rng: Any, place: Any) -> None:
    """Put a place anywhere into the unit rod."""
    place[2] = 2.0 * unit(rng) - 1.0
    while True:
        place[0], place[1] = 2.0 * unit(rng) - 1.0, 2.0 * unit(rng) - 1.0
        if place[0] * place[0] + place[1] * place[1] <= 1.0:
            return


@spliced
def in_shell(rng: Any, solid: Any, volume: Any, place: Any) -> None:
    """Put a place anywhere into the unit shell; that of the heart keeps its volume, whatever it holds."""
    hollow = solid[INNER] ** 3
    least, full = hollow, 1.0
    if np.int64(solid[BEAT]) == _WALL:
        least = hollow * volume
        full = least + 1.0 - hollow
    while True:
        radius = (least + (full - least) * unit(rng)) ** (1.0 / 3.0)
        cosine, azimuth = 2.0 * unit(rng) - 1.0, 2.0 * math.pi * unit(rng)
        sine = math.sqrt(1.0 - cosine * cosine)
        place[0], place[1], place[2] = (
            radius * sine * math.cos(azimuth),
            radius * sine * math.sin(azimuth),
            radius * cosine,
        )
        if place[2] <= solid[CUT]:
            return


@spliced
def settle(rng: Any, solid: Any, volume: Any, place: Any) -> None:
    """Put a place anywhere into a solid, as large as the heart's `volume` makes it."""
    form, size = np.int64(solid[FORM]), 1.0
    if form == _BLOCK:
        for row in range(3):
            place[row] = 2.0 * unit(rng) - 1.0
    elif form == _ROD:
        in_rod(rng, place)
    elif form == _BALL:
        in_ball(rng, place)
    else:
        in_shell(rng, solid, volume, place)
    if np.int64(solid[BEAT]) == _CAVITY:
        size = volume ** (1.0 / 3.0)
    u, v, w = place[0] * size, place[1] * size, place[2] * size
    for row in range(3):
        place[row] = solid[CENTRE + row] + (
            solid[MATRIX + 3 * row] * u + solid[MATRIX + 3 * row + 1] * v + solid[MATRIX + 3 * row + 2] * w
        )


@spliced
def code_at(x: Any, y: Any, z: Any, grid: Any, codes: Any) -> Any:
    """Return the density code at a place, below 0 outside of the grid."""
    finer = grid[PER_MM]
    i, j, k = (x - grid[LOW_X]) * finer, (y - grid[LOW_Y]) * finer, (z - grid[LOW_Z]) * finer
    if i < 0.0 or j < 0.0 or k < 0.0 or i >= codes.shape[2] or j >= codes.shape[1] or k >= codes.shape[0]:
        return -1
    return np.int64(codes[np.int64(k), np.int64(j), np.int64(i)])


@spliced
def is_cold(place: Any, grid: Any, codes: Any) -> Any:
    """Tell whether a place has no activity, whatever solid it lies in."""
    return grid[ANY_COLD] > 0.0 and code_at(place[0], place[1], place[2], grid, codes) >= COLD


@spliced
def crosses(at: Any, way: Any, size: Any, begin: Any, end: Any) -> Any:
    """Return where along a way it is between 0 and `size` of one axis, and between `begin` and `end`."""
    if abs(way) < _ALONG:
        return (begin, end) if 0.0 <= at <= size else (0.0, -1.0)
    one, other = -at / way, (size - at) / way
    return max(begin, min(one, other)), min(end, max(one, other))


@spliced
def depth_of(place: Any, way: Any, grid: Any, codes: Any, most: Any) -> Any:
    """Return the way through water that what lies before a place is worth, in mm; no more of it than `most`."""
    edge = grid[VOXEL]
    x, y, z = (place[0] - grid[LOW_X]) / edge, (place[1] - grid[LOW_Y]) / edge, (place[2] - grid[LOW_Z]) / edge
    begin, end = crosses(x, way[0], codes.shape[2], 0.0, 1e9)
    begin, end = crosses(y, way[1], codes.shape[1], begin, end)
    begin, end = crosses(z, way[2], codes.shape[0], begin, end)
    if end <= begin:
        return 0.0
    steps = np.int64(math.ceil(end - begin))
    step = (end - begin) / steps
    summed, stop = np.int64(0), np.int64(most / (step * edge) * 64.0) + 1
    for number in range(steps):
        at = begin + (number + 0.5) * step
        i, j, k = np.int64(x + at * way[0]), np.int64(y + at * way[1]), np.int64(z + at * way[2])
        i, j, k = min(i, codes.shape[2] - 1), min(j, codes.shape[1] - 1), min(k, codes.shape[0] - 1)
        summed += np.int64(codes[k, j, i]) & DENSITY
        if summed > stop:
            break
    return summed * step * edge / 64.0


@spliced
def on_disc(rng: Any) -> Any:
    """Return a place on the unit disc and the square of its distance from the middle, which is above 0 and even."""
    while True:
        along, across = 2.0 * unit(rng) - 1.0, 2.0 * unit(rng) - 1.0
        square = along * along + across * across
        if 0.0 < square <= 1.0:
            return along, across, square


@spliced
def turned_by(rng: Any, energy: Any, angles: Any) -> Any:
    """Return the cosine of an angle of scattering, from the table of them."""
    row = min(np.int64(energy / KEV_PER_ROW + 0.5), angles.shape[0] - 1)
    at = unit(rng) * (angles.shape[1] - 1)
    low = np.int64(at)
    return angles[row, low] + (at - low) * (angles[row, low + 1] - angles[row, low])


@spliced
def bent(rng: Any, way: Any, cosine: Any) -> Any:
    """Return a direction under an angle to another, to any side."""
    along, across, square = on_disc(rng)
    sine = math.sqrt(max(1.0 - cosine * cosine, 0.0) / square)
    along, across = sine * along, sine * across
    u, v, w = way
    flat = math.sqrt(u * u + v * v)
    if flat < _ALONG:
        return along, across, cosine * w
    return (
        u * cosine + (u * w * along - v * across) / flat,
        v * cosine + (v * w * along + u * across) / flat,
        w * cosine - flat * along,
    )


@spliced
def wander(rng: Any, place: Any, way: Any, per_mm: Any, grid: Any, codes: Any) -> Any:
    """Lead a place along a way to where a photon is scattered; return False where it leaves the grid before."""
    longest = per_mm * grid[DENSEST] / 64.0
    while longest > 0.0:
        free = -math.log(unit(rng)) / longest
        for axis in range(3):
            place[axis] += free * way[axis]
        code = code_at(place[0], place[1], place[2], grid, codes)
        if code < 0:
            return False
        if unit(rng) * grid[DENSEST] < (code & DENSITY):
            return True
    return False


@spliced
def by_kev(table: Any, energy: Any, place: Any) -> Any:
    """Return a column of a table that has a row for each keV."""
    return table[min(np.int64(energy + 0.5), table.shape[0] - 1), place]


@spliced
def after_scattering(energy: Any, cosine: Any) -> Any:
    """Return the energy of a photon that was scattered by an angle."""
    return energy / (1.0 + energy / ELECTRON * (1.0 - cosine))


@spliced
def left_there(rng: Any, energy: Any, thick_mm: Any, table: Any) -> Any:
    """Return what a photon leaves in the crystal, and whether that is all it has, as `ways.deposit` does."""
    if unit(rng) >= -math.expm1(-by_kev(table, energy, CRYSTAL) * thick_mm):
        return -1.0, True
    if unit(rng) < by_kev(table, energy, PHOTO):
        return energy, True
    left = after_scattering(energy, compton_cosine(rng, energy, -1.0))
    if left > _LOWEST_KEV and unit(rng) < math.exp(-by_kev(table, left, CRYSTAL) * thick_mm / 2.0):
        return energy - left, False
    return energy, True
