"""Stop conditions: limits on named integer counters or on detector time, with host time as backstop."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal

from daq.errors import UsageError

COUNTERS = ("events", "singles", "prompts", "delayeds", "coincidences")
"""Counters a limit may name: rows of each family; `events` = singles + prompts + delayeds."""

ANY = "any"
EVERY_WINDOW = "all"
_OF_WINDOW = re.compile(
    r"singles\[(?P<window>[A-Za-z0-9][\w .+-]{0,39})\](?:@(?P<heads>any|[0-9]{1,3}(?:\+[0-9]{1,3})*))?", re.ASCII
)
_TIME_PS = {"ps": 1, "ns": 10**3, "us": 10**6, "ms": 10**9, "s": 10**12, "min": 60 * 10**12, "h": 3600 * 10**12}
_COUNT = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_NUMBER = re.compile(r"^([0-9]{1,40}(?:\.[0-9]{1,40})?)([A-Za-z]*)$")
_REACHED = re.compile(f"time|host|(?:{'|'.join(COUNTERS)}|{_OF_WINDOW.pattern})=[0-9]+", re.ASCII)
_MOST_HEADS = 256
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class WindowCounter:
    """Singles of one energy window, `singles[photopeak]`: of all heads together, of `any` one, or of each of `heads`.

    Written `singles[photopeak]`, `singles[photopeak]@any`, `singles[photopeak]@0+1`; the window `all` is every single.
    """

    window: str
    heads: tuple[int, ...] = ()
    any_head: bool = False

    def __str__(self) -> str:
        """Return it as it is written."""
        heads = ANY if self.any_head else "+".join(map(str, self.heads))
        return f"singles[{self.window}]" + (f"@{heads}" if heads else "")


def window_counter(name: str) -> WindowCounter | None:
    """Return the counter of singles by window and head that `name` says; None where it says none."""
    found = _OF_WINDOW.fullmatch(name)
    if found is None:
        return None
    said = found["heads"] or ""
    heads = () if said in ("", ANY) else tuple(sorted({int(part) for part in said.split("+")}))
    return WindowCounter(found["window"], heads, said == ANY) if all(head < _MOST_HEADS for head in heads) else None


@dataclass(frozen=True, slots=True)
class StopCondition:
    """Stop at whichever limit comes first, or at the end of all sources.

    `duration_ps` is detector time from time zero; `host_s` is host time since the start, the backstop.
    """

    counts: dict[str, int] = field(default_factory=dict)
    duration_ps: int | None = None
    host_s: float | None = None

    def __str__(self) -> str:
        """Return the condition as the command line takes it."""
        parts = [f"{name}={limit}" for name, limit in self.counts.items()]
        if self.duration_ps is not None:
            parts.append(f"time={self.duration_ps}ps")
        if self.host_s is not None:
            parts.append(f"host={Decimal(repr(self.host_s)).normalize():f}s")
        return ",".join(parts) or "end"


def parse_stop(texts: list[str]) -> StopCondition:
    """Return the stop condition of `["prompts=200k", "time=10s", "host=1min", "end"]`; commas may join them."""
    counts: dict[str, int] = {}
    duration_ps: int | None = None
    host_s: float | None = None
    for text in (part.strip() for item in texts for part in item.split(",")):
        name, _, value = text.partition("=")
        if name == "end" and not value:
            continue
        if name in COUNTERS or window_counter(name) is not None:
            counts[str(window_counter(name) or name)] = _scaled(
                text, value, _COUNT, "a count such as 200000, 200k or 1M"
            )
        elif name == "time":
            duration_ps = _scaled(text, value, _TIME_PS, "a time such as 10s, 500ms or 2min")
        elif name == "host":
            host_s = _scaled(text, value, _TIME_PS, "a time such as 10s or 2min") / 10**12
        else:
            possible = ", ".join(f"{counter}=" for counter in (*COUNTERS, "singles[WINDOW]", "singles[WINDOW]@HEADS"))
            msg = f"--stop {text}: possible are end, time=, host=, {possible}"
            raise UsageError(msg)
    return StopCondition(counts, duration_ps, host_s)


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
