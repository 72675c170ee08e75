"""Walk over a segment's bytes: good messages, and the holes between them. Sees nothing but the file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daq.listmode.blocks import END_OF_STREAM, next_candidate, read_message
from daq.storage.entry import Entry, entry_of

if TYPE_CHECKING:
    from daq.storage.mapping import Mapping

RowRange = tuple[int | None, int | None]

_SEARCH_BYTES = 256 << 20
_SEARCH_FACTOR = 4
_NOT_ZERO = re.compile(rb"[^\x00]")


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes `[start, end)` of a segment that hold no good message, or a message that does not belong there.

    `rows` is the range `[first, stop)` of stream rows lost with them, None for a bound that cannot be known; no range
    at all: no row is lost.
    """

    start: int
    end: int
    reason: str
    rows: RowRange | None = None

    def __str__(self) -> str:
        """Return one sentence for people."""
        lost = "no row is lost"
        if self.rows is not None:
            first, stop = ("(not known)" if row is None else row for row in self.rows)
            lost = f"rows {first} up to, not including, {stop} are lost"
        return f"bytes {self.start} to {self.end}: {self.reason}; {lost}"


@dataclass(slots=True)
class Walk:
    """What lies in a segment, in the order of the file: good messages, holes between them, the end."""

    size: int
    found: list[Entry] = field(default_factory=list)
    holes: list[Damage] = field(default_factory=list)
    sealed: bool = False
    searched_bytes: int = 0
    zeros: bool = False
    """The last hole reaches the end and is nothing but zeros."""


def walk_segment(mapping: Mapping) -> Walk:
    """Return the good messages of a segment and the holes between them. Never raises on hostile bytes."""
    data, at = mapping.data, 0
    walk = Walk(len(data))
    while at < walk.size:
        mapping.release_before(at)
        if bytes(data[at : at + len(END_OF_STREAM)]) == END_OF_STREAM:
            at = _end_of_stream(data, at, walk)
            continue
        entry = entry_at(data, at)
        if isinstance(entry, Entry):
            walk.found.append(entry)
            at = entry.end
        else:
            at = _skip(data, at, entry, walk)
    return walk


def entry_at(data: memoryview, at: int, *, check: bool = True) -> Entry | str:
    """Return the message at `at` as an entry, or one sentence that says why there is none."""
    message = read_message(data, at, check=check)
    return message if isinstance(message, str) else entry_of(message)


def _end_of_stream(data: memoryview, at: int, walk: Walk) -> int:
    """Note an end-of-stream marker; whatever follows it is damage, and is searched all the same."""
    after = at + len(END_OF_STREAM)
    if after == walk.size:
        walk.sealed = True
        return after
    reason = "an end-of-stream marker before the end of the file"
    if not isinstance(entry_at(data, after), Entry):
        return _skip(data, after, f"{walk.size - after} bytes follow the end-of-stream marker", walk)
    walk.holes.append(Damage(at, after, reason))
    return after


def _skip(data: memoryview, at: int, reason: str, walk: Walk) -> int:
    """Note the hole that begins at `at` and return where it ends: a good message, the end-of-stream marker, the end."""
    last = walk.size - len(END_OF_STREAM)
    sealed = last > at and bytes(data[last:]) == END_OF_STREAM
    stop = last if sealed else walk.size
    end = at
    while (end := next_candidate(data, end + 1, stop)) < stop:
        walk.searched_bytes += int.from_bytes(data[end + 4 : end + 8], "little")
        claimed = entry_at(data, end, check=False)
        if isinstance(claimed, Entry):
            walk.searched_bytes += claimed.end - claimed.body
            if isinstance(entry_at(data, end), Entry):
                break
        if walk.searched_bytes > _SEARCH_FACTOR * walk.size + _SEARCH_BYTES:
            reason += "; the rest imitates messages and is not searched"
            end = stop
    walk.holes.append(Damage(at, end, reason))
    if end < stop:
        return end
    walk.sealed = sealed
    walk.zeros = _NOT_ZERO.search(data, at, stop) is None
    return walk.size
