"""Stopping, whatever the daemon is at; and protocols that may not be used, or only with a reason."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_daemon import Station, front_end, station
from support_protocol_texts import protocol, step, sweep

from daq.errors import RefusedError, ScandaqError, TransitionRefusedError, UsageError

PROTOCOLS = (
    protocol("still", step("view")),
    protocol("by-hand", step("first", stop='stop.time = "1 s"'), step("second", 'start = "manual"')),
    protocol("bed", sweep("whole body"), kind="whole_body"),
    protocol("turns", step("front", stop='stop.time = "1 s"'), step("side", 'set.gantry = "80 deg"', view="RLAT")),
    protocol("begins-turned", step("side", 'set.gantry = "2 deg"')),
    protocol(
        "needs-much",
        step("view"),
        more='[requirements]\ncollimators = ["HEGP"]\nqc = [{ name = "daily-flood", maximum_age = "24 h" }]\n',
        sources=("requirements",),
    ),
)
MOTION_S = 2.0
"""A stop of all axes is on the wire in 0.25 s and confirmed in 1 s; the rest is for a busy machine."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with front_end() as address:
        yield address


@pytest.fixture
def daemon(tmp_path: Path, url: str) -> Iterator[Station]:
    with station(tmp_path, url) as made:
        made.add(*PROTOCOLS)
        yield made.start()


def stops_motion(daemon: Station) -> None:
    """Demand that a stop of all axes is carried out at once, and that nothing moves then."""
    begin_s = time.monotonic()
    stopped = daemon.ask("stop-motion", within_s=MOTION_S)["stopped"]
    assert time.monotonic() - begin_s < MOTION_S
    assert stopped["ok"], stopped
    assert not daemon.status()["motion"]["moving"]


def begins(daemon: Station) -> bool:
    try:
        daemon.ask("start")
    except RefusedError:
        return False
    return True


def fails_to_prepare(daemon: Station, name: str) -> None:
    with pytest.raises(ScandaqError):
        daemon.prepare(name)


def test_motion_can_be_stopped_in_every_state_and_a_static_acquisition_is_not_disturbed(daemon: Station) -> None:
    stops_motion(daemon)
    run = daemon.prepare("by-hand")
    stops_motion(daemon)
    daemon.becomes("armed")
    stops_motion(daemon)
    daemon.ask("start")
    stops_motion(daemon)
    daemon.becomes("waiting")
    stops_motion(daemon)
    daemon.ask("start")
    daemon.in_step(2)
    daemon.ask("pause")
    stops_motion(daemon)
    daemon.ask("resume")
    readout = daemon.readout_pid()
    os.kill(readout, signal.SIGSTOP)
    daemon.ask("stop")
    assert daemon.status()["state"] == "completing"
    stops_motion(daemon)
    os.kill(readout, signal.SIGCONT)

    daemon.truth("completed", run)

    stops_motion(daemon)
    assert daemon.fates(run)[0] == ("first", True)
    assert daemon.ledger(run)
    assert [line["result"] for line in daemon.audit_lines() if line["verb"] == "stop-motion"] == ["asked", "done"] * 8


def test_motion_that_is_stopped_in_a_sweep_interrupts_the_view_and_keeps_what_was_recorded(daemon: Station) -> None:
    daemon.simulate("enable", "latch")
    run = daemon.acquiring("bed")
    daemon.until(lambda: daemon.status()["motion"]["moving"], "the bed to move")

    stops_motion(daemon)

    daemon.truth("interrupted", run)
    assert daemon.fates(run) == [("whole body", False)]
    assert daemon.manifest(run).ended_by == "motion lost"
    reference = daemon.status()["motion"]["reference"]
    assert daemon.restart().status()["motion"]["reference"] == reference


def test_motion_that_is_stopped_between_two_steps_ends_the_run_with_its_first_step(daemon: Station) -> None:
    daemon.simulate("enable", "latch")
    run = daemon.acquiring("turns")
    daemon.becomes("positioning")

    stops_motion(daemon)

    daemon.truth("interrupted", run)
    assert daemon.fates(run) == [("front", True)]


def test_letting_go_of_the_enable_holds_up_the_way_to_the_first_step_and_pressing_it_goes_on(daemon: Station) -> None:
    with daemon.holding():
        daemon.prepare("begins-turned")
        daemon.until(lambda: daemon.status()["motion"]["moving"], "the gantry to move")
    daemon.until(lambda: not daemon.status()["motion"]["moving"], "the gantry to stand")

    assert daemon.status()["state"] == "preparing"
    with daemon.holding():
        daemon.becomes("armed")
    assert daemon.status()["motion"]["axes"]["gantry"]["position"] == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("verb", ["stop", "abort"])
def test_a_stop_does_not_wait_for_axes_that_wait_for_the_enable(daemon: Station, verb: str) -> None:
    run = daemon.prepare("begins-turned")
    with pytest.raises(TransitionRefusedError, match="cannot prepare while preparing; possible: stop, abort"):
        daemon.prepare("still")

    begin_s = time.monotonic()
    daemon.ask(verb, within_s=5.0, reason="wrong patient")
    assert time.monotonic() - begin_s < 5.0

    said = daemon.truth("aborted", run)
    assert "wrong patient" in said["state"]["detail"]
    assert [line["result"] for line in daemon.audit_lines() if line["verb"] == verb] == ["asked", "done"]


def test_what_stops_does_not_wait_for_a_prepare_that_hangs_and_the_daemon_ends_all_the_same(daemon: Station) -> None:
    """A protocol that is a pipe nobody writes to stands for a file server that does not answer."""
    os.mkfifo(daemon.folder / "protocols" / "slow.toml")
    hanging = threading.Thread(target=fails_to_prepare, args=(daemon, "slow"))
    hanging.start()
    daemon.until(lambda: any(line["verb"] == "prepare" for line in daemon.audit_lines()), "the prepare to be taken")

    stops_motion(daemon)
    assert daemon.ask("lower-voltage", within_s=MOTION_S)["high_voltage"]["hv"]["off"]
    with pytest.raises(TransitionRefusedError, match="ready; possible: prepare"):
        daemon.ask("stop", within_s=MOTION_S)

    said = daemon.daq("stop-motion", "--site", str(daemon.site))
    assert said.returncode == 0, said.stderr
    assert daemon.daq("acquire", "stop", "--site", str(daemon.site)).returncode == 3

    assert daemon.end(within_s=15.0) == 0
    hanging.join()
    assert "Traceback" not in daemon.log()
    daemon.start().truth("ready")


def test_a_stop_while_the_readout_is_being_launched_ends_it(daemon: Station) -> None:
    run = daemon.prepare("still")
    daemon.until(lambda: bool(daemon.readouts()), "the readout to be launched")

    daemon.ask("stop", within_s=5.0)

    daemon.truth("aborted", run)
    daemon.readout_ended()
    daemon.armed("still")


def test_what_is_not_possible_now_is_refused_with_what_is(daemon: Station) -> None:
    for verb in ("start", "pause", "resume", "stop", "abort", "acknowledge"):
        with pytest.raises(TransitionRefusedError, match="ready; possible: prepare"):
            daemon.ask(verb)
    assert daemon.status()["state"] == "ready"


def test_a_draft_needs_a_reason_which_then_is_in_manifest_and_audit_log(daemon: Station) -> None:
    with pytest.raises(RefusedError, match="give a reason for using it as a draft"):
        daemon.ask("prepare", protocol="still")

    run = daemon.acquiring("still", draft_reason="commissioning of the new head")
    daemon.ask("stop", reason="seen enough")
    daemon.truth("completed", run)

    assert daemon.manifest(run).overrides == {"draft": "commissioning of the new head"}
    assert "seen enough" in (daemon.manifest(run).ended_by or "")
    lines = [line for line in daemon.audit_lines() if line["verb"] == "prepare"]
    assert [(line["result"], line["reason"]) for line in lines] == [
        ("asked", ""), ("refused", ""), ("asked", "commissioning of the new head"),
        ("done", "commissioning of the new head"),
    ]  # fmt: skip
    assert "draft" in lines[1]["error"]
    assert daemon.status()["state"] == "completed"


def test_what_a_protocol_requires_is_overridden_by_name_with_a_reason_that_every_file_bears(daemon: Station) -> None:
    with pytest.raises(
        RefusedError, match=r"collimator: HEGP is needed, LEHR is mounted; qc: daily-flood is needed: .*never done"
    ):
        daemon.prepare("needs-much")
    with pytest.raises(RefusedError, match="daily-flood"):
        daemon.prepare("needs-much", overrides={"collimator": "exchange is broken"})
    with pytest.raises(UsageError, match=r"overrides\.collimator: .*at least 1 char"):
        daemon.prepare("needs-much", overrides={"collimator": ""})
    assert daemon.status()["state"] == "ready"

    reasons = {"collimator": "exchange is broken", "daily-flood": "the source is on loan"}
    run = daemon.armed("needs-much", overrides={**reasons, "not-asked-for": "never mind"})
    daemon.simulate("collimator", "mount", "LEAP")
    with pytest.raises(
        RefusedError, match=r"'view' cannot begin: there is .* prepared with collimator LEHR \(.*HEGP\)"
    ):
        daemon.ask("start")
    daemon.simulate("collimator", "mount", "LEHR")
    daemon.until(lambda: begins(daemon), "the collimator that was prepared with")
    daemon.ask("stop")
    daemon.truth("completed", run)

    assert daemon.manifest(run).overrides == {**reasons, "draft": "a test"}
    assert daemon.manifest(run).calibrations["collimator"] == "LEHR"
