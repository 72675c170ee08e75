"""The loop that makes positions and energies of the light of gamma-camera heads.

All is worked out in float32 in an order that is written down, no sum being left to the compiler: so the same codes
give the same positions on every machine. Sums over the channels are made in 16 lanes, three at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, int64, types, uint8, uint16, uint64, void

from daq.model.camera import MOST_CHANNELS
from daq.model.kernel import kernel, spliced
from daq.pipeline.headtables import (
    AT_GAIN,
    AT_INVERSE,
    AT_NORMAL,
    AT_SEEN,
    AT_X,
    AT_Y,
    COLUMNS,
    ESTIMATOR,
    EVENTS,
    FIRST,
    LIKELIEST,
    PER_MM,
    PILED_UP,
    REACH_X,
    REACH_Y,
    ROWS,
    SATURATED,
    STEP,
    THRESHOLD,
    UNEXPLAINED,
    UNPLACED,
    WEIGHTED,
    WIDEST,
    X0,
    Y0,
)

LANES = 16
MOST_STEPS = 4
"""Steps towards the likeliest place: one or two are the rule."""
NEAR = float32(0.75)
"""Of the distance of points: a place so near to the one of a step is found."""
NAN = float32(np.nan)


@spliced
def lit(codes: Any, row: Any, channels: Any, limits: Any, head: Any, light: Any, parts: Any) -> Any:
    """Fill `light` with keV, `parts` with its sum and moments; return how many channels, in a way, are saturated."""
    beyond = uint16(0)
    for lane in range(LANES):
        a, b, c, d = uint64(lane), uint64(lane + 16), uint64(lane + 32), uint64(lane + 48)
        code_a, code_b, code_c, code_d = codes[row, a], codes[row, b], codes[row, c], codes[row, d]
        of_a = (float32(code_a) - channels[head, a]) * channels[head, a + AT_GAIN]
        of_b = (float32(code_b) - channels[head, b]) * channels[head, b + AT_GAIN]
        of_c = (float32(code_c) - channels[head, c]) * channels[head, c + AT_GAIN]
        of_d = (float32(code_d) - channels[head, d]) * channels[head, d + AT_GAIN]
        light[a], light[b], light[c], light[d] = of_a, of_b, of_c, of_d
        parts[a] = (of_a + of_b) + (of_c + of_d)
        parts[a + uint64(16)] = (of_a * channels[head, a + AT_X] + of_b * channels[head, b + AT_X]) + (
            of_c * channels[head, c + AT_X] + of_d * channels[head, d + AT_X]
        )
        parts[a + uint64(32)] = (of_a * channels[head, a + AT_Y] + of_b * channels[head, b + AT_Y]) + (
            of_c * channels[head, c + AT_Y] + of_d * channels[head, d + AT_Y]
        )
        beyond |= uint16(code_a > limits[head, a]) | uint16(code_b > limits[head, b])
        beyond |= uint16(code_c > limits[head, c]) | uint16(code_d > limits[head, d])
    fold(parts)
    return beyond


@spliced
def combined(light: Any, weights: Any, row: Any, first: Any, parts: Any) -> None:
    """Fill `parts` with the sums of light times three times 64 weights that follow each other."""
    for lane in range(LANES):
        a, b, c, d = uint64(lane), uint64(lane + 16), uint64(lane + 32), uint64(lane + 48)
        for which in range(3):
            at = first + uint64(64 * which)
            parts[a + uint64(16 * which)] = (light[a] * weights[row, at + a] + light[b] * weights[row, at + b]) + (
                light[c] * weights[row, at + c] + light[d] * weights[row, at + d]
            )
    fold(parts)


@spliced
def fold(parts: Any) -> None:
    """Add the second half of the lanes to the first, of all three sums."""
    for lane in range(LANES // 2):
        a = uint64(lane)
        parts[a] += parts[a + uint64(8)]
        parts[a + uint64(16)] += parts[a + uint64(24)]
        parts[a + uint64(32)] += parts[a + uint64(40)]


@spliced
def folded(parts: Any, which: int) -> Any:
    """Return sum number `which` of its eight lanes left."""
    at = uint64(16 * which)
    return (
        (parts[at] + parts[at + uint64(4)]) + (parts[at + uint64(2)] + parts[at + uint64(6)])
    ) + (
        (parts[at + uint64(1)] + parts[at + uint64(5)]) + (parts[at + uint64(3)] + parts[at + uint64(7)])
    )  # fmt: skip


@spliced
def above(value: Any, beyond: Any) -> Any:
    """Return how much a value is above another, 0 where it is not."""
    more = value - beyond
    return more if more > float32(0) else float32(0)


@spliced
def sharpened(light: Any, beyond: Any, channels: Any, head: Any, parts: Any) -> None:
    """Fill `parts` with the sum and the moments of what each channel has more than `beyond`."""
    for lane in range(LANES):
        a, b, c, d = uint64(lane), uint64(lane + 16), uint64(lane + 32), uint64(lane + 48)
        of_a = above(light[a], beyond)
        of_b = above(light[b], beyond)
        of_c = above(light[c], beyond)
        of_d = above(light[d], beyond)
        parts[a] = (of_a + of_b) + (of_c + of_d)
        parts[a + uint64(16)] = (of_a * channels[head, a + AT_X] + of_b * channels[head, b + AT_X]) + (
            of_c * channels[head, c + AT_X] + of_d * channels[head, d + AT_X]
        )
        parts[a + uint64(32)] = (of_a * channels[head, a + AT_Y] + of_b * channels[head, b + AT_Y]) + (
            of_c * channels[head, c + AT_Y] + of_d * channels[head, d + AT_Y]
        )
    fold(parts)


@spliced
def nearest(place: Any, begin: Any, per_mm: Any, count: Any) -> Any:
    """Return the number of the point nearest to a place, of `count` points from `begin` on."""
    at = (place - begin) * per_mm + float32(0.5)
    at = at if at > float32(0) else float32(0)  # what is no number becomes 0, too
    return int64(min(at, float32(count - 1)))


@spliced
def squares(light: Any, points: Any, point: Any, parts: Any) -> Any:
    """Return the sum of light squared over what its variance goes with."""
    for lane in range(LANES):
        a, b, c, d = uint64(lane), uint64(lane + 16), uint64(lane + 32), uint64(lane + 48)
        parts[a] = (
            light[a] * light[a] * points[point, a + AT_INVERSE] + light[b] * light[b] * points[point, b + AT_INVERSE]
        ) + (light[c] * light[c] * points[point, c + AT_INVERSE] + light[d] * light[d] * points[point, d + AT_INVERSE])
    fold(parts)
    return folded(parts, 0)


@spliced
def explained(points: Any, point: Any, share: Any, along_x: Any, along_y: Any) -> Any:
    """Return how much of that the fit explains."""
    own = points[point, AT_NORMAL] * share * share
    own += points[point, AT_NORMAL + 1] * along_x * along_x
    own += points[point, AT_NORMAL + 2] * along_y * along_y
    both = points[point, AT_NORMAL + 3] * share * along_x
    both += points[point, AT_NORMAL + 4] * share * along_y
    both += points[point, AT_NORMAL + 5] * along_x * along_y
    return own + float32(2) * both


@spliced
def likeliest(
    light: Any, sum_kev: Any, head: Any, plan: Any, rule: Any, points: Any, x: Any, y: Any, parts: Any
) -> Any:
    """Return place, energy and what of the light is unexplained, from a place to begin with and the sum of light.

    Each step fits the light by the response at the nearest point and its slopes: a table of weights there. An energy
    of 0 or below has no place. Energy is what all sensors would see of the flash in the middle.
    """
    point, share, along_x, along_y, seen = uint64(0), float32(0), float32(0), float32(0), float32(0)
    step, widest = rule[head, STEP], rule[head, WIDEST]
    for _ in range(MOST_STEPS):
        column = nearest(x, rule[head, X0], rule[head, PER_MM], plan[head, COLUMNS])
        row = nearest(y, rule[head, Y0], rule[head, PER_MM], plan[head, ROWS])
        point = uint64(plan[head, FIRST] + row * plan[head, COLUMNS] + column)
        combined(light, points, point, uint64(0), parts)
        share, along_x, along_y = folded(parts, 0), folded(parts, 1), folded(parts, 2)
        if not share > float32(0):
            seen = float32(0)
            break
        per_light = float32(1) / share
        dx, dy = along_x * per_light, along_y * per_light
        x = rule[head, X0] + float32(column) * step + min(max(dx, -widest), widest)
        y = rule[head, Y0] + float32(row) * step + min(max(dy, -widest), widest)
        seen = points[point, AT_SEEN] + points[point, AT_SEEN + 1] * dx + points[point, AT_SEEN + 2] * dy
        if max(abs(dx), abs(dy)) <= NEAR * step:
            break
    left = float32(0)
    if rule[head, UNEXPLAINED] > float32(0) and share > float32(0):
        left = squares(light, points, point, parts) - explained(points, point, share, along_x, along_y)
        left /= share
    return x, y, sum_kev / seen if seen > float32(0) else float32(0), left


@spliced
def estimated(
    light: Any, parts: Any, head: Any, channels: Any, plan: Any, rule: Any, points: Any
) -> Any:  # fmt: skip
    """Return place, energy and what is unexplained by the estimator of a head, of light whose sum is above zero."""
    energy, left = folded(parts, 0), float32(0)
    per_light = float32(1) / energy
    x, y = folded(parts, 1) * per_light, folded(parts, 2) * per_light
    if plan[head, ESTIMATOR] >= WEIGHTED:
        sharpened(light, energy * rule[head, THRESHOLD], channels, head, parts)
        weight = folded(parts, 0)
        if weight > float32(0):
            per_light = float32(1) / weight
            x, y = folded(parts, 1) * per_light, folded(parts, 2) * per_light
        if plan[head, ESTIMATOR] == LIKELIEST:
            x, y, energy, left = likeliest(light, energy, head, plan, rule, points, x, y, parts)
    return x, y, energy, left


_array: Any = types.Array


@kernel(
    void(
        _array(uint8, 1, "C", readonly=True), uint8[::1], _array(uint16, 2, "C", readonly=True), float32[:, ::1],
        uint16[:, ::1], int64[:, ::1], float32[:, ::1], float32[:, ::1], float32[::1], float32[::1], float32[::1],
        int64[:, ::1],
    )
)  # fmt: skip
def place(
    heads: Any, index: Any, codes: Any, channels: Any, limits: Any, plan: Any, rule: Any, points: Any, x_mm: Any,
    y_mm: Any, kev: Any, counts: Any,
) -> None:  # fmt: skip
    """Fill positions and energies by the estimator of each head; NaN and a count by cause where there is none.

    All events are counted by head.
    """
    light, parts = np.zeros(MOST_CHANNELS, np.float32), np.zeros(3 * LANES, np.float32)
    known = uint64(plan.shape[0])
    for row in range(len(heads)):
        one = uint64(row)
        head = uint64(index[uint64(heads[one])])
        x_mm[one], y_mm[one], kev[one] = NAN, NAN, NAN
        counts[head, EVENTS] += 1
        cause = UNPLACED
        if head < known and plan[head, ESTIMATOR] >= 0:
            if lit(codes, one, channels, limits, head, light, parts) != 0:
                cause = SATURATED
            elif folded(parts, 0) > float32(0):
                x, y, energy, left = estimated(light, parts, head, channels, plan, rule, points)
                if left > rule[head, UNEXPLAINED]:  # 0 and 0 where nothing is judged
                    cause = PILED_UP
                elif energy > float32(0) and abs(x) <= rule[head, REACH_X] and abs(y) <= rule[head, REACH_Y]:
                    x_mm[one], y_mm[one], kev[one] = x, y, energy
                    continue
        counts[head, cause] += 1
