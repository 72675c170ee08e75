"""Which of its limits a value is beyond, with hysteresis: a value on a limit does not make an alarm flutter."""

from __future__ import annotations

import math
from collections.abc import Mapping

from daq.devices.abilities import Quantity, Value
from daq.model.station import Level, Quality

_ALARM = (("minimum", "maximum"), ("alarm_low", "alarm_high"))
_WARNING = (("warning_low", "warning_high"),)


def level_of(value: Value, quantity: Quantity, before: Level) -> Level:
    """Return how far a value is out, where it was found `before` by the last one. What is no number has no limits.

    Beyond a limit is beyond at once. Within it is only what lies further inside than the quantity's hysteresis.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    slack = quantity.hysteresis
    if _beyond(value, quantity.limits, _ALARM, slack if before == "alarm" else 0.0):
        return "alarm"
    if _beyond(value, quantity.limits, _WARNING, slack if before else 0.0):
        return "warning"
    return ""


def quality_of(level: Level) -> Quality:
    """Return the quality of a value that was read in time."""
    return "out_of_limits" if level == "alarm" else "good"


def _beyond(value: float, limits: Mapping[str, float], spans: tuple[tuple[str, str], ...], slack: float) -> bool:
    """Return True where a value lies outside of one of the spans, each made narrower by `slack` on both sides."""
    for low, high in spans:
        least, most = limits.get(low, -math.inf), limits.get(high, math.inf)
        room = min(slack, (most - least) / 4)  # a span never closes: its middle is always within
        if value < least + room or value > most - room:
            return True
    return False
