"""The CSV table of a calibration: one detector a row, one quantity a column, its unit in the column's name.

    detector,time_offset_ps,kev_per_adc,pedestal_adc
    0,-312,0.511,12.5

`detector` comes first; of the others those that were measured, with a value for every detector. A byte-order mark and
Windows line ends are taken, as spreadsheets write them; nothing else is guessed: numbers have a point and no grouping.
"""

from __future__ import annotations

import csv
import difflib
import io
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from daq.model.finding import Finding, Said, error

MAX_DETECTORS = 1 << 20
MAX_DETECTOR = (1 << 32) - 1
MAX_OFFSET_PS = 10_000_000
"""10 us: 2 km of cable. What is further off is another clock and no calibration."""
MAX_KEV_PER_ADC = 1e6
MAX_PEDESTAL_ADC = 65_536.0
MOST_FINDINGS = 20

DETECTOR = "detector"
QUANTITIES = ("time_offset_ps", "kev_per_adc", "pedestal_adc")

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,18}(?:\.[0-9]*)?|\.[0-9]{1,18})(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_ENDS_IN_ANOTHER_UNIT = {"time_offset": "ps", "offset": "ps", "kev": "keV per ADC code", "pedestal": "ADC codes"}


@dataclass(slots=True)
class Table:
    """The columns of a table; an empty one was not measured. `detectors` ascend."""

    detectors: tuple[int, ...] = ()
    time_offset_ps: tuple[int, ...] = ()
    kev_per_adc: tuple[float, ...] = ()
    pedestal_adc: tuple[float, ...] = ()


@dataclass(slots=True)
class _Reading:
    """What has been read so far."""

    columns: tuple[str, ...]
    rows: dict[int, tuple[float, ...]] = field(default_factory=dict)
    lines: dict[int, int] = field(default_factory=dict)
    found: list[Finding] = field(default_factory=list)


def parse_table(content: bytes, *, detector_count: int | None = None) -> tuple[Table, list[Finding]]:
    """Return the table and what is wrong with it, at most about `MOST_FINDINGS` findings; keys are `line N, column`.

    `detector_count`: numbers from it on are refused.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as why:
        line = content[: why.start].count(b"\n") + 1
        return Table(), [error(f"line {line}", Said("bytes"), "not UTF-8 text; save the table as CSV UTF-8")]
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    reading = _Reading(())
    try:
        reading = _Reading(tuple(cell.strip() for cell in next(rows, [])))
        reading.found += _wrong_header(reading.columns)
        if not reading.found:
            _read_rows(reading, rows, detector_count)
    except csv.Error as why:
        reading.found.append(error(f"line {rows.line_num}", Said("row"), f"not CSV: {why}"))
    if not reading.found and not reading.rows:
        reading.found.append(error("table", Said("empty"), "names no detector"))
    return (Table() if reading.found else _table_of(reading)), reading.found


def format_table(table: Table) -> bytes:
    """Return the CSV text of a table; `parse_table` gives it back exactly."""
    names = [name for name in QUANTITIES if getattr(table, name)]
    columns = [getattr(table, name) for name in names]
    lines = [",".join([DETECTOR, *names])]
    lines += [",".join(map(repr, row)) for row in zip(table.detectors, *columns, strict=True)]
    return ("\n".join(lines) + "\n").encode("ascii")


def _read_rows(reading: _Reading, rows: Iterator[list[str]], detector_count: int | None) -> None:
    for line, row in enumerate(rows, start=2):
        if len(reading.found) >= MOST_FINDINGS or len(reading.rows) > MAX_DETECTORS:
            break
        if row:
            _read_row(reading, line, row, detector_count)
    if len(reading.rows) > MAX_DETECTORS:
        reading.found.append(error("table", Said("rows"), f"more than {MAX_DETECTORS} detectors"))


def _read_row(reading: _Reading, line: int, row: list[str], detector_count: int | None) -> None:
    if len(row) != len(reading.columns):
        reason = f"{len(row)} values, the header names {len(reading.columns)} columns; numbers have a point, no comma"
        reading.found.append(error(f"line {line}", Said("row"), reason))
        return
    cells = [(column, cell, *_CELLS[column](cell.strip())) for column, cell in zip(reading.columns, row, strict=True)]
    wrong = [error(f"line {line}, {column}", cell, why) for column, cell, _, why in cells if why is not None]
    reading.found += wrong
    if not wrong:
        _keep(reading, line, [value for _, _, value, _ in cells], detector_count)


def _keep(reading: _Reading, line: int, values: list[float], detector_count: int | None) -> None:
    number = int(values[0])
    if number in reading.lines:
        reason = f"stands in line {reading.lines[number]} already"
        reading.found.append(error(f"line {line}, {DETECTOR}", number, reason))
    elif detector_count is not None and number >= detector_count:
        reason = f"the instrument has detectors 0 to {detector_count - 1}"
        reading.found.append(error(f"line {line}, {DETECTOR}", number, reason))
    else:
        reading.lines[number] = line
        reading.rows[number] = tuple(values[1:])


def _wrong_header(columns: tuple[str, ...]) -> Iterator[Finding]:
    """Demand known columns, each once, `detector` first and a quantity at least."""
    if not columns or columns[0] != DETECTOR:
        yield error("line 1", columns[0] if columns else Said("empty"), f"the first column must be {DETECTOR}")
    for index, name in enumerate(columns):
        if name in columns[:index]:
            yield error("line 1", name, "the column stands there twice")
        elif name not in (DETECTOR, *QUANTITIES):
            yield error("line 1", name, _why_unknown(name))
    if not set(columns) & set(QUANTITIES):
        yield error("line 1", Said("header"), f"a column is missing: at least one of {', '.join(QUANTITIES)}")
    if "pedestal_adc" in columns and "kev_per_adc" not in columns:
        yield error("line 1", "pedestal_adc", "the column kev_per_adc is missing: a pedestal alone gives no energy")


def _why_unknown(name: str) -> str:
    close = difflib.get_close_matches(name, QUANTITIES, n=1, cutoff=0.5)
    if not close:
        return f"unknown column; known are {', '.join((DETECTOR, *QUANTITIES))}"
    unit = next((unit for begin, unit in _ENDS_IN_ANOTHER_UNIT.items() if name.startswith(begin)), None)
    return f"unknown column; did you mean {close[0]}?" + (f" It is in {unit}" if unit else "")


def _table_of(reading: _Reading) -> Table:
    detectors = tuple(sorted(reading.rows))
    columns = list(zip(*(reading.rows[number] for number in detectors), strict=True))
    table = Table(detectors)
    for name, values in zip(reading.columns[1:], columns, strict=True):
        setattr(table, name, tuple(int(v) for v in values) if name == "time_offset_ps" else values)
    return table


_Cell = Callable[[str], tuple[float, str | None]]


def _whole(low: int, high: int) -> _Cell:
    def read(cell: str) -> tuple[float, str | None]:
        if not _WHOLE.fullmatch(cell):
            return 0, "must be a whole number" if _NUMBER.fullmatch(cell) else _why_no_number(cell)
        value = int(cell)
        return value, None if low <= value <= high else f"must be from {low} to {high}"

    return read


def _real(low: float, high: float, *, above: bool) -> _Cell:
    def read(cell: str) -> tuple[float, str | None]:
        if not _NUMBER.fullmatch(cell):
            return 0.0, _why_no_number(cell)
        value = float(cell)
        inside = (low < value if above else low <= value) and value <= high
        return value, None if inside and math.isfinite(value) else (
            f"must be {'above' if above else 'from'} {low:g} {'and at most' if above else 'to'} {high:g}"
        )

    return read


def _why_no_number(cell: str) -> str:
    if not cell:
        return "is empty: every detector of the table needs a value"
    if cell.lower().lstrip("+-") in ("nan", "inf", "infinity", "null", "none", "#n/a"):
        return "must be a finite number; leave out the row of a detector that was not measured"
    return "is no number"


_CELLS: dict[str, _Cell] = {
    DETECTOR: _whole(0, MAX_DETECTOR),
    "time_offset_ps": _whole(-MAX_OFFSET_PS, MAX_OFFSET_PS),
    "kev_per_adc": _real(0.0, MAX_KEV_PER_ADC, above=True),
    "pedestal_adc": _real(-MAX_PEDESTAL_ADC, MAX_PEDESTAL_ADC, above=False),
}
