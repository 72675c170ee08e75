"""One PETsys data datagram inside compiled loops: where its frames are, also where one of them lies."""

from __future__ import annotations

from typing import Any

import numpy as np

from daq.model import tofpet2 as t
from daq.model.events import NO_SOURCE
from daq.model.kernel import inlined, spliced
from daq.model.packets import NO_SEQUENCE, Flag
from daq.wire.native_kernel import little_endian_u64
from daq.wire.petsys import DATA_MARK

SUCCESSOR_FRAMES = 1 << 12
"""A jump of frame ids is believed when another frame follows it no further away than this (21 ms)."""

_SIZE_SHIFT, _SIZE = np.uint64(t.SIZE_SHIFT), np.uint64(t.SIZE_MASK)
_ADDRESS_SHIFT, _ADDRESS = np.uint64(t.ADDRESS_SHIFT), np.uint64(t.ADDRESS_MASK)
_ID, _EVENTS = np.uint64(t.FRAME_ID_MASK), np.uint64(t.EVENTS_MASK)
_MASK = t.FRAME_ID_MASK
_FLAG_MALFORMED = np.uint8(Flag.MALFORMED)
_NO_SOURCE, _NO_SEQUENCE = np.uint16(NO_SOURCE), np.uint64(NO_SEQUENCE)


@inlined
def parsed_petsys(data: Any, offset: Any, length: Any) -> Any:
    """Return flags u8, source u16, sequence u64 and two words u64 of the datagram `data[offset:offset + length]`.

    Of data: source and id of the first frame, and the first words of the first frame and of the last, which is all that
    is kept of a datagram without room. What is no data is `MALFORMED`, a reply to be found.
    """
    if length > t.HEADER_BYTES and data[offset] == DATA_MARK:
        at, end = np.int64(offset) + 1, np.int64(offset) + np.int64(length)
        first = little_endian_u64(data, at)
        last = first
        while at + t.HEADER_BYTES <= end:
            last = little_endian_u64(data, at)
            words = np.int64(last >> _SIZE_SHIFT & _SIZE)
            at += t.WORD_BYTES * (words if words > t.HEADER_WORDS else t.HEADER_WORDS)
        return np.uint8(0), np.uint16(first >> _ADDRESS_SHIFT & _ADDRESS), first & _ID, first, last
    return _FLAG_MALFORMED, _NO_SOURCE, _NO_SEQUENCE, np.uint64(0), np.uint64(0)


@spliced
def consistent(data: Any, at: Any) -> Any:
    """Tell whether size and number of events of the frame at `at` agree."""
    size = np.int64(little_endian_u64(data, at) >> _SIZE_SHIFT & _SIZE)
    return size == np.int64(little_endian_u64(data, at + t.WORD_BYTES) & _EVENTS) + t.HEADER_WORDS


@spliced
def _follows(data: Any, at: Any, end: Any, before: Any) -> Any:
    """Tell whether at `at` the datagram ends, or a frame begins that can be the next one after the frame `before`."""
    if at == end:
        return True
    if at + t.HEADER_BYTES > end or not consistent(data, at):
        return False
    word = little_endian_u64(data, at)
    ahead = np.int64(word & _ID) - np.int64(before & _ID) & _MASK
    return word >> _ADDRESS_SHIFT == before >> _ADDRESS_SHIFT and 0 < ahead <= SUCCESSOR_FRAMES


@spliced
def behind_lie(data: Any, at: Any, end: Any) -> Any:
    """Return where the frame after one that lies about its size begins; -1 where that cannot be told."""
    word = little_endian_u64(data, at)
    by_size = at + t.WORD_BYTES * np.int64(word >> _SIZE_SHIFT & _SIZE)
    by_events = at + t.WORD_BYTES * (t.HEADER_WORDS + np.int64(little_endian_u64(data, at + t.WORD_BYTES) & _EVENTS))
    if at + t.HEADER_BYTES <= by_size <= end and _follows(data, by_size, end, word):
        return by_size
    if by_events <= end and _follows(data, by_events, end, word):
        return by_events
    return np.int64(-1)
