"""Simulated motion controllers, attacked by their vendors' libraries, and axes of a scanner by their profiles."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from pytrinamic.connections.serial_tmcl_interface import SerialTmclInterface
from pytrinamic.modules import TMCM6212
from pytrinamic.tmcl import TMCLReplyStatusError
from support_instruments import do, instrument
from support_referees import environment
from support_simulators import Simulator, simulator
from zaber_motion.ascii import Connection
from zaber_motion.exceptions import BadDataException

from daq.devices.axis import DrivenAxis
from daq.devices.instruments.drive import ProfiledDrive, Steps
from daq.devices.limits import AxisLimits
from daq.errors import MotionError
from simulators.camera.axes import Listener

PI_PROGRAM = Path(__file__).parents[1] / "pipython_program.py"


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


def test_trinamics_library_sees_a_module_that_it_knows() -> None:
    with (
        simulator("tmcl", "--axes", "2") as process,
        closing(SerialTmclInterface(process.ready["tty"], timeout_s=2)) as wire,
    ):
        module = TMCM6212(wire)
        motor = module.motors[0]
        assert wire.get_version_string() == "6212V111"
        wire.send(13, 0, 0, 0)
        waited(lambda: wire.send(13, 2, 0, 0).value == 0)
        module.move_to(0, 20_000, 200_000)
        waited(motor.get_position_reached)
        assert (motor.actual_position, motor.actual_velocity) == (20_000, 0)
        module.rotate(0, 10_000)
        assert motor.actual_velocity == 10_000
        module.stop(0)
        assert motor.actual_velocity == 0
        wire.set_global_parameter(0, 2, 42)
        assert wire.get_global_parameter(0, 2) == 42
        with pytest.raises(TMCLReplyStatusError) as why:
            wire.get_axis_parameter(99, 0)
        assert why.value.error_description == "Wrong Type"


def test_pis_library_sees_a_controller_that_it_knows() -> None:
    python = environment("pipython", "pipython==2.11.0.6")
    with simulator("pi-gcs2", "--axes", "2") as process:
        host, port = process.address("tcp")
        told = subprocess.run(
            [python, PI_PROGRAM, host, str(port)], capture_output=True, text=True, timeout=60, check=False
        )
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == {
        "model": "C-884.4DC", "axes": ["1", "2"], "unready": 5, "referenced": {"1": True, "2": True},
        "there": {"1": 10.0, "2": 5.0}, "ready": True, "beyond": 7, "too_fast": 8, "no_axis": 15, "halted": True,
        "stopped": True,
    }  # fmt: skip


def waited(until: Callable[[], bool]) -> None:
    """Wait until something is so, five seconds at most."""
    deadline_s = time.monotonic() + 5.0
    while not until():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


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


async def test_a_reference_from_before_is_none_where_nothing_was_looked_for(controller: Simulator) -> None:
    async with gantry(controller) as axis:
        await axis.home(within_s=5)
        do(controller, {"do": "ignore"})
        with pytest.raises(MotionError, match="took the command to home and does not move"):
            await axis.home(within_s=5)


@pytest.mark.parametrize("kind", ["late", "hang-up"])
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


async def test_a_simulated_camera_turns_with_the_motor_of_a_simulated_controller() -> None:
    listener = Listener("127.0.0.1")
    tell = f"axis=gantry,motor=1,per_unit=-1000,zero=360,to={listener.url}"
    with closing(listener), simulator("tmcl", "--axes", "1", "--tell", tell) as process:
        async with instrument(process, "tmcl") as it:
            limits = AxisLimits("deg", 0.0, 360.0, 40.0, 0.05)
            axis = DrivenAxis("gantry", limits, ProfiledDrive(it, "0", Steps(-1000.0, 360.0)))
            await axis.home(within_s=5)
            moving = asyncio.create_task(axis.move_to(330.0, speed=20.0))
            on_the_way = []
            while not moving.done():
                sample = await axis.sample()
                heard = listener.axes.place("gantry", sample.monotonic_s * 1e9, math.nan)
                on_the_way.append(abs(heard - sample.position))
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.1)
        assert listener.axes.place("gantry", time.monotonic_ns(), math.nan) == pytest.approx(330.0)
    assert sorted(on_the_way)[len(on_the_way) // 2] < 2.0
    assert listener.axes.wrong == 0
