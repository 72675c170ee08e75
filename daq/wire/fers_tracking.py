"""The accounts of FERS-5200 boards, in events. It has the interface of `daq.wire.tracking.Tracker`.

A stream loses nothing in the middle, so there is no gap: what a board did not send, because it was converting, it
counts itself, and that is dead time. Bytes that are no event count as one malformed event for each stretch of them, of
64 KiB at most; so does an event that is cut by the end of its stream.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model.packets import Flag, Packets
from daq.wire import tracking_table as columns
from daq.wire.fers_walk import GOOD, UNKNOWN, spans
from daq.wire.tracking import MAX_SOURCES, Figures, Walked

Int64s = npt.NDArray[np.int64]
_ROOM = 64


class EventTracker:
    """The accounts of all sources. Packets come from one thread; any thread may ask for `figures`."""

    def __init__(self, *, sources: int = MAX_SOURCES) -> None:
        self._row_of: dict[int, int] = {}
        self._numbers = np.zeros(sources, np.uint16)
        self._table = np.zeros((sources, columns.COLUMNS), np.int64)
        self._foreign = 0
        self._out = np.empty((4, _ROOM), np.int64)
        self.figures = Figures(self._numbers[:0], self._table[:0], 0)
        """As of the last call of `walk`."""

    def __deepcopy__(self, memo: dict[int, Any]) -> EventTracker:
        """Return a tracker that goes on from here by itself."""
        twin = copy(self)
        small = ("_row_of", "_numbers", "_table", "_out")
        twin.__dict__.update({name: getattr(self, name).copy() for name in small})
        return twin

    def walk(self, packets: Packets) -> Walked:
        """Account for the packets, in their order, and return what they turned out to be."""
        flags = packets.flags.copy()
        runs: list[tuple[int, int, int]] = []
        starts: list[int] = []
        ends: list[int] = []
        for packet in range(len(packets)):
            row = self._row(int(packets.source[packet]))
            if row < 0:
                self._foreign += 1
                flags[packet] |= np.uint8(Flag.MALFORMED)
                continue
            state = self._table[row, columns.STATE]
            if not state & columns.STARTED:
                starts.append(packet)
            self._table[row, columns.STATE] = state | columns.STARTED
            runs += self._packet(packets, packet, row, flags)
            if flags[packet] & Flag.END and not state & columns.ENDED:
                self._table[row, columns.STATE] |= columns.ENDED
                ends.append(packet)
        self._publish()
        packet_of, offset, length = np.array(runs, np.int64).reshape(-1, 3).T.copy()
        none = np.empty(0, np.int64)
        return Walked(
            flags, packet_of, offset, length, none, none, np.array(starts, np.int64), np.array(ends, np.int64)
        )

    def _row(self, source: int) -> int:
        """Return the row of a source, a new one for a new source, -1 where there are too many."""
        row = self._row_of.get(source, -1)
        if row < 0 and len(self._row_of) < len(self._numbers):
            row = self._row_of[source] = len(self._row_of)
            self._numbers[row] = source
        return row

    def _packet(
        self, packets: Packets, packet: int, row: int, flags: npt.NDArray[np.uint8]
    ) -> list[tuple[int, int, int]]:
        """Account for one packet; return its runs of whole events: packet, byte offset, bytes."""
        at, end = int(packets.offset[packet]), int(packets.offset[packet] + packets.length[packet])
        flag = int(flags[packet])
        if flag & Flag.PREAMBLE or at == end:
            return []
        if flag & Flag.MALFORMED:
            self._table[row, [columns.RECEIVED, columns.TRUNCATED]] += 1
            return []
        runs: list[tuple[int, int, int]] = []
        events, broken, waits = 0, 0, False
        while not waits:
            count, at, _, waits = spans(packets.data, at, end, UNKNOWN, True, self._out)  # noqa: FBT003 - a kernel
            for first, last, what, held in self._out[:, :count].T.tolist():
                events += held
                broken += what != GOOD
                if what == GOOD:
                    runs.append((packet, first, last - first))
        broken += at < end
        if broken:
            flags[packet] |= np.uint8(Flag.TRUNCATED)
        self._table[row, columns.RECEIVED] += events + broken
        if flag & Flag.DROPPED:
            self._table[row, columns.DROPPED] += events + broken
            return []
        self._table[row, columns.TRUNCATED] += broken
        return runs

    def _publish(self) -> None:
        """Replace the figures as a whole, so that no thread sees half of a change."""
        sources = len(self._row_of)
        self.figures = Figures(self._numbers[:sources], self._table[:sources].copy(), self._foreign)
