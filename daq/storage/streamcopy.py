"""Copy the good batches of a stream into new segments: bodies as they are, numbers, chain and checksums made again."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

from daq.listmode.blocks import END_OF_STREAM, Facts, Message, chain, read_message, schema_message
from daq.listmode.resequence import resequenced
from daq.storage.flatschema import flat_schema
from daq.storage.manifest import Segment
from daq.storage.mapping import mapped
from daq.storage.scan import schema_copy
from daq.storage.segment import segment_name
from daq.storage.walk import Damage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daq.storage.entry import Entry
    from daq.storage.scan import SegmentScan
    from daq.storage.verify import Examined


class StreamCopy:
    """One stream on its way into a new directory: row numbers run on over its segments.

    `schema` is a schema message of the stream, from whichever segment or manifest entry has a whole one.
    """

    def __init__(self, name: str, schema: bytes | None) -> None:
        self.name = name
        self.schema = schema
        self.segments: list[Segment] = []
        self.rows = 0
        self.latest_ps: int | None = None
        self.counts: dict[str, int] = {}

    def copy(self, scan: SegmentScan, directory: Path) -> list[Damage]:
        """Write the good batches of `scan` as the next segment, sealed and synced; return what could not be copied.

        Raise `OSError`.
        """
        index, first_row, size, lost = len(self.segments), self.rows, 0, []
        path = directory / segment_name(self.name, index)
        head = self._schema_message(index)
        running, batches = chain(0, _crc(head)), 0
        with mapped(scan.path) as mapping, path.open("xb") as out:
            size += out.write(head)
            for entry in scan.batches:
                mapping.release_before(entry.start)
                changes = {"segment": index, "seq": batches, "first_row": self.rows, "prev": f"{running:08x}"}
                made = self._renumbered(mapping.data, entry, changes)
                if made is None:
                    lost.append(Damage(entry.start, entry.end, "cannot be numbered", (entry.first_row, entry.stop_row)))
                    continue
                size += out.write(made[0])
                size += out.write(mapping.data[entry.body : entry.end])
                running, batches, self.rows = chain(running, made[1]), batches + 1, self.rows + entry.rows
                self._note(entry)
            size += out.write(END_OF_STREAM)
            out.flush()
            os.fsync(out.fileno())
        self.segments.append(
            Segment(
                file=path.name,
                stream=self.name,
                index=index,
                schema_message=base64.b64encode(head).decode(),
                rows=self.rows - first_row,
                batches=batches,
                size_bytes=size,
                crc_chain=f"{running:08x}",
            )
        )
        return lost

    def facts(self) -> Facts:
        """Return the facts of the stream's schema message."""
        found = read_message(memoryview(self.schema or b""), 0)
        return found.facts if isinstance(found, Message) else {}

    def _schema_message(self, index: int) -> bytes:
        return schema_message(flat_schema(self.schema or b""), {**self.facts(), "segment": index})

    def _renumbered(self, data: memoryview, entry: Entry, changes: Facts) -> tuple[bytes, int] | None:
        message = read_message(data, entry.start)
        if not isinstance(message, Message):
            return None
        made = resequenced(data[entry.start : entry.body], message, data[entry.body : entry.end], changes)
        if made is not None:
            counts = message.facts.get("counts")
            for name, count in counts.items() if isinstance(counts, dict) else ():
                if type(count) is int:
                    self.counts[name] = self.counts.get(name, 0) + count
        return made

    def _note(self, entry: Entry) -> None:
        if entry.time_ps is not None:
            self.latest_ps = max(entry.time_ps[1], self.latest_ps or entry.time_ps[1])


def any_schema(found: Examined, stream: str) -> bytes | None:
    """Return a whole schema message of `stream`: from a segment, else from the manifest."""
    return next((message for message in _schemas(found, stream) if flat_schema(message) is not None), None)


def _schemas(found: Examined, stream: str) -> Iterator[bytes]:
    for file, scan in zip(found.files, found.scans, strict=True):
        if file.stream == stream and scan is not None and scan.schema is not None:
            with mapped(scan.path) as mapping:
                yield bytes(mapping.data[scan.schema.start : scan.schema.end])
    for file in found.files:
        if file.stream == stream and (copy := schema_copy(file.expected)) is not None:
            yield copy


def _crc(message: bytes) -> int:
    found = read_message(memoryview(message), 0)
    if isinstance(found, str):
        raise ValueError(f"a schema message made here cannot be read: {found}")  # noqa: TRY004 - a fault of this build
    return found.crc32
