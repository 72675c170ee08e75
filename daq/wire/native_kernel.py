"""One datagram of the native framing inside a compiled loop: the rules of `daq.wire.native_batch.packets_of`."""

from __future__ import annotations

from typing import Any

import numpy as np

from daq.model.events import NO_SOURCE
from daq.model.kernel import inlined
from daq.model.packets import NO_SEQUENCE, Flag
from daq.wire.native import HEADER_BYTES, MAGIC, MAX_PAYLOAD_BYTES, MAX_WORD_INDEX, NativeFlag

_KEPT = np.uint64(NativeFlag.START | NativeFlag.HEARTBEAT | NativeFlag.END)
_EMPTY = np.uint64(NativeFlag.HEARTBEAT | NativeFlag.END)
_MAGIC = np.uint64(MAGIC)
_MALFORMED = np.uint8(Flag.MALFORMED)
_TRUNCATED = np.uint8(Flag.TRUNCATED)
_NO_SOURCE = np.uint16(NO_SOURCE)
_NO_SEQUENCE = np.uint64(NO_SEQUENCE)
_MAX_WORD_INDEX = np.uint64(MAX_WORD_INDEX)
_LOW_16 = np.uint64(0xFFFF)


@inlined
def little_endian_u64(data: Any, at: Any) -> Any:
    """Return the 8 bytes of `data` (uint8) from `at` (int64, not negative) on as uint64; compiled to one load."""
    value = np.uint64(0)
    for place in range(8):
        value |= np.uint64(data[np.uint64(at) + np.uint64(place)]) << np.uint64(8 * place)
    return value


@inlined
def parsed_datagram(data: Any, offset: Any, length: Any, word_bytes: Any) -> Any:
    """Return flags u8, source u16, sequence u64, payload offset i64, payload length i64 of one received datagram.

    The datagram is `data[offset:offset + length]` (uint8; offset, length and `word_bytes` int64), which the caller
    has made sure of. One that breaks the framing is `MALFORMED`, of no source and without number, and its payload is
    the whole of it; one with fewer bytes than it announces is `TRUNCATED`.
    """
    if length >= HEADER_BYTES:
        fields = little_endian_u64(data, offset)
        first = little_endian_u64(data, offset + 8)
        source = np.uint16(fields >> np.uint64(16) & _LOW_16)
        flags = fields >> np.uint64(32) & _LOW_16
        words = fields >> np.uint64(48)
        announced = np.int64(words) * np.int64(word_bytes)
        payload = np.int64(length) - HEADER_BYTES
        if (
            fields & _LOW_16 == _MAGIC
            and source != _NO_SOURCE
            and flags & ~_KEPT == 0
            and first <= _MAX_WORD_INDEX - words
            and payload <= announced <= MAX_PAYLOAD_BYTES
            and (announced == 0 or flags & _EMPTY == 0)
        ):
            kept = np.uint8(flags)
            if payload < announced:
                kept |= _TRUNCATED
            return kept, source, first, np.int64(offset) + HEADER_BYTES, payload
    return _MALFORMED, _NO_SOURCE, _NO_SEQUENCE, np.int64(offset), np.int64(length)
