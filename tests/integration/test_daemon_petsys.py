"""A PETsys front end through the whole station: armed by the daemon, paired live, stopped, its ASICs off again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from support_daemon import Station, station
from support_simulators import simulator

from daq.storage.kernels import load_decoder
from daq.storage.reader import open_listmode
from device_profiles.load import load_profile

pytestmark = pytest.mark.timeout(240)
ARMED_S = 90.0
ARMED_FOR_S = 1.5
"""Longer than the first step: time begins at the start, not when the front end was set up."""
"""A readout that finds no compiled kernels makes them first."""
SECOND_STEP_S = 1.5
PETSYS = load_profile("petsys-tofpet2-gbe")
SECOND_PS = 10**12
PROTOCOL = """
schema = "acquisition-protocol/1"
id = "ring"
version = 1
title = "Of a test"
kind = "pet"
modality = "pet"
store = { raw = true, singles = "all" }

[coincidence]
half_window = "3 ns"
delay = "500 ns"
timing_resolution = "300 ps"

[[steps]]
name = "timed"
stop.time = "1 s"
stop.host = "60 s"

[[steps]]
name = "until stopped"
stop.time = "60 s"
stop.host = "120 s"

[sources]
steps = "a test"
store = "a test"
coincidence = "a test"
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Station]:
    """Yield a running daemon with a front end that loses now and then what it should not."""
    import_module("daq.readout.process")  # on a fresh machine this compiles for longer than a daemon waits
    load_decoder(PETSYS.layout, PETSYS.clock)
    with simulator(
        "petsys-gbe", "--activity", "point:F-18,mbq=0.2", "--seed", 3, "--fault", "lost-flag:share=0.001",
        "--fault", "loss:share=0.001",
    ) as front_end:  # fmt: skip
        url = str(front_end.ready["udp"])
        with station(
            tmp_path, url, scanner='"petsys-small-ring"', mqtt='{ broker = "none" }',
            instruments=f'{{ ring = {{ profile = "petsys-tofpet2-gbe", url = "{url}" }} }}', devices="",
        ) as made:  # fmt: skip
            made.add(PROTOCOL)
            yield made.start()


def pairs_in(directory: Path, begin_ps: int, end_ps: int) -> int:
    """Return how many prompts lie within."""
    with open_listmode(directory) as recording:
        rows = [row for batch in recording.batches("coincidences", ["time_ps", "kind"]) for row in batch.to_pylist()]
    return sum(row["kind"] == 0 and begin_ps <= row["time_ps"] < end_ps for row in rows)


def lossy_in(directory: Path) -> int:
    """Return how many frames lost something by the marks."""
    with open_listmode(directory) as recording:
        marks = [mark for batch in recording.batches("marks") for mark in batch.to_pylist()]
    return sum(mark["value"] for mark in marks if mark["kind"] == "lossy")


def test_a_protocol_runs_on_a_petsys_front_end_until_an_operator_stops_it(daemon: Station) -> None:
    run = daemon.prepare("ring")
    daemon.becomes("armed", within_s=ARMED_S)
    time.sleep(ARMED_FOR_S)
    daemon.ask("start")
    daemon.recording()
    daemon.until(lambda: daemon.status()["step_name"] == "until stopped", "the second step")
    time.sleep(SECOND_STEP_S)
    daemon.ask("stop")
    status = daemon.becomes("completed", "aborted", "ready", within_s=60.0)

    steps = daemon.manifest(run).steps or []
    directory = daemon.directory(run)
    assert daemon.fates(run) == [("timed", True), ("until stopped", False)], status
    for step in steps:
        assert pairs_in(directory, step.begin_ps, step.end_ps or 0) > 100
    assert (steps[0].end_ps or 0) - steps[0].begin_ps == SECOND_PS
    (source,) = daemon.ledger(run)["sources"]
    assert source["gap"] > 0
    lost = source["beside"]["lossy_frames"] + source["beside"]["lost_frames"]
    assert lossy_in(directory) == lost >= sum(step.lossy for step in steps) > 0
    assert steps[0].live_ps is None
    told = daemon.daq("listmode", "verify", str(directory))
    assert "verdict: ok" in told.stdout, told.stdout + told.stderr
