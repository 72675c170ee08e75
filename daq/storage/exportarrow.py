"""Any stream as an Arrow IPC file or as Parquet, row for row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa

from daq.storage.exportpairs import Written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daq.storage.exportfile import HashingFile
    from daq.storage.reader import ListMode

_ROW_GROUP = 1 << 20


def write_arrow(run: ListMode, sink: HashingFile, stream: str) -> Written:
    """Write an Arrow IPC file (Feather version 2)."""
    rows = 0
    with pa.ipc.new_file(sink, _schema(run, stream)) as writer:
        for batch in run.batches(stream):
            writer.write_batch(batch)
            rows += batch.num_rows
    return Written(rows)


def write_parquet(run: ListMode, sink: HashingFile, stream: str) -> Written:
    """Write Parquet: zstd, times delta-coded, page checksums."""
    import pyarrow.parquet as pq

    schema = _schema(run, stream)
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    deltas = {name: "DELTA_BINARY_PACKED" for name in ("time_ps", "arrival_ns", "sequence") if name in schema.names}
    rows = 0
    with pq.ParquetWriter(
        sink, schema, compression="zstd", use_dictionary=texts, column_encoding=deltas, write_page_checksum=True
    ) as writer:
        for table in _row_groups(run.batches(stream), schema):
            writer.write_table(table, row_group_size=_ROW_GROUP)
            rows += table.num_rows
    return Written(rows)


def _row_groups(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield batches joined to row groups of at least `_ROW_GROUP` rows, the last one less."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch.replace_schema_metadata(schema.metadata))
        rows += batch.num_rows
        if rows >= _ROW_GROUP:
            yield pa.Table.from_batches(waiting, schema)
            waiting, rows = [], 0
    yield pa.Table.from_batches(waiting, schema)


def _schema(run: ListMode, stream: str) -> pa.Schema:
    """Return the schema with where the rows come from in the file's metadata."""
    manifest = run.manifest
    origin = {
        "acquisition_id": manifest.acquisition_id,
        "stream": stream,
        "listmode": manifest.format,
        "state": manifest.state,
        "profile": manifest.profile.get("id"),
        "profile_sha256": manifest.profile_sha256,
        "simulated": manifest.simulated,
        "overrides": dict(manifest.overrides),
    }
    return run.schema(stream).with_metadata({"scandaq": json.dumps(origin)})
