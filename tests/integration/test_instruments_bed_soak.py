"""A PET acquisition steps its bed through the protocol of a servo's controller, and waits for it to be in position."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from support_daemon import Station, station
from support_gantry import positions, slow_watchdog
from support_instruments import do
from support_simulators import Simulator, simulator

pytestmark = [pytest.mark.soak, pytest.mark.timeout(240)]
ARMED_S = 90.0
PROTOCOL = """
schema = "acquisition-protocol/1"
id = "beds"
version = 1
title = "Of a test"
kind = "pet"
modality = "pet"
[windows.photopeak]
lower = "425 keV"
upper = "650 keV"
[coincidence]
half_window = "3 ns"
delay = "500 ns"
timing_resolution = "214 ps"
[[steps]]
name = "bed"
repeat = { count = 2, axis = "bed", from = "200 mm", step = "-120 mm", overlap = "25 %", first = "pelvis" }
stop.time = "1 s"
stop.host = "60 s"
[sources]
steps = "a test"
windows = "a test"
coincidence = "a test"
"""
DEVICES = """
[controllers]
servo = {{ profile = "pi-gcs2", url = "tcp://{servo}" }}
safety = {{ profile = "./safety.toml", url = "tcp://{safety}" }}
[devices]
bed = {{ ability = "bed", kind = "profile", controller = {{ name = "servo", channel = "1", per_unit = 0.2 }} }}
room = {{ ability = "interlocks", kind = "profile", controller = {{ name = "safety" }} }}
button = {{ ability = "motion_enable", kind = "profile", controller = {{ name = "safety" }} }}
"""


def place(simulated: Simulator) -> str:
    host, port = simulated.address("tcp")
    return f"{host}:{port}"


def held(daemon: Station, safety: Simulator) -> None:
    """Let go of the enable and press it, again where the daemon was too busy to see that a thumb was lifted."""
    for left in (2, 1, 0):
        do(safety, {"do": "let-go"})
        do(safety, {"do": "drop-latch"})
        daemon.until(lambda: daemon.status()["motion"]["enable"] == "off", "the enable to be let go")
        time.sleep(0.4)  # four looks of the daemon: less is not seen as let go
        do(safety, {"do": "press-enable"})
        try:
            daemon.until(lambda: daemon.status()["motion"]["enable"] == "held", "the enable to be held", within_s=5.0)
        except AssertionError:
            if not left:
                raise
        else:
            return


def test_the_bed_of_a_ring_is_where_each_step_says_before_photons_count(tmp_path: Path) -> None:
    calibrations = tmp_path / "calibrations"
    calibrations.mkdir()
    ring = (
        "--profile", "singles64", "--activity", "line:F-18,mbq=0.1,length=100", "--detectors",
        "gain_sigma=0.04,offset_sigma_ps=2000", "--loop", 1, "--seed", 5, "--calibration", calibrations / "ring.toml",
    )  # fmt: skip
    with simulator("pet", *ring) as photons, simulator("pi-gcs2") as servo, simulator("modbus-plc") as safety:
        url = str(photons.ready["udp"])
        with station(
            tmp_path, url, scanner='"reference-ring"', calibrations=f'"{calibrations}"', mqtt='{ broker = "none" }',
            instruments=f'{{ ring = {{ profile = "singles64", url = "{url}" }} }}',
            devices=DEVICES.format(servo=place(servo), safety=place(safety)),
        ) as daemon:  # fmt: skip
            (tmp_path / "safety.toml").write_text(slow_watchdog())
            daemon.add(PROTOCOL)
            daemon.start()
            held(daemon, safety)
            daemon.until(lambda: "room." not in str(daemon.ask("check", device="bed")["devices"]), "good contacts")
            daemon.ask("home", axes=["bed"], within_s=60.0)
            daemon.ask("confirm", identity=True, position=True)
            run = daemon.prepare("beds")
            daemon.becomes("armed", within_s=ARMED_S)
            do(safety, {"do": "let-go"})
            daemon.until(lambda: daemon.status()["motion"]["enable"] == "off", "the enable to be let go")
            do(safety, {"do": "press-latch"})
            daemon.until(lambda: daemon.status()["motion"]["enable"] == "latched", "the enable to be latched")
            daemon.ask("start")
            daemon.becomes("completed", within_s=60.0)
            steps = daemon.manifest(run).steps or []
            times_ps, places, moving = positions(daemon.directory(run), "bed")

    assert [each.completed for each in steps] == [True, True]
    for each, expected in zip(steps, (200.0, 80.0), strict=True):
        inside = (times_ps >= each.begin_ps) & (times_ps <= (each.end_ps or 0))
        last = np.flatnonzero(times_ps <= each.begin_ps)[-1]
        assert places[last] == pytest.approx(expected, abs=0.2)
        assert not np.any(moving[inside])
    between = (times_ps > (steps[0].end_ps or 0)) & (times_ps < steps[1].begin_ps)
    assert np.count_nonzero(moving[between]) > 5
