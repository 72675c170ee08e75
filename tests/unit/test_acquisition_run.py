"""A run from preparing to its end: steps, pauses by kind, stops from anywhere, motion, what the journal says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support_run import Axes, Daemon, Readout, driven, protocol, step

from daq.errors import InterlockError, MotionError, RefusedError, TransitionRefusedError
from daq.model.protocol import ProtocolKind, Sweep
from daq.services.acquisition.mounting import Mounting
from daq.state.acquisition import State, Trigger

SPECT = ProtocolKind.SPECT
TWO = protocol(step("front"), step("back"))


async def test_two_steps_go_from_preparing_to_completed(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(TWO, readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.steps.start()
        readout.reach_limit()
        await readout.has_begun(2)
        readout.reach_limit()

    assert daemon.states == ["preparing", "armed", "acquiring", "completing", "completed"]
    assert [s["completed"] for s in readout.steps] == [True, True]
    assert readout.asked == ["start", "step back time=2000000000000ps", "stop all steps done"]
    assert [status.step for status in daemon.said if status.state == "acquiring"] == [1, 2]


async def test_what_a_stopped_step_had_is_what_it_had_in_the_end_not_when_the_stop_was_asked_for(
    tmp_path: Path,
) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(protocol(step("a")), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.steps.start()
        run.last_status = {**readout.status(), "counts_live": {"events": 900}}
        readout.events = 1000  # what came since the readout was last asked
        await run.stop(Trigger.STOP, "stopped by operator")

    assert run.steps.counted == {1: {"events": 1000}}


async def test_a_step_that_a_person_starts_waits_for_one(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(protocol(step("a"), step("b", start="manual")), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.steps.start()
        readout.reach_limit()
        await daemon.until(State.WAITING)
        assert daemon.said[-1].detail == "b"
        await run.steps.start()
        assert daemon.state is State.ACQUIRING
        await run.stop(Trigger.STOP, "stopped by operator")

    assert daemon.state is State.COMPLETED
    assert readout.asked[-1] == "stop stopped by operator"


async def test_a_collimator_that_was_exchanged_since_it_was_prepared_is_refused_at_each_start(tmp_path: Path) -> None:
    there: list[str | None] = ["LEHR"]

    async def sensed() -> str | None:
        return there[-1]

    daemon, readout = Daemon(tmp_path), Readout()
    daemon.change(collimator=sensed)
    run = daemon.run(protocol(step("a"), step("b", start="manual")), readout)
    daemon.machine.note(collimator="LEHR")

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        for seen in ("HEGP", None):
            there.append(seen)
            says = "collimator HEGP" if seen else "no collimator that is sensed on all heads"
            with pytest.raises(
                RefusedError, match=rf"'a' cannot begin: there is {says} now, .* with collimator LEHR: "
            ):
                await run.steps.start()
        assert (daemon.state, readout.asked) == (State.ARMED, [])
        there.append("LEHR")
        await run.steps.start()
        readout.reach_limit()
        await daemon.until(State.WAITING)
        there.append("HEGP")
        with pytest.raises(RefusedError, match="'b' cannot begin: there is collimator HEGP now"):
            await run.steps.start()
        assert daemon.state is State.WAITING
        await run.stop(Trigger.STOP, "stopped by operator")


async def test_a_collimator_that_somebody_said_stands_until_another_is_sensed(tmp_path: Path) -> None:
    there: list[str | None] = [None]

    async def sensed() -> str | None:
        return there[-1]

    daemon = Daemon(tmp_path)
    mounting = Mounting(sensed, daemon.machine, TWO)
    daemon.machine.note(collimator="HEGP", collimator_sensed=False)

    await mounting.require("a")
    there.append("HEGP")
    await mounting.require("a")
    there.append("LEHR")
    with pytest.raises(RefusedError, match="there is collimator LEHR now"):
        await mounting.require("a")


@pytest.mark.parametrize(
    ("kind", "meaning", "marks"),
    [
        (ProtocolKind.STATIC, "kept and does not count", []),
        (ProtocolKind.GATED, "kept and does not count", []),
        (ProtocolKind.DYNAMIC, "time runs on", ["pause asked for; time runs on", "resumed"]),
    ],
)
async def test_a_pause_holds_up_what_can_be_held_up(
    tmp_path: Path, kind: ProtocolKind, meaning: str, marks: list[str]
) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(protocol(step("a", kind)), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.steps.start()
        said = await run.steps.pause()
        held = readout.paused
        assert daemon.state is State.PAUSED
        await run.steps.resume()
        assert daemon.state is State.ACQUIRING
        readout.reach_limit()

    assert meaning in said
    assert held is (not marks)
    assert readout.marks == marks
    assert daemon.state is State.COMPLETED


async def test_a_pause_of_spect_finishes_the_step_first(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(protocol(step("0", SPECT), step("6", SPECT)), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.steps.start()
        assert "end of this step" in await run.steps.pause()
        assert daemon.state is State.ACQUIRING
        readout.reach_limit()
        await daemon.until(State.PAUSED)
        assert readout.paused
        await run.steps.resume()
        assert daemon.state is State.ACQUIRING
        readout.reach_limit()

    assert [s["completed"] for s in readout.steps] == [True, True]


async def test_axes_move_between_steps_and_the_step_begins_when_they_stand(tmp_path: Path) -> None:
    motion = Axes()
    daemon, readout = Daemon(tmp_path, motion=motion), Readout()
    run = daemon.run(protocol(step("0", SPECT), step("6", SPECT, positions={"gantry": 6.0})), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        motion.gate = asyncio.Event()
        await run.steps.start()
        readout.reach_limit()
        await daemon.until(State.POSITIONING)
        assert len(readout.steps) == 1
        motion.gate.set()
        await daemon.until(State.ACQUIRING)
        assert [s["name"] for s in readout.steps] == ["first", "6"]
        readout.reach_limit()

    assert motion.asked == ["position {'gantry': 6.0}"]
    assert daemon.state is State.COMPLETED


async def test_without_the_enable_preparing_waits_and_says_so(tmp_path: Path) -> None:
    motion = Axes()
    motion.enabled = False
    daemon, readout = Daemon(tmp_path, motion=motion), Readout()
    run = daemon.run(protocol(step("a", positions={"bed": 100.0})), readout)

    async with driven(daemon, run):
        async with asyncio.timeout(5):
            while "enable" not in daemon.said[-1].detail:
                await asyncio.sleep(0.01)
        assert (daemon.state, motion.asked) == (State.PREPARING, [])
        motion.enabled = True
        await daemon.until(State.ARMED)
        await run.stop(Trigger.STOP, "no")

    assert daemon.state is State.ABORTED


async def test_a_sweep_records_while_the_axis_moves_and_ends_with_it(tmp_path: Path) -> None:
    motion = Axes()
    sweep = Sweep("bed", 0.0, 1000.0, 2.0, "mm")
    daemon, readout = Daemon(tmp_path, motion=motion), Readout()
    run = daemon.run(protocol(step("body", ProtocolKind.WHOLE_BODY, sweep=sweep)), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        motion.gate = asyncio.Event()
        await run.steps.start()
        async with asyncio.timeout(5):
            while not motion.moving:
                await asyncio.sleep(0.01)
        assert daemon.said[-1].moving
        motion.gate.set()

    assert motion.asked == ["sweep bed 0.0 to 1000.0 at 2.0"]
    assert readout.asked == ["start", "end_step end of the sweep", "stop all steps done"]
    assert daemon.state is State.COMPLETED


async def test_an_axis_that_fails_in_a_sweep_interrupts_the_view(tmp_path: Path) -> None:
    motion = Axes()
    sweep = Sweep("bed", 0.0, 1000.0, 2.0, "mm")
    daemon, readout = Daemon(tmp_path, motion=motion), Readout()
    run = daemon.run(protocol(step("body", ProtocolKind.WHOLE_BODY, sweep=sweep)), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        motion.gate, motion.failure = asyncio.Event(), MotionError("bed stands at 312 mm, 1000 mm was wanted")
        await run.steps.start()
        motion.gate.set()

    assert daemon.state is State.INTERRUPTED
    assert daemon.states[-2:] == ["interrupting", "interrupted"]
    assert readout.ended_by == "motion lost"
    assert readout.marks == ["bed stands at 312 mm, 1000 mm was wanted"]


@pytest.mark.parametrize("trigger", [Trigger.STOP, Trigger.ABORT])
@pytest.mark.parametrize(
    "place", [State.PREPARING, State.ARMED, State.ACQUIRING, State.POSITIONING, State.WAITING, State.PAUSED]
)
async def test_a_stop_comes_through_from_every_state_and_nothing_moves_afterwards(
    tmp_path: Path, place: State, trigger: Trigger
) -> None:
    motion = Axes()
    daemon, readout = Daemon(tmp_path, motion=motion), Readout()
    second = step("b", SPECT, **({"positions": {"gantry": 6.0}} if place is State.POSITIONING else {"start": "manual"}))
    run = daemon.run(protocol(step("a", positions={"bed": 5.0}), second), readout)
    motion.gate = asyncio.Event()

    async with driven(daemon, run):
        if place is not State.PREPARING:
            motion.gate.set()
            await daemon.until(State.ARMED)
        if place not in (State.PREPARING, State.ARMED):
            motion.gate = asyncio.Event()
            await run.steps.start()
        if place is State.PAUSED:
            await run.steps.pause()
        if place in (State.POSITIONING, State.WAITING):
            readout.reach_limit()
        await daemon.until(place)
        await run.stop(trigger, "by a test")

    before_data = place in (State.PREPARING, State.ARMED)
    wanted = State.ABORTED if before_data or trigger is Trigger.ABORT else State.COMPLETED
    assert daemon.state is wanted
    assert not motion.moving
    assert readout.state == "sealed" or place is State.PREPARING


async def test_a_readout_that_dies_is_said_with_what_to_do(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(TWO, readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.steps.start()
        readout.die()

    assert daemon.state is State.INTERRUPTED
    [alarm] = daemon.alarms.active()
    assert (alarm.name, alarm.priority) == ("readout-lost", "high")
    assert "daq listmode recover" in alarm.details
    assert "daq" not in f"{alarm.text} {alarm.guidance}"


async def test_a_recording_that_ends_by_itself_is_interrupted_and_says_why(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(TWO, readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.steps.start()
        readout.seal("stalled")

    assert daemon.state is State.INTERRUPTED
    assert daemon.said[-1].detail == "the recording ended by itself: nothing came from the detector any more"


async def test_an_armed_acquisition_expires(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path, arming_s=0.3), Readout()
    run = daemon.run(TWO, readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)

    assert daemon.state is State.ABORTED
    assert readout.ended_by == "arming expired"


async def test_what_the_state_does_not_allow_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(TWO, readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        with pytest.raises(TransitionRefusedError, match="cannot pause while armed; possible: start, stop, abort"):
            await run.steps.pause()
        with pytest.raises(TransitionRefusedError, match="cannot resume while armed"):
            await run.steps.resume()
        assert (daemon.state, readout.asked) == (State.ARMED, [])
        await run.stop(Trigger.ABORT, "enough")


async def test_a_daemon_that_ends_leaves_the_readout_to_itself(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(TWO, readout)
    task = asyncio.create_task(run.drive())
    await daemon.until(State.ARMED)
    await run.steps.start()

    task.cancel()
    await asyncio.wait([task], timeout=5)
    daemon.close()

    assert task.cancelled()
    assert readout.state == "recording"
    assert Daemon(tmp_path).state is State.ACQUIRING


async def test_a_sweep_that_nobody_enabled_is_refused_before_anything_is_recorded(tmp_path: Path) -> None:
    motion = Axes()
    sweep = Sweep("bed", 0.0, 1000.0, 2.0, "mm")
    daemon, readout = Daemon(tmp_path, motion=motion), Readout()
    run = daemon.run(protocol(step("body", ProtocolKind.WHOLE_BODY, sweep=sweep)), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        motion.enabled = False
        with pytest.raises(InterlockError, match="'body' cannot begin: sweep needs the enable latched, it is off"):
            await run.steps.start()
        assert (daemon.state, readout.asked) == (State.ARMED, [])
        await run.stop(Trigger.ABORT, "enough")
