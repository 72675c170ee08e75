"""What goes wrong with axes on motion controllers: each stops, and says in words what it was, and what helps."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from support_controllers import KINDS, Rigged, at_100, rigged
from support_virtual import VirtualLoop, virtually

from daq.devices.instruments.drive import ProfiledDrive
from daq.devices.instruments.wiring import Wiring
from daq.errors import InterlockError, MotionError, RefusedError, ScandaqError
from device_profiles.control import load_control
from device_profiles.controllers import Controller

every_kind = pytest.mark.parametrize("kind", KINDS)


def on(kind: str, body: Callable[[Rigged], Coroutine[Any, Any, None]]) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with at_100(kind, loop) as rig:
            await body(rig)

    virtually(main)


async def lost(rig: Rigged, deed: str, **said: Any) -> str:
    """Do something while it moves from 100 towards 300 degrees; return why the movement ended."""
    moving = asyncio.create_task(rig.axis.move_to(300.0, speed=20.0))
    await asyncio.sleep(1.0)
    rig.do(deed, **said)
    with pytest.raises(MotionError) as why:
        await moving
    assert rig.motor.velocity == 0
    return str(why.value)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("zaber-ascii", "its controller warns: stalled"),
        ("pi-gcs2", "its servo is off: could not follow"),
        ("tmcl", "it stalled"),
    ],
)
def test_what_stalls_says_so_until_a_person_homes_it(kind: str, words: str) -> None:
    async def body(rig: Rigged) -> None:
        assert re.search(f"gantry stopped at 1[0-9.]+ deg: {words}", await lost(rig, "stall"))
        with pytest.raises(RefusedError, match=f"gantry cannot move: {words}"):
            await rig.axis.move_to(200.0)
        rig.do("free")
        await rig.axis.home(within_s=30.0)
        await rig.axis.move_to(50.0)
        assert rig.place == pytest.approx(50.0, abs=0.05)

    on(kind, body)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("zaber-ascii", "its controller warns: limit switch"),
        ("pi-gcs2", "by itself, not where it should: its upper limit switch is pressed"),
        ("tmcl", "by itself, not where it should: its upper limit switch is pressed"),
    ],
)
def test_a_limit_switch_that_is_met_early_is_named_by_the_end_of_the_axis(kind: str, words: str) -> None:
    async def body(rig: Rigged) -> None:
        assert words in await lost(rig, "limit", at=rig.kind.steps.out(130.0))
        assert rig.place == pytest.approx(130.0, abs=0.05)

    on(kind, body)


@every_kind
def test_a_controller_that_says_ok_and_does_nothing_is_found_out(kind: str) -> None:
    async def body(rig: Rigged) -> None:
        rig.do("ignore")
        words = "gantry stands at 100 deg: its controller took the command to go to 140 deg and does not move"
        with pytest.raises(MotionError, match=words):
            await rig.axis.move_to(140.0)

    on(kind, body)


@every_kind
def test_an_axis_that_does_not_stop_is_doubtful_and_moves_no_more_before_it_was_seen_to_stand(kind: str) -> None:
    async def body(rig: Rigged) -> None:
        moving = asyncio.create_task(rig.axis.move_to(300.0, speed=20.0))
        await asyncio.sleep(1.0)
        rig.do("run-away")
        with pytest.raises(MotionError, match="gantry is not confirmed to stand 1 s after a stop: it still moves at"):
            await rig.axis.stop()
        with pytest.raises(MotionError):
            await moving
        assert (rig.axis.doubtful, rig.axis.unconfirmed) == (True, True)
        rig.do("obey")
        with pytest.raises(RefusedError, match="stop it again first"):
            await rig.axis.move_to(200.0)
        assert (await rig.axis.stop()).halted_s <= 1.0
        assert not rig.axis.unconfirmed
        await rig.axis.move_to(200.0)

    on(kind, body)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("zaber-ascii", "its controller warns: by hand"),
        ("pi-gcs2", "a joystick has the axis; switch it off at the controller"),
        ("tmcl", "took the command to go to 140 deg and does not move"),
    ],
)
def test_an_axis_in_somebodys_hand_obeys_nobody_else(kind: str, words: str) -> None:
    async def body(rig: Rigged) -> None:
        rig.do("by-hand")
        with pytest.raises(ScandaqError, match=words):
            await rig.axis.move_to(140.0)
        rig.do("from-hand")
        assert rig.place == 100.0

    on(kind, body)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("zaber-ascii", "its controller warns: driver disabled"),
        ("pi-gcs2", "its servo is off: could not follow"),
        ("tmcl", "came to rest at .* by itself"),
    ],
)
def test_drivers_that_lose_their_power_end_the_movement(kind: str, words: str) -> None:
    async def body(rig: Rigged) -> None:
        assert re.search(words, await lost(rig, "cut-power"))

    on(kind, body)


@every_kind
def test_a_controller_that_was_switched_off_meanwhile_has_no_reference(kind: str) -> None:
    async def body(rig: Rigged) -> None:
        await lost(rig, "reboot")
        assert not (await rig.axis.sample()).homed
        with pytest.raises(RefusedError, match=r"gantry has no reference: home it first|gantry cannot move"):
            await rig.axis.move_to(200.0)
        await rig.axis.home(within_s=30.0)
        await rig.axis.move_to(50.0)
        assert rig.place == pytest.approx(50.0, abs=0.05)

    on(kind, body)


@every_kind
def test_a_cable_that_is_pulled_leaves_it_doubtful_until_it_answers_again(kind: str) -> None:
    async def body(rig: Rigged) -> None:
        moving = asyncio.create_task(rig.axis.move_to(300.0, speed=5.0))
        await asyncio.sleep(1.0)
        rig.link.pull()
        with pytest.raises(MotionError, match="gantry is not confirmed to stand 1 s after a stop"):
            await moving
        assert rig.axis.doubtful
        await asyncio.sleep(0.2)
        assert (rig.motor.velocity == 0) == (kind == "tmcl")  # the only one with a watchdog of its own
        await asyncio.sleep(20.0)
        rig.link.plugged = True
        await rig.axis.stop()
        assert (rig.motor.velocity, rig.axis.doubtful) == (0, False)

    on(kind, body)


@every_kind
def test_another_controller_in_its_place_is_refused(kind: str) -> None:
    async def body(rig: Rigged) -> None:
        rig.link.pull()
        rig.do("swap", serial="4711")
        rig.link.plugged = True
        await asyncio.sleep(1.0)
        with pytest.raises(ScandaqError, match=r"is gone, .* 4711 is there"):
            await rig.instrument.session.be_sure()
        with pytest.raises(ScandaqError):
            await rig.axis.move_to(140.0)
        assert rig.place == 100.0

    on(kind, body)


def test_an_axis_with_an_absolute_encoder_needs_no_search_and_homing_forgets_its_trouble() -> None:
    profile = load_control("pi-gcs2")
    assert profile.roles.axis is not None
    axis = profile.roles.axis.model_copy(update={"home": None, "homed": None})
    absolute = profile.model_copy(update={"roles": profile.roles.model_copy(update={"axis": axis})})

    async def main(loop: VirtualLoop) -> None:
        async with at_100("pi-gcs2", loop, absolute) as rig:
            await lost(rig, "stall")
            rig.do("free")
            with pytest.raises(RefusedError, match="its servo is off: could not follow"):
                await rig.axis.move_to(200.0)
            before = rig.place
            await rig.axis.home(within_s=5.0)
            assert rig.place == before
            await rig.axis.move_to(200.0)
            assert rig.place == pytest.approx(200.0, abs=0.05)

    virtually(main)


@every_kind
def test_a_retreat_is_possible_with_a_trouble_that_a_person_knows_of(kind: str) -> None:
    async def body(rig: Rigged) -> None:
        await lost(rig, "stall")
        rig.do("free")
        await rig.axis.jog("minimum", speed=40.0, within_s=30.0)
        assert (await rig.axis.sample()).fault == ""
        assert rig.place <= 0.1

    on(kind, body)


def test_a_safety_controller_hears_no_heartbeat_while_an_axis_is_not_known_to_stand() -> None:
    said = {"plc": "modbus-plc", "motors": "tmcl"}
    wiring = Wiring({
        name: (Controller(profile=profile, url=f"tcp://127.0.0.1:{port}"), load_control(profile))
        for port, (name, profile) in enumerate(said.items(), 1)
    })  # fmt: skip
    wiring.withhold = lambda: "gantry not confirmed to stand after a stop"

    with pytest.raises(InterlockError, match="withheld, so that it stops the axes: gantry not confirmed to stand"):
        wiring._may_beat(wiring.instruments["plc"])
    wiring._may_beat(wiring.instruments["motors"])  # whatever is asked feeds it, so there is nothing to withhold


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("deed", "said"), [("stall", "stopped at|came to rest"), ("ignore", "took the command to jog to its minimum")]
)
def test_a_retreat_that_goes_nowhere_is_no_retreat(kind: str, deed: str, said: str) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with at_100(kind, loop) as rig:
            rig.do(deed)
            with pytest.raises(MotionError, match=said):
                await rig.axis.jog("minimum", speed=20.0, within_s=30.0)

    virtually(main)


def test_a_search_that_nobody_looked_at_for_longer_than_the_watchdog_found_nothing() -> None:
    async def main(loop: VirtualLoop) -> None:
        rig = rigged("tmcl", loop)
        rig.motor.at = 200_000.0
        drive = ProfiledDrive(rig.instrument, rig.kind.channel, rig.kind.steps)
        await rig.instrument.beat(0.3)
        await drive.start_homing()
        assert (await drive.status()).moving
        await asyncio.sleep(1.5)  # the loop hangs; the module stops its motors
        status = await drive.status()
        assert (status.moving, status.homed, rig.motor.homed) == (False, False, False)
        await rig.instrument.session.close()

    virtually(main)
