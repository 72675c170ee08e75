"""Terms of a stop condition that are no limits: by which beats are judged, and what the time of a step counts from.

gate=ecg 16 percent forward 20% learn 10 skip 0      beats further than 20 % from the median are rejected
gate=ecg 24 time backward 600ms to 1200ms learn 10 skip 1
gate=respiration 8 percent forward any learn 10 skip 0
zero=gate                                            from the first trigger on
zero=500/s over 1s of singles[photopeak]@any         from where one head counts so much in the window
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

from daq.errors import UsageError
from daq.model.gating import FrameZero, Gate, Head
from daq.model.windowcounter import WindowCounter, window_counter

_TIME = r"([0-9]{1,18})ps"
_GATE = re.compile(
    r"(?P<trigger>ecg|respiration) (?P<bins>[0-9]{1,3}) (?P<framing>time|percent) (?P<direction>forward|backward) "
    rf"(?:any|(?P<tolerance>[0-9]{{1,3}}(?:\.[0-9]{{1,6}})?)%|{_TIME} to {_TIME}) "
    r"learn (?P<learn>[0-9]{1,3}) skip (?P<skip>[0-9]{1,2})",
    re.ASCII,
)
_RATE = re.compile(rf"(?P<rate>[0-9]{{1,9}}(?:\.[0-9]{{1,6}})?)/s over {_TIME} of (?P<counter>singles\[.*)", re.ASCII)
_MOST_EVENTS = 10_000_000
_PS_PER_S = 10**12


def gate_term(gate: Gate) -> str:
    """Return the term that says by which beats are judged."""
    if gate.interval_ps is not None:
        accepted = f"{gate.interval_ps[0]}ps to {gate.interval_ps[1]}ps"
    else:
        accepted = "any" if gate.tolerance_percent is None else f"{_plain(gate.tolerance_percent)}%"
    how = f"{gate.trigger} {gate.bins} {gate.framing} {gate.direction}"
    return f"gate={how} {accepted} learn {gate.learn} skip {gate.skip}"


def parse_gate(value: str) -> Gate:
    """Return the gate of what stands behind `gate=`. Raises `UsageError`."""
    found = _GATE.fullmatch(value)
    if found is None or not int(found["learn"]) or not int(found["bins"]):
        raise UsageError(f"--stop gate={value}: such as gate=ecg 16 percent forward 20% learn 10 skip 0")
    low, high = found[6], found[7]
    said: dict[str, Any] = {name: found[name] for name in ("trigger", "framing", "direction")}
    return Gate(
        **said,
        bins=int(found["bins"]),
        tolerance_percent=None if found["tolerance"] is None else float(found["tolerance"]),
        interval_ps=None if low is None else (int(low), int(high)),
        learn=int(found["learn"]),
        skip=int(found["skip"]),
    )


def zero_term(zero: FrameZero) -> str:
    """Return the term that says what the time of the step counts from. Raises `UsageError` for one without a rate."""
    if zero.by == "gate":
        return "zero=gate"
    if zero.rate_cps is None:
        raise UsageError("frames begin at a count rate, and none is said")
    heads = zero.heads if zero.head == "both" else ()
    counter = WindowCounter(zero.window, heads, any_head=zero.head == "either")
    return f"zero={_plain(zero.rate_cps)}/s over {zero.over_ps}ps of {counter}"


def parse_zero(value: str) -> FrameZero:
    """Return what stands behind `zero=`. Raises `UsageError`."""
    if value == "gate":
        return FrameZero("gate")
    found = _RATE.fullmatch(value)
    counter = window_counter(found["counter"]) if found is not None else None
    if found is None or counter is None or counter.region_mm is not None:
        raise UsageError(f"--stop zero={value}: possible are gate, 500/s over 1000000000000ps of singles[photopeak]")
    head: Head = "either" if counter.any_head else "both" if counter.heads else "sum"
    zero = FrameZero("count_rate", float(found["rate"]), int(found[2]), counter.window, head, counter.heads)
    if not 1 <= events_of(zero) <= _MOST_EVENTS:
        raise UsageError(f"--stop zero={value}: a rate over a time in which 1 to {_MOST_EVENTS:,} events come")
    return zero


def events_of(zero: FrameZero) -> int:
    """Return how many events within `over_ps` make the rate."""
    return math.ceil(Decimal(zero.rate_cps or 0) * zero.over_ps / _PS_PER_S)


def _plain(value: float) -> str:
    """Return a number as it is written, to the millionth."""
    return f"{value:.6f}".rstrip("0").rstrip(".")
