"""Decoders: packets of words in, rows and counts out, with a carry between calls.

The same interface serves live readout, import and replay. A layout gives a `LayoutDecoder`; a protocol that no layout
can say brings its own class with this interface.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from daq.listmode.codegen import CAUSES, lookup_tables
from daq.listmode.columns import NUMPY_TYPES, decoded_columns
from daq.model.events import STREAMS, StreamName
from daq.model.layout import Clock, Layout
from daq.model.packets import Packets

MAX_SOURCES = 1 << 16
Columns = dict[str, npt.NDArray[Any]]
Kernel = Callable[..., tuple[int, int, int]]


@dataclass(slots=True, eq=False)
class Carry:
    """What decoding carries from call to call. All arrays grow with the highest source number seen.

    `state` int64 [sources, 3]: time known?, carried ticks, latest `time_ps`. `zero` int64 [domains, 4]: known?, ticks
    of time zero, any ticks read?, the newest of them. `counts` int64 [sources, kinds + causes]: words so far.
    `zero_is_tick_0`: known before any word came.
    """

    state: npt.NDArray[np.int64]
    zero: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    zero_is_tick_0: bool

    def copy(self) -> Carry:
        """Return an independent copy."""
        return Carry(self.state.copy(), self.zero.copy(), self.counts.copy(), self.zero_is_tick_0)


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """Rows of one call: columns per stream, equally long within a stream.

    `ends` int64 [packets, 4]: rows of singles, coincidences and marks after each packet, and the latest `time_ps`
    of its source then. `told` int64 [packets]: the latest time that a packet tells without a row, as a frame without
    events does, `NEVER_PS` where it tells none; None of decoders whose rows tell all.
    """

    streams: Mapping[StreamName, Columns]
    ends: npt.NDArray[np.int64]
    told: npt.NDArray[np.int64] | None = None

    def rows(self, stream: StreamName) -> int:
        """Return the number of rows of a stream."""
        columns = self.streams.get(stream)
        return len(columns["time_ps"]) if columns else 0


class Decoder(Protocol):
    """What readout, import and replay need of a decoder."""

    @property
    def columns(self) -> Mapping[StreamName, list[str]]:
        """Columns per stream that it fills."""
        ...

    @property
    def counters(self) -> tuple[str, ...]:
        """Names of the columns of `Carry.counts`."""
        ...

    def start(self, *, imported: bool) -> Carry:
        """Return the carry before the first packet; time zero is tick 0 when `imported`."""
        ...

    def decode(self, packets: Packets, carry: Carry) -> Decoded:
        """Return the rows of `packets`, in order, as fresh arrays, and bring `carry` up to date."""
        ...

    def buffers(self, words: int) -> dict[StreamName, Columns]:
        """Return arrays that hold the rows of `words` words, whatever their kinds."""
        ...

    def decode_into(self, packets: Packets, carry: Carry, buffers: dict[StreamName, Columns]) -> Decoded:
        """Do as `decode`, the rows being views on `buffers`, which are large enough."""
        ...

    def words_of(self, packets: Packets) -> int:
        """Return how many words `packets` may hold, at most."""
        ...


class GrowingDecoder(ABC):
    """All of a `Decoder` but how it decodes, for a carry that grows when a higher source number comes."""

    def __init__(
        self, layout: Layout, clock: Clock, *, counters: tuple[str, ...], word_bytes: int, state_columns: int = 3
    ) -> None:
        """`counters` names the columns of `Carry.counts`; `state_columns` is what decoding keeps of each source."""
        self.layout = layout
        self.clock = clock
        self.columns = decoded_columns(layout)
        self.counters = counters
        self._word_bytes = word_bytes
        self._state_columns = state_columns

    @cached_property
    def _types(self) -> dict[StreamName, dict[str, str]]:
        """The type of each column."""
        return {
            stream: {name: NUMPY_TYPES[STREAMS[stream][name].type] for name in names}
            for stream, names in self.columns.items()
        }

    @abstractmethod
    def decode_into(self, packets: Packets, carry: Carry, buffers: dict[StreamName, Columns]) -> Decoded:
        """Do as `decode`, the rows being views on `buffers`, which hold at least as many words as `packets`."""

    def start(self, *, imported: bool) -> Carry:
        """Return the carry before the first packet."""
        known = imported or self.clock.reset_at_start
        carry = Carry(
            np.zeros((0, self._state_columns), np.int64), np.zeros((1, 4), np.int64),
            np.zeros((0, len(self.counters)), np.int64), known,
        )  # fmt: skip
        carry.zero[0, 0] = known
        self._grow(carry, 1)
        return carry

    def decode(self, packets: Packets, carry: Carry) -> Decoded:
        """Return the rows of `packets` as fresh arrays and bring `carry` up to date."""
        return self.decode_into(packets, carry, self.buffers(self.words_of(packets)))

    def words_of(self, packets: Packets) -> int:
        """Return how many words `packets` hold."""
        return int(packets.length.sum()) // self._word_bytes

    def buffers(self, words: int) -> dict[StreamName, Columns]:
        """Return arrays that hold the rows of `words` words, whatever their kinds."""
        return {
            stream: {name: np.empty(words, kind) for name, kind in kinds.items()}
            for stream, kinds in self._types.items()
        }

    def _make_room(self, packets: Packets, carry: Carry) -> None:
        """Let `carry` have a row for every source of `packets`."""
        if len(packets):
            self._grow(carry, int(packets.source.max()) + 1)

    def _grow(self, carry: Carry, sources: int) -> None:
        """Make room for `sources` sources, at most 65536 because a source number is a uint16."""
        missing = sources - len(carry.state)
        if missing <= 0:
            return
        carry.state = np.concatenate([carry.state, self._fresh(missing)])
        carry.counts = np.concatenate([carry.counts, np.zeros((missing, carry.counts.shape[1]), np.int64)])
        domains = sources - len(carry.zero)
        if not self.clock.shared and domains > 0:
            zero = np.zeros((domains, 4), np.int64)
            zero[:, 0] = carry.zero_is_tick_0
            carry.zero = np.concatenate([carry.zero, zero])

    def _fresh(self, sources: int) -> npt.NDArray[np.int64]:
        """Return what decoding keeps of `sources` sources before their first word."""
        return np.zeros((sources, self._state_columns), np.int64)


def first_rows(buffers: dict[StreamName, Columns], rows: dict[StreamName, int]) -> dict[StreamName, Columns]:
    """Return views on as many rows of each stream's columns as `rows` says."""
    return {stream: {name: a[: rows[stream]] for name, a in columns.items()} for stream, columns in buffers.items()}


class LayoutDecoder(GrowingDecoder):
    """The decoder of an event layout: a compiled kernel over whole runs of packets."""

    def __init__(self, layout: Layout, clock: Clock, kernel: Kernel) -> None:
        super().__init__(layout, clock, counters=(*layout.kinds, *CAUSES), word_bytes=layout.word_bytes)
        self._kernel = kernel
        self._tables = [np.array(table, np.int64) for table in lookup_tables(layout)]

    def decode_into(self, packets: Packets, carry: Carry, buffers: dict[StreamName, Columns]) -> Decoded:
        """Do as `decode`, the rows being views on `buffers`, which hold at least as many words as `packets`."""
        self._make_room(packets, carry)
        flat = [array for columns in buffers.values() for array in columns.values()]
        ends = np.empty((len(packets), 4), np.int64)
        singles, coincidences, marks = self._kernel(
            packets.data, packets.offset, packets.length, packets.source, packets.flags,
            carry.state, carry.zero, carry.counts, ends, *self._tables, *flat,
        )  # fmt: skip
        return Decoded(first_rows(buffers, {"singles": singles, "coincidences": coincidences, "marks": marks}), ends)

    def _fresh(self, sources: int) -> npt.NDArray[np.int64]:
        fresh = super()._fresh(sources)
        if self.clock.start_ticks is not None:
            fresh[:, :2] = 1, self.clock.start_ticks
        return fresh
