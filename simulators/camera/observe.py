"""Photons of a body that moves before a head that turns, through parallel holes until they are in a crystal, compiled.

Scattered photons are made from their end: they leave towards the head, and were bent into that direction by angles
that Klein and Nishina's formula gives, so that none is tried in vain for its direction. Since sources shine into all
directions alike, this is the same as following them from their beginning.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from daq.model.kernel import kernel, spliced
from simulators.camera.depths import (
    ANGLE,
    BEAT,
    DRIFT,
    FACE_AT,
    FACING,
    FIXED,
    ORGAN,
    PASSES,
    SHIFT,
    TURN,
    TURNING,
    WATER,
    WIDE,
    after_scattering,
    bent,
    by_kev,
    depth_of,
    is_cold,
    left_there,
    on_disc,
    pick,
    settle,
    turned_by,
    volume_at,
    wander,
)  # fmt: skip
from simulators.camera.ways import HEIGHT, HOLE, LINE_KEV, THICKNESS, WIDTH, pick_line, write
from simulators.pet.paths import unit

_SCATTERED = 1
LOWEST_KEV = 30.0
"""Scattered photons below are left out."""
_SIGMA = 2.3548200450309493
_CAVITY = 1
_FAR = 5.0
"""So many standard deviations beside the field nothing is seen any more."""


@spliced
def facing(pose: Any, to_x: Any, to_y: Any) -> Any:
    """Return the patient's direction of a head."""
    return (
        pose[TURN] * to_x + pose[TURN + 3] * to_y,
        pose[TURN + 1] * to_x + pose[TURN + 4] * to_y,
        pose[TURN + 2] * to_x + pose[TURN + 5] * to_y,
    )


@spliced
def from_head(place: Any, pose: Any, to_x: Any, to_y: Any, since: Any) -> None:
    """Turn a place given across, up, towards the head into the patient's."""
    x = place[2] * to_x - place[0] * to_y - pose[SHIFT] - since * pose[DRIFT]
    y = place[2] * to_y + place[0] * to_x - pose[SHIFT + 1] - since * pose[DRIFT + 1]
    z = place[1] - pose[SHIFT + 2] - since * pose[DRIFT + 2]
    for row in range(3):
        place[row] = pose[TURN + row] * x + pose[TURN + 3 + row] * y + pose[TURN + 6 + row] * z


@spliced
def emits(
    rng: Any, solid: Any, volume: Any, place: Any, pose: Any, to_x: Any, to_y: Any, since: Any, grid: Any, codes: Any
) -> Any:  # fmt: skip
    """Put a place into a solid, as large as the heart makes it; return False where nothing is there to decay."""
    if solid[BEAT] == _CAVITY and unit(rng) >= volume:
        return False
    settle(rng, solid, volume, place)
    if solid[FIXED] > 0.0:
        from_head(place, pose, to_x, to_y, since)
        return True
    return not is_cold(place, grid, codes)


@spliced
def to_head(place: Any, pose: Any, to_x: Any, to_y: Any, since: Any, seen: Any) -> None:
    """Turn a place of the patient's into how far it is across, up, and in front of the collimator's face."""
    for row in range(3):
        seen[row] = pose[SHIFT + row] + since * pose[DRIFT + row]
        for column in range(3):
            seen[row] += pose[TURN + 3 * row + column] * place[column]
    depth = pose[FACE_AT] + since * pose[FACING] - seen[0] * to_x - seen[1] * to_y
    seen[0], seen[1], seen[2] = seen[1] * to_x - seen[0] * to_y, seen[2], depth


@spliced
def scattered(
    rng: Any, place: Any, way: Any, orders: Any, ways: Any, energies: Any, table: Any, angles: Any, grid: Any,
    codes: Any,
) -> Any:  # fmt: skip
    """Lead a place to where its photon is scattered towards the head; return the energy then, 0 where it is lost.

    `ways` [orders + 1, 3] and `energies` [orders + 1] are for what is in between; `energies[0]` is that of the line.
    """
    bends = 1 + np.int64(unit(rng) * orders)
    for number in range(bends):
        ways[number, 0] = turned_by(rng, energies[number], angles)
        energies[number + 1] = after_scattering(energies[number], ways[number, 0])
    if energies[bends] < LOWEST_KEV:
        return 0.0
    ways[bends, 0], ways[bends, 1], ways[bends, 2] = way
    for number in range(bends - 1, -1, -1):
        before = bent(rng, (ways[number + 1, 0], ways[number + 1, 1], ways[number + 1, 2]), ways[number, 0])
        ways[number, 0], ways[number, 1], ways[number, 2] = before
    for number in range(bends):
        flight = (ways[number, 0], ways[number, 1], ways[number, 2])
        if not wander(rng, place, flight, by_kev(table, energies[number], WATER), grid, codes):
            return 0.0
    return energies[bends]


@spliced
def arrives(
    rng: Any, place: Any, way: Any, energy: Any, seen: Any, least: Any, grid: Any, codes: Any, head: Any, table: Any
) -> Any:  # fmt: skip
    """Decide whether a photon comes through body and collimator, and put into `seen` where on the crystal.

    `least`: the chance of passing the collimator that it stands for.
    """
    wide = by_kev(table, energy, WIDE)
    sigma = head[HOLE] * (wide + seen[2]) / wide / _SIGMA
    half_x, half_y = head[WIDTH] / 2.0, head[HEIGHT] / 2.0
    if seen[2] <= 0.0 or abs(seen[0]) > half_x + _FAR * sigma or abs(seen[1]) > half_y + _FAR * sigma:
        return False
    left = unit(rng) * least / by_kev(table, energy, PASSES)
    if left >= 1.0:
        return False
    along, across, square = on_disc(rng)  # two normal numbers after G. Marsaglia, from one place on the disc
    far = sigma * math.sqrt(-2.0 * math.log(square) / square)
    seen[0], seen[1] = seen[0] + far * along, seen[1] + far * across
    if abs(seen[0]) > half_x or abs(seen[1]) > half_y:
        return False
    per_mm, reach = by_kev(table, energy, WATER), -math.log(left)
    return per_mm <= 0.0 or depth_of(place, way, grid, codes, reach / per_mm) * per_mm <= reach


@kernel(
    "int64(uint64[::1], int64, int64, int64, float64, float64, float64[:, ::1], float64[::1], int64[::1],"
    " float64[:, ::1], float64[::1], uint8[:, :, ::1], float64[::1], float64[:, ::1], float64[::1], float64[:, ::1],"
    " float64[:, ::1], int64[::1], float32[:, ::1], uint8[:, ::1])"
)
def observe(
    rng: Any, count: Any, orders: Any, origin_ps: Any, length_ps: Any, most: Any, solids: Any, upto: Any, guide: Any,
    lines: Any, grid: Any, codes: Any, pose: Any, beats: Any, head: Any, table: Any, angles: Any, times: Any,
    places: Any, marks: Any,
) -> Any:  # fmt: skip
    """Follow `count` candidates of a body to a head; return how many rows were written.

    `orders` 0: not scattered, else 1 to `orders` times, all alike often tried. `most`: the chance of passing the
    collimator that a candidate stands for. `upto`: cumulative shares of the solids in their candidates, `guide`:
    see `pick`; `table`: by keV; `angles`: see
    `turned_by`. Marks [n, 3] are line, flags, organ. Times of beats count from `origin_ps`.
    """
    place, seen, ways, energies = np.zeros(3), np.zeros(3), np.zeros((orders + 1, 3)), np.zeros(orders + 1)
    to_x, to_y = math.sin(pose[ANGLE]), math.cos(pose[ANGLE])
    way = facing(pose, to_x, to_y)
    at = np.int64(0)
    for _ in range(count):
        since = unit(rng) * length_ps
        solid = solids[pick(rng, upto, guide)]
        volume = volume_at(since, beats) if solid[BEAT] > 0.0 else 1.0
        line = pick_line(rng, lines)
        energy, flags = lines[line, LINE_KEV], 0
        if pose[TURNING] != 0.0:
            to_x, to_y = math.sin(pose[ANGLE] + since * pose[TURNING]), math.cos(pose[ANGLE] + since * pose[TURNING])
            way = facing(pose, to_x, to_y)
        if not emits(rng, solid, volume, place, pose, to_x, to_y, since, grid, codes):
            continue
        if orders > 0:
            energies[0], flags = energy, _SCATTERED
            energy = scattered(rng, place, way, orders, ways, energies, table, angles, grid, codes)
            if energy <= 0.0:
                continue
        to_head(place, pose, to_x, to_y, since, seen)
        if not arrives(rng, place, way, energy, seen, most, grid, codes, head, table):
            continue
        got = left_there(rng, energy, head[THICKNESS], table)
        if got[0] > 0.0:
            marks[at, 2] = np.uint8(solid[ORGAN])
            at = write((origin_ps, since), seen[0], seen[1], got, energy, line, flags, (times, places, marks), at)
    return at
