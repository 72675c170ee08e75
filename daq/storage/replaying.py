"""Replay: derive the rows of a recording again from its raw packets, and compare or write them.

The same functions run as live; what only the host knew (operator's marks, an operator's stop, UTC) is taken from the
recorded marks, which say after how many packets they came.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import pyarrow as pa
from pydantic import ValidationError

from daq.errors import FormatError, RefusedError, UsageError
from daq.listmode.decoder import Decoder
from daq.model.events import StreamName
from daq.model.layout import Clock, Layout
from daq.model.order import OrderRule
from daq.model.packets import Packets
from daq.model.processing import Processing
from daq.model.stop import StopCondition, parse_stop
from daq.storage.accounts import Accounts, Framing
from daq.storage.derive import Derivation, Rows
from daq.storage.files import make_parents
from daq.storage.hashing import hash_segments
from daq.storage.hostcommands import HostCommands
from daq.storage.kernels import load_decoder
from daq.storage.manifest import Manifest
from daq.storage.memory import return_large_blocks
from daq.storage.rawpackets import cut_packets, raw_packets
from daq.storage.reader import ListMode
from daq.storage.recordedlayout import recorded_layout
from daq.storage.recordedprocessing import recorded_processing
from daq.storage.schemas import record_batch
from daq.storage.steps import StepList
from daq.storage.streams import stream_schemas
from daq.storage.writer import ListModeWriter


@dataclass(slots=True)
class Comparison:
    """Rows derived again against rows stored, per stream; `differences` name stream, row, column and both values."""

    rows: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """True when every row agrees in every column."""
        return not self.differences


def replayed(recording: ListMode, processing: Processing | None = None) -> Iterator[tuple[Rows, Derivation]]:
    """Yield the rows of a recording, derived again, in order; refuse one without a raw stream.

    With another `processing` than the recorded one, other rows.
    """
    if "raw" not in recording.streams:
        raise RefusedError(f"{recording.directory}: recorded without the raw stream, nothing to replay")
    manifest = recording.manifest
    facts = recorded_facts(recording)
    return_large_blocks()
    host = HostCommands.of(recording)
    derivation = Derivation(
        load_decoder(facts.layout, facts.clock),
        Accounts.of(facts.layout, facts.framing, facts.layout.unit),
        imported=facts.imported,
        stop=facts.stop,
        order=facts.order,
        processing=processing or facts.processing,
        feet_first=manifest.feet_first,
        utc_of=host.next_utc,
    )
    yield host.begin(derivation), derivation
    for packets in raw_packets(recording):
        for part in _cut(packets, derivation.packets_seen, host):
            yield host.due(derivation), derivation
            yield derivation.rows(derivation.account(part)), derivation
    yield host.due(derivation), derivation
    yield derivation.finish(manifest.ended_by or "end"), derivation


def compare(recording: ListMode) -> Comparison:
    """Return how the rows derived again compare with those stored, column for column."""
    result = Comparison()
    readers: dict[str, _Stored] = {}
    schemas = _row_schemas(recording)
    recorded = {segment.stream for segment in recording.manifest.segments}
    schemas = {stream: schema for stream, schema in schemas.items() if stream in recorded}
    for rows, _ in replayed(recording):
        for stream, runs in rows.items():
            if stream not in schemas:
                continue
            reader = readers.setdefault(stream, _Stored(recording, stream))
            for run in runs:
                fresh = record_batch(stream, run, schemas[stream])
                result.rows[stream] = result.rows.get(stream, 0) + fresh.num_rows
                result.differences += reader.differences(fresh)
    for stream in schemas:
        stored = recording.rows(stream) if stream in recording.streams else 0
        if stored != result.rows.get(stream, 0):
            result.differences.append(f"{stream}: {stored} rows stored, {result.rows.get(stream, 0)} derived again")
    return result


def rewrite(recording: ListMode, out: Path) -> Manifest:
    """Write the recording, its rows derived again, to the new directory `out`; raw rows are copied."""
    old = recording.manifest
    manifest = old.model_copy(update={"state": "open", "hashed": False, "segments": [], "sealed_utc": None}, deep=True)
    manifest.software = {**old.software, "replayed_from": old.acquisition_id}
    # Rows of events are back; marks of the host and words lost from raw are not.
    manifest.losses = [loss for loss in old.losses if loss.get("stream") not in ("singles", "coincidences")]
    schemas = {"raw": recording.schema("raw"), **_row_schemas(recording)}
    words: dict[str, int] = {}
    steps = StepList(old.stop)
    make_parents(out)
    with ListModeWriter(out, manifest, schemas) as writer:
        for rows, derivation in replayed(recording):
            for stream, runs in rows.items():
                for run in runs if stream in schemas else ():
                    writer.write(stream, run)
                    if stream == "marks":
                        steps.see_columns(run)
            words = derivation.words_by_kind
        for batch in recording.batches("raw"):
            writer.write("raw", batch)
        sealed = writer.seal(ended_by=old.ended_by or "end", ledger=old.ledger, words_by_kind=words,
                             duration_ps=old.duration_ps, time=old.time,
                             steps=lambda: list(steps.entries) if old.steps is None else old.steps)  # fmt: skip
    hash_segments(out)
    return sealed


@dataclass(frozen=True, slots=True)
class RecordedFacts:
    """What a manifest says of how packets became rows."""

    layout: Layout
    clock: Clock
    framing: Framing
    imported: bool
    stop: StopCondition
    order: OrderRule | None
    processing: Processing


def recorded_facts(recording: ListMode) -> RecordedFacts:
    """Return what deriving again needs of the manifest; raise `FormatError` where it does not say it."""
    manifest = recording.manifest
    try:
        framing, imported = manifest.time["framing"], manifest.time["imported"]
        if framing not in get_args(Framing) or not isinstance(imported, bool):
            raise FormatError(f"{recording.directory}: the manifest says framing {framing!r}, imported {imported!r}")
        layout, clock = recorded_layout(manifest, recording.directory)
        return RecordedFacts(
            layout, clock, framing, imported, parse_stop([manifest.stop]), _recorded_order(recording),
            recorded_processing(manifest, recording.directory),
        )  # fmt: skip
    except KeyError as why:
        raise FormatError(f"{recording.directory}: the manifest lacks {why}; nothing can be derived again") from None
    except UsageError as why:
        raise FormatError(f"{recording.directory}: the manifest's stop condition: {why}") from None


def _recorded_order(recording: ListMode) -> OrderRule | None:
    """Return the rule by which rows were put in order; None for recordings that were not."""
    rule = recording.manifest.time.get("order")
    try:
        return None if rule is None else OrderRule.model_validate(rule)
    except ValidationError as why:
        raise FormatError(f"{recording.directory}: the manifest's order: {why.errors()[0]['msg']}") from None


def decoder_of(recording: ListMode) -> Decoder:
    """Return the decoder of the profile that the manifest holds."""
    facts = recorded_facts(recording)
    return load_decoder(facts.layout, facts.clock)


def _row_schemas(recording: ListMode) -> dict[StreamName, pa.Schema]:
    """Return the schemas of the rows that the recording keeps."""
    facts = recorded_facts(recording)
    columns = load_decoder(facts.layout, facts.clock).columns
    return stream_schemas(columns, store_raw=False, late=facts.order is not None, processing=facts.processing)


class _Stored:
    """The stored rows of a stream, handed out in pieces of any length."""

    def __init__(self, recording: ListMode, stream: str) -> None:
        self._stream = stream
        self._row = 0
        self._batches = recording.batches(stream) if stream in recording.streams else iter(())
        self._batch: pa.RecordBatch | None = None

    def differences(self, fresh: pa.RecordBatch) -> list[str]:
        """Return where `fresh` differs from the next rows, at most one line per column."""
        found: list[str] = []
        while fresh.num_rows:
            stored = self._next(fresh.num_rows)
            if stored is None:
                return [f"{self._stream}: row {self._row} and later were derived again but are not stored"]
            part = fresh.slice(0, stored.num_rows)
            found += [line for name in fresh.schema.names if (line := self._column(name, stored, part)) is not None]
            fresh = fresh.slice(stored.num_rows)
            self._row += stored.num_rows
        return found

    def _column(self, name: str, stored: pa.RecordBatch, fresh: pa.RecordBatch) -> str | None:
        ours, theirs = fresh.column(name), stored.column(name)
        if ours.equals(theirs):
            return None
        mine, other = ours.to_pylist(), theirs.to_pylist()
        for row, (a, b) in enumerate(zip(mine, other, strict=True)):
            if a != b and not (a != a and b != b):  # noqa: PLR0124 - NaN equals NaN here
                return f"{self._stream}: row {self._row + row}, {name}: {b} stored, {a} derived again"
        return None

    def _next(self, most: int) -> pa.RecordBatch | None:
        while self._batch is None or self._batch.num_rows == 0:
            self._batch = next(self._batches, None)
            if self._batch is None:
                return None
        head = self._batch.slice(0, most)
        self._batch = self._batch.slice(head.num_rows)
        return head


def _cut(packets: Packets, seen: int, host: HostCommands) -> Iterator[Packets]:
    """Cut the packets where the host marked something."""
    start = 0
    while start < len(packets):
        at = host.next_break()
        stop = len(packets) if at is None else min(max(at - seen, start), len(packets))
        if stop == start:
            stop = len(packets) if at is None or at - seen > start else start + 1
        yield cut_packets(packets, start, stop)
        start = stop
