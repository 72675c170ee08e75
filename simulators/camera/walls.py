"""Photons that pass the walls of parallel holes, compiled: the haze that a collimator lets through above its energy.

The collimator is taken as lead as thin as its mass, spread evenly: holes and walls are not told apart, so there are no
stars around points. A photon under the angle t to the holes passes exp(-k / cos t), k = mu * length * share of walls.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model.camera import Collimator
from daq.model.collimator import attenuation_per_mm
from daq.model.kernel import kernel, spliced
from simulators.camera.ways import (
    FACE,
    HEIGHT,
    LENGTH,
    LINE_KEV,
    TO_X,
    TO_Y,
    WIDTH,
    begin,
    deposit,
    escapes,
    passing_time,
    pick_line,
    write,
)  # fmt: skip
from simulators.pet.paths import DECAY_PER_PS, ENERGY, LENGTH_PS, X, Y, Z, unit

Floats = npt.NDArray[np.float64]

LINE_WALLS = 2
"""Place in a line: its k."""
NEGLIGIBLE = 1e-3
"""Lines of which fewer photons come straight through the walls than so much of those through the holes are left out."""
_THROUGH = 32


def wall_depths(collimator: Collimator, energies_kev: Floats) -> Floats:
    """Return k of each energy, float64 [n]: mean free paths of lead on the shortest way through all of a collimator."""
    share = 1 - (collimator.hole_mm / (collimator.hole_mm + collimator.septum_mm)) ** 2
    per_mm = [attenuation_per_mm(collimator.material, kev) for kev in energies_kev]
    return np.array(per_mm) * collimator.length_mm * share


def piercing_lines(collimator: Collimator | None, lines: Floats, holes: Floats) -> tuple[Floats, float]:
    """Return lines as `pierce` takes them, float64 [n, 3], and its candidates per decay; 0 where hardly any passes.

    `lines` [n, 2]: energies and photons per decay; `holes` [n]: their chance to pass the holes.
    """
    if collimator is None or collimator.kind != "parallel":
        return np.zeros((0, 3)), 0.0
    depths = wall_depths(collimator, lines[:, 0])
    straight = np.exp(-depths) / 2  # of all directions half look at the head, and straight on most come through
    weights = lines[:, 1] * np.where(straight / (1 + depths) > NEGLIGIBLE * holes, straight, 0.0)
    total = float(weights.sum())
    if total == 0.0:
        return np.zeros((0, 3)), 0.0
    return np.stack([lines[:, 0], np.cumsum(weights) / total, depths], axis=1), total


@spliced
def _onto(photon: Any, cosine: Any, azimuth: Any, head: Any) -> Any:
    """Return direction and place on the crystal of a photon that goes straight on under an angle to the head."""
    sine = math.sqrt(1.0 - cosine * cosine)
    along_x, along_y = sine * math.cos(azimuth), sine * math.sin(azimuth)
    depth = head[FACE] - photon[X] * head[TO_X] - photon[Y] * head[TO_Y] + head[LENGTH]
    across = photon[Y] * head[TO_X] - photon[X] * head[TO_Y]
    way = cosine * head[TO_X] - along_x * head[TO_Y], cosine * head[TO_Y] + along_x * head[TO_X], along_y
    return way, across + depth * along_x / cosine, photon[Z] + depth * along_y / cosine


@kernel(
    "int64(uint64[::1], int64, int64, float64[::1], float64[:, ::1], float64[::1], float64[::1], float64[:, ::1],"
    " int64[::1], float32[:, ::1], uint8[:, ::1])"
)
def pierce(
    rng: Any, count: Any, origin_ps: Any, source: Any, lines: Any, medium: Any, head: Any, table: Any, times: Any,
    places: Any, marks: Any,
) -> Any:  # fmt: skip
    """Follow `count` candidates of a source through the walls of a collimator; return how many rows were written.

    `lines` [n, 3]: energy, cumulative share of candidates, k. A candidate exists as often as it would straight on.
    """
    photon = np.zeros(9)
    at = np.int64(0)
    for _ in range(count):
        when = (origin_ps, passing_time(rng, source[DECAY_PER_PS], source[LENGTH_PS]))
        begin(rng, source, photon)
        line = pick_line(rng, lines)
        photon[ENERGY] = lines[line, LINE_KEV]
        cosine, azimuth = unit(rng), 2.0 * math.pi * unit(rng)
        if unit(rng) >= math.exp(-lines[line, LINE_WALLS] * (1.0 / cosine - 1.0)):
            continue
        way, x, y = _onto(photon, cosine, azimuth, head)
        if abs(x) > head[WIDTH] / 2.0 or abs(y) > head[HEIGHT] / 2.0:
            continue
        if unit(rng) >= escapes(photon, way, medium):
            continue
        got = deposit(rng, photon[ENERGY], head, table)
        if got[0] > 0.0:
            at = write(when, x, y, got, photon[ENERGY], line, _THROUGH, (times, places, marks), at)
    return at
