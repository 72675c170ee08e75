"""Stops of axes on controllers at random moments, over wires that spoil: when they were on the wire, and confirmed."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass

from support_controllers import Rigged, at_100
from support_virtual import VirtualLoop, virtually

from daq.errors import MotionError, ScandaqError
from simulators.instruments.wirefaults import KINDS

SPOILS = ("none", *(kind for kind in KINDS if kind != "hang-up"))


@dataclass(frozen=True)
class Stopped:
    """How one stop went, in seconds since it was asked for; `stood_s`: until the motor stood indeed.

    `halted_s`: until that was confirmed; None where it was not within a second.
    """

    spoil: str
    halted_s: float | None
    stood_s: float


def stopped(kind: str, seed: int) -> Stopped:
    """Stop a movement at a random moment, while a random thing happens to the replies; return how that went."""
    chance = random.Random(seed)
    spoil = chance.choice(SPOILS)

    async def main(loop: VirtualLoop) -> Stopped:
        async with at_100(kind, loop) as rig:
            others = loop.create_task(_asked_by_others(rig))
            moving = loop.create_task(_moved(rig))
            await asyncio.sleep(0.5 + chance.uniform(0.0, 2.0))
            if spoil != "none":
                rig.link.faults.add({"kind": spoil, "count": chance.randint(1, 3), "after": chance.randint(0, 3),
                                     "seconds": chance.uniform(0.0, 0.15)})  # fmt: skip
            await asyncio.sleep(chance.uniform(0.0, 0.05))
            begun_s = loop.time()
            stood = loop.create_task(_stood_s(rig, begun_s))
            halted_s: float | None = None
            with suppress(MotionError):
                halted_s = (await rig.axis.stop()).halted_s
            assert rig.axis.doubtful == (halted_s is None)
            await moving
            others.cancel()
            return Stopped(spoil, halted_s, await stood)

    return virtually(main)


async def _moved(rig: Rigged) -> None:
    try:
        await rig.axis.move_to(300.0, speed=20.0)
    except MotionError:
        return


async def _asked_by_others(rig: Rigged) -> None:
    """Read another channel again and again, so that a stop comes into the midst of something."""
    other = rig.instrument.profile.channels[1]
    while True:
        try:
            await rig.instrument.read("position", other)
        except ScandaqError:
            await asyncio.sleep(0.1)


async def _stood_s(rig: Rigged, begun_s: float) -> float:
    while rig.motor.velocity != 0:
        await asyncio.sleep(0.001)
    return rig.loop.time() - begun_s


def in_time(one: Stopped) -> bool:
    """Return whether the axis stood in time, and that was known where the wire was good."""
    confirmed = one.halted_s is not None and one.halted_s <= 1.0
    return one.stood_s <= 0.25 and (confirmed or one.spoil != "none")
