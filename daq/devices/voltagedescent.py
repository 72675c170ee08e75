"""Lowering a voltage: told until it is read back; where several lower it at once, the lowest holds for all."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from daq.devices.calls import see_through
from daq.devices.limits import VoltageLimits
from daq.devices.supply import Supply, SupplyStatus
from daq.devices.supplywire import SupplyWire
from daq.devices.voltagesteps import fine_v
from daq.errors import DeadlineError, ReadbackError, ScandaqError

_LOG = logging.getLogger(__name__)
_POLL_S = 0.1
_TAKE_BACK_S, _AGAIN_S = 3.0, 1.0
_STANDS_S = 5.0
"""An output that has not fallen for so long is told again: what was refused or answered may not have been done."""


class Descent:
    """What goes down. `count`: how often it was lowered by somebody; `under_way`: how many lower it now.

    `goal_v`: what it was told last, or is to be told; `raising`: kept by who raises it.
    """

    def __init__(self, name: str, limits: VoltageLimits, supply: Supply, clock: Callable[[], float]) -> None:
        self.wire = SupplyWire(name, limits, supply, self._set_late, clock)
        self.count = self.under_way = 0
        self.goal_v: float | None = None
        self.raising = False
        self.unverified: Callable[[str], None] = lambda why: None
        """Hears why what is taken back is not verified to be back; an empty text once it is, or somebody lowers it."""
        self._name, self._limits, self._clock = name, limits, clock
        self._kept: set[asyncio.Task[Any]] = set()

    @contextmanager
    def _going_down(self, volts: float) -> Iterator[None]:
        """Count as being lowered. Where several lower it at once the lowest holds for all, until the last has ended."""
        self.goal_v = volts if not self.under_way or self.goal_v is None else min(volts, self.goal_v)
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1

    def _lowest(self, volts: float) -> float:
        return volts if self.goal_v is None else min(volts, self.goal_v)

    async def lower(self, volts: float, within_s: float) -> None:
        """Set and set again until it is read back; then wait for the output. Raise `DeadlineError`."""
        self.count += 1
        with self._going_down(volts):
            await self._until_down(volts, within_s)

    async def _until_down(self, volts: float, within_s: float) -> None:
        began_s = fell_s = self._clock()
        last, lowest_v = "it was never read", math.inf
        while self._clock() - began_s < within_s:
            try:
                status = await self._told(volts, stands=self._clock() - fell_s > _STANDS_S)
            except Exception as why:  # noqa: BLE001 - whatever a driver raises, lowering goes on
                last = str(why) or type(why).__name__
            else:
                if self._is_down(status, volts) and not self.raising:
                    return
                if status.output_v < lowest_v - fine_v(self._limits) or self._clock() - fell_s > _STANDS_S:
                    lowest_v, fell_s = status.output_v, self._clock()
                last = f"the output is at {status.output_v:g} V, {status.set_v:g} V is set"
            await asyncio.sleep(_POLL_S)
        raise DeadlineError(f"{self._name} is not verified to be at {volts:g} V or below after {within_s:g} s: {last}")

    async def _told(self, volts: float, *, stands: bool) -> SupplyStatus:
        """Return what it says, after it was told again what it does not hold, or does not do: `stands`."""
        try:
            status = await self.wire.status()
        except Exception:
            await self.wire.tell_down(self._lowest(volts))
            raise
        stands = stands and status.output_v > volts + self._limits.tolerance_v
        held = status.set_v <= volts + fine_v(self._limits) and not (volts == 0 and status.on)
        if stands or not held or not self.wire.heard:
            await self.wire.tell_down(self._lowest(volts), status)
        return status

    def _is_down(self, status: SupplyStatus, volts: float) -> bool:
        held = status.set_v <= volts + fine_v(self._limits) and not (volts == 0 and status.on)
        return held and status.output_v <= volts + self._limits.tolerance_v

    async def take_back(self, volts: float) -> None:
        """Command a lower voltage and read back that it is held; the output follows at the supply's own slope."""
        try:
            with self._going_down(volts):
                await see_through(lambda: self._command_down(volts), f"{self._name}: back to {volts:g} V", self._kept)
        except Exception as why:  # noqa: BLE001 - what ended the raise is what is raised
            text = f"{self._name} is not verified to be lowered to {volts:g} V: {why}"
            _LOG.critical("%s", text)
            self.unverified(text)
            self._keep(self._until_back(volts), "until it is back")

    async def _until_back(self, volts: float) -> None:
        """Look, and tell it again, until it holds that or less, or somebody lowers it otherwise."""
        lowered, held = self.count, False
        with self._going_down(volts):
            while self.count == lowered and not held:
                await asyncio.sleep(_AGAIN_S)
                try:
                    status = await self.wire.status()
                    held = status.set_v <= volts + fine_v(self._limits) and (volts > 0 or not status.on)
                    if not held:
                        await self._command_down(volts)
                except Exception as why:  # noqa: BLE001 - whatever a driver raises, it is told again
                    _LOG.debug("%s: %s", self._name, why)
        self.unverified("")

    async def _command_down(self, volts: float) -> None:
        """Tell it until it holds it, and heard it: also a supply that refuses may hold it already."""
        until_s = self._clock() + max(_TAKE_BACK_S, 3 * self.wire.reply_s) + self.wire.descent_s()
        status: SupplyStatus | None = None
        while True:
            trouble: Exception | None = None
            try:
                await self.wire.tell_down(self._lowest(volts), status)
            except Exception as why:  # noqa: BLE001 - it is said again, and raised at the end
                trouble = why
            try:
                status = await self.wire.status()
            except Exception as why:  # noqa: BLE001 - the same
                trouble = why
            else:
                if self.wire.heard and status.set_v <= volts + fine_v(self._limits) and (volts > 0 or not status.on):
                    return
                held = ReadbackError(f"{self._name} holds {status.set_v:g} V, told to go down to {volts:g} V")
                trouble = trouble or held
            if self._clock() > until_s:
                raise trouble
            await asyncio.sleep(_POLL_S)

    def _set_late(self, what: str) -> None:
        """Set again what is wanted after a command was answered when nobody waited for it any more."""
        goal_v = self.goal_v
        if goal_v is None or self.raising:
            return
        _LOG.warning("%s was answered after its deadline: setting %g V again", what, goal_v)
        self._keep(self._correct(), "correct")

    def _keep(self, doing: Coroutine[Any, Any, None], what: str) -> None:
        task = asyncio.get_running_loop().create_task(doing, name=f"{self._name}: {what}")
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    async def _correct(self) -> None:
        try:
            held_v, volts = (await self.wire.status()).set_v, self.goal_v
            if volts is not None and not self.raising and held_v > volts + fine_v(self._limits):
                with self._going_down(volts):
                    await self._command_down(volts)
        except ScandaqError as why:
            _LOG.critical("%s is not verified to be at what it was told last: %s", self._name, why)
