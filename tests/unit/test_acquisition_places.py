"""Where axes are goes into the recording: all before a step, those that move at every look, none lost silently."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support_run import Axes, Daemon, Link, Readout, driven, protocol, step

from daq.errors import DeadlineError
from daq.model.axissample import AxisSample
from daq.model.protocol import ProtocolKind, Sweep
from daq.services.acquisition import places as places_of_axes
from daq.services.acquisition.places import Places
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.state.acquisition import State, Trigger

BODY = step("body", ProtocolKind.WHOLE_BODY, sweep=Sweep("bed", 0.0, 1000.0, 2.0, "mm"))


async def test_all_axes_are_told_before_each_step_and_those_that_move_while_they_do(tmp_path: Path) -> None:
    motion = Axes()
    motion.at = {"bed": 0.0, "gantry": 0.0}
    daemon, readout = Daemon(tmp_path, motion=motion), Readout()
    run = daemon.run(protocol(step("front", positions={"gantry": 0.0}), BODY), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        assert readout.places == []  # nothing is recorded that could hold them
        await run.steps.start()
        assert [(each.axis, each.position, each.moving) for each in readout.places] == [
            ("bed", 0.0, False), ("gantry", 0.0, False),
        ]  # fmt: skip
        motion.gate = asyncio.Event()
        readout.reach_limit()
        async with asyncio.timeout(5):
            while not any(each.moving for each in readout.places):
                await asyncio.sleep(0.01)
        assert len(readout.places) == 5  # both again, and the bed on its way
        motion.gate.set()

    assert readout.places[-1][::2] == ("bed", 1000.0)
    assert readout.places[-1].moving is False
    assert daemon.state is State.COMPLETED


class Deaf(Link):
    """A link that takes nothing until it is told to."""

    hears = False

    async def positions(self, samples: list[AxisSample]) -> None:
        if not self.hears:
            raise DeadlineError("busy")
        await super().positions(samples)


def samples(count: int) -> list[AxisSample]:
    return [AxisSample("bed", number, float(number), moving=True) for number in range(count)]


async def test_what_a_busy_readout_does_not_take_is_told_again_in_order() -> None:
    readout, axes, alarms = Readout(state="recording"), Axes(), Alarms(Bus())
    link = Deaf(readout)
    places = Places(axes, lambda: link, alarms)
    places.begin()
    for sample in samples(600):
        axes.heard[0](sample)

    await places.delivered()
    assert readout.places == []
    link.hears = True
    await places.delivered()
    places.end()

    assert readout.places == samples(600)
    assert (places.lost, alarms.active()) == (0, [])


async def test_too_many_that_wait_are_dropped_counted_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places_of_axes, "MOST_KEPT", 100)
    readout, axes, alarms = Readout(state="recording"), Axes(), Alarms(Bus())
    link = Deaf(readout)
    places = Places(axes, lambda: link, alarms)
    places.begin()
    for sample in samples(130):
        axes.heard[0](sample)

    link.hears = True
    await places.delivered()

    assert readout.places == samples(130)[30:]
    assert places.lost == 30
    [alarm] = alarms.active()
    assert alarm.text == "30 positions of axes are missing in the recording: the program that records is too slow"
    places.end()


async def test_no_sweep_begins_while_nothing_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places_of_axes, "_BEGINS_S", 0.3)
    motion = Axes()
    motion.at = {"bed": 0.0}
    daemon, readout = Daemon(tmp_path, motion=motion), Readout()

    async def launch() -> Link:
        return Deaf(readout)

    daemon.machine.fire(Trigger.PREPARE, run="run-1", directory="/nowhere", runtime="/nowhere", step=0, protocol="x")
    run = daemon.again(protocol(BODY), launch)
    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.steps.start()

    assert daemon.state is State.INTERRUPTED
    assert "nothing is recorded 0.3 s after the start: axes do not move for that" in daemon.ended[0][2]
    assert motion.asked == []


@dataclass
class Behind(Readout):
    """A readout whose data are some statuses behind an axis that has arrived."""

    looks: int = 0
    behind_at_the_end: bool = False

    def status(self) -> dict[str, Any]:
        arrived = bool(self.places) and not self.places[-1].moving and self.places[-1].position == 1000.0
        self.looks -= arrived
        return {**super().status(), "axes_ahead_s": 0.2 if self.looks >= 0 else 0.0}

    def end_step(self, by: str, *, completed: bool) -> None:
        self.behind_at_the_end |= by == "end of the sweep" and self.looks >= 0
        super().end_step(by, completed=completed)


@pytest.mark.parametrize(("looks", "behind"), [(8, False), (10**6, True)])
async def test_a_sweep_ends_when_what_was_on_its_way_has_come_but_does_not_wait_for_a_dead_detector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: int, *, behind: bool
) -> None:
    monkeypatch.setattr(places_of_axes, "_ON_ITS_WAY_S", 0.5)
    monkeypatch.setattr(places_of_axes, "_LOOK_S", 0.01)
    daemon, readout = Daemon(tmp_path, motion=Axes()), Behind(looks=looks)
    run = daemon.run(protocol(BODY), readout)
    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.steps.start()

    assert readout.asked == ["start", "end_step end of the sweep", "stop all steps done"]
    assert readout.behind_at_the_end is behind
    assert daemon.state is State.COMPLETED
