"""Photons of fields and of sources until they are in a crystal, compiled. See `ways` for how they are followed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from daq.model.kernel import kernel
from simulators.camera.ways import (
    DISTANCE,
    FIELD_DECAY,
    FIELD_LENGTH,
    HEIGHT,
    LINE_KEV,
    MASK_LEAK,
    WIDTH,
    begin,
    deposit,
    escapes,
    passing_time,
    pick_line,
    projected,
    scattered,
    through,
    towards,
    turn,
    write,
)  # fmt: skip
from simulators.pet.paths import DECAY_PER_PS, ENERGY, LENGTH_PS, unit

_SCATTERED = 1


@kernel(
    "int64(uint64[::1], int64, int64, float64[::1], float64[:, ::1], float64[::1], float64[:, ::1],"
    " int64[::1], float32[:, ::1], uint8[:, ::1])"
)
def illuminate(
    rng: Any, count: Any, origin_ps: Any, field: Any, lines: Any, head: Any, table: Any,
    times: Any, places: Any, marks: Any,
) -> Any:  # fmt: skip
    """Follow `count` candidates of a field, spread evenly over the crystal; return how many rows were written.

    A candidate exists with the chance that the distance of its place gives: its solid angle over that of the middle.
    """
    at = np.int64(0)
    for _ in range(count):
        when = (origin_ps, passing_time(rng, field[FIELD_DECAY], field[FIELD_LENGTH]))
        x, y = (unit(rng) - 0.5) * head[WIDTH], (unit(rng) - 0.5) * head[HEIGHT]
        line = pick_line(rng, lines)
        far = field[DISTANCE] / math.sqrt(field[DISTANCE] ** 2 + x * x + y * y)
        if unit(rng) >= far * far * far:
            continue
        if not through(x, y, field) and unit(rng) >= field[MASK_LEAK]:
            continue
        energy = lines[line, LINE_KEV]
        got = deposit(rng, energy, head, table)
        if got[0] > 0.0:
            at = write(when, x, y, got, energy, line, 0, (times, places, marks), at)
    return at


@kernel(
    "int64(uint64[::1], int64, int64, int64, float64, float64[::1], float64[:, ::1], float64[::1], float64[::1],"
    " float64[:, ::1], int64[::1], float32[:, ::1], uint8[:, ::1])"
)
def view(
    rng: Any, count: Any, orders: Any, origin_ps: Any, most: Any, source: Any, lines: Any, medium: Any, head: Any,
    table: Any, times: Any, places: Any, marks: Any,
) -> Any:  # fmt: skip
    """Follow `count` candidates of a source through a collimator; return how many rows were written.

    `orders` 0: photons that were not scattered in the medium; else those scattered 1 to `orders` times. `most`: the
    chance that a candidate stands for; one that passes with less exists as much more seldom.
    """
    photon = np.zeros(9)
    at = np.int64(0)
    for _ in range(count):
        when = (origin_ps, passing_time(rng, source[DECAY_PER_PS], source[LENGTH_PS]))
        begin(rng, source, photon)
        line = pick_line(rng, lines)
        photon[ENERGY] = lines[line, LINE_KEV]
        if orders > 0 and not scattered(rng, photon, medium, orders):
            continue
        way = towards(photon, head)
        chance = turn(photon, way) if orders > 0 else 1.0
        if chance <= 0.0:
            continue
        x, y, passes = projected(rng, photon, way, head, table)
        if passes <= 0.0 or abs(x) > head[WIDTH] / 2.0 or abs(y) > head[HEIGHT] / 2.0:
            continue
        if unit(rng) * most >= chance * passes * escapes(photon, way, medium):
            continue
        got = deposit(rng, photon[ENERGY], head, table)
        if got[0] > 0.0:
            flags = _SCATTERED if orders > 0 else 0
            at = write(when, x, y, got, photon[ENERGY], line, flags, (times, places, marks), at)
    return at
