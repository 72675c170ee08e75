"""Find every good message of a segment, and name what is lost by byte range and row range.

The file is walked through a memory map; of each message only its place and numbers are kept. Where the walk fails it
goes on at the next place whose checksum is right, whatever lies between: the messages' own numbers then say which rows
are missing.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from daq.errors import FormatError
from daq.listmode.blocks import Message, chain, read_message
from daq.storage.entry import Entry, OtherVersion
from daq.storage.mapping import mapped
from daq.storage.sequence import Rejected, in_order, out_of_place
from daq.storage.walk import Damage, RowRange, Walk, entry_at, walk_segment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from daq.storage.manifest import Segment

_FILE_NAME = re.compile(r"([a-z][a-z0-9_]{0,31})-([0-9]{5,9})\.arrows")


@dataclass(frozen=True, slots=True)
class Tail:
    """What follows the last whole message of a file that was never sealed: written, but never acknowledged whole."""

    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True)
class SegmentScan:
    """What a segment holds. `batches` are in the order of their numbers, which is the order of the stream.

    `chain` is the running checksum over the messages as they lie in the file. `schema` is the schema message, None
    when it is damaged or missing.
    """

    path: Path
    size: int
    sealed: bool
    schema: Entry | None
    batches: tuple[Entry, ...]
    damages: tuple[Damage, ...]
    tail: Tail | None
    chain: int

    @property
    def rows(self) -> int:
        """Return the number of rows in good batches."""
        return sum(batch.rows for batch in self.batches)


def scan_segment(
    path: Path,
    *,
    expected: Segment | None = None,
    first_row: int | None = None,
    acquisition: str | None = None,
    growing: bool = False,
) -> SegmentScan:
    """Return what the segment at `path` holds, checksums verified; damage is found, never raised.

    `expected` is the manifest's entry, which tells rows lost at the very end; `first_row` is the stream's row that the
    segment begins with and `acquisition` the one whose rows it holds, where that is known; else the one is taken that
    its schema message names, or most of its messages. `growing` says that no seal is expected: the file is being
    written or its writer died, and a torn or zero-filled end is a `Tail`, unless the manifest acknowledges more batches
    than are left. Raise `MissingError` and `RefusedError` for what is no plain file, `FormatError` for a segment that
    begins with a message of another major version.
    """
    with mapped(path, whole=True) as mapping:
        first = entry_at(mapping.data, 0)
        if isinstance(first, OtherVersion):
            raise FormatError(f"{path}: {first}")
        walk = walk_segment(mapping)
    return _judge(path, walk, expected, first_row, acquisition, growing=growing)


def name_of_segment(path: Path) -> tuple[str, int] | None:
    """Return stream and index that a segment's file name states, None when it is no such name."""
    found = _FILE_NAME.fullmatch(path.name)
    return (found[1], int(found[2])) if found else None


def schema_copy(expected: Segment | None) -> bytes | None:
    """Return the schema message that the manifest keeps for a segment, None when it is no good message."""
    if expected is None:
        return None
    try:
        text = base64.b64decode(expected.schema_message, validate=True)
    except (binascii.Error, ValueError):
        return None
    message = read_message(memoryview(text), 0)
    usable = isinstance(message, Message) and message.is_schema and message.end == len(text)
    return text if usable else None


def stated_chain(expected: Segment) -> int | None:
    """Return the running checksum that the manifest states, None when it is no such number."""
    return int(expected.crc_chain, 16) if re.fullmatch("[0-9a-f]{8}", expected.crc_chain) else None


def differences(scan: SegmentScan, expected: Segment) -> list[str]:
    """Return in words where a scan differs from the sealed manifest's entry."""
    found = {
        "batches": (len(scan.batches), expected.batches),
        "rows": (scan.rows, expected.rows),
        "bytes": (scan.size, expected.size_bytes),
    }
    words = [f"{have} {name}, the manifest says {want}" for name, (have, want) in found.items() if have != want]
    if scan.chain != stated_chain(expected):
        words.append(f"checksum chain {scan.chain:08x}, the manifest says {expected.crc_chain}")
    return words


def _judge(
    path: Path,
    walk: Walk,
    expected: Segment | None,
    first_row: int | None,
    acquisition: str | None,
    *,
    growing: bool,
) -> SegmentScan:
    manifest_schema = _schema_entry(expected)
    stream, segment = name_of_segment(path) or _most_common_name(walk.found)
    found, strangers = _begin_with(manifest_schema, walk.found)
    final_chain = stated_chain(expected) if expected and not growing else None
    whose = _most_common_acquisition(found) if acquisition is None else acquisition
    kept, rejected = in_order(found, stream=stream, segment=segment, acquisition=whose, final_chain=final_chain)
    rejected += strangers
    kept = [entry for entry in kept if entry is not manifest_schema]
    schema = next((entry for entry in kept if entry.is_schema), None)
    batches = tuple(entry for entry in kept if not entry.is_schema)
    holes = list(walk.holes)
    if growing and expected and expected.batches > (batches[-1].number if batches else 0):
        growing = False  # what was acknowledged is gone: that is damage, not a tail
    tail = _take_tail(walk, holes) if growing else None
    if not growing:
        _note_missing_seal(walk, holes)
    if segment == 0:
        first_row = 0
    gaps = _gaps(first_row, batches, walk.size, expected if not growing else None, holes)
    damages = _holes_with_rows(holes, gaps)
    damages += [Damage(entry.start, entry.end, why) for entry, why in [*rejected, *out_of_place(kept)]]
    if schema is None and walk.size and (batches or not growing):
        damages.append(Damage(0, 0, "the schema message is not there or is damaged"))
    damages.sort(key=lambda damage: (damage.start, damage.end))
    running = 0
    for entry in walk.found:
        running = chain(running, entry.crc32)
    scan = SegmentScan(path, walk.size, walk.sealed, schema, batches, tuple(damages), tail, running)
    return scan if growing or damages or expected is None else _held_against(scan, expected, first_row)


def _held_against(scan: SegmentScan, expected: Segment, first_row: int | None) -> SegmentScan:
    """Return the scan, or nothing but damage when a segment that is whole is not the one of the manifest."""
    contradictions = differences(scan, expected)
    if not contradictions:
        return scan
    rows = (first_row, None if first_row is None else first_row + expected.rows) if expected.rows else None
    damage = Damage(0, scan.size, f"not the manifest's segment: {'; '.join(contradictions)}", rows)
    return replace(scan, batches=(), damages=(damage,))


def _begin_with(schema: Entry | None, found: list[Entry]) -> tuple[list[Entry], list[Rejected]]:
    """Return the messages with the manifest's schema message before them where it is not among them, and other ones."""
    if schema is None:
        return found, []
    others = [entry for entry in found if entry.is_schema and entry.crc32 != schema.crc32]
    ours = [entry for entry in found if not entry.is_schema or entry.crc32 == schema.crc32]
    if not any(entry.is_schema for entry in ours):
        ours.insert(0, schema)
    return ours, [(entry, "a schema message that is not the manifest's") for entry in others]


def _most_common_name(found: Sequence[Entry]) -> tuple[str, int]:
    """Return stream and index of most messages, for a file that has been renamed."""
    names = Counter((entry.stream, entry.segment) for entry in found)
    return names.most_common(1)[0][0] if names else ("", 0)


def _most_common_acquisition(found: Sequence[Entry]) -> str:
    """Return the acquisition of the schema message, else of most messages, for a file without a manifest."""
    names = Counter(entry.acquisition for entry in found if entry.is_schema)
    names = names or Counter(entry.acquisition for entry in found)
    return names.most_common(1)[0][0] if names else ""


def _schema_entry(expected: Segment | None) -> Entry | None:
    """Return the manifest's copy of the schema message."""
    copy = schema_copy(expected)
    entry = None if copy is None else entry_at(memoryview(copy), 0)
    return entry if isinstance(entry, Entry) else None


def _take_tail(walk: Walk, holes: list[Damage]) -> Tail | None:
    if walk.sealed:
        return None
    if not holes or holes[-1].end < walk.size:
        return Tail(walk.size, walk.size, "not sealed")
    last = holes.pop()
    return Tail(last.start, last.end, "zeros" if walk.zeros else last.reason)


def _note_missing_seal(walk: Walk, holes: list[Damage]) -> None:
    if walk.sealed:
        return
    if holes and holes[-1].end == walk.size:
        last = holes.pop()
        reason = f"{last.reason}; the file ends without the end-of-stream marker"
        holes.append(Damage(last.start, last.end, reason))
    else:
        reason = "the file ends without the end-of-stream marker" if walk.size else "the file is empty"
        holes.append(Damage(walk.size, walk.size, reason))


@dataclass(frozen=True, slots=True)
class _Gap:
    """Batches `[first, stop)`, by `seq`, that are missing between two places of the file, with their rows."""

    start: int
    end: int
    first: int
    stop: int | None
    rows: RowRange


def _gaps(
    first_row: int | None, batches: Sequence[Entry], size: int, expected: Segment | None, holes: Sequence[Damage]
) -> list[_Gap]:
    place, number, row = 0, 0, first_row
    if batches and batches[0].number == 1:
        first_row = batches[0].first_row
    gaps = []
    for entry in batches:
        if entry.number > number + 1:
            gaps.append(_Gap(place, entry.start, number, entry.number - 1, (row, entry.first_row)))
        place, number, row = entry.end, entry.number, entry.stop_row
    if expected is not None and number < expected.batches:
        stop = None if first_row is None else first_row + expected.rows
        gaps.append(_Gap(place, size, number, expected.batches, (row, stop)))
    elif expected is None and any(hole.start >= place for hole in holes):
        gaps.append(_Gap(place, size, number, None, (row, None)))
    return gaps


def _holes_with_rows(holes: list[Damage], gaps: Sequence[_Gap]) -> list[Damage]:
    """Return the damages: each gap takes the holes that lie in it; a gap without one is a damage of no bytes."""
    damages, left = [], list(holes)
    for gap in gaps:
        inside = [hole for hole in left if gap.start <= hole.start and hole.end <= gap.end]
        left = [hole for hole in left if hole not in inside]
        if inside:
            reason = "; ".join(dict.fromkeys(hole.reason for hole in inside))
            damages.append(Damage(inside[0].start, inside[-1].end, reason, gap.rows))
        else:
            stop = "the end" if gap.stop is None else f"{gap.stop - 1}"
            reason = f"batches {gap.first} to {stop} are not in the file"
            damages.append(Damage(gap.start, gap.start, reason, gap.rows))
    return damages + left
