"""`daq demo qc`: a morning of quality control in one command, with its report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support_simulators import ROOT

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]


def test_a_morning_of_quality_control_ends_with_a_flood_in_limits_and_a_report_that_says_simulated(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "daq", "demo", "qc", "--out", str(tmp_path / "morning"), "--json"],
        capture_output=True, text=True, cwd=ROOT, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)

    assert (told["good"], told["result"]["simulated"]) == (True, True)
    assert {row["test"]: row["state"] for row in told["tests"]} == {
        "camera-background": "valid", "daily-flood": "valid",
    }  # fmt: skip
    counts = next(each for each in told["result"]["body"]["figures"] if each["name"] == "counts_per_pixel")
    assert all(250 < value < 500 for value in counts["values"]), "2.5 M counts of 540 x 400 mm and around"
    page = Path(told["report"]).read_text()
    assert "SIMULATED" in page
    assert told["result"]["body"]["source"]["serial"] in page
