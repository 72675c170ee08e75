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
_LARGEST = 1 << 64
_SHOWN = 60
_MANTISSA = re.compile(r"([+-]?\d+)([+-]\d+)")


def decoded(value: ControlValue, text: str) -> Value:
    """Return what a text means: a number in the value's unit, an integer, the name of a choice, or the text.

    `mantissa`: digits and an exponent with its sign, as `+01500-01` is 150.0. Raises `WireError`.
    """
    try:
        return _DECODERS[value.type](value, text)
    except (ValueError, OverflowError):
        raise WireError(f"{text[:_SHOWN]!r} is no {value.type}") from None


def encoded(value: ControlValue, number: float) -> str:
    """Return a number as the instrument takes it. Raises `EncodeError`.

    A limit that has more digits than the instrument is not passed by one: what energises is rounded towards nothing,
    anything else to the nearest that lies within the hard limits.
    """
    if not math.isfinite(number):
        raise EncodeError(f"{number} cannot be set")
    raw = _raw(value, number)
    if not math.isfinite(raw):
        raise EncodeError(f"{number:g} cannot be set: it is no number in the instrument's digits")
    raw = _towards_nothing(value, raw) if value.hazard == "energising" else _not_beyond(value, raw)
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
    if value.hazard == "energising":
        return abs(found - number) <= tolerance + 1.0001 * digit_of(value)
    return abs(found - _meant(value, _not_beyond(value, _raw(value, number)))) <= tolerance + 0.5001 * digit_of(value)


def _step(value: ControlValue) -> float:
    """Return the least change that the instrument's digits can say, before `scale`."""
    return 1.0 if value.type in ("integer", "flags") else float(10.0**-value.decimals)


def digit_of(value: ControlValue) -> float:
    """Return what the last digit of a number that is set is worth, in the value's unit."""
    return _step(value) * abs(value.set_scale or value.scale)


def _towards_nothing(value: ControlValue, raw: float) -> float:
    return min(_neighbours(value, raw), key=lambda each: abs(_meant(value, each)))


def _not_beyond(value: ControlValue, raw: float) -> float:
    """Return the nearest number of the instrument's digits within the hard limits. Raises `EncodeError`."""
    hard, hair = value.limits.hard, _HAIR * digit_of(value)
    if hard is None:
        return raw
    fit = [each for each in _neighbours(value, raw) if hard[0] - hair <= _meant(value, each) <= hard[1] + hair]
    if not fit:
        raise EncodeError(
            f"{_meant(value, raw):g} cannot be set: its digits have no number from {hard[0]:g} to {hard[1]:g}"
        )
    return min(fit, key=lambda each: abs(each - raw))


def _raw(value: ControlValue, number: float) -> float:
    return (number - value.offset) / (value.set_scale or value.scale)


def _neighbours(value: ControlValue, raw: float) -> tuple[float, float]:
    step = _step(value)
    return math.floor(raw / step + _HAIR) * step, math.ceil(raw / step - _HAIR) * step


def _meant(value: ControlValue, raw: float) -> float:
    """Return what a number that is set means, in the value's unit."""
    return raw * (value.set_scale or value.scale) + value.offset


def _integer(value: ControlValue, text: str) -> Value:
    whole = int(text, value.base)
    if abs(whole) > _LARGEST:
        raise ValueError(text)
    return whole if value.scale == 1 and value.offset == 0 else _number(value, whole)


def _number(value: ControlValue, raw: float) -> float:
    physical = raw * value.scale + value.offset
    if not math.isfinite(physical):
        raise WireError(f"{physical} is no number")
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
