"""The compiled loops of live figures. None holds the GIL; counts are uint64, which no rate overflows.

Bins are chosen without branches: at a photopeak's edge a processor guesses wrong every second time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from daq.model.kernel import kernel


@kernel("void(float32[::1], float64, float64, uint64[::1])")
def add_energies(energy: Any, low: Any, per_unit: Any, bins: Any) -> None:
    """Count energies [n] into `bins`: [below, the bins, above, not a number].

    Bin i holds `i <= (energy - low) * per_unit < i + 1`, computed as float64.
    """
    count = np.float64(len(bins) - 3)
    unknown = np.uint64(0)
    for i in range(len(energy)):
        at = (np.float64(energy[i]) - low) * per_unit + 1.0
        unknown += np.uint64(at != at)  # noqa: PLR0124 - not a number
        at = at if at > 0.0 else 0.0
        at = at if at < count + 1.0 else count + 1.0
        bins[np.uint32(np.int32(at))] += np.uint64(1)
    bins[0] -= unknown
    bins[len(bins) - 1] += unknown


@kernel("void(uint16[::1], uint16, uint64[::1])")
def add_codes(code: Any, shift: Any, bins: Any) -> None:
    """Count raw energy codes [n] into `bins` laid out as in `add_energies`; bin i holds `code >> shift == i`."""
    count = np.uint32(len(bins) - 3)
    for i in range(len(code)):
        at = np.uint32(code[i]) >> np.uint32(shift)
        at = at if at < count else count
        bins[at + np.uint32(1)] += np.uint64(1)


@kernel("void(uint32[::1], uint32, uint64[::1])")
def add_detectors(detector: Any, shift: Any, bins: Any) -> None:
    """Count detector numbers [n] into `bins`: [the bins, beyond]; bin i holds `detector >> shift == i`."""
    count = np.uint32(len(bins) - 1)
    for i in range(len(detector)):
        at = detector[i] >> shift
        at = at if at < count else count
        bins[at] += np.uint64(1)


@kernel("void(float32[::1], float32[::1], uint8[::1], uint16[::1], float64[::1], uint64[:,:,::1], uint64[::1])")
def add_positions(x: Any, y: Any, head: Any, windows: Any, frame: Any, image: Any, apart: Any) -> None:
    """Count positions [n] into `image` [heads, rows, columns]; row 0 is the lowest y.

    `frame` is (low x, columns per mm, low y, rows per mm). `head` and `windows` have length n or 0: then all are of
    head 0, and in a window. `apart` is (in no window, else outside the image).
    """
    heads, rows, columns = np.uint32(image.shape[0]), np.uint32(image.shape[1]), np.uint32(image.shape[2])
    flat = image.reshape(-1)
    inside, windowless = np.uint64(0), np.uint64(0)
    for i in range(len(x)):
        column = (np.float64(x[i]) - frame[0]) * frame[1]
        row = (np.float64(y[i]) - frame[2]) * frame[3]
        which = np.uint32(head[i]) if len(head) else np.uint32(0)
        windowed = windows[i] != np.uint16(0) if len(windows) else True
        in_row = (column >= 0.0) & (column < np.float64(columns))
        counted = in_row & (row >= 0.0) & (row < np.float64(rows)) & (which < heads) & windowed
        at = (which * rows + np.uint32(np.int32(row))) * columns + np.uint32(np.int32(column))
        flat[at if counted else np.uint32(0)] += np.uint64(counted)
        inside += np.uint64(counted)
        windowless += np.uint64(not windowed)
    apart[0] += windowless
    apart[1] += np.uint64(len(x)) - inside - windowless
