"""List-mode directories for tests, made with `daq.listmode.blocks` alone: exact batch cuts, no threads, no syncs."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from daq.listmode.blocks import END_OF_STREAM, BatchPlan, batch_header, chain, read_message, schema_message
from daq.model.ledger import Ledger, SourceLedger
from daq.storage.manifest import MANIFEST, Manifest, Segment, dump_manifest

COINCIDENCES = pa.schema(
    [
        pa.field("time_ps", pa.int64(), nullable=False),
        pa.field("bin", pa.uint32(), nullable=False),
        pa.field("kind", pa.uint8(), nullable=False),
    ]
)
MARKS = pa.schema(
    [
        pa.field("time_ps", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("source", pa.uint16(), nullable=False),
        pa.field("value", pa.int64(), nullable=False),
        pa.field("value2", pa.float64(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
    ]
)
RAW = pa.schema(
    [
        pa.field("source", pa.uint16(), nullable=False),
        pa.field("sequence", pa.uint64()),
        pa.field("arrival_ns", pa.int64(), nullable=False),
        pa.field("flags", pa.uint8(), nullable=False),
        pa.field("header", pa.binary(16), nullable=False),
        pa.field("data", pa.large_binary(), nullable=False),
    ]
)
IDENTITY = {"acquisition": "test-1", "profile_sha256": "0" * 64, "time": {}}


def coincidences(start: int, stop: int) -> pa.RecordBatch:
    """Rows `[start, stop)` of a stream in which every value follows from its row number."""
    row = np.arange(start, stop)
    columns = [row * 1_000 - 500, (row * 7919 % 100_003).astype(np.uint32), (row % 7 == 0).astype(np.uint8)]
    return pa.record_batch([pa.array(column) for column in columns], schema=COINCIDENCES)


def marks(start: int, stop: int) -> pa.RecordBatch:
    row = np.arange(start, stop)
    columns = [row * 10**9, ["time"] * len(row), row % 2, row, np.full(len(row), np.nan), [f"mark {i}" for i in row]]
    return pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, MARKS, strict=True)], schema=MARKS)


def raw(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    """Raw rows from `source`, `flags`, `data` and, if wanted, `sequence`, `arrival_ns` and `header`."""
    defaults = {"source": 0, "sequence": None, "arrival_ns": 0, "flags": 0, "header": bytes(16)}
    return pa.RecordBatch.from_pylist([{**defaults, **row} for row in rows], schema=RAW)


@dataclass
class Made:
    """A segment as it was made: its bytes, its manifest entry, and where each message begins and ends."""

    data: bytes
    entry: Segment
    messages: list[tuple[int, int]] = field(default_factory=list)


def segment(
    stream: str,
    batches: list[pa.RecordBatch],
    *,
    index: int = 0,
    first_row: int = 0,
    schema: pa.Schema | None = None,
    identity: dict[str, Any] = IDENTITY,
    seal: bool = True,
    counts: Callable[[pa.RecordBatch], dict[str, int]] = lambda batch: {"prompt": batch.num_rows},
) -> Made:
    message = schema_message(
        batches[0].schema if schema is None else schema,
        {"kind": "schema", "stream": stream, "segment": index, **identity},
    )
    found = read_message(memoryview(message), 0)
    assert not isinstance(found, str)
    data, running, rows = bytearray(message), chain(0, found.crc32), 0
    places = [(0, len(message))]
    for seq, batch in enumerate(batches):
        plan = BatchPlan.of(batch)
        body = bytearray(plan.body_bytes)
        plan.copy_body(memoryview(body))
        facts: dict[str, Any] = {"stream": stream, "acquisition": identity["acquisition"], "segment": index}
        facts |= {"seq": seq, "rows": batch.num_rows}
        facts["first_row"] = first_row + rows
        if "time_ps" in batch.schema.names:
            times = batch.column("time_ps").to_numpy()
            facts["time_ps"] = [int(times.min()), int(times.max())]
        facts |= {"counts": counts(batch), "losses": {}, "prev": f"{running:08x}"}
        header, crc = batch_header(plan, facts, body)
        running, rows = chain(running, crc), rows + batch.num_rows
        places.append((len(data), len(data) + len(header) + len(body)))
        data += header + body
    if seal:
        data += END_OF_STREAM
    entry = Segment(
        file=f"{stream}-{index:05d}.arrows",
        stream=stream,
        index=index,
        schema_message=base64.b64encode(message).decode(),
        rows=rows,
        batches=len(batches),
        size_bytes=len(data),
        crc_chain=f"{running:08x}",
    )
    return Made(bytes(data), entry, places)


def make_manifest(segments: list[Segment], **changes: Any) -> Manifest:
    ledger = Ledger(unit="word", sources=(SourceLedger(source=0, basis="stream", sent=60, received=60, recorded=60),))
    content: dict[str, Any] = {
        "acquisition_id": "test-1",
        "state": "sealed",
        "created_utc": "2026-11-22T10:00:00Z",
        "sealed_utc": "2026-11-22T10:00:01Z",
        "profile": {"id": "test-profile", "layout": {"word_bits": 32}},
        "profile_sha256": "0" * 64,
        "source": "test.bin",
        "duration_ps": 59_000,
        "words_by_kind": {"prompt": 60},
        "ledger": ledger,
        **changes,
        "segments": segments,
    }
    return Manifest(**content)


def make_directory(directory: Path, made: list[Made], **changes: Any) -> Path:
    """Write segments and manifest; `changes` are manifest keys."""
    directory.mkdir(parents=True)
    for each in made:
        (directory / each.entry.file).write_bytes(each.data)
    manifest = make_manifest([each.entry for each in made], **changes)
    (directory / MANIFEST).write_bytes(dump_manifest(manifest))
    return directory


def six_batches(*, index: int = 0, first_row: int = 0, seal: bool = True) -> Made:
    """Return a segment of six batches of ten coincidences."""
    cuts = [first_row + 10 * i for i in range(7)]
    batches = [coincidences(a, b) for a, b in pairwise(cuts)]
    return segment("coincidences", batches, index=index, first_row=first_row, seal=seal)
