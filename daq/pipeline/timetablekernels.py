"""The compiled loop of framing: events into the pictures of their slots, by a time table. It does not hold the GIL.

Rows that are in order of time move through the table with one comparison each; others are looked up. What is counted
depends on neither.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, float64, int32, int64, types, uint8, uint16, uint32, uint64, void

from daq.model.kernel import kernel, spliced
from daq.pipeline.framingkernels import NO_HEAD, NO_MAP, ONE, bilinear
from daq.pipeline.headspread import mixed, share

BLOCK = 512
"""Events that are worked out at a time."""
_PLAIN: Any = types.Array


@spliced
def _stretch_after(time_ps: Any, end_ps: Any) -> Any:
    """Return the first stretch that ends after a time."""
    low, high = int64(0), int64(len(end_ps))
    while low < high:
        middle = (low + high) >> int64(1)
        if end_ps[uint64(middle)] <= time_ps:
            low = middle + int64(1)
        else:
            high = middle
    return low


@spliced
def _find_slots(
    times: Any, begin: int, end: int, at: Any, begin_ps: Any, end_ps: Any, slot: Any, shift: Any, per_ps: Any,
    slots: Any, shifts: Any,
) -> Any:  # fmt: skip
    """Fill the slot of each event, -1 for none, and its shift; return the stretch of the last event."""
    last = int64(len(begin_ps))
    since = begin_ps[uint64(at)] if at < last else int64(0)
    until = end_ps[uint64(at)] if at < last else int64(0)
    for number in range(begin, end):
        time_ps, k = times[uint64(number)], uint64(number - begin)
        if (at >= last) | (time_ps < since) | (time_ps >= until):
            at = _stretch_after(time_ps, end_ps)
            since = begin_ps[uint64(at)] if at < last else int64(0)
            until = end_ps[uint64(at)] if at < last else int64(0)
        inside = (at < last) & (time_ps >= since) & (time_ps < until)
        place = uint64(at) if inside else uint64(0)
        slots[k] = slot[place] if inside else int32(-1)
        shifts[k] = shift[place] + per_ps[place] * float64(time_ps - since) if inside else 0.0
    return at


@spliced
def _find_pixels(
    times: Any, x: Any, y: Any, begin: int, end: int, frame: Any, shifts: Any, rows: int, columns: int, pixels: Any
) -> None:  # fmt: skip
    """Fill the pixel of each event, row after row, -1 for one outside of the picture or of the usable length.

    `frame`: low x, low y, pixels per mm, 1 or -1 for a picture that is turned round, lowest and highest y on the
    detector, steps of x and y that words come in, 0 where they are spread already.
    """
    right, above = float64(columns), float64(rows)
    for number in range(begin, end):
        i, k = uint64(number), uint64(number - begin)
        across, up = float64(x[i]), float64(y[i])
        if (frame[6] > 0.0) | (frame[7] > 0.0):
            bits = mixed(times[i], x[i], y[i], float32(0.0))
            across += float64(share(bits, 0)) * frame[6]
            up += float64(share(bits, 1)) * frame[7]
        usable = (up >= frame[4]) & (up < frame[5])
        column = (across * frame[3] - frame[0]) * frame[2]
        row = (up * frame[3] + shifts[k] - frame[1]) * frame[2]
        seen = usable & (column >= 0.0) & (column < right) & (row >= 0.0) & (row < above)
        pixels[k] = int32(row) * int32(columns) + int32(column) if seen else int32(-1)


@spliced
def _judge(
    head: Any, windows: Any, begin: int, end: int, slots: Any, head_at: Any, places: Any, bits: Any, came: Any
) -> Any:
    """Fill each event's head and windows, 0 for one that does not count; return how many are of no known head."""
    unknown = uint64(0)
    for number in range(begin, end):
        i, k = uint64(number), uint64(number - begin)
        at = head_at[uint64(head[i])] if len(head) else uint8(0)
        due, known = slots[k] >= int32(0), at != NO_HEAD
        unknown += uint64(due & (not known))
        inside = uint16(windows[i]) if len(windows) else uint16(1)
        places[k] = at if known else uint8(0)
        bits[k] = inside if due & known else uint16(0)
        came[uint64(slots[k]) if due else uint64(0)] += uint64(due)
    return unknown


@spliced
def _count(
    count: int, window: int, bit: int, sizes: Any, places: Any, bits: Any, slots: Any, pixels: Any, targets: Any,
    counts: Any, outside: Any,
) -> None:  # fmt: skip
    """Count the events of a block in one window; fill the pixel of all pictures that each counts in, -1 for none."""
    slots_of_all, size = int32(sizes[2]), int32(sizes[3] * sizes[4])
    of_a_head = int32(sizes[1])
    for number in range(count):
        k = uint64(number)
        is_in = (bits[k] >> uint16(bit)) & uint16(1)
        if is_in:
            series = int32(places[k]) * of_a_head + int32(window)
            if pixels[k] >= int32(0):
                target = (series * slots_of_all + slots[k]) * size + pixels[k]
                counts[uint64(target)] += uint32(1)
                targets[k] = target
            else:
                outside[uint64(series)] += uint64(1)
                targets[k] = int32(-1)
        else:
            targets[k] = int32(-1)


@spliced
def _weigh(
    x: Any, y: Any, begin: int, end: int, window: int, of_a_head: int, places: Any, targets: Any, map_of: Any,
    maps: Any, values: Any, weighted: Any,
) -> None:  # fmt: skip
    """Count the events of a block in one window with the weight of their place on the detector."""
    for number in range(begin, end):
        i, k = uint64(number), uint64(number - begin)
        if targets[k] >= int32(0):
            which = map_of[uint64(places[k]) * uint64(of_a_head) + uint64(window)]
            weight = uint64(ONE)
            if which != NO_MAP:
                weight = uint64(int64(bilinear(x[i], y[i], maps, which, values) * float64(ONE) + 0.5))
            weighted[uint64(targets[k])] += weight


@kernel(
    void(
        _PLAIN(int64, 1, "C", readonly=True), _PLAIN(float32, 1, "C", readonly=True),
        _PLAIN(float32, 1, "C", readonly=True), _PLAIN(uint8, 1, "C", readonly=True),
        _PLAIN(uint16, 1, "C", readonly=True), int64[::1], int64[::1], int32[::1], float64[::1], float64[::1],
        float64[::1], uint8[::1], int64[::1], int64[::1], int32[::1], float64[:, ::1], float32[::1],
        uint32[::1], uint64[::1], uint64[::1], uint64[::1], uint64[::1],
    )
)  # fmt: skip
def frame_events(
    times: Any, x: Any, y: Any, head: Any, windows: Any, begin_ps: Any, end_ps: Any, slot: Any, shift: Any,
    per_ps: Any, frame: Any, head_at: Any, bit_of: Any, sizes: Any, map_of: Any, maps: Any, values: Any,
    counts: Any, weighted: Any, outside: Any, came: Any, beyond: Any,
) -> None:  # fmt: skip
    """Count events [n] in the pictures of their slots.

    `head` and `windows` have length n or 0: then all are of the first head, in the first window. The table is that of
    `daq.pipeline.timetable`, `frame` as `_find_pixels` says. `bit_of` [windows] is the bit of each window; `head_at`
    [256] the place of a head's number, or `NO_HEAD`. `sizes` are heads, windows, slots, rows, columns; `counts` is
    [their product], `weighted` too, or empty; `outside` [heads * windows] are events of the table's time and of the
    window in no pixel. `map_of` [heads * windows] is the map of `maps` (for `bilinear`), or `NO_MAP`. `came` [slots]
    counts all events of a slot's time, `beyond` [1] those of no known head among them.
    """
    slots, shifts = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.float64)
    pixels, targets = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.int32)
    places, bits = np.empty(BLOCK, np.uint8), np.empty(BLOCK, np.uint16)
    at = int64(0)
    for begin in range(0, len(times), BLOCK):
        end = min(begin + BLOCK, len(times))
        at = _find_slots(times, begin, end, at, begin_ps, end_ps, slot, shift, per_ps, slots, shifts)
        beyond[0] += _judge(head, windows, begin, end, slots, head_at, places, bits, came)
        _find_pixels(times, x, y, begin, end, frame, shifts, sizes[3], sizes[4], pixels)
        for window in range(len(bit_of)):
            _count(
                end - begin, window, bit_of[window], sizes, places, bits, slots, pixels, targets, counts, outside
            )  # fmt: skip
            if len(weighted):
                _weigh(
                    x, y, begin, end, window, sizes[1], places, targets, map_of, maps, values, weighted
                )  # fmt: skip
