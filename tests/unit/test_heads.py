"""Positions, energies and corrections of gamma-camera heads: against plain NumPy, wherever the rows are cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_heads import SENSORS, at, corrections, flashes, grid_of

from daq.errors import ProfileError, RefusedError
from daq.model.headcalibration import Grid, HeadCorrections
from daq.pipeline.heads import HeadStage

BOARD = HeadCorrections(head=0, sensors=SENSORS, kev_per_adc=(0.05,) * 64, saturated_adc=16383)

SHORT = Grid(x0_mm=0, y0_mm=0, pitch_mm=1, rows=2, columns=2, data="")


def through(stage: HeadStage, rows: dict[str, Any]) -> dict[str, Any]:
    """Return copies of what a stage makes of rows, all of source 0."""
    count = len(rows["head"]) if "head" in rows else len(rows["time_ps"])
    given_rows = {"time_ps": np.arange(count), **rows}
    found = stage(given_rows, np.array([count]), np.zeros(1, np.uint16))
    return {name: values.copy() for name, values in found.items()}


def positions(seed: int, rows: int) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    return {
        "head": draw.integers(0, 4, rows).astype(np.uint8),
        "x_mm": draw.uniform(-150, 150, rows).astype(np.float32),
        "y_mm": draw.uniform(-150, 150, rows).astype(np.float32),
        "energy_kev": draw.uniform(0, 400, rows).astype(np.float32),
    }


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000))
def test_positions_of_a_front_end_are_corrected_by_the_maps_of_their_head(seed: int) -> None:
    named = {0: corrections(0, seed), 2: corrections(2, seed + 1, energy=None, shift_y=None)}
    rows = positions(seed, 300)

    found = through(HeadStage([named[0], named[2]]), rows)

    x, y, kev = (rows[name].astype(float) for name in ("x_mm", "y_mm", "energy_kev"))
    for number in range(4):
        of = rows["head"] == number
        head = named.get(number, HeadCorrections(head=number))
        np.testing.assert_allclose(found["x_mm"][of], (x + at(head.shift_x, x, y, otherwise=0))[of], atol=1e-3)
        np.testing.assert_allclose(found["y_mm"][of], (y + at(head.shift_y, x, y, otherwise=0))[of], atol=1e-3)
        np.testing.assert_allclose(found["energy_kev"][of], (kev / at(head.energy, x, y, otherwise=1))[of], rtol=1e-5)
    assert found["head"].tolist() == rows["head"].tolist()


def test_corrections_keep_every_count_and_say_how_many_came_of_each_head() -> None:
    stage = HeadStage([corrections(0), corrections(3)])
    rows = positions(5, 500)

    found = through(stage, rows)

    came = np.bincount(rows["head"], minlength=4)
    assert len(found["x_mm"]) == 500
    assert stage.counts["0"] == {"events": came[0], "saturated": 0, "piled_up": 0, "unplaced": 0}
    assert stage.counts["others"]["events"] == came[1] + came[2]


def test_what_is_no_number_stays_none() -> None:
    rows = {"head": np.zeros(2, np.uint8), "x_mm": np.array([np.nan, 1], np.float32),
            "y_mm": np.array([0, np.nan], np.float32), "energy_kev": np.array([140, np.nan], np.float32)}  # fmt: skip

    found = through(HeadStage([corrections(0)]), rows)

    assert np.isnan(found["x_mm"][0])
    assert np.isnan(found["y_mm"][1])
    assert np.isnan(found["energy_kev"][1])


def test_the_centroid_is_that_of_the_light_and_the_energy_its_sum() -> None:
    _, _, codes = flashes(1, 200)
    pedestals = np.linspace(20, 90, 64)
    gains = np.linspace(0.04, 0.06, 64)
    head = HeadCorrections(head=0, sensors=SENSORS, pedestal_adc=tuple(pedestals), kev_per_adc=tuple(gains))
    shifted = np.rint(codes + pedestals).astype(np.uint16)

    found = through(HeadStage([head]), {"head": np.zeros(200, np.uint8), "amplitudes": shifted})

    light = (shifted - pedestals) * gains
    np.testing.assert_allclose(found["energy_kev"], light.sum(axis=1), rtol=1e-4)
    np.testing.assert_allclose(found["x_mm"], light @ SENSORS.x_mm / light.sum(axis=1), atol=1e-2)
    np.testing.assert_allclose(found["y_mm"], light @ SENSORS.y_mm / light.sum(axis=1), atol=1e-2)
    assert "amplitudes" not in found


def test_energy_and_linearity_maps_are_looked_up_at_the_raw_position() -> None:
    x, _, codes = flashes(2, 100)
    plain = through(HeadStage([BOARD]), {"head": np.zeros(100, np.uint8), "amplitudes": codes})
    stretched = BOARD.model_copy(update={"shift_x": grid_of(np.tile(np.linspace(-50, 50, 11), (2, 1)), pitch_mm=10.0)})

    found = through(HeadStage([stretched]), {"head": np.zeros(100, np.uint8), "amplitudes": codes})

    inside = np.abs(plain["x_mm"]) < 50
    np.testing.assert_allclose(found["x_mm"][inside], 2 * plain["x_mm"][inside], rtol=1e-4, atol=1e-3)
    assert np.corrcoef(x, plain["x_mm"])[0, 1] > 0.99


def test_an_event_without_a_position_keeps_its_row_and_is_counted_by_its_cause() -> None:
    _, _, codes = flashes(3, 4)
    codes[1, 5] = 16383
    codes[2] = 0
    stage = HeadStage([BOARD])

    found = through(stage, {"head": np.array([0, 0, 0, 7], np.uint8), "amplitudes": codes})

    assert np.isnan(found["x_mm"]).tolist() == [False, True, True, True]
    assert np.isnan(found["y_mm"]).tolist() == np.isnan(found["energy_kev"]).tolist() == [False, True, True, True]
    assert stage.counts["0"] == {"events": 3, "saturated": 1, "piled_up": 0, "unplaced": 1}
    assert stage.counts["others"] == {"events": 1, "saturated": 0, "piled_up": 0, "unplaced": 1}


def test_a_dead_channel_adds_nothing_and_cannot_saturate() -> None:
    _, _, codes = flashes(4, 50)
    stuck = codes.copy()
    stuck[:, 9] = 16383
    codes[:, 9] = 0
    head = BOARD.model_copy(update={"dead_channels": (9,)})
    stage = HeadStage([head])
    heads = np.zeros(50, np.uint8)

    found, wanted = through(stage, {"head": heads, "amplitudes": stuck}), through(
        HeadStage([BOARD]), {"head": heads, "amplitudes": codes}
    )  # fmt: skip

    assert all(np.array_equal(found[name], wanted[name]) for name in ("x_mm", "y_mm", "energy_kev"))
    assert stage.counts["0"]["saturated"] == 0


def test_rows_that_name_no_head_are_of_the_head_of_their_source() -> None:
    stage = HeadStage([corrections(1, energy=grid_of([[2.0]]), shift_x=None, shift_y=None)])
    rows = {"time_ps": np.arange(5), **{n: np.full(5, 100, np.float32) for n in ("x_mm", "y_mm", "energy_kev")}}

    found = stage(rows, np.array([2, 5]), np.array([1, 0], np.uint16))

    assert found["energy_kev"].tolist() == [50, 50, 100, 100, 100]
    assert "head" not in found


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 100), st.lists(st.integers(0, 40), max_size=6))
def test_what_comes_out_does_not_depend_on_cuts(seed: int, lengths: list[int]) -> None:
    rows = sum(lengths)
    _, _, codes = flashes(seed, rows)
    codes[::7, 3] = 16383
    heads = np.zeros(rows, np.uint8)
    whole, cut = HeadStage([BOARD]), HeadStage([BOARD])

    at_once = through(whole, {"head": heads, "amplitudes": codes})
    ends = np.cumsum(lengths)
    parts = [
        through(cut, {"head": heads[end - length : end], "amplitudes": codes[end - length : end]})
        for length, end in zip(lengths, ends, strict=True)
    ]

    for name in ("x_mm", "y_mm", "energy_kev"):
        joined = np.concatenate([part[name] for part in parts]) if parts else np.empty(0)
        assert joined.tobytes() == at_once[name].tobytes() or not rows
    assert whole.counts == cut.counts


def test_a_fork_goes_on_by_itself() -> None:
    stage = HeadStage([corrections(0)])
    through(stage, positions(1, 10))
    twin = stage.fork()

    through(twin, positions(1, 10))

    assert twin.counts["0"]["events"] == 2 * stage.counts["0"]["events"]


@pytest.mark.parametrize(
    ("heads", "what"),
    [
        ([corrections(0), corrections(0)], "given twice"),
        ([HeadCorrections(head=256)], "0 to 255"),
        ([BOARD.model_copy(update={"pedestal_adc": (1.0,)})], "1 values for 64 sensors"),
        ([BOARD.model_copy(update={"dead_channels": (64,)})], "there are 0 to 63"),
        ([BOARD.model_copy(update={"dead_channels": tuple(range(62))})], "2 of 64 channels work"),
        ([HeadCorrections(head=0, energy=grid_of([[0.0, 1.0]]))], "divided by it"),
        ([HeadCorrections(head=0, shift_x=SHORT)], "holds 0 bytes"),
    ],
)  # fmt: skip
def test_corrections_that_do_not_fit_each_other_are_refused(heads: list[HeadCorrections], what: str) -> None:
    with pytest.raises(ProfileError, match=what):
        HeadStage(heads)


def test_rows_of_which_no_position_can_be_made_are_refused() -> None:
    stage = HeadStage([BOARD])

    with pytest.raises(RefusedError, match="neither positions nor amplitudes"):
        through(stage, {"head": np.zeros(1, np.uint8), "energy_kev": np.zeros(1, np.float32)})
    with pytest.raises(RefusedError, match="no energy"):
        through(stage, {"head": np.zeros(1, np.uint8), "x_mm": np.zeros(1), "y_mm": np.zeros(1)})
    with pytest.raises(RefusedError, match="sends 32 channels"):
        through(stage, {"head": np.zeros(1, np.uint8), "amplitudes": np.zeros((1, 32), np.uint16)})
