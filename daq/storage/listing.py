"""What lies in a list-mode directory: the manifest and the segment files, those it names and those it does not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from daq.errors import FormatError, MissingError, RefusedError
from daq.listmode.blocks import MAX_HEADER
from daq.storage.entry import Entry
from daq.storage.manifest import MANIFEST, Manifest, Segment, parse_manifest
from daq.storage.mapping import mapped
from daq.storage.scan import name_of_segment
from daq.storage.walk import entry_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAX_MANIFEST_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A segment of a directory.

    `expected` is the manifest's entry, None for a file that the manifest does not name; `first_row` the stream's row
    that it begins with according to the manifest, None where the manifest does not name all segments before it.
    `acquisition` is whose rows belong there, None while that is not known.
    """

    path: Path
    stream: str
    index: int
    expected: Segment | None
    first_row: int | None = None
    acquisition: str | None = None

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
    acquisition = manifest.acquisition_id if manifest else None
    for entry in manifest.segments if manifest else ():
        path = directory / entry.file
        if "/" in entry.file or name_of_segment(path) != (entry.stream, entry.index):
            raise FormatError(
                f"{directory / MANIFEST}: segment {entry.index} of {entry.stream!r} cannot be named {entry.file!r}"
            )
        files[entry.file] = SegmentFile(path, entry.stream, entry.index, entry, acquisition=acquisition)
    for path in directory.iterdir() if directory.is_dir() else ():
        name = name_of_segment(path)
        if name and path.name not in files:
            files[path.name] = SegmentFile(path, *name, None, acquisition=acquisition)
    return list(_with_first_rows(sorted(files.values(), key=lambda file: (file.stream, file.index))))


def of_one_acquisition(directory: Path, files: list[SegmentFile]) -> list[SegmentFile]:
    """Return the segments of a directory that has lost its manifest, each with the acquisition that all must be of.

    It is the one that gave the directory its name, else the one that most segments begin with.
    """
    names: Counter[str] = Counter()
    for file in filter(lambda file: file.path.is_file(), files):
        with mapped(file.path) as mapping:
            first = entry_at(mapping.data, 0) if mapping.readable(0, MAX_HEADER) else None
        if isinstance(first, Entry):
            names[first.acquisition] += 1
    if not names:
        return files
    acquisition = directory.resolve().name
    if acquisition not in names:
        acquisition = names.most_common(1)[0][0]
    return [replace(file, acquisition=acquisition) for file in files]


def _with_first_rows(files: list[SegmentFile]) -> Iterator[SegmentFile]:
    next_rows: dict[tuple[str, int], int] = {}
    for file in files:
        first = next_rows.get((file.stream, file.index), 0 if file.index == 0 else None)
        if first is not None and file.expected is not None:
            next_rows[file.stream, file.index + 1] = first + file.expected.rows
        yield replace(file, first_row=first)
