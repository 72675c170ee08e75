"""Run lengths are the published ones, and limits of estimated normals keep the stated chance."""

from __future__ import annotations

import math

import numpy as np
import pytest

from daq.qc.trend.charts import cusum, ewma
from daq.qc.trend.estimated import (
    cusum_limit_estimated,
    ewma_width_estimated,
    false_alarm_chance,
    slack_estimated,
)
from daq.qc.trend.runlength import (
    cusum_limit,
    cusum_run_length,
    cusum_run_lengths,
    ewma_run_length,
    ewma_width,
)
from daq.qc.trend.series import Rule


@pytest.mark.parametrize(
    ("weight", "width", "at_one_sigma"),
    [(0.05, 2.615, 11.4), (0.1, 2.814, 10.3), (0.2, 2.962, 10.5), (0.25, 2.998, 11.1), (0.4, 3.054, 14.3)],
)
def test_ewma_run_lengths_are_those_of_lucas_and_saccucci(weight: float, width: float, at_one_sigma: float) -> None:
    assert ewma_run_length(weight, width) == pytest.approx(500.0, rel=2e-3)
    assert ewma_run_length(weight, width, 1.0) == pytest.approx(at_one_sigma, abs=0.06)


@pytest.mark.parametrize(("limit", "two_sided", "one_sided"), [(4.0, 168.0, 335.4), (5.0, 465.0, 930.9)])
def test_cusum_run_lengths_are_those_of_montgomery(limit: float, two_sided: float, one_sided: float) -> None:
    assert cusum_run_length(0.5, limit) == pytest.approx(two_sided, rel=2e-3)
    assert cusum_run_lengths(np.array([0.5]), np.array([limit]))[0] == pytest.approx(one_sided, rel=1e-3)
    assert cusum_run_length(0.5, 4.0, 1.0) == pytest.approx(8.38, abs=0.01)


def test_an_ewma_of_weight_one_is_a_shewhart_chart() -> None:
    assert ewma_run_length(1.0, 3.0) == pytest.approx(370.4, rel=1e-3)


def test_limits_are_solved_for_a_wanted_run_length() -> None:
    assert ewma_width(0.1, 500.0) == pytest.approx(2.814, abs=1e-3)
    assert cusum_limit(0.5, 465.4) == pytest.approx(5.0, abs=1e-3)
    assert ewma_run_length(0.1, ewma_width(0.1, 1e6)) == pytest.approx(1e6, rel=1e-3)


def test_limits_of_known_normals_are_what_those_of_estimated_ones_tend_to() -> None:
    known = ewma_width(0.1, 1e5)
    chance = -math.expm1(-250 / 1e5)

    assert ewma_width_estimated(0.1, 100_000, chance, 250) == pytest.approx(known, rel=5e-3)
    assert ewma_width_estimated(0.1, 30, chance, 250) > 1.3 * known


@pytest.mark.parametrize(("results", "chance"), [(20, 0.1), (30, 0.03)])
def test_estimated_normals_alarm_as_often_as_stated(results: int, chance: float) -> None:
    random, charts, tests = np.random.default_rng(results), 12_000, 250
    first = random.standard_normal((results, charts))
    later = (random.standard_normal((tests, charts)) - first.mean(axis=0)) / first.std(axis=0, ddof=1)
    none, slack = np.zeros(charts), slack_estimated(0.5, results)
    width = np.full(charts, ewma_width_estimated(0.1, results, chance, tests))
    limit = np.full(charts, cusum_limit_estimated(slack, results, chance, tests))

    found = [
        np.isfinite(ewma(later, 0.1, width, none).first_alarms()[0]).mean(),
        np.isfinite(cusum(later, np.full(charts, slack), limit, none).first_alarms()[0]).mean(),
    ]

    assert found == pytest.approx([chance, chance], abs=4.0 * math.sqrt(chance / charts) + 0.03 * chance)


def test_textbook_limits_would_alarm_many_times_too_often_after_thirty_results() -> None:
    random, charts = np.random.default_rng(3), 4_000
    first = random.standard_normal((30, charts))
    later = (random.standard_normal((250, charts)) - first.mean(axis=0)) / first.std(axis=0, ddof=1)
    width = np.full(charts, ewma_width(0.1, 1e5))

    found = np.isfinite(ewma(later, 0.1, width, np.zeros(charts)).first_alarms()[0]).mean()

    assert found > 20 * 250 / 1e5


def test_the_rate_is_shared_by_all_charts() -> None:
    assert false_alarm_chance(250.0, 1, 250) == pytest.approx(1 - math.exp(-1))
    assert false_alarm_chance(250.0, 2245, 250) == pytest.approx(1 / 2245, rel=1e-3)


@pytest.mark.parametrize("given", [{"baseline": 19}, {"weight": 0.0}, {"slack": 9.0}, {"tests_between": 0.0}])
def test_rules_that_no_chart_can_keep_are_refused(given: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"at least|from|above"):
        Rule(**given)  # type: ignore[arg-type]
