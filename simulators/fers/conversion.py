"""Which triggers become events: one conversion at a time, a buffer of some size, a link of some speed.

Every trigger gets the next number, converted or not: that is how a host learns of those that were lost (CAEN Janus
counts lost triggers of an A5202 by the jumps of the numbers).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(slots=True)
class Losses:
    """Triggers that came while a conversion ran, or found no place in the buffer."""

    dead_time: int = 0
    buffer_full: int = 0


class Conversion:
    """State of one run. `dead_ps`: from a trigger until the next is taken; `bytes_per_s` 0: a link without limit."""

    def __init__(self, dead_ps: int, buffer_bytes: int, bytes_per_s: float) -> None:
        self.triggers = 0
        self.busy_ps = 0
        self.losses = Losses()
        self._dead_ps, self._capacity = dead_ps, buffer_bytes
        self._per_ps = bytes_per_s * 1e-12
        self._free_ps = -(1 << 62)
        self._level, self._at_ps = 0.0, 0

    def take(self, times_ps: Ints, sizes: Ints, waiting_bytes: int) -> tuple[Ints, Ints]:
        """Return which of the triggers [n], in order of time, are converted, and their numbers.

        `sizes` are the bytes of the events they would become; `waiting_bytes` lie in the buffer because the host
        does not take them.
        """
        kept: list[int] = []
        free, level, at = self._free_ps, self._level, self._at_ps
        room, per_ps, dead = self._capacity - waiting_bytes, self._per_ps, self._dead_ps
        full = 0
        for k, (time_ps, size) in enumerate(zip(times_ps.tolist(), sizes.tolist(), strict=True)):
            if time_ps < free:
                continue
            level = max(0.0, level - (time_ps - at) * per_ps) if per_ps else 0.0
            at = time_ps
            if level + size > room:
                full += 1
                continue
            level += size
            free = time_ps + dead
            kept.append(k)
        self._free_ps, self._level, self._at_ps = free, level, at
        self.losses.buffer_full += full
        self.losses.dead_time += len(times_ps) - len(kept) - full
        self.busy_ps += len(kept) * dead
        index = np.array(kept, np.int64)
        numbers = self.triggers + index
        self.triggers += len(times_ps)
        return index, numbers
