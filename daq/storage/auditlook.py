"""Where an audit log's chain ends and in which condition its newest files are; nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from daq.storage.auditchain import CLOSE, Head, Line, file_number, parse_line, split_lines, torn

WHOLE = "whole"
_DAMAGED = "damaged"
_NO_HEAD = Head()


@dataclass(frozen=True, slots=True)
class Found:
    """What lies in the folder of an audit log.

    `newest` is the file of the highest number, `size` its bytes; `appendable`: more lines may go into it. `ends_in` is
    the newest file that holds anything, `last_line` its last whole line. `condition` says how the log ends: what is
    torn are the bytes after the last line, those of later files without a line included.
    """

    head: Head = _NO_HEAD
    newest: Path | None = None
    size: int = 0
    appendable: bool = False
    ends_in: Path | None = None
    condition: str = WHOLE
    last_line: bytes = b""

    @property
    def number(self) -> int:
        """Return the number of the newest file, 0 where there is none."""
        return (file_number(self.newest.name) or 0) if self.newest else 0


def audit_files(folder: Path) -> list[Path]:
    """Return the files of an audit log in the order of their numbers."""
    numbered = [(file_number(path.name), path) for path in folder.iterdir()]
    return [path for _, path in sorted((number, path) for number, path in numbered if number is not None)]


def look(folder: Path) -> Found:
    """Return where the chain ends, by reading the newest files that have bytes in them. Raise `OSError`."""
    files = audit_files(folder)
    if not files:
        return Found()
    newest, size = files[-1], files[-1].stat().st_size
    ends_in, tails, damaged = None, b"", ""
    for path in reversed(files):
        data = path.read_bytes()
        if not data:
            continue
        ends_in = ends_in or path
        condition, lines = examine(data)
        damaged = condition if condition.startswith(_DAMAGED) else damaged
        tails = split_lines(data)[1] + tails
        for raw in reversed(lines):
            line = parse_line(raw)
            if isinstance(line, Line):
                condition = damaged or (torn(tails) if tails else WHOLE)
                goes_on = path == newest and condition == WHOLE and line.content.get("verb") != CLOSE
                return Found(line.head, newest, size, goes_on, ends_in, condition, raw if path == ends_in else b"")
    condition = damaged or (torn(tails) if tails else WHOLE)
    return Found(Head(), newest, size, ends_in=ends_in, condition=condition)


def examine(data: bytes) -> tuple[str, list[bytes]]:
    """Return the condition of one file, `whole`, `torn ...` or `damaged in line N`, and its lines."""
    lines, tail = split_lines(data)
    head: Head | None = None
    for number, raw in enumerate(lines, 1):
        line = parse_line(raw)
        if isinstance(line, str) or (head is not None and not line.follows(head)):
            return f"{_DAMAGED} in line {number}", lines
        head = line.head
    return (torn(tail) if tail else WHOLE), lines
