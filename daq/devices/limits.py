"""What a device may be asked for at most. Frozen; what lies outside is refused with the value and the limit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from daq.errors import LimitError, ProfileError

Unit = Literal["mm", "deg"]
Side = Literal["minimum", "maximum"]


@dataclass(frozen=True, slots=True)
class AxisLimits:
    """Where an axis may stand and how fast it may go, in `unit` and `unit` per second.

    `in_position`: how near to a target counts as there. `max_overtravel`: how far it may go on after a stop; None where
    the profile does not say, then it is measured and not judged. `away`: the end that is away from the patient; None
    where the profile does not say, then there is no retreat.
    """

    unit: Unit
    minimum: float
    maximum: float
    max_speed: float
    in_position: float = 0.1
    max_overtravel: float | None = None
    away: Side | None = None

    def __post_init__(self) -> None:
        numbers = (self.minimum, self.maximum, self.max_speed, self.in_position, self.max_overtravel or 0.0)
        if not all(map(math.isfinite, numbers)):
            raise ProfileError(f"limits of an axis must be finite numbers: {self}")
        if self.minimum >= self.maximum:
            raise ProfileError(f"the lower limit {self.minimum:g} is not below the upper {self.maximum:g} {self.unit}")
        if min(self.max_speed, self.in_position) <= 0 or (self.max_overtravel or 0.0) < 0:
            raise ProfileError(f"speed and tolerance of an axis must be above 0, overtravel at least 0: {self}")

    def check_target(self, axis: str, target: float) -> None:
        """Raise `LimitError` unless the axis may stand at `target`."""
        if not self.minimum <= target <= self.maximum:  # a NaN is outside of everything
            raise LimitError(
                f"{axis} cannot go to {target:g} {self.unit}: its limits are {self.minimum:g} to {self.maximum:g}"
            )

    def check_speed(self, axis: str, speed: float) -> None:
        """Raise `LimitError` unless the axis may move at `speed`, which is positive."""
        if not 0 < speed <= self.max_speed:
            raise LimitError(
                f"{axis} cannot move at {speed:g} {self.unit}/s: above 0 and at most {self.max_speed:g} is possible"
            )

    def holds(self, position: float) -> bool:
        """Return True where a position read back lies within the limits, give or take the tolerance."""
        return self.minimum - self.in_position <= position <= self.maximum + self.in_position

    def travel_s(self, distance: float, speed: float) -> float:
        """Return a deadline for a move: half as long again as it should take, and two seconds."""
        return 1.5 * abs(distance) / speed + 2.0


@dataclass(frozen=True, slots=True)
class VoltageLimits:
    """What a supply may be asked for, as magnitudes: polarity is a switch of the device, not a number.

    `max_step_v`: how far it is raised before it is read back again; `max_slope_v_per_s`: how fast.
    `tolerance_v`: how far what is read may be from what was set. `trip_a`, `trip_s`: current and time of the supply's
    own trip.
    """

    max_v: float
    max_slope_v_per_s: float
    max_step_v: float
    tolerance_v: float
    trip_a: float
    trip_s: float

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ProfileError(f"{name} of a high voltage must be a finite number above 0, not {value}")

    def check(self, supply: str, volts: float, protocol_max_v: float | None = None) -> None:
        """Raise `LimitError` unless `volts` is within the profile's limit and the protocol's."""
        most = self.max_v if protocol_max_v is None else min(self.max_v, protocol_max_v)
        if not 0 <= volts <= most:
            whose = "protocol" if most < self.max_v else "profile"
            raise LimitError(f"{supply} cannot be set to {volts:g} V: 0 to {most:g} V is the limit of its {whose}")
