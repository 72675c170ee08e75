"""Live figures against plain NumPy, whatever the cut into slices; and what is declared for each kind of front end."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.listmode.codegen import CAUSES
from daq.listmode.columns import decoded_columns
from daq.model.layout import Layout
from daq.readout.lookdeclaration import (
    LOOKED,
    MOST_DETECTOR_BINS,
    Axis,
    Declaration,
    DetectorLook,
    EnergyLook,
    FloodLook,
    declare,
)  # fmt: skip
from daq.readout.looks import Looks
from daq.storage.accounts import unnumbered
from daq.storage.kernels import load_decoder
from device_profiles.load import load_profile

S = 1_000_000_000
NO_COUNTS = np.zeros((0, 2), np.int64)
KEV = EnergyLook("energy_kev", Axis(-0.25, 127.75, 256))
ADC = EnergyLook("energy_adc", Axis(0.0, 4096.0, 1024), 2)
DETECTORS = DetectorLook("singles", ("detector",), 1000, 4)
PAIRS = DetectorLook("coincidences", ("detector_a", "detector_b"), 50, 1)
FLOOD = FloodLook(2, Axis(-10.0, 22.0, 16), Axis(-4.0, 4.0, 8), by_head=True, windowed=True)


def looks_of(**looks: Any) -> Looks:
    missing = {"energy": None, "detectors": None, "flood": None}
    return Looks(Declaration(("single", "unknown"), **{**missing, **looks}), now_ns=0)


def singles(**columns: npt.NDArray[Any]) -> dict[Any, Any]:
    (length,) = {len(column) for column in columns.values()}
    return {"singles": {"time_ps": np.zeros(length, np.int64), **columns}}


def whole_declaration(name: str, **changes: Any) -> Declaration:
    layout = load_profile(name).layout
    columns = {**decoded_columns(layout), **changes}
    return declare(columns, (*layout.kinds, *CAUSES), layout)


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


coordinate = st.floats(-30, 30, width=32) | st.sampled_from([np.nan, np.inf, -np.inf, -10.0, 22.0, -4.0, 4.0, 1e30])


@settings(deadline=None)
@given(st.lists(st.tuples(coordinate, coordinate, st.integers(0, 4), st.sampled_from([0, 0, 1, 5, 65535]))))
def test_positions_in_a_window_make_the_flood_image_of_their_head(rows: list[tuple[float, float, int, int]]) -> None:
    looks = looks_of(flood=FLOOD)
    columns = [np.array([row[i] for row in rows], kind) for i, kind in enumerate(("f4", "f4", "u1", "u2"))]
    looks.see(singles(**dict(zip(("x_mm", "y_mm", "head", "windows"), columns, strict=True))), NO_COUNTS, 0)

    expected = np.zeros((2, 8, 16), np.int64)
    in_no_window = outside = 0
    for x, y, head, windows in rows:
        if windows == 0:
            in_no_window += 1
        elif -10 <= x < 22 and -4 <= y < 4 and head < 2:
            expected[head, int(np.floor(y + 4)), int(np.floor((x + 10) / 2))] += 1
        else:
            outside += 1
    assert looks.arrays(S)["flood"].tolist() == expected.tolist()
    assert (looks.looked()["flood_in_no_window"], looks.looked()["flood_outside"]) == (in_no_window, outside)


def test_without_heads_and_windows_all_positions_make_one_image() -> None:
    looks = looks_of(flood=replace(FLOOD, heads=1, by_head=False, windowed=False))
    looks.see(singles(x_mm=np.float32([0, 0, 50]), y_mm=np.float32([3, 3, 3])), NO_COUNTS, 0)

    flood = looks.arrays(S)["flood"]
    assert flood.shape == (1, 8, 16)
    assert (int(flood[0, 7, 5]), int(flood.sum()), looks.looked()["flood_outside"]) == (2, 2, 1)


def test_counts_do_not_overflow_where_32_bits_would() -> None:
    looks = looks_of(energy=ADC, detectors=DETECTORS)
    looks._energy[1] = looks._detectors[0] = 2**32 - 1
    looks.see(singles(energy_adc=np.zeros(3, "u2"), detector=np.zeros(3, "u4")), NO_COUNTS, 0)

    assert int(looks.arrays(S)["energy"][0]) == int(looks.arrays(S)["detectors"][0]) == 2**32 + 2


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
        "windows": random.integers(0, 3, length).astype("u2"),
    }
    cuts = sorted(data.draw(st.lists(st.integers(0, length), max_size=5)))
    at_once, cut = (looks_of(energy=KEV, detectors=DETECTORS, flood=FLOOD) for _ in range(2))
    counts = np.array([[length, 3]], np.int64)

    at_once.see(singles(**columns), counts, 5)
    for begin, end in zip([0, *cuts], [*cuts, length], strict=True):
        part = {name: column[begin:end] for name, column in columns.items()}
        cut.see(singles(**part), counts * end // max(length, 1) if end < length else counts, 5)

    first, second = at_once.arrays(S), cut.arrays(S)
    assert at_once.looked() == cut.looked()
    assert {name: array.tolist() for name, array in first.items()} == {name: a.tolist() for name, a in second.items()}


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
    looks = looks_of(energy=KEV, detectors=DETECTORS, flood=FLOOD)
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
    looks = Looks(Declaration(("single", "unknown"), None, None, None, source_rows=2), now_ns=0)
    looks.see({}, np.array([[1, 2], [3, 4], [5, 6], [7, 8]]), 0)

    assert looks.arrays(S)["counts"].tolist() == [[1, 2], [3, 4], [12, 14]]
    assert looks.looked()["sources"] == 4
    assert looks.declaration.about["sources"] == {"own_rows": 2, "last_row": "sources 2 and above, summed"}


def test_samples_of_a_long_run_do_not_pile_up() -> None:
    looks = looks_of()
    for tick in range(5000):
        looks.arrays(tick * 1_000_000)

    assert len(looks._rates._samples) <= 22


# Declarations


def test_the_arrays_are_as_specified_for_every_profile() -> None:
    for name in ("head-xye64", "singles64", "safir64", "siemens-petlink32"):
        looks = Looks(whole_declaration(name), now_ns=0)
        arrays = looks.arrays(1)
        assert {s.name: (s.dtype, s.shape) for s in looks.specs()} == {
            name: (array.dtype.str, array.shape) for name, array in arrays.items()
        }


def test_a_gamma_camera_shows_energies_and_one_image_per_head() -> None:
    declared = whole_declaration("head-xye64")

    assert declared.energy == EnergyLook("energy_kev", Axis(-0.25, 511.75, 1024))
    assert declared.detectors is None
    assert declared.flood == FloodLook(
        4, Axis(-307.5, 306.9, 256), Axis(-307.5, 306.9, 256), by_head=True, windowed=False
    )


def test_every_code_of_a_field_has_a_bin_and_each_bin_as_many_codes() -> None:
    looks = Looks(whole_declaration("head-xye64"), now_ns=0)
    raw = np.arange(-512, 512)
    position = (raw * 0.6).astype("f4")
    energy = (np.arange(1024) * 0.5).astype("f4")
    columns = {"energy_kev": energy, "x_mm": position, "y_mm": position[::-1].copy(), "head": np.zeros(1024, "u1")}
    looks.see(singles(**columns), np.zeros((0, len(looks.declaration.counters)), np.int64), 0)

    arrays = looks.arrays(S)
    assert set(arrays["energy"].tolist()) == {1}
    assert np.diag(arrays["flood"][0][::-1]).tolist() == [4] * 256
    assert looks.looked()["flood_outside"] == 0


def test_energy_codes_of_a_pet_module_share_bins_by_a_power_of_two() -> None:
    declared = whole_declaration("singles64")

    assert declared.energy == EnergyLook("energy_adc", Axis(0.0, 4096.0, 1024), 2)
    assert declared.detectors == DetectorLook("singles", ("detector",), 16384, 1)
    assert declared.flood is None


def test_more_detectors_than_fit_are_folded_and_the_factor_is_said() -> None:
    declared = whole_declaration("safir64")

    assert declared.detectors == DetectorLook("coincidences", ("detector_a", "detector_b"), 1 << 28, 1024)
    assert declared.about["detectors"]["fold"] == 1024
    assert declared.detectors is not None
    assert declared.detectors.bins == MOST_DETECTOR_BINS


def test_the_scanner_may_say_how_many_detectors_there_are() -> None:
    layout = load_profile("safir64").layout
    declared = declare(decoded_columns(layout), tuple(layout.kinds), layout, detectors=1000)

    assert declared.detectors == DetectorLook("coincidences", ("detector_a", "detector_b"), 1000, 1)


def test_singles_are_mapped_rather_than_the_pairs_made_of_them() -> None:
    declared = whole_declaration("singles64", coincidences=["time_ps", "detector_a", "detector_b", "kind"])

    assert declared.detectors is not None
    assert declared.detectors.stream == "singles"


def test_bin_addresses_give_counts_and_rates_only() -> None:
    declared = whole_declaration("siemens-petlink32")

    assert (declared.energy, declared.detectors, declared.flood) == (None, None, None)
    assert declared.counters[: len(load_profile("siemens-petlink32").layout.kinds)] == tuple(
        load_profile("siemens-petlink32").layout.kinds
    )


def test_calibrated_energies_replace_codes_and_have_a_range_of_their_own() -> None:
    declared = whole_declaration("singles64", singles=["time_ps", "detector", "energy_kev", "energy_adc", "windows"])

    assert declared.energy == EnergyLook("energy_kev", Axis(0.0, 1024.0, 1024))


def layout_with(**fields: dict[str, Any]) -> Layout:
    return Layout.model_validate(
        {"word_bits": 64, "byte_order": "big", "kinds": {"single": {"yields": "single", "fields": fields}}}
    )


@pytest.mark.parametrize(
    ("field", "axis"),
    [
        ({"bits": "7:0", "unit": "keV", "scale": 2.0}, Axis(-1.0, 511.0, 256)),
        ({"bits": "3:0", "unit": "keV", "scale": 40.0, "offset": 20.0}, Axis(0.0, 640.0, 16)),
        ({"bits": "31:0", "unit": "keV", "scale": 1.0}, Axis(0.0, 2048.0, 1024)),
    ],
)
def test_the_energy_range_is_that_of_the_field_within_reason(field: dict[str, Any], axis: Axis) -> None:
    layout = layout_with(energy={**field, "to": "energy_kev"})
    declared = declare(decoded_columns(layout), ("single",), layout)

    assert declared.energy == EnergyLook("energy_kev", axis)


def test_an_axis_that_runs_backwards_is_turned_round() -> None:
    field = {"unit": "mm", "signed": True}
    layout = layout_with(
        x={**field, "bits": "7:0", "to": "x_mm", "scale": -1.0}, y={**field, "bits": "15:8", "to": "y_mm"}
    )
    declared = declare(decoded_columns(layout), ("single",), layout)

    assert declared.flood is not None
    assert declared.flood.x_mm == Axis(-127.5, 128.5, 256)
    assert declared.flood.y_mm == Axis(-128.5, 127.5, 256)


def test_a_lookup_table_says_the_highest_detector() -> None:
    number = {"digits": ["d"], "radix": [4], "lookup": [7, -1, 3, 0]}
    kind = {"yields": "single", "fields": {"d": {"bits": "1:0", "unit": "1"}}, "detector": number}
    text = {"word_bits": 8, "byte_order": "big", "kinds": {"single": kind}}
    layout = Layout.model_validate_json(json.dumps(text))
    declared = declare(decoded_columns(layout), ("single",), layout)

    assert declared.detectors == DetectorLook("singles", ("detector",), 8, 1)


@pytest.mark.parametrize("name", ["head-xye64", "singles64", "safir64", "siemens-petlink32"])
def test_figures_take_what_the_decoder_of_each_profile_gives(name: str) -> None:
    profile = load_profile(name)
    decoder = load_decoder(profile.layout, profile.clock)
    carry = decoder.start(imported=True)
    looks = Looks(declare(decoder.columns, decoder.counters, profile.layout), now_ns=0)
    random = np.random.default_rng(1)

    rows = {"singles": 0, "coincidences": 0}
    for _ in range(5):
        words = random.integers(0, 256, 8000, np.uint8).tobytes()
        decoded = decoder.decode(unnumbered([(0, words)], source=2, arrival_ns=0), carry)
        looks.see(decoded.streams, carry.counts, int(carry.state[:, 2].max()))
        for stream in ("singles", "coincidences"):
            rows[stream] += decoded.rows(stream)

    arrays, looked = looks.arrays(S), looks.looked()
    assert {stream: looked[f"{stream}_seen"] for stream in rows} == rows
    assert arrays["counts"][2].tolist() == carry.counts[2].tolist()
    assert int(arrays["counts"].sum()) == 40_000 // profile.layout.word_bytes
    outside = looked["energy_below"] + looked["energy_above"] + looked["energy_not_a_number"]
    assert "energy" not in arrays or int(arrays["energy"].sum()) + outside == rows["singles"]
    in_map = {
        "head-xye64": 0,
        "singles64": rows["singles"],
        "safir64": 2 * rows["coincidences"],
        "siemens-petlink32": 0,
    }
    assert int(arrays.get("detectors", np.zeros(1)).sum()) == in_map[name]
    in_image = int(arrays["flood"].sum()) + looked["flood_outside"] if "flood" in arrays else rows["singles"]
    assert name != "head-xye64" or in_image == rows["singles"] > 0
