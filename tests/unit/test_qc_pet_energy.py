"""Photopeaks of many spectra: where they are, absolutely, and how sure that is."""

from __future__ import annotations

import numpy as np
import pytest

from daq.errors import RefusedError
from daq.qc.pet.energy import ANNIHILATION_KEV, gains, highest_line, peak_rows, resolution_noise_percent, whole_peak

BIN = 2.5
AXIS = np.arange(400) * BIN


def spectra(gain: np.ndarray, counts: int, *, seed: int = 3, keep: tuple[float, float] = (0.0, 1000.0)) -> np.ndarray:
    """Photopeak of 11 %, and twice as many in a flat continuum up to two thirds of it, of each row."""
    rng = np.random.default_rng(seed)
    rows = []
    for each in gain:
        peak = 511.0 * each * (1.0 + 0.11 / 2.3548 * rng.standard_normal(counts))
        low = 340.0 * each * rng.random(2 * counts)
        all_of = np.concatenate([peak, low])
        chosen = all_of[(all_of >= keep[0]) & (all_of < keep[1])]
        rows.append(np.bincount(np.rint(chosen / BIN).astype(int).clip(0, 399), minlength=400))
    return np.array(rows)


def test_peaks_of_blocks_are_found_within_their_noise() -> None:
    gain = 1.0 + 0.04 * np.random.default_rng(4).standard_normal(200)
    rows = spectra(gain, 2000)
    found = peak_rows(AXIS, rows, whole_peak(AXIS, rows.sum(axis=0), line=ANNIHILATION_KEV), fewest=500)
    z = (found.at - 511.0 * gain) / found.noise

    assert z.std() == pytest.approx(1.0, abs=0.12)
    assert abs(z.mean()) < 0.3
    assert found.fwhm_percent.mean() == pytest.approx(11.0, abs=0.2)
    assert np.median(resolution_noise_percent(found)) == pytest.approx(found.fwhm_percent.std(), rel=0.25)


def test_a_drift_to_468_kev_is_found_where_it_is_also_through_a_window_from_425() -> None:
    rows = spectra(np.full(10, 468.0 / 511.0), 20_000, keep=(425.0, 650.0))
    whole = whole_peak(AXIS, rows.sum(axis=0), line=ANNIHILATION_KEV)

    assert whole.at == pytest.approx(468.0, abs=0.5)
    assert peak_rows(AXIS, rows, whole, fewest=500).at == pytest.approx(np.full(10, 468.0), abs=2.0)


def test_another_nuclide_has_no_photopeak_of_511() -> None:
    rng = np.random.default_rng(5)
    of_662 = np.bincount(np.rint(rng.normal(662.0, 30.0, 50_000) / BIN).astype(int), minlength=400)
    falling = np.bincount(np.rint(rng.exponential(120.0, 50_000) / BIN).astype(int).clip(0, 399), minlength=400)

    for spectrum in (of_662, falling):
        with pytest.raises(RefusedError, match="peak"):
            whole_peak(AXIS, spectrum, line=ANNIHILATION_KEV)


def test_rows_with_too_few_counts_have_no_peak() -> None:
    rows = spectra(np.ones(3), 2000)
    rows[1] //= 50
    found = peak_rows(AXIS, rows, whole_peak(AXIS, rows.sum(axis=0), line=ANNIHILATION_KEV), fewest=500)

    assert np.isnan(found.at).tolist() == [False, True, False]
    assert np.isfinite(found.counts).all()


def test_the_line_is_found_on_an_axis_of_codes_and_gains_put_it_at_511() -> None:
    gain = np.array([0.9, 1.0, 1.1])
    rows = spectra(gain, 20_000)
    codes = AXIS / 0.37
    line = highest_line(codes, rows.sum(axis=0))
    found = peak_rows(codes, rows, whole_peak(codes, rows.sum(axis=0), line=line, search=0.3), fewest=500)

    assert line == pytest.approx(511.0 / 0.37, rel=0.12)
    assert gains(found, np.ones(3)) == pytest.approx(0.37 / gain, rel=0.003)
    with pytest.raises(RefusedError, match="empty"):
        highest_line(codes, np.zeros(400))


def test_the_noise_of_the_peak_of_all_is_what_it_scatters_by() -> None:
    from daq.composition.qc.pet import of_all
    from daq.composition.qc.petscan import Spectra

    random = np.random.default_rng(5)
    expected = spectra(np.ones(1), 10_000)[0].astype(float)
    found = []
    for _ in range(60):
        drawn = Spectra(random.poisson(expected)[None, :], 2.5, "keV", "singles")
        found.append(of_all(drawn, whole_peak(drawn.axis, drawn.counts[0], line=ANNIHILATION_KEV)))
    at, noise = (np.concatenate(each) for each in zip(*found, strict=True))

    assert at.mean() == pytest.approx(511.0, abs=0.3)
    assert at.std() == pytest.approx(noise.mean(), rel=0.35)
