"""Slit masks made of drawn positions: resolution, linearity and scale are those that were put in."""

from __future__ import annotations

import numpy as np
import pytest

from daq.errors import RefusedError, UsageError
from daq.model.windows import FWHM_PER_SIGMA
from daq.qc.fields import FieldOfView
from daq.qc.slits import SlitMask, profiles, resolution_and_linearity, slit_peaks

FIELD = FieldOfView(540.0, 400.0)
MASK = SlitMask("x", 30.0)


def drawn(mask: SlitMask, *, fwhm_mm: float, seed: int, events: int = 600_000) -> tuple[np.ndarray, np.ndarray]:
    """Return measured and true coordinates across and along, [2, events] as x, y."""
    rng = np.random.default_rng(seed)
    size, along = (540.0, 400.0) if mask.across == "x" else (400.0, 540.0)
    lines = mask.lines_mm(size / 2)
    across = rng.choice(lines, events) + rng.normal(0.0, fwhm_mm / FWHM_PER_SIGMA, events)
    return across, rng.uniform(-along / 2, along / 2, events)


def measured(mask: SlitMask, x: np.ndarray, y: np.ndarray):
    strips, axis, counts = profiles(x, y, across=mask.across, field=FIELD)
    return slit_peaks(strips, axis, counts, mask=mask, field=FIELD)


@pytest.mark.parametrize("across", ["x", "y"])
def test_an_undistorted_mask_has_its_resolution_and_no_distortion(across) -> None:
    mask = SlitMask(across, 30.0)
    position, along = drawn(mask, fwhm_mm=3.6, seed=1)
    x, y = (position, along) if across == "x" else (along, position)

    found = resolution_and_linearity(measured(mask, x, y), FIELD)

    assert found.fwhm_mm == pytest.approx(3.6, rel=0.02)
    assert found.fwtm_mm == pytest.approx(3.6 * 1.8226, rel=0.03)
    assert found.absolute_mm < 0.25
    assert found.differential_mm < 0.09
    assert found.scale_percent == pytest.approx(0.0, abs=0.02)
    assert found.counts_per_peak > 1000


def test_a_known_distortion_is_the_absolute_linearity() -> None:
    x, y = drawn(MASK, fwhm_mm=3.6, seed=2)
    x = x + 1.5 * np.sin(2 * np.pi * x / 120.0)

    found = resolution_and_linearity(measured(MASK, x, y), FIELD)

    assert found.absolute_mm == pytest.approx(1.5, abs=0.3)
    assert found.differential_mm > 0.8


def test_a_scale_error_is_said_as_scale_and_a_turn_as_nothing() -> None:
    x, y = drawn(MASK, fwhm_mm=3.6, seed=3)

    found = resolution_and_linearity(measured(MASK, 1.01 * x + 0.005 * y, y), FIELD)

    assert found.scale_percent == pytest.approx(1.0, abs=0.03)
    assert found.absolute_mm < 0.3


def test_lines_are_followed_where_the_distortion_grows_beyond_half_a_pitch() -> None:
    mask = SlitMask("x", 12.0)
    x, y = drawn(mask, fwhm_mm=3.0, seed=4, events=1_000_000)

    found = measured(mask, 0.94 * x, y)

    away = found.at_mm - found.lines_mm
    assert np.nanmin(away[:, 0]) > 12.0  # two pitches off at the edge would have been another line
    assert np.nanmax(np.abs(found.at_mm - 0.94 * found.lines_mm)) < 0.6


def test_the_central_field_leaves_out_the_edge() -> None:
    x, y = drawn(MASK, fwhm_mm=3.6, seed=5)
    x = np.where(np.abs(x) > 220.0, x * 1.01, x)

    peaks = measured(MASK, x, y)

    assert resolution_and_linearity(peaks, FIELD.central).absolute_mm < 0.3
    assert resolution_and_linearity(peaks, FIELD).absolute_mm > 0.8


def test_too_few_counts_and_a_mask_of_one_line_are_refused() -> None:
    x, y = drawn(MASK, fwhm_mm=3.6, seed=6, events=100)

    with pytest.raises(RefusedError, match="too few counts"):
        measured(MASK, x, y)
    with pytest.raises(UsageError, match="has 1 in 540 mm"):
        measured(SlitMask("x", 600.0), x, y)
