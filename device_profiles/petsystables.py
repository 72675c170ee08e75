"""Calibration tables of PETsys time converters, in the format of the vendor's software, read into a profile.

Lines of ten columns separated by white space; `#` begins a comment:

    port  slave  chip  channel  TAC  branch (T or E)  t0  a0  a1  a2

Source: PETsys `sw_daq_tofpet2` 194662e, `src/base/SystemConfig.cpp` (`loadTDCCalibration`).
"""

from __future__ import annotations

import hashlib
from math import isfinite
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from daq.errors import MissingError, ProfileError
from daq.model.layout import TdcRow, Tofpet2
from daq.model.tofpet2 import channel_id
from device_profiles.schema import InstrumentProfile

MAX_TABLE_BYTES = 256 << 20
_COLUMNS = 10
_MOST = (31, 31, 63, 63, 3)
_ROW: TypeAdapter[TdcRow] = TypeAdapter(TdcRow)


def with_tables(profile: InstrumentProfile, folder: Path) -> InstrumentProfile:
    """Return the profile with the rows of the table that it names; as it is where it names none, or holds them.

    Raises `MissingError` or `ProfileError` (file, line, value, reason).
    """
    settings = profile.layout.tofpet2
    if settings is None or settings.tdc_table is None or settings.tdc:
        return profile
    path = folder / settings.tdc_table
    content = _read(path)
    digest = hashlib.sha256(content).hexdigest()
    if settings.tdc_sha256 not in ("", digest):
        raise ProfileError(f"{path}: SHA-256 is {digest}, the profile says {settings.tdc_sha256}: not the same table")
    filled: Tofpet2 = settings.model_copy(update={"tdc": parse_tdc(content, str(path)), "tdc_sha256": digest})
    layout = profile.layout.model_copy(update={"tofpet2": filled})
    return profile.model_copy(update={"layout": layout})


def parse_tdc(content: bytes, where: str) -> tuple[TdcRow, ...]:
    """Return the rows of a table; raise `ProfileError` for one that says something twice, or nothing."""
    rows: dict[tuple[int, int, str], TdcRow] = {}
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        row = _row(words, f"{where}: line {number}")
        key = row[0], row[1], row[2]
        if key in rows:
            raise ProfileError(f"{where}: line {number}: the converter of {' '.join(words[:6])} is there twice")
        rows[key] = row
    if not rows:
        raise ProfileError(f"{where}: no row")
    return tuple(rows.values())


def _row(words: list[str], where: str) -> TdcRow:
    if len(words) != _COLUMNS:
        raise ProfileError(f"{where}: {len(words)} columns; a row has {_COLUMNS}")
    try:
        port, slave, chip, channel, tac = (int(word) for word in words[:5])
        values = [float(word) for word in words[6:]]
        row = _ROW.validate_python((channel_id(port, slave, chip, channel), tac, words[5], *values), strict=True)
    except (ValueError, ValidationError) as why:
        first = why.errors()[0]["msg"] if isinstance(why, ValidationError) else str(why)
        raise ProfileError(f"{where}: {first}") from None
    for value, most in zip((port, slave, chip, channel, tac), _MOST, strict=True):
        if not 0 <= value <= most:
            raise ProfileError(f"{where}: {value} is not between 0 and {most}")
    if not all(isfinite(value) for value in values):
        raise ProfileError(f"{where}: a value that is no number")
    return row


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise ProfileError(f"{path}: more than {MAX_TABLE_BYTES} bytes")
        return path.read_bytes()
    except FileNotFoundError:
        raise MissingError(f"{path}: no such file; the profile names it as tdc_table") from None
    except OSError as why:
        raise ProfileError(f"{path}: {why.strerror}") from None
