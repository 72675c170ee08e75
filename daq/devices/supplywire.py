"""What the rules of a high voltage say to its supply: each call with its deadline, downwards no faster than allowed."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any

from daq.devices.abilities import Identity, Timed
from daq.devices.calls import Calls
from daq.devices.limits import VoltageLimits
from daq.devices.supply import Protection, Supply, SupplyStatus, TimedSupply
from daq.errors import AccessError, BusyError, LimitError, ReadbackError, RefusedError, VerificationError

_MOST_CALLS = 256
_PROTECT = 3.0
"""Writing and reading back all limits takes so many times as long as one answer."""
_ANSWERS = (AccessError, BusyError, LimitError, ReadbackError, RefusedError, VerificationError)
"""What a supply says no with; anything else leaves open whether it heard."""
_LEAST_STEP_S, _MOST_STEP_S = 0.1, 1.0
"""A step downwards is worth so much time, whatever passed since the last one."""


class SupplyWire:
    """A `Supply` with deadlines. `heard`: the last thing that sets was answered, be it by a refusal."""

    def __init__(
        self,
        name: str,
        limits: VoltageLimits,
        supply: Supply,
        late_ended: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.heard = True
        self.ramps, self.least_v = supply.ramps, supply.least_v
        self._name, self._limits, self._supply, self._clock = name, limits, supply, clock
        self._asking = Calls(name)
        self._setting = Calls(name, most=_MOST_CALLS, late_ended=late_ended)
        self._told_v, self._stepped_s = 0.0, clock()
        self._unshown: Timed | None = None

    @property
    def connection(self) -> int:
        """Return a number that changes whenever it had to say anew who it is."""
        return self._supply.connection

    @property
    def reply_s(self) -> float:
        """Return how long any of its answers may take."""
        return self._supply.reply_s

    async def identify(self) -> Identity:
        """Return who it says it is."""
        return await self._asking.within(self._supply.identify(), self._supply.reply_s, "identify")

    async def status(self) -> SupplyStatus:
        """Return what it says now."""
        asked_s = self._clock()
        said = await self._asking.within(self._supply.status(), self._supply.reply_s, "status")
        self._note(said, asked_s)
        return said

    def _note(self, said: SupplyStatus, asked_s: float) -> None:
        if said.trouble:
            self._unshown = Timed(said.trouble, asked_s)

    def trouble(self, status: SupplyStatus, asked_s: float) -> Timed:
        """Return its trouble for those who watch it; once also what it reported and forgot when it was switched off."""
        unshown, self._unshown = self._unshown, None
        return Timed(status.trouble, asked_s) if status.trouble or unshown is None else unshown

    async def status_timed(self, max_age_s: float) -> tuple[SupplyStatus, float]:
        """Return what it said at most `max_age_s` ago where it keeps that, else now; and when it was asked for."""
        asked_s = self._clock()
        if not isinstance(self._supply, TimedSupply):
            return await self.status(), asked_s
        asking = self._supply.status_timed(max_age_s)
        said, asked_s = await self._asking.within(asking, self._supply.reply_s, "status")
        self._note(said, asked_s)
        return said, asked_s

    async def set_v(self, volts: float) -> None:
        """Set a voltage."""
        await self._say(self._supply.set_v(volts), f"set {volts:g} V")
        self._told_v = volts

    async def switch_on(self) -> None:
        """Let the output go to what is set."""
        await self._say(self._supply.switch_on(), "switch on")

    async def tell_down(self, volts: float, status: SupplyStatus | None = None) -> None:
        """Set a lower voltage, and switch off at 0: at once, or a step towards it where the supply does not ramp.

        `status`: what it said before; without it a step begins at what it was told last.
        """
        step_v = volts if self.ramps else self._step_down(volts, status)
        self._told_v = min(self._told_v, step_v)  # also where no answer comes: it may have heard
        ends = volts == 0 and step_v <= self.least_v
        try:
            await self.set_v(step_v)
        except Exception:
            heard = self.heard
            if ends:  # what cannot be set may still be switched off
                await self._say(self._supply.switch_off(), "switch off")
                self.heard = heard  # one without a switch has nothing to say to that, and was not heard thereby
            raise
        if ends:
            await self._say(self._supply.switch_off(), "switch off")

    async def protect(self, limits: VoltageLimits) -> None:
        """Write its own limits and read them back. Raise `ReadbackError` where it holds others."""
        wanted = Protection(limits.max_v, limits.max_slope_v_per_s, limits.trip_a, limits.trip_s)
        await self._setting.within(self._supply.protect(wanted), _PROTECT * self._supply.reply_s, "protect")
        held = await self._asking.within(self._supply.protection(), self._supply.reply_s, "protection")
        if held != wanted:
            raise ReadbackError(f"{self._name} holds the limits {held}, told {wanted}")

    async def _say(self, call: Coroutine[Any, Any, None], what: str) -> None:
        self.heard = False
        try:
            await self._setting.within(call, self._supply.reply_s, what)
        except _ANSWERS:
            self.heard = True
            raise
        self.heard = True

    def descent_s(self) -> float:
        """Return how long the daemon itself may need to bring it down: nothing where it ramps by itself."""
        return 0.0 if self.ramps else 1.5 * self._limits.max_v / self._limits.max_slope_v_per_s

    def _step_down(self, volts: float, status: SupplyStatus | None) -> float:
        if status is not None and not status.on:
            return volts
        now_s = self._clock()
        gone_s, self._stepped_s = now_s - self._stepped_s, now_s
        began_v = self._told_v if status is None else status.set_v
        worth_s = min(max(gone_s, _LEAST_STEP_S), _MOST_STEP_S)
        return max(volts, began_v - self._limits.max_slope_v_per_s * worth_s)
