"""`daq record` interrupted, terminated and killed: what came is sealed, or recovers."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_cli import call, done, processes_with, started
from support_readout import free_port, until
from support_record import PROFILE, replay_is_equal, rows_in, temporary_folder
from support_simulators import simulator

from daq.errors import ScandaqError
from daq.storage.listing import load_manifest
from daq.storage.verify import verify


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    with temporary_folder(tmp_path) as folder:
        yield folder


@pytest.fixture
def endless(tmp_path: Path, temporary: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A recording of a front end that goes on for long: the command's process, and the readout's."""
    options = ("--profile", PROFILE, "--rate", "20000", "--seconds", "60")
    with simulator("poisson", *options) as front_end:
        arguments = ("record", "--profile", PROFILE, "--source", front_end.ready["udp"], "--out", tmp_path / "run")
        with started(*arguments, "--stall", "5", "--json", temporary=temporary) as recording:
            until(lambda: rows_in(tmp_path / "run") > 0, "rows on the disk")
            (readout,) = readouts(temporary)
            yield recording, readout
            for pid in readouts(temporary):
                os.kill(pid, signal.SIGKILL)


def readouts(temporary: Path) -> list[int]:
    return processes_with(f"daq.readout\0{temporary}")


def sealed(directory: Path) -> Any:
    """Wait until the directory is sealed and hashed; return its manifest."""

    def whole() -> bool:
        try:
            return load_manifest(directory).hashed
        except ScandaqError:
            return False

    until(whole, f"{directory} sealed")
    until(lambda: not readouts(directory.parent / "tmp"), "the end of the readout")
    assert verify(directory).verdict == "ok"
    return load_manifest(directory)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_interruption_stops_in_order_and_is_a_success(
    endless: tuple[subprocess.Popen[str], int], tmp_path: Path, number: signal.Signals
) -> None:
    recording, _ = endless

    recording.send_signal(number)
    made = done(recording)

    assert made.code == 0
    assert "stopping" in made.err
    assert (made.json["ended_by"], made.json["state"]) == ("operator", "sealed")
    assert made.json["ledger"]["balanced"] is True
    replay_is_equal(tmp_path / "run")


def test_an_interruption_while_the_readout_starts_is_not_lost(tmp_path: Path, temporary: Path) -> None:
    port = free_port()
    arguments = ("record", "--profile", PROFILE, "--source", f"udp://@127.0.0.1:{port}", "--out", tmp_path / "run")
    with started(*arguments, temporary=temporary) as recording:
        until(lambda: bool(readouts(temporary)), "a readout")
        recording.send_signal(signal.SIGINT)
        made = done(recording)

    assert made.code == 0, made.err
    assert load_manifest(tmp_path / "run").ended_by == "operator"


def test_a_second_interruption_leaves_the_readout_to_finish_by_itself(
    endless: tuple[subprocess.Popen[str], int], tmp_path: Path, temporary: Path
) -> None:
    recording, readout = endless
    os.kill(readout, signal.SIGSTOP)

    recording.send_signal(signal.SIGINT)
    time.sleep(0.5)
    recording.send_signal(signal.SIGINT)
    code = recording.wait(20.0)
    os.kill(readout, signal.SIGCONT)

    assert code == 130
    assert recording.stderr is not None
    assert re.search(
        rf"left alone: .*process {readout}\b.* answers at {temporary}/scandaq/\w+/control", recording.stderr.read()
    )
    assert sealed(tmp_path / "run").ended_by == "operator"


def test_a_parent_killed_hard_leaves_a_readout_that_finishes_and_seals(
    endless: tuple[subprocess.Popen[str], int], tmp_path: Path
) -> None:
    recording, readout = endless

    recording.kill()
    recording.wait(20.0)
    before = rows_in(tmp_path / "run")
    until(lambda: rows_in(tmp_path / "run") > before, "more rows without a parent")
    os.kill(readout, signal.SIGTERM)

    assert sealed(tmp_path / "run").ended_by == "operator"


def test_a_readout_told_to_terminate_seals(endless: tuple[subprocess.Popen[str], int], tmp_path: Path) -> None:
    recording, readout = endless

    os.kill(readout, signal.SIGTERM)
    made = done(recording)

    assert made.code == 0
    assert made.json["ended_by"] == "operator"
    assert sealed(tmp_path / "run").state == "sealed"


def test_a_readout_killed_hard_is_said_and_what_was_acknowledged_recovers(
    endless: tuple[subprocess.Popen[str], int], tmp_path: Path, temporary: Path
) -> None:
    recording, readout = endless

    os.kill(readout, signal.SIGKILL)
    made = done(recording)
    recovered = call("listmode", "recover", tmp_path / "run", "--out", tmp_path / "recovered", "--json")

    assert made.code == 1
    assert "the readout ended with code -9" in made.err
    assert f"daq listmode recover {tmp_path / 'run'}" in made.err
    (left,) = (temporary / "scandaq").iterdir()
    assert f"what it left is in {left};" in made.err
    assert (left / "readout.log").exists()
    shutil.rmtree(left)
    assert recovered.code == 0, recovered.err
    assert recovered.json["rows"]["coincidences"] > 0
    assert recovered.json["rows"]["raw"] > 0
