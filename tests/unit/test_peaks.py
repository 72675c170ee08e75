"""A photopeak is found where it is, and nowhere where there is none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from daq.model.windows import EnergyWindow
from daq.pipeline.energyaxis import EnergyAxis
from daq.pipeline.peaks import LEAST_COUNTS, peak_in, peaks_in

AXIS = EnergyAxis(-0.25, 0.5, 1024)
WINDOW = EnergyWindow.around(140.5, full_width_percent=20, name="Tc-99m")
FWHM_KEV = 13.9


def spectrum(random: np.random.Generator, count: int, kev: float, fwhm_kev: float = FWHM_KEV) -> npt.NDArray[np.int64]:
    edges = AXIS.low_kev + AXIS.bin_kev * np.arange(AXIS.bins + 1)
    return np.histogram(random.normal(kev, fwhm_kev / 2.3548, count), edges)[0]


@pytest.mark.parametrize("kev", [130.0, 140.5, 151.0])
def test_peaks_scatter_about_the_truth_by_the_error_that_is_stated(kev: float) -> None:
    random = np.random.default_rng(int(kev))
    peaks = [peak_in(spectrum(random, 20_000, kev), AXIS, WINDOW) for _ in range(150)]
    z = np.array([(peak.kev - kev) / peak.error_kev for peak in peaks if peak])

    assert len(z) == 150
    assert abs(z.mean()) * np.sqrt(150) < 4.0
    assert 0.8 < z.std() < 1.25
    assert np.mean([peak.fwhm_kev for peak in peaks if peak]) == pytest.approx(FWHM_KEV, rel=0.02)


def test_a_plain_and_a_slope_have_no_peak() -> None:
    random = np.random.default_rng(4)

    for shape in (np.full(1024, 100.0), np.linspace(400.0, 10.0, 1024), np.linspace(10.0, 400.0, 1024)):
        assert [peak_in(random.poisson(shape), AXIS, WINDOW) for _ in range(100)] == [None] * 100


def test_a_scatter_window_beside_a_peak_finds_none() -> None:
    found = peak_in(spectrum(np.random.default_rng(5), 100_000, 140.5), AXIS, EnergyWindow(112, 126, "scatter"))

    assert found is None


def test_few_counts_tell_no_peak() -> None:
    assert peak_in(spectrum(np.random.default_rng(6), LEAST_COUNTS - 1, 140.5), AXIS, WINDOW) is None
    assert peak_in(np.zeros(1024), AXIS, WINDOW) is None


def test_of_two_peaks_each_window_finds_its_own() -> None:
    random = np.random.default_rng(7)
    both = spectrum(random, 50_000, 171.3, 15.0) + spectrum(random, 50_000, 245.4, 18.0)

    for kev in (171.3, 245.4):
        peak = peak_in(both, AXIS, EnergyWindow.around(kev, full_width_percent=20, name="In-111"))
        assert peak is not None
        assert abs(peak.kev - kev) < 5 * peak.error_kev < 1.0


def test_a_peak_beside_a_window_is_that_of_the_window_it_lies_in() -> None:
    wide = EnergyWindow(90.0, 126.45, "below")
    found = spectrum(np.random.default_rng(8), 100_000, 139.0)

    below, peak = peaks_in(found, AXIS, (wide, WINDOW))
    assert below is None
    assert peak is not None
    alone = peaks_in(found, AXIS, (EnergyWindow(118.0, 133.0, "off the peak"),))[0]
    assert alone is not None  # no other window has it: a peak that ran away from its own is shown
    assert abs(alone.kev - 139.0) < 1.0
