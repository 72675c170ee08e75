"""Bar phantoms: the same resolution at any pixel size, order and turn, or a refusal in words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support_qc_geometry import bar_events

from daq.errors import RefusedError
from daq.qc.camera.bars import RESOLVED_MODULATION, RULE, bar_phantom, variance_of
from daq.qc.fields import FieldOfView, picture

FIELD = FieldOfView(540.0, 400.0)
WIDTHS = (2.0, 2.5, 3.0, 3.5)
FWHM_MM = 3.8


def seen(pixel: float, x, y):  # type: ignore[no-untyped-def]
    return picture(x, y, rows=int(400 / pixel), columns=int(540 / pixel), pixel_mm=pixel)


@pytest.fixture(scope="module")
def turned():  # type: ignore[no-untyped-def]
    return bar_events(np.random.default_rng(1), 900_000, WIDTHS, fwhm_mm=FWHM_MM, turn_deg=7.3)


@pytest.fixture(scope="module")
def straight():  # type: ignore[no-untyped-def]
    return bar_events(np.random.default_rng(2), 900_000, WIDTHS, fwhm_mm=FWHM_MM, middle_mm=(6.0, -4.0))


@pytest.mark.parametrize("pixel", [1.0, 2.4])
def test_the_resolution_is_the_same_whatever_the_pixels(turned, straight, pixel: float) -> None:  # type: ignore[no-untyped-def]
    for events in (turned, straight):
        found = bar_phantom(seen(pixel, *events), pixel, bars_mm=(3.5, 2.0, 3.0, 2.5), field=FIELD)
        assert found.fwhm is not None
        value, noise = found.fwhm
        assert noise < 0.05
        assert value == pytest.approx(FWHM_MM, abs=4 * noise)
        for each in found.quadrants:
            assert (each.fwhm_mm is None) == bool(each.why)
            if each.bars_mm >= 3.0:
                assert each.fwhm_mm == pytest.approx(FWHM_MM, abs=4 * each.noise_mm)


def test_quadrants_are_found_in_any_order_and_by_their_turn(turned) -> None:  # type: ignore[no-untyped-def]
    found = bar_phantom(seen(1.2, *turned), 1.2, bars_mm=(3.5, 3.0, 2.5, 2.0), field=FIELD)
    assert found.turn_deg == pytest.approx(7.3, abs=0.2)
    places = {each.bars_mm: (each.x_mm > 0, each.y_mm > 0) for each in found.quadrants}
    assert places == {2.0: (True, True), 2.5: (False, True), 3.0: (False, False), 3.5: (True, False)}


def test_pixels_that_beat_with_bars_are_refused_in_words(straight) -> None:  # type: ignore[no-untyped-def]
    found = bar_phantom(seen(2.0, *straight), 2.0, bars_mm=WIDTHS, field=FIELD)
    finest = min(found.quadrants, key=lambda one: one.bars_mm)
    assert finest.fwhm_mm is None
    assert finest.why == "pixels of 2 mm meet bars of 2 mm at a few places of their period alone"
    wide = bar_phantom(seen(2.4, *straight), 2.4, bars_mm=WIDTHS, field=FIELD)
    assert "wider than bars of 2 mm" in min(wide.quadrants, key=lambda one: one.bars_mm).why
    with pytest.raises(RefusedError, match=r"wider than bars of 3\.5 mm"):
        bar_phantom(seen(4.0, *straight), 4.0, bars_mm=WIDTHS, field=FIELD)


def test_a_flood_without_bars_an_empty_one_and_too_few_counts_are_refused() -> None:
    random = np.random.default_rng(3)
    x, y = random.uniform(-270, 270, 500_000), random.uniform(-200, 200, 500_000)
    with pytest.raises(RefusedError, match="no bars"):
        bar_phantom(seen(1.2, x, y), 1.2, bars_mm=WIDTHS, field=FIELD)
    with pytest.raises(RefusedError, match="no bars"):
        bar_phantom(np.zeros((333, 450)), 1.2, bars_mm=WIDTHS, field=FIELD)
    with pytest.raises(RefusedError, match="bars of 3 widths"):
        bar_phantom(np.ones((333, 450)), 1.2, bars_mm=WIDTHS[:3], field=FIELD)


def test_the_variance_of_a_square_wave_is_the_closed_form() -> None:
    fine = np.arange(0, 600.0, 0.05)
    wave = (np.floor(fine / 3.0) % 2 == 0).astype(float)
    sigma = 1.6
    kernel = np.exp(-0.5 * (np.arange(-12.0, 12.001, 0.05) / sigma) ** 2)
    blurred = np.convolve(wave, kernel / kernel.sum(), mode="same")[2400:-2400]
    assert variance_of(sigma, 3.0, 1e-6) == pytest.approx(blurred.var() / blurred.mean() ** 2, rel=1e-3)
    assert variance_of(1e-9, 3.0, 1e-6) == pytest.approx(1.0, abs=0.06)


def test_bars_count_as_told_apart_just_where_the_rule_says() -> None:
    sigma = RULE * 3.0 / (2 * math.sqrt(2 * math.log(2)))
    assert 4 / math.pi * math.exp(-2 * (math.pi * sigma / 6.0) ** 2) == pytest.approx(RESOLVED_MODULATION)
    assert pytest.approx(0.083, abs=0.001) == RESOLVED_MODULATION
