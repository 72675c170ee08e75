"""The decoder of MCPHA polls: each count that a histogram gained is a single. It has the interface of `Decoder`.

A single has the time of the timer in its poll, 8 ns a clock, and so is known to no better than the time between two
polls; its code is the number of its bin. Within a poll singles come by input, then by bin. Polls are judged by the
accounts before (`daq.wire.mcpha_tracking`); what comes here is good.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from daq.listmode.codegen import CAUSES
from daq.listmode.columns import NUMPY_TYPES, decoded_columns
from daq.listmode.decoder import Carry, Columns, Decoded
from daq.model import mcpha as m
from daq.model.events import STREAMS, StreamName
from daq.model.layout import Clock, Layout, Mcpha
from daq.model.order import NEVER_PS

RESETS = "resets"
"""Polls before which a histogram or timer had begun again."""
FULL_BINS = "full_bins"
"""Bins of the last poll that count no further, per source."""

_STATE = 3
_PER_INPUT = 1 + m.BINS
"""After the columns of every carry: the clocks of the last poll plus one (0: none), and its counts."""


class McphaDecoder:
    """Decodes rows of whole polls."""

    def __init__(self, layout: Layout, clock: Clock) -> None:
        self.layout = layout
        self.clock = clock
        self.columns = decoded_columns(layout)
        self.counters = (*layout.kinds, *CAUSES, RESETS, FULL_BINS)
        self._inputs = (layout.mcpha or Mcpha()).inputs
        self._bytes = m.poll_bytes(len(self._inputs))
        self._types = {
            stream: {name: NUMPY_TYPES[STREAMS[stream][name].type] for name in names}
            for stream, names in self.columns.items()
        }

    def start(self, *, imported: bool) -> Carry:
        """Return the carry before the first packet; time zero is the timer's zero in any case."""
        width = _STATE + len(self._inputs) * _PER_INPUT
        counts = np.zeros((1, len(self.counters)), np.int64)
        carry = Carry(np.zeros((1, width), np.int64), np.zeros((1, 4), np.int64), counts, zero_is_tick_0=True)
        carry.zero[0, 0] = 1
        del imported
        return carry

    def words_of(self, packets: Any) -> int:
        """Return how many polls `packets` hold: what they will give is known to their carry alone."""
        return int(packets.length.sum()) // self._bytes

    def buffers(self, words: int) -> dict[StreamName, Columns]:
        """Return nothing that will be used: rows are made as they are found, a few times a second."""
        del words
        return {
            stream: {name: np.empty(0, kind) for name, kind in kinds.items()} for stream, kinds in self._types.items()
        }

    def decode_into(self, packets: Any, carry: Carry, buffers: dict[StreamName, Columns]) -> Decoded:
        """Do as `decode`."""
        del buffers
        return self.decode(packets, carry)

    def decode(self, packets: Any, carry: Carry) -> Decoded:
        """Return the rows of `packets` as fresh arrays and bring `carry` up to date."""
        if len(packets):
            _grow(carry, int(packets.source.max()) + 1)
        ends, told = np.zeros((len(packets), 4), np.int64), np.full(len(packets), NEVER_PS, np.int64)
        parts: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32], npt.NDArray[np.uint16]]] = []
        rows = 0
        for index in range(len(packets)):
            source, begin = int(packets.source[index]), int(packets.offset[index])
            for at in range(begin, begin + int(packets.length[index]) // self._bytes * self._bytes, self._bytes):
                poll = m.parse_poll(packets.data[at : at + self._bytes], len(self._inputs))
                for part in self._singles(poll, carry, source):
                    parts.append(part)
                    rows += len(part[0])
            told[index] = carry.state[source, 2]
            ends[index] = rows, 0, 0, carry.state[source, 2]
        return Decoded({"singles": _joined(parts), "marks": self._no_marks()}, ends, told)

    def _singles(self, poll: m.Poll, carry: Carry, source: int) -> Any:
        """Yield times, detectors and codes of what each input counted."""
        state, counts = carry.state[source], carry.counts[source]
        full = 0
        for place, number in enumerate(self._inputs):
            kept = state[_STATE + place * _PER_INPUT : _STATE + (place + 1) * _PER_INPUT]
            clocks = int(poll.clocks[number])
            # What cannot be true was left out by the accounts, which remember the same: nothing is judged twice.
            new = m.grown(m.Memory(int(kept[0]) - 1, kept[1:]), clocks, poll.counts[place])
            kept[0], kept[1:] = clocks + 1, poll.counts[place]
            when = clocks * m.CLOCK_PS
            state[0], state[1], state[2] = 2, clocks, max(int(state[2]), when)
            carry.zero[0, 2:] = 1, clocks
            full += new.full
            counts[len(self.counters) - 2] += new.restarted
            codes = np.repeat(np.arange(m.BINS, dtype=np.uint16), new.counts)
            counts[0] += len(codes)
            yield np.full(len(codes), when, np.int64), np.full(len(codes), number, np.uint32), codes
        counts[len(self.counters) - 1] = full

    def _no_marks(self) -> Columns:
        return {name: np.empty(0, kind) for name, kind in self._types["marks"].items()}


def _joined(parts: list[tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]]) -> Columns:
    times, detectors, codes = zip(*parts, strict=True) if parts else ((), (), ())
    return {
        "time_ps": np.concatenate([np.empty(0, np.int64), *times]),
        "detector": np.concatenate([np.empty(0, np.uint32), *detectors]),
        "energy_adc": np.concatenate([np.empty(0, np.uint16), *codes]),
    }


def _grow(carry: Carry, sources: int) -> None:
    missing = sources - len(carry.state)
    if missing > 0:
        carry.state = np.concatenate([carry.state, np.zeros((missing, carry.state.shape[1]), np.int64)])
        carry.counts = np.concatenate([carry.counts, np.zeros((missing, carry.counts.shape[1]), np.int64)])
