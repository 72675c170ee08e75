"""Read a list-mode directory lazily and without copying: record batches are views on the memory map.

Opening follows the messages' headers only and touches one page per batch. Each batch's checksum is verified the first
time it is used; where something does not fit, the segment is scanned (`daq.storage.scan`) and the reader either refuses
or, when asked to allow damage, leaves out what is lost and lists it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from daq.errors import FormatError, MissingError, UsageError, VerificationError
from daq.storage.listing import list_segments, load_manifest
from daq.storage.segmentreader import SegmentReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from daq.storage.manifest import Manifest
    from daq.storage.walk import Damage


def open_listmode(directory: Path | str, *, check: bool = True, allow_damaged: bool = False) -> ListMode:
    """Open the list-mode directory for reading.

    With `check=False` checksums are not verified: a flipped bit then passes for data. `allow_damaged` reads what is
    whole and leaves `ListMode.damages` to say what is missing. A directory in state `open` (being written, or its
    writer died) gives its whole batches. Raise `MissingError`, `FormatError`.
    """
    return ListMode(Path(directory), check=check, allow_damaged=allow_damaged)


class ListMode:
    """An open list-mode directory."""

    def __init__(self, directory: Path, *, check: bool, allow_damaged: bool) -> None:
        self.directory = directory
        self.manifest: Manifest = load_manifest(directory)
        self._allow_damaged = allow_damaged
        self._segments: dict[str, list[SegmentReader]] = {}
        growing = self.manifest.state == "open"
        for file in list_segments(directory, self.manifest):
            if file.expected is not None or growing:
                segments = self._segments.setdefault(file.stream, [])
                segments.append(SegmentReader(file, check=check, growing=growing))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files. Batches that are still held keep their part of the memory map."""
        self._segments = {}

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams, sorted."""
        return tuple(self._segments)

    @property
    def damages(self) -> dict[str, list[Damage]]:
        """Per file what is damaged, as far as it has been looked at."""
        segments = (segment for segments in self._segments.values() for segment in segments)
        return {segment.name: list(segment.damages) for segment in segments if segment.damages}

    def schema(self, stream: str) -> pa.Schema:
        """Return the Arrow schema of a stream, without the format's own metadata.

        It comes from the manifest's copy of any segment's schema message or, where that is missing, from the segment.
        """
        for segment in self._of(stream):
            if (schema := segment.schema()) is not None:
                return schema
        raise FormatError(f"{self.directory}: no schema of stream {stream} is left, neither in segments nor manifest")

    def rows(self, stream: str) -> int:
        """Return how many rows of a stream can be read."""
        return sum(entry.rows for segment in self._of(stream) for entry in self._checked(segment).entries)

    def batches(
        self,
        stream: str,
        columns: Sequence[str] | None = None,
        *,
        start_row: int = 0,
        stop_row: int | None = None,
        start_ps: int | None = None,
        stop_ps: int | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Yield record batches in stored order, views on the memory map.

        `[start_row, stop_row)` are row numbers of the stream and cut exactly. `start_ps` and `stop_ps` choose whole
        batches: those that can hold a time in `[start_ps, stop_ps)`; the caller cuts the rest. Raise `UsageError` for
        unknown streams and columns, `VerificationError` where a batch is damaged and damage is not allowed.
        """
        schema = self.schema(stream)
        unknown = [name for name in columns or () if name not in schema.names]
        if unknown:
            raise UsageError(f"stream {stream} has no column {', '.join(unknown)}; it has {', '.join(schema.names)}")
        if (start_ps is not None or stop_ps is not None) and "time_ps" not in schema.names:
            raise UsageError(f"stream {stream} has no times to choose by")
        return self._batches(stream, columns, (start_row, stop_row), (start_ps, stop_ps))

    def table(self, stream: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the whole stream as one table of chunks, nothing copied."""
        schema = self.schema(stream)
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns if name in schema.names])
        return pa.Table.from_batches(self.batches(stream, columns), schema)

    def numpy(self, stream: str, columns: Sequence[str]) -> Iterator[dict[str, npt.NDArray[Any]]]:
        """Yield per batch the columns as NumPy arrays; numbers are read-only views, texts and booleans are copies."""
        for batch in self.batches(stream, columns):
            yield {name: _to_numpy(batch.column(name)) for name in columns}

    def _of(self, stream: str) -> list[SegmentReader]:
        if stream not in self._segments:
            held = ", ".join(self._segments) or "none"
            raise MissingError(f"{self.directory}: no stream {stream}; it has {held}")
        return self._segments[stream]

    def _batches(
        self,
        stream: str,
        columns: Sequence[str] | None,
        rows: tuple[int, int | None],
        times: tuple[int | None, int | None],
    ) -> Iterator[pa.RecordBatch]:
        schema = self.schema(stream)
        for segment in self._of(stream):
            for first_row, batch in segment.batches(schema, rows, times):
                self._checked(segment)
                chosen = batch if columns is None else batch.select(list(columns))
                start = max(rows[0] - first_row, 0)
                stop = batch.num_rows if rows[1] is None else min(rows[1] - first_row, batch.num_rows)
                yield chosen.slice(start, stop - start) if (start, stop) != (0, batch.num_rows) else chosen
            self._checked(segment)

    def _checked(self, segment: SegmentReader) -> SegmentReader:
        """Return the segment, or raise what is wrong with it unless damage is allowed."""
        segment.find_way()
        if segment.damages and not self._allow_damaged:
            raise VerificationError(
                f"{self.directory / segment.name}: {segment.damages[0]}"
                "; `daq listmode verify` names all damage, `daq listmode recover` saves what is whole"
            )
        return segment


def _to_numpy(column: pa.Array) -> npt.NDArray[Any]:
    primitive = pa.types.is_primitive(column.type) and not pa.types.is_boolean(column.type)
    values: npt.NDArray[Any] = column.to_numpy(zero_copy_only=primitive and not column.null_count)
    return values
