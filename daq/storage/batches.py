"""From rows as they come to batch bodies in aligned memory: the first stage of the writer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from daq.listmode.blocks import BatchPlan
from daq.listmode.crc import checksum
from daq.storage.flow import Body, BufferPool, Counts, Rows, Whole, total
from daq.storage.schemas import row_bits

if TYPE_CHECKING:
    from daq.model.events import StreamName

HEADROOM = 1 << 16
"""Bytes kept free in front of a body for its header, which is 4096 bytes unless there are very many counts."""


@dataclass(slots=True)
class _Open:
    """The batch of one stream that is being filled."""

    since_s: float
    chunks: list[pa.RecordBatch] = field(default_factory=list)
    bytes: int = 0
    counts: Counts = field(default_factory=dict)
    losses: Counts = field(default_factory=dict)


class Assembler:
    """Collects rows per stream and closes a batch when it is full or old. Used by one thread."""

    def __init__(self, pool: BufferPool, *, batch_bytes: int, batch_age_s: float) -> None:
        self._pool = pool
        self._batch_bytes = batch_bytes
        self._batch_age_s = batch_age_s
        self._open: dict[StreamName, _Open] = {}
        self._row_bits: dict[StreamName, int | None] = {}

    def add(self, rows: Rows, now_s: float) -> Iterator[Body]:
        """Take `rows`; yield each batch they fill. A write's counts go with its last row.

        A batch ages from here on, not from the call of `write`: a backlog must not fall into ever smaller batches.
        """
        rest = rows.batch
        if rows.stream not in self._row_bits:
            self._row_bits[rows.stream] = row_bits(rest.schema)
        bits = self._row_bits[rows.stream]
        while True:
            batch = self._open.setdefault(rows.stream, _Open(now_s))
            fits, size = _rows_that_fit(rest, self._batch_bytes - batch.bytes, bits)
            if not fits and rest.num_rows and not batch.chunks:
                fits, size = 1, rest.slice(0, 1).nbytes
            if fits or not rest.num_rows:
                batch.chunks.append(rest.slice(0, fits))
                batch.bytes += size
                rest = rest.slice(fits)
            if not rest.num_rows:
                break
            yield self._close(rows.stream)
        batch.counts = total([batch.counts, rows.counts])
        batch.losses = total([batch.losses, rows.losses])
        if batch.bytes >= self._batch_bytes:
            yield self._close(rows.stream)

    def next_due_s(self) -> float | None:
        """Return the monotonic time at which the oldest batch must close, None when all are empty."""
        if not self._open:
            return None
        return min(batch.since_s for batch in self._open.values()) + self._batch_age_s

    def close_due(self, now_s: float) -> Iterator[Body]:
        """Yield the batches whose first row is too old by now."""
        for stream in [s for s, b in self._open.items() if b.since_s + self._batch_age_s <= now_s]:
            yield self._close(stream)

    def close_all(self) -> Iterator[Body]:
        """Yield every batch that holds something."""
        for stream in list(self._open):
            yield self._close(stream)

    def _close(self, stream: StreamName) -> Body:
        batch = self._open.pop(stream)
        plan = BatchPlan.of_chunks(batch.chunks)
        buffer = self._pool.take(HEADROOM + plan.body_bytes)
        body = buffer[HEADROOM : HEADROOM + plan.body_bytes]
        plan.copy_body(body)
        crc, time_ps = checksum(body), _time_range(batch.chunks)
        release = partial(self._pool.give, buffer)
        return Body(stream, plan.without_sources(), buffer, crc, time_ps, batch.counts, batch.losses, release)

    def whole(self, batch: Whole) -> Iterator[Body]:
        """Yield a batch that lies ready, after what of its stream came before."""
        if batch.stream in self._open:
            yield self._close(batch.stream)
        crc = checksum(batch.buffer[HEADROOM : HEADROOM + batch.plan.body_bytes])
        yield Body(batch.stream, batch.plan, batch.buffer, crc, None, batch.counts, batch.losses, batch.release)


def _rows_that_fit(batch: pa.RecordBatch, room: int, bits: int | None) -> tuple[int, int]:
    """Return how many leading rows of `batch` take at most about `room` bytes, and their bytes.

    `bits` is the size of a row where all are equal.
    """
    rows = batch.num_rows
    if bits is not None:
        rows = min(rows, room * 8 // bits)
        return rows, rows * bits // 8
    size = batch.nbytes
    while rows and size > room:
        rows = min(rows - 1, max(0, rows * room // size))
        size = batch.slice(0, rows).nbytes
    return int(rows), int(size)


def _time_range(chunks: list[pa.RecordBatch]) -> tuple[int, int] | None:
    if "time_ps" not in chunks[0].schema.names:
        return None
    columns = [chunk.column("time_ps") for chunk in chunks if chunk.num_rows]
    if not columns:
        return None
    times = [np.frombuffer(c.buffers()[1], np.int64, len(c), c.offset * 8) for c in columns]
    return min(int(t.min()) for t in times), max(int(t.max()) for t in times)
