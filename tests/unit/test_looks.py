"""Live figures against plain NumPy, whatever the cut into slices; and what is declared for each kind of front end."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_looks import S, singles

from daq.model.framed import Pixels
from daq.model.windows import EnergyWindow
from daq.pipeline.energyaxis import EnergyAxis
from daq.pipeline.framing import FramingRule
from daq.readout.lookdeclaration import (
    LOOKED,
    Axis,
    Declaration,
    DetectorLook,
    EnergyLook,
)  # fmt: skip
from daq.readout.looks import Looks

CAMERA = FramingRule(
    Pixels(-10.0, -4.0, 1.0, 32, 8), (0, 1), (EnergyWindow(20, 60, "low"), EnergyWindow(40, 90, "high")),
    EnergyAxis(-0.25, 1.0, 128),
)  # fmt: skip
NO_COUNTS = np.zeros((0, 2), np.int64)
KEV = EnergyLook("energy_kev", Axis(-0.25, 127.75, 256))
ADC = EnergyLook("energy_adc", Axis(0.0, 4096.0, 1024), 2)
DETECTORS = DetectorLook("singles", ("detector",), 1000, 4)
PAIRS = DetectorLook("coincidences", ("detector_a", "detector_b"), 50, 1)


def looks_of(**looks: Any) -> Looks:
    missing = {"energy": None, "detectors": None}
    return Looks(Declaration(("single", "unknown"), **{**missing, **looks}), now_ns=0)


# Figures

energies = st.lists(st.floats(-50, 300, width=32) | st.sampled_from([np.nan, np.inf, -np.inf, -0.25, 127.75, 1e30]))


@settings(deadline=None)
@given(energies)
def test_energies_are_counted_as_by_plain_arithmetic(values: list[float]) -> None:
    energy = np.array(values, np.float32)
    looks = looks_of(energy=KEV)
    looks.see(singles(energy_kev=energy), NO_COUNTS, 0)

    at = np.floor((energy[np.isfinite(energy)].astype(np.float64) + 0.25) * 2.0)
    inside = at[(at >= 0) & (at < 256)].astype(np.int64)
    looked = looks.looked()
    assert looks.arrays(S)["energy"].tolist() == np.bincount(inside, minlength=256).tolist()
    assert looked["energy_below"] == (at < 0).sum() + np.isneginf(energy).sum()
    assert looked["energy_above"] == (at >= 256).sum() + np.isposinf(energy).sum()
    assert looked["energy_not_a_number"] == np.isnan(energy).sum()


@settings(deadline=None)
@given(st.lists(st.integers(0, 65535)))
def test_energy_codes_are_counted_as_by_bincount(values: list[int]) -> None:
    code = np.array(values, np.uint16)
    looks = looks_of(energy=ADC)
    looks.see(singles(energy_adc=code), NO_COUNTS, 0)

    assert looks.arrays(S)["energy"].tolist() == np.bincount(code[code < 4096] // 4, minlength=1024).tolist()
    assert looks.looked()["energy_above"] == (code >= 4096).sum()
    assert looks.looked()["energy_below"] == 0


@settings(deadline=None)
@given(st.lists(st.integers(0, 1100) | st.integers(0, 2**32 - 1)))
def test_detectors_are_counted_as_by_bincount(values: list[int]) -> None:
    detector = np.array(values, np.uint32)
    looks = looks_of(detectors=DETECTORS)
    looks.see(singles(detector=detector), NO_COUNTS, 0)

    assert looks.arrays(S)["detectors"].tolist() == np.bincount(detector[detector < 1000] // 4, minlength=250).tolist()
    assert looks.looked()["detectors_beyond"] == (detector >= 1000).sum()


def test_both_detectors_of_a_coincidence_are_counted() -> None:
    looks = looks_of(detectors=PAIRS)
    pair = {"time_ps": np.zeros(3, np.int64), "detector_a": np.uint32([1, 2, 2]), "detector_b": np.uint32([4, 4, 99])}
    looks.see({"coincidences": pair}, NO_COUNTS, 0)

    found = looks.arrays(S)["detectors"]
    assert {int(at): int(found[at]) for at in np.flatnonzero(found)} == {1: 1, 2: 2, 4: 2}
    assert looks.looked()["detectors_beyond"] == 1


def test_counts_do_not_overflow_where_32_bits_would() -> None:
    looks = looks_of(energy=ADC, detectors=DETECTORS)
    looks._energy[1] = looks._detectors[0] = 2**32 - 1
    looks.see(singles(energy_adc=np.zeros(3, "u2"), detector=np.zeros(3, "u4")), NO_COUNTS, 0)

    assert int(looks.arrays(S)["energy"][0]) == int(looks.arrays(S)["detectors"][0]) == 2**32 + 2


@pytest.mark.slow
@settings(deadline=None)
@given(st.data())
def test_what_is_counted_does_not_depend_on_the_cut_into_slices(data: st.DataObject) -> None:
    length = data.draw(st.integers(0, 200))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    columns = {
        "energy_kev": random.uniform(-20, 150, length).astype("f4"),
        "detector": random.integers(0, 1100, length).astype("u4"),
        "x_mm": random.uniform(-15, 25, length).astype("f4"),
        "y_mm": random.uniform(-5, 5, length).astype("f4"),
        "head": random.integers(0, 3, length).astype("u1"),
        "windows": random.integers(0, 4, length).astype("u2"),
    }
    cuts = sorted(data.draw(st.lists(st.integers(0, length), max_size=5)))
    at_once, cut = (looks_of(energy=KEV, detectors=DETECTORS, camera=CAMERA) for _ in range(2))
    counts = np.array([[length, 3]], np.int64)

    at_once.see(singles(**columns), counts, 5)
    for begin, end in zip([0, *cuts], [*cuts, length], strict=True):
        part = {name: column[begin:end] for name, column in columns.items()}
        cut.see(singles(**part), counts * end // max(length, 1) if end < length else counts, 5)

    first, second = at_once.arrays(S), cut.arrays(S)
    assert at_once.looked() == cut.looked()
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], name)


def test_skipped_rows_are_counted_and_not_looked_at() -> None:
    looks = looks_of(energy=ADC)
    rows = singles(energy_adc=np.zeros(10, "u2"))
    looks.see(rows, NO_COUNTS, 0)
    looks.skip({**rows, "coincidences": {"time_ps": np.zeros(4, np.int64)}}, np.array([[30, 0]]), 77)

    arrays = looks.arrays(S)
    looked = dict(zip(LOOKED, arrays["looked"].tolist(), strict=True))
    assert (looked["singles_seen"], looked["singles_skipped"], looked["coincidences_skipped"]) == (10, 10, 4)
    assert int(arrays["energy"].sum()) == 10
    assert (int(arrays["counts"][0, 0]), int(arrays["latest_ps"][0])) == (30, 77)


def test_a_slice_without_singles_is_no_error() -> None:
    looks = looks_of(energy=KEV, detectors=DETECTORS, camera=CAMERA)
    looks.see({}, NO_COUNTS, 0)
    looks.see({"singles": {}, "marks": {"time_ps": np.zeros(3, np.int64)}}, NO_COUNTS, 0)

    assert not any(looks.looked().values())


# Counts and rates


def counts_at(t_ns: int, rates: list[int]) -> npt.NDArray[np.int64]:
    return np.array([[rate * t_ns // S, 0] for rate in rates], np.int64)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 60_000_000), min_size=1, max_size=4),
    st.lists(st.integers(20_000_000, 400_000_000), min_size=2, max_size=40),
)
def test_a_steady_rate_is_shown_as_it_is_whenever_it_is_asked_for(rates: list[int], steps: list[int]) -> None:
    looks = looks_of()
    now = 0
    for step in steps:
        now += step
        looks.see({}, counts_at(now, rates), 0)
        arrays = looks.arrays(now)
        window = float(arrays["rate_window_s"][0])
        assert min(now, S) <= round(window * S) <= S + 2 * max(*steps, 50_000_000)
        assert arrays["rates_per_s"][: len(rates), 0] == pytest.approx(rates, abs=2 / window)

    assert not arrays["rates_per_s"][len(rates) :].any()


def test_a_step_in_the_rate_is_shown_after_a_second_of_samples() -> None:
    looks = looks_of()
    shown = []
    for tick in range(1, 41):
        now = tick * S // 10
        looks.see({}, np.array([[100 * tick if tick <= 20 else 2000 + 500 * (tick - 20), 0]]), 0)
        shown.append(round(float(looks.arrays(now)["rates_per_s"][0, 0])))

    assert shown[:20] == [1000] * 20
    assert shown[20:30] == [1400, 1800, 2200, 2600, 3000, 3400, 3800, 4200, 4600, 5000]
    assert shown[30:] == [5000] * 10


def test_the_rate_of_a_source_that_falls_silent_goes_to_zero() -> None:
    looks = looks_of()
    looks.see({}, np.array([[1000, 0]]), 0)
    shown = [float(looks.arrays(tick * S // 10)["rates_per_s"][0, 0]) for tick in range(1, 13)]

    assert shown[0] == pytest.approx(10_000)
    assert shown[-1] == 0


def test_a_rate_over_no_time_is_not_a_number() -> None:
    arrays = looks_of().arrays(0)

    assert np.isnan(arrays["rates_per_s"]).all()
    assert arrays["rate_window_s"].tolist() == [0.0]


def test_sources_beyond_the_rows_are_summed_in_the_last() -> None:
    looks = Looks(Declaration(("single", "unknown"), None, None, source_rows=2), now_ns=0)
    looks.see({}, np.array([[1, 2], [3, 4], [5, 6], [7, 8]]), 0)

    assert looks.arrays(S)["counts"].tolist() == [[1, 2], [3, 4], [12, 14]]
    assert looks.looked()["sources"] == 4
    assert looks.declaration.about["sources"] == {"own_rows": 2, "last_row": "sources 2 and above, summed"}


def test_samples_of_a_long_run_do_not_pile_up() -> None:
    looks = looks_of()
    for tick in range(5000):
        looks.arrays(tick * 1_000_000)

    assert len(looks._rates._samples) <= 22
