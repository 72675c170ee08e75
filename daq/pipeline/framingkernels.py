"""The compiled loop of static images and spectra. It does not hold the GIL; counts are uint64, which no rate overflows.

An event's weight is a whole number of 1/65536, so that an image is the same in whatever order its events came.
"""

from __future__ import annotations

from typing import Any

from numba import float32, float64, int32, int64, types, uint8, uint16, uint64, void

from daq.model.kernel import kernel, spliced

ONE = 65536
"""The weight 1."""
NO_MAP = -1
NO_HEAD = 255
_PLAIN: Any = types.Array


@spliced
def bilinear(x: Any, y: Any, about: Any, values: Any) -> Any:
    """Return the map's value at (x, y), both finite; `about` is (x0, y0, points per mm, rows, columns, first value).

    Outside of the map it is that of the nearest edge.
    """
    rows, columns = int64(about[3]), int64(about[4])
    across = min(max((float64(x) - about[0]) * about[2], 0.0), float64(columns - 1))
    up = min(max((float64(y) - about[1]) * about[2], 0.0), float64(rows - 1))
    column, row = int64(across), int64(up)
    right, above = min(column + 1, columns - 1), min(row + 1, rows - 1)
    part, share = across - float64(column), up - float64(row)
    low, high = int64(about[5]) + row * columns, int64(about[5]) + above * columns
    below = float64(values[low + column]) * (1.0 - part) + float64(values[low + right]) * part
    over = float64(values[high + column]) * (1.0 - part) + float64(values[high + right]) * part
    return below * (1.0 - share) + over * share


@spliced
def bin_of(energy: Any, axis: Any, length: int) -> Any:
    """Return the place of an energy among (below, bins, above, not a number), `length` in all."""
    at = (float64(energy) - axis[0]) * axis[1] + 1.0
    if at != at:  # noqa: PLR0124 - not a number
        return int64(length - 1)
    return int64(min(max(at, 0.0), float64(length - 2)))


@spliced
def add_position(
    x: Any, y: Any, at: Any, bits: Any, frame: Any, map_of: Any, maps: Any, values: Any, images: Any, weighted: Any,
    inside: Any,
) -> None:  # fmt: skip
    """Count one event of the head in place `at` in the windows `bits`, at least one."""
    column, row = (float64(x) - frame[0]) * frame[2], (float64(y) - frame[1]) * frame[2]
    in_column = (column >= 0.0) & (column < float64(images.shape[3]))
    seen = in_column & (row >= 0.0) & (row < float64(images.shape[2]))
    window = 0
    while bits:
        if bits & 1:
            inside[at, window] += uint64(1)
            if seen:
                images[at, window, int64(row), int64(column)] += uint64(1)
                which = map_of[at, window]
                if which != NO_MAP:
                    weight = int64(bilinear(x, y, maps[which], values) * float64(ONE) + 0.5)
                    weighted[which, int64(row), int64(column)] += uint64(weight)
        bits >>= 1
        window += 1


@kernel(
    void(
        _PLAIN(int64, 1, "C", readonly=True), _PLAIN(float32, 1, "C", readonly=True),
        _PLAIN(float32, 1, "C", readonly=True), _PLAIN(float32, 1, "C", readonly=True),
        _PLAIN(uint8, 1, "C", readonly=True), _PLAIN(uint16, 1, "C", readonly=True),
        int64, int64, float64[::1], uint8[::1], float64[::1], int32[:, ::1], float64[:, ::1], float32[::1],
        uint64[:, :, :, ::1], uint64[:, :, ::1], uint64[:, ::1], uint64[:, ::1], uint64[::1],
    )
)  # fmt: skip
def add_events(
    times: Any, x: Any, y: Any, energy: Any, head: Any, windows: Any, begin_ps: Any, end_ps: Any, frame: Any,
    head_at: Any, axis: Any, map_of: Any, maps: Any, values: Any, images: Any, weighted: Any, spectra: Any,
    inside: Any, beyond: Any,
) -> None:  # fmt: skip
    """Count events [n] whose time is from `begin_ps` to `end_ps` inclusive.

    `energy`, `head` and `windows` have length n or 0: then there is no spectrum, all are of the first head, all are in
    the first window. `frame` is (low x, low y, pixels per mm); `axis` (low energy, bins per keV). `head_at` [256] is
    the place of a head number, or `NO_HEAD`. `map_of` [heads, windows] is the map of `maps` (for `bilinear`) and the
    image of `weighted`, or `NO_MAP`. Row 0 of `images` [heads, windows, rows, columns] is the lowest y; `spectra`
    [heads, bins + 3] are (below, bins, above, not a number); `inside` [heads, windows] counts events by window,
    wherever they are. `beyond` is (events of no known head, events outside of the times).
    """
    known, one = (1 << images.shape[1]) - 1, uint64(1)
    for i in range(len(times)):
        at = int64(head_at[head[i]]) if len(head) else int64(0)
        if times[i] < begin_ps or times[i] > end_ps:
            beyond[1] += one
        elif at == NO_HEAD:
            beyond[0] += one
        else:
            if len(energy):
                spectra[at, bin_of(energy[i], axis, spectra.shape[1])] += one
            bits = int64(windows[i]) & known if len(windows) else int64(1)
            if bits:
                add_position(x[i], y[i], at, bits, frame, map_of, maps, values, images, weighted, inside)
