"""The loop that corrects positions and energies of gamma-camera heads by maps, bilinear between their points."""

from __future__ import annotations

from typing import Any

from numba import float32, int64, types, uint8, uint64

from daq.model.kernel import kernel, spliced
from daq.pipeline.headspread import mixed, share
from daq.pipeline.headtables import ENERGY, EVENTS, SHIFT_X, SHIFT_Y

_array: Any = types.Array
_READ = {kind: _array(kind, 1, "C", readonly=True) for kind in (uint8, int64, float32)}


@spliced
def looked_up(values: Any, where: Any, frame: Any, head: Any, kind: int, x: Any, y: Any) -> Any:
    """Return the value of a map at a place; outside, that of the nearest edge. A map has at least one point."""
    rows, columns = where[head, kind, 1], where[head, kind, 2]
    right = (x - frame[head, kind, 0]) * frame[head, kind, 2]
    up = (y - frame[head, kind, 1]) * frame[head, kind, 2]
    right = right if right > float32(0) else float32(0)  # what is no number becomes 0, too
    up = up if up > float32(0) else float32(0)
    right, up = min(right, float32(columns - 1)), min(up, float32(rows - 1))
    column, row = int64(right), int64(up)
    of_next, of_above = right - float32(column), up - float32(row)
    at = uint64(where[head, kind, 0] + row * (columns + 1) + column)
    above = at + uint64(columns + 1)
    low = values[at] + (values[at + uint64(1)] - values[at]) * of_next
    high = values[above] + (values[above + uint64(1)] - values[above]) * of_next
    return low + (high - low) * of_above


@kernel(
    types.void(
        _READ[uint8], uint8[::1], _READ[int64], _READ[float32], _READ[float32], _READ[float32], float32[:, ::1],
        float32[::1], int64[:, :, ::1], float32[:, :, ::1], float32[::1], float32[::1], float32[::1], int64[:, ::1],
    )
)  # fmt: skip
def correct(
    heads: Any, index: Any, times: Any, x: Any, y: Any, energy: Any, steps: Any, values: Any, where: Any, frame: Any,
    x_mm: Any, y_mm: Any, kev: Any, counts: Any,
) -> None:  # fmt: skip
    """Fill corrected positions and energies, which may lie where the raw ones do; count events by head.

    What comes in `steps` [heads, 3] is spread over them before it is corrected.
    """
    known = uint64(where.shape[0])
    for row in range(len(heads)):
        one = uint64(row)
        head = uint64(index[uint64(heads[one])])
        raw_x, raw_y, raw_kev = x[one], y[one], energy[one]
        counts[head, EVENTS] += 1
        shift_x = shift_y = float32(0)
        if head < known:
            if steps[head, 0] or steps[head, 1] or steps[head, 2]:
                bits = mixed(times[one], raw_x, raw_y, raw_kev)
                raw_x += share(bits, 0) * steps[head, 0]
                raw_y += share(bits, 1) * steps[head, 1]
                raw_kev += share(bits, 2) * steps[head, 2]
            if where[head, ENERGY, 1]:
                raw_kev /= looked_up(values, where, frame, head, ENERGY, raw_x, raw_y)
            if where[head, SHIFT_X, 1]:
                shift_x = looked_up(values, where, frame, head, SHIFT_X, raw_x, raw_y)
            if where[head, SHIFT_Y, 1]:
                shift_y = looked_up(values, where, frame, head, SHIFT_Y, raw_x, raw_y)
        x_mm[one], y_mm[one], kev[one] = raw_x + shift_x, raw_y + shift_y, raw_kev
