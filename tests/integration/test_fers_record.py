"""Boards of a dual-head camera recorded over TCP: counts against the boards' own, and bad days of one of them."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support_readout import Running, manifest_of, plan_of, recorded, running, until
from support_simulators import WAIT_S, Simulator, simulator

from daq.composition.heads import camera_of
from daq.composition.processing import processing_of
from daq.model.frontend import FrontEnd
from daq.model.headcalibration import CalibrationReference
from daq.readout.plan import Plan
from daq.storage.manifest import RecordedStep
from daq.storage.reader import open_listmode
from daq.storage.replaying import compare
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner

FERS = load_profile("caen-fers-a5202")
HEADS = camera_of(FERS, load_scanner("fers-dual-head"), None).heads
RATE = 3000
PID = 21_001


class Boards:
    """Two simulated boards on one clock."""

    def __init__(self, server: Simulator, truth: Path) -> None:
        self._server = server
        self._truth = truth
        self.urls = list(server.ready["sources"])

    def fault(self, *texts: str) -> None:
        """Take all faults away and put these to work."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(WAIT_S)
            control.connect(self._server.ready["faults"])
            with control.makefile("rw") as lines:
                for line in ({"clear": True}, *({"add": text} for text in texts)):
                    lines.write(json.dumps(line) + "\n")
                    lines.flush()
                    assert "error" not in json.loads(lines.readline())

    def told(self, good: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Return the boards' own account of the last run as soon as it is what is waited for."""
        give_up_s = time.monotonic() + WAIT_S
        while True:
            boards: list[dict[str, Any]] = json.loads(self._truth.read_text())["boards"] if self._truth.exists() else []
            if boards and good(boards):
                return boards
            assert time.monotonic() < give_up_s, boards
            time.sleep(0.05)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boards]:
    truth = tmp_path_factory.mktemp("boards") / "truth.json"
    with simulator("caen-fers", "--boards", 2, "--pid", PID, "--rate", RATE, "--truth", truth) as server:
        yield Boards(server, truth)


@pytest.fixture
def boards(process: Boards) -> Boards:
    process.fault()
    return process


def plan_for(folder: Path, *urls: str, stop: str = "end", **changes: Any) -> Plan:
    kept = {"processing": processing_of(FERS, heads=HEADS), "front_end": FERS.transport.front_end, "order": FERS.order}
    return plan_of(folder, *urls, profile=FERS, stop=stop, **{**kept, **changes})


def told(**changes: Any) -> FrontEnd:
    """Return what boards are told by the profile, but for some settings."""
    front_end = FERS.transport.front_end
    assert front_end is not None
    assert front_end.board is not None
    return front_end.model_copy(update={"board": front_end.board.model_copy(update=changes)})


def marks(run: Running, *kinds: str) -> list[dict[str, Any]]:
    found = [mark for batch in open_listmode(run.folder / "run").batches("marks") for mark in batch.to_pylist()]
    return [mark for mark in found if mark["kind"] in kinds]


def replayed_alike(run: Running) -> None:
    result = compare(open_listmode(run.folder / "run"))
    assert result.differences == []
    assert result.rows["singles"] > 0


def step_of(run: Running) -> RecordedStep:
    (step,) = manifest_of(run).steps or []
    return step


def running_well(run: Running, seconds: float) -> None:
    until(lambda: bool(run.code) or run.readout.status().get("duration_ps", 0) > seconds * 1e12, f"{seconds} s of data")
    assert not run.code, run.readout.status()


def test_two_boards_record_what_they_sent_and_their_live_times_are_those_of_the_boards(
    tmp_path: Path, boards: Boards
) -> None:
    with running(plan_for(tmp_path, *boards.urls, stop="time=2s")) as run:
        assert run.finish() == 0

    truth = boards.told(lambda each: not any(board["running"] for board in each))
    live = step_of(run).source_live_ps
    for number, board in enumerate(truth):
        sent = sum(board["events"].values())
        assert 0.8 * 2 * RATE < recorded(run)[number] <= sent
        assert run.last_status[f"board_{number}_serial"] == PID + number
        share = 1 - board["busy_s"] / board["seconds"]
        assert live[number] == pytest.approx(share * 2e12, rel=0.01)
    replayed_alike(run)


def test_a_head_that_is_unplugged_is_marked_and_the_others_data_survive(tmp_path: Path, boards: Boards) -> None:
    boards.fault("unplug:at_s=0.7,for_s=2,source=1")
    with running(plan_for(tmp_path, *boards.urls, stop="time=3.7s")) as run:
        until(lambda: run.readout.status().get("silent_sources") == [1], "a silent head")
        assert run.readout.status()["state"] == "recording"
        assert run.finish() == 0

    assert recorded(run)[0] > 0.8 * 3.7 * RATE
    assert 0 < recorded(run)[1] < recorded(run)[0]
    said = [(mark["kind"], mark["source"]) for mark in marks(run, "silent", "heard") if mark["text"] == ""]
    assert said == [("silent", 1), ("heard", 1)]
    assert f"source 1 ({boards.urls[1].partition('?')[0]}) has sent nothing for 1." in str(run.last_status["warnings"])
    live = step_of(run).source_live_ps
    assert step_of(run).live_ps is None
    assert live[1] < 0.7 * live[0]
    replayed_alike(run)


def test_a_head_whose_connection_is_cut_ends_there_and_the_other_goes_on(tmp_path: Path, boards: Boards) -> None:
    boards.fault("cut:at_s=0.7,source=0")
    with running(plan_for(tmp_path, *boards.urls, stop="time=2s")) as run:
        assert run.finish() == 0

    assert recorded(run)[0] < 0.6 * recorded(run)[1]
    assert list(manifest_of(run).time["lost_sources"]) == ["0"]
    assert [mark["source"] for mark in marks(run, "source_end")] == [0]
    boards.told(lambda each: not any(board["running"] for board in each))
    replayed_alike(run)


def test_service_events_that_stay_away_are_warned_of_and_marked(tmp_path: Path, boards: Boards) -> None:
    boards.fault("no-service:at_s=1.2,for_s=2.4")
    with running(plan_for(tmp_path, boards.urls[0], stop="time=4.7s")) as run:
        until(lambda: run.readout.status().get("sources_without_service") == [0], "missing service events")
        assert run.finish() == 0

    assert [(mark["kind"], mark["text"]) for mark in marks(run, "silent", "heard")] == [
        ("silent", "service"), ("heard", "service"),
    ]  # fmt: skip
    assert "source 0 has sent no service event for 2." in str(run.last_status["warnings"])
    assert run.last_status["silences"] == 1
    replayed_alike(run)


def test_a_rate_beyond_the_electronics_is_warned_of_and_its_dead_time_told(tmp_path: Path, boards: Boards) -> None:
    boards.fault("noisy-channel:channel=7,at_s=0,cps=400000,source=0")
    with running(plan_for(tmp_path, boards.urls[0], stop="time=1.6s")) as run:
        assert run.finish() == 0

    (board, *_) = boards.told(lambda each: not each[0]["running"])
    share = board["events"]["0x11"] / board["triggers"]
    assert share < 0.3
    assert run.last_status["live_shares"]["0"] == pytest.approx(share, rel=0.15)
    assert step_of(run).live_ps == pytest.approx(share * 1.6e12, rel=0.15)
    assert "the rate is beyond its electronics" in str(run.last_status["warnings"])
    replayed_alike(run)


def test_events_whose_length_lies_cost_themselves_alone(tmp_path: Path, boards: Boards) -> None:
    boards.fault("lie:share=0.02,source=0")
    with running(plan_for(tmp_path, *boards.urls, stop="time=1.5s")) as run:
        assert run.finish() == 0

    ledger = manifest_of(run).ledger
    assert ledger is not None
    assert ledger.balanced
    lying, honest = ledger.sources
    assert 0.01 * lying.received < lying.malformed < 0.04 * lying.received
    assert honest.malformed == 0
    replayed_alike(run)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("refuse:share=1,source=1", "the board refused the command acq_stop"),
        ("stuck:share=1,source=1", "td_coarse_threshold was set to 0x101 and holds 0xfa"),
        ("asic:share=1,source=1", "chip 0 holds other settings than it was given"),
    ],
)
def test_a_board_that_refuses_its_settings_is_said_before_anything_is_recorded(
    tmp_path: Path, boards: Boards, fault: str, words: str
) -> None:
    boards.fault(fault)
    with running(plan_for(tmp_path, *boards.urls, front_end=told(time_threshold=257))) as run:
        assert run.finish() in (3, 6)

    where = boards.urls[1].partition("?")[0].rpartition(":")[0]
    assert words in run.last_status["error"]
    assert where in run.last_status["error"]
    assert not (tmp_path / "run").exists()


def test_a_board_with_another_serial_number_than_its_calibrations_is_refused(tmp_path: Path, boards: Boards) -> None:
    reference = CalibrationReference(
        kind="peaking", id="peaking-1", made_utc="2026-11-01T00:00:00Z", sha256="0" * 64, serial=str(PID + 7)
    )
    heads = tuple(head.model_copy(update={"used": (reference,)}) if head.head == 1 else head for head in HEADS)
    with running(plan_for(tmp_path, *boards.urls, processing=processing_of(FERS, heads=heads))) as run:
        assert run.finish() == 3

    words = f"board {PID + 1} is connected; the peaking calibration peaking-1 of head 1 was made on {PID + 7}"
    assert words in run.last_status["error"]


def test_a_board_that_restarts_in_mid_recording_is_lost_and_said_and_stops_nothing_else(
    tmp_path: Path, boards: Boards
) -> None:
    boards.fault("reboot:at_s=0.7,for_s=0.5,source=1")
    with running(plan_for(tmp_path, *boards.urls, stop="time=2s")) as run:
        assert run.finish() == 0

    assert recorded(run)[1] < 0.6 * recorded(run)[0]
    assert list(manifest_of(run).time["lost_sources"]) == ["1"]
    boards.fault()
    replayed_alike(run)


def test_a_chain_of_boards_begins_together(tmp_path: Path, boards: Boards) -> None:
    until(lambda: _answers(boards.urls[1]), "the board after its restart")
    with running(plan_for(tmp_path, *boards.urls, stop="time=1s", front_end=told(start="t0_chain"))) as run:
        assert run.finish() == 0

    truth = boards.told(lambda each: not any(board["running"] for board in each))
    assert truth[0]["seconds"] == pytest.approx(truth[1]["seconds"], abs=1e-3)
    assert min(recorded(run).values()) > 0.8 * RATE


def _answers(url: str) -> bool:
    host, _, port = url.removeprefix("tcp://").partition("?")[0].rpartition(":")
    try:
        socket.create_connection((host, int(port)), 1.0).close()
    except OSError:
        return False
    return True
