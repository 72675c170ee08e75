"""Steps as studies take them: paired views by time, a head that falls silent in SPECT, speeds that are not kept."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support_run import Axes, Daemon, Readout, driven, protocol, step

from daq.errors import RefusedError, TransitionRefusedError
from daq.model.axissample import AxisSample
from daq.model.protocol import Gate, ProtocolKind, Step, Stop, Sweep
from daq.model.protocol_terms import Tolerances
from daq.services.acquisition.limits import limits_of
from daq.services.acquisition.pacing import SweepPace
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.state.acquisition import State, Trigger

S = 10**12
SECOND = step("LLAT", stop=Stop(as_step="RLAT", host_ps=60 * S))
SPECT = ProtocolKind.SPECT


def recorded(name: str, begin_s: int, end_s: int | None, paused_s: int = 0) -> dict[str, Any]:
    end_ps = None if end_s is None else end_s * S
    return {"name": name, "begin_ps": begin_s * S, "end_ps": end_ps, "paused_ps": paused_s * S}


def test_the_second_of_paired_views_ends_after_the_time_of_the_first_pauses_left_out() -> None:
    steps = [recorded("RLAT", 0, 90), recorded("RLAT", 100, 250, 30), recorded("ANT", 250, 260)]

    assert limits_of(SECOND, {"steps": steps}) == [f"time={120 * S}ps", f"host={60 * S}ps"]
    assert limits_of(step("a"), {}) == [f"time={2 * S}ps"]


@pytest.mark.parametrize("whole", [True, False])
async def test_a_person_ends_a_step_and_the_next_one_follows(tmp_path: Path, *, whole: bool) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    first = step("RLAT", stop=Stop(manual=whole, host_ps=60 * S))
    run = daemon.run(protocol(first, step("LLAT")), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        with pytest.raises(TransitionRefusedError, match="no step records that could be ended; the state is armed"):
            await run.steps.end_step("ended by tech")
        await run.steps.start()
        await run.steps.pause()
        with pytest.raises(TransitionRefusedError, match="'RLAT' is paused: resume first"):
            await run.steps.end_step("ended by tech")
        await run.steps.resume()
        await run.steps.end_step("ended by tech")
        await readout.has_begun(2)
        readout.reach_limit()

    assert [(s["ended_by"], s["completed"]) for s in readout.steps] == [("ended by tech", whole), ("time", True)]
    assert daemon.state is State.COMPLETED


async def test_a_sweep_is_not_ended_by_a_person(tmp_path: Path) -> None:
    motion = Axes()
    daemon, readout = Daemon(tmp_path, motion=motion), Readout()
    run = daemon.run(protocol(WHOLE), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        motion.gate = asyncio.Event()
        await run.steps.start()
        with pytest.raises(RefusedError, match="'body' ends where its axis does; stop or abort ends the acquisition"):
            await run.steps.end_step("ended by tech")
        motion.gate.set()

    assert daemon.state is State.COMPLETED


@pytest.mark.parametrize("steps", [[], [recorded("ANT", 0, 10)], [recorded("RLAT", 0, None)]])
def test_a_view_paired_to_one_that_was_not_acquired_is_refused(steps: list[dict[str, Any]]) -> None:
    with pytest.raises(
        RefusedError, match="'LLAT' ends after the time of 'RLAT', which was not acquired: do that first"
    ):
        limits_of(SECOND, {"steps": steps})


class Heads(Readout):
    """A readout of which a source may fall silent."""

    silent: tuple[int, ...] = ()

    def status(self) -> dict[str, Any]:
        return {**super().status(), "silent_sources": list(self.silent)}


async def test_a_head_lost_in_tomography_pauses_between_two_stops_and_a_person_decides(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Heads()
    run = daemon.run(protocol(*(step(f"stop {number}/4", SPECT) for number in range(1, 5))), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.steps.start()
        readout.silent = (1,)
        readout.reach_limit()
        await daemon.until(State.PAUSED)
        assert daemon.said[-1].detail == (
            "paused after 'stop 1/4': nothing comes from a part of the detector (source 1 of its electronics); "
            "have it mended, then resume; or stop"
        )
        await run.steps.resume()  # with one head: not asked again for the same one
        readout.reach_limit()
        await readout.has_begun(3)
        readout.silent = ()
        readout.reach_limit()
        await readout.has_begun(4)
        readout.reach_limit()

    assert daemon.state is State.COMPLETED


async def test_a_head_lost_in_static_views_holds_nothing_up(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Heads()
    readout.silent = (0,)
    run = daemon.run(protocol(step("ANT"), step("POST")), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.steps.start()
        readout.reach_limit()
        await readout.has_begun(2)
        readout.reach_limit()

    assert daemon.state is State.COMPLETED


BODY = Sweep("bed", 0.0, 2000.0, 2.5, "mm")
WHOLE = step("body", ProtocolKind.WHOLE_BODY, sweep=BODY)
GATED_STOP = step("stop 1", SPECT, gate=Gate("ecg", 8, "percent", "forward", 20.0))


async def moving(motion: Axes) -> None:
    async with asyncio.timeout(5):
        while not motion.moving:
            await asyncio.sleep(0.01)


async def test_a_pause_of_a_sweep_lets_the_bed_arrive_and_holds_up_what_comes_after(tmp_path: Path) -> None:
    motion = Axes()
    daemon, readout = Daemon(tmp_path, motion=motion), Readout()
    run = daemon.run(protocol(WHOLE, step("spot")), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        motion.gate = asyncio.Event()
        await run.steps.start()
        await moving(motion)
        assert await run.steps.pause() == "pauses at the end of this step"
        assert motion.moving
        assert not readout.paused
        motion.gate.set()
        await daemon.until(State.PAUSED)
        assert (motion.moving, readout.paused, motion.at["bed"]) == (False, True, 2000.0)
        await run.steps.resume()
        readout.reach_limit()

    assert [s["completed"] for s in readout.steps] == [True, True]


async def test_a_pause_of_gated_tomography_finishes_the_stop_as_tomography_does(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(protocol(GATED_STOP, step("stop 2", SPECT)), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.steps.start()
        assert await run.steps.pause() == "pauses at the end of this step"
        readout.reach_limit()
        await daemon.until(State.PAUSED)
        await run.steps.resume()
        readout.reach_limit()

    assert daemon.state is State.COMPLETED


async def test_a_view_that_is_aborted_in_mid_sweep_is_kept_as_partial_and_nothing_moves(tmp_path: Path) -> None:
    motion = Axes()
    daemon, readout = Daemon(tmp_path, motion=motion), Readout()
    run = daemon.run(protocol(WHOLE), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        motion.gate = asyncio.Event()
        await run.steps.start()
        await moving(motion)
        await run.stop(Trigger.ABORT, "aborted by tech: the patient is unwell")

    assert daemon.ended == [("run-1", State.ABORTED, "aborted by tech: the patient is unwell")]
    assert not motion.moving
    assert [(s["ended_by"], s["completed"]) for s in readout.steps] == [
        ("aborted by tech: the patient is unwell", False)
    ]


@pytest.mark.parametrize(
    "wanted", [WHOLE, GATED_STOP, step("frames", ProtocolKind.DYNAMIC), step("beats", ProtocolKind.GATED)]
)
def test_only_views_that_stand_still_may_be_continued(wanted: Step) -> None:
    assert protocol(step("ANT"), step("POST")).continuable
    assert not protocol(step("ANT"), wanted).continuable


def ridden(speeds: list[float], tolerance: float | None) -> tuple[SweepPace, Alarms]:
    """Return what was measured of a bed that went so fast, a second each, looked at twenty times a second."""
    alarms = Alarms(Bus())
    pace, at_ns, place = SweepPace(BODY, Tolerances(speed_percent=tolerance), alarms), 10**12, 0.0
    for speed in speeds:
        for _ in range(20):
            at_ns, place = at_ns + 50_000_000, place + speed * 0.05
            pace.heard(AxisSample("bed", at_ns, place, moving=True))
            pace.heard(AxisSample("gantry", at_ns, 0.0, moving=True))
    pace.heard(AxisSample("bed", at_ns + 10**9, place))
    return pace, alarms


def test_a_steady_bed_has_the_speed_it_was_told_and_nothing_is_said() -> None:
    pace, alarms = ridden([2.5] * 10, 5.0)

    assert pace.pace is not None
    assert (pace.pace.mean, pace.pace.slowest, pace.pace.fastest) == pytest.approx((2.5, 2.5, 2.5))
    assert alarms.active() == []


def test_a_bed_that_slips_for_a_second_is_said_with_its_speeds() -> None:
    pace, alarms = ridden([2.5, 2.5, 1.5, 2.5, 2.5], 5.0)

    assert pace.pace is not None
    assert pace.pace.slowest == pytest.approx(1.5, abs=0.1)
    assert pace.pace.off_percent(2.5) == pytest.approx(40.0, abs=4)
    [alarm] = alarms.active()
    assert alarm.text.startswith("bed moves at ")
    assert alarm.text.endswith("mm/s; 2.5 mm/s within 5 % is wanted")
    pace.over()
    assert [alarm.name for alarm in alarms.active()] == ["sweep-speed"]  # until somebody has seen it


def test_a_bed_that_slips_back_is_slower_than_one_that_stands() -> None:
    pace, _ = ridden([2.5, 2.5, -1.5, 2.5], 5.0)

    assert pace.pace is not None
    assert pace.pace.slowest == pytest.approx(-1.5, abs=0.1)
    assert pace.pace.fastest == pytest.approx(2.5, abs=0.1)


@pytest.mark.parametrize(("speeds", "tolerance"), [([2.5, 1.5, 2.5], None), ([1.0], 5.0)])
def test_nothing_is_judged_without_a_tolerance_or_within_a_second(speeds: list[float], tolerance: float | None) -> None:
    assert ridden(speeds, tolerance)[1].active() == []
