"""What becomes of a run whose daemon was started again."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest
from support_run import Axes, Daemon, Link, Readout, driven, protocol, step

from daq.model.protocol import ProtocolKind, Sweep
from daq.state.acquisition import State

TWO = protocol(step("front"), step("back"))


async def found(readout: Readout) -> Link:
    return Link(readout)


@pytest.mark.parametrize("ended", [False, True])
async def test_after_a_restart_the_next_step_follows_also_where_one_ended_meanwhile(
    tmp_path: Path, *, ended: bool
) -> None:
    first, readout = Daemon(tmp_path), Readout()
    run = first.run(TWO, readout)
    task = asyncio.create_task(run.drive())
    await first.until(State.ARMED)
    await run.steps.start()
    task.cancel()
    await asyncio.wait([task], timeout=5)
    first.close()
    if ended:
        readout.reach_limit()
    second = Daemon(tmp_path)
    again = second.again(TWO, partial(found, readout))
    await again.adopt()
    async with driven(second, again):
        readout.reach_limit()
        await readout.has_begun(2)
        readout.reach_limit()

    assert second.state is State.COMPLETED
    assert [s["completed"] for s in readout.steps] == [True, True]


async def test_after_a_restart_a_sweep_is_interrupted_and_nothing_moves_by_itself(tmp_path: Path) -> None:
    motion = Axes()
    motion.gate = asyncio.Event()
    wanted = protocol(step("body", ProtocolKind.WHOLE_BODY, sweep=Sweep("bed", 0.0, 1000.0, 2.0, "mm")))
    first, readout = Daemon(tmp_path, motion=motion), Readout()
    run = first.run(wanted, readout)
    task = asyncio.create_task(run.drive())
    await first.until(State.ARMED)
    await run.steps.start()
    task.cancel()
    await asyncio.wait([task], timeout=5)
    first.close()
    asked = list(motion.asked)
    second = Daemon(tmp_path, motion=motion)
    again = second.again(wanted, partial(found, readout))
    await again.adopt()
    async with driven(second, again):
        pass

    assert (second.state, readout.ended_by, motion.asked) == (State.INTERRUPTED, "motion lost", asked)
