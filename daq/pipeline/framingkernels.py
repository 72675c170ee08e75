"""The compiled loop of static images and spectra. It does not hold the GIL; counts are uint64, which no rate overflows.

An event's weight is a whole number of 1/65536, so that an image is the same in whatever order its events came.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, float64, int32, int64, types, uint8, uint16, uint32, uint64, void

from daq.model.kernel import kernel, spliced

ONE = 65536
"""The weight 1."""
NO_MAP = -1
NO_HEAD = 255
NO_WINDOW = -1
BLOCK = 512
"""Events whose pixels are worked out at a time."""
_PLAIN: Any = types.Array


@spliced
def bilinear(x: Any, y: Any, maps: Any, which: Any, values: Any) -> Any:
    """Return a map's value at (x, y), both finite; outside of the map it is that of the nearest edge.

    A row of `maps` is (x0, y0, points per mm, rows, columns, first value).
    """
    rows, columns = int64(maps[uint64(which), 3]), int64(maps[uint64(which), 4])
    across = min(max((float64(x) - maps[uint64(which), 0]) * maps[uint64(which), 2], 0.0), float64(columns - 1))
    up = min(max((float64(y) - maps[uint64(which), 1]) * maps[uint64(which), 2], 0.0), float64(rows - 1))
    column, row = int64(across), int64(up)
    right, above = min(column + 1, columns - 1), min(row + 1, rows - 1)
    part, share = across - float64(column), up - float64(row)
    low, high = int64(maps[uint64(which), 5]) + row * columns, int64(maps[uint64(which), 5]) + above * columns
    below = float64(values[uint64(low + column)]) * (1.0 - part) + float64(values[uint64(low + right)]) * part
    over = float64(values[uint64(high + column)]) * (1.0 - part) + float64(values[uint64(high + right)]) * part
    return below * (1.0 - share) + over * share


@spliced
def find_pixels(x: Any, y: Any, begin: int, end: int, frame: Any, rows: int, columns: int, pixels: Any) -> None:
    """Fill the pixel of each event from `begin` to `end`, row after row, -1 outside of the image: many at once."""
    right, above = float64(columns), float64(rows)
    for i in range(begin, end):
        column = (float64(x[uint64(i)]) - frame[0]) * frame[2]
        row = (float64(y[uint64(i)]) - frame[1]) * frame[2]
        seen = (column >= 0.0) & (column < right) & (row >= 0.0) & (row < above)
        pixels[uint64(i - begin)] = int32(row) * int32(columns) + int32(column) if seen else int32(-1)


@spliced
def judge(
    times: Any, head: Any, windows: Any, begin: int, end: int, begin_ps: Any, end_ps: Any, head_at: Any, known: Any,
    places: Any, bits: Any, beyond: Any,
) -> None:  # fmt: skip
    """Fill where in the images each event's head is and which windows it counts in; 0 and `NO_WINDOW` for none."""
    early_or_late, unknown = uint64(0), uint64(0)
    for number in range(begin, end):
        i, k = uint64(number), uint64(number - begin)
        at = head_at[uint64(head[i])] if len(head) else uint8(0)
        is_due = (times[i] >= begin_ps) & (times[i] <= end_ps)
        is_known = at != NO_HEAD
        early_or_late += uint64(not is_due)
        unknown += uint64(is_due & (not is_known))
        inside = (int32(windows[i]) if len(windows) else int32(1)) & known
        places[k] = at if is_known else uint8(0)
        bits[k] = inside if is_due & is_known else int32(NO_WINDOW)
    beyond[0] += unknown
    beyond[1] += early_or_late


@spliced
def find_bins(energy: Any, begin: int, end: int, axis: Any, length: int, bins: Any) -> None:
    """Fill the place of each energy among (below, bins, above, not a number), `length` in all: many at once."""
    above = float64(length - 2)
    for number in range(begin, end):
        at: Any = (float64(energy[uint64(number)]) - axis[0]) * axis[1] + 1.0
        is_number = at == at  # noqa: PLR0124 - not a number otherwise
        at = at if at > 0.0 else 0.0
        at = at if at < above else above
        bins[uint64(number - begin)] = int32(at) if is_number else int32(length - 1)


@spliced
def add_spectra(count: int, places: Any, bits: Any, bins: Any, spectra: Any, length: Any) -> None:
    """Count the energies of the events of a block that are judged to count."""
    for number in range(count):
        k = uint64(number)
        spectra[uint64(places[k]) * length + uint64(bins[k])] += uint64(bits[k] >= 0)


@spliced
def find_counts(
    count: int, window: int, of_a_head: int, size: int, places: Any, bits: Any, pixels: Any, targets: Any, ones: Any
) -> None:  # fmt: skip
    """Fill the pixel of all images that each event of a block counts in, and 1 or, where it does not, 0."""
    for number in range(count):
        k = uint64(number)
        pixel = pixels[k]
        ones[k] = uint8((bits[k] >= 0) & (((bits[k] >> int32(window)) & int32(1)) != 0) & (pixel >= 0))
        image = int32(places[k]) * int32(of_a_head) + int32(window)
        targets[k] = image * int32(size) + max(pixel, int32(0))


@spliced
def count_inside(count: int, window: int, of_a_head: int, heads: int, places: Any, bits: Any, inside: Any) -> None:
    """Count the events of a block in one window by head, wherever they are: all heads, many events at once."""
    for head in range(heads):
        came = uint32(0)
        for number in range(count):
            k = uint64(number)
            is_in = (bits[k] >= 0) & (((bits[k] >> int32(window)) & int32(1)) != 0)
            came += uint32(is_in & (places[k] == uint8(head)))
        inside[uint64(head * of_a_head + window)] += uint64(came)


@spliced
def add_images(count: int, targets: Any, ones: Any, images: Any) -> None:
    """Count the events of a block in their pixels."""
    for number in range(count):
        k = uint64(number)
        images[uint64(targets[k])] += uint64(ones[k])


@spliced
def has_map(map_of: Any, window: int) -> Any:
    """Return True where any head has a map for a window."""
    found = False
    for head in range(map_of.shape[0]):
        found |= map_of[head, window] != NO_MAP
    return found


@spliced
def add_weighted(
    x: Any, y: Any, begin: int, end: int, window: int, of_a_head: int, size: Any, places: Any, ones: Any, pixels: Any,
    map_of: Any, maps: Any, values: Any, weighted: Any,
) -> None:  # fmt: skip
    """Count the events of a block in one window with the weight of their place, where their head has a map."""
    for number in range(begin, end):
        i, k = uint64(number), uint64(number - begin)
        which = map_of[uint64(places[k]) * uint64(of_a_head) + uint64(window)]
        if (ones[k] != 0) & (which != NO_MAP):
            weight = int64(bilinear(x[i], y[i], maps, which, values) * float64(ONE) + 0.5)
            weighted[uint64(which) * size + uint64(pixels[k])] += uint64(weight)


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
    of_a_head, rows, columns = images.shape[1], images.shape[2], images.shape[3]
    size, known = uint64(rows * columns), int32((1 << of_a_head) - 1)
    every_image, every_weighted = images.reshape(-1), weighted.reshape(-1)
    every_inside, every_map = inside.reshape(-1), map_of.reshape(-1)
    every_spectrum, bins, places = spectra.reshape(-1), np.empty(BLOCK, np.int32), np.empty(BLOCK, np.uint8)
    pixels, bits = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.int32)
    targets, ones = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.uint8)
    for begin in range(0, len(times), BLOCK):
        end = min(begin + BLOCK, len(times))
        find_pixels(x, y, begin, end, frame, rows, columns, pixels)
        judge(times, head, windows, begin, end, begin_ps, end_ps, head_at, known, places, bits, beyond)
        if len(energy):
            find_bins(energy, begin, end, axis, spectra.shape[1], bins)
            add_spectra(end - begin, places, bits, bins, every_spectrum, uint64(spectra.shape[1]))
        for window in range(of_a_head):
            count = end - begin
            find_counts(count, window, of_a_head, rows * columns, places, bits, pixels, targets, ones)
            count_inside(count, window, of_a_head, images.shape[0], places, bits, every_inside)
            add_images(count, targets, ones, every_image)
            if has_map(map_of, window):
                add_weighted(
                    x, y, begin, end, window, of_a_head, size, places, ones, pixels, every_map, maps, values,
                    every_weighted,
                )  # fmt: skip
