"""Normalisation files of a ring: a JSON head and beside it a CSV table of crystals' efficiencies, one a row.

    {"schema": "normalisation-file/1", "id": "normalisation-20260102T060000Z", "instrument": "singles64",
     "made_utc": "2026-01-02T06:00:00+00:00", "method": "...", "acquisitions": ["..."],
     "table": "normalisation-20260102T060000Z.csv", "table_sha256": "..."}

    detector,efficiency,noise,trues,by_position
    0,1.0132,0.0081,15230,0.9987

The pair of a and b is expected to give efficiency_a * efficiency_b times what it would on average. A dead crystal has
efficiency 0. `by_position` is the mean of all crystals at the same place in their blocks, and in `efficiency` already.
The head is JSON, so that in a folder of calibrations, whose TOML files are heads of calibrations, it is taken for none.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationError

from daq.errors import MissingError, ProfileError, RefusedError
from daq.model.layout import Strict
from device_profiles.writing import write_new

COLUMNS = ("detector", "efficiency", "noise", "trues", "by_position")
MAX_TABLE_BYTES = 64 << 20


class NormalisationHead(Strict):
    """The JSON file of a normalisation."""

    model_config = ConfigDict(serialize_by_alias=True)

    schema_id: Literal["normalisation-file/1"] = Field(alias="schema")
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    instrument: Annotated[str, Field(min_length=1, max_length=100)]
    made_utc: Annotated[str, Field(min_length=1, max_length=40)]
    method: Annotated[str, Field(min_length=1, max_length=2000)]
    acquisitions: tuple[str, ...] = ()
    table: Annotated[str, Field(min_length=1, max_length=255)]
    table_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True)
class NormalisationRow:
    """One crystal."""

    detector: int
    efficiency: float
    noise: float
    trues: int
    by_position: float


def write_normalisation(
    path: Path, rows: tuple[NormalisationRow, ...], *, instrument: str, made_utc: str, method: str,
    acquisitions: tuple[str, ...],
) -> NormalisationHead:  # fmt: skip
    """Write `path` (ending in `.json`) and the CSV table beside it; raise `RefusedError` where one is there already."""
    if path.suffix != ".json":
        raise RefusedError(f"{path}: the file of a normalisation ends in .json")
    table = path.with_suffix(".csv")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in sorted(rows, key=lambda each: each.detector):
        numbers = f"{row.efficiency:.6g}", f"{row.noise:.4g}", row.trues, f"{row.by_position:.6g}"
        writer.writerow((row.detector, *numbers))
    content = text.getvalue().encode()
    head = NormalisationHead(
        schema="normalisation-file/1", id=path.stem, instrument=instrument, made_utc=made_utc, method=method,
        acquisitions=acquisitions, table=table.name, table_sha256=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip
    write_new(table, content)
    write_new(path, head.model_dump_json(indent=1).encode() + b"\n")
    return head


def load_normalisation(path: Path) -> tuple[NormalisationHead, tuple[NormalisationRow, ...]]:
    """Return a normalisation; raise `MissingError`, `ProfileError` for one that is not whole or was changed."""
    try:
        head = NormalisationHead.model_validate_json(_bytes_of(path))
    except ValidationError as why:
        first = why.errors()[0]
        raise ProfileError(f"{path}: {'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}") from None
    table = path.parent / head.table
    if Path(head.table).name != head.table:
        raise ProfileError(f"{path}: table = {head.table!r}: must be the name of a file in the same folder")
    content = _bytes_of(table)
    if hashlib.sha256(content).hexdigest() != head.table_sha256:
        raise ProfileError(f"{table}: it was changed after {path.name} was written, or belongs to another one")
    return head, _rows(table, content)


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TABLE_BYTES + 1)
    except FileNotFoundError:
        raise MissingError(f"{path}: no such file") from None
    except OSError as why:
        raise ProfileError(f"{path}: cannot be read ({why.strerror})") from None
    if len(content) > MAX_TABLE_BYTES:
        raise ProfileError(f"{path}: has more than {MAX_TABLE_BYTES} bytes")
    return content


def _rows(table: Path, content: bytes) -> tuple[NormalisationRow, ...]:
    lines = csv.reader(io.StringIO(content.decode("utf-8", "replace")))
    if tuple(next(lines, [])) != COLUMNS:
        raise ProfileError(f"{table}: the first line must be {','.join(COLUMNS)}")
    rows, seen = [], set()
    for number, cells in enumerate(lines, 2):
        row = _row(table, number, cells)
        if row.detector in seen:
            raise ProfileError(f"{table}: line {number}: detector {row.detector} stands there twice")
        seen.add(row.detector)
        rows.append(row)
    return tuple(rows)


def _row(table: Path, number: int, cells: list[str]) -> NormalisationRow:
    try:
        detector, efficiency, noise, trues, place = cells
        row = NormalisationRow(int(detector), float(efficiency), float(noise), int(trues), float(place))
    except ValueError as why:
        raise ProfileError(f"{table}: line {number}: {why}") from None
    if row.detector < 0 or not all(map(math.isfinite, (row.efficiency, row.noise, row.by_position))):
        raise ProfileError(f"{table}: line {number}: numbers must be finite, a detector zero or more")
    if row.efficiency < 0.0:
        raise ProfileError(f"{table}: line {number}: efficiency {row.efficiency:g} is below zero")
    return row
