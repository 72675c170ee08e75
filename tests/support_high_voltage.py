"""A simulated high voltage supply on a head, watched, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from support_virtual import VirtualLoop, virtually

from daq.devices.simulated.head import SimulatedHead
from daq.devices.simulated.supply import SimulatedHighVoltage
from daq.model.station import Actor, Role
from daq.services.bus import Bus
from daq.services.motion import InterlockWatch

TECH = Actor("ada", "local", Role.TECHNOLOGIST)
OTHER = Actor("bob", "local", Role.SERVICE)
SERVICE = Actor("eve", "local", Role.SERVICE)
UP_S = 120.0


class Bench:
    """A supply on a head, its interlocks watched."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.hv = SimulatedHighVoltage("hv", clock=loop.time)
        self.head = SimulatedHead("head", clock=loop.time)
        self.head.when_opened(self.hv.supply.interlock_opened)
        self.watch = InterlockWatch({"head": self.head}, Bus(), clock=loop.time)
        self.hv.guard_by(self.watch.current)
        self.watching: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        await self.watch.refresh()
        self.watching = asyncio.create_task(self.watch.run(), name="watch")

    async def up(self, volts: float = 800.0) -> None:
        await self.hv.arm(TECH, protocol_max_v=1000.0)
        await self.hv.ramp_to(volts, within_s=UP_S, actor=TECH)
        assert await self.hv.read_v() == pytest.approx(volts, abs=2.0)


def on_a_bench(body: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
    async def main(loop: VirtualLoop) -> None:
        bench = Bench(loop)
        await bench.ready()
        await body(bench)

    virtually(main)
