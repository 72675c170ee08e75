"""What an axis does when its drive, its wire or its caller misbehaves: it stops, and says so; it never just hopes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from support_motion import BED, bed
from support_virtual import VirtualLoop, virtually

from daq.devices.abilities import Identity
from daq.devices.axis import DrivenAxis
from daq.devices.drive import DriveStatus
from daq.devices.simulated.axes import SimulatedBed
from daq.devices.simulated.wire import Wire
from daq.errors import DeadlineError, MotionError, RefusedError, UnreachableError


class Scripted:
    """A drive that says what it was given, and the last thing for ever; it counts its halts."""

    def __init__(self, *says: DriveStatus) -> None:
        self.says: Iterator[DriveStatus] = iter(says)
        self.last = says[0]
        self.halts = 0
        self.failure: Exception | None = None

    async def identify(self) -> Identity:
        return Identity("example", "scripted", "1", "1")

    async def status(self) -> DriveStatus:
        self.last = next(self.says, self.last)
        return self.last

    async def start(self, target: float, speed: float) -> None:
        if self.failure is not None:
            raise self.failure

    async def jog(self, velocity: float) -> None:
        await self.start(0.0, velocity)

    async def start_homing(self) -> None:
        await self.start(0.0, 1.0)

    async def halt(self) -> None:
        self.halts += 1
        finite = self.last.position if math.isfinite(self.last.position) else 101.0
        self.last = replace(self.last, position=finite, moving=False)
        self.says = iter(())


def at(position: float, *, moving: bool = True, velocity: float = 10.0, fault: str = "") -> DriveStatus:
    return DriveStatus(position, velocity if moving else 0.0, moving, True, fault)


REST = at(100.0, moving=False)


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ([REST, at(100.5), at(101), at(math.nan)], "says it is at nan"),
        ([REST, at(100.5), at(2100.0)], "is at 2100 mm, outside of its limits 0 to 2000"),
        ([REST, at(99.0), at(95.0), at(80.0)], "is at 80 mm and moves away from 200, from 100"),
        ([REST, at(150.0)], "went 50 mm in .* s, told to move at 20 mm/s"),
        ([REST, at(101.0), at(102.0, fault="servo error 17")], "stopped at 102 mm: servo error 17"),
        ([REST, at(101.0), *[at(102.0, moving=False)] * 100], "came to rest at 102 mm by itself"),
        ([REST, *[REST] * 100], "stands at 100 mm: its controller took the command to go to .* and does not move"),
        ([REST, at(101.0), *[at(102.0)] * 100], "stands at 102 mm for .* s, told to go to 200"),
    ],
    ids=["no number", "outside", "wrong way", "too fast", "fault", "stopped by itself", "never began", "stalled"],
)
def test_what_should_not_happen_on_the_way_stops_the_axis(says: list[DriveStatus], why: str) -> None:
    drive = Scripted(*says)

    async def main(loop: VirtualLoop) -> None:
        axis = DrivenAxis("bed", BED, drive, clock=loop.time)
        with pytest.raises(MotionError, match=f"^bed {why}"):
            await axis.move_to(200.0)

    virtually(main)
    assert drive.halts >= 1


def test_a_controller_that_says_it_stands_while_its_encoder_runs_is_not_believed() -> None:
    async def main(loop: VirtualLoop) -> None:
        drive = Scripted(REST)
        drive.halt = drive.identify  # type: ignore[method-assign, assignment]
        drive.says = iter(at(100.0 + step, moving=False) for step in range(1000))
        axis = DrivenAxis("bed", BED, drive, clock=loop.time)
        with pytest.raises(MotionError, match="bed is not confirmed to stand"):
            await axis.stop()

        assert axis.doubtful

    virtually(main)


def test_a_fault_before_the_start_is_a_refusal_and_nothing_is_sent() -> None:
    drive = Scripted(at(100.0, moving=False, fault="brake open"))

    async def main(loop: VirtualLoop) -> None:
        with pytest.raises(RefusedError, match="bed cannot move: brake open"):
            await DrivenAxis("bed", BED, drive, clock=loop.time).move_to(200.0)

    virtually(main)
    assert drive.halts == 0


def test_a_driver_that_raises_something_odd_is_stopped_all_the_same() -> None:
    drive = Scripted(REST)
    drive.failure = OSError("bad file descriptor")

    async def main(loop: VirtualLoop) -> None:
        with pytest.raises(OSError, match="bad file descriptor"):
            await DrivenAxis("bed", BED, drive, clock=loop.time).move_to(200.0)

    virtually(main)
    assert drive.halts >= 1


def test_a_stalled_axis_is_stopped_and_a_slow_one_does_not_pass_for_a_sweep() -> None:
    async def main(loop: VirtualLoop) -> None:
        axis = bed(loop)
        axis.drive.drag(0.5)
        with pytest.raises(MotionError, match="fell behind"):
            await axis.sweep(100.0, 1000.0, speed=10.0)
        assert not axis.drive.is_moving()
        axis.drive.drag(1.0)
        move = asyncio.create_task(axis.move_to(1000.0))
        await asyncio.sleep(3.0)
        axis.drive.stall()
        with pytest.raises(MotionError, match="stands at"):
            await move

    virtually(main)


def test_a_runaway_is_stopped() -> None:
    async def main(loop: VirtualLoop) -> None:
        axis = bed(loop)
        axis.drive.drag(2.0)
        begun_s = loop.time()
        with pytest.raises(MotionError, match="told to move at 20 mm/s"):
            await axis.move_to(1900.0)

        assert not axis.drive.is_moving()
        assert loop.time() - begun_s < 3.0

    virtually(main)


def test_one_lost_answer_is_asked_for_again_and_the_move_goes_on() -> None:
    async def main(loop: VirtualLoop) -> None:
        axis = bed(loop)
        move = asyncio.create_task(axis.move_to(300.0))
        await asyncio.sleep(2.0)
        axis.drive.line.state = Wire.MUTE
        await asyncio.sleep(0.3)
        axis.drive.line.state = Wire.GOOD
        await move

        assert axis.drive.true_place() == 300.0

    virtually(main)


def test_a_mute_axis_is_told_to_stop_on_time_and_doubted_until_it_says_that_it_stands() -> None:
    async def main(loop: VirtualLoop) -> None:
        axis = bed(loop)
        move = asyncio.create_task(axis.move_to(1000.0))
        await asyncio.sleep(2.0)
        axis.drive.line.state = Wire.MUTE
        with pytest.raises(MotionError, match="not confirmed to stand 1 s after a stop"):
            await move
        assert not axis.drive.is_moving()
        assert axis.doubtful
        assert axis.last_halt is None

        axis.drive.line.state = Wire.GOOD
        with pytest.raises(RefusedError, match="stop it again first"):
            await axis.move_to(200.0)
        await axis.stop()
        await axis.move_to(200.0)
        assert not axis.doubtful

    virtually(main)


def test_with_the_wire_cut_the_controllers_own_watchdog_stops_it() -> None:
    async def main(loop: VirtualLoop) -> None:
        axis = bed(loop)
        move = asyncio.create_task(axis.move_to(1900.0))
        await asyncio.sleep(2.0)
        axis.drive.line.state = Wire.CUT
        cut_at = axis.drive.true_place()
        with pytest.raises(MotionError, match="not confirmed"):
            await move

        await asyncio.sleep(1.0)
        assert not axis.drive.is_moving()
        assert axis.drive.true_place() - cut_at <= BED.max_speed * 1.1

    virtually(main)


def test_a_stop_is_on_the_wire_in_a_quarter_second_though_answers_hang() -> None:
    async def main(loop: VirtualLoop) -> None:
        axis = bed(loop)
        move = asyncio.create_task(axis.move_to(1900.0))
        await asyncio.sleep(2.0)
        axis.drive.line.state = Wire.MUTE
        await asyncio.sleep(0.01)
        before = axis.drive.true_place()
        stop = asyncio.create_task(axis.stop())
        await asyncio.sleep(0.25)
        assert not axis.drive.is_moving()
        assert axis.drive.true_place() - before <= BED.max_speed * 0.25
        with pytest.raises(MotionError, match="not confirmed"):
            await stop
        with pytest.raises(MotionError):
            await move

    virtually(main)


@pytest.mark.parametrize("late_s", [0.3, 1.0, 3.0])
def test_a_start_that_takes_effect_late_is_followed_by_a_stop(late_s: float) -> None:
    async def main(loop: VirtualLoop) -> None:
        axis = bed(loop)
        axis.drive.line.late_s, axis.drive.line.stubborn = late_s, True
        with pytest.raises(DeadlineError, match=r"no answer in 0\.25 s to go to 1900"):
            await axis.move_to(1900.0)
        with pytest.raises(UnreachableError, match="has not answered an earlier command"):
            await axis.move_to(50.0)

        await asyncio.sleep(2 * late_s + 0.2)
        assert not axis.drive.is_moving()
        assert axis.drive.true_place() - 100.0 <= 0.25 * BED.max_speed
        axis.drive.line.late_s = 0.0
        await axis.move_to(50.0)
        assert axis.drive.true_place() == 50.0

    virtually(main)


def test_overtravel_is_measured_and_judged_by_the_profile() -> None:
    async def main(loop: VirtualLoop) -> None:
        limits = replace(BED, max_overtravel=0.3)
        axis = SimulatedBed("bed", limits, clock=loop.time, at=100.0)
        for lag_s, too_far in ((0.01, False), (0.05, True)):
            axis.drive.stop_lag_s = lag_s
            move = asyncio.create_task(axis.move_to(1900.0))
            await asyncio.sleep(2.0)
            halt = await axis.stop()
            with pytest.raises(MotionError):
                await move

            assert halt.overtravel == pytest.approx(lag_s * limits.max_speed, abs=1e-6)
            assert halt.too_far is too_far

    virtually(main)


@pytest.mark.parametrize("action", ["power", "chain", "wire"])
def test_what_hardware_stops_is_seen(action: str) -> None:
    async def main(loop: VirtualLoop) -> None:
        axis = bed(loop)
        acts: dict[str, tuple[Callable[[], None], str]] = {
            "power": (axis.drive.cut_power, "no drive power"),
            "chain": (axis.drive.chain.press_emergency_stop, "emergency stop pressed"),
            "wire": (axis.drive.chain.hit_pad, "collision pad hit"),
        }
        act, why = acts[action]
        move = asyncio.create_task(axis.move_to(1900.0))
        await asyncio.sleep(2.0)
        act()
        with pytest.raises(MotionError, match=why):
            await move
        with pytest.raises(RefusedError):
            await axis.move_to(200.0)

    virtually(main)


def test_after_power_was_lost_it_counts_from_nothing_and_needs_homing() -> None:
    async def main(loop: VirtualLoop) -> None:
        axis = bed(loop)
        axis.drive.cut_power()
        axis.drive.restore_power()
        assert await axis.position() == 0.0
        with pytest.raises(RefusedError, match="home it first"):
            await axis.move_to(200.0)
        await axis.home(within_s=30.0)
        await axis.move_to(200.0)
        assert axis.drive.true_place() == 200.0

    virtually(main)


class Deaf(Scripted):
    """It refuses to halt."""

    async def halt(self) -> None:
        self.halts += 1
        raise RefusedError("driver disabled")


def test_what_refuses_to_halt_is_read_all_the_same() -> None:
    async def main(loop: VirtualLoop) -> None:
        halt = await DrivenAxis("bed", BED, Deaf(REST), clock=loop.time).stop()
        assert (halt.position, halt.wire_s) == (100.0, None)
        moving = DrivenAxis("bed", BED, Deaf(at(100.0)), clock=loop.time)
        with pytest.raises(MotionError, match="it still moves at 100 mm; driver disabled"):
            await moving.stop()
        assert moving.unconfirmed

    virtually(main)
