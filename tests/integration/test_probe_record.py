"""A gamma probe recorded from its simulator: counts equal the truth, also after reboots and broken connections."""

from __future__ import annotations

import json
import socket
import struct
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from support_cli import call
from support_probe import Client
from support_readout import plan_of, running
from support_simulators import simulator

from daq.model.study import StudyReference
from daq.readout.liveview import LiveView
from daq.readout.plan import CONTROL, Plan
from daq.storage.info import describe
from daq.storage.reader import open_listmode
from daq.storage.replaying import replayed
from device_profiles.load import load_profile

PROBE = load_profile("redpitaya-mcpha")
KIND = "redpitaya-mcpha"


def address(ready: dict, name: str) -> tuple[str, int]:
    host, port = ready["endpoints"][name].removeprefix("tcp://").split(":")
    return host, int(port)


def singles(directory: Path) -> dict[str, np.ndarray]:
    with open_listmode(directory) as recording:
        parts = list(recording.numpy("singles", ["time_ps", "detector", "energy_adc"]))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def list_mode(at: tuple[str, int], *, clocks: int) -> np.ndarray:
    """Return what `pha-server` sends until its timer has run out: words [events, 4]."""
    data = b""
    with socket.create_connection(at, timeout=10) as pha, suppress(TimeoutError):
        for code, value in ((2, 4), (4, 100), (5, 50), (6, 4090), (7, clocks), (8, 0)):
            pha.sendall(struct.pack("<Q", code << 60 | value))
        pha.settimeout(clocks / 125e6 + 0.5)
        while chunk := pha.recv(65536):
            data += chunk
    return np.frombuffer(data, "<u4").reshape(-1, 4)


def test_an_independent_client_and_the_readout_count_what_the_board_counted(tmp_path: Path) -> None:
    truth = tmp_path / "truth.json"
    with simulator(KIND, "--cps", 4000, "--truth", truth) as server:
        with closing(Client(address(server.ready, "mcpha"))) as client:
            found = client.acquire(0.5)
            own = int(found.sum())
            peak = int(np.argmax(found[300:])) + 300
        events = list_mode(address(server.ready, "pha"), clocks=62_500_000)
        plan = plan_of(tmp_path, server.ready["endpoints"]["mcpha"], stop="time=1.5s", profile=PROBE)
        with running(plan) as recorded:
            assert recorded.finish() == 0, recorded.last_status
        server.terminate()

    told = json.loads(truth.read_text())["inputs"][0]
    listed = json.loads(truth.read_text())["list_mode"][0]
    rows = singles(tmp_path / "run")
    assert (len(events), listed["clocks"]) == (listed["counted"], 62_500_000)
    assert (events[:, 0] == 0).all()
    assert (np.diff(events[:, 3].astype(np.int64)) >= 0).all()
    assert events[-1, 3] < 62_500_000
    described = describe(tmp_path / "run")
    assert abs(peak - 562) < 30
    assert own > 1000
    assert len(rows["time_ps"]) == told["in_histogram"] == told["counted"] - own
    (entry,) = described["ledger"]["sources"]
    assert (entry["recorded"], entry["basis"], entry["balanced"]) == (len(rows["time_ps"]), "counter", True)
    assert len(np.unique(rows["time_ps"])) >= 10
    with open_listmode(tmp_path / "run") as recording:
        parts = [part for made, _ in replayed(recording) for part in made.get("singles", [])]
    again = {name: np.concatenate([part[name] for part in parts]) for name in rows}
    assert all((again[name] == rows[name]).all() for name in rows)


def test_a_broken_connection_loses_nothing_and_a_reboot_is_said(tmp_path: Path) -> None:
    truth = tmp_path / "truth.json"
    faults = ("--fault", "reboot:at_s=0.7,for_s=0.3", "--fault", "cut:at_s=1.8,for_s=0.4")
    with simulator(KIND, "--cps", 2000, "--truth", truth, *faults) as server:
        plan = plan_of(tmp_path, server.ready["endpoints"]["mcpha"], stop="host=3.2s", profile=PROBE)
        with running(plan) as recorded:
            assert recorded.finish() == 0, recorded.last_status
            status = recorded.last_status
        server.terminate()

    told = json.loads(truth.read_text())
    described = describe(tmp_path / "run")
    (entry,) = described["ledger"]["sources"]
    rows = singles(tmp_path / "run")
    after = rows["time_ps"][np.flatnonzero(np.diff(rows["time_ps"]) < 0)[-1] + 1 :] if told["faults_done"] else []
    assert told["faults_done"] == 2
    assert (entry["basis"], entry["balanced"], entry["recorded"]) == ("sequence", True, len(rows["time_ps"]))
    assert described["words_by_kind"]["resets"] == 1
    assert len(after) == told["inputs"][0]["counted"]
    assert status["board_set_ups"] == 2
    assert status["board_connections"] >= 3


def test_somebody_who_looks_sees_the_rate_and_its_peak(tmp_path: Path) -> None:
    with (
        simulator(KIND, "--cps", 5000, "--moves", "0:1,1:0", "--background-cps", 50) as server,
        running(plan_of(tmp_path, server.ready["endpoints"]["mcpha"], stop="time=2.5s", profile=PROBE)) as recorded,
    ):
        while not (tmp_path / CONTROL).exists() or recorded.readout.status()["state"] != "recording":
            recorded.thread.join(0.02)
        with closing(LiveView.attach(tmp_path / CONTROL)) as view:
            assert recorded.finish() == 0
            figures = view.figures()
            about = view.about["looks"]["probe"]

    assert (about["inputs"], about["windows"], about["dead_s"]) == ([0], ["all"], pytest.approx(3.2e-6))
    assert int(figures["probe_counts"][0, -1]) == len(singles(tmp_path / "run")["time_ps"])
    assert figures["probe_seconds"][0] >= 2.5
    assert figures["probe_peak_rates_per_s"][0, 0] > 3000
    assert figures["probe_rates_per_s"][0, 0] < 3000


def of_a_study(plan: Plan, identity: str, role: str, key: bytes = b"s" * 16) -> Plan:
    """Return the plan with what the daemon would say of a protocol of one step, and of its study."""
    text = (
        'schema = "acquisition-protocol/1"\nid = "one"\nversion = 1\ntitle = "One"\n'
        'kind = "probe"\nmodality = "probe"\n'
        f'[[steps]]\nname = "{role}"\nrole = "{role}"\nstop.time = "600 ms"\n[sources]\n"*" = "a test"\n'
    )
    plan.manifest.acquisition_id = identity
    plan.manifest.protocol = {"id": "one", "toml": text}
    plan.manifest.study = StudyReference.new(key).model_dump(mode="json")
    return plan.model_copy(update={"step_name": role})


def test_a_node_and_its_bed_of_two_recordings_are_judged_by_the_ten_percent_rule(tmp_path: Path) -> None:
    for role, moves in (("ex_vivo", "0:1"), ("bed", "0:0")):
        (tmp_path / role).mkdir()
        with simulator(KIND, "--cps", 4000, "--moves", moves, "--background-cps", 90) as server:
            plan = plan_of(tmp_path / role, server.ready["endpoints"]["mcpha"], stop="time=600ms", profile=PROBE)
            with running(of_a_study(plan, f"run-{role}", role)) as recorded:
                assert recorded.finish() == 0, recorded.last_status
            server.terminate()
    node, bed = tmp_path / "ex_vivo" / "run", tmp_path / "bed" / "run"

    done = call("probe", "record", bed, node, "--json")

    told = done.json
    assert (done.code, told["go_on"], told["acquisitions"]) == (0, False, ["run-ex_vivo", "run-bed"])
    rates = told["nodes"][0]["ex_vivo"]["per_s"], told["bed_per_s"]
    counted = [int((singles(directory)["time_ps"] < 600 * 10**9).sum()) for directory in (node, bed)]
    assert rates == pytest.approx([count / (0.6 - count * 3.2e-6) for count in counted], rel=1e-6)
    assert rates[0] > 20 * rates[1] > 0
    assert told["doubts"] == ["no background was measured: rates are not net"]
    assert call("probe", "record", node, "--out", tmp_path / "record.json").code == 0
    assert json.loads((tmp_path / "record.json").read_text())["go_on"] is None
