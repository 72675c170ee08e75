"""What an axis does when whoever moves or stops it gives up, or a cancellation is swallowed: it stops all the same."""

from __future__ import annotations

import asyncio

import pytest
from support_motion import BED, bed
from support_virtual import VirtualLoop, virtually

from daq.devices.abilities import Sample
from daq.devices.simulated.axes import SimulatedBed
from daq.devices.simulated.wire import Wire
from daq.errors import MotionError


def test_a_driver_that_swallows_its_cancellation_holds_nobody_up() -> None:
    async def main(loop: VirtualLoop) -> None:
        axis = bed(loop)
        move = asyncio.create_task(axis.move_to(1900.0))
        await asyncio.sleep(2.0)
        axis.drive.line.delay_s, axis.drive.line.stubborn = 20.0, True
        await asyncio.sleep(0.1)
        begun_s = loop.time()
        move.cancel()
        with pytest.raises(MotionError, match="not confirmed"):
            await move

        assert loop.time() - begun_s <= 1.1
        assert not axis.drive.is_moving()

    virtually(main)


class Swallowing(SimulatedBed):
    """Loses cancellations on its way, as `asyncio.wait_for` can on Python 3.11."""

    swallowed = 0

    async def _patient_sample(self) -> Sample:
        try:
            await asyncio.sleep(0.2)
        except asyncio.CancelledError:
            self.swallowed += 1
        return await super()._patient_sample()


def test_a_swallowed_cancellation_is_found_and_the_axis_stops() -> None:
    async def main(loop: VirtualLoop) -> None:
        axis = Swallowing("bed", BED, clock=loop.time, at=100.0)
        move = asyncio.create_task(axis.move_to(1900.0))
        await asyncio.sleep(2.11)
        move.cancel()
        with pytest.raises(asyncio.CancelledError):
            await move

        assert axis.swallowed == 1
        assert not axis.drive.is_moving()
        assert axis.drive.true_place() < 200.0

    virtually(main)


def test_a_deadline_whose_cancellation_is_swallowed_is_kept() -> None:
    async def main(loop: VirtualLoop) -> None:
        axis = Swallowing("bed", BED, clock=loop.time, at=100.0)
        with pytest.raises(MotionError, match=r"in 2\.1 s; stopped at"):
            await axis.move_to(1900.0, within_s=2.1)

        assert axis.swallowed == 1
        assert not axis.drive.is_moving()

    virtually(main)


def test_a_cancellation_that_comes_while_a_failed_move_stops_is_not_lost() -> None:
    async def main(loop: VirtualLoop) -> None:
        axis = bed(loop)
        move = asyncio.create_task(axis.move_to(1900.0))
        await asyncio.sleep(2.0)
        axis.drive.line.state = Wire.MUTE
        await asyncio.sleep(1.2)
        axis.drive.line.state = Wire.GOOD
        move.cancel()
        with pytest.raises(asyncio.CancelledError):
            await move

        assert not axis.drive.is_moving()

    virtually(main)


def test_a_cancellation_of_whoever_asks_for_a_stop_does_not_stop_the_stop() -> None:
    async def main(loop: VirtualLoop) -> None:
        axis = bed(loop)
        move = asyncio.create_task(axis.move_to(1900.0))
        await asyncio.sleep(2.0)
        stop = asyncio.create_task(axis.stop())
        await asyncio.sleep(0)
        stop.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stop
        assert axis.last_halt is not None
        with pytest.raises(MotionError):
            await move

    virtually(main)


def test_a_loop_that_shuts_down_stops_the_axis_on_its_way_out() -> None:
    loop = VirtualLoop()
    axis = bed(loop)

    async def main() -> None:
        task = asyncio.create_task(axis.move_to(1900.0), name="a move nobody waits for")
        await asyncio.sleep(2.0)
        task.cancel()
        await asyncio.sleep(0.001)  # its stop is under way

    loop.run_until_complete(main())
    assert axis.drive.line.state is Wire.GOOD
    loop.end()

    assert axis.last_halt is not None
    assert not axis.drive.is_moving()
