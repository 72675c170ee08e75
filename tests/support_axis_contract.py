"""What every axis must do, whatever drives it. A driver's tests inherit `AxisContract` and say how to make one.

A rig for hardware overrides `run` with a loop in real time, and gives limits and distances that fit.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import pytest
from support_virtual import VirtualLoop, virtually

from daq.devices.abilities import Axis, Device, Halt, Sample
from daq.errors import LimitError, MotionError, RefusedError


@dataclass(frozen=True)
class Rig:
    """An axis that stands at `begin`, free to move to `end`; `is_moving` and `place` look at it from outside."""

    axis: Axis
    begin: float
    end: float
    is_moving: Callable[[], bool]
    place: Callable[[], float]
    now_s: Callable[[], float]

    @property
    def travel_s(self) -> float:
        return abs(self.end - self.begin) / self.axis.limits.max_speed


Body = Callable[[Rig], Coroutine[Any, Any, None]]


class AxisContract:
    """The tests. `rig` makes an axis; it is called within the loop."""

    def rig(self, loop: VirtualLoop) -> Rig:
        raise NotImplementedError

    def run(self, body: Body) -> None:
        async def main(loop: VirtualLoop) -> None:
            rig = self.rig(loop)
            await body(rig)
            assert not rig.is_moving()

        virtually(main)

    def test_it_is_an_axis_and_can_be_asked_like_any_device(self) -> None:
        async def body(rig: Rig) -> None:
            assert isinstance(rig.axis, Axis)
            assert isinstance(rig.axis, Device)
            assert (await rig.axis.identify()).model
            (quantity,) = rig.axis.quantities
            assert quantity.unit == rig.axis.unit == rig.axis.limits.unit
            assert await rig.axis.read(quantity.name) == pytest.approx(rig.begin, abs=rig.axis.limits.in_position)
            with pytest.raises(RefusedError, match=rig.axis.name):
                await rig.axis.read("colour")

        self.run(body)

    def test_it_moves_there_and_back_at_no_more_than_its_speed(self) -> None:
        async def body(rig: Rig) -> None:
            begun_s = rig.now_s()
            await rig.axis.move_to(rig.end)
            there = rig.place()
            took_s = rig.now_s() - begun_s
            await rig.axis.move_to(rig.begin, speed=rig.axis.limits.max_speed)

            tolerance = rig.axis.limits.in_position
            assert there == pytest.approx(rig.end, abs=tolerance)
            assert rig.place() == pytest.approx(rig.begin, abs=tolerance)
            assert rig.travel_s - 2 * tolerance / rig.axis.limits.max_speed <= took_s <= 1.5 * rig.travel_s + 2.0

        self.run(body)

    def test_it_refuses_what_lies_outside_of_its_limits_and_stays_where_it_is(self) -> None:
        async def body(rig: Rig) -> None:
            limits = rig.axis.limits
            for target in (limits.minimum - 1e-6, limits.maximum + 1e-6, math.nan, math.inf, -math.inf):
                with pytest.raises(LimitError, match=f"{limits.minimum:g} to {limits.maximum:g}"):
                    await rig.axis.move_to(target)
            for speed in (0.0, -1.0, limits.max_speed * 1.001, math.nan, math.inf):
                with pytest.raises(LimitError, match=f"at most {limits.max_speed:g}"):
                    await rig.axis.move_to(rig.end, speed=speed)
                with pytest.raises(LimitError, match="at most"):
                    await rig.axis.sweep(rig.begin, rig.end, speed=speed)
                with pytest.raises(LimitError, match="at most"):
                    await rig.axis.jog("minimum", speed=speed, within_s=1.0)
            with pytest.raises(LimitError):
                await rig.axis.sweep(rig.begin, limits.maximum + 1.0, speed=limits.max_speed)
            assert rig.place() == rig.begin

        self.run(body)

    def test_a_deadline_that_passes_stops_it(self) -> None:
        async def body(rig: Rig) -> None:
            begun_s = rig.now_s()
            with pytest.raises(MotionError, match=r"did not go to .* in .* s; stopped at"):
                await rig.axis.move_to(rig.end, within_s=rig.travel_s / 3)

            assert not rig.is_moving()
            assert rig.now_s() - begun_s <= rig.travel_s / 3 + 1.0
            assert rig.place() != pytest.approx(rig.end, abs=rig.axis.limits.in_position)

        self.run(body)

    @pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99])
    @pytest.mark.parametrize("times", [1, 5])
    def test_a_cancelled_move_has_stopped_when_its_task_ends(self, part: float, times: int) -> None:
        async def body(rig: Rig) -> None:
            task = asyncio.create_task(rig.axis.move_to(rig.end))
            await asyncio.sleep(part * rig.travel_s)
            for _ in range(times):
                task.cancel()
                await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await task

            assert not rig.is_moving()

        self.run(body)

    def test_a_stop_from_elsewhere_ends_the_move_and_says_how_it_came_to_rest(self) -> None:
        async def body(rig: Rig) -> None:
            task = asyncio.create_task(rig.axis.move_to(rig.end))
            await asyncio.sleep(rig.travel_s / 2)
            halt = await rig.axis.stop()
            with pytest.raises(MotionError, match="was stopped"):
                await task

            assert not rig.is_moving()
            assert halt.wire_s is not None
            assert 0 <= halt.wire_s <= 0.25
            assert halt.halted_s <= 1.0
            assert halt.position == pytest.approx(rig.place(), abs=rig.axis.limits.in_position)
            assert 0 <= halt.overtravel <= rig.axis.limits.max_speed * 0.5
            assert rig.axis.last_halt is not None
            assert not rig.axis.doubtful

        self.run(body)

    def test_a_stop_works_while_it_stands_and_as_often_as_anybody_likes(self) -> None:
        async def body(rig: Rig) -> None:
            halts: list[Halt] = await asyncio.gather(*(rig.axis.stop() for _ in range(5)))

            assert {halt.overtravel for halt in halts} == {0.0}
            assert rig.place() == rig.begin

        self.run(body)

    def test_one_movement_at_a_time(self) -> None:
        async def body(rig: Rig) -> None:
            task = asyncio.create_task(rig.axis.move_to(rig.end))
            await asyncio.sleep(rig.travel_s / 2)
            with pytest.raises(RefusedError, match="busy"):
                await rig.axis.move_to(rig.begin)
            await task

            assert rig.place() == pytest.approx(rig.end, abs=rig.axis.limits.in_position)

        self.run(body)

    def test_a_sweep_is_steady_and_tells_where_it_is(self) -> None:
        async def body(rig: Rig) -> None:
            told: list[Sample] = []
            speed = rig.axis.limits.max_speed / 2
            await rig.axis.sweep(rig.begin, rig.end, speed=speed, sampled=lambda _, sample: told.append(sample))

            gone = [abs(sample.position - rig.begin) for sample in told]
            assert gone == sorted(gone)
            assert len(told) > 10
            middle = told[len(told) // 2]
            due = speed * (middle.monotonic_s - told[0].monotonic_s)
            assert gone[len(told) // 2] == pytest.approx(due, abs=speed * 0.5)

        self.run(body)

    def test_a_sweep_begins_where_it_stands_or_not_at_all(self) -> None:
        async def body(rig: Rig) -> None:
            with pytest.raises(RefusedError, match="needs it there first"):
                await rig.axis.sweep(rig.end, rig.begin, speed=rig.axis.limits.max_speed)

            assert rig.place() == rig.begin

        self.run(body)

    def test_a_cancelled_sweep_has_stopped_when_its_task_ends(self) -> None:
        async def body(rig: Rig) -> None:
            task = asyncio.create_task(rig.axis.sweep(rig.begin, rig.end, speed=rig.axis.limits.max_speed))
            await asyncio.sleep(rig.travel_s / 2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

            assert not rig.is_moving()

        self.run(body)

    def test_it_jogs_to_its_end_and_stops_on_request(self) -> None:
        async def body(rig: Rig) -> None:
            limits = rig.axis.limits
            full_s = (limits.maximum - limits.minimum) / limits.max_speed + 5.0
            at = await rig.axis.jog("minimum", speed=limits.max_speed, within_s=full_s)
            task = asyncio.create_task(rig.axis.jog("maximum", speed=limits.max_speed, within_s=full_s))
            await asyncio.sleep(1.0)
            await rig.axis.stop()
            with pytest.raises(MotionError, match="was stopped"):
                await task

            assert at == pytest.approx(limits.minimum, abs=limits.in_position)
            assert limits.minimum < rig.place() < limits.maximum

        self.run(body)

    def test_it_homes(self) -> None:
        async def body(rig: Rig) -> None:
            limits = rig.axis.limits
            await rig.axis.home(within_s=(limits.maximum - limits.minimum) / limits.max_speed + 5.0)

            assert (await rig.axis.sample()).homed
            assert rig.axis.homed

        self.run(body)

    def test_homing_that_does_not_end_in_time_leaves_it_standing_without_a_reference(self) -> None:
        async def body(rig: Rig) -> None:
            await rig.axis.move_to(rig.end)
            with pytest.raises(MotionError, match="did not home"):
                await rig.axis.home(within_s=0.5)
            with pytest.raises(RefusedError, match="home it first"):
                await rig.axis.move_to(rig.begin)

            assert not rig.is_moving()

        self.run(body)
