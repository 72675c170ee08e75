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
