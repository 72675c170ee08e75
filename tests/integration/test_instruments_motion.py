"""A simulated Zaber controller, attacked by its vendor's library, and an axis of a scanner by its profile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from support_instruments import do, instrument
from support_simulators import Simulator, simulator
from zaber_motion.ascii import Connection
from zaber_motion.exceptions import BadDataException

from daq.devices.axis import DrivenAxis
from daq.devices.instruments.drive import ProfiledDrive, Steps
from daq.devices.limits import AxisLimits
from daq.errors import MotionError


@pytest.fixture
def controller() -> Iterator[Simulator]:
    with simulator("zaber-ascii", "--axes", "2") as process:
        yield process


@asynccontextmanager
async def gantry(simulated: Simulator) -> AsyncIterator[DrivenAxis]:
    async with instrument(simulated, "zaber-ascii") as it:
        await it.identify()
        limits = AxisLimits("deg", 0.0, 360.0, 40.0, 0.05)
        yield DrivenAxis("gantry", limits, ProfiledDrive(it, "1", Steps(1000.0)))


def test_the_vendors_library_sees_a_controller_that_it_knows(controller: Simulator) -> None:
    with Connection.open_tcp(*controller.address("tcp")) as connection:
        (device,) = connection.detect_devices(identify_devices=False)
        axis = device.get_axis(1)
        axis.home()
        axis.move_absolute(20000)
        axis.move_relative(-5000)
        assert (axis.get_position(), axis.is_busy(), axis.warnings.get_flags()) == (15000.0, False, set())
        axis.move_velocity(50000)
        axis.stop()
        assert axis.get_position() > 15000
        with pytest.raises(BadDataException, match="out of range"):
            axis.move_absolute(9e9)


async def test_an_axis_is_homed_moved_and_stopped_by_its_profile(controller: Simulator) -> None:
    async with gantry(controller) as axis:
        await axis.home(within_s=5)
        await axis.move_to(10.0, speed=40.0)
        assert await axis.position() == pytest.approx(10.0, abs=0.05)
        moving = asyncio.create_task(axis.move_to(300.0, speed=10.0))
        await asyncio.sleep(0.3)
        halt = await axis.stop()
        with pytest.raises(MotionError, match="was stopped at"):
            await moving
        assert halt.wire_s is not None
        assert halt.halted_s < 1.0


async def test_an_axis_that_stalls_says_where_and_why(controller: Simulator) -> None:
    async with gantry(controller) as axis:
        await axis.home(within_s=5)
        moving = asyncio.create_task(axis.move_to(300.0, speed=10.0))
        await asyncio.sleep(0.3)
        do(controller, {"do": "stall"})
        with pytest.raises(MotionError, match=r"gantry stopped at .* deg: its controller warns: stall"):
            await moving


@pytest.mark.parametrize("kind", ["late", "missing", "truncate", "duplicate", "hang-up"])
async def test_a_stop_gets_through_a_wire_that_spoils(controller: Simulator, kind: str) -> None:
    async with gantry(controller) as axis:
        await axis.home(within_s=5)
        moving = asyncio.create_task(axis.move_to(300.0, speed=10.0))
        await asyncio.sleep(0.2)
        do(controller, {"wire": {"kind": kind, "seconds": 0.1}})
        await asyncio.sleep(0.05)
        halt = await axis.stop()
        with pytest.raises(MotionError):
            await moving
        assert halt.halted_s <= 1.0
        assert do(controller, {"told": True})["told"]["moving"] == [False, False]
