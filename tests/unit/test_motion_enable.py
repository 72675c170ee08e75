"""The enable in the room: what it lets move, what takes it away, and the button it comes of."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support_motion import Gantry, begun, with_gantry

from daq.errors import InterlockError, MotionError, RefusedError, TransitionRefusedError, UsageError
from daq.services.motion.button import RoomButton
from daq.state.enable import Button, Enable, Motion, Reference


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
