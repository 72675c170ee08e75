"""`daq probe`: the 10 % rule, calibrations from photopeaks, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support_probe import poll

from daq.cli.main import build_parser
from daq.composition import new_manifest
from daq.errors import MissingError, RefusedError, UsageError
from daq.model.packets import Flag
from daq.storage.accounts import unnumbered
from daq.storage.recording import Recording
from device_profiles.calibrations import load_calibration
from device_profiles.load import load_profile

PROBE = load_profile("redpitaya-mcpha")
SECOND = 125_000_000


def run(*words: object) -> int:
    options = build_parser(["probe"]).parse_args([str(word) for word in words])
    return int(options.run(options))


def recorded(folder: Path, *peaks: tuple[float, float, int]) -> Path:
    """Record polls with photopeaks (bin, sigma, counts) in them, as the readout would."""
    rng = np.random.default_rng(7)
    bins = np.concatenate([rng.normal(middle, sigma, count) for middle, sigma, count in peaks]).round().astype(int)
    counts = {int(number): int(count) for number, count in zip(*np.unique(bins, return_counts=True), strict=True)}
    manifest = new_manifest(PROBE, identity=folder.name, source="tcp://test:1001", stop="end", simulated=True)
    with Recording.start(folder, manifest, PROBE.layout, PROBE.clock, "event", "mcpha", order=PROBE.order) as recording:
        for row in ((int(Flag.START), poll(0, {})), (int(Flag.END), poll(SECOND, counts))):
            recording.feed(unnumbered([row], source=0, arrival_ns=1))
        recording.seal("end")
    return folder


def test_one_photopeak_gives_the_width_of_a_bin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tc99m = recorded(tmp_path / "tc99m", (562.0, 28.0, 40_000), (60.0, 8.0, 60_000))
    assert run("probe", "calibrate", "--peak", f"{tc99m}=140.511", "--out", tmp_path / "c.toml", "--json") == 0

    told = json.loads(capsys.readouterr().out)
    written = load_calibration(tmp_path / "c.toml", instrument=PROBE.id)
    assert told["kev_per_adc"] == pytest.approx(140.511 / 562.5, rel=2e-3)
    assert (written.detectors, written.kev_per_adc, written.pedestal_adc) == ((0,), (told["kev_per_adc"],), (0.0,))


def test_two_photopeaks_give_a_straight_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = [
        f"{recorded(tmp_path / 'tc99m', (582.0, 28.0, 40_000))}=140.511",
        f"{recorded(tmp_path / 'co57', (508.2, 26.0, 40_000))}=122.061@400-600",
    ]
    assert run("probe", "calibrate", "--peak", made[0], "--peak", made[1], "--out", tmp_path / "c.toml") == 0

    assert "140.511 keV: bin 58" in capsys.readouterr().out
    written = load_calibration(tmp_path / "c.toml")
    assert written.kev_per_adc[0] == pytest.approx(0.25, rel=0.02)
    assert written.pedestal_adc[0] == pytest.approx(20.0, abs=10.0)


def test_without_a_photopeak_nothing_is_written(tmp_path: Path) -> None:
    few = recorded(tmp_path / "few", (562.0, 28.0, 100))

    with pytest.raises(RefusedError, match=r"no photopeak .* \(100 counts in all\)"):
        run("probe", "calibrate", "--peak", f"{few}=140.511", "--out", tmp_path / "c.toml")
    assert not (tmp_path / "c.toml").exists()


@pytest.mark.parametrize("text", ["140.5", "=140.5", "x=140.5@7", "x=abc"])
def test_a_peak_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="--peak"):
        run("probe", "calibrate", "--peak", text, "--out", tmp_path / "c.toml")


def test_the_10_percent_rule_says_which_nodes_and_whether_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    nodes = ("--node", "1=5020", "--node", "2=400", "--node", "3=600", "--background", "20")
    assert run("probe", "nodes", *nodes, "--bed", "100", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert run("probe", "nodes", *nodes, "--bed", "900") == 6

    assert (found["hottest"], found["limit_per_s"], found["sentinel"], found["go_on"]) == (
        "1",
        500.0,
        ["1", "3"],
        False,
    )
    assert "look for another node" in capsys.readouterr().out


@pytest.mark.parametrize("node", ["1", "=5", "1=x", "1=1.2.3"])
def test_a_node_that_is_none_is_refused(node: str) -> None:
    with pytest.raises(UsageError, match="--node"):
        run("probe", "nodes", "--node", node, "--bed", "1")


def test_two_nodes_of_one_name_and_a_bed_below_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="there is a node 1 already"):
        run("probe", "nodes", "--node", "1=5", "--node", "1=7", "--bed", "1")
    with pytest.raises(UsageError, match="--bed -6: a rate is a number at or above zero"):
        run("probe", "nodes", "--node", "1=5", "--bed=-6")


def test_without_a_readout_there_is_nothing_to_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daq.readout.registry.running", list)

    with pytest.raises(MissingError, match="no readout that runs records a probe"):
        run("probe", "watch")


@pytest.mark.parametrize("text", ["x", "5+-", "-3", "1.2.3"])
def test_a_background_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--background"):
        run("probe", "count", f"--background={text}")
