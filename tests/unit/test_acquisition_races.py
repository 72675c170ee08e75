"""What happens between two looks at a readout: answers lost, ends that overtake each other, records that take long."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support_acquisition_races import SWEEP, TWO, made, started, until
from support_run import Axes, Daemon, Link, Readout, driven, protocol, step

from daq.errors import DeadlineError, InterlockError
from daq.model.endwords import PLAINLY
from daq.model.protocol import CountLimit, ProtocolKind, Sweep
from daq.services.acquisition.run import Run
from daq.state.acquisition import State, Trigger

# How a run is called


@pytest.mark.parametrize("ended_by", ["stalled", "disk", "motion lost", "unattended"])
async def test_a_last_step_that_is_cut_off_while_the_readout_seals_is_not_completed(
    tmp_path: Path, ended_by: str
) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(protocol(step("a")), readout)

    async with driven(daemon, run):
        await started(daemon, run)
        readout.end_step(ended_by, completed=False)
        readout.state = "sealing"  # it takes a while on a slow disk
        await asyncio.sleep(0.35)
        readout.state, readout.ended_by = "sealed", ended_by

    assert daemon.state is State.INTERRUPTED
    assert "stop all steps done" not in readout.asked


async def test_a_sweep_whose_motion_the_readout_took_for_lost_is_interrupted_at_once(tmp_path: Path) -> None:
    motion = Axes()
    motion.gate = asyncio.Event()
    daemon, readout = Daemon(tmp_path, motion=motion), Readout()
    run = daemon.run(SWEEP, readout)

    async with driven(daemon, run):
        await started(daemon, run)
        readout.end_step("motion lost", completed=False)  # and seals in a second
        await until(lambda: not motion.moving)

    assert daemon.states[-2:] == ["interrupting", "interrupted"]


async def test_a_sweep_that_the_backstop_ends_before_its_axis_arrives_is_interrupted(tmp_path: Path) -> None:
    motion = Axes()
    motion.gate = asyncio.Event()
    daemon, readout = Daemon(tmp_path, motion=motion), Readout()
    run = daemon.run(SWEEP, readout)

    async with driven(daemon, run):
        await started(daemon, run)
        await until(lambda: motion.moving)
        readout.end_step("host", completed=True)

    assert daemon.state is State.INTERRUPTED
    assert not motion.moving


@pytest.mark.parametrize("ended_by", ["disk", "motion lost"])
async def test_a_stop_that_comes_after_the_readout_ended_alone_does_not_make_it_completed(
    tmp_path: Path, ended_by: str
) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(TWO, readout)

    async with driven(daemon, run):
        await started(daemon, run)
        readout.seal(ended_by)
        await run.stop(Trigger.STOP, "stopped by a test")

    assert (daemon.state, daemon.said[-1].detail) == (
        State.INTERRUPTED,
        f"the recording ended by itself: {PLAINLY[ended_by]}",
    )


async def test_a_failure_while_all_is_being_sealed_is_not_completed_and_rings(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(protocol(step("a")), readout)

    async with driven(daemon, run):
        await started(daemon, run)
        readout.error = "the disk is full"
        readout.reach_limit()

    assert daemon.state is State.INTERRUPTED
    [alarm] = daemon.alarms.active()
    assert (alarm.name, alarm.text, alarm.active) == (
        "recording-failed",
        "the end of the recording went wrong: the disk is full",
        False,
    )


async def test_a_readout_that_ended_unattended_after_all_its_steps_is_completed(tmp_path: Path) -> None:
    first, readout = Daemon(tmp_path), Readout()
    run = first.run(protocol(step("a")), readout)
    task = asyncio.create_task(run.drive())
    await started(first, run)
    task.cancel()
    await asyncio.wait([task], timeout=5)
    first.close()
    readout.reach_limit()
    readout.seal("unattended")

    async def launch() -> Link:
        return Link(readout)

    second = Daemon(tmp_path)
    again = second.again(protocol(step("a")), launch)
    await again.adopt()
    async with driven(second, again):
        pass

    assert second.state is State.COMPLETED


async def test_a_readout_that_dies_before_it_recorded_leaves_nothing_to_recover(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(TWO, readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        readout.die()

    [alarm] = daemon.alarms.active()
    assert alarm.guidance == "nothing had been recorded: prepare it again"


# Records that take long


@pytest.mark.parametrize("verb", [Trigger.STOP, Trigger.ABORT])
async def test_a_stop_while_the_records_are_closed_changes_nothing(tmp_path: Path, verb: Trigger) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    closing, closed = asyncio.Event(), asyncio.Event()
    outcomes: list[State] = []

    async def ended(_: Run, outcome: State, __: str) -> None:
        outcomes.append(outcome)
        closing.set()
        await closed.wait()

    daemon.change(on_ended=ended)
    run = daemon.run(TWO, readout)

    async with driven(daemon, run):
        await started(daemon, run)
        readout.seal("stalled")
        await closing.wait()
        await run.stop(verb, "by a test")
        await run.motion_lost("by a test")
        await run.fault("by a test")
        closed.set()

    assert (daemon.state, outcomes) == (State.INTERRUPTED, [State.INTERRUPTED])


async def test_a_preparation_that_failed_and_is_stopped_while_it_is_put_into_the_records_ends(tmp_path: Path) -> None:
    motion = Axes()
    motion.failure = InterlockError("no")
    daemon, readout = Daemon(tmp_path, motion=motion, arming_s=0.0), Readout()
    closing, closed = asyncio.Event(), asyncio.Event()

    async def ended(*_: object) -> None:
        closing.set()
        await closed.wait()

    daemon.change(on_ended=ended)
    run = daemon.run(protocol(step("a", positions={"bed": 5.0})), readout)

    async with driven(daemon, run):
        await closing.wait()
        await run.stop(Trigger.STOP, "by a test")
        closed.set()

    assert daemon.state is State.ABORTED


async def test_records_that_cannot_be_closed_hold_nothing_up(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()

    async def ended(*_: object) -> None:
        raise OSError(116, "Stale file handle")

    daemon.change(on_ended=ended)
    run = daemon.run(TWO, readout)

    async with driven(daemon, run):
        await started(daemon, run)
        await run.stop(Trigger.STOP, "enough")

    assert daemon.state is State.COMPLETED


async def test_a_fault_of_the_program_seals_and_ends_as_a_fault(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(TWO, readout)
    task = asyncio.create_task(run.drive())
    await started(daemon, run)

    run.steps.look = None  # type: ignore[assignment, method-assign]
    await asyncio.wait([task], timeout=5)
    daemon.close()

    assert isinstance(task.exception(), TypeError)
    assert (daemon.state, readout.state) == (State.FAULT, "sealed")


# What people see and hear


async def test_the_next_preparation_does_not_show_the_step_of_the_run_before(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    async with driven(daemon, run := daemon.run(TWO, readout)):
        await started(daemon, run)
        await run.stop(Trigger.STOP, "enough")
        await daemon.until(State.COMPLETED)
        daemon.machine.fire(Trigger.PREPARE, run="run-2", step=0)

    assert (daemon.said[-1].state, daemon.said[-1].step_name, daemon.said[-1].steps) == ("preparing", "", 0)


async def test_a_start_in_the_last_minutes_of_the_arming_ends_its_warning(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path, arming_s=0.6), Readout()
    run = daemon.run(TWO, readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await until(lambda: bool(daemon.alarms.active()))
        await run.steps.start()
        await until(lambda: not daemon.alarms.active())
        await run.stop(Trigger.STOP, "enough")


async def test_an_alarm_about_what_has_happened_goes_when_somebody_has_seen_it(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    least = CountLimit("events", 1000, "all", "sum")
    run = daemon.run(protocol(step("a", minimum_counts=least)), readout)

    async with driven(daemon, run):
        await started(daemon, run)
        readout.reach_limit()
        await daemon.until(State.COMPLETED)

    [alarm] = daemon.alarms.active()
    assert (alarm.name, alarm.active) == ("too-few-counts", False)


async def test_after_a_pause_a_step_that_a_person_starts_still_waits_for_one(tmp_path: Path) -> None:
    dynamic = ProtocolKind.DYNAMIC
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(protocol(step("a", dynamic), step("b", dynamic, start="manual", instruction="inject")), readout)

    async with driven(daemon, run):
        await started(daemon, run)
        await run.steps.pause()
        readout.reach_limit()  # time runs on
        await asyncio.sleep(0.3)
        assert daemon.states[-1] == "paused"
        await run.steps.resume()
        assert (daemon.state, daemon.said[-1].detail) == (State.WAITING, "b; inject")
        assert len(readout.steps) == 1
        await run.steps.start()
        readout.reach_limit()

    assert daemon.state is State.COMPLETED


async def test_a_sweep_whose_enable_is_only_held_on_the_way_waits_where_it_begins(tmp_path: Path) -> None:
    motion = Axes()
    daemon, readout = Daemon(tmp_path, motion=motion), Readout()
    body = step("body", ProtocolKind.WHOLE_BODY, start="manual", sweep=Sweep("bed", 50.0, 90.0, 2.0, "mm"))
    run = daemon.run(protocol(step("a"), body), readout)

    async with driven(daemon, run):
        await started(daemon, run)
        readout.reach_limit()
        await daemon.until(State.WAITING)
        motion.gate = asyncio.Event()
        await run.steps.start()
        await until(lambda: motion.moving)
        motion.enabled = False
        motion.gate.set()
        await daemon.until(State.PAUSED)
        assert "latched" in daemon.said[-1].detail
        with pytest.raises(InterlockError):
            await run.steps.resume()
        motion.enabled = True
        await run.steps.resume()

    assert daemon.state is State.COMPLETED
    assert motion.asked == ["position {'bed': 50.0}", "sweep bed 50.0 to 90.0 at 2.0"]


async def test_a_fault_of_the_program_insists_on_the_end_of_the_readout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daq.services.acquisition.ending._INSIST_S", 0.2)
    daemon, readout = Daemon(tmp_path), Readout()
    refusals = [DeadlineError("busy")]

    class Hanging(Link):
        async def stop(self, by: str) -> None:
            if refusals:
                raise refusals.pop()
            await super().stop(by)

    async def launch() -> Link:
        return Hanging(readout)

    run = made(daemon, TWO, launch)
    task = asyncio.create_task(run.drive())
    await started(daemon, run)
    run.steps.look = None  # type: ignore[assignment, method-assign]
    await asyncio.wait([task], timeout=5)
    daemon.close()

    assert isinstance(task.exception(), TypeError)
    assert (daemon.state, readout.state) == (State.FAULT, "sealed")
