"""Supplies of simulator processes under the rules of a high voltage, by their shipped profiles."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from support_instruments import do
from support_simulators import Simulator, simulator

from daq.devices.high_voltage import GuardedHighVoltage
from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.session import Session
from daq.devices.instruments.supply import ProfiledSupply
from daq.devices.limits import VoltageLimits
from daq.model.station import Actor, Role
from daq.state.interlock import Interlock, Kind
from daq.transports.links import link_of
from daq.wire.control.codecs import codec_of
from device_profiles.control import load_control

TECH = Actor("ada", "local", Role.TECHNOLOGIST)


@dataclass(frozen=True)
class Model:
    """A simulator with a profile for it, limits that it can hold, a voltage to go to, one above, what makes it fail."""

    kind: str
    profile: str
    channel: str
    limits: VoltageLimits
    low: float
    volts: float
    fails: str
    """What the world does to it in the midst of a raise, and `says`: what the operator is told."""
    says: str
    options: tuple[str, ...] = ()


@dataclass
class Bench:
    hv: GuardedHighVoltage
    process: Simulator
    instrument: Instrument
    index: int
    cover: bool = True
    seen: list[float] = field(default_factory=list)

    def interlocks(self) -> list[Interlock]:
        return interlocks(cover=self.cover)

    def does(self, deed: str, **said: Any) -> None:
        do(self.process, {"do": deed, "channel": self.index, **said})

    @property
    def volts(self) -> float:
        """Return what is at the output indeed."""
        return float(do(self.process, {"told": True})["told"]["volts"][self.index])


@asynccontextmanager
async def instrument(url: str, name: str, **line: Any) -> AsyncIterator[Instrument]:
    """Yield an instrument by its profile; `line`: what is set otherwise of its serial line."""
    profile = load_control(name)
    soon = profile.conversation.model_copy(update={"late_s": 0.2})  # nothing is later here, and the test does not wait
    transport = profile.transport
    if line and transport.serial is not None:
        transport = transport.model_copy(update={"serial": transport.serial.model_copy(update=line)})
    profile = profile.model_copy(update={"conversation": soon, "transport": transport})
    session = Session("it", profile, link_of(url, profile.transport), codec_of(profile))
    try:
        yield Instrument(session)
    finally:
        await session.close()


@asynccontextmanager
async def bench(model: Model) -> AsyncIterator[Bench]:
    """Yield the supply under the rules, over TCP."""
    with simulator(model.kind, *model.options) as process:
        async with instrument(process.ready["tcp"], model.profile) as known:
            supply = ProfiledSupply(known, model.channel)
            index = known.profile.channels.index(model.channel) if model.channel else 0
            made = Bench(GuardedHighVoltage("hv", model.limits, supply), process, known, index)
            made.hv.guard_by(made.interlocks)
            yield made


def interlocks(*, cover: bool = True) -> list[Interlock]:
    now_s = time.monotonic()
    return [
        Interlock("cover", Kind.SERVICE_COVER, cover, now_s, 2.0),
        Interlock("temperature", Kind.TEMPERATURE, True, now_s, 2.0),
    ]


def guarded(model: Model, known: Instrument, channel: str) -> GuardedHighVoltage:
    supply = GuardedHighVoltage(f"hv{channel}", model.limits, ProfiledSupply(known, channel))
    supply.guard_by(interlocks)
    return supply


def limits(max_v: float, *, slope: float = 500.0, step: float = 100.0, trip_a: float = 50e-6) -> VoltageLimits:
    return VoltageLimits(max_v, slope, step, 1.0, trip_a, 0.1)


MODELS = (
    Model(
        "c11204", "hamamatsu-c11204", "", limits(60.0, slope=20.0, trip_a=1e-3), 44.0, 54.0, "trip", "it switched off"
    ),
    Model("iseg-scpi", "iseg-scpi", "1", limits(400.0), 100.0, 200.0, "trip", "it tripped"),
    Model(
        "iseg-shq", "iseg-shq", "2", limits(400.0, slope=255.0), 50.0, 150.0, "trip", "stays at 0 V|it is off by a trip"
    ),
    Model("caen-n1470", "caen-n1470", "2", limits(400.0), 100.0, 200.0, "trip", "it tripped"),
    Model("caen-r803x", "caen-r803x", "5", limits(400.0), 100.0, 200.0, "kill", "its KILL input is active"),
    Model(
        "keithley-2400",
        "keithley-2400",
        "",
        limits(120.0, slope=100.0),
        50.0,
        100.0,
        "spark",
        "the current is at its limit",
    ),
    Model(
        "keithley-2400",
        "keithley-2470",
        "",
        limits(400.0, slope=100.0),
        50.0,
        100.0,
        "open-interlock",
        "is off|on was said, but output reads 0",
        ("--model", "2470"),
    ),
)


def of_kind(profile: str) -> Model:
    return next(model for model in MODELS if model.profile == profile)
