"""What an instrument says as text, as values in their units, and back."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from daq.devices.abilities import Value
from daq.errors import EncodeError, WireError
from daq.model.control import ControlValue

_HAIR = 1e-6
"""What arithmetic may be off, of the instrument's last digit: 0.3 / 0.1 is a little less than three."""
_MANTISSA = re.compile(r"([+-]?\d+)([+-]\d+)")


def decoded(value: ControlValue, text: str) -> Value:
    """Return what a text means: a number in the value's unit, an integer, the name of a choice, or the text.

    `mantissa`: digits and an exponent with its sign, as `+01500-01` is 150.0. Raises `WireError`.
    """
    try:
        return _DECODERS[value.type](value, text)
    except ValueError:
        raise WireError(f"{text!r} is no {value.type}") from None


def encoded(value: ControlValue, number: float) -> str:
    """Return a number as the instrument takes it. Raises `EncodeError`.

    What energises is rounded towards nothing: a limit that has more digits than the instrument is not passed by one.
    """
    if not math.isfinite(number):
        raise EncodeError(f"{number} cannot be set")
    raw = (number - value.offset) / (value.set_scale or value.scale)
    if value.hazard == "energising":
        raw = _towards_nothing(value, raw)
    if value.type in ("integer", "flags"):
        return f"{round(raw):0{value.digits}{'X' if value.base == 16 else 'd'}}"  # noqa: PLR2004
    return f"{raw:.{value.decimals}f}"


def flags_of(value: ControlValue, bits: int) -> dict[str, bool]:
    """Return the flags by name."""
    return {name: bool(bits >> bit & 1) for name, bit in value.flags.items()}


def same(found: Value, number: float, tolerance: float, value: ControlValue) -> bool:
    """Return True where a reading is the number that was set, as far as the instrument's digits can say it."""
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    part = 1.0001 if value.hazard == "energising" else 0.5001
    return abs(found - number) <= tolerance + part * digit_of(value)


def _step(value: ControlValue) -> float:
    """Return the least change that the instrument's digits can say, before `scale`."""
    return 1.0 if value.type in ("integer", "flags") else float(10.0**-value.decimals)


def digit_of(value: ControlValue) -> float:
    """Return what the last digit of a number that is set is worth, in the value's unit."""
    return _step(value) * abs(value.set_scale or value.scale)


def _towards_nothing(value: ControlValue, raw: float) -> float:
    step = _step(value)
    both = (math.floor(raw / step + _HAIR) * step, math.ceil(raw / step - _HAIR) * step)
    scale = value.set_scale or value.scale
    return min(both, key=lambda each: abs(each * scale + value.offset))


def _integer(value: ControlValue, text: str) -> Value:
    whole = int(text, value.base)
    return whole if value.scale == 1 and value.offset == 0 else _number(value, whole)


def _number(value: ControlValue, raw: float) -> float:
    if not math.isfinite(raw):
        raise WireError(f"{raw} is no number")
    physical = raw * value.scale + value.offset
    return abs(physical) if value.magnitude else physical


def _of_mantissa(text: str) -> float:
    found = _MANTISSA.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    return float(f"{found.group(1)}e{found.group(2)}")


def _choice(value: ControlValue, text: str) -> str:
    for name, said in value.choices.items():
        if said == text:
            return name
    raise WireError(f"{text!r} is none of {', '.join(value.choices.values())}")


_DECODERS: dict[str, Callable[[ControlValue, str], Value]] = {
    "number": lambda value, text: _number(value, float(text)),
    "mantissa": lambda value, text: _number(value, _of_mantissa(text)),
    "integer": _integer,
    "flags": lambda value, text: int(text, value.base),
    "choice": _choice,
    "text": lambda _, text: text,
}
