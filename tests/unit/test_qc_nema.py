"""NEMA NU 2 against closed forms and injected truth: lines, sensitivity, scatter, NECR, resolution, time of flight."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support_nema import (
    FWHM_PER_SIGMA,
    drawn,
    flight_ps,
    line_weights,
    lines_in_plane,
    ring,
    scatter_weights,
    table,
)

from daq.errors import MismatchError, RefusedError, UsageError
from daq.model.scanner import positions_mm
from daq.qc.pet.nemalines import find_line
from daq.qc.pet.nemanecr import losses_percent, necr, necr_of, peak_necr
from daq.qc.pet.nemaresolution import NEMA_COUNTS, Point, find_z, reconstruct, widths
from daq.qc.pet.nemascatter import Bins, Frame, Rates, by_slice, rates_of, scatter_of
from daq.qc.pet.nemasensitivity import SleeveRate, axial_profile, sensitivity
from daq.qc.pet.nematof import MM_PER_PS, TimeHistogram, time_errors_ps

LINE = (0.0, -45.0)
TRUES, SCATTER, RANDOMS = 120_000, 70_000, 30_000


def rates(activity: float, trues: float, scatter: float, randoms: float, noise: float = 0.0) -> Rates:
    return Rates(activity, trues + scatter + randoms, trues, scatter, randoms, 1.0, (noise, noise, noise))


# Lines of response.


def test_every_line_holds_both_its_detectors_and_is_told_alike_from_either_end() -> None:
    rng = np.random.default_rng(3)
    a, b = drawn(rng, 2000, scatter_weights())
    lors, back = table().lors(a, b), table().lors(b, a)
    for detectors, along, z in ((a, lors.a_along_mm, lors.a_z_mm), (b, lors.b_along_mm, lors.b_z_mm)):
        at = positions_mm(ring(), detectors)
        assert np.allclose(np.cos(lors.phi_rad) * at[:, 0] + np.sin(lors.phi_rad) * at[:, 1], lors.s_mm)
        assert np.allclose(lors.along_mm(at[:, 0], at[:, 1]), along)
        assert np.allclose(lors.z_mm(along), z)
    assert np.all((lors.phi_rad >= 0) & (lors.phi_rad < np.pi))
    same = np.abs(lors.phi_rad - back.phi_rad) < 1.0
    assert np.allclose(np.where(same, back.s_mm, -back.s_mm), lors.s_mm)
    assert np.array_equal(lors.slice, back.slice)
    assert np.array_equal(lors.apart, -back.apart)


def test_a_detector_that_the_ring_does_not_have_is_refused_in_words() -> None:
    with pytest.raises(MismatchError, match="numbers up to"):
        table().lors(np.array([1]), np.array([10**6]))


def test_a_line_source_is_found_to_a_tenth_of_a_millimetre_among_scatter() -> None:
    rng = np.random.default_rng(4)
    a, b = drawn(rng, 40_000, line_weights(12.0, -45.0))
    c, d = drawn(rng, 30_000, scatter_weights())
    lors = table().lors(np.concatenate([a, c]), np.concatenate([b, d]))
    found = find_line(lors)
    assert found.x_mm == pytest.approx(12.0, abs=0.1)
    assert found.y_mm == pytest.approx(-45.0, abs=0.1)
    assert abs(found.x_slope) < 0.02


def test_without_a_line_source_none_is_found() -> None:
    few = table().lors(*drawn(np.random.default_rng(5), 100, scatter_weights()))
    with pytest.raises(RefusedError, match="too few"):
        find_line(few)


# Sensitivity, section 5.


def test_the_sensitivity_of_a_line_is_that_without_metal_and_mu_is_found() -> None:
    mu, true, activity, decayed = 0.0228, 21.5, 4000.0, 0.93
    made = []
    for sleeves in range(1, 6):
        wall = 1.25 * sleeves
        counts = round(true * activity * math.exp(-2 * mu * wall) * decayed * 100.0)
        made.append(SleeveRate(wall, counts + 5000, 5000, 100.0, decayed))
    found = sensitivity(made, activity)
    assert found.cps_per_kbq == pytest.approx(true, rel=1e-5)
    assert found.attenuation_per_mm == pytest.approx(mu, rel=1e-3)
    assert found.worst_sigma < 0.1


def test_the_error_of_the_sensitivity_is_how_it_scatters() -> None:
    rng = np.random.default_rng(6)
    found = []
    for _ in range(400):
        made = [
            SleeveRate(1.25 * n, int(rng.poisson(40_000 * math.exp(-0.0456 * 1.25 * n)) + rng.poisson(2000)),
                       int(rng.poisson(2000)), 10.0, 1.0) for n in range(1, 6)
        ]  # fmt: skip
        found.append(sensitivity(made, 100.0))
    values = [each.cps_per_kbq for each in found]
    assert np.mean(values) == pytest.approx(40.0, rel=2e-3)
    assert np.std(values) == pytest.approx(found[0].error_cps_per_kbq, rel=0.12)


@pytest.mark.parametrize(
    ("made", "activity", "why"),
    [
        ([SleeveRate(1.25, 100, 0, 1.0, 1.0)], 1.0, "one thickness"),
        ([SleeveRate(1.25, 100, 0, 1.0, 1.0), SleeveRate(2.5, 10, 20, 1.0, 1.0)], 1.0, "no source was seen"),
        ([SleeveRate(1.25, 100, 0, 1.0, 1.0), SleeveRate(2.5, 90, 0, 1.0, 1.0)], 0.0, "above zero"),
    ],
)
def test_what_gives_no_sensitivity_is_refused_in_words(made: list[SleeveRate], activity: float, why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        sensitivity(made, activity)


def test_the_axial_profile_adds_up_to_the_whole() -> None:
    profile = axial_profile(np.array([10, 30, 60, 30, 10]), 14.0)
    assert profile.sum() == pytest.approx(14.0)
    assert profile[2] == pytest.approx(6.0)
    with pytest.raises(RefusedError, match="no trues"):
        axial_profile(np.zeros(3, np.int64), 14.0)


# Scatter and randoms, section 4.


def scanned(seed: int, trues: int, scatter: int, randoms: int) -> tuple[Frame, Frame, Bins, tuple[int, int, int]]:
    """Return a frame with delayeds and the same without, and what is truly in it within 120 mm of the axis."""
    rng = np.random.default_rng(seed)
    bins = Bins.near(table().pitch_mm)
    profiles, true = [], []
    source = find_line(table().lors(*drawn(rng, 20_000, line_weights(*LINE))))
    for number, weights in (
        (trues, line_weights(*LINE)), (scatter, scatter_weights()), (randoms, scatter_weights()),
        (randoms, scatter_weights()),
    ):  # fmt: skip
        lors = table().lors(*drawn(rng, number, weights))
        lors = lors.chosen(np.abs(lors.s_mm) <= 120.0)
        profiles.append(bins.profiles(source.away_mm(lors), lors.slice, table().slices))
        true.append(len(lors.s_mm))
    prompts = profiles[0] + profiles[1] + profiles[2]
    with_delayeds = Frame(prompts, profiles[3], 10.0, 220.0)
    return with_delayeds, Frame(prompts, None, 10.0, 220.0), bins, (true[0], true[1], true[2])


def test_the_scatter_fraction_recovered_is_the_one_injected_within_its_noise() -> None:
    frame, _, bins, (trues, scatter, _) = scanned(7, TRUES, SCATTER, RANDOMS)
    found = scatter_of([frame], bins)
    assert found.value == pytest.approx(scatter / (trues + scatter), abs=4 * found.error)
    assert found.error < 0.004
    assert found.counts == pytest.approx(trues + scatter, rel=0.01)
    assert np.nanmean(by_slice([frame], bins)) == pytest.approx(found.value, abs=0.02)


def test_rates_with_delayeds_are_those_injected_within_their_noise() -> None:
    frame, _, bins, true = scanned(8, TRUES, SCATTER, RANDOMS)
    found = rates_of(frame, bins, scatter_of([frame], bins))
    for value, noise, injected in zip((found.trues, found.scatter, found.randoms), found.noise, true, strict=True):
        assert value * 10.0 == pytest.approx(injected, abs=4 * noise * 10.0)
    assert found.concentration_kbq_per_ml == pytest.approx(10.0)
    assert found.total == pytest.approx(found.trues + found.scatter + found.randoms)


def test_without_delayeds_randoms_follow_from_the_scatter_fraction_of_low_activity() -> None:
    _, low, bins, _ = scanned(9, TRUES, SCATTER, 0)
    _, frame, _, (trues, scatter, randoms) = scanned(10, TRUES, SCATTER, RANDOMS)
    share = scatter_of([low], bins)
    found = rates_of(frame, bins, share)
    assert found.randoms * 10.0 == pytest.approx(randoms, abs=4 * found.noise[2] * 10.0)
    assert found.scatter * 10.0 == pytest.approx(scatter, abs=4 * found.noise[1] * 10.0)
    assert found.trues * 10.0 == pytest.approx(trues, abs=4 * found.noise[0] * 10.0)


def test_a_straight_background_below_the_line_is_taken_off_exactly() -> None:
    bins = Bins.near(4.0)
    slope = 1000.0 + 2.0 * bins.centres_mm
    line = np.where(np.abs(bins.centres_mm) < 10.0, 500.0, 0.0)
    assert bins.weights @ slope == pytest.approx(0.0, abs=1e-9)
    assert bins.weights @ (slope + line) == pytest.approx(line.sum())
    assert bins.inside * bins.width_mm == pytest.approx(40.0)
    with pytest.raises(UsageError, match="wanted is above 0"):
        Bins.near(0.0)


# NECR, section 4.4.5.


def test_necr_is_its_closed_form_for_both_k() -> None:
    assert necr(100.0, 50.0, 80.0, 1) == pytest.approx(1e4 / 230.0)
    assert necr(100.0, 50.0, 80.0, 2) == pytest.approx(1e4 / 310.0)
    assert necr(0.0, 0.0, 0.0, 1) == 0.0
    with pytest.raises(UsageError, match="k = 3"):
        necr(1.0, 1.0, 1.0, 3)


def curve(activities: np.ndarray, tau: float) -> list[Rates]:
    """T = a A, S = T SF / (1 - SF), R = b A^2, each less e^(-2 tau A): the referee's closed form with dead time."""
    alive = np.exp(-2.0 * tau * activities)
    trues = 10_000.0 * activities * alive
    return [
        rates(float(at), float(t), float(t * 0.6), float(r), 20.0)
        for at, t, r in zip(activities, trues, 800.0 * activities**2 * alive, strict=True)
    ]


def test_the_peak_is_where_the_closed_form_has_it() -> None:
    activities = np.linspace(0.5, 30.0, 60)
    found = peak_necr(curve(activities, 0.03), 1)
    fine = np.linspace(0.5, 30.0, 20_001)
    alive = np.exp(-0.06 * fine)
    best = (1e4 * fine * alive) ** 2 / (1.6e4 * fine * alive + 800.0 * fine**2 * alive)
    assert found is not None
    assert found.value == pytest.approx(best.max(), rel=1e-3)
    assert found.concentration_kbq_per_ml == pytest.approx(fine[best.argmax()], abs=0.3)


def test_a_maximum_that_the_data_do_not_contain_is_not_made_up() -> None:
    rising = curve(np.linspace(0.5, 5.0, 12), 0.03)
    assert peak_necr(rising, 1) is None
    assert peak_necr(rising[::-1], 1) is None, "frames in the order of decay"
    assert peak_necr(curve(np.linspace(20.0, 30.0, 12), 0.03), 1) is None, "falling alone"
    assert peak_necr(curve(np.linspace(0.5, 300.0, 60), 0.0), 1) is None, "without dead time there is no maximum"
    assert peak_necr([], 1) is None


def test_the_error_of_necr_is_how_it_scatters() -> None:
    rng = np.random.default_rng(11)
    values = [necr(*rng.normal((1e4, 6e3, 4e3), (90.0, 120.0, 60.0)), 2) for _ in range(4000)]
    made = Rates(5.0, 2e4, 1e4, 6e3, 4e3, 1.0, (90.0, 120.0, 60.0))
    assert np.std(values) == pytest.approx(necr_of(made, 2)[1], rel=0.05)


def test_losses_are_those_of_the_dead_time_but_for_what_the_lowest_frames_lose() -> None:
    tau, activities = 0.02, np.array([0.1, 0.2, 0.3, 5.0, 10.0])
    lost, _ = losses_percent(curve(activities, tau))
    lowest = np.exp(-2 * tau * activities[:3]).mean()
    assert lost[4] == pytest.approx(100 * (1 - math.exp(-2 * tau * 10.0) / lowest), abs=1e-9)
    with pytest.raises(RefusedError, match="three of least"):
        losses_percent(curve(activities[:2], tau))


# Resolution, section 3.


def point_source(point: Point, widths_mm: tuple[float, float, float], counts: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw a Gaussian of radial, tangential, axial FWHM; its projection has the width between the first two."""
    one = ring()
    i, j, lors = lines_in_plane()
    turn = lors.phi_rad - point.azimuth_rad
    fwhm = np.hypot(widths_mm[0] * np.cos(turn), widths_mm[1] * np.sin(turn))
    weights = np.exp(-0.5 * (lors.away_mm(point.x_mm, point.y_mm) * FWHM_PER_SIGMA / fwhm) ** 2) / fwhm
    ring_a, ring_b = (each.reshape(-1) for each in np.meshgrid(np.arange(one.rings), np.arange(one.rings)))
    apart = np.abs(ring_a - ring_b) <= 1
    ring_a, ring_b = ring_a[apart], ring_b[apart]
    z = ((ring_a + ring_b) / 2 - (one.rings - 1) / 2) * one.axial_pitch_mm - point.z_mm
    both = weights[:, None] * np.exp(-0.5 * (z * FWHM_PER_SIGMA / widths_mm[2]) ** 2)
    drawn_counts = np.random.default_rng(12).poisson(both * counts / both.sum())
    line, pair = np.nonzero(drawn_counts)
    times = drawn_counts[line, pair]
    step = one.ring_step
    return np.repeat(i[line] + ring_a[pair] * step, times), np.repeat(j[line] + ring_b[pair] * step, times)


def test_widths_of_a_point_far_out_are_those_injected_radial_is_not_tangential() -> None:
    point = Point(200.0 * math.cos(0.3), 200.0 * math.sin(0.3), 2.0)
    a, b = point_source(point, (9.0, 5.0, 6.0), NEMA_COUNTS)
    source = find_line(table().lors(a, b), tilted=False)
    assert (source.x_mm, source.y_mm) == pytest.approx((point.x_mm, point.y_mm), abs=0.2)
    assert find_z(table().lors(a, b), point.x_mm, point.y_mm) == pytest.approx(2.0, abs=2.5)
    found = widths(table(), a, b, point)
    assert found.radial.fwhm == pytest.approx(9.0, rel=0.06)
    assert found.tangential.fwhm == pytest.approx(5.0, rel=0.08)
    assert found.axial.fwhm == pytest.approx(6.0, rel=0.06)
    assert found.radial.fwtm == pytest.approx(9.0 * 1.8227, rel=0.08)
    assert abs(found.radial.at) < 0.5
    assert abs(found.axial.at) < 0.5


def test_the_picture_of_a_point_is_where_the_point_is_and_not_mirrored() -> None:
    point = Point(40.0, 30.0, 0.0)
    a, b = point_source(Point(46.0, 30.0, 0.0), (6.0, 6.0, 6.0), 100_000)
    picture, _, pixel, _ = reconstruct(table(), a, b, point)
    _, row, column = np.unravel_index(int(picture.argmax()), picture.shape)
    middle = picture.shape[1] // 2
    # 6 mm along x are 4.8 mm outwards and 3.6 mm clockwise of a source at azimuth atan(3/4).
    assert (column - middle) * pixel == pytest.approx(4.8, abs=1.0)
    assert (row - middle) * pixel == pytest.approx(-3.6, abs=1.0)


# Time of flight, section 8.


def test_the_width_of_time_errors_is_the_one_injected_wherever_the_line_is() -> None:
    rng, fwhm_ps = np.random.default_rng(13), 300.0
    i, _, lors = lines_in_plane()
    weights = line_weights(*LINE)
    at = rng.choice(len(i), 60_000, p=weights / weights.sum())
    tof = np.rint(flight_ps(lors, *LINE)[at] + rng.normal(25.0, fwhm_ps / FWHM_PER_SIGMA, len(at)))
    source = find_line(lors.chosen(at), tilted=False)
    histogram = TimeHistogram(2000.0)
    chosen = lors.chosen(at)
    histogram.add(time_errors_ps(chosen, tof.astype(np.int64), source), source.away_mm(chosen), sign=1.0)
    others = rng.choice(len(i), 40_000, p=scatter_weights() / scatter_weights().sum())
    wide = rng.integers(-1500, 1500, 40_000)
    for sign in (1.0, -1.0):  # randoms, and as many delayeds
        away = lors.chosen(others)
        histogram.add(time_errors_ps(away, wide, source), source.away_mm(away), sign=sign)
    found = histogram.width()
    assert found.peak.fwhm == pytest.approx(fwhm_ps, abs=4 * found.error_ps)
    assert found.error_ps < 10.0
    assert found.middle_ps == pytest.approx(25.0, abs=4 * found.middle_error_ps)
    assert found.middle_error_ps < 1.5
    assert found.fwhm_mm == pytest.approx(found.peak.fwhm * 0.149896, rel=1e-4)


def test_214_ps_are_32_mm() -> None:
    length_mm = 214.0 * MM_PER_PS
    assert length_mm == pytest.approx(32.08, abs=0.01)
