"""The daily scan of a PET ring: simulated recordings with faults that were put in, and what the test says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support_pet import reference_ring
from support_qc_pet import PARAMETERS, Step, material_of, record_steps

from daq.composition.qc.analyses import DONE_BY, analysis
from daq.model.qc.figures import Findings
from daq.model.qc.known import ANALYSES
from simulators.pet.model import Detectors, ModuleFault, Scan, cylinder

DEAD, LOW, LATE, NOISY, WEAK = 5, 40, 77, 99, 130
FAULTS = (
    ModuleFault(DEAD, efficiency=0.0), ModuleFault(LOW, gain=0.93), ModuleFault(LATE, offset_ps=300),
    ModuleFault(NOISY, noise_cps=60_000.0), ModuleFault(WEAK, efficiency=0.7),
)  # fmt: skip
PLAIN = Detectors(photofraction=0.7)
SOURCE = {"nuclide": "Ge-68", "activity_mbq": 2.0}
SECONDS = 1.0


def blank(
    *faults: ModuleFault, shift_mm: float = 0.0, detectors: Detectors = PLAIN, seconds: float = SECONDS
) -> Step:  # fmt: skip
    source = cylinder("Ge-68", 2e6, 100.0, 220.0, (shift_mm, 0.0, 0.0))
    return Step("blank", Scan(reference_ring(), (source,), detectors, seconds=seconds, faults=faults))


def background(bq: float = 2e3) -> Step:
    return Step("background", Scan(reference_ring(), (cylinder("Ge-68", bq, 100.0, 220.0),), PLAIN, seconds=0.3))


def daily(directory: Path, *steps: Step, source: dict[str, Any] = SOURCE, **options: Any) -> Findings:
    kept = {name: options.pop(name) for name in ("singles", "codes", "keep_tof") if name in options}
    record_steps(directory, steps, **kept)
    given = material_of("pet-daily", directory, source=source, **(PARAMETERS | options))
    return analysis("pet-daily")(given)


def of(found: Findings, name: str, subject: str = "") -> tuple[float, float]:
    """A figure's value and its noise."""
    figure = found.figure(name)
    assert figure is not None, name
    one = figure.of_subject(subject)
    assert one is not None
    assert one.values[0] is not None
    return one.values[0], (one.noise[0] if one.noise and one.noise[0] is not None else 0.0)


def block(found: Findings, name: str, number: int) -> tuple[float, float]:
    return of(found, name, f"block {number}")


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    return daily(tmp_path_factory.mktemp("pet") / "faulty", background(), blank(*FAULTS))


def test_every_figure_is_one_that_the_analysis_is_said_to_give_in_its_unit(faulty: Findings) -> None:
    kind = ANALYSES["pet-daily"]
    for figure in faulty.figures:
        known = kind.figure(figure.name)
        assert known is not None, figure.name
        assert known.unit == figure.unit
        assert len(figure.values) == len(figure.noise) == len(figure.counts) == len(figure.subjects)
    expected = {each.name for each in kind.figures} - {"block_of_reference"}
    assert {figure.name for figure in faulty.figures} == expected
    assert faulty.obstacles == ()
    assert {"pet-daily", "pet-normalisation", "pet-timing-alignment", "pet-energy-calibration"} <= DONE_BY.keys()


def test_blocks_that_are_dead_and_noisy_are_named(faulty: Findings) -> None:
    assert of(faulty, "dead_blocks")[0] == 1
    assert of(faulty, "noisy_blocks")[0] == 1
    assert f"dead: block {DEAD}" in faulty.remarks
    assert f"noisy: block {NOISY}" in faulty.remarks
    assert block(faulty, "block_efficiency", DEAD)[0] == 0.0
    assert block(faulty, "block_singles", NOISY)[0] > 10 * block(faulty, "block_singles", NOISY + 1)[0]


def test_a_gain_an_offset_and_a_loss_are_found_in_their_block_within_noise(faulty: Findings) -> None:
    for name, number, expected in (
        ("block_peak", LOW, 0.93 * 511.0), ("block_time_offset", LATE, 300.0), ("block_efficiency", WEAK, 70.0),
    ):  # fmt: skip
        value, noise = block(faulty, name, number)
        assert value == pytest.approx(expected, abs=4.5 * noise)
        assert noise < 0.1 * expected


def test_the_other_blocks_scatter_as_their_noise_says(faulty: Findings) -> None:
    others = np.setdiff1d(np.arange(256), (DEAD, LOW, LATE, NOISY, WEAK))
    for name, expected in (("block_efficiency", 100.6), ("block_time_offset", 0.0), ("block_peak", 511.0)):
        figure = faulty.figure(name)
        assert figure is not None
        value, noise = (np.array([each[at] for at in others], float) for each in (figure.values, figure.noise))
        z = (value - expected) / noise
        assert z.std() == pytest.approx(1.0, abs=0.25), name
        assert abs(z.mean()) < 0.5, name


def test_figures_of_the_ring_are_absolute(faulty: Findings) -> None:
    peak, noise = of(faulty, "peak")
    assert peak == pytest.approx(511.0, abs=4 * noise + 0.5)
    ctr, noise = of(faulty, "ctr")
    assert ctr == pytest.approx(214.0, abs=4 * noise)
    assert of(faulty, "resolution")[0] == pytest.approx(11.0, abs=0.3)
    sensitivity, noise = of(faulty, "sensitivity")
    trues = faulty.figure("trues_rate")
    assert trues is not None
    assert trues.values[0] is not None
    assert sensitivity == pytest.approx(trues.values[0] / 2.0, rel=1e-6)
    assert sensitivity > 100 * noise
    assert of(faulty, "phantom_x_mm")[0] == pytest.approx(0.0, abs=2.0)
    assert of(faulty, "background_share")[0] < 1.0


def test_delayeds_are_2_w_s_s_of_the_singles_in_the_window(faulty: Findings) -> None:
    share, noise = of(faulty, "randoms_of_singles")

    assert share == pytest.approx(100.0, abs=4 * noise)
    assert any("takeAllGoods" in remark for remark in faulty.remarks)


def test_a_five_year_drift_to_468_kev_and_16_per_cent_less_is_seen_in_one_scan(
    tmp_path: Path, faulty: Findings
) -> None:
    drifted = tuple(ModuleFault(number, gain=468.0 / 511.0, efficiency=0.84**0.5) for number in range(256))
    found = daily(tmp_path / "drifted", blank(*drifted, detectors=Detectors(), seconds=0.3), keep_tof=False)
    fresh = daily(tmp_path / "fresh", blank(detectors=Detectors(), seconds=0.3), keep_tof=False)

    assert of(found, "peak")[0] == pytest.approx(468.0, abs=0.5)
    lost = of(found, "sensitivity")[0] / of(fresh, "sensitivity")[0]
    assert lost < 0.86  # 16 % by efficiency, and what falls below 425 keV
    efficiency = found.figure("block_efficiency")
    assert efficiency is not None
    assert np.nanmean(np.array(efficiency.values, float)) == pytest.approx(100.0)  # of the mean: sees nothing


def test_a_reference_shows_each_block_against_what_it_was(tmp_path: Path) -> None:
    from dataclasses import replace

    from daq.model.qc.documents import QcResult
    from daq.model.qc.figures import Level

    directory = tmp_path / "run"
    record_steps(directory, [blank(seconds=0.15)], singles=False, keep_tof=False)
    given = material_of("pet-daily", directory, source=SOURCE, **PARAMETERS)
    first = analysis("pet-daily")(given)
    figure = first.figure("block_sensitivity")
    assert figure is not None
    twice = replace(figure, values=tuple(2 * value if value else None for value in figure.values))
    signed = QcResult("t", "t", "pet-daily", 1, Level.IN_LIMITS, (twice,), (), {})
    found = analysis("pet-daily")(replace(given, reference=signed)).figure("block_of_reference")

    assert found is not None
    assert np.array(found.values, float) == pytest.approx(np.full(256, 50.0))


@pytest.mark.parametrize(
    ("name", "steps", "options", "sentence"),
    [
        ("off", [blank(shift_mm=25.0, seconds=0.15)], {}, "mm off the axis, x 2"),
        ("half", [blank(*(ModuleFault(n, efficiency=0.0) for n in range(256) if n % 64 < 32), seconds=0.15)], {},
         "128 of 256 blocks see nothing"),
        ("warm", [background(1e5), blank(seconds=0.15)], {}, "without the source there are"),
        ("few", [blank(seconds=0.15)], {"prompts_needed": 1e6}, "prompts; the test needs 1,000,000"),
        ("codes", [blank(seconds=0.15)], {"codes": True}, "energies are ADC codes"),
        ("empty", [background(), blank(detectors=Detectors(efficiency=0.0), seconds=0.1)],
         {"singles": False}, "256 of 256 blocks see nothing"),
        ("no-511", [blank(*(ModuleFault(n, gain=0.3) for n in range(256)), seconds=0.15)], {"prompts_needed": 0.0},
         "no more prompts than delayeds"),
    ],
)  # fmt: skip
def test_what_stands_against_the_whole_test_is_said_in_a_sentence(
    tmp_path: Path, name: str, steps: list[Step], options: dict[str, Any], sentence: str
) -> None:
    found = daily(tmp_path / name, *steps, keep_tof=False, **options)

    assert any(sentence in each for each in found.obstacles), found.obstacles


def test_another_nuclide_has_no_photopeak_of_511_kev(tmp_path: Path) -> None:
    wide = tuple(ModuleFault(number, gain=1.25) for number in range(256))  # a line at 640 keV
    found = daily(tmp_path / "other", blank(*wide, seconds=0.3), keep_tof=False)

    assert any("no photopeak of 511 keV" in each for each in found.obstacles)
    assert found.figure("block_peak") is None


def test_what_was_not_recorded_is_said_and_the_rest_is_given(tmp_path: Path) -> None:
    found = daily(tmp_path / "bare", blank(seconds=0.5), singles=False, keep_tof=False, source={})

    assert found.figure("block_time_offset") is None
    assert found.figure("block_singles") is None
    assert found.figure("block_efficiency") is not None
    assert found.figure("block_peak") is not None
    sensitivity = found.figure("sensitivity")
    assert sensitivity is not None
    assert sensitivity.values == (None,)
    for sentence in ("no differences of time", "no singles are stored", "no step is named background", "not known"):
        assert any(sentence in remark for remark in found.remarks), sentence
