"""Calibration, windows and the choice of singles: against plain NumPy, and wherever the rows are cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_pairs import RING, RULE

from daq.errors import RefusedError
from daq.model.calibration import Calibration
from daq.model.processing import Processing
from daq.model.scanner import modules
from daq.model.windows import EnergyWindow, WindowSet
from daq.pipeline.calibrating import Tables, calibrated
from daq.pipeline.singles import SinglesPass, wanted_mask
from daq.pipeline.windowing import bounds_of, masks

WINDOWS = (EnergyWindow(400, 600, "peak"), EnergyWindow(0.1, 410.3, "low"))
HEAD = {"id": "c", "instrument": "singles64", "made_utc": "2026-11-23T00:00:00+00:00", "method": "a test"}
TABLE = Calibration(
    **HEAD, detectors=(0, 2, 5), time_offset_ps=(100, -7, 3), kev_per_adc=(0.5, 1.25, 3.0), pedestal_adc=(1.0, 0.0, 7.5)
)
energies = st.floats(width=32) | st.sampled_from([400.0, 600.0, float(np.float32(0.1)), float(np.float32(410.3))])


@given(st.lists(energies))
def test_masks_are_those_of_the_window_set_bit_for_bit(kev: list[float]) -> None:
    energy = np.array(kev, np.float32)

    bits, inside = masks(bounds_of(WindowSet(WINDOWS)), energy)

    assert bits.tolist() == WindowSet(WINDOWS).mask(energy).tolist()
    assert inside.tolist() == [int(((bits >> window) & 1).sum()) for window in range(2)]


def test_a_detector_that_the_table_does_not_name_is_left_alone_and_counted() -> None:
    detector = np.array([0, 1, 2, 5, 6, 70000], np.uint32)
    codes = np.array([511, 511, 511, 511, 511, 511], np.uint16)

    times, kev, unnamed = calibrated(Tables.of(TABLE), np.full(6, 1000, np.int64), detector, codes)

    assert times.tolist() == [900, 1000, 1007, 997, 1000, 1000]
    assert kev.tolist() == [255.0, 511.0, 638.75, 1510.5, 511.0, 511.0]
    assert unnamed == 3


def test_without_a_calibration_energies_are_the_codes() -> None:
    identity = Calibration(**HEAD, identity=True)

    times, kev, unnamed = calibrated(
        Tables.of(identity), np.array([5], np.int64), np.array([3], np.uint32), np.array([4095], np.uint16)
    )

    assert (times.tolist(), kev.tolist(), kev.dtype, unnamed) == ([5], [4095.0], np.float32, 0)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"time_offset_ps": (1,)}, "1 values for 3 detectors"),
        ({"time_offset_ps": (1 << 70, 0, 0)}, "beyond int64"),
        ({"detectors": (0, 1, 1 << 24)}, "go from 0"),
    ],
)
def test_a_table_that_cannot_be_held_is_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(RefusedError, match=what):
        Tables.of(TABLE.model_copy(update=changes))


def singles(seed: int, rows: int) -> dict[str, np.ndarray[Any, Any]]:
    draw = np.random.default_rng(seed)
    return {
        "time_ps": draw.integers(0, 10**6, rows), "detector": draw.integers(0, 20_000, rows).astype(np.uint32),
        "energy_adc": draw.integers(0, 700, rows).astype(np.uint16),
    }  # fmt: skip


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.lists(st.integers(0, 9), max_size=12), st.sampled_from(["all", "windowed", "none"]))
def test_what_is_chosen_and_counted_does_not_depend_on_cuts(seed: int, lengths: list[int], stored: Any) -> None:
    rows, ends = sum(lengths), np.cumsum(lengths, dtype=np.int64)
    given_rows = singles(seed, rows)
    sources = (np.arange(len(lengths)) % 3).astype(np.uint16)
    processing = Processing(calibration=TABLE, windows=WINDOWS, pairing=RULE, singles=stored)
    whole, cut = SinglesPass(processing), SinglesPass(processing)

    at_once = whole({name: values.copy() for name, values in given_rows.items()}, ends, sources, np.array([len(ends)]))
    parts, begin = [], 0
    for run, end in enumerate(ends.tolist()):
        part = cut({name: values[begin:end].copy() for name, values in given_rows.items()}, np.array([end - begin]),
                   sources[run : run + 1], np.empty(0, np.int64))  # fmt: skip
        parts.append({name: values.copy() for name, values in part.chosen.items()})
        begin = end

    times, kev, unnamed = calibrated(
        Tables.of(TABLE), given_rows["time_ps"], given_rows["detector"], given_rows["energy_adc"]
    )
    bits = WindowSet(WINDOWS).mask(kev)
    mask = wanted_mask(processing)
    wanted = np.ones(rows, bool) if mask == 0 else (bits & mask) != 0
    expected = {"time_ps": times, "detector": given_rows["detector"], "energy_kev": kev, "windows": bits}
    for name, values in expected.items():
        assert at_once.chosen[name].tolist() == values[wanted].tolist()
        assert at_once.every[name].tolist() == values.tolist()
        assert [row for part in parts for row in part[name].tolist()] == values[wanted].tolist()
    assert at_once.ends.tolist() == np.concatenate([[0], np.cumsum(wanted)])[ends].tolist()
    assert whole.counts == cut.counts
    assert whole.counts["uncalibrated"] == unnamed
    assert whole.counts["excluded"] == rows - int(wanted.sum()) == int(cut.excluded.sum())
    known = given_rows["detector"] <= RING.highest_detector
    per_module = np.bincount(modules(RING, given_rows["detector"][known]), minlength=at_once.in_modules.shape[1] - 1)
    assert at_once.in_modules[0].tolist() == [*per_module.tolist(), int((~known).sum())]
    assert cut.take_modules().tolist() == at_once.in_modules[0].tolist()
    assert not whole.take_modules().any()


def test_columns_beside_those_of_pet_go_with_the_singles_that_are_chosen() -> None:
    processing = Processing(windows=WINDOWS[:1], singles="windowed")
    passed = SinglesPass(processing)(
        {"time_ps": np.arange(3), "energy_kev": np.array([1, 500, 600], np.float32), "x_mm": np.array([1.0, 2.0, 3.0])},
        np.array([3]), np.zeros(1, np.uint16), np.empty(0, np.int64),
    )  # fmt: skip

    assert passed.chosen["x_mm"].tolist() == [2.0]
    assert passed.chosen.keys() == passed.every.keys() == {"time_ps", "energy_kev", "windows", "x_mm"}
