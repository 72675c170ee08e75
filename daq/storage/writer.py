"""The writer of a list-mode directory: rows in, acknowledged batches on the disk, a sealed directory at the end.

    write() -> queue -> assemble (copy to aligned memory, CRC-32, header) -> disk (write, sync, roll, seal)

Each arrow is a bounded hand-over between threads: while two batches are on their way to the disk the next is copied and
summed. More threads were slower, for on a quiet machine it is the waking up that costs. A batch closes when full or
old; syncs have a cadence of their own and acknowledge the batches before them. After a disk error nothing more is
accepted, yet `seal` still makes what is whole a sealed directory.
"""

from __future__ import annotations

import errno
import threading
import time
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from daq.errors import DeadlineError, RefusedError, ScandaqError, StorageFailedError, UsageError
from daq.storage.batches import HEADROOM, Assembler
from daq.storage.disk import Acknowledged, Closing, Disk
from daq.storage.files import StorageFiles
from daq.storage.flow import Block, Body, BoundedQueue, BufferPool, Counts, Ended, Flush, Rows, Start, Whole
from daq.storage.schemas import BatchBuilder
from daq.storage.segment import SegmentPlanner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

    from daq.listmode.blocks import BatchPlan
    from daq.model.events import StreamName
    from daq.model.ledger import Ledger
    from daq.model.packets import Packets
    from daq.storage.manifest import Manifest, RecordedStep
    from daq.storage.schemas import Columns

_IDLE_S = 0.5
_SLACK_BYTES = 1 << 16
_NO_DEADLINE_S = threading.TIMEOUT_MAX
_NOT_OURS_TO_WRITE = (errno.EACCES, errno.EPERM, errno.EROFS)


@dataclass(frozen=True, slots=True)
class WriterLimits:
    """Sizes in bytes, times in seconds. `stall_s`: how long `write` and `flush` wait for a disk before they raise."""

    batch_bytes: int = 4 << 20
    batch_age_s: float = 0.25
    sync_period_s: float = 0.25
    segment_bytes: int = 1 << 30
    queue_bytes: int = 32 << 20
    buffers: int = 12
    stall_s: float = 10.0
    seal_s: float = 30.0


class ListModeWriter:
    """Writes one list-mode directory; call from one thread, or from several with one stream each.

    `directory` is empty or does not exist yet. As a context manager it opens, and seals if the body did not.
    """

    def __init__(
        self,
        directory: Path,
        manifest: Manifest,
        schemas: Mapping[StreamName, pa.Schema],
        *,
        files: StorageFiles | None = None,
        limits: WriterLimits | None = None,
        on_acknowledged: Callable[[dict[StreamName, Acknowledged]], None] | None = None,
    ) -> None:
        """`on_acknowledged` runs in the disk thread and must be short."""
        self._directory = directory
        self._files = files or StorageFiles()
        self._limits = limits or WriterLimits()
        self._builders = {stream: BatchBuilder(stream, schema) for stream, schema in schemas.items()}
        facts = {
            "acquisition": manifest.acquisition_id,
            "profile_sha256": manifest.profile_sha256,
            "time": manifest.time,
        }
        self._planners = {
            stream: SegmentPlanner(stream, schema, facts, segment_bytes=self._limits.segment_bytes)
            for stream, schema in schemas.items()
        }
        self._pool = BufferPool(self._limits.buffers, HEADROOM + self._limits.batch_bytes + _SLACK_BYTES)
        self._disk = Disk(
            directory,
            manifest,
            self._files,
            sync_period_s=self._limits.sync_period_s,
            segment_bytes=self._limits.segment_bytes,
            on_acknowledged=on_acknowledged,
        )
        self._assembler = Assembler(
            self._pool, batch_bytes=self._limits.batch_bytes, batch_age_s=self._limits.batch_age_s
        )
        self._input: BoundedQueue[Rows | Whole | Flush] = BoundedQueue(self._limits.queue_bytes)
        self._blocks: BoundedQueue[Start | Block | Flush] = BoundedQueue(self._limits.buffers)
        self._crash: ScandaqError | None = None
        self._closing: Closing | None = None
        self._sealed: Manifest | None = None
        self._threads = [
            threading.Thread(target=target, name=f"listmode-{name}", daemon=True)
            for name, target in (("assemble", self._assemble), ("disk", self._write))
        ]
        self._state = "new"

    @property
    def failure(self) -> ScandaqError | None:
        """What ended the writing, None while all is well."""
        return self._crash or self._disk.failure

    @property
    def acknowledged(self) -> dict[StreamName, int]:
        """Durable rows per stream."""
        return {stream: state.rows for stream, state in self._disk.acknowledged.items()}

    @property
    def acknowledged_counts(self) -> dict[StreamName, Counts]:
        """Sums per stream of the `counts` of all writes whose rows are durable."""
        return self._disk.counts

    @property
    def sync_last_s(self) -> float:
        """Seconds that the last sync took, the writes it waited for included."""
        return self._disk.sync_last_s

    @property
    def sync_max_s(self) -> float:
        """Seconds that the longest sync took."""
        return self._disk.sync_max_s

    @property
    def queued_bytes(self) -> int:
        """Bytes accepted that wait to be put into a batch."""
        return self._input.held

    @property
    def direct_io(self) -> bool:
        """True when the segments bypass the page cache."""
        return self._disk.direct

    def open(self) -> Self:
        """Make the directory and its first files durably, then start to accept rows.

        Raise `RefusedError` when the directory holds something, cannot be written by us or another writer is at it,
        `StorageFullError` or `StorageFailedError`.
        """
        try:
            self._refuse_occupied()
            if not self._directory.exists():
                self._files.make_directory(self._directory)
            self._disk.open([planner.start() for planner in self._planners.values()])
        except FileExistsError as why:
            self._disk.close()
            raise RefusedError(f"{why.filename} exists: a recording is never written over another") from None
        except OSError as why:
            self._disk.fail(why)
            self._disk.close()
            if why.errno in _NOT_OURS_TO_WRITE:
                raise RefusedError(f"{self._directory} cannot be written: {why.strerror}") from None
            raise self._disk.failure or why from why
        except BaseException:
            self._disk.close()
            raise
        self._state = "open"
        for thread in self._threads:
            thread.start()
        return self

    def write(
        self,
        stream: StreamName,
        rows: Columns | Packets | pa.RecordBatch,
        *,
        counts: Counts | None = None,
        losses: Counts | None = None,
    ) -> None:
        """Hand over `rows`; wait for room when the queue is full, at most `stall_s`, then raise `DeadlineError`.

        NumPy columns are kept by reference and must not change afterwards; packets are copied. `counts` and `losses`
        (units by kind or cause) are added to the facts of the batch that holds the last of the rows. Raise the failure
        once there is one.
        """
        if not self._put(stream, rows, counts, losses, self._limits.stall_s):
            raise DeadlineError(
                f"{self._directory}: the disk took nothing for {self._limits.stall_s:g} s, "
                f"{self.queued_bytes} bytes wait"
            )

    def try_write(
        self,
        stream: StreamName,
        rows: Columns | Packets | pa.RecordBatch,
        *,
        counts: Counts | None = None,
        losses: Counts | None = None,
    ) -> bool:
        """Do as `write` without waiting: return False, with nothing taken, when the queue is full."""
        return self._put(stream, rows, counts, losses, 0.0)

    def write_whole(
        self, stream: StreamName, plan: BatchPlan, buffer: memoryview, release: Callable[[], None], *,
        counts: Counts, losses: Counts,
    ) -> None:  # fmt: skip
        """Hand over a batch that lies ready in page-aligned `buffer` from byte `HEADROOM` on; never waits.

        The memory is the writer's until `release` is called, by one of its threads, and so it is the caller's supply of
        such memory that bounds what waits. Called also when the batch could not be written. Raise the failure once
        there is one, with nothing taken.
        """
        self._refuse_unless_open()
        self._input.put(Whole(stream, plan, buffer, counts, losses, release), 0, within_s=0.0)

    def flush(self) -> None:
        """Close every batch and return once all is durable. Raise the failure, or `DeadlineError` after `stall_s`."""
        self._refuse_unless_open()
        flush = Flush()
        if not self._input.put(flush, 0, within_s=self._limits.stall_s) or not flush.done.wait(self._limits.stall_s):
            raise DeadlineError(f"{self._directory}: not flushed within {self._limits.stall_s:g} s")
        if self.failure:
            raise self.failure

    def seal(
        self,
        *,
        ended_by: str = "end",
        ledger: Ledger | Callable[[], Ledger] | None = None,
        words_by_kind: Mapping[str, int] | None = None,
        duration_ps: int | None = None,
        time: Mapping[str, Any] | None = None,
        counters: Mapping[str, Any] | None = None,
        steps: Callable[[], list[RecordedStep]] | None = None,
    ) -> Manifest:
        """Write all that waits, end and sync each segment, write the sealed manifest durably and return it.

        A ledger given as a function, and `steps`, are asked once the fate of every row is known. After a failure the
        whole batches are sealed all the same, `ended_by` says `disk` (or `fault`) and `failure` stays. Raise the
        failure when the disk does not even take that, `DeadlineError` after `seal_s`.
        """
        self._refuse_unless_open(or_failed=True)
        self._closing = Closing(ended_by, ledger, words_by_kind or {}, duration_ps, time, counters, steps)
        self._stop()
        if self._sealed is None:
            raise self.failure or StorageFailedError(f"{self._directory}: not sealed")
        return self._sealed

    def abandon(self) -> None:
        """Write what waits and close without sealing, as after a crash: `recover` can read what is there."""
        self._refuse_unless_open(or_failed=True)
        self._stop()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._state == "open":
            self.seal(ended_by="end" if kind is None else "fault")

    def _refuse_occupied(self) -> None:
        if self._directory.exists() and any(self._directory.iterdir()):
            raise RefusedError(f"{self._directory} is not empty: a recording is never written over another")

    def _put(
        self,
        stream: StreamName,
        rows: Columns | Packets | pa.RecordBatch,
        counts: Counts | None,
        losses: Counts | None,
        within_s: float,
    ) -> bool:
        self._refuse_unless_open()
        if not within_s and self._input.held >= self._limits.queue_bytes:
            return False
        if stream not in self._builders:
            raise UsageError(f"{self._directory}: no stream {stream}, only {', '.join(self._builders)}")
        builder = self._builders[stream]
        if not isinstance(rows, pa.RecordBatch):
            rows = builder.build(rows)
        elif rows.schema != builder.schema:
            raise UsageError(f"stream {stream}: a batch of another schema: {rows.schema.names}")
        size = builder.size_bytes(rows)
        return self._input.put(Rows(stream, rows, counts or {}, losses or {}), size, within_s=within_s)

    def _refuse_unless_open(self, *, or_failed: bool = False) -> None:
        if self._state != "open":
            raise UsageError(f"{self._directory}: the writer is {self._state}")
        if self.failure and not or_failed:
            raise self.failure

    def _stop(self) -> None:
        self._state = "closed"
        end = time.monotonic() + self._limits.seal_s
        self._input.close()
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
            if thread.is_alive():
                raise DeadlineError(f"{self._directory}: not closed within {self._limits.seal_s:g} s")

    def _assemble(self) -> None:
        while True:
            due = self._assembler.next_due_s()
            wait = _IDLE_S if due is None else max(0.0, due - time.monotonic())
            item = self._input.get(wait)
            if not self.failure:
                self._guarded(self._assemble_one, item)
            elif isinstance(item, Whole):
                item.release()
            if isinstance(item, Flush):
                self._blocks.put(item, 1, within_s=_NO_DEADLINE_S)
            if item is Ended.CLOSED:
                break
        self._blocks.close()

    def _assemble_one(self, item: Rows | Whole | Flush | Ended) -> None:
        now_s = time.monotonic()
        more: Iterable[Body] = ()
        if isinstance(item, Rows):
            more = self._assembler.add(item, now_s)
        elif isinstance(item, Whole):
            more = self._assembler.whole(item)
        elif item is Ended.CLOSED or isinstance(item, Flush):
            more = self._assembler.close_all()
        for body in chain(self._assembler.close_due(now_s), more):
            for block in self._planners[body.stream].place(body):
                self._blocks.put(block, 1, within_s=_NO_DEADLINE_S)

    def _write(self) -> None:
        while (item := self._blocks.get(self._disk.seconds_to_sync())) is not Ended.CLOSED:
            if not self.failure:
                self._guarded(self._write_one, item)
            elif isinstance(item, Block):
                item.release()
            if isinstance(item, Flush):
                item.done.set()
        self._guarded(self._end)
        self._disk.close()

    def _write_one(self, item: Start | Block | Flush | Ended) -> None:
        if isinstance(item, Block):
            self._disk.append(item)
        elif isinstance(item, Start):
            self._disk.roll(item)
        if isinstance(item, Flush) or not self._disk.seconds_to_sync():
            self._disk.sync()

    def _end(self) -> None:
        if self._closing is None:
            self._disk.sync()
            return
        ended_by = "fault" if self._crash else self._closing.ended_by
        self._sealed = self._disk.finish(replace(self._closing, ended_by=ended_by))

    def _guarded(self, step: Callable[..., None], *arguments: object) -> None:
        """Do `step`; whatever it raises becomes the failure, which the caller of the writer gets to see."""
        try:
            step(*arguments)
        except OSError as why:
            self._disk.fail(why)
        except Exception as why:  # noqa: BLE001  a thread has nobody above it: every error is kept and raised by write
            name = threading.current_thread().name
            crash = StorageFailedError(f"{self._directory}: {name}: {type(why).__name__}: {why}")
            crash.__cause__ = why
            self._crash = self._crash or crash
