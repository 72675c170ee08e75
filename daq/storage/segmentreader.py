"""One segment under a reader: find the way by the headers, verify each batch when it is used, scan when in doubt."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import pyarrow as pa

from daq.errors import FormatError
from daq.listmode.blocks import END_OF_STREAM, PAGE, Message, read_message
from daq.storage.entry import Entry
from daq.storage.flatschema import flat_schema, has_offsets, is_compressed
from daq.storage.mapping import Releaser, map_file, readable
from daq.storage.scan import scan_segment, schema_copy, stated_chain
from daq.storage.walk import Damage, entry_at

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator, Sequence

    from daq.storage.listing import SegmentFile

Range = tuple[int | None, int | None]


class SegmentReader:
    """A segment file, mapped at first use."""

    def __init__(self, file: SegmentFile, *, check: bool, growing: bool) -> None:
        self.name = file.path.name
        self.entries: Sequence[Entry] = ()
        """The batches, once `find_way` has been called."""
        self.damages: list[Damage] = []
        self._file = file
        self._check = check
        self._growing = growing
        self._found = False
        self._verified: set[int] = set()
        self._scanned = False
        self._pages: mmap.mmap | None = None

    def find_way(self) -> None:
        """Fill `entries` and `damages`: by the headers alone where all of them fit together, else by a scan."""
        if self._found:
            return
        self._found = True
        if not self._file.path.is_file():
            if self._file.is_promised or not self._growing:
                rows = (self._file.first_row, None) if self._file.is_promised else None
                self.damages = [Damage(0, 0, "the file is not there", rows)]
            return
        if self._growing:
            self._scan()  # before mapping: the file may grow in between, and what was found must be in the map
        self._pages = map_file(self._file.path)
        if self._growing:
            return
        entries = self._by_headers()
        if entries is None:
            self._scan()
        else:
            self.entries = entries

    def schema(self) -> pa.Schema | None:
        """Return the schema that the manifest keeps, else the segment's own, else None."""
        copy = schema_copy(self._file.expected)
        if copy is not None and (kept := flat_schema(copy)) is not None:
            return kept
        self.find_way()
        if self._pages is not None and readable(self._pages, 0, PAGE):
            with memoryview(self._pages) as data:
                message = read_message(data, 0)
                text = bytes(data[: message.end]) if isinstance(message, Message) else None
            if text is not None and (found := flat_schema(text)) is not None:
                return found
        return None

    def batches(
        self, schema: pa.Schema, rows: tuple[int, int | None], times: Range
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield the number of the first row and the batch, in order, of batches that touch both ranges.

        Pages well behind are let go of; a batch that somebody still holds reads them again from the file.
        """
        self.find_way()
        done, start = self._before_row(rows[0])
        behind = Releaser(self._pages, start)
        try:
            while (entry := self._after(done)) is not None:
                done = entry.number
                behind.release_before(entry.start)
                if entry.stop_row <= rows[0]:
                    continue
                if rows[1] is not None and entry.first_row >= rows[1]:
                    break
                if not self._good(entry):
                    self._scan()
                    done -= 1
                elif _in_time(entry, times):
                    yield entry.first_row, self._batch(entry, schema)
        finally:
            behind.release_all()

    def _before_row(self, row: int) -> tuple[int, int]:
        """Return number and end of the last batch that lies wholly before `row`; zeros when there is none."""
        at = bisect_right(self.entries, row, key=lambda entry: entry.stop_row)
        return (self.entries[at - 1].number, self.entries[at - 1].end) if at else (0, 0)

    def _after(self, number: int) -> Entry | None:
        at = bisect_right(self.entries, number, key=lambda entry: entry.number)
        return self.entries[at] if at < len(self.entries) else None

    def _good(self, entry: Entry) -> bool:
        if not self._check or self._scanned or entry.number in self._verified:
            return True
        if self._pages is None:
            return False
        with memoryview(self._pages) as data:
            good = readable(self._pages, entry.start, entry.end) and entry_at(data, entry.start) == entry
        if good:
            self._verified.add(entry.number)
        return good

    def _by_headers(self) -> list[Entry] | None:
        """Return the batches if all headers, the seal and the manifest fit together; bodies stay untouched."""
        expected = self._file.expected
        if self._pages is None or expected is None:
            return None
        with memoryview(self._pages) as data:
            entries = _chained(data, self._file, self._pages)
        if not entries or entries[-1].chain != stated_chain(expected):
            return None
        fits = (len(entries) - 1, sum(entry.rows for entry in entries)) == (expected.batches, expected.rows)
        return entries[1:] if fits else None

    def _scan(self) -> None:
        file = self._file
        scan = scan_segment(
            file.path,
            expected=file.expected,
            first_row=file.first_row,
            acquisition=file.acquisition,
            growing=self._growing,
        )
        self.entries, self.damages = scan.batches, list(scan.damages)
        self._scanned = True

    def _batch(self, entry: Entry, schema: pa.Schema) -> pa.RecordBatch:
        where = f"{self._file.path}: {entry}"
        buffer = pa.py_buffer(self._pages).slice(entry.start, entry.end - entry.start)
        try:
            message = pa.ipc.read_message(buffer)
            if is_compressed(message):
                raise FormatError(f"{where} is compressed; list-mode files are not")
            batch = pa.ipc.read_record_batch(message, schema)
            batch.validate(full=has_offsets(schema))
        except (pa.ArrowException, OSError, ValueError) as why:
            raise FormatError(f"{where} is no record batch of its schema: {why}") from None
        if batch.num_rows != entry.rows:
            raise FormatError(f"{where} has {batch.num_rows} rows, its facts say {entry.rows}")
        return batch


def _chained(data: memoryview, file: SegmentFile, pages: mmap.mmap) -> list[Entry]:
    """Return the messages from the start to the seal as their headers tell, none when anything does not fit.

    The schema message alone is verified; batches are when they are used. A header's page brings up to 2 MiB of
    neighbours into memory, so pages are let go of here too.
    """
    entries: list[Entry] = []
    behind = Releaser(pages)
    at, end = 0, len(data) - len(END_OF_STREAM)
    while at < end:
        if not readable(pages, at, at + PAGE):
            return []
        entry = entry_at(data, at, check=not entries)
        if not isinstance(entry, Entry) or not _follows(entries, entry, file):
            return []
        entries.append(entry)
        at = entry.end
        behind.release_before(at)
    behind.release_all()
    sealed = at == end and readable(pages, end, len(data)) and bytes(data[end:]) == END_OF_STREAM
    return entries if sealed else []


def _follows(before: Sequence[Entry], entry: Entry, file: SegmentFile) -> bool:
    wanted = (file.stream, file.index, file.acquisition, len(before))
    if (entry.stream, entry.segment, entry.acquisition, entry.number) != wanted:
        return False
    if not before:
        return True
    rows_follow = before[-1].is_schema or entry.first_row == before[-1].stop_row
    return rows_follow and entry.previous == before[-1].chain


def _in_time(entry: Entry, times: Range) -> bool:
    if entry.time_ps is None:
        return True
    start, stop = times
    return (start is None or entry.time_ps[1] >= start) and (stop is None or entry.time_ps[0] < stop)
