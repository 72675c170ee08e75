"""A stretch of memory that the readout fills with packets and the writer writes as it is: one batch of the raw stream.

The packets' bytes lie one behind the other at the beginning of the batch's body; the columns grow beside it and are put
behind the bytes when the slab is closed. So a raw byte is copied once on its way from the socket to the disk.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from daq.listmode.blocks import PAGE, BatchPlan
from daq.model.packets import NO_SEQUENCE, Packets
from daq.storage.batches import HEADROOM
from daq.storage.files import aligned_buffer
from daq.storage.flow import Counts
from daq.storage.schemas import HEADER_BYTES

BODY_BYTES = 4 << 20
MAX_PACKETS = 4096
COLUMNS_BYTES = 192 << 10
DATA_BYTES = BODY_BYTES - COLUMNS_BYTES
"""What a slab holds of packets' bytes; the rest of the body is for the columns of `MAX_PACKETS` packets."""
SLAB_BYTES = HEADROOM + BODY_BYTES
_ALIGNMENT = 64


class Slab:
    """Packets and their columns. Filled by one thread; others look at what was handed over and no further.

    `starts` int64 [MAX_PACKETS + 1]: where each packet's bytes begin in `data`. `length` is what a packet carried,
    which is more than what is kept of one that was dropped.
    """

    def __init__(self, memory: memoryview | None = None, *, data_bytes: int | None = None) -> None:
        """Lie in `memory` of `SLAB_BYTES` page-aligned bytes, or in memory of its own for `data_bytes`."""
        data_bytes = data_bytes or DATA_BYTES
        whole = HEADROOM + data_bytes + COLUMNS_BYTES
        self.memory = aligned_buffer(whole) if memory is None else memory
        self.data = np.frombuffer(self.memory, np.uint8, data_bytes, HEADROOM)
        self.starts = np.zeros(MAX_PACKETS + 1, np.int64)
        self.length = np.zeros(MAX_PACKETS, np.int64)
        self.source = np.zeros(MAX_PACKETS, np.uint16)
        self.sequence = np.zeros(MAX_PACKETS, np.uint64)
        self.arrival_ns = np.zeros(MAX_PACKETS, np.int64)
        self.flags = np.zeros(MAX_PACKETS, np.uint8)
        self.header = np.zeros((MAX_PACKETS, HEADER_BYTES), np.uint8)
        self.packets = 0
        self.words: dict[int, int] = {}
        """Words per source that the accounts found in these packets."""
        self.counts: Counts = {}
        """The same by name, for the facts of the batch."""
        self.losses: Counts = {}
        """What the accounts found missing (`gap`) or without room (`ring_full`) with these packets, by source."""
        self.taken = 0
        """Packets that are in the accounts, and in `words`, `counts` and `losses`."""
        self.keeps_data = True

    def clear(self) -> None:
        """Make ready for other packets."""
        self.packets = 0
        self.words = {}
        self.counts = {}
        self.losses = {}
        self.taken = 0
        self.keeps_data = True

    def view(self, begin: int, end: int) -> Packets:
        """Return packets `begin` to `end` as views on this memory."""
        part = slice(begin, end)
        return Packets(
            self.data, self.starts[begin:end], self.length[part], self.source[part], self.sequence[part],
            self.arrival_ns[part], self.flags[part], self.header[part],
        )  # fmt: skip

    def kept(self, end: int) -> Packets:
        """Return the packets before `end` with the bytes that are kept, as views on this memory."""
        view = self.view(0, end)
        return replace(view, length=np.diff(self.starts[: end + 1]))

    def room_for(self, size: int) -> bool:
        """Tell whether a packet of `size` bytes still fits."""
        return self.packets < MAX_PACKETS and int(self.starts[self.packets]) + size <= len(self.data)

    def append(self, packets: Packets, index: int) -> None:
        """Copy one packet, for which there is room."""
        at, start, size = self.packets, int(self.starts[self.packets]), int(packets.length[index])
        offset = int(packets.offset[index])
        self.data[start : start + size] = packets.data[offset : offset + size]
        self.starts[at + 1] = start + size
        self.length[at] = size
        for name in ("source", "sequence", "arrival_ns", "flags"):
            getattr(self, name)[at] = getattr(packets, name)[index]
        self.header[at] = packets.header[index]
        self.packets += 1

    def close(self) -> BatchPlan:
        """Put the columns behind the bytes and return the plan of the batch, the columns in the schema's order."""
        rows = self.packets
        body = np.frombuffer(self.memory, np.uint8, len(self.data) + COLUMNS_BYTES, HEADROOM)
        end = int(self.starts[rows])
        data, at = (0, end), self._padded(body, end)
        known = self.sequence[:rows] != NO_SEQUENCE
        nulls = rows - int(np.count_nonzero(known))
        validity = np.packbits(known, bitorder="little") if nulls else np.empty(0, np.uint8)
        columns: list[npt.NDArray[np.uint8]] = [
            np.empty(0, np.uint8), self.source[:rows].view(np.uint8),
            validity, self.sequence[:rows].view(np.uint8),
            np.empty(0, np.uint8), self.arrival_ns[:rows].view(np.uint8),
            np.empty(0, np.uint8), self.flags[:rows],
            np.empty(0, np.uint8), self.header[:rows].reshape(-1),
            np.empty(0, np.uint8), self.starts[: rows + 1].view(np.uint8),
        ]  # fmt: skip
        buffers = []
        for column in columns:
            body[at : at + len(column)] = column
            buffers.append((at, len(column)))
            at = self._padded(body, at + len(column))
        body_bytes = -(-at // PAGE) * PAGE
        body[at:body_bytes] = 0
        nodes = ((rows, 0), (rows, nulls), (rows, 0), (rows, 0), (rows, 0), (rows, 0))
        return BatchPlan(rows, nodes, (*buffers, data), (), body_bytes)

    @staticmethod
    def _padded(body: npt.NDArray[np.uint8], at: int) -> int:
        """Fill up to the next multiple of 64 bytes with zeros and return it."""
        end = -(-at // _ALIGNMENT) * _ALIGNMENT
        body[at:end] = 0
        return end
