"""What a person enters for a test: numbers with their units, times, points, yes and no, by name.

A number without a unit is refused, but where the unit is 1. Several stand in one text with semicolons between them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any

from daq.errors import RefusedError
from daq.model.tables import close_names
from daq.model.units import UNITS, Unit, why_unknown

_OWN = {
    "Bq": Unit("activity", Fraction(1, 10**6)),
    "Bq/mL": Unit("activity concentration", Fraction(1, 1000)),
    "kBq/mL": Unit("activity concentration", Fraction(1)),
    "MBq/mL": Unit("activity concentration", Fraction(1000)),
    "mL": Unit("volume", Fraction(1)),
    "L": Unit("volume", Fraction(1000)),
}
"""Units that no profile and no protocol has; base units: those of `daq.model.units`, kBq/mL, mL."""
_KNOWN = {**UNITS, **_OWN}
_QUANTITY = re.compile(r"([+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?) *(\S.*)?", re.ASCII)
_MOST = 100
_COORDINATES = 3
_ANSWERS = {"yes": True, "no": False}

Entries = Mapping[str, Any]


def entry(entries: Entries, name: str) -> Any:
    """Return what was entered under a name; raise `RefusedError` where nothing was."""
    value = entries.get(name)
    if value is None or value == "":
        raise RefusedError(f"{name} was not entered")
    return value


def quantity(entries: Entries, name: str, unit: str) -> float:
    """Return a number in `unit`; raise `RefusedError` for another dimension, or no unit where it needs one."""
    return _number(name, entry(entries, name), unit)


def quantities(entries: Entries, name: str, unit: str) -> tuple[float, ...]:
    """Return the numbers of a text such as `600 MBq; 300 MBq`, in `unit`. Raises `RefusedError`."""
    return tuple(_number(name, part, unit) for part in _parts(entries, name))


def names(said: object) -> tuple[str, ...]:
    """Return the names in a text with semicolons between them; none of nothing. Raises `RefusedError` for one twice."""
    found = tuple(part.strip() for part in str(said or "").split(";") if part.strip())
    if len(set(found)) < len(found):
        raise RefusedError(f"{str(said)[:60]!r} names one twice")
    return found


def moment(entries: Entries, name: str) -> datetime:
    """Return a time; raise `RefusedError` for what is none, and for one without its zone."""
    return _moment(name, entry(entries, name))


def moments(entries: Entries, name: str) -> tuple[datetime, ...]:
    """Return the times of a text with semicolons between them. Raises `RefusedError`."""
    return tuple(_moment(name, part) for part in _parts(entries, name))


def points_mm(entries: Entries, name: str) -> tuple[tuple[float, float, float], ...]:
    """Return the points of a text such as `0 0 0; 100 0 0; 0 100 50 mm`; the unit stands once at the end, or in each.

    Raises `RefusedError`.
    """
    parts = [part.split() for part in _parts(entries, name)]
    last = parts[-1][-1]
    if last not in UNITS or UNITS[last].dimension != "length":
        raise RefusedError(f'{name}: {last!r} is no unit of length; write e.g. "0 0 0; 100 0 0; 0 100 50 mm"')
    return tuple(_point(name, part, last) for part in parts)


def answer(entries: Entries, name: str) -> bool | None:
    """Return yes or no; None where it was not answered. Raises `RefusedError` for any other word."""
    value = entries.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return value
    said = _ANSWERS.get(str(value).strip().lower())
    if said is None:
        raise RefusedError(f"{name}: {str(value)[:40]!r} is neither yes nor no")
    return said


def require_known(entries: Entries, names: tuple[str, ...]) -> None:
    """Raise `RefusedError` for an entry that the test does not ask for: most likely a name that was mistyped."""
    for name in entries:
        if name not in names:
            raise RefusedError(f"{str(name)[:60]!r} is not asked for; {close_names(str(name), names)}")


def _parts(entries: Entries, name: str) -> list[str]:
    parts = [part.strip() for part in str(entry(entries, name)).split(";")]
    if len(parts) > _MOST or not all(parts):
        raise RefusedError(f"{name}: {len(parts)} values; 1 to {_MOST} are taken, with one semicolon between two")
    return parts


def _number(name: str, said: Any, unit: str) -> float:
    wanted = _KNOWN[unit]
    example = f'write e.g. "12.5 {unit}"'
    if isinstance(said, bool):
        raise RefusedError(f"{name}: yes or no is no number; {example}")
    if isinstance(said, int | float) and unit == "1":
        return float(said)
    found = _QUANTITY.fullmatch(f"{said}".strip())
    if found is None:
        raise RefusedError(f"{name}: {str(said)[:40]!r} is no number with a unit; {example}")
    number, given = found[1], found[2] or ("1" if unit == "1" else "")
    if not given:
        raise RefusedError(f"{name}: {number} has no unit; {example}")
    if given not in _KNOWN:
        raise RefusedError(f"{name}: {given!r} is an {why_unknown(given)}; {example}")
    if _KNOWN[given].dimension != wanted.dimension or ("%" in {given, unit} and given != unit):
        raise RefusedError(f"{name}: {given} measures {_KNOWN[given].dimension}; {example}")
    return float(Fraction(number) * _KNOWN[given].factor / wanted.factor)


def _moment(name: str, said: Any) -> datetime:
    try:
        at = datetime.fromisoformat(str(said).strip())
    except ValueError:
        raise RefusedError(f'{name}: {str(said)[:40]!r} is no time; write e.g. "2030-01-31T07:30:00Z"') from None
    if at.utcoffset() is None:
        raise RefusedError(f"{name}: {said} has no zone; UTC ends in Z")
    return at


def _point(name: str, part: list[str], unit: str) -> tuple[float, float, float]:
    own, numbers = (part[-1], part[:-1]) if part[-1] in UNITS and not _is_number(part[-1]) else (unit, part)
    if len(numbers) != _COORDINATES:
        raise RefusedError(f'{name}: "{" ".join(part)[:40]}" is no point: wanted are x, y and z')
    x, y, z = (_number(name, f"{each} {own}", "mm") for each in numbers)
    return x, y, z


def _is_number(text: str) -> bool:
    return text.lstrip("+-").replace(".", "", 1).isdigit()
