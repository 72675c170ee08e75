"""Axes on simulated motion controllers in virtual time: the controller's bytes over a wire that takes its time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from support_virtual import VirtualLoop

from daq.devices.axis import DrivenAxis
from daq.devices.instruments.drive import ProfiledDrive, Steps
from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.session import Session
from daq.devices.limits import AxisLimits
from daq.errors import DeadlineError, ScandaqError, UnreachableError
from daq.model.control import ControlProfile
from daq.wire.control.codecs import codec_of
from device_profiles.control import load_control
from simulators.instruments.gcs import Gcs
from simulators.instruments.machine import Talk
from simulators.instruments.motors import Motors
from simulators.instruments.moving import Motor
from simulators.instruments.tmcl import Tmcl
from simulators.instruments.wirefaults import WireFaults
from simulators.instruments.zaber import Zaber

LIMITS = AxisLimits("deg", 0.0, 360.0, 40.0, 0.05, away="minimum", max_overtravel=2.0)


class Controller(Protocol):
    """What the simulated controllers have in common."""

    motors: Motors

    def talk(self) -> Talk: ...

    def deeds(self) -> Mapping[str, Callable[[Mapping[str, Any]], None]]: ...


@dataclass(frozen=True)
class Kind:
    """A kind of controller, the channel of its first motor, and how its units are degrees."""

    profile: str
    make: Callable[[Callable[[], float]], Controller]
    channel: str
    steps: Steps
    ready: tuple[str, ...] = ()
    """What is said to one that has just been switched on, so that it takes itself for homed."""


KINDS = {
    "zaber-ascii": Kind("zaber-ascii", lambda clock: Zaber(axes=2, clock=clock), "1", Steps(1000.0)),
    "pi-gcs2": Kind(
        "pi-gcs2", lambda clock: Gcs(axes=2, least=10.0, most=410.0, clock=clock), "1", Steps(1.0, -10.0), ("clear",)
    ),
    "tmcl": Kind("tmcl", lambda clock: Tmcl(axes=2, clock=clock), "0", Steps(-1000.0, 360.0), ("mark_homed",)),
}


class MachineLink:
    """A `Link` to a machine, `delay_s` each way. Its faults and its being cut are those of a wire."""

    def __init__(self, machine: Controller, loop: asyncio.AbstractEventLoop, *, delay_s: float = 0.002) -> None:
        self.connection = self.dropped_bytes = 0
        self.is_open = False
        self.plugged = True
        self.faults = WireFaults(3)
        self.heard: list[tuple[float, bytes]] = []
        self._machine, self._loop, self._delay_s = machine, loop, delay_s
        self._talk: Talk | None = None
        self._coming: list[tuple[float, bytes]] = []
        self._something = asyncio.Event()

    async def open(self, within_s: float) -> None:
        del within_s
        if not self.plugged:
            raise UnreachableError("nothing is there")
        self._talk, self.is_open, self.connection = self._machine.talk(), True, self.connection + 1
        self._coming.clear()

    async def close(self) -> None:
        self.is_open = False
        self._coming.clear()
        self._something.set()

    def pull(self) -> None:
        """Pull the cable."""
        self.plugged = self.is_open = False
        self._coming.clear()
        self._something.set()

    async def write(self, data: bytes, within_s: float) -> None:
        del within_s
        if not self.is_open:
            raise UnreachableError("it hung up")
        self.heard.append((self._loop.time(), data))
        self._loop.call_later(self._delay_s, self._arrives, self.connection, data)

    async def read(self, within_s: float) -> bytes:
        until_s = self._loop.time() + within_s
        while self.is_open:
            if here := self.waiting():
                return here
            due_s = min([until_s, *(at_s for at_s, _ in self._coming)])
            if self._loop.time() >= until_s:
                raise DeadlineError("nothing came")
            self._something.clear()
            try:
                async with asyncio.timeout(max(0.0, due_s - self._loop.time()) + 1e-6):
                    await self._something.wait()
            except TimeoutError:
                continue
        raise UnreachableError("it hung up")

    def waiting(self) -> bytes:
        now_s = self._loop.time()
        here = [data for at_s, data in self._coming if at_s <= now_s]
        self._coming = [each for each in self._coming if each[0] > now_s]
        return b"".join(here)

    def _arrives(self, connection: int, data: bytes) -> None:
        if self._talk is None or connection != self.connection or not self.is_open:
            return
        for reply in self._talk.feed(data):
            at_s = max([self._loop.time(), *(each[0] for each in self._coming)]) + self._delay_s
            for piece in self.faults.apply(reply):
                at_s += piece.delay_s
                if piece.data is None:
                    self.is_open = False
                elif piece.data:
                    self._coming.append((at_s, piece.data))
        self._something.set()


@dataclass
class Rigged:
    """An axis on a controller, with everything around it."""

    kind: Kind
    machine: Controller
    link: MachineLink
    instrument: Instrument
    axis: DrivenAxis
    loop: VirtualLoop

    @property
    def motor(self) -> Motor:
        return self.machine.motors[1]

    @property
    def place(self) -> float:
        """Where it is indeed, in degrees."""
        return self.kind.steps.back(self.motor.place)

    def do(self, name: str, **said: Any) -> None:
        """Do something to the first motor or its controller."""
        self.machine.deeds()[name](said)


def rigged(name: str, loop: VirtualLoop, profile: ControlProfile | None = None, *, delay_s: float = 0.002) -> Rigged:
    """Return an axis on a controller that nobody has asked yet; `profile`: another one than its own."""
    kind = KINDS[name]
    machine = kind.make(loop.time)
    link = MachineLink(machine, loop, delay_s=delay_s)
    profile = profile or load_control(kind.profile)
    instrument = Instrument(Session("controller", profile, link, codec_of(profile), clock=loop.time))
    drive = ProfiledDrive(instrument, kind.channel, kind.steps)
    return Rigged(kind, machine, link, instrument, DrivenAxis("gantry", LIMITS, drive, clock=loop.time), loop)


@asynccontextmanager
async def at_100(
    name: str, loop: VirtualLoop, profile: ControlProfile | None = None, *, delay_s: float = 0.002
) -> AsyncIterator[Rigged]:
    """Yield an axis that has its reference and stands at 100 degrees."""
    rig = rigged(name, loop, profile, delay_s=delay_s)
    rig.motor.at, rig.motor.homed = rig.kind.steps.out(100.0), True
    await rig.instrument.session.be_sure()
    for action in rig.kind.ready:
        await rig.instrument.act(action, rig.kind.channel)
    beating = loop.create_task(_beat(rig.instrument))
    try:
        yield rig
    finally:
        beating.cancel()
        await rig.instrument.session.close()


async def _beat(instrument: Instrument) -> None:
    """Feed the watchdog that its profile knows, as the wiring of a station does."""
    every_s = (instrument.profile.conversation.watchdog_s or math.inf) / 3
    while math.isfinite(every_s):
        with suppress(ScandaqError):
            await instrument.beat(every_s)
        await asyncio.sleep(every_s)


Body = Callable[[Rigged], Coroutine[Any, Any, None]]
