"""The units that profiles and protocols may use: a small exact table, no free-form unit algebra.

`UNITS[name] = (dimension, factor to the base unit of that dimension)`. Every factor is an exact fraction: there is no
radian (its factor to the degree is irrational) and no joule. A temperature in degC never becomes one in K here, for
that needs an offset. Source: SI brochure, 9th edition (2019), tables 2 to 4, 7 and 8.
"""

from __future__ import annotations

import difflib
from fractions import Fraction
from typing import NamedTuple

from daq.errors import RefusedError


class Unit(NamedTuple):
    """A dimension and the exact factor to the base unit of that dimension."""

    dimension: str
    factor: Fraction


_ONE = Fraction(1)

UNITS: dict[str, Unit] = {
    "1": Unit("dimensionless", _ONE),
    "tick": Unit("dimensionless", _ONE),
    "adc": Unit("dimensionless", _ONE),
    "code": Unit("dimensionless", _ONE),
    "%": Unit("dimensionless", Fraction(1, 100)),
    "ps": Unit("time", _ONE),
    "ns": Unit("time", Fraction(10**3)),
    "us": Unit("time", Fraction(10**6)),
    "ms": Unit("time", Fraction(10**9)),
    "s": Unit("time", Fraction(10**12)),
    "min": Unit("time", Fraction(60 * 10**12)),
    "h": Unit("time", Fraction(3600 * 10**12)),
    "d": Unit("time", Fraction(86400 * 10**12)),
    "Hz": Unit("rate", _ONE),
    "kHz": Unit("rate", Fraction(10**3)),
    "MHz": Unit("rate", Fraction(10**6)),
    "1/s": Unit("rate", _ONE),
    "cps": Unit("rate", _ONE),
    "kcps": Unit("rate", Fraction(10**3)),
    "Mcps": Unit("rate", Fraction(10**6)),
    "counts": Unit("counts", _ONE),
    "kcounts": Unit("counts", Fraction(10**3)),
    "Mcounts": Unit("counts", Fraction(10**6)),
    "eV": Unit("energy", Fraction(1, 1000)),
    "keV": Unit("energy", _ONE),
    "MeV": Unit("energy", Fraction(1000)),
    "um": Unit("length", Fraction(1, 1000)),
    "mm": Unit("length", _ONE),
    "cm": Unit("length", Fraction(10)),
    "m": Unit("length", Fraction(1000)),
    "deg": Unit("angle", _ONE),
    "turn": Unit("angle", Fraction(360)),
    "mm/s": Unit("speed", _ONE),
    "cm/s": Unit("speed", Fraction(10)),
    "mm/min": Unit("speed", Fraction(1, 60)),
    "cm/min": Unit("speed", Fraction(1, 6)),
    "m/min": Unit("speed", Fraction(1000, 60)),
    "deg/s": Unit("angular speed", _ONE),
    "deg/min": Unit("angular speed", Fraction(1, 60)),
    "mV": Unit("voltage", Fraction(1, 1000)),
    "V": Unit("voltage", _ONE),
    "kV": Unit("voltage", Fraction(1000)),
    "nA": Unit("current", Fraction(1, 1000)),
    "uA": Unit("current", _ONE),
    "mA": Unit("current", Fraction(1000)),
    "A": Unit("current", Fraction(10**6)),
    "V/s": Unit("voltage slope", _ONE),
    "V/min": Unit("voltage slope", Fraction(1, 60)),
    "kBq": Unit("activity", Fraction(1, 1000)),
    "MBq": Unit("activity", _ONE),
    "GBq": Unit("activity", Fraction(1000)),
    "K": Unit("temperature difference", _ONE),
    "degC": Unit("temperature", _ONE),
}
"""Every unit a profile or protocol may name.

Base units: 1, ps, 1/s, counts, keV, mm, deg, mm/s, deg/s, V, V/s, uA, MBq, K, degC.
"""

_MOST_OF_CURIES = len("mCi")
ENERGY_COLUMN_UNIT = "keV"
LENGTH_COLUMN_UNIT = "mm"
TIME_COLUMN_UNIT = "ps"


def is_dimensionless(unit: str) -> bool:
    """Return True for a pure number: a count, an ADC code, a tick."""
    return unit in UNITS and UNITS[unit].dimension == "dimensionless"


def why_unknown(unit: str) -> str | None:
    """Return why `unit` is none of ours, naming close ones, or None when it is known."""
    if unit in UNITS:
        return None
    if not unit:
        return 'every field states its unit; a pure number is "1"'
    if unit.lower().endswith("ci") and len(unit) <= _MOST_OF_CURIES:
        return "unknown unit; curies are not taken: 1 mCi is 37 MBq"
    folded = {name.lower(): name for name in UNITS}
    close = difflib.get_close_matches(unit.lower(), folded, n=3, cutoff=0.5)
    hint = f"close: {', '.join(folded[name] for name in close)}" if close else f"known: {', '.join(UNITS)}"
    return f"unknown unit; {hint}"


def convert(value: Fraction | int, *, unit: str, to: str) -> Fraction:
    """Return `value` of `unit` in the unit `to`, exact.

    Raises `RefusedError` for an unknown unit or for units of two dimensions.
    """
    for name in (unit, to):
        why = why_unknown(name)
        if why is not None:
            raise RefusedError(f"{name!r}: {why}")
    if UNITS[unit].dimension != UNITS[to].dimension:
        raise RefusedError(f"{unit} measures {UNITS[unit].dimension}, {to} {UNITS[to].dimension}")
    return Fraction(value) * UNITS[unit].factor / UNITS[to].factor
