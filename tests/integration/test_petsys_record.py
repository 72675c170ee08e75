"""The simulated PETsys front end through the readout: what is in the ledger is what the simulator says it did."""

from __future__ import annotations

from pathlib import Path

from support_cli import call
from support_readout import manifest_of, plan_of, running, until
from support_record import replay_is_equal
from support_simulators import simulator, truth_of

from daq.storage.reader import open_listmode
from daq.storage.replaying import compare
from device_profiles.load import load_profile

PROFILE = load_profile("petsys-tofpet2-gbe")
EVENTS_S = 0.4
FAULTS_FROM_S, FAULTS_UNTIL_S = 0.15, 0.35
_PS = 1_000_000_000_000


def test_a_simulated_unit_is_recorded_by_the_command_line(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with simulator("petsys-gbe", "--rate", "1e5", "--seed", 5) as server:
        recorded = call(
            "record", "--profile", "petsys-tofpet2-gbe", "--source", server.ready["udp"], "--stop", "singles=20k",
            "--out", out, "--json", "--simulated",
        )  # fmt: skip
    assert recorded.code == 0, recorded.err
    ledger = recorded.json["ledger"]
    (source,) = ledger["sources"]
    assert (ledger["unit"], ledger["balanced"], source["basis"]) == ("frame", True, "sequence")
    assert source["beside"]["events"] == recorded.json["rows"]["singles"] >= 20_000
    assert (source["gap"], source["malformed"], ledger["socket"]["foreign"]) == (0, 0, 0)
    replay_is_equal(out)


def test_what_goes_wrong_with_frames_is_what_the_simulator_says(tmp_path: Path) -> None:
    truth = tmp_path / "truth.json"
    faults = [
        option
        for kind in ("loss", "duplicate", "swap", "port", "lost-flag")
        for option in ("--fault", f"{kind}:share=0.01,from_s={FAULTS_FROM_S},until_s={FAULTS_UNTIL_S}")
    ]
    with simulator("petsys-gbe", "--rate", "1e5", "--speed", 0.25, "--truth", truth, *faults) as server:
        plan = plan_of(
            tmp_path, server.ready["udp"], profile=PROFILE, order=PROFILE.order, front_end=PROFILE.transport.front_end
        )
        with running(plan) as run:
            until(lambda: run.readout.status()["state"] == "recording" or bool(run.code), "recording")
            until(lambda: run.readout.recording.derivation.latest_ps > EVENTS_S * _PS, "the end of the faults")
            run.readout.request_stop()
            assert run.finish() == 0
        injected = truth_of(truth)["injected"]
    manifest = manifest_of(run)
    ledger = manifest.ledger
    assert ledger is not None
    (source,) = ledger.sources
    beside = source.beside
    assert injected["loss_frames"] > 0
    assert source.gap == injected["loss_frames"] + injected["port_frames"]
    assert beside.duplicates == injected["duplicate_frames"]
    assert ledger.socket.foreign == injected["port_frames"]
    assert beside.lossy_frames + beside.lost_frames == injected["lost_flag_frames"]
    assert (source.malformed, ledger.balanced) == (0, True)
    assert beside.events == manifest.words_by_kind["single"]
    with open_listmode(tmp_path / "run") as recorded:
        assert compare(recorded).differences == []
        marks = [mark for batch in recorded.batches("marks") for mark in batch.to_pylist()]
    assert sum(mark["value"] for mark in marks if mark["kind"] == "lossy") == injected["lost_flag_frames"]
