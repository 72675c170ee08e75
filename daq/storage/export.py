"""Write one stream of a list-mode directory to a single file that other programs read. Memory stays bounded.

`arrow` is an Arrow IPC file (Feather version 2), `parquet` the compact archive, `raw` the front end's own bytes. The
file appears under its name only when it is complete and synced.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal

import pyarrow as pa

from daq.errors import RefusedError, StorageFailedError, StorageFullError, UsageError, VerificationError
from daq.storage.files import partial_path
from daq.storage.rawexport import write_raw
from daq.storage.reader import ListMode, open_listmode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Format = Literal["arrow", "parquet", "raw"]
EVENT_STREAMS = ("singles", "coincidences")
_ROW_GROUP = 1 << 20


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written. `missing` says what of the recording is not in the file, `notes` what its reader must know."""

    file: Path
    to: Format
    stream: str
    rows: int
    size_bytes: int
    sha256: str
    missing: tuple[str, ...]
    notes: tuple[str, ...]


def export(
    directory: Path, out: Path, *, to: Format, stream: str | None = None, allow_damaged: bool = False
) -> Exported:
    """Write a stream of `directory` to the new file `out`.

    `stream` is by default the one of events, or `raw` for raw bytes. Raise `RefusedError` when `out` exists, the stream
    is not there, or the recording is not sealed or the stream is damaged and `allow_damaged` is not given;
    `UsageError` when there are two event streams to choose from; `StorageFullError`, `StorageFailedError`.
    """
    partial = partial_path(out, "an export never overwrites a file")
    with open_listmode(directory, allow_damaged=allow_damaged) as run:
        chosen = _choose(run, to, stream)
        if run.manifest.state == "open" and not allow_damaged:
            raise RefusedError(
                f"{directory} is not sealed: recover it first, or allow what is missing (--allow-damaged)"
            )
        try:
            with partial.open("xb") as file:
                sink = HashingFile(file)
                rows, notes = _write(run, sink, to, chosen)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(out)
        except VerificationError as why:
            raise RefusedError(f"{why}; --allow-damaged exports what is whole") from None
        except OSError as why:
            full = why.errno in (errno.ENOSPC, errno.EDQUOT)
            kind = StorageFullError if full else StorageFailedError
            raise kind(f"{out}: {why.strerror or why} while writing; nothing is left of it") from None
        finally:
            partial.unlink(missing_ok=True)
        return Exported(out, to, chosen, rows, sink.written, sink.hexdigest(), _missing(run, chosen), tuple(notes))


class HashingFile(io.RawIOBase):
    """A file to write to, front to back, that knows the SHA-256 of what was written."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._digest = hashlib.sha256()
        self.written = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: object) -> int:
        """Write all of `data`, any buffer; return its size in bytes. Raise `OSError`."""
        view = memoryview(data)  # type: ignore[arg-type]
        self._file.write(view)
        self._digest.update(view)
        self.written += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Return the number of bytes written."""
        return self.written

    def hexdigest(self) -> str:
        """Return the SHA-256 so far, in hex."""
        return self._digest.hexdigest()


def _choose(run: ListMode, to: Format, stream: str | None) -> str:
    if to == "raw":
        if stream not in (None, "raw"):
            raise UsageError(f"--stream {stream}: the front end's bytes are in the stream raw alone")
        if "raw" not in run.streams:
            raise RefusedError(f"{run.directory}: recorded without the raw stream, its bytes are not there to export")
        return "raw"
    if stream is not None:
        if stream not in run.streams:
            raise RefusedError(f"{run.directory}: no stream {stream}; it has {', '.join(run.streams)}")
        return stream
    events = [name for name in EVENT_STREAMS if name in run.streams]
    if len(events) != 1:
        which = " and ".join(events) or "no stream of events"
        raise UsageError(f"{run.directory} has {which}: say which with --stream ({', '.join(run.streams)})")
    return events[0]


def _write(run: ListMode, sink: HashingFile, to: Format, stream: str) -> tuple[int, list[str]]:
    if to == "raw":
        return write_raw(run, sink)
    schema = run.schema(stream).with_metadata({"scandaq": json.dumps(_origin(run, stream))})
    rows = _write_arrow(run, sink, stream, schema) if to == "arrow" else _write_parquet(run, sink, stream, schema)
    return rows, []


def _write_arrow(run: ListMode, sink: HashingFile, stream: str, schema: pa.Schema) -> int:
    rows = 0
    with pa.ipc.new_file(sink, schema) as writer:
        for batch in run.batches(stream):
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def _write_parquet(run: ListMode, sink: HashingFile, stream: str, schema: pa.Schema) -> int:
    import pyarrow.parquet as pq

    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    deltas = {name: "DELTA_BINARY_PACKED" for name in ("time_ps", "arrival_ns", "sequence") if name in schema.names}
    rows = 0
    with pq.ParquetWriter(
        sink, schema, compression="zstd", use_dictionary=texts, column_encoding=deltas, write_page_checksum=True
    ) as writer:
        for table in _row_groups(run.batches(stream), schema):
            writer.write_table(table, row_group_size=_ROW_GROUP)
            rows += table.num_rows
    return rows


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


def _origin(run: ListMode, stream: str) -> dict[str, object]:
    """Return where the rows come from, for the file's metadata."""
    manifest = run.manifest
    return {
        "acquisition_id": manifest.acquisition_id,
        "stream": stream,
        "listmode": manifest.format,
        "state": manifest.state,
        "profile": manifest.profile.get("id"),
        "profile_sha256": manifest.profile_sha256,
        "simulated": manifest.simulated,
    }


def _missing(run: ListMode, stream: str) -> tuple[str, ...]:
    missing = [f"{name}: {damage}" for name, damages in run.damages.items() for damage in damages]
    if run.manifest.state == "open":
        missing.append("the recording is not sealed: what follows the last whole batch is not exported")
    losses = (loss for loss in run.manifest.losses if loss.get("stream", stream) == stream and loss.get("rows_lost"))
    missing += [f"lost before the recovery: {loss.get('file')}: {loss.get('reason')}" for loss in losses]
    return tuple(missing)
