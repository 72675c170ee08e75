"""What is handed over holds a run up until a person has confirmed it, and ends up in the recording."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support_handover import RECORD
from support_run import Daemon, Link, Readout, driven, protocol, step

from daq.errors import DeadlineError, MissingError, RefusedError, TransitionRefusedError
from daq.model.geometry import PatientOrientation
from daq.model.protocol import HandOver
from daq.services.acquisition.run import Run
from daq.state.acquisition import State, Trigger

CT = HandOver("CT", "steps[0]", "ct_attenuation", "ask for the CT")
LOOK = HandOver("look", "steps[2]", "overlay_check")
ALIGNED = {"overlay": "aligned"}
PET_CT = protocol(step("bed", before=(CT,)), after=(LOOK,))


def handed(readout: Readout) -> list[str]:
    return [each["name"] for one in readout.steps for each in one.get("hand_overs", [])]


async def until(happened: Any) -> None:
    async with asyncio.timeout(10):
        while not happened():
            await asyncio.sleep(0.005)


async def recorded(daemon: Daemon, run: Run, readout: Readout) -> None:
    """Hand over the CT, record the only step, wait for the look."""
    await daemon.until(State.ARMED)
    run.steps.hand_overs.confirm("CT", RECORD, by="tech")
    await run.steps.start()
    readout.reach_limit()
    await daemon.until(State.WAITING)


async def test_a_run_begins_after_the_ct_and_ends_after_the_look_at_the_overlay(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(PET_CT, readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        with pytest.raises(RefusedError, match=r"cannot start: first CT: ask for the CT; it is to be confirmed"):
            await run.steps.start()
        assert "start" not in readout.asked
        await recorded(daemon, run, readout)
        assert daemon.said[-1].detail == "all steps are recorded; first look; it is to be confirmed"
        with pytest.raises(RefusedError, match="cannot start: first look"):
            await run.steps.start()
        run.steps.hand_overs.confirm(None, ALIGNED, by="tech")

    assert daemon.state is State.COMPLETED
    assert handed(readout) == ["CT", "look"]
    assert readout.asked == ["start", "hand_over", "hand_over", "stop all steps done"]
    assert [alarm.name for alarm in daemon.alarms.active()] == []


async def test_a_step_in_between_waits_for_its_hand_over(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(protocol(step("a"), step("b", before=(CT,))), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.steps.start()
        readout.reach_limit()
        await daemon.until(State.WAITING)
        assert daemon.said[-1].detail.startswith("b; first CT: ask for the CT")
        with pytest.raises(RefusedError, match="cannot start: first CT"):
            await run.steps.start()
        run.steps.hand_overs.confirm("CT", RECORD, by="tech")
        await run.steps.start()
        await until(lambda: handed(readout) == ["CT"])
        readout.reach_limit()

    assert daemon.state is State.COMPLETED


async def test_a_run_that_is_stopped_before_the_look_is_kept_and_says_what_is_missing(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(PET_CT, readout)

    async with driven(daemon, run):
        await recorded(daemon, run, readout)
        await run.stop(Trigger.STOP, "the patient has to leave")

    assert daemon.state is State.COMPLETED
    (alarm,) = daemon.alarms.active()
    assert (alarm.name, alarm.text) == ("not-handed-over", "the acquisition ended without: look")


async def test_what_was_confirmed_outlives_the_daemon(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(PET_CT, readout)
    task = asyncio.create_task(run.drive())
    await daemon.until(State.ARMED)
    run.steps.hand_overs.confirm("CT", RECORD, by="tech")
    task.cancel()
    await asyncio.wait({task})
    daemon.close()

    following = Daemon(tmp_path, boot="next")

    async def launch() -> Link:
        return Link(readout)

    again = following.again(PET_CT, launch)
    await again.adopt()
    async with driven(following, again):
        await again.steps.start()
        await until(lambda: handed(readout) == ["CT"])
        await again.stop(Trigger.STOP, "enough")

    assert following.state is State.COMPLETED


async def test_a_correction_is_put_into_the_recording_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(f"2026-11-23T08:00:0{second}Z" for second in range(9))
    monkeypatch.setattr("daq.services.acquisition.handovers.utc_now", lambda: next(moments))
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(PET_CT, readout)

    async with driven(daemon, run):
        await recorded(daemon, run, readout)
        run.steps.hand_overs.confirm("CT", {**RECORD, "arms": "down"}, by="tech")
        await until(lambda: handed(readout) == ["CT", "CT"])
        run.steps.hand_overs.confirm("look", ALIGNED, by="tech")

    assert [each["record"].get("arms") for each in readout.steps[0]["hand_overs"]] == ["up", "down", None]


async def test_a_run_does_not_end_before_the_last_record_is_in_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon, readout, deaf = Daemon(tmp_path), Readout(), [3]
    run = daemon.run(PET_CT, readout)
    takes = Link.hand_over

    async def busy(link: Link, text: str) -> None:
        if '"look"' in text and deaf[0]:
            deaf[0] -= 1
            raise DeadlineError("the readout is busy")
        await takes(link, text)

    monkeypatch.setattr(Link, "hand_over", busy)
    async with driven(daemon, run):
        await recorded(daemon, run, readout)
        run.steps.hand_overs.confirm("look", ALIGNED, by="tech")

    assert (deaf, handed(readout)) == ([0], ["CT", "look"])


async def test_what_cannot_be_confirmed_is_refused(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(PET_CT, readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        confirm = run.steps.hand_overs.confirm
        with pytest.raises(MissingError, match="no hand-over 'MR'; there are 'CT', 'look'"):
            confirm("MR", RECORD, by="tech")
        with pytest.raises(RefusedError, match="nothing has been recorded yet"):
            confirm("look", ALIGNED, by="tech")
        with pytest.raises(RefusedError, match="kvp: Field required"):
            confirm("CT", {}, by="tech")
        await run.stop(Trigger.ABORT, "enough")
    with pytest.raises(TransitionRefusedError, match="cannot hand over while aborted"):
        confirm("CT", RECORD, by="tech")


async def test_a_protocol_without_hand_overs_says_so(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(protocol(step("a")), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        with pytest.raises(MissingError, match="protocol test hands nothing over"):
            run.steps.hand_overs.confirm(None, ALIGNED, by="tech")
        await run.stop(Trigger.ABORT, "enough")


async def test_a_record_that_the_journal_garbled_is_confirmed_again(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(PET_CT, readout)

    async with driven(daemon, run):
        await recorded(daemon, run, readout)
        daemon.machine.note(hand_overs={"look": {"name": 7}})
        await until(lambda: not daemon.machine.entry.hand_overs)
        assert "cannot be read: confirm it again" in daemon.said[-1].detail
        run.steps.hand_overs.confirm("CT", RECORD, by="tech")
        run.steps.hand_overs.confirm("look", ALIGNED, by="tech")

    assert daemon.state is State.COMPLETED


async def test_an_injection_is_marked_while_recording_alone(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(protocol(step("a")), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        assert not await run.injected("tech", 1)
        await run.steps.start()
        assert await run.injected("tech", 2)
        readout.reach_limit()

    assert readout.marks == ["injected tech 2"]


async def test_a_ct_of_a_patient_who_lay_otherwise_is_refused_and_not_kept(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(PET_CT, readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        with pytest.raises(RefusedError, match="the CT was taken HFS, the emission is acquired FFP"):
            run.steps.hand_overs.confirm("CT", RECORD, by="tech", lies=PatientOrientation.FFP)
        assert run.steps.hand_overs.missing()[0].name == "CT"
        await run.stop(Trigger.ABORT, "enough")
