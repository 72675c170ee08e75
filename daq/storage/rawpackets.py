"""The raw stream of a recording as packets again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from daq.model.packets import NO_SEQUENCE, Packets
from daq.storage.reader import ListMode

_BYTES_AT_ONCE = 1 << 20


def raw_packets(recording: ListMode, start_row: int = 0) -> Iterator[Packets]:
    """Yield the raw rows from `start_row` on as packets, about a MiB at a time."""
    for batch in recording.batches("raw", start_row=start_row):
        rows = max(1, batch.num_rows * _BYTES_AT_ONCE // max(batch.nbytes, 1))
        for start in range(0, batch.num_rows, rows):
            yield packets_from_raw(batch.slice(start, rows))


def packets_from_raw(batch: pa.RecordBatch) -> Packets:
    """Return raw rows as packets, the data a view on the batch."""
    data = batch.column("data")
    starts = np.frombuffer(data.buffers()[1], np.int64)[data.offset : data.offset + len(data) + 1]
    header = batch.column("header")
    width = header.type.byte_width
    headers = np.frombuffer(header.buffers()[1], np.uint8)[
        header.offset * width : (header.offset + len(header)) * width
    ]
    values = data.buffers()[2]
    return Packets(
        data=np.frombuffer(values, np.uint8) if values is not None and values.size else np.empty(0, np.uint8),
        offset=starts[:-1],
        length=np.diff(starts),
        source=batch.column("source").to_numpy(),
        sequence=batch.column("sequence").fill_null(pa.scalar(NO_SEQUENCE, pa.uint64())).to_numpy(),
        arrival_ns=batch.column("arrival_ns").to_numpy(),
        flags=batch.column("flags").to_numpy(),
        header=headers.reshape(-1, width),
    )


def cut_packets(packets: Packets, start: int, stop: int) -> Packets:
    """Return packets `start` to `stop`."""
    part = slice(start, stop)
    return Packets(
        packets.data, packets.offset[part], packets.length[part], packets.source[part],
        packets.sequence[part], packets.arrival_ns[part], packets.flags[part], packets.header[part],
    )  # fmt: skip
