"""Past results out of a table: which columns are which figures, and what is wrong with which line. Text in, no files.

Two shapes are taken: one row for each result (or for each subject of one), its figures in columns that are named; and
what `daq qc export --csv` writes, one row for each value.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from daq.errors import UsageError
from daq.model.tables import close_names

EXPORTED = ("result", "test", "performed_utc", "level", "figure", "unit", "subject", "value", "noise", "counts")
"""Columns of `daq qc export --csv`."""
_COLUMN = re.compile(r"(?P<figure>[a-z][a-z0-9_]*)\[(?P<unit>[^\]]*)\](?:@(?P<subject>[^=]+))?=(?P<column>.+)")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOON = time(12)
_AHEAD = timedelta(minutes=5)
_OF_CLOCK = ("%H", "%I", "%c", "%X")
_EMPTY = frozenset({"", "-", "na", "n/a", "nan"})
_MOST_LINES = 2_000_000


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table that holds a figure of a subject."""

    figure: str
    unit: str
    subject: str
    column: str


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a table is. `date`: column of the time; without a zone it is of `zone`, a day alone is noon of it.

    `subject`: column of the subject, where each has a row of its own; rows of one time are one result.
    """

    test: str
    columns: tuple[Column, ...]
    date: str
    zone: tzinfo
    date_format: str | None = None
    subject: str | None = None
    decimal: str = "."


@dataclass(slots=True)
class Past:
    """Results of a table as `qc-import` takes them, the line at which each begins, and what is wrong, by line."""

    results: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    wrong: list[tuple[int, str]] = field(default_factory=list)


def column_of(text: str) -> Column:
    """Return the column of `figure[unit]=COLUMN` or `figure[unit]@subject=COLUMN`. Raise `UsageError`."""
    found = _COLUMN.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text!r}: write figure[unit]=COLUMN, or figure[unit]@subject=COLUMN")
    return Column(found["figure"], found["unit"], (found["subject"] or "").strip(), found["column"].strip())


def past_results(text: str, mapped: Mapped, delimiter: str | None = None) -> Past:
    """Return the results of a table. Raise `UsageError` where a column is missing, or it is no table."""
    header, rows = _table(text, delimiter)
    wanted = [mapped.date, *(each.column for each in mapped.columns), *([mapped.subject] if mapped.subject else [])]
    _require_columns(header, wanted)
    past, by_time = Past(), dict[str, dict[tuple[str, str], dict[str, float | None]]]()
    first: dict[str, int] = {}
    for line, row in rows:
        try:
            cells = dict(zip(header, _whole(row, header), strict=True))
            at = _moment(cells[mapped.date], mapped)
            _add(by_time.setdefault(at, {}), cells, mapped)
            first.setdefault(at, line)
        except UsageError as why:
            past.wrong.append((line, str(why)))
    for at, figures in by_time.items():
        if figures:
            past.results.append(_result(mapped.test, at, figures))
            past.lines.append(first[at])
    return past


def exported_results(text: str, test: str | None = None) -> Past:
    """Return the results of a table that `daq qc export --csv` wrote; of one test, or all."""
    header, rows = _table(text, ",")
    _require_columns(header, EXPORTED)
    past = Past()
    found: dict[str, tuple[int, str, str, dict[tuple[str, str], dict[str, float | None]]]] = {}
    for line, row in rows:
        try:
            cells = dict(zip(header, _whole(row, header), strict=True))
            if test is not None and cells["test"] != test:
                continue
            at = _exported_moment(cells["performed_utc"])
            entry = found.setdefault(cells["result"], (line, cells["test"], at, {}))
            figure = entry[3].setdefault((cells["figure"], cells["unit"]), {})
            _put(figure, cells["subject"], _number(cells["value"], "."))
        except UsageError as why:
            past.wrong.append((line, str(why)))
    for line, name, at, figures in found.values():
        past.results.append(_result(name, at, figures))
        past.lines.append(line)
    return past


def is_exported(text: str) -> bool:
    """Return True for a table that `daq qc export --csv` wrote."""
    return tuple(text.partition("\n")[0].strip().split(",")) == EXPORTED


def _table(text: str, delimiter: str | None) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    first = text.partition("\n")[0]
    sign = delimiter or max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=sign, strict=True)
    try:
        header = [name.strip() for name in next(reader)]
    except (StopIteration, csv.Error):
        raise UsageError("the table is empty, or its first line is no header") from None
    if len(set(header)) != len(header):
        raise UsageError(f"two columns have one name: {', '.join(header)}")
    return header, _rows(reader)


def _rows(reader: Any) -> Iterator[tuple[int, list[str]]]:
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as why:
            raise UsageError(f"line {reader.line_num}: {why}") from None
        if line > _MOST_LINES:
            raise UsageError(f"more than {_MOST_LINES} lines; take it in by parts")
        if any(cell.strip() for cell in row):
            yield line, row


def _whole(row: Sequence[str], header: Sequence[str]) -> Sequence[str]:
    if len(row) != len(header):
        raise UsageError(f"{len(row)} cells, the header has {len(header)}")
    return row


def _require_columns(header: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in header:
            raise UsageError(f"the table has no column {name!r}; {close_names(name, tuple(header))}")


def _add(figures: dict[tuple[str, str], dict[str, float | None]], cells: Mapping[str, str], mapped: Mapped) -> None:
    values = {each: _number(cells[each.column], mapped.decimal) for each in mapped.columns}
    own = cells[mapped.subject].strip() if mapped.subject else ""
    for column, value in values.items():
        subject = ", ".join(part for part in (own, column.subject) if part)
        _put(figures.setdefault((column.figure, column.unit), {}), subject, value)


def _put(figure: dict[str, float | None], subject: str, value: float | None) -> None:
    if subject in figure:
        raise UsageError(f"subject {subject!r} has a value of this figure and time already")
    figure[subject] = value


def _number(text: str, decimal: str) -> float | None:
    """Return a value; None for an empty cell. A sign of thousands is none of a number: 1.234 is not 1,234."""
    plain = text.strip()
    if plain.lower() in _EMPTY:
        return None
    written = plain if decimal == "." else plain.replace(".", "no point").replace(decimal, ".")
    if plain.lower().lstrip("+-") not in ("inf", "infinity") and not _NUMBER.fullmatch(written):
        raise UsageError(f"{plain[:40]!r} is no number whose decimal sign is {decimal!r}")
    value = float(written)
    if not math.isfinite(value):
        raise UsageError(f"{plain[:40]!r} is no finite number")
    return value


def _moment(text: str, mapped: Mapped) -> str:
    plain = text.strip()
    try:
        found = datetime.strptime(plain, mapped.date_format) if mapped.date_format else datetime.fromisoformat(plain)  # noqa: DTZ007
    except ValueError:
        raise UsageError(f"{plain[:40]!r} is no time {mapped.date_format or 'of ISO 8601'}") from None
    if not _has_clock(plain, mapped.date_format):
        found = datetime.combine(found.date(), _NOON)
    return _past(found if found.tzinfo else found.replace(tzinfo=mapped.zone), plain)


def _has_clock(text: str, date_format: str | None) -> bool:
    if date_format is not None:
        return any(each in date_format for each in _OF_CLOCK)
    try:
        date.fromisoformat(text)
    except ValueError:
        return True
    return False


def _past(at: datetime, text: str) -> str:
    if at > datetime.now(UTC) + _AHEAD:
        raise UsageError(f"{text[:40]!r} lies in the future")
    return at.isoformat()


def _exported_moment(text: str) -> str:
    try:
        _past(datetime.fromisoformat(text), text)
    except (ValueError, TypeError):
        raise UsageError(f"{text[:40]!r} is no time with its zone") from None
    return text


def _result(test: str, at: str, figures: Mapping[tuple[str, str], Mapping[str, float | None]]) -> dict[str, Any]:
    told = [
        {"name": name, "unit": unit, "subjects": list(values), "values": list(values.values())}
        for (name, unit), values in figures.items()
    ]
    return {"test": test, "at": at, "figures": told}
