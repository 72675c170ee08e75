"""Motion that is lost: told once, nothing resumes by itself, and what it takes to go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from support_motion import Gantry, begun, with_gantry

from daq.devices.simulated.wire import Wire
from daq.errors import InterlockError, MotionError, RefusedError, TransitionRefusedError
from daq.state.enable import Button, Enable, Reference

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
