"""The motion engine: who may move what when, what ends a movement, and what is said about it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pytest
from support_motion import AlarmList, Gantry, begun, with_gantry
from support_virtual import VirtualLoop, virtually

from daq.devices.simulated.wire import Wire
from daq.errors import InterlockError, LimitError, MissingError, MotionError, RefusedError, ScandaqError
from daq.model.station import Reading, payload
from daq.services.bus import Bus
from daq.services.motion import InterlockWatch, MotionEngine
from daq.state.enable import Button, Enable, Motion, Reference

# Moving


@pytest.mark.parametrize(("order", "seconds"), [("one_by_one", 20 + 30), ("together", 30)])
def test_axes_go_one_by_one_or_together(order: Any, seconds: float) -> None:
    async def body(gantry: Gantry) -> None:
        gantry.keep_holding()
        begun_s = gantry.loop.time()
        await gantry.engine.position({"bed": 500.0, "gantry": 90.0}, order=order)

        assert gantry.loop.time() - begun_s == pytest.approx(seconds, abs=0.5)
        assert await gantry.engine.is_at({"bed": 500.0, "gantry": 90.0})
        assert not await gantry.engine.is_at({"bed": 400.0})
        assert not gantry.engine.moving

    with_gantry(body)


def test_a_sweep_under_a_latched_enable_tells_where_it_is_all_the_way() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.engine.latch()
        await gantry.engine.sweep("bed", 100.0, 200.0, 10.0)

        places = [each.position for each in gantry.heard if each.axis == "bed"]
        times = [each.monotonic_ns for each in gantry.heard]
        assert places[0] == pytest.approx(100.0, abs=1.0)
        assert places[-1] == 200.0
        assert places == sorted(places)
        assert times == sorted(times)
        assert max(after - before for before, after in itertools.pairwise(times)) <= 100_000_000

    with_gantry(body)


def test_steps_of_a_protocol_go_under_the_latched_enable_and_positioning_does_not() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.engine.latch()
        with pytest.raises(InterlockError, match="positioning needs the enable held, it is latched"):
            await gantry.engine.position({"gantry": 6.0})
        await gantry.engine.position({"gantry": 6.0}, motion=Motion.STEP)
        with pytest.raises(RefusedError, match="sweep is no way"):
            await gantry.engine.position({"gantry": 6.0}, motion=Motion.SWEEP)

        assert gantry.head.drive.true_place() == 6.0

    with_gantry(body)


def test_a_latch_that_was_given_for_one_exam_is_dropped_with_it_and_a_hand_on_the_enable_is_not() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.engine.latch()
        gantry.engine.unlatch("the acquisition has ended")
        assert gantry.engine.enable.button is Button.OFF
        gantry.engine.hold()
        gantry.engine.unlatch("the patient is off the bed")
        assert gantry.engine.enable.button is Button.HELD
        gantry.engine.release()

    with_gantry(body)


def test_what_cannot_be_is_refused_before_anything_moves() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.keep_holding()
        engine = gantry.engine
        with pytest.raises(MissingError, match="no axis 'arm'; there are: bed, gantry"):
            await engine.position({"bed": 500.0, "arm": 1.0})
        with pytest.raises(LimitError, match="gantry cannot go to 400 deg: its limits are -10 to 370"):
            await engine.position({"bed": 500.0, "gantry": 400.0})
        with pytest.raises(LimitError, match=r"20\.1 mm/s"):
            await engine.sweep("bed", 100.0, 200.0, 20.1)
        with pytest.raises(RefusedError, match="does not say which end of gantry"):
            await engine.retreat("gantry")
        await engine.position({})

        assert gantry.bed.drive.true_place() == 100.0
        assert gantry.losses == []

    with_gantry(body)


def test_one_movement_at_a_time() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.keep_holding()
        move = await begun(gantry, gantry.engine.position({"bed": 500.0}))
        with pytest.raises(RefusedError, match="axes are busy: move bed to 500 mm"):
            await gantry.engine.position({"gantry": 90.0})
        await move

    with_gantry(body)


def test_where_one_of_two_fails_the_other_stops_too() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.keep_holding()
        both = gantry.engine.position({"bed": 1500.0, "gantry": 300.0}, order="together")
        move = await begun(gantry, both)
        gantry.head.drive.stall()
        with pytest.raises(MotionError, match="gantry stands at"):
            await move

        assert not gantry.anything_moves()

    with_gantry(body)


# Stopping


def test_stop_motion_stops_everything_in_time_and_reports_it() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.keep_holding()
        move = await begun(gantry, gantry.engine.position({"bed": 1500.0, "gantry": 300.0}, order="together"))
        report = await gantry.engine.stop_motion()
        with pytest.raises(MotionError, match="stopped on request"):
            await move

        assert report.ok
        assert report.stands
        assert report.wire_s is not None
        assert report.wire_s <= 0.25
        assert report.halted_s is not None
        assert report.halted_s <= 1.0
        assert [stop.overtravel for stop in report.axes] == [pytest.approx(0.4), pytest.approx(0.06)]
        assert asdict(report)["axes"][0]["axis"] == "bed"
        assert not gantry.engine.moving
        assert gantry.engine.enable == Enable(Button.SPENT, Reference.CONFIRMED)
        assert gantry.losses == []
        assert gantry.alarms.raised == []

    with_gantry(body)


@pytest.mark.parametrize("reference", Reference)
@pytest.mark.parametrize("button", Button)
def test_stop_motion_is_allowed_in_every_state_of_the_enable(button: Button, reference: Reference) -> None:
    async def body(gantry: Gantry) -> None:
        gantry.engine.unattended = True
        assert (await gantry.engine.stop_motion()).ok

    with_gantry(body, enable=Enable(button, reference))


def test_many_stops_at_once_and_a_caller_who_gives_up_are_no_matter() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.engine.latch()
        move = await begun(gantry, gantry.engine.sweep("bed", 100.0, 1000.0, 10.0))
        stops = [asyncio.create_task(gantry.engine.stop_motion()) for _ in range(20)]
        await asyncio.sleep(0)
        stops[0].cancel()
        results = await asyncio.gather(*stops, return_exceptions=True)
        with pytest.raises(MotionError):
            await move

        assert isinstance(results[0], asyncio.CancelledError)
        assert [result.ok for result in results[1:] if not isinstance(result, BaseException)] == [True] * 19

    with_gantry(body)


def test_one_mute_axis_does_not_delay_the_stop_of_the_other_and_raises_an_alarm() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.keep_holding()
        move = await begun(gantry, gantry.engine.position({"bed": 1500.0, "gantry": 300.0}, order="together"))
        gantry.head.drive.line.state = Wire.MUTE
        begun_s = gantry.loop.time()
        stop = asyncio.create_task(gantry.engine.stop_motion())
        await asyncio.sleep(0.1)
        assert not gantry.bed.drive.is_moving()
        report = await stop
        with pytest.raises(MotionError):
            await move

        assert gantry.loop.time() - begun_s <= 1.5
        assert not report.ok
        assert not report.stands
        assert [stop.stands for stop in report.axes] == [True, False]
        assert "gantry is not confirmed to stand 1 s after a stop" in report.text
        assert gantry.engine.moving
        alarm = next(alarm for alarm in gantry.alarms.raised if alarm.name == "not-halted")
        assert (alarm.device, alarm.priority) == ("gantry", "high")
        assert "emergency stop" in alarm.guidance
        assert gantry.engine.enable.reference is Reference.LOST

        gantry.head.drive.line.state = Wire.GOOD
        again = await gantry.engine.stop_motion()
        assert again.ok
        assert ("gantry", "not-halted") in gantry.alarms.cleared
        assert not gantry.engine.moving

    with_gantry(body)


def test_who_gives_up_waiting_for_a_stop_does_not_lose_its_alarm() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.head.drive.line.state = Wire.MUTE
        stop = asyncio.create_task(gantry.engine.stop_motion())
        await asyncio.sleep(0.1)
        stop.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stop

        assert "not-halted" in gantry.alarms.names()
        gantry.head.drive.line.state = Wire.GOOD
        assert (await gantry.engine.stop_motion()).ok

    with_gantry(body)


def test_too_long_a_way_to_a_stop_is_told_and_takes_trust_away() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.bed.drive.stop_lag_s = 0.3
        gantry.engine.latch()
        move = await begun(gantry, gantry.engine.sweep("bed", 100.0, 1000.0, 20.0))
        report = await gantry.engine.stop_motion()
        with pytest.raises(MotionError):
            await move

        assert report.stands
        assert not report.ok
        assert report.text == "bed went on for 6 mm, 2 is allowed"
        assert "overtravel" in gantry.alarms.names()
        assert gantry.engine.enable.reference is Reference.LOST
        assert len(gantry.losses) == 1

    with_gantry(body)


@pytest.mark.parametrize("times", [1, 7])
def test_a_cancelled_caller_leaves_nothing_moving(times: int) -> None:
    async def body(gantry: Gantry) -> None:
        gantry.keep_holding()
        move = await begun(gantry, gantry.engine.position({"bed": 1500.0, "gantry": 300.0}, order="together"))
        for _ in range(times):
            move.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await move

        assert not gantry.anything_moves()
        assert not gantry.engine.moving
        assert gantry.losses == []

    with_gantry(body)


# The envelope


def too_near(places: Mapping[str, float]) -> str | None:
    """The gantry may only turn with the bed out of it."""
    near = places["bed"] > 800.0 and 20.0 < places["gantry"] < 160.0
    return "the heads would touch the bed" if near else None


def test_a_way_that_leaves_the_collision_envelope_is_refused_though_its_ends_are_inside() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.keep_holding()
        await gantry.engine.position({"bed": 1000.0})
        with pytest.raises(LimitError, match=r"leaves the collision envelope at bed 1000, gantry .*: the heads would"):
            await gantry.engine.position({"gantry": 180.0})
        with pytest.raises(LimitError, match="envelope"):
            await gantry.engine.position({"gantry": 180.0, "bed": 500.0})
        await gantry.engine.position({"bed": 500.0, "gantry": 180.0})

        assert gantry.losses == []

    with_gantry(body, envelope=too_near)


def test_an_axis_that_leaves_the_envelope_on_its_way_is_stopped() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.keep_holding()
        task = gantry.engine.position({"bed": 700.0, "gantry": 90.0}, order="together")
        gantry.head.drive.drag(0.9)
        move = await begun(gantry, task)
        moved_in.add("x")
        with pytest.raises(MotionError, match="left the collision envelope: something came in between"):
            await move

        assert len(gantry.losses) == 1

    moved_in: set[str] = set()
    with_gantry(body, envelope=lambda _: "something came in between" if moved_in else None)


# What is said


def test_the_enable_is_announced_and_the_figures_are_plain_data() -> None:
    async def body(gantry: Gantry) -> None:
        said: list[tuple[str, object]] = []
        with gantry.bus.listening(
            lambda it: said.append((it.name, it.value)) if isinstance(it, Reading) and it.device == "motion" else None
        ):
            gantry.engine.latch()
            gantry.engine.latch()
            gantry.engine.lose("test")
        figures = gantry.engine.figures()

        assert ("enable", "latched") in said
        assert said[-1] == ("reference", "lost")
        assert len(said) == 4
        assert figures["reference"] == "lost"
        assert figures["axes"]["bed"]["unit"] == "mm"

    with_gantry(body)


def test_a_station_without_axes_can_be_stopped_and_confirmed() -> None:
    async def main(loop: VirtualLoop) -> None:
        bus = Bus()
        engine = MotionEngine(
            {}, InterlockWatch({}, bus), Enable(reference=Reference.LOST), bus, AlarmList(), clock=loop.time
        )
        assert (await engine.stop_motion()).text == "there are no axes"
        assert await engine.is_at({})
        engine.confirm(identity=True, position=True)
        assert engine.enable.reference is Reference.CONFIRMED

    virtually(main)


def test_every_error_of_the_engine_is_one_of_ours_and_readings_can_be_sent() -> None:
    async def body(gantry: Gantry) -> None:
        async def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError("driver")

        gantry.bed.move_to = broken  # type: ignore[method-assign]
        gantry.keep_holding()
        with pytest.raises(ScandaqError, match="unexpected ZeroDivisionError: driver"):
            await gantry.engine.position({"bed": 500.0})
        assert all(payload(said) for said in gantry.bus.newest())

    with_gantry(body)
