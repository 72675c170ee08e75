"""Flood uniformity of NEMA NU 1: the closed forms of pure noise, the procedure pixel by pixel, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from daq.errors import RefusedError
from daq.qc.fields import FieldOfView, picture
from daq.qc.uniformity import Field, analysed, flood_uniformity, pixels_for, smoothed

PIXEL = 6.4
FIELD = FieldOfView(80 * PIXEL, 58 * PIXEL)
"""80 x 58 pixels; the central field has 60 x 44, for half of a pixel is inside."""


def perfect(counts: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).poisson(counts, (62, 84))


def test_the_fields_have_the_pixels_that_the_closed_forms_speak_of() -> None:
    found = flood_uniformity(perfect(1e4, 1), pixel_mm=PIXEL, field=FIELD)

    assert (found.ufov.pixels, found.cfov.pixels) == (80 * 58, 60 * 44)


def test_noise_alone_gives_what_the_closed_forms_say() -> None:
    floods = [flood_uniformity(perfect(10_000, seed), pixel_mm=PIXEL, field=FIELD) for seed in range(60)]

    found = {
        "ufov_integral": np.array([flood.ufov.integral_percent for flood in floods]),
        "ufov_differential": np.array([flood.ufov.differential_percent for flood in floods]),
        "cfov_integral": np.array([flood.cfov.integral_percent for flood in floods]),
        "cfov_differential": np.array([flood.cfov.differential_percent for flood in floods]),
    }

    z = {
        name: (values.mean() - floods[0].noise_percent[name]) / (values.std() / 60**0.5)
        for name, values in found.items()
    }
    assert floods[0].noise_percent["ufov_integral"] == pytest.approx(1.41, abs=0.01)
    assert max(map(abs, z.values())) < 4.0, z


def test_smoothing_leaves_37_5_per_cent_over_the_root_of_the_counts() -> None:
    flood = np.random.default_rng(3).poisson(10_000, (400, 400)).astype(float)

    left = smoothed(flood, np.ones(flood.shape, bool))[1:-1, 1:-1]

    assert 100 * left.std() / left.mean() * 100 == pytest.approx(37.5, rel=0.02)


def test_a_pixel_belongs_to_the_field_where_half_of_it_is_inside() -> None:
    field = FieldOfView(5.0, 3.0)

    inside = field.pixels(6, 8, 1.0)

    assert inside.sum(axis=1).tolist() == [0, 4, 6, 6, 4, 0]


def test_a_round_field_has_the_area_of_its_ellipse() -> None:
    shares = FieldOfView(40.0, 20.0, "ellipse").shares(30, 50, 1.0)

    assert shares.sum() == pytest.approx(np.pi * 20 * 10, rel=2e-3)


def test_a_hot_pixel_spreads_by_the_nine_point_kernel() -> None:
    flood = np.full((62, 84), 1000.0)
    flood[30, 40] = 2000.0

    found = flood_uniformity(flood, pixel_mm=PIXEL, field=FIELD)

    assert found.ufov.integral_percent == pytest.approx(100 * 250 / 2250)
    assert found.ufov.differential_percent == pytest.approx(100 * 250 / 2250)


def test_differential_uniformity_looks_at_five_pixels_of_a_row_or_column_only() -> None:
    flood = np.full((62, 84), 1000.0) * (1.0 + 0.002 * np.arange(84))

    found = flood_uniformity(flood, pixel_mm=PIXEL, field=FIELD).ufov

    low = 1.0 + 0.002 * 3  # smoothing over four columns at the left edge of the field
    assert found.differential_x_percent == pytest.approx(100 * 0.008 / (2 * low + 0.008), rel=0.1)
    assert found.differential_y_percent == pytest.approx(0.0, abs=1e-9)


def test_faint_pixels_of_the_edge_are_left_out_and_so_are_their_neighbours() -> None:
    flood = np.full((62, 84), 1000.0)
    flood[2, 2:82] = 700.0  # the lowest row of the field

    kept = analysed(flood, FIELD.pixels(62, 84, PIXEL), 1000.0)

    assert not kept[2:4].any()
    assert kept[4, 2:82].all()


def test_an_empty_spot_amid_the_field_is_a_fault_and_not_left_out() -> None:
    flood = np.full((62, 84), 1000.0)
    flood[30:33, 40:43] = 0.0

    found = flood_uniformity(flood, pixel_mm=PIXEL, field=FIELD)

    assert found.ufov.integral_percent == pytest.approx(100.0)


def test_a_flood_that_is_masked_outside_of_the_field_loses_its_outermost_pixels() -> None:
    flood = np.zeros((62, 84))
    flood[2:60, 2:82] = 1000.0

    assert flood_uniformity(flood, pixel_mm=PIXEL, field=FIELD).ufov.pixels == 78 * 56


def test_too_few_counts_cannot_be_judged_against_a_limit() -> None:
    few = flood_uniformity(perfect(950, 5), pixel_mm=PIXEL, field=FIELD)  # 5 M counts on 540 x 400 mm

    assert few.noise_percent["ufov_integral"] == pytest.approx(4.6, abs=0.1)
    assert not few.is_evaluable(5.0)
    assert flood_uniformity(perfect(10_000, 6), pixel_mm=PIXEL, field=FIELD).is_evaluable(5.0)
    assert not few.is_nema_grade


@pytest.mark.parametrize("flood", [np.zeros((62, 84)), np.ones((20, 84))])
def test_an_empty_or_small_flood_is_refused(flood: np.ndarray) -> None:
    with pytest.raises(RefusedError):
        flood_uniformity(flood, pixel_mm=PIXEL, field=FIELD)


def test_the_larger_direction_is_the_differential_uniformity() -> None:
    assert Field(3.0, 1.0, 2.0, 10).differential_percent == 2.0


def test_positions_fall_into_pixels_around_the_middle_and_nan_into_none() -> None:
    x = np.array([-1.9, -0.1, 0.1, 1.9, 2.1, np.nan, 0.5])
    y = np.array([-0.9, -0.1, 0.1, 0.9, 0.0, 0.0, np.nan])

    found = picture(x, y, rows=2, columns=4, pixel_mm=1.0)

    assert found.tolist() == [[1, 1, 0, 0], [0, 0, 1, 1]]


def test_the_picture_for_a_field_holds_it() -> None:
    rows, columns = pixels_for(FieldOfView(540.0, 400.0))

    assert (rows * 6.4 > 400, columns * 6.4 > 540, rows % 2, columns % 2) == (True, True, 0, 0)
