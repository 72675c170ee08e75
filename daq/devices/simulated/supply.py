"""A high voltage channel that exists in time only: slope, leakage, trip, interlock input, its own limits.

What it feeds is a resistor. Its output is computed from the clock whenever somebody looks; a trip happens at its own
time in between.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from daq.devices.abilities import Identity
from daq.devices.high_voltage import GuardedHighVoltage
from daq.devices.limits import VoltageLimits
from daq.devices.simulated.actions import Given, act, number, of_line, plain
from daq.devices.simulated.wire import Line
from daq.devices.supply import Protection, SupplyStatus
from daq.errors import RefusedError

NAMEPLATE = VoltageLimits(
    max_v=1500.0, max_slope_v_per_s=50.0, max_step_v=50.0, tolerance_v=2.0, trip_a=500e-6, trip_s=0.5
)
"""What this model of a supply can do."""
_LOAD_OHM = 20e6
_RESOLUTION_V = 0.1
_KILL_V_PER_S = 2000.0


@dataclass(frozen=True, slots=True)
class _Slope:
    """The output on its way from `volts` at `since_s` to `towards`."""

    volts: float
    towards: float
    per_s: float
    since_s: float

    def at(self, now_s: float) -> float:
        gone = self.per_s * (now_s - self.since_s)
        distance = self.towards - self.volts
        return self.towards if gone >= abs(distance) else self.volts + math.copysign(gone, distance)

    def crosses_s(self, volts: float) -> float:
        """Return when the output is above `volts` from then on; infinity where it never is."""
        if self.volts > volts:
            return self.since_s
        return self.since_s + (volts - self.volts) / self.per_s if self.towards > volts else math.inf


class SimulatedSupply:
    """A `Supply`. Off and at nothing when it is made."""

    def __init__(self, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.line = Line()
        self.connection, self.reply_s = 1, 0.5
        self.ramps, self.least_v = True, 0.0
        self._name = name
        self._clock = clock
        self._slope = _Slope(0.0, 0.0, NAMEPLATE.max_slope_v_per_s, clock())
        self._set_v = 0.0
        self._on = False
        self._trouble = ""
        self._load_ohm = _LOAD_OHM
        self._sticks = False
        self._off_by_v = 0.0
        self._serial = f"SIM-{name}"
        self._protection = Protection(NAMEPLATE.max_v, NAMEPLATE.max_slope_v_per_s, NAMEPLATE.trip_a, NAMEPLATE.trip_s)

    async def identify(self) -> Identity:
        """Return who it is."""
        await self.line.answer()
        return Identity("scandaq", "simulated supply", self._serial, "1")

    async def status(self) -> SupplyStatus:
        """Return what it says now, as finely as its converters can."""
        await self.line.answer()
        output_v = self.true_v() + self._off_by_v
        return SupplyStatus(
            round(output_v / _RESOLUTION_V) * _RESOLUTION_V, self._set_v, self.true_v() / self._load_ohm, self._on,
            self._trouble,
        )  # fmt: skip

    async def set_v(self, volts: float) -> None:
        """Set; more than its own limit is refused."""
        await self.line.delivery()
        if self.line.arrives and not self._sticks:
            if volts > self._protection.max_v:
                raise RefusedError(f"{self._name} refuses {volts:g} V: its own limit is {self._protection.max_v:g} V")
            self._set_v = volts
            self._aim()
        await self.line.answer()

    async def switch_on(self) -> None:
        """Switch on; refused while a trip is not cleared."""
        await self.line.delivery()
        if self.line.arrives:
            self._settle()
            if self._trouble:
                raise RefusedError(f"{self._name} does not switch on: {self._trouble}")
            self._on = True
            self._aim()
        await self.line.answer()

    async def switch_off(self) -> None:
        """Switch off; the output goes down at its slope."""
        await self.line.delivery()
        if self.line.arrives:
            self._settle()
            self._on = False
            self._aim()
        await self.line.answer()

    async def protect(self, protection: Protection) -> None:
        """Take limits of its own, as far as the nameplate goes."""
        await self.line.delivery()
        if self.line.arrives and not self._sticks:
            self._protection = Protection(
                min(protection.max_v, NAMEPLATE.max_v), min(protection.slope_v_per_s, NAMEPLATE.max_slope_v_per_s),
                min(protection.trip_a, NAMEPLATE.trip_a), protection.trip_s,
            )  # fmt: skip
            self._aim()
        await self.line.answer()

    async def protection(self) -> Protection:
        """Return its limits."""
        await self.line.answer()
        return self._protection

    def true_v(self) -> float:
        """Return the voltage at the output indeed, for those who measure it themselves."""
        self._settle()
        return self._slope.at(self._clock())

    def trip(self, trouble: str = "trip") -> None:
        """Switch off by itself."""
        self._settle()
        self._on, self._trouble = False, trouble
        self._aim()

    def clear(self) -> None:
        """Clear a trip. It stays off."""
        self._trouble = ""

    def leak(self, ohm: float) -> None:
        """Let what it feeds draw more, or less, from now on."""
        self._settle()
        self._load_ohm = ohm

    def interlock_opened(self) -> None:
        """Kill the output: the service cover of what it feeds was opened."""
        self._settle()
        self._on, self._trouble = False, "interlock"
        self._aim(_KILL_V_PER_S)

    def stick(self) -> None:
        """Acknowledge settings from now on without taking them."""
        self._sticks = True

    def misread(self, volts: float) -> None:
        """Read the output wrong by so much from now on."""
        self._off_by_v = volts

    def reconnect(self, serial: str | None = None) -> None:
        """Be connected anew, possibly as another supply."""
        self.connection += 1
        self._serial = serial or self._serial

    def _aim(self, per_s: float | None = None) -> None:
        self._settle()
        now_s = self._clock()
        goal = self._set_v if self._on else 0.0
        self._slope = _Slope(self._slope.at(now_s), goal, per_s or self._protection.slope_v_per_s, now_s)

    def _settle(self) -> None:
        """Let a trip happen that was due by now."""
        if not self._on:
            return
        over_s = self._slope.crosses_s(self._protection.trip_a * self._load_ohm) + self._protection.trip_s
        if over_s <= self._clock():
            self._on, self._trouble = False, "over-current trip"
            self._slope = _Slope(self._slope.at(over_s), 0.0, self._protection.slope_v_per_s, over_s)


class SimulatedHighVoltage(GuardedHighVoltage):
    """A `HighVoltage`; `supply` is what faults are done to."""

    def __init__(self, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.supply = SimulatedSupply(name, clock=clock)
        super().__init__(name, NAMEPLATE, self.supply, clock=clock)

    def simulate(self, action: str, value: Given = None) -> None:
        """Do to the supply what the world would; raise `UsageError`."""
        supply = self.supply
        actions = {
            "trip": plain(supply.trip),
            "clear": plain(supply.clear),
            "leak": number(supply.leak, least=1e3, most=1e9, unit="ohm"),
            "stick": plain(supply.stick),
            "misread": number(supply.misread, least=-1e3, most=1e3, unit="V"),
            "reconnect": plain(supply.reconnect),
            **of_line(supply.line),
        }
        act(self.name, actions, action, value)
