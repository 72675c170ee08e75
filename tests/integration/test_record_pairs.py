"""`daq record` makes coincidences of a simulated PET scan over UDP: the same rows live, replayed and offline."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.compute as pc
import pytest
from support_cli import call, daq
from support_pairs import paired_offline, stored
from support_record import replay_is_equal, temporary_folder
from support_simulators import simulator

from daq.model.coincidence import PairingRule
from daq.storage.listing import load_manifest
from daq.storage.reader import open_listmode

SCAN = (
    "pet", "--profile", "singles64", "--speed", "max", "--seconds", "0.5", "--sources", "4", "--once",
    "--activity", "point:F-18,mbq=2", "--kev-per-adc", "1",
)  # fmt: skip
PAIRS = (
    "--scanner", "reference-ring", "--window", "photopeak=435-650 keV", "--half-window", "2.25 ns", "--delay", "100 ns",
)  # fmt: skip


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    with temporary_folder(tmp_path) as folder:
        yield folder


def test_coincidences_over_udp_are_those_replayed_and_those_made_offline(tmp_path: Path, temporary: Path) -> None:
    out = tmp_path / "run"
    with simulator(*SCAN) as scan:
        done = daq("record", "--profile", "singles64", "--source", scan.ready["udp"], "--out", out, *PAIRS, "--json",
                   temporary=temporary)  # fmt: skip

    assert done.code == 0, done.err
    manifest = load_manifest(out)
    assert manifest.ledger is not None
    assert manifest.ledger.balanced is True
    assert manifest.calibrations["singles"]["identity"] is True
    replay_is_equal(out)
    assert manifest.processing is not None
    rule = PairingRule.model_validate_json(json.dumps(manifest.processing["pairing"]))
    pairs = stored(out, "coincidences")
    assert pairs == paired_offline(out, rule, 1)
    kinds = [pair["kind"] for pair in pairs]
    counted = manifest.counters["pairing"]
    assert (kinds.count(0), kinds.count(1)) == (counted["prompts"], counted["delayeds"])
    assert counted["prompts"] > 1000
    with open_listmode(out) as recording:
        singles = recording.table("singles")
        inside = pc.sum(pc.bit_wise_and(singles.column("windows"), 1)).as_py()
        marks = recording.table("marks", ["kind", "value"]).to_pylist()
    assert manifest.counters["windows"] == {"photopeak": inside}
    assert sum(mark["value"] for mark in marks if mark["kind"] == "singles_rate") == singles.num_rows


def test_rules_that_make_no_sense_are_refused_before_anything_is_recorded(tmp_path: Path) -> None:
    common = ("record", "--profile", "singles64", "--source", "udp://127.0.0.1:9", "--out", tmp_path / "run")

    delay = call(*common, "--scanner", "reference-ring", "--half-window", "2.25 ns", "--delay", "3 ns")
    alone = call(*common, "--delay", "100 ns")
    nowhere = call(*common, "--half-window", "2.25 ns")
    unwindowed = call(*common, "--singles", "windowed")

    assert [done.code for done in (delay, alone, nowhere, unwindowed)] == [3, 2, 2, 3]
    assert "delay" in delay.err
    assert "--half-window" in alone.err
    assert "--scanner" in nowhere.err
    assert "no energy window" in unwindowed.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--scanner", "siemens-mmr"], "is made of siemens-petlink32, the recording is of singles64"),
        (["--scanner", "dual-head"], "scanner dual-head has heads of head-xye64, none of singles64"),
        (["--stop", "prompts=5"], "prompts=5 would never be reached: profile singles64 sends no prompts"),
        (["--scanner", "reference-ring", "--half-window", "3.2 ns", "--stop", "delayeds=5"],
         "delayeds=5 would never be reached: without a delay"),
        (["--scanner", "reference-ring", "--half-window", "3.2 ns", "--stop", "prompts=5", "--no-rows"],
         "prompts=5 would never be reached: where raw alone is recorded"),
    ],
)  # fmt: skip
def test_a_scanner_of_others_and_limits_that_are_never_reached_are_refused(
    tmp_path: Path, options: list[str], sentence: str
) -> None:
    done = call(
        "record", "--profile", "singles64", "--source", "udp://127.0.0.1:9", "--out", tmp_path / "run", *options
    )

    assert done.code == 3
    assert sentence in done.err
    assert not (tmp_path / "run").exists()
