"""The vendor's unmodified FERSlib opens, configures and reads our boards: what it makes of them is the truth.

SCANDAQ_FERSLIB names the library; docs/how-to/check-with-ferslib.md says how to build it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support_simulators import simulator

ROOT = Path(__file__).parents[2]
ADDRESSES = ("127.31.0.1", "127.31.0.2")
"""The library talks to ports 9760 and 9000 alone, so boards have addresses of their own."""
LIT_S, READ_S = 0.8, 2.6
"""Light ends before the library stops: events that lie in a buffer of its own at a stop it never gives out."""
COMMON_PEDESTAL = 100


@pytest.fixture(scope="module")
def library() -> Path:
    path = os.environ.get("SCANDAQ_FERSLIB")
    if not path:
        pytest.skip(
            "the vendor's FERSlib is built by hand (docs/how-to/check-with-ferslib.md): set SCANDAQ_FERSLIB to it"
        )
    return Path(path).absolute()


def judged(
    library: Path, folder: Path, parameters: tuple[str, ...], *options: object, boards: int = 1, read_s: float = READ_S
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return what the library and the truth say of each board."""
    truth = folder / "truth.json"
    serve = ("--host", ADDRESSES[0], "--port", "control=9760", "--port", "stream=9000", "--seconds", LIT_S)
    with simulator("caen-fers", *serve, "--boards", boards, "--truth", truth, *options) as server:
        done = subprocess.run(
            [
                sys.executable, ROOT / "tests" / "support_ferslib.py", library, str(read_s),
                ",".join(ADDRESSES[:boards]), *parameters,
            ],
            cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        server.terminate()
    said = json.loads(done.stdout.splitlines()[-1])["boards"]
    return list(zip(said, json.loads(truth.read_text())["boards"], strict=True))


def raw_sums(said: dict[str, Any], gain: str) -> list[int]:
    """Return the sums of amplitudes before the library took its pedestals off."""
    events = sum(count for kind, count in said["events"].items() if kind != "0x2f")
    shift = np.array(said[f"pedestal_{gain}"]) - COMMON_PEDESTAL
    return [int(total) for total in np.array(said[gain]) + events * shift]


def of_triggers(events: dict[str, int]) -> dict[str, int]:
    """Return the events of triggers: of those of each second the library may not give out the last one."""
    return {kind: count for kind, count in events.items() if kind != "0x2f"}


def unseen(said: dict[str, Any], truth: dict[str, Any]) -> int:
    """Return how many lost triggers the library did not find: those behind the last event, which nothing tells."""
    lost: int = truth["lost_dead_time"] + truth["lost_buffer_full"]
    return lost - int(said["lost"])


def test_a_board_is_known_configured_and_read_without_loss(library: Path, tmp_path: Path) -> None:
    parameters = ("AcquisitionMode=SPECTROSCOPY", "GainSelect=BOTH", "BunchTrgSource=Q-OR", "HV_Vbias=54")

    [(said, truth)] = judged(library, tmp_path, parameters, "--rate", 10_000)

    assert (said["pid"], said["code"], said["model"], said["channels"]) == (21001, 5202, "A5202", 64)
    assert (said["pedestal_high"], said["pedestal_low"]) == (truth["pedestal_high"], truth["pedestal_low"])
    assert said["set_v"] == 54.0
    assert of_triggers(said["events"]) == of_triggers(truth["events"])
    assert said["events"]["0x11"] > 5000
    assert said["lost"] > 100
    assert 0 <= unseen(said, truth) <= 3
    assert (raw_sums(said, "high"), raw_sums(said, "low")) == (truth["sum_high"], truth["sum_low"])
    assert said["counts"] == truth["counts"]
    assert (said["services"][0]["on"], said["services"][0]["ramping"], said["services"][0]["status"]) == (1, 1, 5)
    assert 5.0 < said["services"][0]["volts"] < 40.0


@pytest.mark.parametrize(
    ("gain", "bits", "options"),
    [("HIGH", 14, ()), ("AUTO", 13, ()), ("LOW", 13, ("--protocol", "old"))],
)
def test_amplitudes_of_one_gain_are_those_of_the_truth(
    gain: str, bits: int, options: tuple[str, ...], library: Path, tmp_path: Path
) -> None:
    parameters = ("AcquisitionMode=SPECTROSCOPY", f"GainSelect={gain}", "BunchTrgSource=Q-OR")
    wide = ("Range_14bit=1",) if bits == 14 else ()

    [(said, truth)] = judged(library, tmp_path, parameters + wide, "--rate", 5000, *options)

    assert of_triggers(said["events"]) == of_triggers(truth["events"])
    given = "low" if gain == "LOW" else "high"
    assert raw_sums(said, given) == truth[f"sum_{given}"]


def test_energies_and_times_of_photons_of_a_camera_come_together(library: Path, tmp_path: Path) -> None:
    parameters = (
        "AcquisitionMode=SPECT_TIMING", "GainSelect=HIGH", "BunchTrgSource=T-OR", "TD_CoarseThreshold=300",
        "EnableToT=1",
    )  # fmt: skip

    [(said, truth)] = judged(library, tmp_path, parameters, "--field", "Tc-99m,mbq=10")

    assert of_triggers(said["events"]) == of_triggers(truth["events"])
    assert said["events"]["0x03"] > 1000
    assert raw_sums(said, "high") == truth["sum_high"]
    assert said["events"]["0x03"] <= sum(said["hits"]) <= sum(truth["counts"][:64])


def test_times_alone_are_listed(library: Path, tmp_path: Path) -> None:
    parameters = ("AcquisitionMode=TIMING_CSTART", "BunchTrgSource=T-OR", "TD_CoarseThreshold=300")

    [(said, truth)] = judged(library, tmp_path, parameters, "--rate", 3000)

    assert of_triggers(said["events"]) == of_triggers(truth["events"])
    assert np.array(said["hits"]).argmax() == np.array(truth["counts"][:64]).argmax()
    assert sum(truth["counts"][:64]) * 0.99 < sum(said["hits"]) <= sum(truth["counts"][:64])


def test_counts_by_period_add_up(library: Path, tmp_path: Path) -> None:
    parameters = ("AcquisitionMode=COUNTING", "BunchTrgSource=PTRG", "PtrgPeriod=10 ms", "TD_CoarseThreshold=300",
                  "EnableServiceEvents=0")  # fmt: skip

    [(said, truth)] = judged(library, tmp_path, parameters, "--rate", 20_000)

    assert 0 <= truth["events"]["0x04"] - said["events"]["0x04"] <= 20
    assert said["counts"] == truth["counts"]


def test_two_boards_in_a_chain_are_read_at_once(library: Path, tmp_path: Path) -> None:
    parameters = ("AcquisitionMode=SPECTROSCOPY", "GainSelect=HIGH", "BunchTrgSource=Q-OR", "StartRunMode=CHAIN_T0")

    for said, truth in judged(library, tmp_path, parameters, "--rate", 5000, boards=2):
        assert of_triggers(said["events"]) == of_triggers(truth["events"])
        assert raw_sums(said, "high") == truth["sum_high"]
        assert 0 <= unseen(said, truth) <= 3


def test_a_configuration_that_the_board_refuses_is_a_failure_of_the_library(library: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"to (open|configure)"):
        judged(library, tmp_path, ("AcquisitionMode=SPECTROSCOPY",), "--fault", "refuse:share=0.05")


def test_service_events_that_are_missing_for_two_seconds_are_told_in_its_log(library: Path, tmp_path: Path) -> None:
    parameters = ("AcquisitionMode=SPECTROSCOPY", "BunchTrgSource=Q-OR")

    judged(library, tmp_path, parameters, "--rate", 100, "--speed", 2, "--fault", "no-service:at_s=1.5", read_s=4.0)

    assert "Missing service events" in (tmp_path / "FERSlib_Log.txt").read_text()
