"""Candidates of a ring's calibrations out of simulated recordings: what was put in is found again, nothing replaced."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_cli import call
from support_pet import reference_ring
from support_qc_pet import PARAMETERS, Step, Written, material_of, record_steps

from daq.composition.qc.analyses import analysis
from daq.errors import MissingError, ProfileError
from daq.model.qc.known import ANALYSES
from daq.model.scanner import modules
from device_profiles.calibrations import find_calibration, load_calibration, write_calibration
from device_profiles.normalisations import NormalisationRow, load_normalisation, write_normalisation
from simulators.pet.generate import misalignment
from simulators.pet.model import Detectors, ModuleFault, Scan, cylinder

DEAD, SEED = 9, 4
WRONG = Detectors(gain_sigma=0.05, offset_sigma_ps=150.0)
CODES_PER_KEV = 2.0


def scan(seconds: float) -> Step:
    source = cylinder("Ge-68", 2e6, 100.0, 220.0)
    fault = ModuleFault(DEAD, efficiency=0.0)
    return Step("blank", Scan(reference_ring(), (source,), WRONG, seconds=seconds, faults=(fault,)), SEED)


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return record_steps(tmp_path_factory.mktemp("pet") / "coded", [scan(2.0)], codes=True)


def made(verb: str, recording: Path, folder: Path, *options: object) -> dict[str, Any]:
    done = call("calibrate", verb, "--recording", recording, "--folder", folder, "--json", *options)
    assert done.code == 0, done.err
    return dict(done.json)


@pytest.fixture(scope="module")
def gained(coded: Written, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return made("pet-energy", coded.directory, tmp_path_factory.mktemp("gains"), "--counts", 30)


@pytest.fixture(scope="module")
def timed(coded: Written, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return made("pet-timing", coded.directory, tmp_path_factory.mktemp("times"), "--radius", 100, "--trues", 5)


def truth() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Module, gain and offset of every detector number."""
    module = modules(reference_ring(), np.arange(16_384, dtype=np.uint32))
    wrong = misalignment(reference_ring(), WRONG, SEED)
    return module, wrong.gain[module], wrong.offset_ps[module]


def test_gains_of_crystals_are_found_and_a_dead_block_keeps_a_middle_one(gained: dict[str, Any]) -> None:
    told, found = gained, load_calibration(gained["file"])
    module, gain, _ = truth()
    ratio = np.array(found.kev_per_adc) * CODES_PER_KEV * gain

    assert ratio[module != DEAD].mean() == pytest.approx(1.0, abs=0.002)
    assert ratio[module != DEAD].std() < 0.015
    assert told["figures"]["crystals_without_gain"]["value"] >= 64
    assert told["figures"]["resolution_before"]["value"] > 15.0
    assert told["figures"]["resolution_after"]["value"] == pytest.approx(11.0, abs=0.5)
    assert any("too few counts for a gain" in remark for remark in told["remarks"])
    assert found.time_offset_ps == ()


def test_time_offsets_are_found_and_the_resolving_time_gets_better(timed: dict[str, Any]) -> None:
    told, found = timed, load_calibration(timed["file"])
    module, _, offset = truth()
    left = (np.array(found.time_offset_ps) - offset)[module != DEAD]

    assert left.std() < 1.3 * told["figures"]["offset_noise"]["value"]
    assert told["figures"]["ctr_before"]["value"] > 450.0
    assert told["figures"]["ctr_after"]["value"] == pytest.approx(214.0, abs=20.0)
    assert told["figures"]["crystals_without_offset"]["value"] >= 64


def test_what_is_recorded_again_with_the_candidates_is_better(
    gained: dict[str, Any], timed: dict[str, Any], tmp_path: Path
) -> None:
    gains, times = (load_calibration(told["file"]) for told in (gained, timed))
    both = gains.model_copy(update={"time_offset_ps": times.time_offset_ps})
    record_steps(tmp_path / "again", [scan(1.0)], codes=True, calibration=both)
    found = analysis("pet-daily")(material_of("pet-daily", tmp_path / "again", **PARAMETERS))
    value = {figure.name: figure.values[0] for figure in found.figures}
    offsets = next(figure for figure in found.figures if figure.name == "block_time_offset")

    assert gains.detectors == times.detectors
    assert value["peak"] == pytest.approx(511.0, abs=0.5)
    assert value["resolution"] == pytest.approx(11.0, abs=0.5)
    assert value["ctr"] == pytest.approx(214.0, abs=30.0)
    assert np.std([each for each in offsets.values if each is not None]) < 30.0


def test_efficiencies_are_written_with_the_dead_ones_at_zero(coded: Written, tmp_path: Path) -> None:
    told = made("pet-normalisation", coded.directory, tmp_path, "--trues", 5)
    head, rows = load_normalisation(Path(told["file"]))
    module, *_ = truth()
    value = np.array([row.efficiency for row in rows])

    assert head.acquisitions == ("coded",)
    assert np.all(value[module == DEAD] == 0.0)
    assert value[module != DEAD].mean() == pytest.approx(1.0, abs=0.01)
    assert told["figures"]["dead_crystals"]["value"] == 64
    assert told["figures"]["efficiency_spread"]["value"] < 4.0  # none was put in; noise is 14 %


def test_a_normalisation_in_a_folder_of_calibrations_is_taken_for_none(coded: Written, tmp_path: Path) -> None:
    from datetime import UTC, datetime, timedelta

    for number, name in enumerate(("first", "second")):
        write_calibration(tmp_path / f"{name}.toml", id=name, instrument="singles64", method="m", detectors=[0],
                          made_utc=f"2026-01-0{number + 1}T00:00:00Z", kev_per_adc=[0.5])  # fmt: skip
    made("pet-normalisation", coded.directory, tmp_path, "--trues", 5)
    chosen = find_calibration(tmp_path, instrument="singles64", at=datetime.now(UTC) + timedelta(minutes=1))

    assert chosen.id == "second"
    assert len(list(tmp_path.glob("*.toml"))) == 2


def test_new_times_carry_over_the_gains_that_were_recorded_with(tmp_path: Path) -> None:
    from daq.composition.qc.petcandidates import _columns
    from daq.model.calibration import Calibration

    was = Calibration(id="a", instrument="singles64", made_utc="2026-01-01T00:00:00Z", method="m", detectors=(0, 2),
                      kev_per_adc=(0.5, 0.6), pedestal_adc=(10.0, 11.0))  # fmt: skip
    columns = _columns(was, np.array([0, 1, 2]))

    assert columns["kev_per_adc"].tolist() == [0.5, 1.0, 0.6]
    assert columns["pedestal_adc"].tolist() == [10.0, 0.0, 11.0]
    assert columns["time_offset_ps"].tolist() == [0, 0, 0]


def test_too_few_counts_write_nothing(coded: Written, tmp_path: Path) -> None:
    done = call("calibrate", "pet-normalisation", "--recording", coded.directory, "--folder", tmp_path, "--trues", 1e6)

    assert done.code == 3
    assert "1,000,000 are needed" in done.err
    assert not list(tmp_path.iterdir())


def test_two_recordings_are_added_up_for_gains_alone(coded: Written, tmp_path: Path) -> None:
    twice = ("--recording", coded.directory, "--recording", coded.directory, "--folder", tmp_path)
    refused = call("calibrate", "pet-timing", *twice)

    assert refused.code == 2
    assert "one is used here" in refused.err


@pytest.mark.parametrize("name", ["pet-normalisation", "pet-energy-calibration"])
def test_the_same_as_tests_of_quality_control(coded: Written, name: str) -> None:
    needed = {"trues_needed": 5.0, "peak_needed": 30.0, "cylinder_radius_mm": 100.0}
    found = analysis(name)(material_of(name, coded.directory, **needed))

    assert [figure.name for figure in found.figures] == [figure.name for figure in ANALYSES[name].figures]
    assert found.obstacles == ()


ROWS = st.lists(
    st.builds(
        NormalisationRow, detector=st.integers(0, 2**32 - 1), efficiency=st.floats(0, 1e3), noise=st.floats(0, 1e3),
        trues=st.integers(-10, 10**9), by_position=st.floats(0, 10),
    ), max_size=20, unique_by=lambda row: row.detector,
)  # fmt: skip


@settings(max_examples=30)
@given(ROWS)
def test_a_normalisation_reads_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[NormalisationRow]
) -> None:
    path = tmp_path_factory.mktemp("n") / "n-1.json"
    head = write_normalisation(path, tuple(rows), instrument="singles64", made_utc="2026-01-01T00:00:00Z", method="m",
                               acquisitions=("a",))  # fmt: skip
    back, read = load_normalisation(path)

    assert back == head
    assert [row.detector for row in read] == sorted(row.detector for row in rows)
    for was, now in zip(sorted(rows, key=lambda row: row.detector), read, strict=True):
        assert now.efficiency == pytest.approx(was.efficiency, rel=1e-5)
        assert now.trues == was.trues


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        (lambda path: path.with_suffix(".csv").write_text("detector\n"), ProfileError, "was changed after"),
        (lambda path: path.with_suffix(".csv").unlink(), MissingError, "no such file"),
        (lambda path: path.write_text("{}"), ProfileError, "Field required"),
        (lambda path: path.write_text("no"), ProfileError, "Invalid JSON"),
    ],
)
def test_a_damaged_normalisation_is_refused(tmp_path: Path, change: Any, error: type[Exception], sentence: str) -> None:
    path = tmp_path / "n-1.json"
    partial(write_normalisation, instrument="i", made_utc="2026-01-01T00:00:00Z", method="m", acquisitions=())(
        path, (NormalisationRow(1, 1.0, 0.1, 5, 1.0),)
    )
    change(path)

    with pytest.raises(error, match=sentence):
        load_normalisation(path)
