"""What readers need of one message's facts: its place in the file, its number, its rows, its link to the one before."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daq.listmode.blocks import FORMAT_MAJOR, chain

if TYPE_CHECKING:
    from daq.listmode.blocks import Facts, Message

_HEX8 = re.compile(r"[0-9a-f]{8}")
_LIMIT = 1 << 62


@dataclass(frozen=True, slots=True)
class Entry:
    """One message with usable facts. `start`, `body` and `end` are byte offsets in the segment.

    `number` is 0 for the schema message and counts batches from 1 (their `seq` plus 1). `first_row` counts rows of the
    stream over all its segments. `previous` is the running checksum before this message, `time_ps` the least and the
    greatest time in the batch.
    """

    start: int
    body: int
    end: int
    crc32: int
    stream: str
    segment: int
    acquisition: str
    number: int = 0
    first_row: int = 0
    rows: int = 0
    previous: int = 0
    time_ps: tuple[int, int] | None = None

    @property
    def stop_row(self) -> int:
        """Return the number of the row after the last one."""
        return self.first_row + self.rows

    @property
    def chain(self) -> int:
        """Return the running checksum after this message."""
        return chain(self.previous, self.crc32)

    @property
    def is_schema(self) -> bool:
        """True for the schema message."""
        return self.number == 0

    def __str__(self) -> str:
        """Return the name people know the message by."""
        return "the schema message" if self.is_schema else f"batch {self.number - 1}"


class OtherVersion(str):
    """The sentence that says why a message of another major version is not read."""

    __slots__ = ()


def entry_of(message: Message) -> Entry | str:
    """Return the entry, or one sentence when the facts of a message with a right checksum are not usable."""
    facts = message.facts
    version = str(facts.get("listmode"))
    if version.partition(".")[0] != str(FORMAT_MAJOR):
        return OtherVersion(f"list-mode format {version:.20}; this build reads {FORMAT_MAJOR}.x")
    stream, segment = facts.get("stream"), _whole(facts, "segment")
    acquisition = facts.get("acquisition")
    if not isinstance(stream, str) or not isinstance(acquisition, str) or segment is None:
        return "the facts name no stream, segment or acquisition"
    place = (message.start, message.body, message.end, message.crc32, stream, segment, acquisition)
    if facts.get("kind") == "schema":
        return Entry(*place)
    seq, first_row, rows = (_whole(facts, key) for key in ("seq", "first_row", "rows"))
    if seq is None or first_row is None or rows is None:
        return "the facts lack a usable seq, first_row or rows"
    previous = facts.get("prev")
    if not isinstance(previous, str) or not _HEX8.fullmatch(previous):
        return "the facts lack a usable prev"
    return Entry(*place, seq + 1, first_row, rows, int(previous, 16), _time_range(facts))


def _whole(facts: Facts, key: str) -> int | None:
    value = facts.get(key)
    return value if type(value) is int and 0 <= value < _LIMIT else None


def _time_range(facts: Facts) -> tuple[int, int] | None:
    value: Any = facts.get("time_ps")
    if isinstance(value, list) and [type(item) for item in value] == [int, int]:
        return value[0], value[1]
    return None
