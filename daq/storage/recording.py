"""One acquisition being written: packets in, a sealed directory with its ledger out. Live and at import alike."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from daq.errors import ScandaqError
from daq.listmode.decoder import Decoder
from daq.model.events import STREAMS, StreamName
from daq.model.layout import Clock, Layout
from daq.model.packets import Packets
from daq.model.stop import StopCondition
from daq.storage.accounting import Accounts, Framing
from daq.storage.derive import Derivation, Rows
from daq.storage.hashing import hash_segments
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
        self.failure: ScandaqError | None = None

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
            start_utc_ns=time.time_ns(), start_monotonic_ns=time.monotonic_ns(),
        )  # fmt: skip
        writer = ListModeWriter(
            Path(directory), manifest, stream_schemas(decoder, store_raw=store_raw, store_rows=store_rows)
        )
        recording = cls(writer.open(), derivation, store_raw=store_raw, store_rows=store_rows)
        recording._directory = Path(directory)
        recording._write_rows(derivation.mark("start"), {})
        return recording

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
        words = {source: count - before.get(source, 0) for source, count in self._written_words().items()}
        counts = {f"source:{source}": count for source, count in words.items() if count}
        if self._store_raw:
            self._write("raw", accounted.packets, counts)
        rows = self._derivation.rows(accounted)
        self._write_rows(rows, {} if self._store_raw else counts)

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
        """Write the stop mark if the data brought none, seal the directory and return its manifest."""
        self._write_rows(self._derivation.stop_now(ended_by), {})
        stopped = self._derivation.stopped
        manifest = self._writer.seal(
            ended_by=stopped.by if stopped else ended_by,
            ledger=lambda: self._derivation.ledger(durable=self._durable_words(), kernel_drops=kernel_drops),
            words_by_kind=self._derivation.words_by_kind,
            duration_ps=self._derivation.latest_ps,
            time={"zero_ticks": self._derivation.zero_ticks},
        )
        self.failure = self.failure or self._writer.failure
        return manifest

    def hash(self) -> None:
        """Add SHA-256 of every segment to the manifest, at low priority."""
        hash_segments(self._directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.__exit__(kind, why, trace)

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
        if self.failure is None:
            try:
                self._writer.write(stream, rows, counts=counts)
            except ScandaqError as failure:
                self.failure = failure

    def _durable_words(self) -> dict[int, int]:
        """Return the words per source that the writer measured to be durable; rows that were never to be stored are."""
        total: dict[int, int] = {}
        for counts in self._writer.acknowledged_counts.values():
            for name, words in counts.items():
                if name.startswith("source:"):
                    source = int(name.removeprefix("source:"))
                    total[source] = total.get(source, 0) + words
        return total


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
