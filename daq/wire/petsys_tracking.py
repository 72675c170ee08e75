"""Which frames of each PETsys unit came, are missing, came twice or cannot be decoded, from frame ids alone; compiled.

It has the interface of `daq.wire.tracking.Tracker` and counts frames, not words. A source is a unit (port and slave).
Its account goes from the first frame seen to the highest one; what lies between and did not come is the gap.

Frame ids wrap after 2**36. A frame up to `REORDER_FRAMES` back is late, or came before. One further back, or further
ahead than the host's clock can explain, is foreign, unless another frame follows it closely: then the front end, or its
clock, has begun again, and the first frame counts as malformed. So one broken id costs one frame, as a restart does.

A restart within the first `REORDER_FRAMES` frames (84 ms) of a front end's life cannot be seen: its frames count as
duplicates until they pass the old end.
"""

from __future__ import annotations

from collections.abc import Collection
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model import tofpet2 as t
from daq.model.packets import Packets
from daq.wire import tracking_table as columns
from daq.wire.petsys_account import FRAME_COLUMNS, LOSSY, PLACES, REPLIES, FrameFigures, FrameWalked
from daq.wire.petsys_frames import account_frames
from daq.wire.tracking import MAX_INTERVALS

Int64s = npt.NDArray[np.int64]

_UNITS = t.MOST_PORTS * t.MOST_SLAVES


class FrameTracker:
    """The accounts of all units. Packets come from one thread; any thread may ask for `figures`.

    `known`: sources that the profile names, None for all; frames of others are foreign.
    """

    def __init__(self, known: Collection[int] | None = None, *, intervals: int = MAX_INTERVALS) -> None:
        self._known_units = np.full(_UNITS, known is None, np.uint8)
        for source in known or ():
            self._known_units[source] = 1
        self._index_of = np.full(_UNITS, -1, np.int32)
        self._numbers = np.zeros(_UNITS, np.uint16)
        self._table = np.zeros((_UNITS, columns.COLUMNS), np.int64)
        self._frames = np.zeros((_UNITS, FRAME_COLUMNS), np.int64)
        # Not zeroed: the kernel of the operating system gives memory only to the sources that miss something.
        self._missing = np.empty((_UNITS, 2 * intervals, 2), np.int64)
        self._counts = np.zeros(PLACES, np.int64)
        self.figures = FrameFigures(self._numbers[:0], self._table[:0], 0, self._frames[:0], 0)
        """As of the last call of `walk`."""

    def __deepcopy__(self, memo: dict[int, Any]) -> FrameTracker:
        """Return a tracker that goes on from here by itself; only what is missing is copied of the large table."""
        missing = np.empty_like(self._missing)
        for row in np.flatnonzero(self._table[:, columns.COUNT]).tolist():
            low, count = int(self._table[row, columns.LOW]), int(self._table[row, columns.COUNT])
            missing[row, low : low + count] = self._missing[row, low : low + count]
        twin = copy(self)
        small = ("_index_of", "_numbers", "_table", "_frames", "_counts")
        twin.__dict__.update(_missing=missing, **{name: getattr(self, name).copy() for name in small})
        return twin

    def walk(self, packets: Packets) -> FrameWalked:
        """Account for the packets, in their order, and return what they turned out to be."""
        flags = packets.flags.copy()
        room = int(packets.length.sum()) // t.HEADER_BYTES + 2 * len(packets) + self._missing.shape[1] + 2
        runs, run_source = np.empty((3, room), np.int64), np.empty(room, np.int64)
        gaps, starts = np.empty((3, room), np.int64), np.empty((2, room), np.int64)
        lossy = np.empty((4, room), np.int64)
        header = packets.header
        if header.shape[1] < t.HEADER_BYTES:  # of a recording that is none of ours
            header = np.zeros((len(packets), t.HEADER_BYTES), np.uint8)
        progress = self._counts.copy()
        progress[: columns.SOURCES] = 0
        progress[LOSSY] = 0
        account_frames(
            packets.data, packets.offset, packets.length, packets.arrival_ns, flags, header,
            self._known_units, self._index_of, self._numbers, self._table, self._missing, self._frames,
            progress, runs, run_source, gaps, starts, lossy,
        )  # fmt: skip
        self._publish(progress)
        _, found, lost, begun, _ = progress[: columns.SOURCES].tolist()
        return FrameWalked(
            flags, runs[0, :found], runs[1, :found], runs[2, :found], gaps[0, :lost], gaps[1, :lost],
            starts[0, :begun], np.empty(0, np.int64),
            run_source[:found].astype(np.uint16), gaps[2, :lost].astype(np.uint16), starts[1, :begun].astype(np.uint16),
            lossy[:, : progress[LOSSY]],
        )  # fmt: skip

    def _publish(self, progress: Int64s) -> None:
        """Replace the figures as a whole, so that no thread sees half of a change."""
        self._counts = progress
        sources = int(progress[columns.SOURCES])
        self.figures = FrameFigures(
            self._numbers[:sources], self._table[:sources].copy(), int(progress[columns.FOREIGN]),
            self._frames[:sources].copy(), int(progress[REPLIES]),
        )  # fmt: skip
