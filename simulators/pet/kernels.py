"""The compiled loops that follow photons from decays to crystals, and what crystals see. Times are ps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from daq.model.kernel import kernel, spliced
from simulators.pet.paths import (
    AROUND,
    DECAY_PER_PS,
    DX,
    DY,
    DZ,
    ELECTRON,
    ENERGY,
    FIRST_ANGLE,
    LENGTH_PS,
    MODULE_DETECTORS,
    MODULE_RINGS,
    PATH,
    PITCH,
    POSITRON,
    RADIUS,
    RING_STEP,
    RINGS,
    SCATTERS,
    TURN,
    X,
    Y,
    Z,
    aim,
    compton_cosine,
    copy,
    deflect,
    leave,
    meet,
    start,
    unit,
)  # fmt: skip

EFFICIENCY, PHOTOFRACTION, THRESHOLD, SCATTER_FRACTION, SCATTER_FLOOR = range(5)
"""Places in `detection`."""

_LIGHT = 0.299792458
_TURNS = 64
_SCATTERED, _BACKGROUND, _GAMMA, _CONTINUUM, _TURNED = 1, 4, 8, 16, 32


@spliced
def _deposit(rng: Any, energy: Any, detection: Any) -> Any:
    """Return the energy that a photon leaves in a crystal, below zero where it passes, and whether it is the peak's."""
    if unit(rng) >= detection[EFFICIENCY]:
        return -1.0, True
    if detection[PHOTOFRACTION] >= 1.0 or unit(rng) < detection[PHOTOFRACTION]:
        return energy, True
    cosine = compton_cosine(rng, energy, -1.0)
    return energy - energy / (1.0 + energy / ELECTRON * (1.0 - cosine)), False


@spliced
def _write(
    time_ps: Any, decay: Any, place: Any, crystal: Any, ring: Any, energy: Any, number: Any, flags: Any,
    rows: Any, energies: Any, marks: Any, at: Any,
) -> Any:  # fmt: skip
    """Write a row; return where the next one goes."""
    module_detectors = np.int64(ring[MODULE_DETECTORS])
    per_turn = np.int64(ring[AROUND]) // module_detectors
    rows[at, 0], rows[at, 1] = time_ps, decay
    rows[at, 2] = place * np.int64(ring[RING_STEP]) + crystal
    rows[at, 3] = place // np.int64(ring[MODULE_RINGS]) * per_turn + crystal // module_detectors
    energies[at], marks[at, 0], marks[at, 1] = energy, number, flags
    return at + 1


@spliced
def _record(
    rng: Any, photon: Any, met: Any, when: Any, decay: Any, number: Any, flags: Any, ring: Any, detection: Any,
    rows: Any, energies: Any, marks: Any, at: Any,
) -> Any:  # fmt: skip
    """Write the row of a photon that met a crystal, if it is detected; return where the next row goes.

    `met`: ring, crystal, distance. `when`: ps as a whole number, and how much later the decay was.
    """
    place, crystal, length = met
    if place < 0:
        return at
    energy, peak = _deposit(rng, photon[ENERGY], detection)
    if energy < detection[THRESHOLD] or energy < 0.0:
        return at
    flags |= (_SCATTERED if photon[SCATTERS] > 0.0 else 0) | (0 if peak else _CONTINUUM)
    time_ps = when[0] + np.int64(math.floor(when[1] + (photon[PATH] + length) / _LIGHT + 0.5))
    return _write(time_ps, decay, place, crystal, ring, energy, number, flags, rows, energies, marks, at)


@spliced
def _turn(rng: Any, photon: Any, met: Any, saved: Any, ring: Any, real: Any, lowest: Any) -> Any:
    """Turn a photon by Compton scattering until it meets a crystal; return where, and the flag of the turned.

    After many attempts, e.g. from a place where no crystal lies within the angle, it stays as it was.
    """
    copy(photon, saved)
    for _ in range(_TURNS):
        deflect(rng, photon, compton_cosine(rng, photon[ENERGY], lowest))
        other = meet(photon, ring, real)
        if other[0] >= 0:
            photon[SCATTERS] += 1.0
            return other, _TURNED
        copy(saved, photon)
    return met, 0


@spliced
def _led(rng: Any, photon: Any, ring: Any, real: Any, medium: Any) -> Any:
    """Lead a photon through the medium to the ring; return where it meets it."""
    if not leave(rng, photon, medium):
        return np.int64(-1), np.int64(0), 0.0
    return meet(photon, ring, real)


@spliced
def _annihilate(
    rng: Any, one: Any, two: Any, saved: Any, when: Any, decay: Any, ring: Any, real: Any, medium: Any, detection: Any,
    rows: Any, energies: Any, marks: Any, at: Any,
) -> Any:  # fmt: skip
    """Follow the two photons of a positron from where `one` is; return where the next row goes."""
    copy(one, two)
    aim(rng, one)
    two[DX], two[DY], two[DZ] = -one[DX], -one[DY], -one[DZ]
    one[ENERGY] = two[ENERGY] = ELECTRON
    met_1, met_2 = _led(rng, one, ring, real, medium), _led(rng, two, ring, real, medium)
    flags_1, flags_2 = 0, 0
    straight = met_1[0] >= 0 and met_2[0] >= 0 and one[SCATTERS] + two[SCATTERS] == 0.0
    if straight and unit(rng) < detection[SCATTER_FRACTION]:
        lowest = 1.0 - ELECTRON / detection[SCATTER_FLOOR] + 1.0
        if unit(rng) < 0.5:  # noqa: PLR2004
            met_1, flags_1 = _turn(rng, one, met_1, saved, ring, real, lowest)
        else:
            met_2, flags_2 = _turn(rng, two, met_2, saved, ring, real, lowest)
    at = _record(rng, one, met_1, when, decay, 0, flags_1, ring, detection, rows, energies, marks, at)
    return _record(rng, two, met_2, when, decay, 1, flags_2, ring, detection, rows, energies, marks, at)


@kernel(
    "int64(uint64[::1], int64, int64, float64[::1], float64[:, ::1], float64[::1], uint8[::1], float64[::1],"
    " float64[::1], int64, int64[:, ::1], float32[::1], uint8[:, ::1])"
)
def follow(
    rng: Any, count: Any, origin_ps: Any, source: Any, gammas: Any, ring: Any, real: Any, medium: Any, detection: Any,
    first_decay: Any, rows: Any, energies: Any, marks: Any,
) -> Any:  # fmt: skip
    """Follow the photons of `count` decays of a source during LENGTH_PS from `origin_ps`; return how many rows.

    `gammas` [n, 2]: energy and chance. `rows` int64 [m, 4]: time of arrival, decay, detector, module; `energies` what
    each leaves; `marks` uint8 [m, 2]: number of the photon in its decay (0 and 1: annihilation), flags. m must be at
    least count * (2 + n).
    """
    photon, one, two, saved = np.zeros(9), np.zeros(9), np.zeros(9), np.zeros(9)
    passing = source[DECAY_PER_PS] * source[LENGTH_PS]
    at = np.int64(0)
    for index in range(count):
        later = unit(rng)
        if passing > 1e-9:  # noqa: PLR2004 - below, activity is constant to 1e-9
            later = -math.log1p(later * math.expm1(-passing)) / passing
        when = (origin_ps, later * source[LENGTH_PS])
        start(rng, source, photon)
        if unit(rng) < source[POSITRON]:
            copy(photon, one)
            at = _annihilate(
                rng, one, two, saved, when, first_decay + index, ring, real, medium, detection,
                rows, energies, marks, at,
            )  # fmt: skip
        copy(photon, saved)
        for line in range(gammas.shape[0]):
            if unit(rng) < gammas[line, 1]:
                copy(saved, photon)
                photon[ENERGY] = gammas[line, 0]
                aim(rng, photon)
                met = _led(rng, photon, ring, real, medium)
                at = _record(
                    rng, photon, met, when, first_decay + index, 2 + line, _GAMMA, ring, detection,
                    rows, energies, marks, at,
                )  # fmt: skip
    return at


@kernel(
    "int64(uint64[::1], int64, int64, float64, float64[:, ::1], float64[::1], int64[::1], float64[::1], uint8[::1],"
    " float64[::1], float64[::1], int64, int64[:, ::1], float32[::1], uint8[:, ::1])"
)
def follow_crystals(
    rng: Any, count: Any, origin_ps: Any, length_ps: Any, gammas: Any, beta: Any, detectors: Any, ring: Any, real: Any,
    medium: Any, detection: Any, first_decay: Any, rows: Any, energies: Any, marks: Any,
) -> Any:  # fmt: skip
    """Follow `count` decays in the crystals `detectors`, all alike likely; return how many rows, as `follow` does.

    `gammas` [n, 3]: energy, chance, chance to leave its crystal. `beta` [k]: energies of electrons at equal steps of
    their cumulative distribution. Photon 0 is the crystal itself, which always sees its electron.
    """
    photon = np.zeros(9)
    at = np.int64(0)
    for index in range(count):
        when = (origin_ps, unit(rng) * length_ps)
        decay = first_decay + index
        number = detectors[min(np.int64(unit(rng) * detectors.size), detectors.size - 1)]
        place, crystal = number // np.int64(ring[RING_STEP]), number % np.int64(ring[RING_STEP])
        angle = ring[FIRST_ANGLE] + ring[TURN] * crystal
        step = unit(rng) * (beta.size - 1)
        low = np.int64(step)
        inside = beta[low] + (step - low) * (beta[low + 1] - beta[low])
        for line in range(gammas.shape[0]):
            if unit(rng) >= gammas[line, 1]:
                continue
            if unit(rng) >= gammas[line, 2]:
                inside += gammas[line, 0]
                continue
            photon[X], photon[Y] = ring[RADIUS] * math.cos(angle), ring[RADIUS] * math.sin(angle)
            photon[Z] = (place - (ring[RINGS] - 1.0) / 2.0) * ring[PITCH]
            photon[PATH], photon[SCATTERS], photon[ENERGY] = 0.0, 0.0, gammas[line, 0]
            aim(rng, photon)
            if photon[DX] * photon[X] + photon[DY] * photon[Y] < 0.0:
                met = _led(rng, photon, ring, real, medium)
                flags = _GAMMA | _BACKGROUND
                at = _record(rng, photon, met, when, decay, 1 + line, flags, ring, detection, rows, energies, marks, at)
        if inside >= detection[THRESHOLD]:
            time_ps = origin_ps + np.int64(math.floor(when[1] + 0.5))
            at = _write(time_ps, decay, place, crystal, ring, inside, 0, _BACKGROUND, rows, energies, marks, at)
    return at
