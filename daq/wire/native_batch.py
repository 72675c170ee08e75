"""Many received datagrams of the native framing to packets at once, vectorised."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from daq.model.events import NO_SOURCE
from daq.model.packets import NO_SEQUENCE, Flag, Packets
from daq.wire.native import HEADER_BYTES, HEADER_DTYPE, MAGIC, MAX_PAYLOAD_BYTES, MAX_WORD_INDEX, NativeFlag

_KEPT = int(NativeFlag.START | NativeFlag.HEARTBEAT | NativeFlag.END)
_EMPTY = int(NativeFlag.HEARTBEAT | NativeFlag.END)


def packets_of(
    data: npt.NDArray[np.uint8],
    offset: npt.NDArray[np.int64],
    length: npt.NDArray[np.int64],
    arrival_ns: npt.NDArray[np.int64],
    word_bytes: int,
) -> Packets:
    """Return `n` datagrams, the i-th being `data[offset[i]:offset[i] + length[i]]`, as packets on the same memory.

    A datagram that breaks the framing is kept whole as data, flagged `MALFORMED`; one cut short is flagged `TRUNCATED`.
    """
    header = _headers(data, offset, length)
    fields = header.view(HEADER_DTYPE).reshape(-1)
    payload = length - HEADER_BYTES
    announced = fields["words"].astype(np.int64) * word_bytes
    flags = fields["flags"].astype(np.int64)
    good = (
        (length >= HEADER_BYTES)
        & (fields["magic"] == MAGIC)
        & (fields["source"] != NO_SOURCE)
        & ((flags & ~_KEPT) == 0)
        & (fields["first_word_index"] <= MAX_WORD_INDEX)
        & (fields["first_word_index"] + fields["words"].astype(np.uint64) <= MAX_WORD_INDEX)
        & (announced <= MAX_PAYLOAD_BYTES)
        & (payload <= announced)
        & (((flags & _EMPTY) == 0) | (announced == 0))
    )
    truncated = good & (payload < announced)
    kept = np.where(good, flags, int(Flag.MALFORMED)) | np.where(truncated, int(Flag.TRUNCATED), 0)
    header[~good] = 0
    return Packets(
        data=data,
        offset=np.where(good, offset + HEADER_BYTES, offset),
        length=np.where(good, payload, length),
        source=np.where(good, fields["source"], NO_SOURCE).astype(np.uint16),
        sequence=np.where(good, fields["first_word_index"], np.uint64(NO_SEQUENCE)).astype(np.uint64),
        arrival_ns=arrival_ns,
        flags=kept.astype(np.uint8),
        header=header,
    )


def unframed_packets_of(
    data: npt.NDArray[np.uint8],
    offset: npt.NDArray[np.int64],
    length: npt.NDArray[np.int64],
    arrival_ns: npt.NDArray[np.int64],
    word_bytes: int,
) -> Packets:
    """Return datagrams that are words and nothing else, as packets of source 0 on the same memory."""
    count = len(offset)
    return Packets(
        data=data,
        offset=offset,
        length=length,
        source=np.zeros(count, np.uint16),
        sequence=np.full(count, NO_SEQUENCE, np.uint64),
        arrival_ns=arrival_ns,
        flags=np.where(length % word_bytes, int(Flag.TRUNCATED), 0).astype(np.uint8),
        header=np.zeros((count, HEADER_BYTES), np.uint8),
    )


def _headers(
    data: npt.NDArray[np.uint8], offset: npt.NDArray[np.int64], length: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint8]:
    """Return the first 16 bytes of each datagram, uint8 [n, 16]; what a shorter one lacks is whatever follows it."""
    if not len(data):
        return np.zeros((len(offset), HEADER_BYTES), np.uint8)
    place = np.minimum(offset[:, None] + np.arange(HEADER_BYTES), len(data) - 1)
    header = data[place]
    header[length < HEADER_BYTES] = 0
    return np.ascontiguousarray(header)
