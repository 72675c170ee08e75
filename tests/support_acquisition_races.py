"""Runs whose daemon, readout and records are late or deaf at the wrong moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from support_run import Daemon, Link, Readout, protocol, step

from daq.errors import DeadlineError
from daq.model.protocol import AcquisitionProtocol, ProtocolKind, Sweep
from daq.services.acquisition.run import Run
from daq.state.acquisition import State, Trigger

SPECT = ProtocolKind.SPECT
TWO = protocol(step("front"), step("back"))
SWEEP = protocol(step("body", ProtocolKind.WHOLE_BODY, sweep=Sweep("bed", 0.0, 1000.0, 2.0, "mm")))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def made(daemon: Daemon, wanted: AcquisitionProtocol, launch: Callable[[], Awaitable[Any]]) -> Run:
    daemon.machine.fire(Trigger.PREPARE, run="run-1", directory="/nowhere", runtime="/nowhere", step=0, protocol="x")
    return daemon.again(wanted, launch)


async def started(daemon: Daemon, run: Run) -> None:
    await daemon.until(State.ARMED)
    await run.steps.start()


class Deaf(Link):
    """Does what it is told, and loses the answer of the first `losing` calls of one kind."""

    def __init__(self, readout: Readout, what: str, losing: int = 1) -> None:
        super().__init__(readout)
        self.what, self.losing = what, losing

    async def start(self) -> None:
        await super().start()
        self._lose("start")

    async def step(self, limits: list[str], *, name: str, moving: bool) -> None:
        await super().step(limits, name=name, moving=moving)
        self._lose("step")

    async def pause(self) -> None:
        await super().pause()
        self._lose("pause")

    async def resume(self) -> None:
        await super().resume()
        self._lose("resume")

    def _lose(self, what: str) -> None:
        if what == self.what and self.losing:
            self.losing -= 1
            raise DeadlineError("the readout is busy")


def deaf(readout: Readout, what: str, losing: int = 1) -> Callable[[], Awaitable[Any]]:
    async def launch() -> Link:
        return Deaf(readout, what, losing)

    return launch
