"""A run of packets as they arrived: what the readout hands on, what the raw stream stores, what decoders take."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
import numpy.typing as npt

NO_SEQUENCE = (1 << 64) - 1
"""`sequence` of a packet whose framing numbers nothing."""


class Flag(IntFlag):
    """Bits of the raw column `flags`. The low three are those of the native framing."""

    START = 1
    HEARTBEAT = 2
    END = 4
    PREAMBLE = 8
    """Bytes before the first word of a file or stream: kept, never decoded."""
    MALFORMED = 16
    """Breaks its framing: kept byte-exact, never decoded."""
    DUPLICATE = 32
    """Its words came before: kept, never decoded."""
    TRUNCATED = 64
    """Ends in the middle of a word; the whole words before are decoded."""
    DROPPED = 128
    """Arrived when the buffer was full: its header is kept, its words are lost and counted `ring_full`."""


NOT_DECODED = Flag.PREAMBLE | Flag.MALFORMED | Flag.DUPLICATE | Flag.DROPPED


@dataclass(frozen=True, slots=True, eq=False)
class Packets:
    """`n` packets. Row i is `data[offset[i]:offset[i] + length[i]]` (uint8); `header` is uint8 [n, header bytes].

    The arrays may be views on a buffer that is used again: copy what must live on.
    """

    data: npt.NDArray[np.uint8]
    offset: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    source: npt.NDArray[np.uint16]
    sequence: npt.NDArray[np.uint64]
    arrival_ns: npt.NDArray[np.int64]
    flags: npt.NDArray[np.uint8]
    header: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        """Return the number of packets."""
        return len(self.offset)
