"""Uptake, split, ejection fraction: against what the formulas must give, and against made Poisson counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import LimitError, UsageError
from daq.qc.uptake import (
    Measured,
    Region,
    Value,
    ejection_fraction,
    geometric_mean,
    injected,
    residual_volume_ml,
    split,
    uptake,
)

HALF_LIFE_S = 6.0067 * 3600
DECAY = math.log(2) / HALF_LIFE_S


def counted(rate_at_zero: float, begin_s: float, lasts_s: float, *, live: float = 1.0) -> Measured:
    """Return the counts that a decaying source gives, exactly, of which dead time loses some."""
    whole = rate_at_zero / DECAY * (math.exp(-DECAY * begin_s) - math.exp(-DECAY * (begin_s + lasts_s)))
    return Measured(whole * live, lasts_s * live, begin_s, begin_s + lasts_s)


def test_the_rate_at_another_moment_is_that_of_the_source_then() -> None:
    late = counted(1000.0, 7200.0, 5 * 3600.0, live=0.8)
    assert late.rate(HALF_LIFE_S, 0.0).value == pytest.approx(1000.0, rel=1e-12)
    assert late.rate(HALF_LIFE_S, HALF_LIFE_S).value == pytest.approx(500.0, rel=1e-12)


@given(st.floats(0.001, 0.9), st.floats(0, 100_000), st.floats(1, 3600), st.floats(0.3, 1.0))
def test_the_uptake_does_not_depend_on_when_and_how_long_and_with_which_dead_time_it_was_measured(
    wanted: float, begin_s: float, lasts_s: float, live: float
) -> None:
    syringe, left = counted(10_000, 0, 60), counted(500, 600, 60, live=0.99)
    neck, thigh = counted(9_500 * wanted + 40, begin_s, lasts_s, live=live), counted(40, begin_s + 4000, 300)

    found = uptake(neck=neck, thigh=thigh, syringe=syringe, residual=left, half_life_s=HALF_LIFE_S, at_s=begin_s)

    assert found.value == pytest.approx(wanted, rel=1e-9)


def test_the_error_of_an_uptake_is_that_of_repeated_measurements() -> None:
    random = np.random.default_rng(7)
    exact = {"neck": counted(60, 1200, 300), "thigh": counted(12, 1600, 300), "syringe": counted(400, 0, 60),
             "residual": counted(20, 120, 60)}  # fmt: skip

    def once() -> Value:
        made = {n: Measured(random.poisson(m.counts), m.live_s, m.begin_s, m.end_s) for n, m in exact.items()}
        return uptake(**made, half_life_s=HALF_LIFE_S, at_s=0.0)

    found = [once() for _ in range(2000)]
    spread = np.std([each.value for each in found])
    assert np.mean([each.error for each in found]) == pytest.approx(spread, rel=0.06)
    assert np.mean([each.value for each in found]) == pytest.approx(48 / 380, rel=0.01)


def test_a_syringe_that_has_no_more_than_its_residual_gives_no_uptake() -> None:
    same = counted(500, 0, 60)
    with pytest.raises(LimitError, match="syringe less residual"):
        uptake(neck=same, thigh=same, syringe=same, residual=same, half_life_s=HALF_LIFE_S, at_s=0.0)
    with pytest.raises(LimitError, match="mixed up"):
        injected(before=counted(10, 0, 60), after=counted(500, 60, 60), half_life_s=HALF_LIFE_S, at_s=0.0)


def test_what_was_injected_is_the_syringe_before_less_after_at_one_moment() -> None:
    found = injected(before=counted(5000, 0, 60), after=counted(300, 3600, 60), half_life_s=HALF_LIFE_S, at_s=0.0)
    assert found.value == pytest.approx(4700, rel=1e-12)


@given(st.floats(-100, 100), st.floats(0.05, 0.25))
def test_the_geometric_mean_of_opposite_heads_does_not_depend_on_the_depth(depth_mm: float, per_cm: float) -> None:
    front = Value(1e5 * math.exp(-per_cm * (150 + depth_mm) / 10))
    back = Value(1e5 * math.exp(-per_cm * (150 - depth_mm) / 10))
    assert geometric_mean(front, back).value == pytest.approx(1e5 * math.exp(-per_cm * 15), rel=1e-9)


def test_the_split_is_of_net_counts_and_its_error_that_of_repeated_counts() -> None:
    left, right = Region(9_000, 100, 1_500, 50), Region(15_000, 120, 1_500, 50)
    assert left.net.value == 6_000
    assert right.net.value == 11_400
    share = split(left.net, right.net)
    assert share.value == pytest.approx(6_000 / 17_400)

    random = np.random.default_rng(3)
    drawn = random.poisson([9_000, 1_500, 15_000, 1_500], (4000, 4))
    a, b = drawn[:, 0] - 2 * drawn[:, 1], drawn[:, 2] - 2.4 * drawn[:, 3]
    assert share.error == pytest.approx(np.std(a / (a + b)), rel=0.05)


def test_kidneys_below_background_have_no_split() -> None:
    with pytest.raises(LimitError, match="have no share"):
        split(Value(-10, 3), Value(500, 20))
    with pytest.raises(LimitError, match="geometric mean"):
        geometric_mean(Value(-1), Value(1))


def test_the_volume_left_in_the_bladder_follows_from_the_voided_one() -> None:
    found = residual_volume_ml(
        before=counted(800, 0, 60), after=counted(200, 1800, 60), voided_ml=300, half_life_s=HALF_LIFE_S
    )
    assert found.value == pytest.approx(100, rel=1e-12)


def volumes(slots: int, fraction: float) -> np.ndarray:
    return 1 - fraction * (1 - np.cos(2 * np.pi * np.arange(slots) / slots)) / 2


@pytest.mark.parametrize("fraction", [0.2, 0.55, 0.7])
def test_an_ejection_fraction_is_recovered_whatever_the_live_time_of_the_slots(fraction: float) -> None:
    live = np.linspace(1.0, 0.4, 16)
    found = ejection_fraction((volumes(16, fraction) * 900 + 100) * live, live, 100.0)
    assert found.fraction.value == pytest.approx(fraction, rel=1e-9)
    assert (found.diastole, found.systole) == (0, 8)


def test_harmonics_take_the_bias_out_of_noisy_slots_and_errors_are_those_of_repeated_studies() -> None:
    random = np.random.default_rng(11)
    live = np.full(24, 40.0)
    drawn = random.poisson(volumes(24, 0.5) * 30 * live, (400, 24))
    smooth = [ejection_fraction(each, live).fraction for each in drawn]
    raw = [ejection_fraction(each, live, harmonics=0).fraction for each in drawn]
    assert np.mean([each.value for each in raw]) > 0.51
    assert np.mean([each.value for each in smooth]) == pytest.approx(0.5, abs=0.008)
    assert np.mean([each.error for each in smooth]) == pytest.approx(np.std([each.value for each in smooth]), rel=0.25)


def test_a_background_above_the_ventricle_is_refused() -> None:
    with pytest.raises(LimitError, match="end-systole is 300 per second below the background"):
        ejection_fraction(volumes(16, 0.5) * 1000, np.ones(16), 800.0)
    with pytest.raises(LimitError, match="end-diastole less background"):
        ejection_fraction(volumes(16, 0.5) * 1000, np.ones(16), 1500.0)


def test_too_few_slots_are_refused() -> None:
    with pytest.raises(UsageError, match="at least 8"):
        ejection_fraction(np.ones(7), np.ones(7))
    with pytest.raises(UsageError, match="live time"):
        Measured(5, 0, 0, 1)


def test_examples_worked_out_by_hand_come_out_as_on_paper() -> None:
    tc99m = Measured(10_000, 60.0, 3600.0, 3660.0).rate(21_654.0, 0.0)
    # 10,000 / 60 s = 166.667; lambda = 0.693147 / 21,654 s = 3.20101e-5; in the minute 1.000961, in the hour 1.122139
    assert tc99m.value == pytest.approx(187.203, abs=0.001)
    assert tc99m.error == pytest.approx(1.87203, abs=0.0001)

    half = 13.22 * 3600  # iodine-123, a second each, so short that nothing decays meanwhile
    capsule, left = Measured(1010, 1.0, 0.0, 1.0), Measured(10, 1.0, 0.0, 1.0)
    neck, thigh = Measured(130, 1.0, half, half + 1), Measured(10, 1.0, half, half + 1)
    found = uptake(neck=neck, thigh=thigh, syringe=capsule, residual=left, half_life_s=half, at_s=0.0)
    assert found.percent.startswith("24.0 ")  # 2 (130 - 10) / (1010 - 10)
    busy = Measured(65, 0.5, half, half + 1)  # the same neck, seen half of the time
    found = uptake(neck=busy, thigh=thigh, syringe=capsule, residual=left, half_life_s=half, at_s=0.0)
    assert found.percent.startswith("24.0 ")

    kidneys = Region(12_000, 100, 2_000, 50).net, Region(8_000, 100, 2_000, 50).net
    assert [each.value for each in kidneys] == [8_000, 4_000]
    assert kidneys[0].error == pytest.approx(141.42, abs=0.01)  # root of 12,000 + 4 x 2,000
    assert split(*kidneys).value == pytest.approx(2 / 3)
    assert geometric_mean(Value(3_600), Value(6_400)).value == pytest.approx(4_800)

    full, empty = Measured(40_000, 60, 0, 60), Measured(10_000, 60, 0, 60)
    assert residual_volume_ml(before=full, after=empty, voided_ml=300, half_life_s=1e12).value == pytest.approx(100)

    beat = np.array([2000, 1900, 1700, 1400, 1100, 1300, 1600, 1900])
    assert ejection_fraction(beat, np.ones(8), 500.0, harmonics=0).fraction.value == pytest.approx(0.6)
