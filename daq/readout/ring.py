"""The bounded memory between receiving and writing: slabs that go round from the receiver to the disk and back.

    take -> fill -> hand over slice by slice -> (processing, writer) -> give back

The supply of slabs is the bound, in bytes. A few more are kept for packets whose bytes find no room: their headers are
kept, so that what they carried is counted, not forgotten.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from daq.storage.files import aligned_buffer
from daq.storage.slab import DATA_BYTES, SLAB_BYTES, Slab

MIN_SLABS = 4
RESERVE_SLABS = 2


@dataclass(frozen=True, slots=True)
class Slice:
    """Packets `begin` to `end` of a slab, to be processed; `closed`: nothing more will be added to it."""

    slab: Slab
    begin: int
    end: int
    closed: bool


class Ring:
    """Slabs free, being filled, being processed and being written; memory is touched when it is made."""

    def __init__(self, limit_bytes: int) -> None:
        self.slabs = max(MIN_SLABS, limit_bytes // SLAB_BYTES)
        arena = aligned_buffer((self.slabs + RESERVE_SLABS) * SLAB_BYTES)
        pieces = [arena[start : start + SLAB_BYTES] for start in range(0, len(arena), SLAB_BYTES)]
        self._free = deque(Slab(piece) for piece in pieces[: self.slabs])
        self._reserve = deque(Slab(piece) for piece in pieces[self.slabs :])
        self._reserved = frozenset(id(slab) for slab in self._reserve)
        self._changed = threading.Condition()
        self._slices: SimpleQueue[Slice | None] = SimpleQueue()
        self._least_free = self.slabs

    @property
    def limit_bytes(self) -> int:
        """Return what the slabs for data hold."""
        return self.slabs * SLAB_BYTES

    @property
    def used(self) -> float:
        """Return the share of slabs in use."""
        return 1 - len(self._free) / self.slabs

    @property
    def high_water_bytes(self) -> int:
        """Return the most bytes in use so far."""
        return (self.slabs - self._least_free) * SLAB_BYTES

    def take(self, wait_s: float) -> Slab | None:
        """Return a free slab, cleared; None when there was none within `wait_s`."""
        with self._changed:
            if not self._free and not self._changed.wait_for(lambda: bool(self._free), wait_s):
                return None
            slab = self._free.popleft()
            self._least_free = min(self._least_free, len(self._free))
        slab.clear()
        return slab

    def take_for_headers(self) -> Slab | None:
        """Return a slab of the reserve, for packets without their bytes; None when those are used up as well."""
        with self._changed:
            if not self._reserve:
                return None
            slab = self._reserve.popleft()
        slab.clear()
        slab.keeps_data = False
        return slab

    @property
    def has_free(self) -> bool:
        """Tell whether `take` would return a slab at once."""
        return bool(self._free)

    def give(self, slab: Slab) -> None:
        """Give a slab back; nobody may look at it any more. One that was made for a single large row is let go."""
        if len(slab.data) > DATA_BYTES:
            return
        with self._changed:
            (self._reserve if id(slab) in self._reserved else self._free).append(slab)
            self._changed.notify_all()

    def put(self, part: Slice) -> None:
        """Hand over a slice for processing."""
        self._slices.put(part)

    def end(self) -> None:
        """Say that no slice will follow."""
        self._slices.put(None)

    def get(self, wait_s: float) -> Slice | None:
        """Return the next slice, None at the end; raise `queue.Empty` when none came within `wait_s`."""
        return self._slices.get(timeout=wait_s)


__all__ = ["Empty", "Ring", "Slice"]
