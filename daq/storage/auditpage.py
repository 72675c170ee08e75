"""Reads the audit log backwards, a page at a time, for people who look something up. Its chain is not verified here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daq.errors import StorageFailedError
from daq.storage.auditchain import Line, parse_line, split_lines
from daq.storage.auditlook import audit_files

_MOST_LOOKED_AT = 50_000


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Lines, newest first. `next_before`: where the next page begins; None where there is nothing older."""

    lines: list[dict[str, Any]]
    next_before: int | None
    looked_at: int


def audit_page(
    folder: Path, *, limit: int, before: int | None = None, wanted: Callable[[dict[str, Any]], bool] = lambda _: True
) -> AuditPage:
    """Return at most `limit` lines with numbers below `before` that are `wanted`; at most 50,000 are looked at.

    Lines that were changed are passed over: `daq audit verify` tells of them. Raise `StorageFailedError`.
    """
    found: list[dict[str, Any]] = []
    looked_at = 0
    try:
        for line in _backwards(folder, before):
            if len(found) >= limit or looked_at >= _MOST_LOOKED_AT:
                return AuditPage(found, line.seq + 1, looked_at)
            looked_at += 1
            if wanted(line.content):
                found.append(line.content)
    except FileNotFoundError:
        return AuditPage([], None, looked_at)
    except OSError as why:
        raise StorageFailedError(f"{why.filename or folder}: cannot be read: {why.strerror or why}") from None
    return AuditPage(found, None, looked_at)


def _backwards(folder: Path, before: int | None) -> Iterator[Line]:
    for path in reversed(audit_files(folder)):
        raws = split_lines(path.read_bytes())[0]
        first = next((line for line in map(parse_line, raws) if isinstance(line, Line)), None)
        if first is None or (before is not None and first.seq >= before):
            continue
        for raw in reversed(raws):
            line = parse_line(raw)
            if isinstance(line, Line) and (before is None or line.seq < before):
                yield line
