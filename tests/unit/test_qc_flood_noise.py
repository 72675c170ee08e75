"""What counting alone gives of a flood: a closed form for fields of any size and shape, against simulated floods."""

from __future__ import annotations

import numpy as np
import pytest
from support_qc_floods import FIELD, PIXEL_MM, flood_picture

from daq.errors import RefusedError
from daq.qc.camera.floodnoise import expected_highest, noise_factors
from daq.qc.camera.floodrebin import added_up, factor_for, rebinned
from daq.qc.fields import FieldOfView
from daq.qc.uniformity import flood_uniformity, uniformity_within

FLOODS = 40


@pytest.mark.parametrize(
    ("columns", "rows", "shape"),
    [(80, 58, "rectangle"), (40, 30, "rectangle"), (20, 20, "rectangle"), (60, 60, "ellipse")],
)
def test_the_closed_form_is_the_mean_of_simulated_floods(columns: int, rows: int, shape: str) -> None:
    field = FieldOfView(columns * 6.4, rows * 6.4, shape)  # type: ignore[arg-type]
    random = np.random.default_rng(columns)
    floods = [
        flood_uniformity(random.poisson(10_000, (rows + 2, columns + 2)), pixel_mm=6.4, field=field)
        for _ in range(FLOODS)
    ]
    for name, expected in floods[0].noise_percent.items():
        found = np.array([flood.percent(name) for flood in floods])
        z = (found.mean() - expected) / (found.std() / FLOODS**0.5)
        assert abs(z) < 4.0 or abs(found.mean() / expected - 1) < 0.025, (name, z, found.mean(), expected)


def test_for_the_field_of_a_large_camera_it_is_141_over_the_root_of_the_counts() -> None:
    useful = np.zeros((62, 84), bool)
    useful[2:60, 2:82] = True
    central = np.zeros_like(useful)
    central[9:53, 12:72] = True

    found = noise_factors(useful, central)

    assert found["ufov_integral"] == pytest.approx(141.0, rel=0.01)
    assert found["ufov_differential"] == pytest.approx(112.5, rel=0.01)
    assert found["cfov_integral"] == pytest.approx(129.5, rel=0.01)
    assert found["cfov_differential"] == pytest.approx(104.7, rel=0.01)


@pytest.mark.parametrize(("values", "expected"), [(1, 0.0), (2, 0.5642), (10, 1.5388), (100, 2.5076), (1000, 3.2414)])
def test_the_expected_highest_of_normal_values_is_that_of_the_tables(values: int, expected: float) -> None:
    """H. L. Harter, Biometrika 48, 151 (1961)."""
    assert expected_highest(np.array([1.0]), np.array([float(values)])) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(
    ("pixel_mm", "factor"),
    [(2.109375, 3), (2.4, 3), (1.6, 4), (3.2, 2), (6.4, 1), (8.3, 1), (0.6, 11), (4.48, 1), (2.065, 3)],
)
def test_the_factor_is_the_whole_one_nearest_to_6_4_mm(pixel_mm: float, factor: int) -> None:
    assert factor_for(pixel_mm) == factor


@pytest.mark.parametrize("pixel_mm", [8.4, 12.0, 0.0, -1.0, float("nan"), float("inf")])
def test_a_pixel_that_makes_none_near_6_4_mm_is_refused_in_words(pixel_mm: float) -> None:
    with pytest.raises(RefusedError, match="mm"):
        factor_for(pixel_mm)


@pytest.mark.parametrize("size", [255, 256, 257, 258])
def test_what_is_left_over_is_left_out_at_both_ends_and_the_centres_stay_where_they_are(size: int) -> None:
    flood = rebinned(np.ones((size, size)), pixel_mm=PIXEL_MM, field=FieldOfView(500.0, 400.0))

    assert flood.plain.shape == (size // 3, size // 3)
    assert (flood.plain == 9.0).all()
    assert abs(float(flood.x_mm.mean())) <= PIXEL_MM / 2 + 1e-9
    assert np.diff(flood.x_mm) == pytest.approx(3 * PIXEL_MM)


def test_no_count_is_lost_or_shared_where_the_factor_divides_the_picture() -> None:
    picture = flood_picture(100.0, pixels=258)

    assert added_up(picture, 3).sum() == picture.sum()


def test_adding_up_small_pixels_is_the_same_as_counting_in_large_ones() -> None:
    small = np.random.default_rng(4).poisson(1000, (252, 252))
    large = small.reshape(84, 3, 84, 3).sum(axis=(1, 3))

    flood = rebinned(small, pixel_mm=2.0, field=FieldOfView(480.0, 360.0))
    found = uniformity_within(flood.shown, flood.useful, flood.central, pixel_mm=flood.pixel_mm)

    assert found == flood_uniformity(large, pixel_mm=6.0, field=FieldOfView(480.0, 360.0))


def _spoilt(at: float) -> np.ndarray:
    picture = np.asarray(flood_picture(100.0), np.float64)
    picture[100, 100] = at
    return picture


@pytest.mark.parametrize(
    "picture",
    [np.zeros((256, 256)), _spoilt(np.nan), _spoilt(np.inf), _spoilt(-1.0), np.ones((100, 256)), np.ones(256)],
    ids=["empty", "nan", "infinite", "below zero", "too small", "one line"],
)
def test_what_is_no_flood_is_refused(picture: np.ndarray) -> None:
    with pytest.raises(RefusedError):
        rebinned(picture, pixel_mm=PIXEL_MM, field=FIELD)
