"""What a driver of a high voltage supply implements: one channel, as little as the rules of raising need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from daq.devices.abilities import Identity


@dataclass(frozen=True, slots=True)
class SupplyStatus:
    """What a supply says: voltages as magnitudes, current in A, `trouble` in words or empty."""

    output_v: float
    set_v: float
    current_a: float
    on: bool
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Protection:
    """The limits a supply keeps by itself."""

    max_v: float
    slope_v_per_s: float
    trip_a: float
    trip_s: float


class Supply(Protocol):
    """One channel of a supply, as little as its rules need.

    `ramps`: its output follows what is set at its own slope; else it jumps there, and whoever sets it goes in small
    steps. `least_v`: lower it cannot be while it is on; what is set below it
    is that once it is on.
    """

    ramps: bool
    least_v: float

    @property
    def reply_s(self) -> float:
        """Return how long any of its answers may take; longer is a missed deadline."""

    @property
    def connection(self) -> int:
        """Return a number that changes whenever the connection was made anew."""

    async def identify(self) -> Identity:
        """Return who it says it is."""

    async def status(self) -> SupplyStatus:
        """Return what it says now."""

    async def set_v(self, volts: float) -> None:
        """Set the voltage that the output goes to while it is on."""

    async def switch_on(self) -> None:
        """Let the output go to what is set."""

    async def switch_off(self) -> None:
        """Let the output go to nothing."""

    async def protect(self, protection: Protection) -> None:
        """Write its own limits."""

    async def protection(self) -> Protection:
        """Read its own limits back."""


@runtime_checkable
class TimedSupply(Supply, Protocol):
    """A supply that hands on what was asked for another channel, or before, and says when that was."""

    async def status_timed(self, max_age_s: float) -> tuple[SupplyStatus, float]:
        """Return what it said at most `max_age_s` ago, and when that was asked for, on the monotonic clock."""
