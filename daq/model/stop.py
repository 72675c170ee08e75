"""Stop conditions: limits on named integer counters or on detector time, with host time as backstop."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from daq.errors import UsageError
from daq.model.gating import FrameZero, Gate
from daq.model.stopterms import gate_term, parse_gate, parse_zero, zero_term
from daq.model.windowcounter import EVERY_WINDOW, PATTERN, WindowCounter, window_counter

__all__ = ["EVERY_WINDOW", "WindowCounter", "window_counter"]

COUNTERS = ("events", "singles", "prompts", "delayeds", "coincidences")
"""Counters a limit may name: rows of each family; `events` = singles + prompts + delayeds."""

BEATS = "beats"
"""Counter of the accepted beats of a gated step; needs its gate."""
TRIGGERS = "triggers"
"""What a status calls the triggers that came in a gated step; nothing ends by them."""

_TIME_PS = {"ps": 1, "ns": 10**3, "us": 10**6, "ms": 10**9, "s": 10**12, "min": 60 * 10**12, "h": 3600 * 10**12}
_COUNT = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_NUMBER = re.compile(r"^([0-9]{1,40}(?:\.[0-9]{1,40})?)([A-Za-z]*)$")
_REACHED = re.compile(f"time|host|(?:{'|'.join((*COUNTERS, BEATS))}|{PATTERN})=[0-9]+", re.ASCII)
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class StopCondition:
    """Stop at whichever limit comes first, or at the end of all sources.

    `duration_ps` is detector time from time zero; `host_s` is host time since the start, the backstop. `gate` says
    which beats count, `zero` what the detector time counts from, in place of the beginning.
    """

    counts: dict[str, int] = field(default_factory=dict)
    duration_ps: int | None = None
    host_s: float | None = None
    gate: Gate | None = None
    zero: FrameZero | None = None

    def __str__(self) -> str:
        """Return the condition as the command line takes it."""
        parts = [f"{name}={limit}" for name, limit in self.counts.items()]
        if self.duration_ps is not None:
            parts.append(f"time={self.duration_ps}ps")
        if self.host_s is not None:
            parts.append(f"host={Decimal(repr(self.host_s)).normalize():f}s")
        parts += [] if self.gate is None else [gate_term(self.gate)]
        parts += [] if self.zero is None else [zero_term(self.zero)]
        return ",".join(parts) or "end"


def parse_stop(texts: list[str]) -> StopCondition:
    """Return the stop condition of `["prompts=200k", "time=10s", "host=1min", "end"]`; commas may join them."""
    counts: dict[str, int] = {}
    terms: dict[str, Any] = {}
    for text in (part.strip() for item in texts for part in item.split(",")):
        name, _, value = text.partition("=")
        if name == "end" and not value:
            continue
        if name in (*COUNTERS, BEATS) or window_counter(name) is not None:
            counts[str(window_counter(name) or name)] = _scaled(
                text, value, _COUNT, "a count such as 200000, 200k or 1M"
            )
        elif name in _TERMS:
            field_name, parse = _TERMS[name]
            terms[field_name] = parse(text, value)
        else:
            counters = (*COUNTERS, BEATS, "singles[WINDOW]", "singles[WINDOW]@HEADS", "singles[WINDOW](X:Y:X:Y)")
            possible = ", ".join(f"{term}=" for term in ("time", "host", *counters, "gate", "zero"))
            msg = f"--stop {text}: possible are end, {possible}"
            raise UsageError(msg)
    if BEATS in counts and "gate" not in terms:
        raise UsageError(f"--stop {BEATS}={counts[BEATS]}: beats are judged by a gate, and none is said")
    return StopCondition(counts, **terms)


def is_limit(by: str) -> bool:
    """Return True when what ended a step is the name of a limit: `time`, `host`, `prompts=500`."""
    return _REACHED.fullmatch(by) is not None


def _scaled(text: str, value: str, units: dict[str, int], wanted: str) -> int:
    found = _NUMBER.match(value)
    if found is None or found[2] not in units:
        raise UsageError(f"--stop {text}: the value must be {wanted}")
    whole, _, fraction = found[1].partition(".")
    divisor: int = 10 ** len(fraction)
    scaled, left = divmod(int(whole + fraction) * units[found[2]], divisor)
    if left or scaled <= 0:
        raise UsageError(f"--stop {text}: the value must be above zero and whole in its smallest unit")
    if scaled > _LARGEST:
        raise UsageError(f"--stop {text}: the value is beyond {_LARGEST} in its smallest unit")
    return scaled


def _duration_ps(text: str, value: str) -> int:
    return _scaled(text, value, _TIME_PS, "a time such as 10s, 500ms or 2min")


def _host_s(text: str, value: str) -> float:
    return _scaled(text, value, _TIME_PS, "a time such as 10s or 2min") / 10**12


_TERMS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "time": ("duration_ps", _duration_ps),
    "host": ("host_s", _host_s),
    "gate": ("gate", lambda _, value: parse_gate(value)),
    "zero": ("zero", lambda _, value: parse_zero(value)),
}
"""Field of `StopCondition` and how its value is read."""
