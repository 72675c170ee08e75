"""One look at every coincidence or single, compiled: the sums that everything else is worked out of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import boolean, float32, float64, int32, int64, types, uint8, uint32, void

from daq.model.kernel import inlined, kernel

LIGHT_MM_PER_PS = 0.299792458


def _read(kind: Any) -> Any:
    """Return the type of an array that is read only, as those of a memory map are."""
    return types.Array(kind, 1, "C", readonly=True)


_U32, _U8, _I32, _F32, _F64 = (_read(kind) for kind in (uint32, uint8, int32, float32, float64))
_SUMS = int64[:, ::1]


@inlined
def is_pair(a: Any, b: Any, kind: Any, block: Any) -> Any:
    """Return True for a prompt or delayed of two crystals of the ring."""
    size = block.size
    return a < size and b < size and kind <= 1 and block[a] >= 0 and block[b] >= 0


@kernel(int64(_U32, _U32, _U8, _I32, _I32, _I32, _F64, _F64, _SUMS, int64[:, :, ::1], _SUMS, _SUMS, float64[::1]))
def count_pairs(
    first: Any, second: Any, kinds: Any, block: Any, plane: Any, around: Any, x_mm: Any, y_mm: Any, crystals: Any,
    blocks: Any, apart_planes: Any, apart_around: Any, centre: Any,
) -> Any:  # fmt: skip
    """Add pairs to the sums and return how many have a detector that is none.

    By kind (0 prompt, 1 delayed): `crystals` [2, size], `blocks` [2, B, B] (upper half), pairs by planes apart
    [2, R] and by places apart around the ring [2, C // 2 + 1]. `centre` [5]: prompts +1, delayeds -1 times nx nx,
    nx ny, ny ny, s nx and s ny, with n the normal of a line of response across the axis and s its distance from it.
    """
    strangers = 0
    turn = x_mm.size
    for row in range(first.size):
        a, b, kind = np.int64(first[row]), np.int64(second[row]), kinds[row]
        if not is_pair(a, b, kind, block):
            strangers += 1
            continue
        crystals[kind, a] += 1
        crystals[kind, b] += 1
        blocks[kind, min(block[a], block[b]), max(block[a], block[b])] += 1
        apart_planes[kind, abs(plane[a] - plane[b])] += 1
        apart = abs(around[a] - around[b])
        apart_around[kind, min(apart, turn - apart)] += 1
        dx, dy = x_mm[around[b]] - x_mm[around[a]], y_mm[around[b]] - y_mm[around[a]]
        length = math.hypot(dx, dy)
        if length > 0.0:
            nx, ny = -dy / length, dx / length
            s = x_mm[around[a]] * nx + y_mm[around[a]] * ny
            weight = 1.0 - 2.0 * kind
            centre[0] += weight * nx * nx
            centre[1] += weight * nx * ny
            centre[2] += weight * ny * ny
            centre[3] += weight * s * nx
            centre[4] += weight * s * ny
    return strangers


@kernel(int64(_U32, _U32, _U8, *(_I32,) * 4, _F64, _F64, *(float64,) * 3, int32[:, ::1], _SUMS, int64[::1]))
def count_times(
    first: Any, second: Any, kinds: Any, tof_ps: Any, block: Any, plane: Any, around: Any, x_mm: Any, y_mm: Any,
    pitch_mm: Any, radius_mm: Any, reach_ps: Any, times: Any, delayeds: Any, flights: Any,
) -> Any:  # fmt: skip
    """Add differences of time, later block less earlier, and return how many are beyond `reach_ps`.

    `times` [pairs of blocks, bins] over +-`reach_ps`: prompts less delayeds; `delayeds` [B, B] counts those inside.
    `flights` [bins]: prompts less delayeds by half the difference that flight in a cylinder of `radius_mm` can make,
    in bins of 1 / 64 of that of a diameter; steeper lines have longer ways in it.
    """
    beyond = 0
    blocks, bins = delayeds.shape[0], times.shape[1]
    longest_ps = max(2.0 * radius_mm / LIGHT_MM_PER_PS, 1e-9)
    for row in range(first.size):
        a, b, kind = np.int64(first[row]), np.int64(second[row]), kinds[row]
        if not is_pair(a, b, kind, block) or block[a] == block[b]:
            continue
        low, high = np.int64(min(block[a], block[b])), np.int64(max(block[a], block[b]))
        tof = float(tof_ps[row]) if low == block[a] else -float(tof_ps[row])
        at = np.int64(math.floor((tof / reach_ps + 1.0) * bins / 2.0))
        if at < 0 or at >= bins:
            beyond += 1
            continue
        weight = 1 - 2 * np.int64(kind)
        times[low * (2 * blocks - low - 1) // 2 + high - low - 1, at] += weight
        delayeds[low, high] += kind
        dx, dy = x_mm[around[b]] - x_mm[around[a]], y_mm[around[b]] - y_mm[around[a]]
        across = math.hypot(dx, dy)
        s = (x_mm[around[a]] * dy - y_mm[around[a]] * dx) / max(across, 1e-9)
        inside = radius_mm * radius_mm - s * s
        if inside > 0.0 and across > 0.0:
            steep = math.hypot(across, (plane[a] - plane[b]) * pitch_mm) / across
            half_ps = 2.0 * math.sqrt(inside) / LIGHT_MM_PER_PS * steep
            flights[min(np.int64(half_ps / longest_ps * 64.0), flights.size - 1)] += weight
    return beyond


@kernel(void(int32[:, ::1], float64, float64, _F64, float64, float64[:, ::1]))
def window_moments(times: Any, first_ps: Any, bin_ps: Any, expected_ps: Any, within_ps: Any, moments: Any) -> Any:
    """Set `moments` [pairs, 4] of what is left of `expected_ps`, within +-`within_ps`.

    Counts, sum, sum of squares, and the sum of squares of the middles of the bins themselves.
    """
    for row in range(times.shape[0]):
        moments[row] = 0.0
        start = np.int64(max(math.ceil((expected_ps[row] - within_ps - first_ps) / bin_ps), 0))
        stop = np.int64(min(math.floor((expected_ps[row] + within_ps - first_ps) / bin_ps) + 1, times.shape[1]))
        for at in range(int(start), int(stop)):
            left = first_ps + at * bin_ps - expected_ps[row]
            moments[row, 0] += times[row, at]
            moments[row, 1] += times[row, at] * left
            moments[row, 2] += times[row, at] * left * left
            moments[row, 3] += left * left


@kernel(int64(_U32, _F32, _I32, float64, _SUMS))
def count_energies(detectors: Any, energies: Any, group: Any, bin_width: Any, spectra: Any) -> Any:
    """Add energies to the spectra [groups, bins] of the group of their detector; return how many have none.

    Bin k is about k * `bin_width`. What is below 0 or beyond the last bin is in none, and is not counted as such.
    """
    strangers = 0
    for row in range(detectors.size):
        detector = np.int64(detectors[row])
        if detector >= group.size or group[detector] < 0:
            strangers += 1
            continue
        energy = energies[row] / bin_width + 0.5
        if 0.0 <= energy < spectra.shape[1]:
            spectra[group[detector], np.int64(energy)] += 1
    return strangers


@kernel(void(_U32, _U32, _F32, _F64, float64, float64[::1], float64[::1], float64[::1]))
def normal_times(
    first: Any, second: Any, difference_ps: Any, offset_ps: Any, within_ps: Any, times: Any, counts: Any, squares: Any
) -> Any:
    """Add, for each detector, what the differences left by `offset_ps` say of it, of those within +-`within_ps`.

    `times` is the negative gradient of half the sum of squares; `squares` [2]: that sum and how many were within.
    """
    for row in range(first.size):
        a, b = first[row], second[row]
        left = difference_ps[row] - (offset_ps[b] - offset_ps[a])
        if abs(left) <= within_ps:
            times[b] += left
            times[a] -= left
            counts[a] += 1.0
            counts[b] += 1.0
            squares[0] += left * left
            squares[1] += 1.0


@kernel(void(_U32, _U32, boolean[::1], _F64, float64[::1]))
def curvature(first: Any, second: Any, used: Any, direction: Any, product: Any) -> Any:
    """Add to `product` the curvature of half the sum of squares along `direction`: the graph's Laplacian times it."""
    for row in range(first.size):
        if used[row]:
            a, b = first[row], second[row]
            step = direction[b] - direction[a]
            product[b] += step
            product[a] -= step
