"""Verify an audit log: that it is one chain from the first line to the last, or where it breaks first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from daq.errors import MissingError, UsageError
from daq.storage.auditchain import CLOSE, EMPTY, OPEN, Head, Line, parse_line, split_lines, torn
from daq.storage.auditlook import WHOLE, audit_files

Kind = Literal["edited", "removed", "inserted", "reordered", "truncated"]
_HASH_DIGITS = 64


@dataclass(frozen=True, slots=True)
class Break:
    """The first line that does not belong where it is. `line` counts from 1; `seq` is what the line bears, if known."""

    kind: Kind
    file: str
    line: int
    seq: int | None
    reason: str


@dataclass(slots=True)
class AuditReport:
    """What was found. `lines` are those that belong to the chain, up to the break where there is one.

    `first_seq` is above 1 where verification began in the middle: what was before could not be checked. `kept` are the
    torn ends of crashes, which the chain accounts for.
    """

    files: list[str] = field(default_factory=list)
    lines: int = 0
    first_seq: int | None = None
    head: Head = field(default_factory=Head)
    kept: list[str] = field(default_factory=list)
    broken: Break | None = None

    @property
    def is_good(self) -> bool:
        """Return True where nothing was found to be wrong."""
        return self.broken is None


def verify_audit(place: Path, *, expect: Head | None = None) -> AuditReport:
    """Verify one file, or all files of a folder as one chain. `expect`: a head that was noted earlier.

    A chain alone cannot tell that its newest lines were removed, or all of it written anew: `expect` can. Raise
    `MissingError` where there is no audit log, `OSError`.
    """
    whole = place.is_dir()
    files = audit_files(place) if whole else [place]
    if not files or not files[0].is_file():
        raise MissingError(f"{place}: no audit log")
    chain = _Chain(AuditReport(files=[path.name for path in files]), expect, from_the_start=whole)
    for path in files:
        chain.take(path)
    chain.end(follows=not whole)
    return chain.report


def parse_head(text: str) -> Head:
    """Return the head of `SEQ:HASH`, as `verify` and `show` print it. Raise `UsageError`."""
    seq, _, digest = text.strip().partition(":")
    if not seq.isascii() or not seq.isdecimal() or len(seq) > 18 or len(digest) != _HASH_DIGITS:  # noqa: PLR2004
        raise UsageError(f"--expect {text}: must be SEQ:HASH, a number and {_HASH_DIGITS} hex digits")
    return Head(int(seq), digest.lower())


def last_lines(place: Path, most: int) -> list[Line]:
    """Return the newest `most` lines that can be believed by themselves, oldest first. Raise `MissingError`."""
    files = audit_files(place) if place.is_dir() else [place]
    if not files or not files[0].is_file():
        raise MissingError(f"{place}: no audit log")
    found: list[Line] = []
    for path in reversed(files):
        lines = [line for line in map(parse_line, split_lines(path.read_bytes())[0]) if isinstance(line, Line)]
        found = lines + found
        if len(found) >= most:
            break
    return found[-most:]


class _Chain:
    """Follows the lines of one file after the other until something breaks."""

    def __init__(self, report: AuditReport, expect: Head | None, *, from_the_start: bool) -> None:
        self.report = report
        self._expect = expect
        self._expected_seen = expect is None
        self._from_the_start = from_the_start
        self._tail: tuple[str, int, bytes] | None = None
        self._closed_for: str | None = None

    def take(self, path: Path) -> None:
        """Follow the lines of one file."""
        if self.report.broken is not None:
            return
        raws, tail = split_lines(path.read_bytes())
        lines = [parse_line(raw) for raw in raws]
        digest = hashlib.sha256()
        for index, line in enumerate(lines):
            self._take_line(path.name, index, lines, digest.hexdigest())
            if self.report.broken is not None or isinstance(line, str):
                return
            digest.update(raws[index] + b"\n")
        if tail:
            self._leave(path.name, len(lines) + 1, tail)

    def _leave(self, file: str, line: int, tail: bytes) -> None:
        """Keep in mind the bytes after the last line, of one file or several: the next line must tell of them."""
        self._tail = (file, line, tail) if self._tail is None else (*self._tail[:2], self._tail[2] + tail)

    def end(self, *, follows: bool) -> None:
        """Judge what is left open at the end; `follows`: one file alone was verified, so another may follow."""
        if self.report.broken is not None:
            return
        if self._tail is not None:
            self._break_off(*self._tail[:2])
        elif self._closed_for is not None and not follows:
            self._break("truncated", self._closed_for, 1, None, "the file before was closed, and this one is not there")
        elif not self._expected_seen and self._expect is not None:
            if self._expect.seq < (self.report.first_seq or 0):
                raise UsageError(f"--expect {self._expect}: the file begins with line {self.report.first_seq}")
            reason = f"the log ends with line {self.report.head.seq}, line {self._expect.seq} was there once"
            self._break("truncated", self.report.files[-1], self.report.lines + 1, None, reason)

    def _break(self, kind: Kind, file: str, line: int, seq: int | None, reason: str) -> None:
        self.report.broken = Break(kind, file, line, seq, reason)

    def _break_off(self, file: str, line: int) -> None:
        reason = "the line has no end; a crash may leave one, which the next start then puts on record"
        self._break("truncated", file, line, None, reason)

    def _take_line(self, file: str, index: int, lines: Sequence[Line | str], digest: str) -> None:
        line, report = lines[index], self.report
        if isinstance(line, str):
            kind: Kind = "inserted" if line == EMPTY or _goes_on(lines[index + 1 :], report.head) else "edited"
            self._break(kind, file, index + 1, None, line)
            return
        why = self._why_not_next(line, lines[index + 1 :]) or self._why_not_first(file, index, line)
        why = why or self._why_not_closing(line, digest)
        if why is not None:
            self._break(why[0], file, index + 1, line.seq, why[1])
            return
        report.first_seq = line.seq if report.first_seq is None else report.first_seq
        report.head = line.head
        report.lines += 1

    def _why_not_next(self, line: Line, after: Sequence[Line | str]) -> tuple[Kind, str] | None:
        """Return why the line is not the next one of the chain."""
        head = self.report.head
        if self._expect is not None and line.seq == self._expect.seq:
            self._expected_seen = True
            if line.sha256 != self._expect.sha256:
                return "edited", "it is not the line that was there once: the log has been written anew"
        if self.report.first_seq is None and not self._from_the_start:
            return None
        if line.follows(head):
            return None
        return _why_broken(line, head, after)

    def _why_not_first(self, file: str, index: int, line: Line) -> tuple[Kind, str] | None:
        """Return why the line cannot stand at the beginning of its file, or anywhere else in it."""
        opens = line.content.get("verb") == OPEN
        if index:
            return ("edited", "only the first line of a file may open it") if opens else None
        if not opens:
            return "removed", "the line that opens the file is missing"
        if self._closed_for not in (None, file):
            return "removed", f"the file before names {self._closed_for} as the next one"
        self._closed_for = None
        tail, self._tail = self._tail, None
        if tail is not None:
            if line.content.get("old") != torn(tail[2]):
                return "edited", f"{tail[0]} ends in {len(tail[2])} bytes that this line does not tell of"
            self.report.kept.append(f"{tail[0]}: {torn(tail[2])}")
        elif line.content.get("old") != WHOLE and (self._from_the_start or self.report.lines):
            return "edited", f"the file before was found {line.content.get('old')}, which it is not now"
        return None

    def _why_not_closing(self, line: Line, digest: str) -> tuple[Kind, str] | None:
        """Return why the line should not close its file, or may not follow the one that did."""
        if self._closed_for is not None:
            return "inserted", "the line before has closed the file"
        if line.content.get("verb") != CLOSE:
            return None
        if line.content.get("new") != f"sha256:{digest}":
            return "edited", "the file's hash is not the one that its closing line states"
        self._closed_for = str(line.content.get("object"))
        return None


def _why_broken(line: Line, head: Head, after: Sequence[Line | str]) -> tuple[Kind, str]:
    """Return how a line that is whole by itself came to stand after `head`, of which it is not the next."""
    if line.seq <= head.seq:
        return "inserted", f"line {line.seq} comes after line {head.seq}"
    if _goes_on(after, head):
        kind: Kind = "reordered" if line.seq > head.seq + 1 else "inserted"
        return kind, f"line {line.seq} stands before line {head.seq + 1}"
    if line.seq > head.seq + 1:
        missing = f"line {head.seq + 1}" if line.seq == head.seq + 2 else f"lines {head.seq + 1} to {line.seq - 1}"
        return "removed", f"{missing} before it missing"
    return "edited", "it does not bear the hash of the line before it: one of the two was exchanged"


def _goes_on(after: Sequence[Line | str], head: Head) -> bool:
    """Return True where the line that follows `head` stands further on."""
    return any(line.follows(head) for line in _lines(after))


def _lines(parsed: Sequence[Line | str]) -> Iterator[Line]:
    return (line for line in parsed if isinstance(line, Line))
