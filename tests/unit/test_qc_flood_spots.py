"""Photomultipliers that count too little or too much, hot spots, lines: found where they are, and nowhere else."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support_qc_floods import FIELD, PIXEL_MM, Shade, disc, even, flood_picture

from daq.qc.camera.flood import FloodFound, analysed_flood
from daq.qc.camera.floodhot import hottest
from daq.qc.camera.floodspots import spots_in, surprise
from daq.qc.fields import FieldOfView


def found(per_pixel: float, shade: Shade, *, seed: int = 0, weights: Shade | None = None) -> FloodFound:
    counts = flood_picture(per_pixel, shade, seed=seed)
    if weights is None:
        return analysed_flood(counts, pixel_mm=PIXEL_MM, field=FIELD)
    at = (np.arange(256) - 127.5) * PIXEL_MM
    weighted = counts * weights(*np.meshgrid(at, at))
    return analysed_flood(counts, pixel_mm=PIXEL_MM, field=FIELD, weighted=weighted)


def left_in_window(gain: float) -> float:
    """The share of a photopeak of 140.5 keV, FWHM 9.8 %, in a window of 20 %, its energies times `gain`."""
    sigma = 0.098 * 140.5 * gain / 2.3548
    edges = [(140.5 * share - 140.5 * gain) / sigma / math.sqrt(2.0) for share in (0.9, 1.1)]
    return 0.5 * (math.erf(edges[1]) - math.erf(edges[0]))


def test_the_closed_form_of_a_drifting_gain_is_the_known_one() -> None:
    assert [left_in_window(gain) for gain in (1.0, 1.02, 1.05, 1.10)] == pytest.approx(
        [0.98373, 0.9679, 0.8734, 0.5000], abs=1e-4
    )


@pytest.mark.parametrize("gain", [0.95, 1.05, 1.10])
@pytest.mark.parametrize(("x_mm", "y_mm"), [(100.0, -50.0), (-200.0, 130.0), (0.0, 0.0)])
def test_a_photomultiplier_whose_gain_drifted_is_found_with_place_size_and_depth(
    gain: float, x_mm: float, y_mm: float
) -> None:
    share = left_in_window(gain) / left_in_window(1.0)

    flood = found(1900.0, disc(x_mm, y_mm, 76.0, share))

    assert flood.obstacles == ()
    assert flood.spots is not None
    spot = flood.spots.found[0]
    assert (spot.x_mm, spot.y_mm) == pytest.approx((x_mm, y_mm), abs=10.0)
    assert spot.percent == pytest.approx(100.0 * (share - 1.0), rel=0.1)
    assert spot.diameter_mm == pytest.approx(76.0, rel=0.4)
    assert flood.spots.worst is not None
    assert flood.spots.worst.percent == pytest.approx(100.0 * (share - 1.0), rel=0.12)
    counts = 1900.0 * math.pi * (38.0 / (3 * PIXEL_MM)) ** 2
    assert abs(spot.sigmas) == pytest.approx((1.0 - share) * counts**0.5, rel=0.3)


def test_an_excess_is_told_from_a_deficit() -> None:
    flood = found(1900.0, disc(60.0, 60.0, 76.0, 1.06))

    assert flood.spots is not None
    assert flood.spots.found[0].percent == pytest.approx(6.0, abs=1.0)
    assert any("hot spot: excess" in text for text in flood.remarks)


def test_two_photomultipliers_are_two_spots() -> None:
    flood = found(1900.0, lambda x, y: disc(-150.0, 80.0, 76.0, 0.9)(x, y) * disc(120.0, -90.0, 76.0, 1.08)(x, y))

    assert flood.spots is not None
    assert sorted(round(spot.x_mm, -1) for spot in flood.spots.found[:2]) == pytest.approx([-150, 120], abs=10)


def test_a_contaminated_spot_is_a_spot_and_no_line() -> None:
    flood = found(1900.0, disc(100.0, -50.0, 10.0, 4.0))

    assert flood.spots is not None
    assert (flood.spots.found[0].x_mm, flood.spots.found[0].y_mm) == pytest.approx((100.0, -50.0), abs=7.0)
    assert flood.spots.found[0].percent > 100.0
    assert flood.lines == ()


@pytest.mark.parametrize("along", ["row", "column"])
def test_a_dead_line_is_a_line_and_not_many_spots(along: str) -> None:
    def line(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.where(np.abs((y if along == "row" else x) - 10.5 * PIXEL_MM) < PIXEL_MM / 2, 0.0, 1.0)

    flood = found(1900.0, line)

    (dead,) = flood.lines
    assert dead.along == along
    assert dead.at_mm == pytest.approx(10.5 * PIXEL_MM)
    assert dead.percent == pytest.approx(-100.0)
    assert flood.spots is not None
    assert flood.spots.found == ()


def test_a_uniformity_map_hides_a_gain_fault_that_plain_counts_show() -> None:
    """Uniformity with the map stays good while a tube drifts: plain counts are looked at, too."""
    fault = disc(100.0, -50.0, 76.0, 0.9)

    flood = found(4000.0, fault, weights=lambda x, y: 1.0 / fault(x, y))

    assert flood.spots is not None
    assert flood.spots.found == ()
    assert flood.uncorrected_spots is not None
    assert flood.uncorrected_spots.worst is not None
    assert flood.uncorrected_spots.worst.percent == pytest.approx(-10.0, abs=1.5)
    assert any("hidden by the uniformity map" in text for text in flood.remarks)
    assert flood.uncorrected.ufov.integral_percent > flood.judged.ufov.integral_percent + 2.0


def test_squares_as_large_as_a_photomultiplier_are_off_by_what_counting_gives() -> None:
    z = []
    for seed in range(8):
        regions = found(1900.0, even, seed=seed).regions
        assert regions is not None
        assert len(regions.names) == 7 * 5
        for off, sigma in zip(regions.percent, regions.sigma_percent, strict=True):
            assert off is not None
            assert sigma is not None
            z.append(off / sigma)

    assert abs(np.mean(z)) < 0.3
    assert np.std(z) == pytest.approx(0.92, abs=0.1)  # the slope takes six of 35 degrees of freedom


def test_a_square_whose_photomultiplier_drifts_is_the_same_every_day() -> None:
    x_mm, y_mm = 540.0 * (5.5 / 7 - 0.5), 400.0 * (1.5 / 5 - 0.5)
    for seed, share in enumerate((1.0, 0.97, 0.94)):
        regions = found(1900.0, disc(x_mm, y_mm, 76.0, share), seed=seed).regions
        assert regions is not None
        off = dict(zip(regions.names, regions.percent, strict=True))["region 2.6"]
        assert off == pytest.approx(75.0 * (share - 1.0), abs=1.0)  # a disc of 76 mm is three quarters of the square


@pytest.mark.parametrize("expected", [10.0, 100.0, 3000.0])
def test_the_tails_of_the_deviance_are_those_of_poisson(expected: float) -> None:
    from scipy import stats

    counts = np.round(expected + np.array([4.0, 5.0]) * expected**0.5)
    exact = stats.norm.isf(stats.poisson.sf(counts - 1.0, expected))

    assert surprise(counts, np.full(2, expected)) == pytest.approx(exact, rel=0.06)


def test_a_contamination_is_found_in_a_background_where_it_is() -> None:
    random = np.random.default_rng(5)
    picture = random.poisson(0.5, (64, 64))
    picture[40, 20] += 12

    found = hottest(picture, pixel_mm=540.0 / 64, field=FIELD)

    assert found is not None
    assert (found.x_mm, found.y_mm) == pytest.approx(((20 - 31.5) * 540 / 64, (40 - 31.5) * 540 / 64), abs=9.0)
    assert found.sigma > 3.0


def test_clean_backgrounds_are_hot_by_chance_no_more_often_than_is_said() -> None:
    random = np.random.default_rng(6)
    found = [hottest(random.poisson(0.5, (64, 64)), pixel_mm=540.0 / 64, field=FIELD) for _ in range(80)]

    chances = np.array([each.chance for each in found if each is not None])
    assert len(chances) == 80
    assert (chances < 0.05).sum() <= 9  # four are expected at most


def test_an_empty_background_has_no_hottest_place() -> None:
    assert hottest(np.zeros((64, 64)), pixel_mm=540.0 / 64, field=FieldOfView(540.0, 400.0)) is None


def test_where_no_disc_can_be_judged_there_is_no_worst_one() -> None:
    flood = found(1900.0, even).flood

    spots = spots_in(flood, flood.plain, np.zeros(flood.plain.shape, bool))

    assert (spots.found, spots.worst, spots.noise_percent) == ((), None, 0.0)
