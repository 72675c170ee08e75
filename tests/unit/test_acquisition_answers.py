"""Answers of a readout that are lost, and ends that wait for each other."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support_acquisition_races import SPECT, SWEEP, TWO, deaf, made, started, until
from support_run import Axes, Daemon, Link, Readout, driven, protocol, step

from daq.errors import DeadlineError
from daq.state.acquisition import State, Trigger


@pytest.mark.parametrize("retry", [False, True])
async def test_a_start_whose_answer_is_lost_is_a_start(tmp_path: Path, *, retry: bool) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = made(daemon, TWO, deaf(readout, "start"))

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        with pytest.raises(DeadlineError):
            await run.steps.start()
        if retry:
            await run.steps.start()
        await daemon.until(State.ACQUIRING)
        assert daemon.machine.entry.step == 1
        await run.stop(Trigger.STOP, "enough")

    assert readout.asked.count("start") == 1


@pytest.mark.slow
@pytest.mark.parametrize("losing", [1, 2])
async def test_a_step_whose_answer_is_lost_is_begun_once(tmp_path: Path, losing: int) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = made(daemon, TWO, deaf(readout, "step", losing))

    async with driven(daemon, run):
        await started(daemon, run)
        readout.reach_limit()
        await until(lambda: daemon.machine.entry.step == 2)
        readout.reach_limit()

    assert daemon.state is State.COMPLETED
    assert [s["name"] for s in readout.steps] == ["first", "back"]


@pytest.mark.parametrize("retry", [False, True])
async def test_a_step_that_a_person_started_without_an_answer_is_begun_once(tmp_path: Path, *, retry: bool) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = made(daemon, protocol(step("a"), step("b", start="manual")), deaf(readout, "step"))

    async with driven(daemon, run):
        await started(daemon, run)
        readout.reach_limit()
        await daemon.until(State.WAITING)
        with pytest.raises(DeadlineError):
            await run.steps.start()
        if retry:
            await run.steps.start()
        await until(lambda: daemon.machine.entry.step == 2)
        readout.reach_limit()

    assert [s["name"] for s in readout.steps] == ["first", "b"]
    assert daemon.state is State.COMPLETED


@pytest.mark.parametrize(("what", "end"), [("pause", State.PAUSED), ("resume", State.ACQUIRING)])
async def test_a_pause_or_its_end_whose_answer_is_lost_is_seen(tmp_path: Path, what: str, end: State) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = made(daemon, TWO, deaf(readout, what))

    async with driven(daemon, run):
        await started(daemon, run)
        with pytest.raises(DeadlineError):  # noqa: PT012 - whichever of both it is
            await run.steps.pause()
            await run.steps.resume()
        await daemon.until(end)
        assert readout.paused is (end is State.PAUSED)
        await run.stop(Trigger.STOP, "enough")


async def test_a_pause_that_comes_while_the_next_step_is_begun_does_not_begin_it_twice(tmp_path: Path) -> None:
    motion = Axes()
    daemon, readout = Daemon(tmp_path, motion=motion), Readout()
    telling = asyncio.Event()

    class Slow(Link):
        async def step(self, limits: list[str], *, name: str, moving: bool) -> None:
            await super().step(limits, name=name, moving=moving)
            telling.set()
            await asyncio.sleep(0.2)

    async def launch() -> Link:
        return Slow(readout)

    two = protocol(step("0", SPECT), step("6", SPECT, positions={"gantry": 6.0}), step("12", SPECT))
    run = made(daemon, two, launch)

    async with driven(daemon, run):
        await started(daemon, run)
        readout.reach_limit()
        await telling.wait()
        await run.steps.pause()
        readout.reach_limit()
        await daemon.until(State.PAUSED)
        await run.steps.resume()
        readout.reach_limit()

    assert [s["name"] for s in readout.steps] == ["first", "6", "12"]
    assert daemon.state is State.COMPLETED


async def test_a_readout_that_ends_while_the_next_step_is_begun_interrupts_and_is_no_fault(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()

    class Full(Link):
        async def step(self, limits: list[str], *, name: str, moving: bool) -> None:
            readout.state = "sealing"
            await super().step(limits, name=name, moving=moving)

    async def launch() -> Link:
        return Full(readout)

    run = made(daemon, TWO, launch)

    async with driven(daemon, run):
        await started(daemon, run)
        readout.reach_limit()
        await until(lambda: readout.state == "sealing")
        await asyncio.sleep(0.3)
        readout.state, readout.ended_by = "sealed", "disk"

    assert daemon.states[-2:] == ["acquiring", "interrupted"]


# Ends that wait for each other


@pytest.mark.slow
async def test_a_stop_while_the_readout_is_launched_ends_it_before_anybody_prepares_again(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    launching = asyncio.Event()
    links: list[Link] = []

    async def launch() -> Link:
        launching.set()
        await asyncio.sleep(1.5)
        links.append(Link(readout))
        return links[0]

    run = made(daemon, TWO, launch)
    async with driven(daemon, run):
        await launching.wait()
        await run.stop(Trigger.STOP, "by a test")

    assert (daemon.state, readout.state) == (State.ABORTED, "sealed")
    assert links[0].closed


async def test_the_end_waits_for_axes_that_are_slow_to_stop(tmp_path: Path) -> None:
    motion = Axes()
    motion.stops_after_s = 0.5
    motion.gate = asyncio.Event()
    daemon, readout = Daemon(tmp_path, motion=motion), Readout()
    moved: list[bool] = []

    async def ended(*_: object) -> None:
        moved.append(motion.moving)

    daemon.change(on_ended=ended)
    run = daemon.run(SWEEP, readout)
    async with driven(daemon, run):
        await started(daemon, run)
        await until(lambda: motion.moving)
        await run.stop(Trigger.STOP, "by a test")

    assert moved == [False]


async def test_a_readout_that_did_not_hear_the_stop_is_told_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daq.services.acquisition.ending._INSIST_S", 0.2)
    daemon, readout = Daemon(tmp_path), Readout()
    refusals = [DeadlineError("busy"), DeadlineError("busy")]

    class Hanging(Link):
        async def stop(self, by: str) -> None:
            if refusals:
                raise refusals.pop()
            await super().stop(by)

        async def motion_lost(self, text: str) -> None:
            raise DeadlineError(text)

    async def launch() -> Link:
        return Hanging(readout)

    run = made(daemon, TWO, launch)
    async with driven(daemon, run):
        await started(daemon, run)
        await run.motion_lost("by a test")

    assert (daemon.state, refusals) == (State.INTERRUPTED, [])
