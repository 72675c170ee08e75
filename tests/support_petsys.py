"""Datagrams of a PETsys front end as packets, for tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from daq.model import tofpet2 as t
from daq.model.events import NO_SOURCE
from daq.model.packets import NO_SEQUENCE, Flag, Packets
from daq.wire import petsys as p

FRAME_NS = t.FRAME_PS // 1000


def frame(frame_id: int, events: int = 0, *, port: int = 0, slave: int = 0, lost: int = 0) -> p.Frame:
    """Return a frame whose event words are of channel 0 and differ from each other."""
    return p.Frame(frame_id & t.FRAME_ID_MASK, np.arange(events, dtype=np.uint64), port, slave, lost)


def packets_of(datagrams: Sequence[bytes], arrival_ns: Sequence[int] | None = None) -> Packets:
    """Return datagrams as the receiver hands them on."""
    count = len(datagrams)
    length = np.array([len(datagram) for datagram in datagrams], np.int64)
    header = np.zeros((count, 16), np.uint8)
    source = np.full(count, NO_SOURCE, np.uint16)
    sequence = np.full(count, NO_SEQUENCE, np.uint64)
    flags = np.full(count, int(Flag.MALFORMED), np.uint8)
    for row, datagram in enumerate(datagrams):
        if len(datagram) > t.HEADER_BYTES and datagram[0] == p.DATA_MARK:
            first = int.from_bytes(datagram[1:9], "little")
            header[row, :8] = np.frombuffer(datagram[1:9], np.uint8)
            header[row, 8:] = np.frombuffer(last_word(datagram), np.uint8)
            source[row], sequence[row] = first >> t.ADDRESS_SHIFT & t.ADDRESS_MASK, first & t.FRAME_ID_MASK
            flags[row] = 0
    arrival = np.array(range(count) if arrival_ns is None else arrival_ns, np.int64)
    data = np.frombuffer(b"".join(datagrams), np.uint8)
    return Packets(data, np.cumsum(length) - length, length, source, sequence, arrival, flags, header)


def last_word(datagram: bytes) -> bytes:
    """Return the first word of the last frame that begins in a data datagram."""
    at = 1
    word = datagram[1:9]
    while at + t.HEADER_BYTES <= len(datagram):
        word = datagram[at : at + 8]
        at += 8 * max(int.from_bytes(word, "little") >> t.SIZE_SHIFT & t.SIZE_MASK, t.HEADER_WORDS)
    return word


def part(packets: Packets, start: int, stop: int) -> Packets:
    """Return packets `start` to `stop`."""
    cut = slice(start, stop)
    return Packets(
        packets.data, packets.offset[cut], packets.length[cut], packets.source[cut], packets.sequence[cut],
        packets.arrival_ns[cut], packets.flags[cut], packets.header[cut],
    )  # fmt: skip


def runs_as_packets(packets: Packets, walked: object) -> Packets:
    """Return the runs of a walk as the packets that a decoder gets."""
    rows: npt.NDArray[np.int64] = walked.run_packet  # type: ignore[attr-defined]
    return Packets(
        packets.data, walked.run_offset, walked.run_length, walked.run_source,  # type: ignore[attr-defined]
        packets.sequence[rows], packets.arrival_ns[rows], np.zeros(len(rows), np.uint8), packets.header[rows],
    )  # fmt: skip
