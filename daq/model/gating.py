"""What frames begin with, and how events are sorted by the time since a trigger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Head = Literal["either", "both", "sum"]
HeadCounted = Literal["either", "both", "sum", "view"]
"""Whose counts a limit is of; `view`: of the head that has the step's view, or of each head that has one."""
ALL = "all"
"""In place of a window's name: every event that is recorded."""
_PS_PER_S = 10**12


@dataclass(frozen=True, slots=True)
class FrameZero:
    """What the frames of a step begin with; its time counts from there. `rate_cps`: measured over `over_ps`."""

    by: Literal["count_rate", "gate"]
    rate_cps: float | None = None
    over_ps: int = _PS_PER_S
    window: str = ALL
    head: Head = "sum"
    heads: tuple[int, ...] = ()
    """The numbers of the heads that `both` means."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Events are sorted by the time since a trigger; beats further from the mean than the tolerance are dropped."""

    trigger: Literal["ecg", "respiration"]
    bins: int
    framing: Literal["time", "percent"]
    direction: Literal["forward", "backward"]
    tolerance_percent: float | None
    interval_ps: tuple[int, int] | None = None
    """Shortest and longest that is accepted, in place of a tolerance about the mean."""
    learn: int = 10
    """Intervals at the beginning whose median is the mean."""
    skip: int = 0
    """Beats after a rejected one that are rejected as well."""
