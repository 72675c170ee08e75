"""Which words of each source came, which are missing, which came twice, from word numbers alone; compiled.

A source keeps one open account from a *baseline* (the first word that concerns us) to an *end* (the highest word known
to have been sent). What lies between and did not come is the gap; so the sum `sent = received + gap` holds by
construction, and only the verdict on late words depends on the bounded list of missing intervals: words of a forgotten
interval stay in the gap; should they come after all, they count as duplicates.

Baseline: the number in a start packet, or in the first packet seen. While no start has been seen, packets that
overtook each other at the very beginning move the baseline down. A start packet after data is a restart of the front
end: the account is closed and added to the total. A second copy of a start packet is no restart while the account is
younger than `REORDER_PACKETS` and the front end has not said *end*.

One thing cannot be seen: a front end that restarts while every copy of its start packet is lost. Its words then count
as duplicates until they pass the old end. Front ends therefore send the start packet more than once.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model.packets import Packets
from daq.wire import tracking_table as columns
from daq.wire.tracking_kernels import account_packets

MAX_SOURCES = 4096
"""More sources than this are taken for garbage: their packets are kept, flagged malformed and counted foreign."""

MAX_INTERVALS = 1024
"""How many missing intervals are remembered of a source."""

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """What a run of packets turned out to be, each array int64 and ascending in packets.

    `flags` uint8 are those to store. A run of new words is `run_length` bytes from `run_offset` of the data on, and
    belongs to packet `run_packet`. `gap_words` were found missing just before packet `gap_packet`. `starts` are the
    packets with which a source begins or begins again, `ends` those that end one.
    """

    flags: npt.NDArray[np.uint8]
    run_packet: Int64s
    run_offset: Int64s
    run_length: Int64s
    gap_packet: Int64s
    gap_words: Int64s
    starts: Int64s
    ends: Int64s


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """The accounts of all sources at one moment; row i is that of the i-th source that came. Nothing changes it."""

    source: npt.NDArray[np.uint16]
    table: Int64s
    """Columns as in `tracking_table`."""
    foreign: int

    @property
    def received(self) -> Int64s:
        """Return the words received, each counted once."""
        return self.table[:, columns.RECEIVED]

    @property
    def dropped(self) -> Int64s:
        """Return the words received that found no room."""
        return self.table[:, columns.DROPPED]

    @property
    def gap(self) -> Int64s:
        """Return the words sent and not received; a gap of 2**63 words and more, by restarts, as 2**63 - 1."""
        high, low = self.table[:, columns.GAP_HIGH], self.table[:, columns.GAP]
        return np.where(high > 1, np.int64((1 << 63) - 1), (high << 62) + low)

    @property
    def duplicates(self) -> Int64s:
        """Return the words received a second time."""
        return self.table[:, columns.DUPLICATES]

    @property
    def restarts(self) -> Int64s:
        """Return how often the front end began again."""
        return self.table[:, columns.RESTARTS]

    @property
    def truncated(self) -> Int64s:
        """Return the words cut in the middle, of sources without numbers."""
        return self.table[:, columns.TRUNCATED]

    @property
    def ended(self) -> npt.NDArray[np.bool_]:
        """Return whether the source said that it ended, and has not begun again."""
        ended: npt.NDArray[np.bool_] = self.table[:, columns.STATE] & columns.ENDED != 0
        return ended

    @property
    def by_counter(self) -> npt.NDArray[np.bool_]:
        """Return whether the front end itself counted all words up to the end of each account."""
        told = columns.OPEN | columns.BY_COUNTER
        by_counter: npt.NDArray[np.bool_] = self.table[:, columns.STATE] & (told | columns.UNCOUNTED) == told
        return by_counter

    def exact_gap(self, row: int) -> int:
        """Return the gap of a source without a limit."""
        return (int(self.table[row, columns.GAP_HIGH]) << 62) + int(self.table[row, columns.GAP])


class Tracker:
    """The accounts of all sources, in words. Packets come from one thread; any thread may ask for `figures`.

    `numbered`: words have numbers, as in the native framing. `intervals` limits what is remembered as missing, per
    source, `sources` how many there can be.
    """

    def __init__(
        self, word_bytes: int, *, numbered: bool, intervals: int = MAX_INTERVALS, sources: int = MAX_SOURCES
    ) -> None:
        self._word_bytes = word_bytes
        self._numbered = numbered
        self._index_of = np.full(1 << 16, -1, np.int32)
        self._numbers = np.zeros(sources, np.uint16)
        self._table = np.zeros((sources, columns.COLUMNS), np.int64)
        # Not zeroed: the kernel of the operating system gives memory only to the sources that miss something.
        self._missing = np.empty((sources if numbered else 1, 2 * intervals, 2), np.int64)
        self._known = np.zeros(2, np.int64)
        self.figures = Figures(self._numbers[:0], self._table[:0], 0)
        """As of the last call of `walk`."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Tracker:
        """Return a tracker that goes on from here by itself; only what is missing is copied of the large table."""
        missing = np.empty_like(self._missing)
        for row in np.flatnonzero(self._table[:, columns.COUNT]).tolist():
            low, count = int(self._table[row, columns.LOW]), int(self._table[row, columns.COUNT])
            missing[row, low : low + count] = self._missing[row, low : low + count]
        twin = copy(self)
        small = ("_index_of", "_numbers", "_table", "_known")
        twin.__dict__.update(_missing=missing, **{name: getattr(self, name).copy() for name in small})
        return twin

    def walk(self, packets: Packets) -> Walked:
        """Account for the packets, in their order, and return what they turned out to be."""
        count = len(packets)
        flags = packets.flags.copy()
        progress = np.zeros(columns.PLACES, np.int64)
        progress[columns.SOURCES :] = self._known
        spare = self._missing.shape[1] + 2
        runs = np.empty((3, count + spare), np.int64)
        gaps = np.empty((2, count), np.int64)
        starts, ends = np.empty(count, np.int64), np.empty(count, np.int64)
        while True:
            account_packets(
                packets.source, packets.sequence, packets.offset, packets.length, flags, packets.header,
                self._word_bytes, self._numbered, self._index_of, self._numbers, self._table, self._missing,
                progress, runs, gaps, starts, ends,
            )  # fmt: skip
            if progress[columns.NEXT] == count:
                break
            runs = np.concatenate([runs, np.empty((3, count + spare), np.int64)], axis=1)
        self._publish(progress)
        _, found, lost, begun, over = progress[: columns.SOURCES].tolist()
        return Walked(
            flags, runs[0, :found], runs[1, :found], runs[2, :found],
            gaps[0, :lost], gaps[1, :lost], starts[:begun], ends[:over],
        )  # fmt: skip

    def _publish(self, progress: Int64s) -> None:
        """Replace the figures as a whole, so that no thread sees half of a change."""
        self._known = progress[columns.SOURCES :]
        sources, foreign = self._known.tolist()
        self.figures = Figures(self._numbers[:sources], self._table[:sources].copy(), foreign)
