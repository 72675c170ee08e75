"""Count rates and sensitivity: closed forms are recovered within counting; nothing is read off beyond the points."""

from __future__ import annotations

import math

import numpy as np
import pytest

from daq.errors import RefusedError
from daq.model.nuclide_table import nuclide
from daq.qc.camera.rate import Rates, count_rate, rate_at_loss, two_sources
from daq.qc.camera.sensitivity import Counted, difference_percent, net_activity_mbq, system_sensitivity

TAU = 2e-6


def curve(
    low: float, high: float, *, model: str = "paralyzable", seed: int = 1, seconds: float = 10.0, points: int = 25
):  # type: ignore[no-untyped-def]
    activity = np.geomspace(low, high, points)
    true = 5e5 * activity
    observed = true * np.exp(-true * TAU) if model == "paralyzable" else true / (1 + true * TAU)
    counts = np.random.default_rng(seed).poisson(observed * seconds)
    return Rates(activity, counts / seconds, np.sqrt(counts) / seconds)


def test_the_rate_at_20_percent_loss_and_the_maximum_are_those_of_2_microseconds() -> None:
    found = count_rate(curve(0.02, 2.0))
    assert found.dead_time.model == "paralyzable"
    assert found.dead_time.dead_time_s == pytest.approx(TAU, abs=4 * found.dead_time.dead_time_noise_s)
    assert found.at_loss is not None
    assert found.at_loss.observed_cps == pytest.approx(89_257, abs=4 * found.at_loss.noise_cps)
    assert found.at_loss.noise_cps < 300
    assert found.maximum is not None
    assert found.maximum.observed_cps == pytest.approx(183_940, rel=2e-3)
    assert found.maximum.true_cps == pytest.approx(1 / TAU, rel=0.05)
    assert rate_at_loss("paralyzable", TAU) == pytest.approx(89_257, abs=1)


def test_a_detector_that_is_not_paralyzed_has_no_maximum_and_none_is_told() -> None:
    found = count_rate(curve(0.02, 2.0, model="non-paralyzable"))
    assert found.dead_time.model == "non-paralyzable"
    assert found.at_loss is not None
    assert found.at_loss.observed_cps == pytest.approx(100_000, abs=4 * found.at_loss.noise_cps)
    assert found.maximum is None
    assert "the maximum was not measured" in found.why[0]


def test_a_curve_that_does_not_reach_what_is_asked_says_so() -> None:
    found = count_rate(curve(0.01, 0.15))
    assert (found.at_loss, found.maximum) == (None, None)
    assert "the largest loss is 14 %" in found.why[0]
    assert found.dead_time.dead_time_s == pytest.approx(TAU, abs=4 * found.dead_time.dead_time_noise_s)


def test_no_loss_too_few_points_and_what_is_no_number_are_refused() -> None:
    activity = np.geomspace(0.01, 1.0, 10)
    with pytest.raises(RefusedError, match="no loss of counts"):
        count_rate(Rates(activity, 100 * activity, np.full(10, 1e-3)))
    with pytest.raises(RefusedError, match="4 points"):
        Rates(activity[:4], activity[:4], activity[:4])
    with pytest.raises(RefusedError, match="all of them finite"):
        Rates(activity, np.where(activity > 0.5, np.nan, 1.0), activity)


@pytest.mark.parametrize("model", ["paralyzable", "non-paralyzable"])
def test_two_sources_tell_the_dead_time(model: str) -> None:
    def observed(n: float) -> float:
        return n * math.exp(-n * TAU) if model == "paralyzable" else n / (1 + n * TAU)

    rates = [np.array([observed(n), 30.0]) for n in (60_500.0, 100_500.0, 40_500.0, 500.0)]
    found, noise = two_sources(*rates, model)  # type: ignore[arg-type]
    assert found == pytest.approx(TAU, rel=1e-6)
    assert 1e-9 < noise < 5e-8
    with pytest.raises(RefusedError, match="lose nothing"):
        two_sources(*(np.array([n, 1.0]) for n in (100.0, 210.0, 100.0, 0.0)), model)  # type: ignore[arg-type]


def test_sensitivity_takes_off_background_and_decay_before_and_during() -> None:
    tc = nuclide("Tc-99m")
    began_s, lasts_s, per_mbq = 3600.0, 1800.0, 75.0
    at_start = 40.0 * tc.activity_factor(began_s)
    decays_mbq = tc.decays_between(at_start, 0.0, lasts_s)
    counts = per_mbq * decays_mbq + 20.0 * lasts_s
    found = system_sensitivity(tc, Counted(counts, lasts_s, lasts_s), 40.0, began_s, Counted(12_000, 600.0, 600.0))
    assert found.cps_per_mbq == pytest.approx(per_mbq, rel=1e-9)
    assert found.activity_mbq == pytest.approx(at_start)
    assert found.noise == pytest.approx(math.sqrt(counts / lasts_s**2 + 12_000 / 600.0**2) / (decays_mbq / lasts_s))
    plain = counts / lasts_s / 40.0
    assert plain < 0.9 * per_mbq  # what comes of leaving both decays out


def test_a_residual_is_decayed_to_the_assay_and_heads_are_compared() -> None:
    tc = nuclide("Tc-99m")
    assert net_activity_mbq(tc, 100.0, 5.0, 3600.0) == pytest.approx(100.0 - 5.0 / tc.activity_factor(3600.0))
    with pytest.raises(RefusedError, match="leaves nothing"):
        net_activity_mbq(tc, 5.0, 5.0, 60.0)
    found = [system_sensitivity(tc, Counted(n, 100.0, 100.0), 10.0, 0.0, None) for n in (98_000, 102_000)]
    value, noise = difference_percent(found)
    assert value == pytest.approx(4.0, abs=1e-9)
    assert 0.2 < noise < 0.6


def test_a_source_that_is_not_there_is_refused() -> None:
    tc = nuclide("Tc-99m")
    with pytest.raises(RefusedError, match="nothing is left"):
        system_sensitivity(tc, Counted(100, 10.0, 10.0), 10.0, 0.0, Counted(100, 10.0, 10.0))
    with pytest.raises(RefusedError, match="activity of nan"):
        system_sensitivity(tc, Counted(100, 10.0, 10.0), math.nan, 0.0, None)
    with pytest.raises(RefusedError, match="no measurement of a rate"):
        Counted(10, 0.0, 1.0)
