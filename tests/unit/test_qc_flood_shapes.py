"""What a flood shows over large parts: half a flood, a patient, a bed, a source off its place; and what is no fault."""

from __future__ import annotations

import numpy as np
import pytest
from support_qc_floods import FIELD, PIXEL_MM, Shade, bed, disc, even, flood_picture, half, patient, source

from daq.qc.camera.flood import FloodFound, FloodRule, analysed_flood

QUIET = 60


def found(per_pixel: float, shade: Shade = even, *, seed: int = 0, bare: bool = False) -> FloodFound:
    return analysed_flood(
        flood_picture(per_pixel, shade, seed=seed), pixel_mm=PIXEL_MM, field=FIELD, rule=FloodRule(bare=bare)
    )


@pytest.mark.parametrize("per_pixel", [100.0, 1900.0, 10_000.0])
def test_perfect_floods_do_not_ring(per_pixel: float) -> None:
    floods = [found(per_pixel, seed=seed, bare=True) for seed in range(QUIET // 3)]

    rung = [flood for flood in floods if flood.obstacles or flood.lines or (flood.spots and flood.spots.found)]
    assert rung == []  # a spot or a line in one perfect flood of 500 at most


@pytest.mark.parametrize("per_pixel", [100.0, 1900.0])
def test_half_a_flood_is_not_evaluable_and_the_missing_half_is_said(per_pixel: float) -> None:
    flood = found(per_pixel, half)

    assert flood.shape is not None
    assert flood.shape.missing is not None
    assert flood.shape.missing.share == pytest.approx(0.5, abs=0.02)
    assert flood.shape.missing.x_mm == pytest.approx((-270.0, 0.0), abs=4.0)
    assert flood.shape.missing.y_mm == pytest.approx((-200.0, 200.0), abs=4.0)
    (obstacle,) = flood.obstacles
    assert "does not cover the field: 5" in obstacle


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("covered", [0.05, 0.15, 0.6])
def test_a_flood_that_covers_some_of_the_field_is_not_evaluable(covered: float, seed: int) -> None:
    edge_mm = -270.0 + 540.0 * covered
    flood = found(1900.0, lambda x, y: np.where(x < edge_mm, 1.0, 0.02) + 0.0 * y, seed=seed)

    assert flood.obstacles or flood.judged.ufov.integral_percent > 90.0
    if covered > 0.1:
        assert any("does not cover" in text for text in flood.obstacles)


@pytest.mark.parametrize("seed", range(3))
def test_a_patient_before_the_head_is_an_obstacle(seed: int) -> None:
    flood = found(1900.0, patient, seed=seed)

    assert flood.obstacles
    assert flood.shape is not None
    assert flood.shape.missing is not None
    assert flood.shape.missing.deficit_percent == pytest.approx(70.0, abs=2.0)


@pytest.mark.parametrize("seed", range(3))
def test_a_bed_that_takes_12_per_cent_is_an_obstacle_and_no_slope(seed: int) -> None:
    flood = found(1900.0, bed, seed=seed)

    assert flood.shape is not None
    assert flood.shape.cold is not None
    assert flood.shape.cold.deficit_percent == pytest.approx(12.0, abs=1.5)
    assert flood.shape.cold.y_mm == pytest.approx((-90.0, 90.0), abs=16.0)
    assert flood.shape.tilt_percent < 1.0
    (obstacle,) = flood.obstacles
    assert "bed" in obstacle


@pytest.mark.parametrize(
    ("x_mm", "y_mm", "away_mm"), [(0.0, 0.0, 1080.0), (400.0, 0.0, 2700.0), (-150.0, 250.0, 1600.0), (0.0, 0.0, 540.0)]
)
def test_a_bare_source_off_its_place_is_found_where_it_stood(x_mm: float, y_mm: float, away_mm: float) -> None:
    flood = found(4000.0, source(x_mm, y_mm, away_mm), bare=True)

    assert flood.shape is not None
    at = flood.shape.source
    assert at is not None
    assert at.away_mm == pytest.approx(away_mm, rel=0.08)
    assert (at.x_mm, at.y_mm) == pytest.approx((x_mm, y_mm), abs=40.0)
    (obstacle,) = flood.obstacles
    assert "point source" in obstacle


@pytest.mark.parametrize("seed", range(3))
def test_a_source_five_fields_away_is_where_it_should_be(seed: int) -> None:
    flood = found(10_000.0, source(0.0, 0.0, 2700.0), bare=True, seed=seed)

    assert flood.obstacles == ()
    assert flood.shape is not None
    assert flood.shape.tilt_percent == pytest.approx(50.0 * 1.5 * (270.0**2 + 200.0**2) / 2700.0**2, abs=0.25)


def test_the_slope_of_a_sheet_is_a_remark_for_source_or_head_may_be_the_cause() -> None:
    flood = found(4000.0, lambda x, y: 1.0 + 0.05 * x / 270.0 + 0.0 * y)

    assert flood.obstacles == ()
    assert any("slopes by 5.0 %" in text for text in flood.remarks)


def test_a_dead_photomultiplier_is_no_cold_region_but_a_spot() -> None:
    flood = found(1900.0, disc(100.0, -50.0, 76.0, 0.0))

    assert flood.obstacles == ()
    assert flood.judged.ufov.integral_percent == pytest.approx(100.0)
    assert flood.spots is not None
    assert flood.spots.found[0].percent == pytest.approx(-98.0, abs=3.0)


def test_with_too_few_counts_no_shape_is_looked_for_and_that_is_said() -> None:
    flood = found(10.0)

    assert flood.shape is None
    assert flood.spots is None
    assert any("not looked for" in text for text in flood.remarks)


def test_values_that_are_no_counts_are_told_from_counts() -> None:
    """A picture that was multiplied, or smoothed, has another noise than its values let expect."""
    counts = np.asarray(flood_picture(1900.0), np.float64)
    smooth = (counts[1:] + counts[:-1]) / 2

    for picture, off in ((10.0 * counts, 10.0), ((smooth[:, 1:] + smooth[:, :-1]) / 2, 0.125)):
        flood = analysed_flood(picture, pixel_mm=PIXEL_MM, field=FIELD)
        assert flood.dispersion == pytest.approx(off, rel=0.1)
        assert any("neighbouring pixels differ" in text for text in flood.remarks)
    assert found(1900.0).dispersion == pytest.approx(1.0, abs=0.04)
    assert not any("neighbouring" in text for text in found(1900.0).remarks)


def test_the_counts_that_nema_asks_for_are_said_where_they_are_not_there() -> None:
    assert any("NEMA NU 1 asks for 10000" in text for text in found(1900.0).remarks)
    assert not any("asks for 10000" in text for text in found(10_500.0).remarks)


def test_the_noise_of_the_slope_is_that_of_simulated_floods() -> None:
    floods = [found(1900.0, seed=seed).shape for seed in range(QUIET // 2)]

    tilts = np.array([each.tilt_percent / each.tilt_noise_percent for each in floods if each is not None])
    assert len(tilts) == QUIET // 2
    z = (tilts.mean() - 1.0) / (tilts.std() / len(tilts) ** 0.5)
    assert abs(z) < 4.0
