"""A station whose scanner has tests of quality control, for tests of running them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support_cli import call
from support_daemon import Station, station
from support_simulators import simulator

from acquisition_protocols.load import read, shipped
from device_profiles.scanners import scanner_path

DEVICES = """
[devices]
collimator = { ability = "collimator" }
"""
_LIMIT = """
[qc.{test}.limits.{figure}]
unit = "{unit}"
action = {{ above = {action} }}
suspension = {{ above = {suspension} }}
counts_needed = {counts}
source = "a test"
"""
_TEST = """
[qc.{test}]
title = "{test}"
analysis = "{analysis}"
{more}
"""


def _limit(test: str, figure: str, unit: str, action: float, suspension: float, counts: float = 0) -> str:
    return _LIMIT.format(test=test, figure=figure, unit=unit, action=action, suspension=suspension, counts=counts)


def _test(test: str, analysis: str, more: str) -> str:
    return _TEST.format(test=test, analysis=analysis, more=more)


def _tests() -> str:
    flood = 'protocol = "daily-flood"'
    return "".join([
        _test("camera-background", "background", 'protocol = "camera-background"'),
        _limit("camera-background", "background_cps", "1/s", 1e6, 1e7),
        _test("daily-flood", "planar-uniformity", f'{flood}\nevery = "day"\nblocking = true'),
        _limit("daily-flood", "peak_off_percent", "%", 5, 10, 100),
        _test("too-hot", "planar-uniformity", f'{flood}\nadvice.suspension = "Go away."'),
        _limit("too-hot", "count_rate_cps", "1/s", 1000, 2000),
        _test("e-stop", "checklist", 'every = "month"\nitems = ["the pads", "the button"]'),
        _limit("e-stop", "items_failed", "1", 0, 0),
    ])  # fmt: skip


def _flood(text: str) -> str:
    """Return the shipped flood with few counts, without what a simulated station does not have."""
    text = re.sub(r'limit = "[0-9]+ Mcounts"', 'limit = "60 kcounts"', text)
    return text.replace('calibrations = [{ name = "energy-peak", maximum_age = "24 h" }, { name = "uniformity" }]', "")


def _background(text: str) -> str:
    return text.replace('stop.time = "5 min"', 'stop.time = "1 s"').replace(
        'calibrations = [{ name = "energy-peak", maximum_age = "24 h" }]', ""
    )


@contextmanager
def qc_station(folder: Path, *, mbq: float = 300.0) -> Iterator[Station]:
    """Yield a running station before a sheet source, with two protocols of quality control of its own."""
    heads = scanner_path("dual-head").read_text(encoding="utf-8").partition("# Quality control")[0]
    (folder / "tested.toml").write_text(heads.replace('id = "dual-head"', 'id = "tested"') + _tests())
    sheet = f"sheet:Co-57,mbq={mbq:g},width=600,height=450"
    with (
        simulator(
            "camera", "--profile", "head-xye64", "--scanner", "dual-head", "--collimator", "LEHR", "--seconds", "600",
            "--activity", sheet,
        ) as camera,
        station(
            folder, str(camera.ready["udp"]), scanner='"tested.toml"', mqtt='{ broker = "none" }', devices=DEVICES
        ) as made,
    ):  # fmt: skip
        made.add(_flood(read(shipped()["daily-flood"]).decode()))
        made.add(_background(read(shipped()["camera-background"]).decode()))
        made.start()
        made.simulate("collimator", "mount", "LEHR")
        time.sleep(2.5)  # a plug is sensed once it has been in for two seconds
        yield made


def qc(daemon: Station, *words: str, code: int = 0) -> str:
    """Run a command of `daq qc` and return what it printed; it must end with this code."""
    done = call("qc", *words, "--site", daemon.site)
    assert done.code == code, (done, daemon.log())
    return done.out if code == 0 or done.out else done.err


def qc_json(daemon: Station, *words: str, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(qc(daemon, *words, "--json", code=code))
    return found


def results(daemon: Station, test: str) -> dict[str, Any]:
    """Return where a test stands, with its newest result."""
    return daemon.ask("qc-due", test=test)
