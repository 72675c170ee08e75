"""The photopeak of a flood and whose it is; scans of a sheet along the bed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support_qc_floods import energies

from daq.errors import RefusedError
from daq.qc.camera.floodpeak import flood_peak
from daq.qc.camera.floodsweep import swept
from daq.qc.spectra import Spectrum, spectrum

LINE = {"Tc-99m": 140.511, "Co-57": 122.061}


def seen(name: str, events: int, *, gain: float = 1.0, seed: int = 0, scatter: float = 0.1) -> Spectrum:
    kev = energies(np.random.default_rng(seed), name, events, gain=gain, scatter=scatter)
    return spectrum(kev, upper_kev=600.0)


@pytest.mark.parametrize("gain", [0.98, 1.0, 1.03])
def test_the_peak_is_where_it_was_put_within_what_is_said(gain: float) -> None:
    z = []
    for seed in range(25):
        found = flood_peak(seen("Tc-99m", 60_000, gain=gain, seed=seed, scatter=0.0), "Tc-99m")
        assert found.peaked is not None
        assert found.wrong == ""
        z.append((found.peaked.peak.at - gain * LINE["Tc-99m"]) / found.sigma_kev)

    assert abs(np.mean(z)) < 4.0 / len(z) ** 0.5
    assert np.std(z) == pytest.approx(1.0, abs=0.5)


def test_the_uncertainty_of_the_width_is_that_of_simulated_peaks() -> None:
    found = [flood_peak(seen("Tc-99m", 100_000, seed=seed), "Tc-99m").peaked for seed in range(25)]

    widths = [each.peak.fwhm_percent for each in found if each is not None]
    said = [each.fwhm_sigma_percent for each in found if each is not None]
    assert len(widths) == 25
    assert np.std(widths) == pytest.approx(np.mean(said), rel=0.5)


def test_the_resolution_is_that_of_the_head() -> None:
    found = flood_peak(seen("Tc-99m", 400_000), "Tc-99m")

    assert found.peaked is not None
    assert found.peaked.peak.fwhm_percent == pytest.approx(10.0, abs=0.25)
    assert found.remark == ""


@pytest.mark.parametrize(
    ("said", "real"),
    [("Tc-99m", "Co-57"), ("Co-57", "Tc-99m"), ("Tc-99m", "I-123"), ("Tc-99m", "I-131"), ("Co-57", "I-123")],
)
def test_another_nuclide_is_found_out_and_named(said: str, real: str) -> None:
    found = flood_peak(seen(real, 200_000), said)

    assert real in found.wrong
    assert "wrong source" in found.wrong


@pytest.mark.parametrize("gain", [0.95, 0.97, 1.04])
def test_a_drifting_gain_is_no_other_nuclide(gain: float) -> None:
    found = flood_peak(seen("Tc-99m", 200_000, gain=gain), "Tc-99m")

    assert found.wrong == ""
    assert found.peaked is not None
    assert found.peaked.off_percent == pytest.approx(100.0 * (gain - 1.0), abs=4 * found.peaked.sigma_percent)


def test_a_gain_far_off_is_said_beside_the_nuclide_it_looks_like() -> None:
    assert "or a gain as far off" in flood_peak(seen("Tc-99m", 200_000, gain=0.87), "Tc-99m").wrong
    assert "no usual nuclide" in flood_peak(seen("Tc-99m", 200_000, gain=0.75), "Tc-99m").wrong


def test_too_few_counts_say_nothing_and_no_counts_are_refused() -> None:
    few = flood_peak(seen("Tc-99m", 500), "Tc-99m")
    assert few.peaked is None
    assert "at least 1000" in few.remark
    with pytest.raises(RefusedError, match="no counts"):
        flood_peak(spectrum(np.empty(0), upper_kev=600.0), "Tc-99m")


def test_a_peak_of_few_counts_says_that_nema_asks_for_more() -> None:
    assert "10000" in flood_peak(seen("Tc-99m", 60_000), "Tc-99m").remark


def scan(stripe: float = 1.0, slope: float = 0.0, *, mean: float = 100.0, seed: int = 3) -> tuple[Any, Any]:
    """Return a strip of a sheet from row 100 to 700 and its exposure, full from row 80 to 920; a stripe at 400."""
    rows = np.arange(1000)
    exposure = np.clip(np.minimum(rows, 999 - rows) / 80.0, 0.0, 1.0)
    light = np.where((rows >= 100) & (rows < 700), 1.0 + slope * (rows - 400) / 600.0, 0.0)
    light[399:402] *= stripe
    columns = np.where(np.abs(np.arange(256) - 127.5) < 120, 1.0, 0.0)
    return np.random.default_rng(seed).poisson(mean * (light * exposure)[:, None] * columns), exposure


def test_an_even_scan_is_even_to_what_counting_gives() -> None:
    z = []
    for seed in range(20):
        found = swept(*scan(seed=seed), full=1.0, pixel_mm=2.1, width_mm=480.0)
        z.append((found.integral - found.integral_noise) / found.integral_noise)
        assert abs(found.slope) < 4.5 * found.slope_sigma
        assert abs(found.stripe) < 2.0 * found.stripe_noise
        assert found.length_mm == pytest.approx(600 * 2.1, abs=5 * 6.3)
    assert abs(np.mean(z)) < 4.0 * np.std(z) / len(z) ** 0.5


@pytest.mark.parametrize("stripe", [0.9, 1.05])
def test_a_stripe_is_found_where_it_is(stripe: float) -> None:
    found = swept(*scan(stripe), full=1.0, pixel_mm=2.1, width_mm=480.0, y0_mm=-50.0)

    assert found.stripe == pytest.approx(100.0 * (stripe - 1.0), abs=0.5)
    assert found.stripe_mm == pytest.approx(400.5 * 2.1 - 50.0, abs=6.3)


def test_a_scan_that_grows_is_a_slope() -> None:
    found = swept(*scan(slope=0.04), full=1.0, pixel_mm=2.1, width_mm=480.0)

    assert found.slope == pytest.approx(4.0 * (found.length_mm - 6.3) / (600 * 2.1), abs=4.0 * found.slope_sigma)
    assert found.slope_sigma < 0.15


def test_a_scan_that_is_dark_or_short_is_refused() -> None:
    counts, exposure = scan()
    with pytest.raises(RefusedError, match="0 rows"):
        swept(np.zeros_like(counts), exposure, full=1.0, pixel_mm=2.1, width_mm=480.0)
    with pytest.raises(RefusedError, match="rows"):
        swept(counts[:130], exposure[:130], full=1.0, pixel_mm=2.1, width_mm=480.0)
    with pytest.raises(RefusedError, match="exposures"):
        swept(counts, exposure[:5], full=1.0, pixel_mm=2.1, width_mm=480.0)
