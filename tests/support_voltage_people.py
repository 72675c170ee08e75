"""Random people, covers and faults at a supply of two channels, in the test's own time; its wire is listened to.

What is looked at is what reaches the wire and what the outputs indeed are, not what anybody says about them.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from support_controllers import MachineLink
from support_virtual import VirtualLoop, virtually

from daq.devices.high_voltage import GuardedHighVoltage
from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.session import Session
from daq.devices.instruments.supply import ProfiledSupply
from daq.devices.limits import VoltageLimits
from daq.devices.simulated.head import SimulatedHead
from daq.errors import ScandaqError
from daq.model.station import Actor, Role
from daq.services.bus import Bus
from daq.services.motion import InterlockWatch
from daq.services.voltageguard import GuardedSupply, VoltageGuard
from daq.wire.control.codecs import codec_of
from device_profiles.control import load_control
from simulators.instruments.caen import CaenN1470

LIMITS = VoltageLimits(400.0, 100.0, 100.0, 2.0, 300e-6, 1.0)
"""The supply itself could do 8000 V."""
HEADS = ("front", "back")
ACTORS = (
    Actor("vera", "local", Role.VIEWER), Actor("ada", "local", Role.TECHNOLOGIST), Actor("eve", "local", Role.SERVICE),
)  # fmt: skip
SEEN_OPEN_S = 2.0
"""An open cover is known by then: it is read twice a second, is old after 1.25 s, and a step was on its way."""
PROFILE = load_control("caen-n1470")
_SAID = re.compile(r"\$BD:00,CMD:SET,CH:(\d),PAR:(VSET|ON)(?:,VAL:([\d.]+))?")
_SPOILS = ("late", "duplicate", "garble", "missing", "truncate", "noise", "hang-up")


class UnsafeError(AssertionError):
    """Something was said on the wire, or is at an output, that must not be."""


@dataclass
class Outcome:
    """What happened: commands by how they ended, and the highest voltage that was said."""

    counts: Counter[str] = field(default_factory=Counter)
    highest_v: float = 0.0

    def add(self, other: Outcome) -> None:
        self.counts += other.counts
        self.highest_v = max(self.highest_v, other.highest_v)


class Room:
    """A supply, two heads, and who works at them. `bound`: how high the raise under way may tell a channel to go."""

    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        self.loop, self.random, self.outcome = loop, random.Random(seed), Outcome()
        self.weather = self.random.choice(((1, 0, 0.5), (3, 0.3, 1), (8, 2, 3)))
        """How often replies are spoilt, cables pulled, and supplies meddled with."""
        self.machine = CaenN1470(clock=loop.time, load_ohm=5e6)
        self.link = MachineLink(self.machine, loop)  # type: ignore[arg-type]
        self.log: list[str] = []
        self._write, self.link.write = self.link.write, self._listen  # type: ignore[method-assign]
        instrument = Instrument(Session("supply", PROFILE, self.link, codec_of(PROFILE), clock=loop.time))
        self.instrument = instrument
        self.heads = {name: SimulatedHead(name, clock=loop.time) for name in HEADS}
        self.opened_s: dict[str, float] = {}
        self.watch = InterlockWatch(self.heads, Bus(), heads={name: name for name in HEADS}, clock=loop.time)
        self.hv = {
            name: GuardedHighVoltage(name, LIMITS, ProfiledSupply(instrument, str(n)), clock=loop.time)
            for n, name in enumerate(HEADS)
        }
        for name, supply in self.hv.items():
            supply.guard_by(lambda name=name: self.watch.of_head(name))  # type: ignore[misc]
        guarded = {name: GuardedSupply(supply, name) for name, supply in self.hv.items()}
        self.guard = VoltageGuard(guarded, self.watch, Bus(), self)
        self.bound: dict[str, float] = {}
        self.alarms: set[tuple[str, str]] = set()

    # Alarms

    def raise_(self, device: str, name: str, **_: Any) -> None:
        self.alarms.add((device, name))

    def clear(self, device: str, name: str) -> None:
        self.alarms.discard((device, name))

    # The wire

    async def _listen(self, data: bytes, within_s: float) -> None:
        text = data.decode()
        self.log.append(f"{self.loop.time():9.3f} > {text!r}")
        said = _SAID.match(text)
        if said is not None:
            self._judge(int(said[1]), said[2], float(said[3] or 0.0))
        await self._write(data, within_s)

    def _judge(self, channel: int, what: str, volts: float) -> None:
        name, holds = HEADS[channel], self.machine.channels[channel]
        if what == "VSET":
            self.outcome.highest_v = max(self.outcome.highest_v, volts)
            if volts <= holds.vset:
                return
            if volts > LIMITS.max_v or volts > self.bound.get(name, 0.0):
                raise UnsafeError(f"{name} is told {volts:g} V, at most {self.bound.get(name, 0.0):g} V was armed")
        elif name not in self.bound:
            raise UnsafeError(f"{name} is switched on, nobody raises it")
        opened_s = self.opened_s.get(name)
        if opened_s is not None and self.loop.time() - opened_s > SEEN_OPEN_S:
            raise UnsafeError(
                f"{name} is told {what} {volts:g}, its cover is open since {self.loop.time() - opened_s:.2f} s"
            )

    # What happens

    async def up(self, name: str) -> None:
        actor = self.random.choices(ACTORS, (1, 4, 4))[0]
        most = self.random.choices((100.0, 250.0, 400.0, 900.0), (3, 4, 4, 1))[0]
        await self.hv[name].arm(actor, protocol_max_v=most, valid_s=self.random.choice((0.5, 60.0)))
        await asyncio.sleep(self.random.choice((0.0, 1.0)))
        self.bound[name] = max(self.bound.get(name, 0.0), most)
        other = self.random.choice(ACTORS) if self.random.random() < 0.1 else actor
        await self.hv[name].ramp_to(self.random.uniform(0.2, 1.1) * most, within_s=20.0, actor=other)

    async def down(self, name: str) -> None:
        await self.hv[name].ramp_to(self.random.uniform(0.0, 100.0), within_s=20.0)

    async def off(self, name: str) -> None:
        await self.hv[name].off(within_s=30.0)
        if name not in self.bound and not self._is_off(name):
            raise UnsafeError(f"{name} was said to be off: {self.machine.channels[HEADS.index(name)]}")

    def _is_off(self, name: str) -> bool:
        channel = self.machine.channels[HEADS.index(name)]
        return not channel.on and channel.output.volts <= 3 * LIMITS.tolerance_v

    def happen(self) -> None:
        """Let the world do something."""
        deed = self.random.choices(("cover", "heat", "spoil", "pull", "deed"), (3, 1, *self.weather))[0]
        name = self.random.choice(HEADS)
        if deed == "cover":
            self._cover(name)
        elif deed == "heat":
            self.heads[name].surround(self.random.choice((22.0, 22.0, 60.0)), 1.0)
        elif deed == "spoil":
            kind, seconds = self.random.choice(_SPOILS), self.random.choice((0.0, 0.3, 0.9))
            count, after = self.random.randint(1, 3), self.random.randint(0, 5)
            self.link.faults.add({"kind": kind, "count": count, "after": after, "seconds": seconds})
        elif deed == "pull":
            self.link.pull()
            self.loop.call_later(self.random.uniform(0.0, 5.0), setattr, self.link, "plugged", True)
        else:
            asked = {"channel": HEADS.index(name)}
            does = self.random.choice(("trip", "local", "remote", "remote", "ignore", "obey", "obey", "reboot", "kill"))
            self.machine.deeds()[does](asked)

    def _cover(self, name: str) -> None:
        if self.heads[name]._closed:
            self.heads[name].open_cover()
            self.opened_s[name] = self.loop.time()
        else:
            self.heads[name].close_cover()
            self.opened_s.pop(name, None)

    async def person(self, name: str) -> None:
        """Ask for something; what is refused or fails is none of the test's business."""
        what = self.random.choice((self.up, self.up, self.up, self.down, self.off))
        mine = what is self.up
        try:
            await what(name)
        except ScandaqError as why:
            self.outcome.counts[type(why).__name__] += 1
        except asyncio.CancelledError:
            self.outcome.counts["cancelled"] += 1
            raise
        else:
            self.outcome.counts[what.__name__] += 1
        finally:
            if mine:
                self.bound.pop(name, None)

    async def lives(self, events: int) -> list[asyncio.Task[None]]:
        """Let so much happen, and wait for who asked for something; raise what must not be."""
        people: dict[asyncio.Task[None], None] = {}
        for _ in range(events):
            name = self.random.choice(HEADS)
            if self.random.random() < 0.5:
                self.happen()
            elif name not in self.bound:
                people[self.loop.create_task(self.person(name), name="person")] = None
            if people and self.random.random() < 0.1:
                self.random.choice(list(people)).cancel()
            await asyncio.sleep(self.random.expovariate(0.7))
        if people:
            await asyncio.wait(people, timeout=200.0)
        unsafe = [why for each in people if not each.cancelled() and (why := each.exception()) is not None]
        if unsafe:
            raise unsafe[0]
        return list(people)

    async def at_the_end(self) -> None:
        """With all faults gone, what has an open cover is off, and so is what is switched off."""
        self.link.faults.clear()
        self.link.plugged = True
        for deed in ("remote", "obey"):
            self.machine.deeds()[deed]({})
        for name in HEADS:
            for _ in range(90):
                if name not in self.opened_s or self._is_off(name):
                    break
                await asyncio.sleep(1.0)
            else:
                raise UnsafeError(f"{name} is not off, its cover is open since {self.opened_s[name]:.2f} s")
            await self.off(name)
            await asyncio.sleep(10.0)
            if (name, "not-lowered") in self.alarms:
                raise UnsafeError(f"{name} is off, and alarmed not to be")


def try_seed(seed: int, *, events: int = 12) -> Outcome:
    """Let random things happen; raise `UnsafeError` with the log of the wire where what must not be was."""

    logs: list[list[str]] = []

    async def main(loop: VirtualLoop) -> Outcome:
        room = Room(loop, seed)
        logs.append(room.log)
        await room.watch.refresh()
        tasks = [loop.create_task(each(), name="service") for each in (room.watch.run, room.guard.run)]
        people = await room.lives(events)
        await room.at_the_end()
        for task in (*tasks, *people):
            task.cancel()
        await asyncio.wait(tasks)
        with suppress(ScandaqError):
            await room.instrument.session.close()
        broken = [task.exception() for task in tasks if not task.cancelled()]
        assert broken == [], broken
        return room.outcome

    try:
        return virtually(main)
    except UnsafeError as why:
        raise UnsafeError(f"seed {seed}: {why}\n" + "\n".join(logs[-1][-300:])) from None
