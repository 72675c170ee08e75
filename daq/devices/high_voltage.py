"""High voltage over any supply. A driver implements `Supply`; the rules are here, once for all.

Lowering and switching off need nobody's leave. Raising needs all of this: a permit that has not expired, asked for by
its owner; the identity of the supply verified on the connection that is used; the supply's own limits written and read
back; the service cover and the temperature known, good and fresh; a voltage within the profile's limits and the
protocol's. It goes up in steps, each read back. What does not arrive is taken back: to where it came from, or to
nothing where the supply does not do what it was told, tripped, or an interlock opened.

Nothing here acts when the program ends: a detector that is on stays on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from daq.devices.abilities import Identity, Permit, Quantity, Timed, Value
from daq.devices.calls import cancel_requests
from daq.devices.limits import VoltageLimits
from daq.devices.permits import Permits
from daq.devices.supply import Supply, SupplyStatus
from daq.devices.voltagedescent import Descent
from daq.devices.voltagesteps import Ascent, due_s, step_v, wrong
from daq.errors import DeadlineError, InterlockError, LimitError, ReadbackError, RefusedError, UnreachableError
from daq.model.station import Actor
from daq.state.interlock import Command, Interlock, permitted

_LOG = logging.getLogger(__name__)
_POLL_S = 0.1
_MOST_CONNECTIONS = 5
_SHARED_S = 0.5
"""A status may be so old where it is only shown: channels of one supply that are read about now share it."""


class GuardedHighVoltage:
    """A `HighVoltage` over a `Supply`. One raise at a time; lowering at any, also in the midst of a raise."""

    def __init__(
        self,
        name: str,
        limits: VoltageLimits,
        supply: Supply,
        *,
        expected: Identity | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._limits = limits
        self._supply = supply
        self._down = Descent(name, limits, supply, clock)
        self._wire = self._down.wire
        self._clock = clock
        self._permits = Permits(name, expected, clock)
        self._interlocks: Callable[[], Iterable[Interlock]] = tuple

    @property
    def name(self) -> str:
        """Return the name in the site file."""
        return self._name

    @property
    def limits(self) -> VoltageLimits:
        """Return what it may be asked for."""
        return self._limits

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Return voltage in V and current in A."""
        most = {"minimum": 0.0, "maximum": self._limits.max_v}
        return (
            Quantity("voltage", "V", 1.0, 5.0, most, self._limits.tolerance_v / 10),
            Quantity("current", "A", 2.0, 6.0, {"maximum": self._limits.trip_a}),
            Quantity("trouble", "", 2.0, 6.0),
        )

    def guard_by(self, interlocks: Callable[[], Iterable[Interlock]]) -> None:
        """Ask these interlocks from now on; before, none are known and nothing is raised."""
        self._interlocks = interlocks

    def report_by(self, unverified: Callable[[str], None]) -> None:
        """Tell from now on why what was taken back is not verified to be back; an empty text once it is."""
        self._down.unverified = unverified

    def against_raising(self) -> str | None:
        """Return what its interlocks have against raising it now, or None; also where nobody has armed it."""
        return permitted(Command.RAISE_VOLTAGE, self._interlocks(), self._clock())

    async def identify(self) -> Identity:
        """Return who it says it is."""
        return await self._wire.identify()

    @property
    def reply_s(self) -> float:
        """Return how long an answer may take."""
        return self._wire.reply_s

    async def read(self, quantity: str) -> Value:
        """Return voltage, current or trouble, read now; raise `RefusedError` for another quantity."""
        return self._of(await self._wire.status(), quantity)

    async def read_timed(self, quantity: str) -> Timed:
        """Return the same with the time it was asked at, which may have been for another channel of the supply."""
        status, asked_s = await self._wire.status_timed(_SHARED_S)
        if quantity == "trouble":
            return self._wire.trouble(status, asked_s)
        return Timed(self._of(status, quantity), asked_s)

    def _of(self, status: SupplyStatus, quantity: str) -> Value:
        known: dict[str, Value] = {
            "voltage": status.output_v,
            "current": status.current_a,
            "trouble": status.trouble,
        }
        if quantity not in known:
            raise RefusedError(f"{self._name} has {', '.join(known)}, no {quantity}")
        return known[quantity]

    async def read_v(self) -> float:
        """Return the voltage at the output now."""
        return (await self._wire.status()).output_v

    async def arm(self, actor: Actor, *, protocol_max_v: float | None = None, valid_s: float = 60.0) -> Permit:
        """Return leave to raise, after identity and the supply's own limits were verified.

        Raise `AccessError` for who may not, `RefusedError` while it is another's or a raise runs, `MismatchError` for
        another supply than before, `ReadbackError` where its limits are not what was written.
        """
        self._permits.require_access(actor, protocol_max_v)
        if self._down.raising:
            raise RefusedError(f"{self._name} is being raised")
        if protocol_max_v is not None:
            self._limits.check(self._name, protocol_max_v)
        connection = await self._verified()
        await self._wire.protect(self._limits)
        most = self._limits.max_v if protocol_max_v is None else protocol_max_v
        return self._permits.give(actor, most, valid_s, connection)

    async def _verified(self) -> int:
        """Return the connection on which its identity was verified; asking may have made a new one."""
        for _ in range(_MOST_CONNECTIONS):
            connection = self._wire.connection
            self._permits.verify(await self.identify())
            if self._wire.connection == connection:
                return connection
        raise UnreachableError(f"{self._name}: connected anew {_MOST_CONNECTIONS} times while it was asked")

    def disarm(self) -> None:
        """Take the permit back; what is raised stays as it is."""
        self._permits.take_back()

    async def ramp_to(self, volts: float, *, within_s: float, actor: Actor | None = None) -> None:
        """Return once the output is at `volts`, read back. To lower, no `actor` is needed.

        Raise `LimitError`, `AccessError`, `InterlockError` or `RefusedError` before anything is raised; later
        `ReadbackError`, `InterlockError` or `DeadlineError`, after the voltage was taken back.
        """
        self._limits.check(self._name, volts)
        if 0 < volts < self._wire.least_v:
            raise LimitError(f"{self._name} cannot be at {volts:g} V: its least is {self._wire.least_v:g} V, or off")
        if volts == 0:
            await self.off(within_s=within_s)
            return
        status = await self._wire.status()
        down_v = self._down_to(status, volts, actor)
        if down_v is not None:
            await self._down.lower(down_v, within_s)
            if down_v == volts or actor is None:
                return
            status = await self._wire.status()
        await self._raise(self._ascent(status, volts, actor), within_s)

    async def off(self, *, within_s: float = 60.0) -> None:
        """Lower to nothing and switch off; return once the output is below the tolerance. Takes the permit back."""
        self._permits.take_back()
        await self._down.lower(0.0, within_s)

    # Lowering

    def _down_to(self, status: SupplyStatus, volts: float, actor: Actor | None) -> float | None:
        """Return what it is told where `volts` is lower than where it is, or goes; None where that would be a raise.

        What needs nobody's leave must not let the output rise: on its way up it ends where it is, and who may raise it
        goes on from there.
        """
        if status.on and volts <= min(status.set_v, status.output_v + self._limits.tolerance_v):
            return volts
        too_high = status.on and volts < status.set_v
        if actor is None:
            stops = too_high or self._down.raising
        else:
            stops = too_high and not self._down.raising
            self._permits.require(actor, self._wire.connection)
        if not stops:
            return None
        return min(volts, status.set_v, max(status.output_v, 0.0)) if status.on else 0.0

    # Raising

    def _ascent(self, status: SupplyStatus, volts: float, actor: Actor | None) -> Ascent:
        """Return how it will be raised, or raise what speaks against it."""
        permit = self._permits.require(actor, self._wire.connection)
        self._limits.check(self._name, volts, permit.max_v)
        start_v = status.set_v if status.on else 0.0
        ascent = Ascent(start_v, volts, permit, self._down.count, cancel_requests())
        self._go_on(ascent)
        if self._down.raising:
            raise RefusedError(f"{self._name} is being raised already")
        if self._down.under_way:
            raise RefusedError(f"{self._name} is being lowered")
        if status.trouble:
            raise RefusedError(f"{self._name} reports {status.trouble}: clear that first, once its cause is gone")
        if status.output_v > start_v + self._limits.tolerance_v:
            raise RefusedError(f"{self._name} still comes down: {status.output_v:g} V, {start_v:g} V is set")
        if status.output_v < start_v - self._limits.tolerance_v:
            raise RefusedError(
                f"{self._name} is at {status.output_v:g} V, {start_v:g} V is set: wait until it is there, or lower it"
            )
        return ascent

    def _go_on(self, ascent: Ascent) -> None:
        """Raise what speaks against going on."""
        if self._down.count != ascent.lowered:
            open_now = self.against_raising()
            if open_now is not None:
                raise InterlockError(f"{self._name} was taken down meanwhile: {open_now}")
            raise RefusedError(f"{self._name} was lowered meanwhile")
        if cancel_requests() > ascent.requests:  # somebody swallowed the cancellation
            raise asyncio.CancelledError
        self._permits.require_present(ascent.permit, self._wire.connection)
        why = self.against_raising()
        if why is not None:
            raise InterlockError(f"{self._name} must not be raised: {why}")

    async def _raise(self, ascent: Ascent, within_s: float) -> None:
        self._down.raising = True
        try:
            async with asyncio.timeout(within_s) as deadline:
                await self._climb(ascent)
        except BaseException as why:
            if self._down.count == ascent.lowered:
                await self._down.take_back(0.0 if isinstance(why, ReadbackError | InterlockError) else ascent.start_v)
            if cancel_requests() > ascent.requests:
                raise asyncio.CancelledError from why
            if isinstance(why, TimeoutError) and deadline.expired():
                raise DeadlineError(
                    f"{self._name} did not reach {ascent.volts:g} V in {within_s:g} s; "
                    f"it was told to go back to {ascent.start_v:g} V"
                ) from None
            raise
        finally:
            self._down.raising = False

    async def _climb(self, ascent: Ascent) -> None:
        """Raise step by step; before each, everything that speaks against it is looked at again."""
        least_v = self._wire.least_v
        status = await self._wire.status()
        if (status.trouble or ascent.start_v > 0) and (why := wrong(self._limits, status, ascent.start_v)):
            raise ReadbackError(f"{self._name} {why}, told to raise it from {ascent.start_v:g} V")
        if not status.on:
            self._go_on(ascent)
            await self._wire.set_v(0.0)
            self._go_on(ascent)
            await self._wire.switch_on()
        level_v, took_s = min(ascent.start_v, ascent.volts), 0.0
        while True:
            began_s, further_v = self._clock(), step_v(self._limits, took_s, ramps=self._wire.ramps)
            level_v = min(max(level_v + further_v, least_v), ascent.volts)
            self._go_on(ascent)
            self._down.goal_v = level_v
            await self._wire.set_v(level_v)
            await self._arrive(level_v, ascent)
            if level_v >= ascent.volts:
                return
            took_s = self._clock() - began_s
            if not self._wire.ramps:
                await asyncio.sleep(max(0.0, further_v / self._limits.max_slope_v_per_s - took_s))

    async def _arrive(self, level_v: float, ascent: Ascent) -> None:
        """Return once the output is at this step; raise `ReadbackError` where it does something else."""
        tolerance_v, by_s = self._limits.tolerance_v, 0.0
        while True:
            status = await self._wire.status()
            self._go_on(ascent)
            why = wrong(self._limits, status, level_v)
            if why is None and abs(status.output_v - level_v) <= tolerance_v:
                return
            by_s = by_s or self._clock() + due_s(self._limits, abs(level_v - status.output_v))
            if why is None and self._clock() > by_s:
                why = f"stays at {status.output_v:g} V"
            if why is not None:
                raise ReadbackError(f"{self._name} {why}, told to go to {level_v:g} V, tolerance {tolerance_v:g} V")
            await asyncio.sleep(_POLL_S)
