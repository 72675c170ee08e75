"""One acquisition being written: packets in, a sealed directory with its ledger out. Live and at import alike."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from daq.errors import RefusedError, ScandaqError
from daq.listmode.decoder import Decoder
from daq.model.events import STREAMS, StreamName
from daq.model.layout import Clock, Layout
from daq.model.packets import Packets
from daq.model.stop import StopCondition
from daq.storage.accounting import Accounts, Framing
from daq.storage.derive import Derivation, Rows
from daq.storage.files import StorageFiles
from daq.storage.hashing import hash_segments
from daq.storage.hostclock import clock_health
from daq.storage.kernels import load_decoder
from daq.storage.manifest import Manifest
from daq.storage.memory import return_large_blocks
from daq.storage.schemas import arrow_schema
from daq.storage.writer import ListModeWriter


class Recording:
    """Accounts for packets, writes them, derives their rows and writes those. Call from one thread."""

    def __init__(self, writer: ListModeWriter, derivation: Derivation, *, store_raw: bool, store_rows: bool) -> None:
        self._writer = writer
        self._derivation = derivation
        self._store_raw = store_raw
        self._store_rows = store_rows
        self._directory = Path()
        self._sealing = False
        self._failure: ScandaqError | None = None
        self._handed: dict[StreamName, int] = {}
        self._owed: deque[tuple[dict[StreamName, int], dict[int, int]]] = deque()
        self._durable: dict[int, int] = {}

    @classmethod
    def start(
        cls, directory: str | Path, manifest: Manifest, layout: Layout, clock: Clock,
        unit: Literal["word", "event", "frame"], framing: Framing, *,
        stop: StopCondition | None = None, store_raw: bool = True, store_rows: bool = True, imported: bool = False,
    ) -> Self:  # fmt: skip
        """Compile the decoder, open the directory and return the recording, ready for packets.

        `imported`: the data are a file's; time zero is tick 0 and the host's clock has no say.
        """
        return_large_blocks()
        decoder = load_decoder(layout, clock)
        derivation = Derivation(
            decoder, Accounts(framing, layout.word_bytes, unit), imported=imported, stop=stop,
            utc_of=lambda arrival_ns: time.time_ns() - time.monotonic_ns() + arrival_ns,
        )  # fmt: skip
        manifest.time.update(
            tick_ps=clock.tick_ps, precision_ps=clock.precision_ps, imported=imported, framing=framing,
            start_utc_ns=time.time_ns(), start_monotonic_ns=time.monotonic_ns(), host_clock=clock_health(),
        )  # fmt: skip
        make_parents(Path(directory))
        writer = ListModeWriter(
            Path(directory), manifest, stream_schemas(decoder, store_raw=store_raw, store_rows=store_rows)
        )
        recording = cls(writer.open(), derivation, store_raw=store_raw, store_rows=store_rows)
        recording._directory = Path(directory)
        recording._write_rows(derivation.mark("start"), {})
        return recording

    @property
    def failure(self) -> ScandaqError | None:
        """Return what ended the writing, None while all is well."""
        return self._failure or self._writer.failure

    @property
    def stopped_by(self) -> str | None:
        """Return the limit that was reached, None before."""
        return self._derivation.stopped.by if self._derivation.stopped else None

    def all_sources_ended(self) -> bool:
        """Return True when every source that came has said that it ended."""
        return self._derivation.accounts.all_ended()

    def feed(self, packets: Packets) -> None:
        """Account for, write and derive a run of packets."""
        if not len(packets):
            return
        before = self._written_words()
        accounted = self._derivation.account(packets)
        after = self._written_words().items()
        words = {source: count - before.get(source, 0) for source, count in after if count != before.get(source, 0)}
        counts = {f"source:{source}": count for source, count in words.items()}
        if self._store_raw:
            self._write("raw", accounted.packets, counts)
            self._owe(words)
        self._write_rows(self._derivation.rows(accounted), {} if self._store_raw else counts)
        if not self._store_raw:
            self._owe(words)

    def operator_mark(self, text: str) -> None:
        """Write a mark of the operator at the present time."""
        seen = self._derivation.packets_seen
        self._write_rows(self._derivation.mark("operator", value=seen, text=text), {})

    def figures(self) -> dict[str, Any]:
        """Return live figures as plain data: counts live and recorded, words, time."""
        derivation = self._derivation
        return {
            "counts_live": derivation.counts,
            "rows_recorded": {str(stream): rows for stream, rows in self._writer.acknowledged.items()},
            "words_received": sum(a.received for a in derivation.accounts.sources.values()),
            "words_missing": sum(a.tracker.gap for a in derivation.accounts.sources.values() if a.tracker),
            "duration_ps": derivation.latest_ps,
        }

    def seal(self, ended_by: str, *, kernel_drops: int = 0) -> Manifest:
        """Write the stop mark if the data brought none, seal the directory and return its manifest.

        Raise the failure when the disk does not even take that, `DeadlineError` when it takes too long.
        """
        self._sealing = True
        self._write_rows(self._derivation.stop_now(ended_by), {})
        stopped = self._derivation.stopped
        return self._writer.seal(
            ended_by=stopped.by if stopped else ended_by,
            ledger=lambda: self._derivation.ledger(durable=self._durable_words(), kernel_drops=kernel_drops),
            words_by_kind=self._derivation.words_by_kind,
            duration_ps=self._derivation.latest_ps,
            time={"zero_ticks": self._derivation.zero_ticks, "host_clock_at_end": clock_health()},
        )

    def hash(self) -> None:
        """Add SHA-256 of every segment to the manifest, at low priority."""
        hash_segments(self._directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._sealing:
            with suppress(ScandaqError):  # there is a first error already, or an interruption, and it is on its way up
                self.seal("operator" if kind is KeyboardInterrupt else "fault")

    def _written_words(self) -> dict[int, int]:
        """Return the words per source that came and were not dropped."""
        accounts = self._derivation.accounts.sources
        return {source: account.received - account.dropped for source, account in accounts.items()}

    def _write_rows(self, rows: Rows, counts: dict[str, int]) -> None:
        """Write runs of rows; `counts` go with the last one, so that they are durable when all are."""
        if not self._store_rows:
            return
        runs = [(stream, run) for stream, columns in rows.items() for run in columns]
        for index, (stream, run) in enumerate(runs):
            self._write(stream, run, counts if index == len(runs) - 1 else {})

    def _write(self, stream: StreamName, rows: Any, counts: dict[str, int]) -> None:
        self._handed[stream] = self._handed.get(stream, 0) + _rows_of(rows)
        if self.failure is None:
            try:
                self._writer.write(stream, rows, counts=counts)
            except ScandaqError as failure:
                self._failure = failure

    def _owe(self, words: dict[int, int]) -> None:
        """Remember that `words` are durable when all rows handed over so far are, in raw alone where there is one."""
        if words:
            streams: list[StreamName] = ["raw"] if self._store_raw else list(self._handed)
            self._owed.append(({stream: self._handed[stream] for stream in streams}, words))
        self._settle()

    def _settle(self) -> None:
        acknowledged = self._writer.acknowledged
        while self._owed and all(acknowledged.get(stream, 0) >= rows for stream, rows in self._owed[0][0].items()):
            for source, words in self._owed.popleft()[1].items():
                self._durable[source] = self._durable.get(source, 0) + words

    def _durable_words(self) -> dict[int, int]:
        """Return the words per source that are durable. The disk thread asks while the recording waits for its seal."""
        self._settle()
        return dict(self._durable)


def make_parents(directory: Path) -> None:
    """Make the folders above `directory` durably, or raise `RefusedError`."""
    files = StorageFiles()
    try:
        for path in reversed([path for path in directory.absolute().parents if not path.exists()]):
            with suppress(FileExistsError):  # another recording made it just now
                files.make_directory(path)
    except OSError as why:
        raise RefusedError(f"{directory} cannot be made: {why.strerror}") from None


def _rows_of(rows: Any) -> int:
    """Return the number of rows in packets or in columns."""
    return len(rows) if isinstance(rows, Packets) else len(rows["time_ps"])


def stream_schemas(decoder: Decoder, *, store_raw: bool = True, store_rows: bool = True) -> dict[StreamName, Any]:
    """Return the Arrow schema of each stream that a recording with `decoder` writes."""
    schemas: dict[StreamName, Any] = {}
    if store_raw:
        schemas["raw"] = arrow_schema("raw", list(STREAMS["raw"]))
    if store_rows:
        for stream, columns in decoder.columns.items():
            required = [name for name, column in STREAMS[stream].items() if column.required]
            schemas[stream] = arrow_schema(stream, [n for n in STREAMS[stream] if n in {*columns, *required}])
    return schemas
