"""The account of counts that are read as histograms: what each poll adds. It has the interface of `tracking.Tracker`.

The front end counts by itself, so a poll that never came loses nothing: the next one has its counts. What is lost
without a number is what was counted between the last poll and a reset by somebody else, a reboot, or the end of a
connection that broke; and what a full bin did not count. So `sent` is what the counters say, with the basis `counter`
where the last poll was made after the inputs had been stopped (flag END) and none of that happened, else `sequence`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from daq.model import mcpha as m
from daq.model.layout import Layout, Mcpha
from daq.model.packets import NOT_DECODED, Flag, Packets
from daq.wire import tracking_table as columns
from daq.wire.tracking import Figures, Walked

_SKIPPED = int(NOT_DECODED)


class PollTracker:
    """The accounts of all sources, in counts. Packets come from one thread; any thread may ask for `figures`."""

    def __init__(self, settings: Mcpha) -> None:
        self._inputs = settings.inputs
        self._bytes = m.poll_bytes(len(settings.inputs))
        self._dead = m.dead_clocks(settings.delay_samples, settings.decimation)
        self._memory: dict[int, list[m.Memory]] = {}
        self._rows: dict[int, npt.NDArray[np.int64]] = {}
        self._foreign = 0
        self.figures = Figures(np.empty(0, np.uint16), np.zeros((0, columns.COLUMNS), np.int64), 0)
        """As of the last call of `walk`."""

    @classmethod
    def of(cls, layout: Layout | None) -> PollTracker:
        """Return the accounts of polls that are read by the settings of `layout`."""
        return cls((layout.mcpha if layout else None) or Mcpha())

    def walk(self, packets: Packets) -> Walked:
        """Account for the packets, in their order, and return what they turned out to be."""
        flags = packets.flags.copy()
        runs: list[tuple[int, int, int]] = []
        starts: list[int] = []
        ends: list[int] = []
        for index in range(len(packets)):
            if int(flags[index]) & _SKIPPED:
                continue
            source = int(packets.source[index])
            row = self._row(source)
            if int(flags[index]) & Flag.START or not row[columns.PACKETS]:
                self._begin(row)
                starts.append(index)
            good = self._polls(packets, index, row)
            if not good:
                flags[index] |= np.uint8(Flag.MALFORMED)
            runs += [(index, at, self._bytes) for at in good]
            if int(flags[index]) & Flag.END:
                row[columns.STATE] |= columns.BY_COUNTER | columns.ENDED
                ends.append(index)
        self._publish()
        found = np.array(runs, np.int64).reshape(-1, 3).T
        none = np.empty(0, np.int64)
        return Walked(
            flags, found[0], found[1], found[2], none, none, np.array(starts, np.int64), np.array(ends, np.int64)
        )

    def _row(self, source: int) -> npt.NDArray[np.int64]:
        if source not in self._rows:
            self._rows[source] = np.zeros(columns.COLUMNS, np.int64)
            self._memory[source] = [m.Memory() for _ in self._inputs]
        return self._rows[source]

    @staticmethod
    def _begin(row: npt.NDArray[np.int64]) -> None:
        """Note that a source begins, or that its front end was set up anew: then its poll shows that it began again."""
        row[columns.STATE] = row[columns.STATE] & ~(columns.ENDED | columns.BY_COUNTER) | columns.OPEN | columns.STARTED

    def _polls(self, packets: Packets, index: int, row: npt.NDArray[np.int64]) -> list[int]:
        """Account for the whole polls of a packet; return where in the data the good ones begin."""
        good = []
        begin, known = int(packets.offset[index]), self._memory[int(packets.source[index])]
        for at in range(begin, begin + int(packets.length[index]) // self._bytes * self._bytes, self._bytes):
            poll = m.parse_poll(packets.data[at : at + self._bytes], len(self._inputs))
            if self._add(poll, known, row):
                good.append(at)
            else:
                self._foreign += 1
        return good

    def _add(self, poll: m.Poll, known: list[m.Memory], row: npt.NDArray[np.int64]) -> bool:
        """Add what a poll counted, or return False for one that cannot be true."""
        clocks = [int(poll.clocks[number]) for number in self._inputs]
        found = [m.grown(memory, clocks[place], poll.counts[place]) for place, memory in enumerate(known)]
        if not all(each.is_believable(self._dead) for each in found):
            return False
        row[columns.PACKETS] += 1
        for place, each in enumerate(found):
            row[columns.RECEIVED] += int(each.counts.sum())
            row[columns.RESTARTS] += each.restarted
            if each.restarted or each.full:
                row[columns.STATE] |= columns.UNCOUNTED
            known[place] = m.Memory(clocks[place], poll.counts[place])
        return True

    def _publish(self) -> None:
        """Replace the figures as a whole, so that no thread sees half of a change."""
        numbers = np.array(list(self._rows), np.uint16)
        table = np.array(list(self._rows.values()), np.int64).reshape(-1, columns.COLUMNS)
        self.figures = Figures(numbers, table, self._foreign)
