"""Read the Interfile header of a Siemens list-mode file: what its bin addresses count, and its energy window.

Keys are compared as Interfile does: without case, blanks, `!` and `%`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from daq.errors import FormatError
from daq.model.sinogram import Sinogram

_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class ListModeHeader:
    """What an export needs. `notes` says where the header contradicts itself."""

    sinogram: Sinogram
    energy_window_kev: tuple[float, float] | None
    ring_pitch_mm: float | None
    radius_mm: float | None
    notes: tuple[str, ...]


def parse_header(text: str, where: str) -> ListModeHeader:
    """Return the header, or raise `FormatError` naming `where` and the key that is missing or no number."""
    keys = _keys(text)
    if "interfile" not in keys:
        raise FormatError(f"{where}: not an Interfile header")
    sinogram = Sinogram(
        projections=_whole(keys, "number of projections", where),
        views=_whole(keys, "number of views", where),
        rings=_whole(keys, "number of rings", where),
        max_ring_difference=_whole(keys, "maximum ring difference", where, least=0),
        axial_compression=_whole(keys, "axial compression", where),
        tof_bins=_whole(keys, "number of tof time bins", where, absent=1),
    )
    lower = _number(keys, "energy window lower level (kev) [1]", where)
    upper = _number(keys, "energy window upper level (kev) [1]", where)
    pitch_cm = _number(keys, "distance between rings (cm)", where)
    radius_cm = _number(keys, "gantry crystal radius (cm)", where)
    return ListModeHeader(
        sinogram,
        None if lower is None or upper is None else (lower, upper),
        None if pitch_cm is None else 10 * pitch_cm,
        None if radius_cm is None else 10 * radius_cm,
        _contradictions(keys, sinogram),
    )


def _keys(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, mark, value = line.partition(":=")
        if mark:
            found[_plain(key)] = value.strip()
    return found


def _plain(key: str) -> str:
    return "".join(key.lower().split()).strip("!%")


def _whole(keys: dict[str, str], key: str, where: str, *, least: int = 1, absent: int | None = None) -> int:
    value = keys.get(_plain(key))
    if value is None and absent is not None:
        return absent
    if value is None:
        raise FormatError(f"{where}: no key `{key}`; it is the header of a list-mode file that is needed")
    if not value.isdecimal() or len(value) > _MOST_DIGITS or int(value) < least:
        raise FormatError(f"{where}: {key} = {value[:40]!r}, must be a whole number of at least {least}")
    return int(value)


def _number(keys: dict[str, str], key: str, where: str) -> float | None:
    value = keys.get(_plain(key))
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise FormatError(f"{where}: {key} = {value[:40]!r} is no number")
    return number


def _contradictions(keys: dict[str, str], sinogram: Sinogram) -> tuple[str, ...]:
    """Return a note where the segment table counts other planes than axial compression and ring difference do."""
    table = keys.get("segmenttable")
    if table is None:
        return ()
    parts = table.strip("{} ").split(",")
    planes = sum(int(part) for part in parts if part.strip().isdecimal() and len(part) <= _MOST_DIGITS)
    if sinogram.axial_compression != 1 or planes == sinogram.planes:
        return ()
    return (
        f"the header's segment table has {planes} planes; its axial compression 1 and ring difference "
        f"{sinogram.max_ring_difference} mean {sinogram.planes}, by which bin addresses are read",
    )
