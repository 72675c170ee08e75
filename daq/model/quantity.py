"""Numbers as people write them in a protocol: a text of number and unit, e.g. `"10 cm/min"`, kept exact.

A number without a unit is refused: nobody can tell 10 cm/min from 10 cm/s by looking at a 10.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from daq.errors import RefusedError
from daq.model.units import UNITS, Unit, why_unknown

Sign = Literal["any", "not negative", "positive"]

_NUMBER = r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?"
_TEXT = re.compile(rf"({_NUMBER})[ ]*(\S.*)?", re.ASCII)
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit. `value` is exact, in the base unit of `dimension` (`daq.model.units`)."""

    text: str
    value: Fraction
    dimension: str

    def to(self, unit: str) -> Fraction:
        """Return the value in `unit`, exact. Raises `RefusedError` for a unit of another dimension."""
        known = UNITS.get(unit)
        if known is None or known.dimension != self.dimension:
            raise RefusedError(f"{self.text} is {self.dimension}; it cannot be said in {unit}")
        return self.value / known.factor

    @property
    def ps(self) -> int:
        """Return a time in whole picoseconds; `Wanted.whole` has seen to it that it is whole."""
        return int(self.to("ps"))

    @property
    def seconds(self) -> float:
        """Return a time in seconds."""
        return float(self.to("s"))

    def __str__(self) -> str:
        """Return the text as it was written."""
        return self.text


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a key takes: one of some dimensions, of a sign, perhaps whole in its base unit."""

    dimensions: tuple[str, ...]
    example: str
    sign: Sign = "positive"
    whole: bool = False
    only: tuple[str, ...] = ()
    """The units that are taken, where not all of the dimension make sense."""

    @property
    def units(self) -> tuple[str, ...]:
        """Return the units that are taken."""
        return self.only or tuple(name for name, unit in UNITS.items() if unit.dimension in self.dimensions)


def parse_quantity(said: object, wanted: Wanted) -> Quantity:
    """Return the quantity of a text. Raises `RefusedError` with the reason and an example."""
    if isinstance(said, Quantity):
        said = said.text
    if not isinstance(said, str):
        raise RefusedError(_why_no_text(said, wanted))
    found = _TEXT.fullmatch(said)
    if found is None:
        raise RefusedError(f'not a number with a unit; write e.g. "{wanted.example}"')
    number, unit = found[1], found[2]
    if unit is None:
        raise RefusedError(f'has no unit; write e.g. "{wanted.example}"')
    dimension = _dimension(unit, wanted)
    quantity = Quantity(said, Fraction(number) * UNITS[unit].factor, dimension)
    _require_range(quantity, wanted)
    return quantity


def _why_no_text(said: object, wanted: Wanted) -> str:
    if isinstance(said, int | float) and not isinstance(said, bool):
        return f'has no unit; write e.g. "{wanted.example}"'
    return f'must be a text of number and unit, e.g. "{wanted.example}"'


def _dimension(unit: str, wanted: Wanted) -> str:
    why = why_unknown(unit)
    if why is not None:
        raise RefusedError(f'{unit!r} is an {why}; write e.g. "{wanted.example}"')
    dimension = UNITS[unit].dimension
    if unit not in wanted.units:
        names = " or ".join(wanted.only or wanted.dimensions)
        raise RefusedError(f'{unit} measures {dimension}; wanted is {names}, e.g. "{wanted.example}"')
    return dimension


def _require_range(quantity: Quantity, wanted: Wanted) -> None:
    value = quantity.value
    if wanted.sign == "positive" and value <= 0:
        raise RefusedError("must be above zero")
    if wanted.sign == "not negative" and value < 0:
        raise RefusedError("must not be below zero")
    if abs(value) > _LARGEST:
        raise RefusedError(f"is beyond {_most(quantity.dimension)}, the most that is taken")
    if wanted.whole and value.denominator != 1:
        smallest = {"time": "picoseconds", "counts": "counts"}.get(quantity.dimension, "base units")
        raise RefusedError(f"is no whole number of {smallest}")


def _most(dimension: str) -> str:
    """Return the largest value in the largest unit of a dimension."""
    name, unit = max(((name, unit) for name, unit in UNITS.items() if unit.dimension == dimension), key=_factor)
    return f"{float(_LARGEST / unit.factor):.4g} {name}"


def _factor(unit: tuple[str, Unit]) -> Fraction:
    return unit[1].factor


def _field(wanted: Wanted) -> tuple[PlainValidator, PlainSerializer, WithJsonSchema]:
    schema = {
        "type": "string",
        "pattern": rf"^{_NUMBER} *({'|'.join(re.escape(unit) for unit in wanted.units)})$",
        "description": f"{' or '.join(wanted.dimensions)}, {wanted.sign}",
        "examples": [wanted.example],
    }
    return PlainValidator(_validator(wanted)), PlainSerializer(str, return_type=str), WithJsonSchema(schema)


def _validator(wanted: Wanted) -> Callable[[Any], Quantity]:
    def validate(said: Any) -> Quantity:
        try:
            return parse_quantity(said, wanted)
        except RefusedError as why:
            raise ValueError(str(why)) from None

    return validate


TIME = Wanted(("time",), "20 s", whole=True)
RATE = Wanted(("rate",), "20 kcps")
COUNTS = Wanted(("counts",), "500 kcounts", whole=True)
ENERGY = Wanted(("energy",), "140.5 keV")
POSITION = Wanted(("length", "angle"), "180 deg", "any")
SPEED = Wanted(("speed", "angular speed"), "10 cm/min")

Time = Annotated[Quantity, *_field(TIME)]
Rate = Annotated[Quantity, *_field(RATE)]
CountsLimit = Annotated[Quantity, *_field(COUNTS)]
Energy = Annotated[Quantity, *_field(ENERGY)]
LowEnergy = Annotated[Quantity, *_field(Wanted(("energy",), "40 keV", "not negative"))]
Position = Annotated[Quantity, *_field(POSITION)]
Speed = Annotated[Quantity, *_field(SPEED)]
Percent = Annotated[Quantity, *_field(Wanted(("dimensionless",), "20 %", only=("%",)))]
Offset = Annotated[Quantity, *_field(Wanted(("dimensionless",), "3 %", "any", only=("%",)))]
