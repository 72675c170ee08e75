"""Peaks against Gaussians whose place and width are known; energy resolution; how far a peak may be corrected."""

from __future__ import annotations

import numpy as np
import pytest

from daq.errors import LimitError, RefusedError
from daq.model.windows import FWHM_PER_SIGMA
from daq.qc.peaks import log_parabola_peaks, peak_near
from daq.qc.spectra import Peaked, corrected_within, peaked, photopeak, spectrum

AXIS = np.arange(0.25, 300.0, 0.5)
SIGMA = 13.8 / FWHM_PER_SIGMA


def gauss(at: float, height: float = 1e6, sigma: float = SIGMA) -> np.ndarray:
    return height * np.exp(-((AXIS - at) ** 2) / (2 * sigma**2))


@pytest.mark.parametrize("at", [140.5, 140.61, 140.76])
def test_place_height_and_widths_of_a_gaussian_are_found(at: float) -> None:
    peak = peak_near(AXIS, gauss(at), low=120.0, high=160.0)

    assert peak.at == pytest.approx(at, abs=0.02)
    assert peak.height == pytest.approx(1e6, rel=3e-3)
    assert peak.fwhm == pytest.approx(13.8, rel=4e-3)
    assert peak.fwtm == pytest.approx(13.8 * np.sqrt(np.log(10) / np.log(2)), rel=3e-3)


def test_the_resolution_of_drawn_energies_is_theirs_within_noise() -> None:
    energies = np.random.default_rng(1).normal(140.5, SIGMA, 400_000)

    peak = photopeak(spectrum(energies, upper_kev=300.0), 140.5)

    assert peak.fwhm_percent == pytest.approx(13.8 / 140.5 * 100, rel=0.01)
    assert peak.at == pytest.approx(140.5, abs=0.15)


def test_energies_that_are_none_are_in_no_bin() -> None:
    found = spectrum(np.array([np.nan, -1.0, 0.2, 300.0, np.inf]), upper_kev=300.0)

    assert (found.counts.sum(), found.counts[0]) == (1, 1)


def test_no_counts_and_a_peak_elsewhere_are_refused_in_words() -> None:
    with pytest.raises(RefusedError, match="no counts"):
        photopeak(spectrum(np.empty(0), upper_kev=300.0), 140.5)
    with pytest.raises(RefusedError, match="highest at the end"):
        peak_near(AXIS, gauss(100.0), low=120.0, high=160.0)


def test_a_peak_cut_by_the_end_of_the_axis_has_no_width() -> None:
    with pytest.raises(RefusedError, match="does not fall to half"):
        peak_near(AXIS, gauss(298.0), low=280.0, high=299.9)


def test_the_tenth_is_not_known_where_the_background_is_higher() -> None:
    peak = peak_near(AXIS, gauss(140.0) + 2e5, low=120.0, high=160.0)

    assert np.isnan(peak.fwtm)


def test_a_peak_of_few_counts_says_nothing() -> None:
    energies = np.random.default_rng(2).normal(140.5, SIGMA, 900)

    with pytest.raises(LimitError, match="at least 1000"):
        peaked(spectrum(energies, upper_kev=300.0, bin_kev=3.0), 140.5)


def test_a_peak_within_the_limit_is_corrected_and_one_beyond_is_not() -> None:
    near = Peaked(140.5, peak_near(AXIS, gauss(143.0), low=120.0, high=160.0))
    far = Peaked(140.5, peak_near(AXIS, gauss(147.0), low=120.0, high=160.0))

    assert corrected_within(near, 3.0) == pytest.approx(143.0 / 140.5, rel=2e-4)
    with pytest.raises(LimitError, match=r"\+4.6\d % off 140.5 keV; at most 3 %"):
        corrected_within(far, 3.0)


def test_many_peaks_at_once_have_hardly_more_noise_than_the_mean() -> None:
    rng = np.random.default_rng(3)
    true = rng.uniform(136.0, 145.0, 300)
    axis = np.arange(0.5, 200.0)
    counts = np.stack([np.histogram(rng.normal(at, SIGMA, 5000), np.arange(201.0))[0][:200] for at in true])

    found = log_parabola_peaks(axis, counts[:, : len(axis)], np.full(300, 140.5), half_width=8.0)

    away = found - true
    assert abs(away.mean()) < 4 * away.std() / 300**0.5 + 0.02
    assert away.std() < 2.0 * SIGMA / 5000**0.5


def test_a_row_without_a_peak_gives_nan() -> None:
    flat = np.full((2, 200), 50.0)
    flat[1] = 0.0

    found = log_parabola_peaks(np.arange(0.5, 200.0), flat, np.full(2, 100.0), half_width=8.0)

    assert np.isnan(found).all()
