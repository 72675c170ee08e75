"""Put singles into energy windows: one bit each, by the rule of `daq.model.windows.WindowSet.mask`.

Energies and bounds are compared as float32, `lower <= E < upper`; an energy that is NaN is inside no window.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import float32, int64, types, uint16, uint32, uint64, void

from daq.model.kernel import kernel, spliced
from daq.model.windows import WindowSet

Bounds = npt.NDArray[np.float32]
"""Lower and upper bounds of windows, [windows, 2]."""


def bounds_of(windows: WindowSet) -> Bounds:
    """Return the bounds as float32, the precision in which energies are judged."""
    pairs = [(window.lower_kev, window.upper_kev) for window in windows.windows]
    return np.array(pairs, np.float64).reshape(-1, 2).astype(np.float32)


def masks(bounds: Bounds, energy_kev: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.int64]]:
    """Return the bit mask of every energy [n], and how many lie in each window [windows]."""
    bits, inside = np.empty(len(energy_kev), np.uint16), np.zeros(len(bounds), np.int64)
    _window_all(np.ascontiguousarray(energy_kev, np.float32), bounds, inside, bits)
    return bits, inside


@spliced
def window_rows(begin: int, end: int, kev: Any, bounds: Any, inside: Any, bits: Any) -> None:
    """Fill `bits` of rows `begin` to `end` and count them by window: a pass for each, of many rows at once."""
    for row in range(begin, end):
        bits[uint64(row)] = uint16(0)
    for window in range(len(bounds)):
        lower, upper = bounds[window, 0], bounds[window, 1]
        bit, count = uint32(1 << window), uint32(0)
        for row in range(begin, end):
            energy = kev[uint64(row)]
            is_in = uint32((energy >= lower) & (energy < upper))
            bits[uint64(row)] |= uint16(is_in * bit)
            count += is_in
        inside[window] += int64(count)


@kernel(void(types.Array(float32, 1, "C", readonly=True), float32[:, ::1], int64[::1], uint16[::1]))
def _window_all(kev: Any, bounds: Any, inside: Any, bits: Any) -> None:
    window_rows(0, len(kev), kev, bounds, inside, bits)
