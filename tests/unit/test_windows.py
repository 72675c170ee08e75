"""Energy windows: the rule of the bounds, the mask against the obvious loop, closed forms, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import RefusedError
from daq.model.windows import (
    MAX_WINDOWS,
    EnergyWindow,
    WindowSet,
    fwhm_percent_at,
    windows_inside,
)

TC99M = EnergyWindow.around(140.5, full_width_percent=20.0, name="Tc")
energies = st.floats(0.0, 1000.0, width=32)


@st.composite
def windows(draw: st.DrawFn) -> EnergyWindow:
    lower, upper = sorted(draw(st.lists(energies, min_size=2, max_size=2, unique=True)))
    return EnergyWindow(lower, upper, draw(st.text("abc", min_size=1, max_size=8)))


window_sets = st.lists(windows(), max_size=MAX_WINDOWS, unique_by=lambda w: w.name).map(
    lambda chosen: WindowSet(tuple(chosen))
)


def test_a_twenty_percent_window_at_140_5_kev_is_126_45_to_154_55() -> None:
    assert (TC99M.lower_kev, TC99M.upper_kev) == pytest.approx((126.45, 154.55))


def test_an_offset_of_three_percent_moves_both_bounds_up_by_three_percent_of_the_peak() -> None:
    moved = EnergyWindow.around(140.5, full_width_percent=20.0, offset_percent=3.0, name="up")

    assert moved.lower_kev - TC99M.lower_kev == pytest.approx(4.215)
    assert moved.upper_kev - TC99M.upper_kev == pytest.approx(4.215)


def test_the_lower_bound_is_inside_and_the_upper_is_not() -> None:
    mask = WindowSet((EnergyWindow(100.0, 200.0, "a"),)).mask(np.array([99.99, 100.0, 199.99, 200.0]))

    assert mask.tolist() == [0, 1, 1, 0]


def test_windows_that_share_a_bound_count_every_energy_once() -> None:
    both = WindowSet((EnergyWindow(435.0, 511.1, "low"), EnergyWindow(511.1, 650.0, "high")))
    around = np.nextafter(np.float32(511.1), np.array([0, np.inf], np.float32))

    mask = both.mask(np.array([around[0], np.float32(511.1), around[1]]))

    assert mask.tolist() == [1, 2, 2]


@given(window_sets, st.lists(energies, max_size=20))
def test_the_mask_equals_the_obvious_loop(chosen: WindowSet, kev: list[float]) -> None:
    expected = [
        sum(1 << i for i, window in enumerate(chosen.windows) if window.lower_kev <= e < window.upper_kev) for e in kev
    ]

    mask = chosen.mask(np.array(kev, np.float32))

    assert mask.dtype == np.uint16
    assert mask.tolist() == expected


@given(st.floats(1.0, 999.0), st.floats(0.5, 1000.0))
def test_windowing_live_and_windowing_the_stored_column_agree(energy: float, bound: float) -> None:
    chosen = WindowSet((EnergyWindow(0.0, bound, "below"), EnergyWindow(bound, 2000.0, "above")))
    live = np.array([energy, bound])

    stored = live.astype(np.float32)

    assert chosen.mask(live).tolist() == chosen.mask(stored).tolist()


def test_the_sixteenth_window_sets_the_highest_bit() -> None:
    sixteen = WindowSet(tuple(EnergyWindow(i, i + 1.0, f"w{i}") for i in range(16)))

    assert sixteen.mask(np.array([15.5])).tolist() == [0x8000]
    assert sixteen.bit("w15") == 15


def test_an_energy_that_is_no_number_is_in_no_window() -> None:
    assert WindowSet((TC99M,)).mask(np.array([np.nan])).tolist() == [0]


def test_the_mask_keeps_the_shape_of_the_energies() -> None:
    assert WindowSet((TC99M,)).mask(np.zeros((3, 0, 2))).shape == (3, 0, 2)


def test_a_seventeenth_window_is_refused() -> None:
    seventeen = tuple(EnergyWindow(i, i + 1.0, f"w{i}") for i in range(17))

    with pytest.raises(RefusedError, match=r"^17 energy windows; at most 16 fit the mask$"):
        WindowSet(seventeen)


def test_a_name_used_twice_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"^energy window 'Tc': the name is used 2 times$"):
        WindowSet((TC99M, TC99M))


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(RefusedError, match=r"^no energy window 'Co'; there are Tc$"):
        WindowSet((TC99M,)).bit("Co")


@pytest.mark.parametrize(
    ("lower", "upper"),
    [(154.0, 126.0), (126.0, 126.0), (-1.0, 126.0), (0.0, float("inf")), (float("nan"), 1.0), (0.0, float("nan"))],
)
def test_bounds_that_make_no_interval_are_refused(lower: float, upper: float) -> None:
    with pytest.raises(RefusedError, match=rf"^energy window 'x': {lower:g}-{upper:g} keV; the lower bound must"):
        EnergyWindow(lower, upper, "x")


def test_a_window_without_a_name_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"^energy window 1-2 keV: it has no name$"):
        EnergyWindow(1.0, 2.0, "")


def test_98_373_percent_of_the_technetium_peak_lie_in_a_twenty_percent_window_at_9_8_percent_resolution() -> None:
    assert TC99M.gaussian_fraction(140.5, fwhm_percent=9.8) == pytest.approx(0.98373, abs=5e-6)


def test_99_927_percent_of_the_annihilation_peak_lie_in_435_to_650_kev_at_11_percent_resolution() -> None:
    pet = EnergyWindow(435.0, 650.0, "511")

    assert pet.gaussian_fraction(511.0, fwhm_percent=11.0) == pytest.approx(0.99927, abs=5e-6)


@pytest.mark.parametrize(("gain", "fraction"), [(1.02, 0.9679), (1.05, 0.8734), (1.10, 0.5000)])
def test_a_gain_drift_moves_counts_out_of_the_window(gain: float, fraction: float) -> None:
    assert TC99M.gaussian_fraction(140.5 * gain, fwhm_percent=9.8) == pytest.approx(fraction, abs=1e-4)


def test_the_gaussian_fraction_agrees_with_sampled_energies() -> None:
    sigma = 140.5 * 0.098 / 2.3548200450309493
    sampled = np.random.default_rng(7).normal(140.5, sigma, 1_000_000)
    expected = TC99M.gaussian_fraction(140.5, fwhm_percent=9.8)

    inside = np.count_nonzero(WindowSet((TC99M,)).mask(sampled)) / len(sampled)

    assert abs(inside - expected) < 5 * (expected * (1 - expected) / len(sampled)) ** 0.5


def test_resolution_in_percent_falls_with_the_root_of_energy() -> None:
    assert fwhm_percent_at(562.0, fwhm_percent=9.8, reference_kev=140.5) == pytest.approx(4.9)


def test_a_window_inside_the_recorded_range_is_allowed() -> None:
    wanted = WindowSet((TC99M, EnergyWindow(50.0, 400.0, "all")))

    assert windows_inside(wanted, [EnergyWindow(50.0, 400.0, "recorded")]) is wanted


def test_recorded_windows_that_touch_count_as_one_range() -> None:
    recorded = [EnergyWindow(140.0, 200.0, "b"), EnergyWindow(100.0, 140.0, "a"), EnergyWindow(150.0, 160.0, "c")]

    assert windows_inside(WindowSet((TC99M,)), recorded).windows == (TC99M,)


def test_windowing_outside_of_what_was_recorded_is_refused_in_words() -> None:
    recorded = [EnergyWindow(130.0, 150.0, "narrow"), EnergyWindow(300.0, 400.0, "high")]

    with pytest.raises(RefusedError) as refusal:
        windows_inside(WindowSet((TC99M,)), recorded)

    assert str(refusal.value) == (
        "energy window Tc 126.45-154.55 keV: the recording holds 130-150 keV, 300-400 keV; "
        "events outside were never stored, so they cannot be windowed later"
    )


def test_windowing_a_recording_without_energies_is_refused() -> None:
    with pytest.raises(RefusedError, match="the recording holds nothing"):
        windows_inside(WindowSet((TC99M,)), [])


@given(windows(), st.lists(windows(), max_size=6))
def test_a_window_is_allowed_exactly_when_no_energy_of_it_is_missing(
    wanted: EnergyWindow, recorded: list[EnergyWindow]
) -> None:
    edges = sorted({wanted.lower_kev, *(e for w in recorded for e in (w.lower_kev, w.upper_kev))})
    samples = [e for e in edges if wanted.lower_kev <= e < wanted.upper_kev]
    complete = all(any(w.lower_kev <= e < w.upper_kev for w in recorded) for e in samples)

    try:
        windows_inside(WindowSet((wanted,)), recorded)
        allowed = True
    except RefusedError:
        allowed = False

    assert allowed == complete
