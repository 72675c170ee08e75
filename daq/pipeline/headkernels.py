"""The loops over events of gamma-camera heads: light to position and energy, and the maps that correct both.

All is worked out in float32 in an order that is written down, no sum being left to the compiler: so the same codes
give the same positions on every machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, int64, types, uint8, uint16, uint64

from daq.model.camera import MOST_CHANNELS
from daq.model.kernel import kernel, spliced
from daq.pipeline.headtables import ENERGY, LANES, SHIFT_X, SHIFT_Y

EVENTS, SATURATED, PILED_UP, UNPLACED = range(4)
"""Counters of a head: events, and those without a position by cause."""
CAUSES = ("events", "saturated", "piled_up", "unplaced")
NAN = float32(np.nan)


@spliced
def looked_up(values: Any, where: Any, frame: Any, x: Any, y: Any) -> Any:
    """Return the value of a map at a place, bilinear; outside, the nearest edge."""
    rows, columns = where[1], where[2]
    right = (x - frame[0]) * frame[2]
    up = (y - frame[1]) * frame[2]
    right = right if right > float32(0) else float32(0)  # what is no number becomes 0, too
    up = up if up > float32(0) else float32(0)
    right, up = min(right, float32(columns - 1)), min(up, float32(rows - 1))
    column, row = int64(right), int64(up)
    of_next, of_above = right - float32(column), up - float32(row)
    at = where[0] + row * (columns + 1) + column
    above = at + columns + 1
    low = values[uint64(at)] + (values[uint64(at + 1)] - values[uint64(at)]) * of_next
    high = values[uint64(above)] + (values[uint64(above + 1)] - values[uint64(above)]) * of_next
    return low + (high - low) * of_above


_array: Any = types.Array
_READ = {kind: _array(kind, 1, "C", readonly=True) for kind in (uint8, float32)}


@kernel(
    types.void(
        _READ[uint8], uint8[::1], _READ[float32], _READ[float32], _READ[float32], float32[::1], int64[:, :, ::1],
        float32[:, :, ::1], float32[::1], float32[::1], float32[::1], int64[:, ::1],
    )
)  # fmt: skip
def correct(
    heads: Any, index: Any, x: Any, y: Any, energy: Any, values: Any, where: Any, frame: Any, x_mm: Any, y_mm: Any,
    kev: Any, counts: Any,
) -> None:  # fmt: skip
    """Fill corrected positions and energies, which may lie where the raw ones do; count events by head."""
    for row in range(len(heads)):
        one = uint64(row)
        head = uint64(index[uint64(heads[one])])
        raw_x, raw_y, raw_kev = x[one], y[one], energy[one]
        counts[head, EVENTS] += 1
        if head < len(where):
            maps, frames = where[head], frame[head]
            if maps[ENERGY, 1]:
                raw_kev /= looked_up(values, maps[ENERGY], frames[ENERGY], raw_x, raw_y)
            shift_x = shift_y = float32(0)
            if maps[SHIFT_X, 1]:
                shift_x = looked_up(values, maps[SHIFT_X], frames[SHIFT_X], raw_x, raw_y)
            if maps[SHIFT_Y, 1]:
                shift_y = looked_up(values, maps[SHIFT_Y], frames[SHIFT_Y], raw_x, raw_y)
            raw_x, raw_y = raw_x + shift_x, raw_y + shift_y
        x_mm[one], y_mm[one], kev[one] = raw_x, raw_y, raw_kev


@spliced
def summed(parts: Any) -> Any:
    """Return the sum of partial sums [LANES], half by half."""
    half = LANES // 2
    while half:
        for lane in range(half):
            parts[uint64(lane)] += parts[uint64(lane + half)]
        half //= 2
    return parts[0]


@spliced
def dot(light: Any, weights: Any, parts: Any) -> Any:
    """Return the sum of light times weight over the channels, both float32 [MOST_CHANNELS]."""
    for lane in range(LANES):
        a, b, c, d = uint64(lane), uint64(lane + 16), uint64(lane + 32), uint64(lane + 48)
        parts[a] = (light[a] * weights[a] + light[b] * weights[b]) + (light[c] * weights[c] + light[d] * weights[d])
    return summed(parts)


@spliced
def total(light: Any, parts: Any) -> Any:
    """Return the sum of light over the channels."""
    for lane in range(LANES):
        a, b, c, d = uint64(lane), uint64(lane + 16), uint64(lane + 32), uint64(lane + 48)
        parts[a] = (light[a] + light[b]) + (light[c] + light[d])
    return summed(parts)


@spliced
def lit(codes: Any, pedestals: Any, gains: Any, limits: Any, light: Any) -> Any:
    """Fill `light` with that of each channel in keV; return True where a channel is saturated."""
    beyond = uint16(0)
    for channel in range(min(len(codes), MOST_CHANNELS)):
        one = uint64(channel)
        light[one] = (float32(codes[one]) - pedestals[one]) * gains[one]
        beyond |= uint16(codes[one] > limits[one])
    return beyond != 0


@kernel(
    types.void(
        _READ[uint8], uint8[::1], _array(uint16, 2, "C", readonly=True),
        float32[:, ::1], float32[:, ::1], float32[:, :, ::1], uint16[:, ::1], float32[:, ::1], float32[::1],
        float32[::1], float32[::1], int64[:, ::1],
    )
)  # fmt: skip
def place(
    heads: Any, index: Any, amplitudes: Any, pedestals: Any, gains: Any, places: Any, limits: Any, extents: Any,
    x_mm: Any, y_mm: Any, kev: Any, counts: Any,
) -> None:  # fmt: skip
    """Fill positions by the centroid of light, energies by its sum; NaN and a count by cause where there is none."""
    light, parts = np.zeros(MOST_CHANNELS, np.float32), np.zeros(LANES, np.float32)
    for row in range(len(heads)):
        one = uint64(row)
        head = uint64(index[uint64(heads[one])])
        x_mm[one] = y_mm[one] = kev[one] = NAN
        if head >= len(gains):
            counts[head, UNPLACED] += 1
            continue
        if lit(amplitudes[one], pedestals[head], gains[head], limits[head], light):
            counts[head, SATURATED] += 1
            continue
        sum_kev = total(light, parts)
        if not sum_kev > float32(0):
            counts[head, UNPLACED] += 1
            continue
        x = dot(light, places[head, 0], parts) / sum_kev
        y = dot(light, places[head, 1], parts) / sum_kev
        if not (abs(x) <= extents[head, 0] and abs(y) <= extents[head, 1]):
            counts[head, UNPLACED] += 1
            continue
        x_mm[one], y_mm[one], kev[one] = x, y, sum_kev
