"""Images and spectra of list mode against plain NumPy, whatever the cut and the order of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.errors import RefusedError
from daq.model.framed import Pixels
from daq.model.headcalibration import Grid
from daq.model.windows import EnergyWindow, WindowSet
from daq.pipeline.energyaxis import EnergyAxis
from daq.pipeline.framing import FramingRule, Pictures, pictures_of

FRAME = Pixels(-10.0, -4.0, 1.0, 32, 8)
AXIS = EnergyAxis(-0.25, 0.5, 256)
WINDOWS = (EnergyWindow(20, 60, "low"), EnergyWindow(40, 90, "high"))
GRID = Grid.of(np.array([[0.5, 1.0, 2.0], [1.5, 1.0, 0.0]]), x0_mm=-6.0, y0_mm=-3.0, pitch_mm=4.0)
RULE = FramingRule(FRAME, (3, 1), WINDOWS, AXIS, {(1, "high"): GRID})

Rows = dict[str, npt.NDArray[Any]]


def rows_of(random: np.random.Generator, length: int) -> Rows:
    energy = random.uniform(-5, 140, length).astype("f4")
    x = random.uniform(-14, 26, length).astype("f4")
    x[random.random(length) < 0.1] = np.nan
    return {
        "time_ps": random.integers(-50, 50, length), "x_mm": x, "y_mm": random.uniform(-6, 6, length).astype("f4"),
        "energy_kev": energy, "head": random.integers(0, 4, length).astype("u1"),
        "windows": WindowSet(WINDOWS).mask(energy),
    }  # fmt: skip


def bilinear(x: float, y: float) -> float:
    """Return the value of GRID, worked out the long way: between four points, at edges the nearest."""
    values = GRID.values().astype(float)
    column, row = np.clip((x + 6) / 4, 0, 2), np.clip((y + 3) / 4, 0, 1)
    left, below = min(int(column), 1), 0
    part, share = column - left, row - below
    corners = values[below : below + 2, left : left + 2]
    return float(np.array([1 - share, share]) @ corners @ np.array([1 - part, part]))


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 80))
def test_events_are_counted_as_by_plain_arithmetic(seed: int, length: int) -> None:
    rows = rows_of(np.random.default_rng(seed), length)
    found = pictures_of([rows], RULE, spans_ps=[(-40, 30)])

    images, weighted = np.zeros((2, 2, 8, 32), int), np.zeros((8, 32))
    spectra, inside = np.zeros((2, 256), int), np.zeros((2, 2), int)
    in_time = (rows["time_ps"] >= -40) & (rows["time_ps"] <= 30)
    known = (rows["head"] == 1) | (rows["head"] == 3)
    for i in np.flatnonzero(in_time & known):
        x, y, energy = (float(rows[name][i]) for name in ("x_mm", "y_mm", "energy_kev"))
        at = 0 if rows["head"][i] == 3 else 1
        level = np.floor((energy + 0.25) / 0.5)
        if 0 <= level < 256:
            spectra[at, int(level)] += 1
        for window in np.flatnonzero([20 <= energy < 60, 40 <= energy < 90]):
            inside[at, window] += 1
            if -10 <= x < 22 and -4 <= y < 4:
                place = (int(np.floor(y + 4)), int(np.floor(x + 10)))
                images[at, window][place] += 1
                weighted[place] += np.floor(bilinear(x, y) * 65536 + 0.5) * (at == window == 1)
    assert found.images.tolist() == images.tolist()
    assert found.spectra.tolist() == spectra.tolist()
    assert found.inside.tolist() == inside.tolist()
    assert found.beyond["head_unknown"] == (in_time & ~known).sum()
    assert np.abs(found.weighted[0].astype(float) - weighted).max() <= images[1, 1].max()  # a unit each, of rounding
    assert found.outside.tolist() == (inside - images.sum(axis=(2, 3))).tolist()


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 300), st.lists(st.integers(0, 300), max_size=5))
def test_pictures_depend_on_neither_the_order_of_rows_nor_their_cut(seed: int, length: int, places: list[int]) -> None:
    random = np.random.default_rng(seed)
    rows = rows_of(random, length)
    order = random.permutation(length)
    parts = np.split(order, sorted(min(place, length) for place in places))

    whole = pictures_of([rows], RULE)
    cut = pictures_of([{name: column[part] for name, column in rows.items()} for part in parts], RULE)

    for one, other in zip((whole.images, whole.weighted, whole.spectra), (cut.images, cut.weighted, cut.spectra),
                          strict=True):  # fmt: skip
        np.testing.assert_array_equal(one, other)


def test_a_weighted_image_is_counts_times_the_map_where_the_map_is_flat() -> None:
    flat = Grid.of(np.full((1, 1), 1.25), x0_mm=0.0, y0_mm=0.0, pitch_mm=1.0)
    rule = FramingRule(FRAME, (1,), WINDOWS, AXIS, {(1, "low"): flat})
    found = pictures_of([rows_of(np.random.default_rng(1), 5000)], rule)

    np.testing.assert_allclose(found.image(0, 0, weighted=True), 1.25 * found.image(0, 0), rtol=1e-12)
    np.testing.assert_array_equal(found.image(0, 1, weighted=True), found.image(0, 1))
    assert found.image(0, 0).sum() > 100


def test_spans_of_time_leave_out_what_is_between_them() -> None:
    rows = rows_of(np.random.default_rng(2), 4000)
    both = pictures_of([rows], RULE, spans_ps=[(-40, -10), (10, 30)])
    first, second = (pictures_of([rows], RULE, spans_ps=[span]) for span in ((-40, -10), (10, 30)))

    np.testing.assert_array_equal(both.images, first.images + second.images)
    np.testing.assert_array_equal(both.weighted, first.weighted + second.weighted)
    assert 0 < first.images.sum() < both.images.sum() < pictures_of([rows], RULE).images.sum()


def test_without_windows_and_heads_every_event_is_in_one_image() -> None:
    rule = FramingRule(FRAME, (0,), (), AXIS)
    found = pictures_of(
        [{"time_ps": np.arange(3), "x_mm": np.float32([0, 0, 50]), "y_mm": np.float32([3, 3, 3])}], rule
    )

    assert rule.names == ("all",)
    assert (int(found.images[0, 0, 7, 10]), int(found.images.sum()), int(found.outside[0, 0])) == (2, 2, 1)
    assert not found.spectra.any()
    assert found.events.tolist() == [3]


def test_a_new_beginning_forgets_everything() -> None:
    pictures = Pictures(RULE)
    pictures.add(rows_of(np.random.default_rng(3), 1000))
    pictures.begin(5)

    assert not any(counts.any() for counts in (pictures.images, pictures.weighted, pictures.spectra, pictures.inside))
    assert pictures.beyond == {"head_unknown": 0, "time_outside": 0}


@pytest.mark.parametrize("value", [-0.1, 1e7])
def test_a_weight_that_cannot_be_one_is_refused(value: float) -> None:
    grid = Grid.of(np.array([[1.0, value]]), x0_mm=0, y0_mm=0, pitch_mm=1)

    with pytest.raises(RefusedError, match="uniformity of head 1, window 'low': weights"):
        Pictures(FramingRule(FRAME, (1,), WINDOWS, AXIS, {(1, "low"): grid}))


@pytest.mark.parametrize("heads", [(), (1, 1), (255,)])
def test_heads_that_cannot_be_are_refused(heads: tuple[int, ...]) -> None:
    with pytest.raises(RefusedError, match="images: "):
        FramingRule(FRAME, heads, WINDOWS, AXIS)
