"""Positions and energies of words that come in steps, spread evenly over a step.

On a comb they make beats with pixels, bins and the points of maps: some of these hold one tooth more than others. Where
an event is put follows from its own time, position and energy alone, mixed until no bit tells of another one: so it is
the same live, replayed and measured, however rows are cut, and does not follow from what it is used for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, int64, uint64

from daq.model.kernel import spliced

_FIRST, _SECOND, _THIRD = uint64(0x9E3779B97F4A7C15), uint64(0xC2B2AE3D27D4EB4F), uint64(0xBF58476D1CE4E5B9)
_BITS, _MASK, _HALF = 21, uint64((1 << 21) - 1), int64(1 << 20)
_SHARE = float32(2.0**-21)


@spliced
def mixed(time_ps: Any, x: Any, y: Any, energy: Any) -> Any:
    """Return 64 bits that an event decides, by its time (int64) and the bits of three float32."""
    place = (uint64(np.float32(x).view(np.uint32)) << uint64(32)) | uint64(np.float32(y).view(np.uint32))
    other = uint64(time_ps) ^ (uint64(np.float32(energy).view(np.uint32)) << uint64(32))
    bits = place * _FIRST + other * _SECOND
    bits = (bits ^ (bits >> uint64(32))) * _THIRD
    return bits ^ (bits >> uint64(32))


@spliced
def share(bits: Any, which: int) -> Any:
    """Return number `which` (0 to 2) of 64 bits: one of 2^21 between -1/2 and 1/2, exact in float32."""
    number = int64((bits >> uint64(_BITS * which)) & _MASK) - _HALF
    return (float32(number) + float32(0.5)) * _SHARE
