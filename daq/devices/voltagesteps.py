"""The steps of raising a voltage: how far each goes, when it has to be done, and what is wrong with what reads back."""

from __future__ import annotations

from dataclasses import dataclass

from daq.devices.abilities import Permit
from daq.devices.limits import VoltageLimits
from daq.devices.supply import SupplyStatus

_SOFT_STEP_S, _MOST_STEP_S = 0.25, 1.0
"""What a step is worth where the supply does not ramp by itself."""


@dataclass(frozen=True, slots=True)
class Ascent:
    """A raise: from where to where, by whose permit, and what had happened before it."""

    start_v: float
    volts: float
    permit: Permit
    lowered: int
    requests: int


def fine_v(limits: VoltageLimits) -> float:
    """Return how far a set value that is read back may be off: settings are exact, outputs are not."""
    return limits.tolerance_v / 10


def step_v(limits: VoltageLimits, took_s: float, *, ramps: bool) -> float:
    """Return how far it goes at once; little, at the slope, where the supply would jump. `took_s`: the step before."""
    if ramps:
        return limits.max_step_v
    worth_s = min(max(took_s, _SOFT_STEP_S), _MOST_STEP_S)
    return min(limits.max_step_v, limits.max_slope_v_per_s * worth_s)


def due_s(limits: VoltageLimits, distance_v: float) -> float:
    """Return how long a step may take: twice the time that it should, and two seconds."""
    return 2.0 + 2.0 * max(distance_v, limits.max_step_v) / limits.max_slope_v_per_s


def wrong(limits: VoltageLimits, status: SupplyStatus, level_v: float) -> str | None:
    """Return what a supply that was told to go to `level_v` does in place of that, or None."""
    if status.trouble:
        return f"reports {status.trouble}"
    if not status.on:
        return "is off"
    if abs(status.set_v - level_v) > fine_v(limits):
        return f"holds {status.set_v:g} V"
    if status.output_v > level_v + limits.tolerance_v:
        return f"is at {status.output_v:g} V"
    return None
