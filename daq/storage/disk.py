"""The writer's last stage: segments and manifest on the disk, acknowledgements, and what follows a disk error."""

from __future__ import annotations

import errno
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from daq.errors import ScandaqError, StorageFailedError, StorageFullError
from daq.storage.flow import total
from daq.storage.manifest import MANIFEST, Manifest, dump_manifest
from daq.storage.segment import SegmentFile, described

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from daq.model.events import StreamName
    from daq.model.ledger import Ledger
    from daq.storage.files import StorageFiles
    from daq.storage.flow import Block, Counts, Start
    from daq.storage.manifest import RecordedStep, Segment

RESERVE = ".reserve"
RESERVE_BYTES = 1 << 20
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_IDLE_S = 0.5
_WRITERS = 4


class Acknowledged(NamedTuple):
    """What is durable of a stream: all segments before `segment` whole, of this one `batches` in `bytes` bytes.

    `rows` counts the whole stream.
    """

    segment: int
    batches: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Closing:
    """What the manifest says at sealing. Callables are asked once all rows are durable or lost."""

    ended_by: str
    ledger: Ledger | Callable[[], Ledger] | None = None
    words_by_kind: Mapping[str, int] = field(default_factory=dict)
    duration_ps: int | None = None
    time: Mapping[str, Any] | None = None
    counters: Mapping[str, Any] | None = None
    steps: Callable[[], list[RecordedStep]] | None = None


class Disk:
    """Everything the writer has on the disk. Used by one thread; the properties may be read from any."""

    def __init__(
        self,
        directory: Path,
        manifest: Manifest,
        files: StorageFiles,
        *,
        sync_period_s: float,
        segment_bytes: int,
        on_acknowledged: Callable[[dict[StreamName, Acknowledged]], None] | None,
    ) -> None:
        self._directory = directory
        self._manifest = manifest.model_copy(update={"state": "open"})
        self._files = files
        self._sync_period_s = sync_period_s
        self._segment_bytes = segment_bytes
        self._on_acknowledged = on_acknowledged
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="listmode-write")
        self._flying: deque[tuple[SegmentFile, Block, Future[None]]] = deque()
        self._segments: dict[StreamName, list[SegmentFile]] = {}
        self._last_sync_s = time.monotonic()
        self._reserved = False
        self.sync_last_s = self.sync_max_s = 0.0
        self.failure: ScandaqError | None = None
        self.acknowledged: dict[StreamName, Acknowledged] = {}
        self.counts: dict[StreamName, Counts] = {}

    def open(self, starts: list[Start]) -> None:
        """Take the reserve, write the open manifest durably, begin the first segment of every stream.

        The reserve comes first: of two writers in one directory it refuses one before that has written anything.
        """
        self._files.reserve(self._directory / RESERVE, RESERVE_BYTES)
        self._reserved = True
        self._write_manifest([described(start) for start in starts])
        for start in starts:
            self._begin(start)
        self._files.sync_directory(self._directory)
        self._publish(list(self._segments))

    @property
    def direct(self) -> bool:
        """True while every segment is written past the page cache."""
        return all(segment.direct for files in self._segments.values() for segment in files)

    def roll(self, start: Start) -> None:
        """Finish the stream's segment and begin the next, named in the manifest before any row is in it."""
        self.sync()
        self._segments[start.stream][-1].finish()
        self._begin(start)
        self._files.sync_directory(self._directory)
        self._write_manifest(self._described())
        self._publish([start.stream])

    def append(self, block: Block) -> None:
        """Write one message, a few at a time: while one wakes its thread the others keep the disk busy."""
        segment = self._segments[block.stream][-1]
        try:
            write = self._writers.submit(segment.place(block))
        except OSError:
            block.release()
            raise
        self._flying.append((segment, block, write))
        while len(self._flying) > _WRITERS:
            self._settle()

    def seconds_to_sync(self) -> float:
        """Return how long the next sync may wait."""
        if not self._flying and not any(files[-1].dirty for files in self._segments.values()):
            return _IDLE_S
        return max(0.0, self._last_sync_s + self._sync_period_s - time.monotonic())

    def sync(self) -> None:
        """Make durable what was written and acknowledge it."""
        begun_s = self._last_sync_s = time.monotonic()
        while self._flying:
            self._settle()
        synced: list[StreamName] = []
        try:
            for stream, files in self._segments.items():
                if files[-1].dirty:
                    files[-1].sync()
                    synced.append(stream)
        finally:
            self._publish(synced)
            self.sync_last_s = time.monotonic() - begun_s
            self.sync_max_s = max(self.sync_max_s, self.sync_last_s)

    def _settle(self) -> None:
        """Wait for the oldest write; only the unbroken row of finished ones counts as complete."""
        segment, block, write = self._flying.popleft()
        try:
            write.result()
        except OSError:
            self._give_up_flying()
            raise
        finally:
            block.release()
        segment.completed(block)

    def _give_up_flying(self) -> None:
        """Wait for the writes behind a failed one. What they wrote is cut off at sealing."""
        while self._flying:
            _, block, write = self._flying.popleft()
            write.exception()
            block.release()

    def fail(self, why: OSError) -> None:
        """Keep `why` in words as the failure, and give the reserve back so that the end can be written."""
        if self.failure is None:
            self.failure = self._in_words(why)
        self._give_reserve_back()

    def finish(self, closing: Closing) -> Manifest:
        """Seal every segment, then the manifest. Return it; raise `OSError` when not even that is possible.

        After a failure of the disk `ended_by` says `disk`, whatever `closing` says.
        """
        self._finish_writes()
        worst: OSError | None = None
        for files in self._segments.values():
            try:
                self._with_reserve(files[-1].finish)
            except OSError as why:
                worst = worst or why
        self._publish(list(self._segments))
        if worst:
            raise worst
        ledger = closing.ledger() if callable(closing.ledger) else closing.ledger
        sealed = {
            "state": "sealed",
            "sealed_utc": datetime.now(UTC).isoformat(timespec="microseconds"),
            "ended_by": "disk" if self.failure else closing.ended_by,
            "ledger": ledger,
            "words_by_kind": dict(closing.words_by_kind),
            "duration_ps": closing.duration_ps,
            "steps": closing.steps() if closing.steps else None,
            "time": {**self._manifest.time, **(closing.time or {})},
            "counters": dict(closing.counters or self._manifest.counters),
        }
        self._manifest = self._manifest.model_copy(update=sealed)
        self._with_reserve(lambda: self._write_manifest(self._described()))
        self._give_reserve_back()
        return self._manifest

    def _finish_writes(self) -> None:
        try:
            while self._flying:
                self._settle()
        except OSError as why:
            self.fail(why)

    def close(self) -> None:
        """Close the files as they are, unsealed. An error becomes the failure: nobody is left to raise it to."""
        self._writers.shutdown()
        for files in self._segments.values():
            try:
                files[-1].close()
            except OSError as why:
                self.fail(why)

    def _begin(self, start: Start) -> None:
        segment = SegmentFile(self._files, self._directory, start, segment_bytes=self._segment_bytes)
        self._segments.setdefault(start.stream, []).append(segment)

    def _described(self) -> list[Segment]:
        return [segment.describe() for files in self._segments.values() for segment in files]

    def _write_manifest(self, segments: list[Segment]) -> None:
        update = {"segments": segments, "storage": {"direct_io": self.direct}}
        self._manifest = self._manifest.model_copy(update=update)
        self._files.rename_durably(dump_manifest(self._manifest), self._directory / MANIFEST)

    def _with_reserve(self, step: Callable[[], None]) -> None:
        """Do `step`; when there is no room for it, give the reserve back and do it again."""
        try:
            step()
        except OSError as why:
            if why.errno not in NO_ROOM:
                raise
            self._give_reserve_back()
            step()

    def _give_reserve_back(self) -> None:
        if not self._reserved:
            return
        with suppress(OSError):  # a failure is already known, or the end is written: 1 MiB more or less decides nothing
            self._files.remove(self._directory / RESERVE)
            self._files.sync_directory(self._directory)

    def _publish(self, streams: list[StreamName]) -> None:
        """Let everybody know what is durable of `streams`."""
        news: dict[StreamName, Acknowledged] = {}
        counts = dict(self.counts)
        for stream in streams:
            files = self._segments[stream]
            last = files[-1].acknowledged
            rows = sum(segment.acknowledged.rows for segment in files)
            news[stream] = Acknowledged(files[-1].index, last.batches, rows, last.bytes)
            counts[stream] = total([segment.counts for segment in files])
        self.acknowledged = {**self.acknowledged, **news}
        self.counts = counts
        if news and self._on_acknowledged is not None:
            tell, self._on_acknowledged = self._on_acknowledged, None
            tell(news)  # one that raises is not called again, or it would keep the directory from being sealed
            self._on_acknowledged = tell

    def _in_words(self, why: OSError) -> ScandaqError:
        kept = ", ".join(f"{name} {state.rows} rows" for name, state in self.acknowledged.items())
        kept = f"acknowledged and kept: {kept or 'nothing'}"
        if why.errno not in NO_ROOM:
            return StorageFailedError(f"{self._directory}: {why.strerror or why} while writing; {kept}")
        try:
            free = f"{self._files.free_bytes(self._directory)} bytes free"
        except OSError as worse:
            free = str(worse)
        return StorageFullError(f"{self._directory}: {why.strerror} while writing ({free}); {kept}")
