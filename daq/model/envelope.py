"""Where axes of a scanner must not be together: rules of its profile, and what they say about places.

Each axis within its own limits, two of them may still meet: a head that turns into the bed, two heads drawn in at a
right angle. A rule bounds a weighted sum of positions, everywhere or while others are within ranges. Software keeps it
before and while axes move; pads and the emergency stop do so whether this program lives or not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from daq.model.layout import Name, Strict

_TURN_DEG = 360.0
_ROUNDING = 1e-6
"""What is added up of binary numbers, in mm or degrees, is not quite what was written in tens."""
Span = tuple[float, float]
"""From the first to the second, both included; of an axis that turns upwards from the first, over 360 where it must."""


class EnvelopeRule(Strict):
    """A bound of a weighted sum of positions, in their units; `where`: only while these axes are within these spans."""

    sum: Annotated[dict[Name, float], Field(min_length=1)]
    """Axis to its factor: `{ front_radius = 1.0 }`."""
    least: float | None = None
    most: float | None = None
    where: dict[Name, Span] = Field(default_factory=dict)
    why: Annotated[str, Field(min_length=1, max_length=200)]
    """What would meet what."""


@dataclass(frozen=True, slots=True)
class Travel:
    """Where an axis can be at all: from `minimum` to `maximum`, mm or degrees."""

    minimum: float
    maximum: float
    turns: bool


def why_outside(
    rules: Sequence[EnvelopeRule], travels: Mapping[str, Travel], places: Mapping[str, float]
) -> str | None:
    """Return what would meet at these places, or None. An axis of which no place is known may be anywhere."""
    for rule in rules:
        if all(_within(span, travels[name], places.get(name)) for name, span in rule.where.items()):
            why = _beyond(rule, travels, places)
            if why is not None:
                return why
    return None


def _within(span: Span, travel: Travel, place: float | None) -> bool:
    """Return whether an axis is in a span, or, where nobody knows where it is, could be."""
    if place is not None:
        return _holds(span, place, turns=travel.turns)
    ends = _holds(span, travel.minimum, turns=travel.turns) or _holds(span, travel.maximum, turns=travel.turns)
    return ends or _holds((travel.minimum, travel.maximum), span[0], turns=travel.turns)


def _holds(span: Span, place: float, *, turns: bool) -> bool:
    if not math.isfinite(place):
        return True
    wide = span[1] - span[0] + 2 * _ROUNDING
    beyond = place - span[0] + _ROUNDING
    return (beyond % _TURN_DEG if turns else beyond) <= wide and (turns or beyond >= 0)


def _beyond(rule: EnvelopeRule, travels: Mapping[str, Travel], places: Mapping[str, float]) -> str | None:
    bounds = [_bounds(factor, travels[name], places.get(name)) for name, factor in rule.sum.items()]
    low, high = (math.fsum(side) for side in zip(*bounds, strict=True))
    if rule.least is not None and not low >= rule.least - _ROUNDING:
        return f"{rule.why} ({_named(rule, places)} would be {low:g}, at least {rule.least:g})"
    if rule.most is not None and not high <= rule.most + _ROUNDING:
        return f"{rule.why} ({_named(rule, places)} would be {high:g}, at most {rule.most:g})"
    return None


def _bounds(factor: float, travel: Travel, place: float | None) -> tuple[float, float]:
    """Return the least and the most that an axis adds."""
    if place is not None:
        return factor * place, factor * place
    ends = factor * travel.minimum, factor * travel.maximum
    return min(ends), max(ends)


def _named(rule: EnvelopeRule, places: Mapping[str, float]) -> str:
    return " + ".join(_term(name, factor, known=name in places) for name, factor in rule.sum.items())


def _term(name: str, factor: float, *, known: bool) -> str:
    said = name if factor == 1 else f"{factor:g} {name}"
    return said if known else f"{said} (nobody reads it)"


def axes_of(rule: EnvelopeRule) -> Iterator[str]:
    """Yield the axes that a rule is about."""
    yield from dict.fromkeys([*rule.sum, *rule.where])
