"""The motion engine: who may move what when, what ends a movement, and what is said about it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict
from typing import Any

import pytest
from support_motion import AlarmList, Gantry
from support_virtual import VirtualLoop, virtually

from daq.devices.simulated.wire import Wire
from daq.errors import (
    InterlockError,
    LimitError,
    MissingError,
    MotionError,
    RefusedError,
    ScandaqError,
    TransitionRefusedError,
    UsageError,
)
from daq.model.station import Reading, payload
from daq.services.bus import Bus
from daq.services.motion import InterlockWatch, MotionEngine
from daq.services.motion.button import RoomButton
from daq.state.enable import Button, Enable, Motion, Reference


def with_gantry(body: Callable[[Gantry], Coroutine[Any, Any, None]], **more: Any) -> None:
    async def main(loop: VirtualLoop) -> None:
        gantry = Gantry(loop, **more)
        await gantry.ready()
        await body(gantry)
        assert not gantry.anything_moves()

    virtually(main)


async def begun(gantry: Gantry, movement: Coroutine[Any, Any, Any], after_s: float = 2.0) -> asyncio.Task[Any]:
    """Return the movement as a task once it is under way."""
    task = asyncio.create_task(movement)
    await asyncio.sleep(after_s)
    assert gantry.anything_moves()
    assert gantry.engine.moving
    return task


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


# The enable


def test_without_the_enable_nothing_moves_and_the_reason_says_what_is_missing() -> None:
    async def body(gantry: Gantry) -> None:
        engine = gantry.engine
        for movement in (engine.position({"bed": 500.0}), engine.home(), engine.retreat("bed")):
            with pytest.raises(InterlockError, match="needs the enable held, it is off"):
                await movement
        gantry.keep_holding()
        with pytest.raises(InterlockError, match="sweep needs the enable latched, it is held"):
            await engine.sweep("bed", 100.0, 200.0, 10.0)

        assert gantry.bed.drive.true_place() == 100.0

    with_gantry(body)


def test_a_hold_that_is_not_renewed_stops_what_it_moved() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.keep_holding()
        move = await begun(gantry, gantry.engine.position({"bed": 1000.0}))
        gantry.let_go()
        let_go_at = gantry.bed.drive.true_place()
        with pytest.raises(MotionError, match="enable was taken away: hold_expired"):
            await move

        assert gantry.bed.drive.true_place() - let_go_at <= 20.0 * (0.5 + 0.1)
        assert gantry.engine.enable == Enable(Button.OFF, Reference.CONFIRMED)
        assert gantry.losses == []

    with_gantry(body)


def test_a_latch_needs_nobody_to_hold_and_a_release_ends_the_sweep() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.engine.latch()
        with pytest.raises(TransitionRefusedError, match="release it first"):
            gantry.engine.hold()
        move = await begun(gantry, gantry.engine.sweep("bed", 100.0, 1000.0, 10.0), after_s=30.0)
        gantry.engine.release()
        with pytest.raises(MotionError, match="release"):
            await move

        assert gantry.losses == []

    with_gantry(body)


def test_unattended_nothing_moves_and_what_moves_stops() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.engine.latch()
        move = await begun(gantry, gantry.engine.sweep("bed", 100.0, 1000.0, 10.0))
        gantry.engine.unattended = True
        with pytest.raises(MotionError, match="nobody attends"):
            await move
        for press in (gantry.keep_holding, gantry.engine.latch):
            gantry.let_go()
            gantry.engine.release()
            press()
            for movement in (
                gantry.engine.position({"bed": 500.0}), gantry.engine.sweep("bed", 100.0, 200.0, 1.0),
                gantry.engine.home(), gantry.engine.retreat("bed"),
                gantry.engine.position({"bed": 1.0}, motion=Motion.STEP),
            ):  # fmt: skip
                with pytest.raises(InterlockError, match="nobody attends"):
                    await movement
        report = await gantry.engine.stop_motion()
        assert report.ok

    with_gantry(body)


def test_a_patient_who_moves_stops_the_axes_and_has_to_be_confirmed_again() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.engine.latch()
        move = await begun(gantry, gantry.engine.sweep("bed", 100.0, 1000.0, 10.0))
        gantry.engine.patient_moved()
        with pytest.raises(MotionError, match="patient_moved"):
            await move
        with pytest.raises(TransitionRefusedError, match="confirm identity and position"):
            gantry.engine.latch()
        with pytest.raises(RefusedError, match="both identity and position"):
            gantry.engine.confirm(identity=True, position=False)
        gantry.engine.confirm(identity=True, position=True)
        gantry.engine.latch()

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


# Losing


LOSSES: dict[str, tuple[Callable[[Gantry], None], str]] = {
    "stall": (lambda g: g.bed.drive.stall(), "bed stands at"),
    "mute": (lambda g: setattr(g.bed.drive.line, "state", Wire.MUTE), "bed"),
    "cut wire": (lambda g: setattr(g.bed.drive.line, "state", Wire.CUT), "bed"),
    "emergency stop": (lambda g: g.chain.press_emergency_stop(), "emergency"),
    "pad": (lambda g: g.chain.hit_pad(), "pad"),
    "power": (lambda g: g.bed.drive.cut_power(), "power"),
}


@pytest.mark.parametrize("cause", LOSSES)
def test_motion_that_is_lost_is_told_once_and_nothing_resumes_by_itself(cause: str) -> None:
    async def body(gantry: Gantry) -> None:
        lose, says = LOSSES[cause]
        gantry.engine.latch()
        sweep = await begun(gantry, gantry.engine.sweep("bed", 100.0, 1900.0, 20.0))
        lose(gantry)
        with pytest.raises(MotionError):
            await sweep
        await asyncio.sleep(3.0)

        assert len(gantry.losses) == 1
        assert says in gantry.losses[0].text
        assert gantry.losses[0].was_moving
        assert "bed" in gantry.losses[0].axes
        assert "motion-lost" in gantry.alarms.names()
        assert gantry.engine.enable == Enable(Button.OFF, Reference.LOST)
        with pytest.raises(TransitionRefusedError, match="home the axes"):
            gantry.engine.latch()
        gantry.keep_holding()
        with pytest.raises(InterlockError, match="home the axes, then confirm"):
            await gantry.engine.position({"bed": 500.0})
        with pytest.raises(RefusedError, match="must be homed first"):
            gantry.engine.confirm(identity=True, position=True)

    with_gantry(body)


def repair(gantry: Gantry) -> None:
    gantry.bed.drive.free()
    gantry.bed.drive.line.state = Wire.GOOD
    gantry.chain.reset_emergency_stop()
    gantry.chain.free_pad()
    gantry.bed.drive.restore_power()


@pytest.mark.parametrize("cause", LOSSES)
def test_after_a_loss_it_is_stopped_homed_confirmed_and_pressed_again(cause: str) -> None:
    async def body(gantry: Gantry) -> None:
        gantry.engine.latch()
        sweep = await begun(gantry, gantry.engine.sweep("bed", 100.0, 1900.0, 20.0))
        LOSSES[cause][0](gantry)
        with pytest.raises(MotionError):
            await sweep
        await asyncio.sleep(1.5)
        repair(gantry)
        assert (await gantry.engine.stop_motion()).stands
        await asyncio.sleep(0.7)

        gantry.keep_holding()
        await gantry.engine.home("bed")
        assert gantry.engine.enable.reference is Reference.LOST
        with pytest.raises(RefusedError, match="gantry must be homed first"):
            gantry.engine.confirm(identity=True, position=True)
        await gantry.engine.home("gantry")
        assert gantry.engine.enable.reference is Reference.HOMED
        await gantry.engine.position({"bed": 300.0})
        gantry.let_go()
        await asyncio.sleep(1.0)
        with pytest.raises(TransitionRefusedError, match="confirm identity and position"):
            gantry.engine.latch()
        gantry.engine.confirm(identity=True, position=True)
        gantry.engine.latch()
        await gantry.engine.sweep("bed", 300.0, 400.0, 20.0)

        assert len(gantry.losses) == 1
        assert ("motion", "motion-lost") in gantry.alarms.cleared

    with_gantry(body)


def test_an_emergency_stop_while_nothing_moves_takes_trust_away_too() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.chain.press_emergency_stop()
        await asyncio.sleep(0.7)

        assert [loss.was_moving for loss in gantry.losses] == [False]
        assert gantry.engine.enable.reference is Reference.LOST

    with_gantry(body)


def test_an_axis_that_lost_its_reference_while_nobody_looked_is_power_that_was_lost() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.bed.drive.cut_power()
        gantry.bed.drive.restore_power()  # faster than the interlocks are read
        gantry.keep_holding()
        with pytest.raises(RefusedError, match="home it first"):
            await gantry.engine.position({"bed": 500.0})

        assert len(gantry.losses) == 1
        assert gantry.engine.enable.reference is Reference.LOST

    with_gantry(body)


def test_interlocks_that_nobody_reads_any_more_end_the_movement() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.engine.latch()
        sweep = await begun(gantry, gantry.engine.sweep("bed", 100.0, 1900.0, 10.0))
        await gantry.stop_watching()
        at = gantry.bed.drive.true_place()
        with pytest.raises(MotionError, match=r"was read .* s ago, at most 0\.5 s is fresh"):
            await sweep

        assert gantry.bed.drive.true_place() - at <= 10.0 * 0.7
        assert gantry.engine.enable.button is Button.OFF
        gantry.engine.latch()
        with pytest.raises(InterlockError, match="is fresh"):
            await gantry.engine.sweep("bed", 100.0, 1900.0, 10.0)

    with_gantry(body)


def test_retreat_works_in_a_fault_goes_away_only_and_ends_when_the_thumb_goes() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.engine.latch()
        sweep = await begun(gantry, gantry.engine.sweep("bed", 100.0, 1900.0, 20.0), after_s=30.0)
        gantry.chain.hit_pad()
        with pytest.raises(MotionError):
            await sweep
        before = gantry.bed.drive.true_place()
        with pytest.raises(InterlockError, match="enable held"):
            await gantry.engine.retreat("bed")
        gantry.keep_holding()
        retreat = await begun(gantry, gantry.engine.retreat("bed", speed=10.0), after_s=3.0)
        gantry.engine.release()
        at = await retreat

        assert before - at == pytest.approx(30.0, abs=2.0)
        gantry.let_go()
        gantry.keep_holding()
        assert await gantry.engine.retreat("bed") == 0.0
        assert len(gantry.losses) == 1

    with_gantry(body)


def test_a_daemon_that_was_restarted_while_axes_moved_starts_without_trust() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.keep_holding()
        with pytest.raises(InterlockError, match="home the axes"):
            await gantry.engine.position({"bed": 500.0})
        await gantry.engine.home()
        gantry.engine.confirm(identity=True, position=True)
        await gantry.engine.position({"bed": 500.0})

    with_gantry(body, enable=Enable(reference=Reference.LOST))


def test_a_listener_that_fails_does_not_keep_axes_moving() -> None:
    async def body(gantry: Gantry) -> None:
        def fails(_: object) -> None:
            raise ZeroDivisionError

        gantry.engine.on_lost = fails
        gantry.engine.latch()
        sweep = await begun(gantry, gantry.engine.sweep("bed", 100.0, 1900.0, 10.0))
        gantry.engine.lose("somebody pulled the plug")
        with pytest.raises(MotionError, match="pulled the plug"):
            await sweep

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


def test_a_thumb_that_stays_on_the_button_resumes_nothing_after_a_stop() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.keep_holding()
        move = await begun(gantry, gantry.engine.position({"bed": 1000.0}))
        await gantry.engine.stop_motion()
        with pytest.raises(MotionError):
            await move
        await asyncio.sleep(2.0)
        with pytest.raises(InterlockError, match="it is spent: let it go and press again"):
            await gantry.engine.position({"bed": 1000.0})
        gantry.let_go()
        await asyncio.sleep(0.6)
        gantry.keep_holding()
        await gantry.engine.position({"bed": 200.0})

    with_gantry(body)


def test_the_button_of_a_simulated_room_is_held_for_as_long_as_it_is_told() -> None:
    async def body(gantry: Gantry) -> None:
        button = RoomButton(gantry.engine)
        button.simulate("hold", 30)
        await gantry.engine.position({"bed": 300.0})
        move = await begun(gantry, gantry.engine.position({"bed": 1900.0}))
        with pytest.raises(MotionError, match="release"):
            await move
        assert gantry.bed.drive.true_place() == pytest.approx(300.0 + 20 * 20.0, abs=5.0)

        button.simulate("hold")
        assert gantry.engine.enable.button is Button.HELD
        button.simulate("latch")
        assert gantry.engine.enable.button is Button.LATCHED
        button.simulate("release")
        button.simulate("hold", 60)
        gantry.engine.latch()
        await asyncio.sleep(1.0)
        assert gantry.engine.enable.button is Button.LATCHED
        button.simulate("release")
        assert gantry.engine.enable.button is Button.OFF

    with_gantry(body)


def test_a_new_hold_is_a_new_press_after_a_stop() -> None:
    async def body(gantry: Gantry) -> None:
        button = RoomButton(gantry.engine)
        button.simulate("hold", 60)
        await asyncio.sleep(1.0)
        await gantry.engine.stop_motion()
        assert gantry.engine.enable.button is Button.SPENT
        await asyncio.sleep(1.0)
        assert gantry.engine.enable.button is Button.SPENT
        button.simulate("hold", 60)
        await gantry.engine.position({"bed": 200.0})

    with_gantry(body)


@pytest.mark.parametrize(
    ("action", "value", "says"),
    [
        ("dance", None, "the enable knows hold, latch, release; not 'dance'"),
        ("latch", 3, "latch: takes no value, not 3"),
        ("hold", "long", "seconds, above 0 and at most 600, not 'long'"),
        ("hold", True, "not True"),
        ("hold", -1, "not -1"),
        ("hold", 601, "not 601"),
    ],
)
def test_a_button_that_is_pressed_wrongly_says_how(action: str, value: Any, says: str) -> None:
    async def body(gantry: Gantry) -> None:
        with pytest.raises(UsageError, match=says):
            RoomButton(gantry.engine).simulate(action, value)

    with_gantry(body)
