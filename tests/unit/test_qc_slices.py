"""Slices: noise as it is, rings and deficits as injected, spheres and sources wherever they are."""

from __future__ import annotations

import numpy as np
import pytest
from support_qc_geometry import point_views, solid_views, turn

from daq.errors import LimitError, RefusedError
from daq.qc.camera.cylinder import cylinder_slices, rows_of
from daq.qc.camera.reconstructed import source_widths
from daq.qc.camera.spheres import cold_spheres
from daq.qc.camera.tomography import Places, Views, chang, cylinder_views, mean_noise, slices

ANGLES = turn(60)
N, PIXEL, ROWS = 64, 4.8, 30
DIAMETERS = (9.5, 12.7, 15.9, 19.1, 25.4, 31.8)
ABOUT = (14.0, -8.0)


def cylinder(total: float, per_mm: float = 0.0, rows: int = 12):  # type: ignore[no-untyped-def]
    shape = cylinder_views(ANGLES, N, PIXEL, radius_mm=108.0, middle_mm=ABOUT, per_mm=per_mm)
    return np.repeat(shape[:, None] * total / rows, rows, axis=1)


def drawn(mean, seed: int = 1):  # type: ignore[no-untyped-def]
    return Views(np.random.default_rng(seed).poisson(mean).astype(float), ANGLES, PIXEL)


def test_a_cylinder_comes_out_as_dense_as_it_is_and_as_noisy_as_counting_makes_it() -> None:
    mean = cylinder(2e6)
    places = Places.grid(N, PIXEL)
    found = slices(drawn(mean), places)
    away = np.hypot(places.x_mm - ABOUT[0], places.y_mm - ABOUT[1])
    expected = mean[:, 0].sum() / len(ANGLES) / (np.pi * 108.0**2)
    assert found[:, away < 90].mean() == pytest.approx(expected, rel=0.01)
    assert abs(found[:, away > 125].mean()) < 0.03 * expected
    spot = away < 10
    told = mean_noise(drawn(mean), places, spot / spot.sum())
    values = np.concatenate([slices(drawn(mean, seed), places)[:, spot].mean(axis=1) for seed in range(2, 8)])
    assert values.std() == pytest.approx(told.mean(), rel=0.2)  # 72 values: 8 % of one standard deviation


def test_chang_s_first_order_takes_attenuation_off() -> None:
    mean, places = cylinder(1e6, per_mm=0.012, rows=1), Places.grid(N, PIXEL)
    plain = slices(Views(mean, ANGLES, PIXEL), places)[0]
    better = plain * chang(places, radius_mm=108.0, middle_mm=ABOUT, per_mm=0.012)
    away = np.hypot(places.x_mm - ABOUT[0], places.y_mm - ABOUT[1])
    ratios = [each[away < 15].mean() / each[(away > 75) & (away < 90)].mean() for each in (plain, better)]
    assert ratios[0] < 0.72
    assert ratios[1] == pytest.approx(1.0, abs=0.06)  # first order


def test_an_even_cylinder_is_as_even_as_its_noise() -> None:
    found = cylinder_slices(drawn(cylinder(6e6)), tuple(range(12)), per_mm=0.0)
    assert (found.cylinder.x_mm, found.cylinder.y_mm) == pytest.approx(ABOUT, abs=0.7)
    assert found.cylinder.radius_mm == pytest.approx(108.0, abs=1.5)
    assert found.mean.integral == pytest.approx(found.mean_noise.integral, rel=0.4)
    assert np.mean([each.integral for each in found.slices]) == pytest.approx(found.slice_noise.integral, rel=0.2)
    assert abs(found.mean.deficit) < 4 * found.mean_noise.deficit
    assert found.mean.ring < 2 * found.mean_noise.ring
    assert len(found.slices) == 12  # the last one, too


def test_a_flood_fault_near_the_axis_makes_a_ring_that_is_told() -> None:
    mean = cylinder(6e6)
    mean[:, :, 31:33] *= 0.97
    found = cylinder_slices(drawn(mean), tuple(range(12)), per_mm=0.0)
    assert found.mean.ring > 5 * found.mean_noise.ring


def test_a_cylinder_that_is_none_too_few_counts_and_missing_slices_are_refused() -> None:
    mean = cylinder(6e6)
    with pytest.raises(RefusedError, match="slices 1 to 13 of 12"):
        cylinder_slices(drawn(mean), tuple(range(13)), per_mm=0.0)
    with pytest.raises(RefusedError):
        cylinder_slices(Views(np.zeros((60, 4, N)), ANGLES, PIXEL), (1, 2), per_mm=0.0)
    with pytest.raises(LimitError, match="too few"):
        cylinder_slices(drawn(cylinder(3e3)), tuple(range(12)), per_mm=0.0)
    with pytest.raises(RefusedError, match="no view looks along"):
        Views(mean[:24], ANGLES[:24], PIXEL)
    with pytest.raises(RefusedError, match="1 views"):
        Views(mean[:1], ANGLES[:1], PIXEL)
    with pytest.raises(RefusedError, match="not a number"):
        Views(np.where(mean > 1e9, 0, np.nan), ANGLES, PIXEL)


@pytest.fixture(scope="module")
def tank():  # type: ignore[no-untyped-def]
    return solid_views(ANGLES, [(*ABOUT, 0.0, 108.0, 55.0, 1.0)], rows=ROWS, columns=N, pixel_mm=PIXEL)


def with_spheres(tank, turn_deg: float, sense: int):  # type: ignore[no-untyped-def]
    angles = np.radians(turn_deg + sense * 60.0 * np.arange(6))
    cold = [
        (ABOUT[0] + 58 * np.cos(at), ABOUT[1] + 58 * np.sin(at), 12.0, diameter / 2, None, -1.0)
        for at, diameter in zip(angles, DIAMETERS, strict=True)
    ]
    return tank + solid_views(ANGLES, cold, rows=ROWS, columns=N, pixel_mm=PIXEL)


@pytest.mark.parametrize(("turn_deg", "sense"), [(37.0, -1), (205.0, 1)])
def test_spheres_are_found_14_mm_off_centre_at_any_turn_and_in_either_sense(tank, turn_deg: float, sense: int) -> None:  # type: ignore[no-untyped-def]
    mean = with_spheres(tank, turn_deg, sense)
    views = drawn(np.maximum(mean, 0) / mean.sum() * 1.5e7)
    found = cold_spheres(views, rows_of(views.counts), diameters_mm=DIAMETERS, circle_mm=58.0, per_mm=0.0)
    assert found.row == pytest.approx(12.0 / PIXEL + (ROWS - 1) / 2, abs=0.5)
    assert (found.turn_deg - turn_deg + 180) % 360 - 180 == pytest.approx(0.0, abs=2.5)
    perfect = cold_spheres(
        Views(mean, ANGLES, PIXEL), rows_of(mean), diameters_mm=DIAMETERS, circle_mm=58.0, per_mm=0.0
    )
    wide, without_noise = found.spheres[-1], perfect.spheres[-1]
    assert wide.contrast == pytest.approx(without_noise.contrast, abs=4 * wide.noise + 0.02)
    assert 0.68 < without_noise.contrast < 0.85
    contrasts = [each.contrast for each in perfect.spheres]
    assert contrasts == sorted(contrasts)
    assert all(0 < each.noise < 0.12 for each in found.spheres)


def test_a_cylinder_without_spheres_has_no_pattern(tank) -> None:  # type: ignore[no-untyped-def]
    views = drawn(tank / tank.sum() * 1.5e7)
    with pytest.raises(RefusedError, match="no pattern of 6 cold spheres"):
        cold_spheres(views, rows_of(views.counts), diameters_mm=DIAMETERS, circle_mm=58.0, per_mm=0.0)


@pytest.mark.parametrize("place", [(0.0, 0.0), (14.0, 0.0), (60.0, -75.0)])
def test_a_source_is_as_wide_as_it_is_wherever_it_is(place: tuple[float, float]) -> None:
    mean = point_views(ANGLES, [(*place, 20.0)], pixel_mm=2.4, rows=40, columns=128, counts=5000.0)
    found = source_widths(Views(np.random.default_rng(1).poisson(mean).astype(float), ANGLES, 2.4), line=False)
    assert len(found) == 1
    assert (found[0].x_mm, found[0].y_mm) == pytest.approx(place, abs=0.5)
    wide = np.hypot(10.0, 2.4 / np.sqrt(12) * 2.3548)  # pixels are in it
    for value, noise in (
        (found[0].radial_mm, found[0].radial_noise_mm),
        (found[0].tangential_mm, found[0].tangential_noise_mm),
    ):
        assert value == pytest.approx(wide, abs=4 * noise + 0.1)
        assert 0 < noise < 0.4
    assert found[0].axial_mm == pytest.approx(wide, abs=0.4)


def test_a_line_source_is_told_in_three_slices() -> None:
    along = [(30.0, 20.0, float(z)) for z in range(-60, 61, 3)]
    mean = point_views(ANGLES, along, rows=64, columns=64, pixel_mm=2.4, counts=400.0)
    found = source_widths(Views(np.random.default_rng(1).poisson(mean).astype(float), ANGLES, 2.4), line=True)
    assert [round(each.up_mm) for each in found] == [-40, 0, 40]
    for each in found:
        assert (each.x_mm, each.y_mm) == pytest.approx((30.0, 20.0), abs=0.6)
        assert each.radial_mm == pytest.approx(10.13, abs=4 * each.radial_noise_mm + 0.1)
        assert each.axial_mm is None


def test_a_source_of_few_counts_is_refused() -> None:
    mean = point_views(ANGLES, [(0.0, 0.0, 0.0)], rows=20, columns=32, counts=20.0)
    with pytest.raises(LimitError, match="at least 2000 are needed"):
        source_widths(Views(np.random.default_rng(1).poisson(mean).astype(float), ANGLES, PIXEL), line=False)
