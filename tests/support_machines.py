"""Simulated supplies within the test's own process and time, behind a wire that spoils what it is told to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from support_virtual import VirtualLoop

from daq.devices.high_voltage import GuardedHighVoltage
from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.session import Session
from daq.devices.instruments.supply import ProfiledSupply
from daq.devices.limits import VoltageLimits
from daq.errors import DeadlineError, UnreachableError
from daq.state.interlock import Interlock, Kind
from daq.wire.control.codecs import codec_of
from device_profiles.control import load_control
from simulators.instruments.c11204 import C11204, V_COUNT
from simulators.instruments.caen import CaenN1470, CaenR803x
from simulators.instruments.iseg_scpi import IsegScpi
from simulators.instruments.iseg_shq import IsegShq
from simulators.instruments.keithley import Keithley
from simulators.instruments.wirefaults import WireFaults

_TAKES_S = 0.02


class MachineLink:
    """A `Link` to a machine. `told`: all that was said to it, and when; `faults`: what becomes of its replies."""

    def __init__(self, machine: Any, clock: Callable[[], float]) -> None:
        self.connection = self.dropped_bytes = 0
        self.is_open = False
        self.faults = WireFaults()
        self.told: list[tuple[float, str]] = []
        self.deaf = False
        self._machine, self._clock = machine, clock
        self._coming: list[tuple[float, bytes | None]] = []

    async def open(self, within_s: float) -> None:
        del within_s
        self.is_open, self.connection = True, self.connection + 1
        self._talk = self._machine.talk()
        self._coming.clear()

    async def close(self) -> None:
        self.is_open = False
        self._coming.clear()

    async def write(self, data: bytes, within_s: float) -> None:
        del within_s
        if not self.is_open:
            raise UnreachableError("it is not open")
        self.told.append((self._clock(), data.decode("latin-1")))
        at_s = max([self._clock() + _TAKES_S, *(each[0] for each in self._coming)])
        for reply in [] if self.deaf else self._talk.feed(data):
            for piece in self.faults.apply(reply):
                at_s += piece.delay_s
                self._coming.append((at_s, piece.data))

    async def read(self, within_s: float) -> bytes:
        until_s = self._clock() + within_s
        while not (data := self.waiting()):
            if not self.is_open:
                raise UnreachableError("it hung up")
            due_s = min([until_s, *(at_s for at_s, _ in self._coming)])
            if self._clock() >= until_s:
                raise DeadlineError("nothing came")
            await asyncio.sleep(max(due_s - self._clock(), 1e-4))
        return data

    def waiting(self) -> bytes:
        data = b""
        while self._coming and self._coming[0][0] <= self._clock():
            piece = self._coming.pop(0)[1]
            if piece is None:
                self.is_open = False
                self._coming.clear()
            else:
                data += piece
        return data


@dataclass(frozen=True)
class Kept:
    """A machine with its profile, and how a voltage that is set looks on its wire."""

    profile: str
    channel: str
    make: Callable[..., Any]
    said: re.Pattern[str]
    limits: VoltageLimits
    count: float = 0.0
    """What one is worth, where it is set in hexadecimal digits."""

    def volts(self, text: str) -> float | None:
        found = self.said.search(text)
        if found is None:
            return None
        return int(found[1], 16) * self.count if self.count else float(found[1])


def _limits(max_v: float, slope: float) -> VoltageLimits:
    return VoltageLimits(max_v, slope, max_v / 5, 1.0, 50e-6, 0.1)


MACHINES = (
    Kept("caen-n1470", "1", CaenN1470, re.compile(r"PAR:VSET,VAL:([-0-9.]+)"), _limits(900.0, 50.0)),
    Kept("caen-r803x", "1", CaenR803x, re.compile(r"PAR:VSET,VAL:([-0-9.]+)"), _limits(900.0, 50.0)),
    Kept("iseg-scpi", "1", IsegScpi, re.compile(r":VOLT ([-0-9.]+),"), _limits(900.0, 50.0)),
    Kept("iseg-shq", "2", IsegShq, re.compile(r"D2=([-0-9.]+)"), _limits(900.0, 50.0)),
    Kept("keithley-2400", "", Keithley, re.compile(r":SOUR:VOLT ([-0-9.]+)\n"), _limits(120.0, 10.0)),
    Kept(
        "keithley-2470", "", lambda clock: Keithley("2470", clock=clock), re.compile(r":SOUR:VOLT ([-0-9.]+)\n"),
        _limits(900.0, 50.0),
    ),
    Kept("hamamatsu-c11204", "", C11204, re.compile(r"HBV([0-9A-F]+)"), _limits(60.0, 5.0), V_COUNT),
)  # fmt: skip


@dataclass
class Bench:
    """A machine, and the rules over its profile. `safe`: its interlocks."""

    kept: Kept
    loop: VirtualLoop
    safe: bool = True
    variables: dict[str, str] = field(default_factory=dict)
    raising: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.machine = self.kept.make(clock=self.loop.time)
        self.link = MachineLink(self.machine, self.loop.time)
        profile = load_control(self.kept.profile)
        session = Session("it", profile, self.link, codec_of(profile), variables=self.variables, clock=self.loop.time)
        self.instrument = Instrument(session)
        self.supply = ProfiledSupply(self.instrument, self.kept.channel)
        self.hv = GuardedHighVoltage("hv", self.kept.limits, self.supply, clock=self.loop.time)
        self.hv.guard_by(self._interlocks)
        self.index = profile.channels.index(self.kept.channel) if self.kept.channel else 0

    def does(self, deed: str) -> None:
        self.machine.deeds()[deed]({"channel": self.index})

    @property
    def volts(self) -> float:
        return float(self.machine.told()["volts"][self.index])

    @property
    def set_on_the_wire(self) -> list[tuple[float, float]]:
        """Return when which voltage was told to it."""
        found = [(at_s, self.kept.volts(text)) for at_s, text in self.link.told]
        return [(at_s, volts) for at_s, volts in found if volts is not None]

    def _interlocks(self) -> list[Interlock]:
        now_s = self.loop.time()
        return [Interlock(kind, kind, self.safe, now_s, 2.0) for kind in (Kind.SERVICE_COVER, Kind.TEMPERATURE)]


def kept(profile: str) -> Kept:
    return next(each for each in MACHINES if each.profile == profile)
