"""Axes, alarms and a safety chain for tests of motion, which run in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from support_virtual import VirtualLoop, virtually

from daq.devices.abilities import Axis
from daq.devices.limits import AxisLimits
from daq.devices.simulated.axes import SimulatedAxis, SimulatedBed
from daq.devices.simulated.safety import SafetyChain
from daq.model.axissample import AxisSample
from daq.model.station import Alarm, Priority, utc_now
from daq.services.bus import Bus
from daq.services.motion import InterlockWatch, MotionEngine, MotionLoss
from daq.state.enable import Enable

BED = AxisLimits("mm", 0.0, 2000.0, 20.0, max_overtravel=2.0, away="minimum")
GANTRY = AxisLimits("deg", -10.0, 370.0, 3.0, max_overtravel=1.0)


class AlarmList:
    """Alarms as they were raised and cleared."""

    def __init__(self) -> None:
        self.raised: list[Alarm] = []
        self.cleared: list[tuple[str, str]] = []

    def raise_(
        self, device: str, name: str, *, priority: Priority, text: str, guidance: str, latched: bool = True,
        details: str = "",
    ) -> Alarm:  # fmt: skip
        self.raised.append(Alarm(device, name, priority, text, guidance, utc_now(), latched=latched))
        return self.raised[-1]

    def clear(self, device: str, name: str) -> None:
        self.cleared.append((device, name))

    def names(self) -> list[str]:
        return [alarm.name for alarm in self.raised]


@dataclass
class Gantry:
    """A bed and a gantry with one safety chain, their engine, and who listens to it. `keep` runs its interlocks."""

    loop: VirtualLoop
    chain: SafetyChain = field(default_factory=SafetyChain)
    enable: Enable = field(default_factory=Enable)
    envelope: Any = None
    bed_limits: AxisLimits = BED
    gantry_limits: AxisLimits = GANTRY

    def __post_init__(self) -> None:
        self.bus = Bus()
        self.alarms = AlarmList()
        self.losses: list[MotionLoss] = []
        self.heard: list[AxisSample] = []
        clock = self.loop.time
        self.bed = SimulatedBed("bed", self.bed_limits, self.chain, clock=clock, at=100.0)
        self.head = SimulatedAxis("gantry", self.gantry_limits, self.chain, clock=clock, at=0.0)
        self.axes: dict[str, Axis] = {"bed": self.bed, "gantry": self.head}
        self.watch = InterlockWatch({"bed": self.bed, "gantry": self.head}, self.bus, clock=clock)
        self.engine = MotionEngine(
            self.axes, self.watch, self.enable, self.bus, self.alarms, envelope=self.envelope, clock=clock
        )
        self._listening = ExitStack()
        self._listening.enter_context(self.engine.where.listening(self.heard.append))
        self.engine.on_lost = self.losses.append
        self._tasks: list[asyncio.Task[None]] = []
        self._holding: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        """Let interlocks be watched from now on."""
        await self.watch.refresh()
        self._tasks.append(asyncio.create_task(self.watch.run(), name="watch"))

    async def stop_watching(self) -> None:
        """Let nobody read the interlocks any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    def keep_holding(self) -> None:
        """Press the hold-to-run button and keep it pressed."""
        self.engine.hold()
        self._holding = asyncio.create_task(self._hold(), name="thumb")

    def let_go(self) -> None:
        """Take the thumb away without a word: the hold runs out."""
        if self._holding is not None:
            self._holding.cancel()
            self._holding = None

    async def _hold(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            self.engine.hold()

    def anything_moves(self) -> bool:
        return self.bed.drive.is_moving() or self.head.drive.is_moving()


def bed(loop: VirtualLoop) -> SimulatedBed:
    return SimulatedBed("bed", BED, clock=loop.time, at=100.0)


def with_gantry(body: Callable[[Gantry], Coroutine[Any, Any, None]], **more: Any) -> None:
    async def main(loop: VirtualLoop) -> None:
        gantry = Gantry(loop, **more)
        await gantry.ready()
        await body(gantry)
        assert not gantry.anything_moves()

    virtually(main)


async def begun(gantry: Gantry, movement: Coroutine[Any, Any, Any], after_s: float = 2.0) -> asyncio.Task[Any]:
    """Return the movement as a task once it is under way."""
    task = asyncio.create_task(movement)
    await asyncio.sleep(after_s)
    assert gantry.anything_moves()
    assert gantry.engine.moving
    return task
