"""A readout that is killed under the daemon, or together with it: what is said of the run, what can be recovered."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support_daemon import Station, front_end, station
from support_protocol_texts import protocol, step

PROTOCOLS = (
    protocol("still", step("view")),
    protocol("short", step("first", stop='stop.time = "2 s"'), step("second", stop='stop.time = "1 s"')),
    protocol("two", step("first", stop='stop.time = "1 s"'), step("second")),
)
LOST = "acquisition/readout-lost"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with front_end() as address:
        yield address


@pytest.fixture
def daemon(tmp_path: Path, url: str) -> Iterator[Station]:
    with station(tmp_path, url) as made:
        made.add(*PROTOCOLS)
        yield made.start()


def recovered(daemon: Station, run: str) -> dict[str, object]:
    """Recover the directory of a run, demand that the copy is whole, and return what its manifest says of steps."""
    out = daemon.folder / f"{run}-recovered"
    done = daemon.daq("listmode", "recover", str(daemon.directory(run)), "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    assert daemon.daq("listmode", "verify", str(out)).returncode == 0
    told = json.loads((out / "manifest.json").read_text())
    assert told["state"] == "recovered"
    return {each["name"]: each["completed"] for each in told["steps"]}


def test_a_readout_that_is_killed_while_armed_aborts_and_the_next_run_can_be_prepared(daemon: Station) -> None:
    run = daemon.armed("still")
    os.kill(daemon.readout_pid(), signal.SIGKILL)

    said = daemon.truth("aborted", run)

    assert said["alarm/acquisition/readout-lost"]["priority"] == "high"
    assert said["state"]["detail"] == "the program that records has stopped working; nothing is recorded since then"
    details = daemon.alarms()[LOST]["details"]
    assert "is gone" in details or "ended with code -9" in details
    daemon.armed("still")


@pytest.mark.parametrize("state", ["acquiring", "paused"])
def test_a_readout_that_is_killed_leaves_an_interrupted_run_of_which_the_durable_steps_are_kept(
    daemon: Station, state: str
) -> None:
    run = daemon.acquiring("two")
    daemon.in_step(2)
    if state == "paused":
        daemon.ask("pause")
    os.kill(daemon.readout_pid(), signal.SIGKILL)

    said = daemon.truth("interrupted", run)

    assert daemon.directory(run).name in daemon.alarms()[LOST]["details"]
    assert f"alarm/{LOST}" in said
    daemon.catalogued(run, "interrupted", "open")
    assert recovered(daemon, run) == {"first": True, "second": False}


def test_a_readout_that_is_killed_while_it_seals_is_said_to_be_lost(daemon: Station) -> None:
    run = daemon.acquiring("still")
    readout = daemon.readout_pid()
    os.kill(readout, signal.SIGSTOP)
    daemon.ask("stop")
    assert daemon.status()["state"] == "completing"

    os.kill(readout, signal.SIGKILL)

    daemon.truth("interrupted", run)
    assert LOST in daemon.alarms()
    daemon.catalogued(run, "interrupted", "open")


def test_daemon_and_readout_killed_together_are_an_interrupted_run_for_the_next_daemon(daemon: Station) -> None:
    run = daemon.acquiring("two")
    daemon.in_step(2)
    readout = daemon.readout_pid()
    daemon.kill()
    os.kill(readout, signal.SIGKILL)

    said = daemon.start().truth("interrupted", run)

    assert "the program that records had stopped working" in said["state"]["detail"]
    assert LOST in daemon.alarms()
    daemon.catalogued(run, "interrupted", "open")
    assert recovered(daemon, run) == {"first": True, "second": False}
    daemon.ask("acknowledge-alarm", device="acquisition", name="readout-lost")
    daemon.ask("acknowledge")
    daemon.armed("still")


def test_a_readout_that_stands_still_while_the_daemon_is_killed_is_found_and_goes_on(daemon: Station) -> None:
    run = daemon.acquiring("short")
    readout = daemon.readout_pid()
    os.kill(readout, signal.SIGSTOP)
    try:
        daemon.kill()
        daemon.launch()
        daemon.until(lambda: "found again" in daemon.log() or daemon.socket.exists(), "the daemon to look around")
    finally:
        os.kill(readout, signal.SIGCONT)

    daemon.until(daemon.answers, "the daemon to answer")
    daemon.truth("completed", run)
    assert daemon.fates(run) == [("first", True), ("second", True)]
    daemon.ledger(run)


@pytest.mark.parametrize("restarted", [False, True], ids=["its own readout", "one found again"])
def test_a_runtime_directory_that_goes_with_the_session_of_a_user_costs_no_recording(
    daemon: Station, *, restarted: bool
) -> None:
    run = daemon.acquiring("still")
    if restarted:
        daemon.restart()
    readout = daemon.readout_pid()
    try:
        shutil.rmtree(daemon.runtime / "scandaq")
        time.sleep(1.5)
        assert daemon.status()["state"] == "acquiring"

        daemon.ask("stop")

        daemon.truth("completed", run)
        assert LOST not in daemon.alarms()
        assert daemon.manifest(run).state == "sealed"
        daemon.ledger(run)
        daemon.catalogued(run, "completed")
    finally:
        with suppress(ProcessLookupError):
            os.kill(readout, signal.SIGKILL)
    daemon.armed("still")
