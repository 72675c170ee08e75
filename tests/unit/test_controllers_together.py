"""All axes of one controller are stopped at once, on a wire that takes its time: each is confirmed to stand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from support_controllers import KINDS, LIMITS, Controller, at_100
from support_virtual import VirtualLoop, virtually

from daq.devices.axis import DrivenAxis
from daq.devices.instruments.drive import ProfiledDrive
from daq.services.motion.stopping import stop_all
from simulators.instruments.gcs import Gcs
from simulators.instruments.tmcl import Tmcl
from simulators.instruments.zaber import Zaber

FOUR: dict[str, Callable[[Callable[[], float]], Controller]] = {
    "zaber-ascii": lambda clock: Zaber(axes=4, clock=clock),
    "pi-gcs2": lambda clock: Gcs(axes=4, least=10.0, most=410.0, clock=clock),
    "tmcl": lambda clock: Tmcl(axes=4, clock=clock),
}


@pytest.mark.parametrize("kind", FOUR)
def test_four_axes_of_one_controller_are_stopped_at_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, kind, replace(KINDS[kind], make=FOUR[kind]))

    async def main(loop: VirtualLoop) -> None:
        async with at_100(kind, loop, delay_s=0.005) as rig:
            drives = [ProfiledDrive(rig.instrument, str(int(rig.kind.channel) + n), rig.kind.steps) for n in range(4)]
            axes = {str(n): DrivenAxis(str(n), LIMITS, drive, clock=loop.time) for n, drive in enumerate(drives)}
            moving = asyncio.create_task(axes["0"].move_to(300.0, speed=20.0))
            await asyncio.sleep(1.0)
            stopping = stop_all(axes, loop.time)
            moving.cancel()
            stops = await stopping
            await asyncio.wait({moving})
            assert [stop.stands for stop in stops] == [True] * 4, stops
            assert not rig.motor.moving
            assert (stops[0].overtravel or 0.0) < 1.0  # it stops at once; what is more would be what was not known

    virtually(main)
