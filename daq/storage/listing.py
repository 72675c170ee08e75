"""What lies in a list-mode directory: the manifest and the segment files, those it names and those it does not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from daq.errors import FormatError, MissingError, RefusedError
from daq.storage.manifest import MANIFEST, Manifest, Segment, parse_manifest
from daq.storage.scan import name_of_segment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAX_MANIFEST_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A segment of a directory.

    `expected` is the manifest's entry, None for a file that the manifest does not name; `first_row` the stream's row
    that it begins with according to the manifest, None where the manifest does not name all segments before it.
    """

    path: Path
    stream: str
    index: int
    expected: Segment | None
    first_row: int | None = None

    @property
    def is_promised(self) -> bool:
        """True when the manifest acknowledges rows in it; a crash may leave a segment named but not begun."""
        return self.expected is not None and self.expected.batches > 0


def load_manifest(directory: Path) -> Manifest:
    """Return the manifest. Raise `MissingError` when there is none, `FormatError` when it cannot be believed."""
    path = directory / MANIFEST
    if not directory.is_dir():
        raise MissingError(f"{directory}: no such directory")
    if not path.is_file():
        raise MissingError(f"{directory}: no {MANIFEST}, so this is no list-mode directory or it has lost its manifest")
    try:
        size = path.stat().st_size
        if size > _MAX_MANIFEST_BYTES:
            raise FormatError(f"{path}: {size} bytes, a manifest has at most {_MAX_MANIFEST_BYTES}")
        text = path.read_bytes()
    except OSError as why:
        raise RefusedError(f"{path}: {why.strerror or why}") from None
    return parse_manifest(text, str(path))


def list_segments(directory: Path, manifest: Manifest | None) -> list[SegmentFile]:
    """Return the segments by stream and index: the manifest's and every other file with a segment's name.

    Raise `FormatError` when the manifest names a file that a segment cannot have.
    """
    files: dict[str, SegmentFile] = {}
    for entry in manifest.segments if manifest else ():
        path = directory / entry.file
        if "/" in entry.file or name_of_segment(path) != (entry.stream, entry.index):
            raise FormatError(
                f"{directory / MANIFEST}: segment {entry.index} of {entry.stream!r} cannot be named {entry.file!r}"
            )
        files[entry.file] = SegmentFile(path, entry.stream, entry.index, entry)
    for path in directory.iterdir() if directory.is_dir() else ():
        name = name_of_segment(path)
        if name and path.name not in files:
            files[path.name] = SegmentFile(path, *name, None)
    return list(_with_first_rows(sorted(files.values(), key=lambda file: (file.stream, file.index))))


def _with_first_rows(files: list[SegmentFile]) -> Iterator[SegmentFile]:
    next_rows: dict[tuple[str, int], int] = {}
    for file in files:
        first = next_rows.get((file.stream, file.index), 0 if file.index == 0 else None)
        if first is not None and file.expected is not None:
            next_rows[file.stream, file.index + 1] = first + file.expected.rows
        yield replace(file, first_row=first)
