"""Packets as lists of plain rows and back: what slabs, receivers and recordings are held against."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from daq.model.packets import NO_SEQUENCE, Packets
from daq.wire.native_batch import packets_of, unframed_packets_of


class Row(NamedTuple):
    """One packet; `sequence` is None where the framing numbers nothing."""

    source: int
    sequence: int | None
    arrival_ns: int
    flags: int
    header: bytes
    data: bytes


def packets_from(rows: Iterable[Row]) -> Packets:
    """Return rows as packets whose bytes lie apart from each other, in memory of their own."""
    rows = list(rows)
    gap = b"\xee" * 7
    lengths = np.array([len(row.data) for row in rows], np.int64)
    return Packets(
        data=np.frombuffer(gap + b"".join(row.data + gap for row in rows), np.uint8),
        offset=len(gap) + np.cumsum(lengths + len(gap), dtype=np.int64) - lengths - len(gap),
        length=lengths,
        source=np.array([row.source for row in rows], np.uint16),
        sequence=np.array([NO_SEQUENCE if row.sequence is None else row.sequence for row in rows], np.uint64),
        arrival_ns=np.array([row.arrival_ns for row in rows], np.int64),
        flags=np.array([row.flags for row in rows], np.uint8),
        header=np.frombuffer(b"".join(row.header for row in rows), np.uint8).reshape(len(rows), 16).copy(),
    )


def rows_of(packets: Packets) -> list[Row]:
    """Return packets as rows."""
    return [
        Row(
            int(packets.source[i]),
            None if int(packets.sequence[i]) == NO_SEQUENCE else int(packets.sequence[i]),
            int(packets.arrival_ns[i]),
            int(packets.flags[i]),
            packets.header[i].tobytes(),
            packets.data[int(packets.offset[i]) : int(packets.offset[i]) + int(packets.length[i])].tobytes(),
        )
        for i in range(len(packets))
    ]


def rows_of_batches(batches: Iterable[pa.RecordBatch]) -> list[Row]:
    """Return the rows of Arrow batches of the raw stream, by pyarrow's own means."""
    found: list[dict[str, Any]] = [row for batch in batches for row in batch.to_pylist()]
    return [Row(**row) for row in found]


def received(datagrams: list[bytes], word_bytes: int, *, native: bool = True, arrival_ns: int = 0) -> Packets:
    """Return what the rules of the framing make of datagrams, by the vectorised way."""
    lengths = np.array([len(datagram) for datagram in datagrams], np.int64)
    data = np.frombuffer(b"".join(datagrams) or b"-", np.uint8)
    of = packets_of if native else unframed_packets_of
    arrivals = np.full(len(datagrams), arrival_ns, np.int64)
    return of(data, np.cumsum(lengths) - lengths, lengths, arrivals, word_bytes)
