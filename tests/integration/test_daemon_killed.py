"""A daemon that is killed in every state: what the next one says on the socket and on MQTT, and what is on disk."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_daemon import Station, front_end, station
from support_protocol_texts import protocol, step, sweep

PROTOCOLS = (
    protocol("still", step("view")),
    protocol("two", step("first", stop='stop.time = "2 s"'), step("second", stop='stop.time = "2 s"')),
    protocol("by-hand", step("first", stop='stop.time = "1 s"'), step("second", 'start = "manual"')),
    protocol("bed", sweep("whole body"), kind="whole_body"),
    protocol("turns", step("front", stop='stop.time = "1 s"'), step("side", 'set.gantry = "80 deg"', view="RLAT")),
    protocol("begins-turned", step("side", 'set.gantry = "80 deg"', view="RLAT")),
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with front_end() as address:
        yield address


@pytest.fixture
def daemon(tmp_path: Path, url: str) -> Iterator[Station]:
    with station(tmp_path, url) as made:
        made.add(*PROTOCOLS)
        yield made.start()


def stands_lost(daemon: Station) -> None:
    """Demand that nothing moves, and nothing will before axes are homed and a person has confirmed."""
    motion = daemon.status()["motion"]
    assert (motion["moving"], motion["reference"]) == (False, "lost")
    with daemon.holding():
        daemon.ask("home")
    assert daemon.status()["motion"]["reference"] == "homed"
    daemon.ask("confirm", identity=True, position=True)
    assert daemon.restart().status()["motion"]["reference"] == "confirmed"


def test_a_static_acquisition_outlives_a_daemon_that_is_killed_in_each_of_its_states(daemon: Station) -> None:
    run = daemon.armed("still")
    daemon.restart().truth("armed", run)

    daemon.ask("start")
    daemon.recording()
    daemon.kill()
    before = daemon.words()
    daemon.start().truth("acquiring", run)
    daemon.until(lambda: daemon.words() > before, "more words")

    daemon.ask("pause")
    daemon.restart().truth("paused", run)
    daemon.ask("resume")
    daemon.restart().truth("acquiring", run)

    readout = daemon.readout_pid()
    os.kill(readout, signal.SIGSTOP)
    daemon.ask("stop", reason="the patient coughs")
    assert daemon.status()["state"] == "completing"
    daemon.kill()
    os.kill(readout, signal.SIGCONT)
    daemon.start().truth("completed", run)
    ledger = f"run/{run}/ledger"  # the state is urgent and goes before it
    daemon.until(lambda: ledger in daemon.on_broker("completed"), "the ledger on the broker")
    said = daemon.on_broker("completed")
    daemon.kill()
    assert said[ledger]["ledger"] == daemon.ledger(run)

    daemon.start().truth("completed", run)
    daemon.catalogued(run, "completed")
    daemon.ask("acknowledge")
    assert daemon.restart().truth("ready")["state"]["run"] is None
    assert daemon.alarms() == {}


def test_a_step_whose_limit_is_reached_while_no_daemon_is_there_is_completed_and_the_next_one_follows(
    daemon: Station,
) -> None:
    run = daemon.acquiring("two")
    daemon.kill()
    daemon.until(lambda: _step_ended(daemon), "the first step to end")

    daemon.start().truth("completed", run)

    assert daemon.fates(run) == [("first", True), ("second", True)]
    assert daemon.ledger(run)
    daemon.catalogued(run, "completed")


def test_a_step_that_waits_for_a_person_waits_on_after_the_daemon_was_killed(daemon: Station) -> None:
    run = daemon.acquiring("by-hand")
    daemon.becomes("waiting")
    daemon.ask("accept-view", run=run, step=1)
    before = daemon.ask("acquisition")["acquisition"]["steps"][0]

    daemon.restart().truth("waiting", run)
    assert before["accepted"]
    assert before["counted"]["events"] > 0
    assert daemon.ask("acquisition")["acquisition"]["steps"][0] == before
    daemon.ask("start")
    daemon.truth("acquiring", run)
    daemon.ask("stop")

    daemon.truth("completed", run)
    assert daemon.fates(run)[0] == ("first", True)
    ended = daemon.ask("acquisition")["acquisition"]["steps"]
    assert daemon.restart().ask("acquisition")["acquisition"]["steps"] == ended


@pytest.mark.parametrize("away", ["for a moment", "until the readout has noticed"])
def test_a_sweep_is_interrupted_when_the_daemon_is_killed_and_nothing_moves_by_itself(
    daemon: Station, away: str
) -> None:
    daemon.simulate("enable", "latch")
    run = daemon.acquiring("bed")
    daemon.until(lambda: daemon.status()["motion"]["moving"], "the bed to move")

    daemon.kill()
    if away != "for a moment":
        daemon.readout_ended()
    daemon.start().truth("interrupted", run)

    assert daemon.fates(run) == [("whole body", False)]
    assert daemon.manifest(run).ended_by == "motion lost"
    daemon.catalogued(run, "interrupted")
    stands_lost(daemon)
    daemon.truth("interrupted", run)


def test_between_two_steps_axes_that_moved_are_lost_and_the_step_before_is_completed(daemon: Station) -> None:
    daemon.simulate("enable", "latch")
    run = daemon.acquiring("turns")
    daemon.becomes("positioning")

    daemon.restart().truth("interrupted", run)

    assert daemon.fates(run) == [("front", True)]
    daemon.catalogued(run, "interrupted")
    stands_lost(daemon)


def test_a_daemon_killed_while_axes_go_to_the_first_step_leaves_nothing_recorded(daemon: Station) -> None:
    with daemon.holding():
        run = daemon.prepare("begins-turned")
        daemon.until(lambda: daemon.status()["motion"]["moving"], "the gantry to move")
        daemon.kill()

    daemon.start().truth("aborted", run)

    assert not list(daemon.storage.glob("*/*/manifest.json"))
    stands_lost(daemon)


def test_a_daemon_killed_while_the_readout_comes_up_ends_it_and_can_prepare_again(daemon: Station) -> None:
    run = daemon.prepare("still")
    daemon.until(lambda: len(daemon.readouts()) == 1, "the readout to come up")

    daemon.restart().truth("aborted", run)

    daemon.readout_ended()
    daemon.armed("still")


def test_a_fault_stays_a_fault_until_a_person_acknowledges_it(daemon: Station) -> None:
    with daemon.holding():
        run = daemon.prepare("begins-turned")
        daemon.until(lambda: daemon.status()["motion"]["moving"], "the gantry to move")
        daemon.simulate("gantry", "press-emergency-stop")
    daemon.becomes("fault")

    said = daemon.restart().truth("fault", run)

    assert "emergency" in said["state"]["detail"]
    assert daemon.status()["motion"]["reference"] == "lost"
    daemon.ask("acknowledge")
    daemon.truth("ready")


def _step_ended(daemon: Station) -> bool:
    return daemon.last_status().get("step_ended_by") is not None
