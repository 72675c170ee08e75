"""A daemon that comes back in the midst of a view: axes that stand elsewhere, or do not say, never go on silently."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support_run import Axes, Daemon, Link, Readout, driven, protocol, step

from daq.model.protocol import AcquisitionProtocol, ProtocolKind
from daq.services.acquisition import stillthere
from daq.services.acquisition.run import Run
from daq.state.acquisition import State, Trigger

BY_PROTOCOL = protocol(step("post", positions={"gantry": 180.0}), step("rao", positions={"gantry": 45.0}))
BY_HAND = protocol(step("lateral"))


def turns() -> AcquisitionProtocol:
    return protocol(
        step("0", ProtocolKind.SPECT, positions={"gantry": 180.0}),
        step("6", ProtocolKind.SPECT, positions={"gantry": 186.0}),
    )


async def killed_in_the_first_view(folder: Path, motion: Axes, readout: Readout, wanted: AcquisitionProtocol) -> None:
    daemon = Daemon(folder, motion=motion)
    run = daemon.run(wanted, readout)
    driving = asyncio.create_task(run.drive())
    await daemon.until(State.ARMED)
    await run.steps.start()
    driving.cancel()
    await asyncio.wait({driving})
    daemon.close()


async def back(folder: Path, motion: Axes, readout: Readout, wanted: AcquisitionProtocol) -> tuple[Daemon, Run]:
    async def found() -> Link:
        return Link(readout)

    daemon = Daemon(folder, boot="next", motion=motion)
    run = daemon.again(wanted, found)  # type: ignore[arg-type] - a readout in memory
    await run.adopt()
    return daemon, run


async def test_a_view_goes_on_where_axes_stand_as_it_wants_them(tmp_path: Path) -> None:
    motion, readout = Axes(), Readout()
    await killed_in_the_first_view(tmp_path, motion, readout, BY_PROTOCOL)

    daemon, run = await back(tmp_path, motion, readout, BY_PROTOCOL)
    async with driven(daemon, run):
        readout.reach_limit()
        await readout.has_begun(2)
        readout.reach_limit()

    assert (motion.lost, daemon.alarms.active()) == ([], [])
    assert "axes stand where 'post' wants them, read after a restart of the daemon" in readout.marks
    assert readout.steps[0]["completed"]


async def test_a_view_whose_axes_stand_elsewhere_is_interrupted_and_positions_are_not_trusted(tmp_path: Path) -> None:
    motion, readout = Axes(), Readout()
    await killed_in_the_first_view(tmp_path, motion, readout, BY_PROTOCOL)

    motion.at["gantry"] = -10.0
    daemon, run = await back(tmp_path, motion, readout, BY_PROTOCOL)
    readout.reach_limit()  # the view ends meanwhile: the next one does not begin as if nothing had been
    async with driven(daemon, run):
        await daemon.until(State.INTERRUPTED)

    assert motion.lost == ["gantry is at -10; that was found when the station's program was restarted during 'post'"]
    assert readout.marks[-1] == motion.lost[0]
    assert len(readout.steps) == 1


async def test_a_view_positioned_by_hand_is_compared_with_where_axes_stood_when_it_began(tmp_path: Path) -> None:
    motion, readout = Axes(), Readout()
    motion.at = {"gantry": 90.0, "bed": 400.0}
    await killed_in_the_first_view(tmp_path, motion, readout, BY_HAND)

    motion.at["bed"] = 0.0
    daemon, run = await back(tmp_path, motion, readout, BY_HAND)
    async with driven(daemon, run):
        await daemon.until(State.INTERRUPTED)

    assert "bed is at 0;" in motion.lost[0]
    assert "gantry" not in motion.lost[0]


@pytest.mark.parametrize(("wanted", "held"), [(BY_PROTOCOL, State.PAUSED), (turns(), State.ACQUIRING)])
async def test_while_nobody_can_say_where_axes_stand_the_view_is_held_as_its_kind_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: AcquisitionProtocol, held: State
) -> None:
    monkeypatch.setattr(stillthere, "READ_S", 0.05)
    motion, readout = Axes(), Readout()
    await killed_in_the_first_view(tmp_path, motion, readout, wanted)

    motion.silent = True
    daemon, run = await back(tmp_path, motion, readout, wanted)
    async with driven(daemon, run):
        await daemon.alarmed("place-unknown")
        await daemon.said_of("look at them")
        assert daemon.state is held
        readout.reach_limit()
        await daemon.until(State.PAUSED)
        assert len(readout.steps) == 1

        motion.silent = False
        await daemon.alarm_over("place-unknown")
        await run.steps.resume()
        await readout.has_begun(2)
        readout.reach_limit()

    assert motion.lost == []


async def test_a_fault_of_the_program_where_axes_are_read_holds_the_view_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stillthere, "READ_S", 0.05)
    motion, readout = Axes(), Readout()
    await killed_in_the_first_view(tmp_path, motion, readout, BY_PROTOCOL)

    async def broken(_: object) -> str | None:
        raise ValueError("a fault of the program")

    monkeypatch.setattr(motion, "differs", broken)
    daemon, run = await back(tmp_path, motion, readout, BY_PROTOCOL)
    async with driven(daemon, run):
        await daemon.alarmed("place-unknown")
        await daemon.until(State.PAUSED)
        await run.stop(Trigger.STOP, "stopped")
