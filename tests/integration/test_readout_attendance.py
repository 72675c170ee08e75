"""A readout of several steps in this process: leases, moving steps, lost motion, last steps, what it says of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support_attendance import fates
from support_readout import FrontEnd, Running, free_port, manifest_of, plan_of, received, running, until
from support_recording import content, replayed_alike

from daq.errors import RefusedError
from daq.readout import stepping
from daq.readout.control import ask
from daq.readout.liveview import LiveView
from daq.readout.plan import CONTROL
from daq.storage.verify import verify


@contextmanager
def armed(folder: Path, **changes: Any) -> Iterator[tuple[Running, FrontEnd]]:
    """Yield a readout of several steps that is armed, and a front end that has not begun."""
    port = free_port()
    plan = plan_of(folder, f"udp://@127.0.0.1:{port}", start_at_once=False, single_step=False, **changes)
    with running(plan) as run:
        until(lambda: run.readout.status()["state"] == "armed", "armed")
        with closing(FrontEnd(port)) as front_end:
            yield run, front_end


def do(run: Running, what: str, **more: Any) -> dict[str, Any]:
    return ask(run.folder / CONTROL, {"do": what, **more})


def start(run: Running, front_end: FrontEnd) -> None:
    """Let it record, and 100 words come."""
    do(run, "start")
    until(lambda: run.readout.status()["state"] == "recording", "recording")
    front_end.start()
    front_end.words(packets=2)
    received(run, 100)


def ended(run: Running) -> str:
    until(lambda: run.readout.status()["step_ended_by"] is not None, "the end of the step")
    return str(run.readout.status()["step_ended_by"])


def told(run: Running, *kinds: str) -> list[tuple[str, str]]:
    return [(row["kind"], row["text"]) for row in content(run.folder / "run")["marks"] if row["kind"] in kinds]


def whole(run: Running) -> None:
    """Check that all was recorded, and that a replay tells the same."""
    assert verify(run.folder / "run").verdict == "ok"
    ledger = manifest_of(run).ledger
    assert ledger is not None
    assert ledger.balanced
    replayed_alike(run.folder / "run")


def test_a_moving_step_that_nobody_watches_is_lost_and_what_comes_is_kept_but_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stepping, "_AFTER_LOSS_S", 5.0)  # so that a slow machine has the time to look
    with armed(tmp_path, stop="prompts=100") as (run, front_end):
        do(run, "attend", within_s=60.0)
        start(run, front_end)
        do(run, "step", name="sweep", moving=True)
        front_end.words(packets=2)
        received(run, 200)
        do(run, "attend", within_s=0.3)
        lost = ended(run)
        front_end.words(packets=3)
        received(run, 350)
        status = do(run, "attend", within_s=60.0)  # too late
        counts = run.readout.status()["counts_live"]["prompts"]
        for what in ("step", "pause", "resume"):
            with pytest.raises(RefusedError, match="motion was lost"):
                do(run, what)
        code = run.finish()

    assert (code, lost, counts) == (0, "motion lost", 100)
    assert (status["attended"], status["step"], status["step_ended_by"]) == (True, 2, "motion lost")
    manifest = manifest_of(run)
    assert (manifest.state, manifest.ended_by) == ("sealed", "motion lost")
    assert fates(manifest.steps) == [("", False, "prompts=100", True), ("sweep", True, "motion lost", False)]
    assert told(run, "motion_lost", "stop") == [
        ("stop", "prompts=100"), ("motion_lost", "nobody watches over it any more"), ("stop", "motion lost"),
    ]  # fmt: skip
    assert len(content(run.folder / "run")["coincidences"]) == 350
    whole(run)


@pytest.mark.parametrize("moving", [True, False])
def test_whoever_watches_may_say_that_motion_is_lost(tmp_path: Path, moving: bool) -> None:
    with armed(tmp_path, step_name="tomo", moving=moving) as (run, front_end):
        do(run, "attend", within_s=60.0)
        start(run, front_end)
        first = do(run, "motion_lost", text="the gantry stands still")
        do(run, "motion_lost", text="again")
        front_end.words(packets=1)
        received(run, 150)
        do(run, "stop", by="the daemon")  # hurries it, and is not the reason
        code = run.finish()

    assert (code, first["step_ended_by"]) == (0, "motion lost")
    assert manifest_of(run).ended_by == "motion lost"
    assert fates(manifest_of(run).steps) == [("tomo", moving, "motion lost", False)]
    assert told(run, "start", "motion_lost", "stop") == [
        ("start", "tomo"), ("motion_lost", "the gantry stands still"), ("stop", "motion lost"),
    ]  # fmt: skip
    whole(run)


def test_motion_lost_between_two_steps_ends_the_recording_and_leaves_the_step_completed(tmp_path: Path) -> None:
    with armed(tmp_path, stop="prompts=100") as (run, front_end):
        start(run, front_end)
        ended(run)
        do(run, "motion_lost", text="the bed did not arrive")
        run.finish()

    assert manifest_of(run).ended_by == "motion lost"
    assert fates(manifest_of(run).steps) == [("", False, "prompts=100", True)]
    whole(run)


def test_a_moving_step_needs_somebody_who_watches(tmp_path: Path) -> None:
    with armed(tmp_path, moving=True) as (run, front_end):
        with pytest.raises(RefusedError, match="attend first"):
            do(run, "start")
        do(run, "attend", within_s=60.0)
        start(run, front_end)
        do(run, "step", name="static")
        do(run, "attend", within_s=0.1)
        until(lambda: run.readout.status()["attended"] is False, "that nobody watches")
        with pytest.raises(RefusedError, match="attend first"):
            do(run, "step", name="sweep", moving=True)
        do(run, "stop")
        run.finish()

    assert fates(manifest_of(run).steps) == [("", True, "next step", True), ("static", False, "operator", True)]


def test_one_that_was_never_attended_waits_for_ever(tmp_path: Path) -> None:
    with armed(tmp_path, stop="prompts=100", unattended_s=0.0, unattended_step_s=0.0) as (run, front_end):
        time.sleep(0.4)
        assert run.readout.status()["state"] == "armed"
        start(run, front_end)
        ended(run)
        time.sleep(0.4)
        do(run, "step", name="on")
        time.sleep(0.4)
        status = run.readout.status()
        do(run, "stop")
        run.finish()

    assert (status["state"], status["attended"]) == ("recording", None)


def test_an_armed_readout_that_nobody_watches_any_more_ends_in_order(tmp_path: Path) -> None:
    with armed(tmp_path, attend_s=0.1, unattended_s=0.3) as (run, _):
        code = run.finish()

    manifest = manifest_of(run)
    assert (code, manifest.state, manifest.ended_by, manifest.duration_ps) == (0, "sealed", "unattended", 0)
    assert fates(manifest.steps) == [("", False, "unattended", False)]
    whole(run)


def test_a_step_whose_detector_is_silent_ends_although_its_limit_never_comes(tmp_path: Path) -> None:
    with armed(tmp_path, stop="prompts=1M", unattended_step_s=0.5, stall_s=60.0) as (run, front_end):
        start(run, front_end)
        do(run, "attend", within_s=0.1)
        for _ in range(40):
            front_end.heartbeat()
            time.sleep(0.05)
        run.finish()

    assert fates(manifest_of(run).steps) == [("", False, "unattended", False)]
    whole(run)


@pytest.mark.parametrize(("completed", "by"), [(True, "the bed has arrived"), (False, "the bed has arrived")])
def test_a_step_can_be_ended_and_what_comes_then_is_outside_of_it(tmp_path: Path, completed: bool, by: str) -> None:
    with armed(tmp_path) as (run, front_end):
        start(run, front_end)
        first = do(run, "end_step", by=by, completed=completed)
        do(run, "end_step", by="again")
        front_end.words(packets=1)
        received(run, 150)
        do(run, "step", stop=["prompts=50"], name="next")
        front_end.words(packets=1)
        ended(run)
        do(run, "stop", by="all steps done")
        run.finish()

    assert first["step_ended_by"] == by
    assert fates(manifest_of(run).steps) == [("", False, by, completed), ("next", False, "prompts=50", True)]
    assert manifest_of(run).ended_by == "all steps done"
    whole(run)


def test_the_last_step_ends_the_recording(tmp_path: Path) -> None:
    with armed(tmp_path, stop="prompts=100") as (run, front_end):
        start(run, front_end)
        ended(run)
        do(run, "step", stop=["prompts=50"], name="last", last=True)
        front_end.words(packets=1)
        code = run.finish()

    assert (code, manifest_of(run).ended_by) == (0, "prompts=50")
    assert fates(manifest_of(run).steps) == [("", False, "prompts=100", True), ("last", False, "prompts=50", True)]
    whole(run)


def test_the_status_names_all_steps_and_the_snapshot_does_not(tmp_path: Path) -> None:
    with armed(tmp_path, stop="prompts=100", step_name="one") as (run, front_end):
        before = run.readout.status()
        start(run, front_end)
        ended(run)
        status = do(run, "step", name="two")
        view = LiveView.attach(run.folder / CONTROL)
        until(lambda: view.status()["status"] is not None, "a published status")
        published = view.status()["status"]
        do(run, "stop")
        run.finish()

    assert (before["attended"], before["steps"]) == (None, [])
    assert [(step["name"], step["ended_by"]) for step in status["steps"]] == [("one", "prompts=100"), ("two", None)]
    assert "steps" not in published
    assert run.last_status["steps"] == [step.model_dump() for step in manifest_of(run).steps or ()]


def test_a_recording_has_a_bounded_number_of_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stepping, "MOST_STEPS", 3)
    with armed(tmp_path) as (run, front_end):
        start(run, front_end)
        do(run, "step")
        do(run, "step")
        with pytest.raises(RefusedError, match="step 4: a recording has at most 3"):
            do(run, "step")
        do(run, "stop")
        run.finish()

    assert [step.number for step in manifest_of(run).steps or ()] == [1, 2, 3]


def test_a_moving_step_that_was_paused_is_not_resumed_when_nobody_watched_meanwhile(tmp_path: Path) -> None:
    with armed(tmp_path) as (run, front_end):
        do(run, "attend", within_s=60.0)
        start(run, front_end)
        do(run, "step", name="sweep", moving=True)
        do(run, "pause")
        do(run, "resume")
        do(run, "pause")
        do(run, "attend", within_s=0.1)
        until(lambda: run.readout.status()["attended"] is False, "that nobody watches")
        do(run, "attend", within_s=60.0)
        with pytest.raises(RefusedError, match="it is not continued"):
            do(run, "resume")
        do(run, "step", name="again", moving=True)
        do(run, "pause")
        do(run, "resume")
        do(run, "stop")
        run.finish()

    assert told(run, "pause", "resume") == [
        ("pause", ""), ("resume", ""), ("pause", ""), ("pause", ""), ("resume", ""),
    ]  # fmt: skip
    whole(run)
