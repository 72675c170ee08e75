"""What is declared to be shown for each kind of front end."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from support_looks import S, singles, whole_declaration

from daq.listmode.columns import decoded_columns
from daq.model.framed import Pixels
from daq.model.layout import Layout
from daq.pipeline.energyaxis import EnergyAxis
from daq.readout.lookdeclaration import (
    MOST_DETECTOR_BINS,
    Axis,
    DetectorLook,
    EnergyLook,
    declare,
)  # fmt: skip
from daq.readout.looks import Looks
from daq.storage.accounts import unnumbered
from daq.storage.kernels import load_decoder
from device_profiles.load import load_profile


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
    assert declared.camera is not None
    assert (declared.camera.heads, declared.camera.names) == ((0, 1, 2, 3), ("all",))
    assert declared.camera.frame == Pixels(-307.5, -307.5, pytest.approx(2.4), 256, 256)
    assert declared.camera.axis == EnergyAxis(-0.25, 0.5, 1024)


def test_every_code_of_a_field_has_a_bin_and_each_bin_as_many_codes() -> None:
    looks = Looks(whole_declaration("head-xye64"), now_ns=0)
    raw = np.arange(-512, 512)
    position = (raw * 0.6).astype("f4")
    energy = (np.arange(1024) * 0.5).astype("f4")
    columns = {"energy_kev": energy, "x_mm": position, "y_mm": position[::-1].copy(), "head": np.zeros(1024, "u1")}
    looks.see(singles(**columns), np.zeros((0, len(looks.declaration.counters)), np.int64), 0)

    arrays = looks.arrays(S)
    assert set(arrays["energy"].tolist()) == {1}
    assert np.diag(arrays["images"][0, 0][::-1]).tolist() == [4] * 256
    assert looks.looked()["camera_outside"] == 0


def test_energy_codes_of_a_pet_module_share_bins_by_a_power_of_two() -> None:
    declared = whole_declaration("singles64")

    assert declared.energy == EnergyLook("energy_adc", Axis(0.0, 4096.0, 1024), 2)
    assert declared.detectors == DetectorLook("singles", ("detector",), 16384, 1)
    assert declared.camera is None


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

    assert (declared.energy, declared.detectors, declared.camera) == (None, None, None)
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

    assert declared.camera is not None
    assert declared.camera.frame == Pixels(-127.5, -128.5, 1.0, 256, 256)


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
    in_image = rows["singles"]
    if "images" in arrays:
        in_image = int(arrays["images"].sum()) + looked["camera_outside"] + looked["camera_head_unknown"]
    assert name != "head-xye64" or in_image == rows["singles"] > 0
