"""One stream's segments: the planner gives every message its place, facts and checksum; the file takes the bytes."""

from __future__ import annotations

import base64
import errno
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from daq.errors import FormatError
from daq.listmode.blocks import END_OF_STREAM, PAGE, batch_header, chain, read_message, schema_message
from daq.storage.batches import HEADROOM
from daq.storage.files import StorageFiles, aligned_buffer
from daq.storage.flow import Block, Body, Counts, Start, total
from daq.storage.manifest import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from daq.model.events import StreamName

_FIRST_STEP_BYTES = 4 << 20
_LARGEST_STEP_BYTES = 256 << 20


def segment_name(stream: str, index: int) -> str:
    """Return the file name of segment `index` of `stream`."""
    return f"{stream}-{index:05d}.arrows"


def described(start: Start) -> Segment:
    """Return the manifest's entry of a segment that holds nothing yet."""
    return Segment(
        file=segment_name(start.stream, start.index),
        stream=start.stream,
        index=start.index,
        schema_message=base64.b64encode(start.message).decode(),
    )


class SegmentPlanner:
    """Numbers, chains and seals the messages of one stream, and rolls to a new segment when one is full. No IO."""

    def __init__(self, stream: StreamName, schema: pa.Schema, facts: dict[str, Any], *, segment_bytes: int) -> None:
        self._stream = stream
        self._schema = schema
        self._facts = facts
        self._segment_bytes = segment_bytes
        self._index = -1
        self._first_row = 0
        self._sequence = 0
        self._position = 0
        self._chain = 0

    def start(self) -> Start:
        """Begin the next segment and return its schema message."""
        self._index += 1
        facts = {"kind": "schema", "stream": self._stream, "segment": self._index, **self._facts}
        message = schema_message(self._schema, facts)
        found = read_message(memoryview(message), 0)
        if isinstance(found, str):
            raise FormatError(f"schema message of {self._stream}: {found}")
        self._sequence, self._position = 0, len(message)
        self._chain = chain(0, found.crc32)
        return Start(self._stream, self._index, message, found.crc32)

    def place(self, body: Body) -> Iterator[Start | Block]:
        """Yield the message of `body`, after a new segment's start when the current one is full."""
        plan = body.plan
        if self._sequence and self._position + PAGE + plan.body_bytes > self._segment_bytes:
            yield self.start()
        facts: dict[str, Any] = {
            "stream": self._stream,
            "acquisition": self._facts["acquisition"],
            "segment": self._index,
            "seq": self._sequence,
            "rows": plan.rows,
            "first_row": self._first_row,
        }
        if body.time_ps:
            facts["time_ps"] = body.time_ps
        facts |= {"counts": body.counts, "losses": body.losses, "prev": f"{self._chain:08x}"}
        header, crc = batch_header(plan, facts, body.crc32)
        message = _joined(header, body.buffer, plan.body_bytes)
        self._chain = chain(self._chain, crc)
        self._sequence += 1
        self._position += len(message)
        self._first_row += plan.rows
        yield Block(self._stream, self._index, message, crc, plan.rows, body.counts, body.release)


def _joined(header: bytes, buffer: memoryview, body_bytes: int) -> memoryview:
    """Put `header` right before the body and return both as one stretch of aligned memory."""
    begin = HEADROOM - len(header)
    if begin >= 0:
        buffer[begin:HEADROOM] = header
        return buffer[begin : HEADROOM + body_bytes]
    larger = aligned_buffer(len(header) + body_bytes)
    larger[: len(header)] = header
    larger[len(header) :] = buffer[HEADROOM : HEADROOM + body_bytes]
    return larger


class Extent(NamedTuple):
    """How far a segment reaches: batches and rows in it, bytes, CRC chain."""

    batches: int
    rows: int
    bytes: int
    chain: int


class SegmentFile:
    """One segment on disk.

    `complete` is how far messages are written whole, `acknowledged` how far they are known to be durable, `counts` what
    was counted in the latter.
    """

    def __init__(self, files: StorageFiles, directory: Path, start: Start, *, segment_bytes: int) -> None:
        self.stream = start.stream
        self.index = start.index
        self.path = directory / segment_name(start.stream, start.index)
        self._files = files
        self._start = start
        self._segment_bytes = segment_bytes
        self._preallocated = 0
        self._step = _FIRST_STEP_BYTES
        self._placed = len(start.message)
        self._pending: list[Counts] = []
        self._synced = True
        self._sync_failed = False
        self._finished = False
        self.counts: Counts = {}
        self.complete = Extent(0, 0, len(start.message), chain(0, start.crc32))
        self.acknowledged = Extent(0, 0, 0, 0)
        self._handle = files.create(self.path)
        self._write_schema(start.message)
        self.direct = self._handle.direct

    def _write_schema(self, message: bytes) -> None:
        aligned = aligned_buffer(len(message))
        aligned[:] = message
        try:
            self._files.write_at(self._handle, 0, aligned)
            self._synced = False
            self.sync()
        except OSError:
            with suppress(OSError):  # the first error is on its way up; a segment never begun must not lie there
                self._files.close(self._handle)
                self._files.remove(self.path)
            raise

    @property
    def dirty(self) -> bool:
        """True while complete batches are not acknowledged."""
        return not self._synced

    def place(self, block: Block) -> Callable[[], None]:
        """Give `block` the next bytes of the file and return what writes it; blocks may be written side by side."""
        start = self._placed
        self._placed += len(block.message)
        if self._placed > self._preallocated:
            self._preallocate(self._placed)
        return partial(self._files.write_at, self._handle, start, block.message)

    def completed(self, block: Block) -> None:
        """Note that `block` is written whole, as are all placed before it."""
        batches, rows, size, so_far = self.complete
        size += len(block.message)
        self.complete = Extent(batches + 1, rows + block.rows, size, chain(so_far, block.crc32))
        self._pending.append(block.counts)
        self._synced = False

    def sync(self) -> None:
        """Make the complete messages durable, which acknowledges them."""
        try:
            self._files.datasync(self._handle)
        except OSError:
            self._sync_failed = True
            raise
        self._acknowledge()

    def finish(self) -> None:
        """Cut off what is torn, write the end-of-stream marker, make all of it durable. May be tried again.

        After a failed sync only what was acknowledged before it stays: the kernel forgets which pages it lost.
        """
        if self._finished:
            return
        self.direct = self.direct and self._handle.direct
        kept = self.acknowledged if self._sync_failed else self.complete
        self._files.truncate(self._handle, kept.bytes)
        self._files.write_at(self._handle, kept.bytes, END_OF_STREAM)
        self._files.sync(self._handle)
        if not self._sync_failed:
            self._acknowledge()
        self._synced = self._finished = True
        self._files.close(self._handle)

    def close(self) -> None:
        """Close without finishing: the directory stays as after a crash, for `recover`."""
        if not self._finished:
            self._finished = True
            self._files.close(self._handle)

    def describe(self) -> Segment:
        """Return the manifest's entry: what is acknowledged."""
        batches, rows, size, so_far = self.acknowledged
        reached = {
            "rows": rows,
            "batches": batches,
            "size_bytes": size + (len(END_OF_STREAM) if self._finished else 0),
            "crc_chain": f"{so_far:08x}",
        }
        return described(self._start).model_copy(update=reached)

    def _acknowledge(self) -> None:
        self.acknowledged = self.complete
        self.counts = total([self.counts, *self._pending])
        self._pending.clear()
        self._synced = True

    def _preallocate(self, needed: int) -> None:
        """Reserve blocks ahead of the end, in steps that double; never more than a 16th of what is free."""
        ahead = min(self._step, self._files.free_bytes(self.path) // 16) // PAGE * PAGE
        end = min(max(needed, self._preallocated + ahead), max(needed, self._segment_bytes))
        try:
            self._files.preallocate(self._handle, self._preallocated, end - self._preallocated)
        except OSError as why:
            if why.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            self._handle.preallocates = False  # the write itself will tell whether there is room
        self._preallocated = end
        self._step = min(self._step * 2, _LARGEST_STEP_BYTES)
