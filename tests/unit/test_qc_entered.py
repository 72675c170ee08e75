"""What a person enters: units, times, lists; and the tests that are made of it, against closed forms."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import radioactivedecay
from hypothesis import given
from hypothesis import strategies as st
from icrp107_database import get_icrp107_spectrum
from scipy.spatial.transform import Rotation
from support_listmode import MARKS, make_directory, segment

from daq.composition.qc.analyses import DONE_BY, analysis
from daq.composition.qc.material import Material
from daq.errors import RefusedError
from daq.model.qc import entered as e
from daq.model.qc.analyses_entered import DIMENSIONS
from daq.model.qc.figures import Findings
from daq.model.qc.known import ANALYSES
from daq.model.qc.limits import QcTest
from daq.model.scanner import ScannerProfile
from daq.model.units import UNITS
from daq.qc.enteredactivity import geometry_percent, linearity, ratio, wipe
from daq.qc.enteredgates import triggers
from daq.qc.enteredpoints import registration
from daq.qc.enteredpurity import CO56_PER_100, CO57_PER_100, CO58_PER_100, high_energy_percent, settled_after_s

DAY_S = 86400.0
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
SCANNER = ScannerProfile(
    schema="scanner-profile/0", id="none", title="None", vendor="example", source="a test", verified="simulated"
)


def found(
    name: str, entries: dict[str, Any], *, items: tuple[str, ...] = (), source: Any = None, **said: Any
) -> Findings:
    test = QcTest(title=name, analysis=name, parameters=said, items=items)
    return analysis(name)(Material(name, test, SCANNER, source=source or {}, entries=entries))


def value(findings: Findings, name: str, subject: str = "") -> float:
    figure = findings.figure(name)
    assert figure is not None, findings.obstacles
    one = figure.of_subject(subject)
    assert one is not None
    assert one.values[0] is not None
    return one.values[0]


# Entries.


@given(st.integers(-(10**9), 10**9), st.sampled_from(["kBq", "MBq", "GBq", "Bq"]))
def test_a_number_comes_back_in_the_unit_that_is_asked_for(number: int, unit: str) -> None:
    factor = {"Bq": 1e-6, "kBq": 1e-3, "MBq": 1.0, "GBq": 1e3}[unit]
    assert e.quantity({"a": f"{number} {unit}"}, "a", "MBq") == pytest.approx(number * factor)


@pytest.mark.parametrize(
    ("said", "unit", "why"),
    [
        ("12.5", "MBq", "has no unit"),
        (12.5, "MBq", "has no unit"),
        (True, "MBq", "no number"),
        ("12 mCi", "MBq", "curies are not taken"),
        ("12 s", "MBq", "measures time"),
        ("twelve MBq", "MBq", "no number with a unit"),
        ("", "MBq", "was not entered"),
        ("1e3 MBq", "MBq", "no number|measures|unknown"),
        ("0.5", "%", "has no unit"),
        ("0.5 1", "%", "measures dimensionless"),
        ("3 kBq", "kBq/mL", "measures activity"),
    ],
)
def test_what_is_no_number_with_its_unit_is_refused_in_words(said: Any, unit: str, why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        e.quantity({"a": said}, "a", unit)


def test_lists_points_and_times_are_read_with_semicolons_between() -> None:
    entries = {"a": "600 MBq; 0.3 GBq", "p": "0 0 0; 10 -5.5 2; 1 2 3 cm", "t": "2024-05-01T12:00:00Z", "n": 3}
    assert e.quantities(entries, "a", "MBq") == (600.0, 300.0)
    assert e.points_mm(entries, "p") == ((0.0, 0.0, 0.0), (100.0, -55.0, 20.0), (10.0, 20.0, 30.0))
    assert e.points_mm({"p": "1 2 3 mm; 1 2 3 cm"}, "p") == ((1.0, 2.0, 3.0), (10.0, 20.0, 30.0))
    assert e.moment(entries, "t") == NOON
    assert e.quantity(entries, "n", "1") == 3.0


@pytest.mark.parametrize("said", ["1 MBq;;2 MBq", ";", "1 MBq;"])
def test_a_list_with_a_hole_is_refused(said: str) -> None:
    with pytest.raises(RefusedError, match="semicolon"):
        e.quantities({"a": said}, "a", "MBq")


def test_a_time_without_a_zone_and_a_point_without_a_unit_are_refused() -> None:
    with pytest.raises(RefusedError, match="no zone"):
        e.moment({"t": "2024-05-01T12:00:00"}, "t")
    with pytest.raises(RefusedError, match="no time"):
        e.moment({"t": "noon"}, "t")
    with pytest.raises(RefusedError, match="no unit of length"):
        e.points_mm({"p": "0 0 0; 1 1 1"}, "p")
    with pytest.raises(RefusedError, match="no point"):
        e.points_mm({"p": "0 0; 1 1 1 mm"}, "p")


def test_every_analysis_of_these_modules_is_done_by_something_and_its_units_are_known() -> None:
    for name, kind in ANALYSES.items():
        if kind.made_of == "entered" or name.startswith(("pet-s", "pet-r", "pet-tof", "probe", "gate")):
            assert name in DONE_BY, name
            assert callable(analysis(name))
    assert set(DIMENSIONS.values()) <= set(UNITS)


# Check lists.

ITEMS = ("e-stop at the gantry stops every axis", "collision pad stops every axis")


def test_a_check_by_hand_counts_what_was_answered_by_no() -> None:
    assert value(found("checklist", {"item_1": "yes", "item_2": True}, items=ITEMS), "items_failed") == 0.0
    failed = found("checklist", {"item_1": True, "item_2": "no"}, items=ITEMS)
    assert value(failed, "items_failed") == 1.0
    assert failed.remarks == ("no: collision pad stops every axis",)


def test_an_item_that_nobody_answered_says_nothing_but_a_no_beside_it_counts() -> None:
    one = found("checklist", {"item_1": "yes"}, items=ITEMS)
    assert one.figures == ()
    assert one.obstacles == ("not answered: collision pad stops every axis",)
    both = found("checklist", {"item_1": "no", "item_2": ""}, items=ITEMS)
    assert value(both, "items_failed") == 1.0
    assert both.obstacles == ()
    assert "perhaps" in found("checklist", {"item_1": "perhaps", "item_2": True}, items=ITEMS).obstacles[0]
    assert "not asked for" in found("checklist", {"item_3": True}, items=ITEMS).obstacles[0]


# Figures, clocks, speeds, angles.


def test_figures_come_under_the_name_of_their_dimension() -> None:
    findings = found(
        "entered-figures", {"pixel x": "0.221 cm", "pixel y": "2.2 mm", "level": "-0.1 deg"},
        length="pixel x; pixel y", angle="level",
    )  # fmt: skip
    assert value(findings, "length", "pixel x") == pytest.approx(2.21)
    assert value(findings, "angle", "level") == pytest.approx(-0.1)
    assert "was not entered" in found("entered-figures", {"a": "1 mm"}, length="a; b").obstacles[0]


def test_the_offset_of_a_clock_is_what_it_shows_less_what_is_true() -> None:
    findings = found(
        "clock-check", {"calibrator": "-90 s", "console": "2024-05-01T12:00:02.5Z; 2024-05-01T14:00:00+02:00"},
        clocks="calibrator; console",
    )  # fmt: skip
    assert value(findings, "offset", "calibrator") == -90.0
    assert value(findings, "offset", "console") == pytest.approx(2.5)


def test_a_bed_that_is_slow_and_an_angle_across_zero() -> None:
    findings = found("bed-speed", {"set": "10 cm/min; 20 cm/min", "distances": "98 cm; 1 m", "times": "10 min; 300 s"})
    assert value(findings, "speed_error") == pytest.approx(2.0)
    assert value(findings, "speed", "1: 1.66667 mm/s") == pytest.approx(980 / 600)
    assert value(found("gantry-angle", {"set": "0 deg; 90 deg", "measured": "359.5 deg; 90.2 deg"}), "angle_error") == (
        pytest.approx(0.5)
    )
    assert "each needs" in found("gantry-angle", {"set": "0 deg", "measured": "1 deg; 2 deg"}).obstacles[0]


# Dose calibrator.


def test_constancy_is_the_deviation_from_the_decayed_activity_of_the_source() -> None:
    findings = found(
        "dose-calibrator-constancy", {"readings": "7.1 MBq", "background": "0.1 MBq"},
        source={"nuclide": "Cs-137", "activity_mbq": 6.8},
    )  # fmt: skip
    assert value(findings, "deviation", "Cs-137") == pytest.approx(100 * (7.0 / 6.8 - 1))
    assert "no source" in found("dose-calibrator-constancy", {"readings": "7.1 MBq"}).obstacles[0]


def test_accuracy_decays_each_certificate_as_radioactivedecay_does() -> None:
    after = timedelta(days=200)
    entries = {
        "nuclides": "Co-57; Cs-137", "readings": "120 MBq; 7.4 MBq", "calibrated": "200 MBq; 7.4 MBq",
        "calibrated_at": f"{NOON.isoformat()}; {NOON.isoformat()}", "read_at": (NOON + after).isoformat(),
    }  # fmt: skip
    findings = found("dose-calibrator-accuracy", entries)
    for name, read, given_mbq in (("Co-57", 120.0, 200.0), ("Cs-137", 7.4, 7.4)):
        left = radioactivedecay.Inventory({name: given_mbq}, "MBq").decay(200.0, "d").activities("MBq")[name]
        assert value(findings, "deviation", name) == pytest.approx(100 * (read / left - 1), abs=0.02)
    wrong = found("dose-calibrator-accuracy", {**entries, "nuclides": "Co-57; Xx-1"})
    assert "Xx-1" in wrong.obstacles[0]


def test_linearity_is_zero_of_pure_decay_and_finds_the_reading_that_saturates() -> None:
    hours = np.array([0.0, 6.0, 24.0, 48.0])
    true = 40_000.0 * 2.0 ** (-hours / 6.0072)
    times = "; ".join((NOON + timedelta(hours=each)).isoformat() for each in hours)
    entries = {"readings": "; ".join(f"{each:.6f} MBq" for each in true), "times": times}
    assert value(found("dose-calibrator-linearity", entries), "linearity") < 1e-3
    true[0] *= 0.9
    low = found("dose-calibrator-linearity", {**entries, "readings": "; ".join(f"{each:.6f} MBq" for each in true)})
    # The best fit is lower by the fourth root of 0.9, so the reading is off by 0.9^(3/4).
    assert value(low, "linearity") == pytest.approx(100 * (1 - 0.9**0.75), abs=0.01)
    assert value(low, "highest") == pytest.approx(36_000.0)
    assert "either times" in found("dose-calibrator-linearity", {"readings": "1 MBq; 2 MBq"}).obstacles[0]


@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=9), st.floats(0.1, 1e5))
def test_readings_that_are_proportional_to_their_shields_are_linear(factors: list[float], activity: float) -> None:
    assert linearity([each * activity for each in factors], factors).worst_percent < 1e-6


def test_geometry_is_the_deviation_from_the_reference_volume() -> None:
    assert geometry_percent([100.0, 98.0, 95.0], [1.0, 3.0, 10.0], 3.0).tolist() == pytest.approx(
        [100 * (100 / 98 - 1), 0.0, 100 * (95 / 98 - 1)]
    )
    findings = found(
        "dose-calibrator-geometry", {"readings": "100 MBq; 98 MBq", "volumes": "1 mL; 10 mL"}, reference_ml=1.0
    )
    assert value(findings, "geometry") == pytest.approx(2.0)
    assert (
        "reference volume"
        in found("dose-calibrator-geometry", {"readings": "100 MBq", "volumes": "1 mL"}, reference_ml=3.0).obstacles[0]
    )


# Wipes, cross-calibration, registration.


def test_a_wipe_in_counts_is_its_activity_with_what_could_be_seen() -> None:
    findings = found(
        "leak-test", {"gross": "700 counts", "background": "100 counts", "seconds": "1 min", "efficiency": "20 %"}
    )
    assert value(findings, "removable") == pytest.approx(50.0)
    assert value(findings, "detectable") == pytest.approx((2.71 + 46.5) / 12.0)
    assert value(found("leak-test", {"activity": "0.19 kBq"}), "removable") == pytest.approx(190.0)
    with pytest.raises(RefusedError, match="efficiency 0"):
        wipe(1.0, 1.0, 1.0, 0.0)


def test_the_error_of_a_wipe_is_how_counts_scatter() -> None:
    rng = np.random.default_rng(31)
    values = [wipe(*rng.poisson((400, 100)), 10.0, 0.5).bq for _ in range(4000)]
    assert np.std(values) == pytest.approx(wipe(400, 100, 10.0, 0.5).error_bq, rel=0.05)


def test_cross_calibration_brings_both_values_to_the_time_of_the_scan() -> None:
    later = (NOON + timedelta(seconds=6586.2)).isoformat()
    entries = {
        "scanner": "10.4 kBq/mL", "scanner_time": NOON.isoformat(), "scanner_error": "1 %",
        "well_counter": "5 kBq/mL", "well_counter_time": later, "well_counter_error": "2 %",
        "phantom_activity": "65 MBq", "phantom_time": NOON.isoformat(), "phantom_volume": "6.5 L",
    }  # fmt: skip
    findings = found("pet-cross-calibration", entries)
    assert value(findings, "ratio", "well counter") == pytest.approx(1.04, rel=2e-3)
    assert value(findings, "deviation", "dose calibrator") == pytest.approx(4.0)
    figure = findings.figure("ratio")
    assert figure is not None
    assert figure.noise[0] == pytest.approx(1.04 * math.hypot(0.01, 0.02), rel=2e-3)
    assert ratio(1.0, 2.0, None, 1.0).error is None
    assert "nothing to compare" in found("pet-cross-calibration", {"scanner": "1 kBq/mL"}).obstacles[0]


@given(st.tuples(*[st.floats(-20, 20)] * 3), st.tuples(*[st.floats(-30, 30)] * 3), st.integers(0, 2**31))
def test_shift_and_turn_that_were_injected_come_back(shift: Any, turn_deg: Any, seed: int) -> None:
    ct = np.random.default_rng(seed).uniform(-200, 200, (5, 3))
    turn = Rotation.from_rotvec(turn_deg, degrees=True)
    middle = ct.mean(axis=0)
    emission = turn.apply(ct - middle) + middle + shift
    result = registration(ct.tolist(), emission.tolist())
    assert result.shift_mm == pytest.approx(shift, abs=1e-6)
    assert result.turn_deg == pytest.approx(turn_deg, abs=1e-5)
    assert result.residual_mm < 1e-6
    assert result.worst_mm == pytest.approx(np.linalg.norm(emission - ct, axis=1).max())


def test_registration_from_entries_names_the_worst_point_and_refuses_a_line() -> None:
    ct = "0 0 0; 100 0 0; 0 100 0; 0 0 100 mm"
    findings = found("pet-ct-registration", {"ct": ct, "emission": "1 0 0; 101 0 0; 1 100 0; 1 0 104 mm"})
    assert value(findings, "translation", "x") == pytest.approx(1.0)
    assert value(findings, "worst") == pytest.approx(math.hypot(1, 4))
    assert value(findings, "residual") > 0.1
    assert findings.remarks == ("the worst is point 4",)
    line = "0 0 0; 100 0 0; 200 0 0 mm"
    assert "in one line" in found("spect-ct-registration", {"ct": line, "emission": line}).obstacles[0]
    assert "each is needed" in found("spect-ct-registration", {"ct": ct, "emission": line}).obstacles[0]


# Triggers.


def test_even_triggers_are_those_of_the_generator_and_jitter_is_found() -> None:
    rng = np.random.default_rng(32)
    times = np.arange(300) * 1000.0 + rng.normal(0.0, 3.0, 300)
    seen = triggers((times * 1e9).astype(np.int64), 1000.0)
    assert seen.interval_ms == pytest.approx(1000.0, abs=0.1)
    assert seen.jitter_ms == pytest.approx(3.0 * math.sqrt(2.0), rel=0.15)
    assert (seen.missed, seen.extra) == (0, 0)


def test_missed_and_extra_triggers_are_counted_each_by_itself() -> None:
    times = np.delete(np.arange(100) * 1000.0, [40, 70, 71])
    times = np.sort(np.append(times, [10_200.0, 20_300.0]))
    seen = triggers((times * 1e9).astype(np.int64), 1000.0)
    assert (seen.missed, seen.extra) == (3, 2)
    assert seen.interval_ms == pytest.approx(1000.0)
    with pytest.raises(RefusedError, match="another generator"):
        triggers((times * 1e9).astype(np.int64), 300.0)
    with pytest.raises(RefusedError, match="at least 10"):
        triggers(np.arange(3), 1000.0)


# Purity of Co-57.


def photons(name: str, low: float, high: float) -> float:
    parts = [get_icrp107_spectrum(name, kind) for kind in ("gamma", "annihilation")]
    return sum(100 * w for part in parts for x, w in zip(part["energies"], part["weights"], strict=True)
               if low < 1e3 * x < high)  # fmt: skip


def test_photons_per_decay_are_those_of_icrp_107() -> None:
    assert pytest.approx(photons("Co-56", 200, 1e4), abs=0.1) == CO56_PER_100
    assert pytest.approx(photons("Co-58", 200, 1e4), abs=0.1) == CO58_PER_100
    assert pytest.approx(photons("Co-57", 100, 200), abs=0.1) == CO57_PER_100


@pytest.mark.parametrize("age_d", [0.0, 60.0, 180.0, 365.0])
def test_the_share_of_high_energy_falls_with_age_as_radioactivedecay_has_it(age_d: float) -> None:
    sheet = radioactivedecay.Inventory({"Co-57": 370.0, "Co-56": 0.37, "Co-58": 0.74}, "MBq")
    left = sheet.decay(age_d, "d").activities("MBq")
    truth = 100 * (left["Co-56"] * photons("Co-56", 200, 1e4) + left["Co-58"] * photons("Co-58", 200, 1e4))
    truth /= left["Co-57"] * photons("Co-57", 100, 200)
    assert high_energy_percent(age_d * DAY_S, 0.1, 0.2) == pytest.approx(truth, rel=0.01)


def test_a_sheet_settles_after_the_closed_form_of_one_impurity() -> None:
    begin = high_energy_percent(0.0, 0.0, 2.0)
    faster = 1 / (1 / 70.86 - 1 / 271.74)
    assert settled_after_s(0.0, 2.0) == pytest.approx(faster * math.log2(begin) * DAY_S, abs=2.0)
    assert settled_after_s(0.0, 0.0) == 0.0


def test_triggers_are_read_from_the_marks_of_a_recording(tmp_path: Path) -> None:
    times = np.arange(30) * 800 * 10**9
    rows = {
        "time_ps": pa.array(times), "kind": pa.array(["cardiac_trigger"] * 30), "source": pa.array(np.zeros(30, "<u2")),
        "value": pa.array(np.zeros(30, "<i8")), "value2": pa.array(np.zeros(30)), "text": pa.array([""] * 30),
    }  # fmt: skip
    folder = make_directory(tmp_path / "run", [segment("marks", [pa.record_batch(rows, schema=MARKS)])])
    test = QcTest(title="Gate", analysis="gate-trigger", parameters={"interval_ms": 800.0})
    findings = analysis("gate-trigger")(Material("gate", test, SCANNER, (folder,)))
    assert value(findings, "interval_error") == pytest.approx(0.0, abs=1e-9)
    assert value(findings, "missed") == 0.0
    other = QcTest(title="Gate", analysis="gate-trigger", parameters={"interval_ms": 800.0, "kind": "gate"})
    assert "0 triggers" in analysis("gate-trigger")(Material("gate", other, SCANNER, (folder,))).obstacles[0]
