"""A ring that drifts as a published one did, one block that does, and quiet years: when charts alarm, and in vain."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from daq.composition.qc.reporttrend import Fixed, Trend, trend_of
from daq.model.qc.limits import Bounds
from daq.qc.trend.fixed import first_beyond, first_off_yesterday
from daq.qc.trend.series import ALL, Rule, Series
from simulators.qc_series import FIGURES, Results, Ring, Scenario, simulate

FIVE_PERCENT = Fixed(Bounds(below=-5.0, above=5.0), of="reference-percent")
TESTS_BETWEEN = 250.0


def trends(scenario: Scenario, years: float, seed: int, ring: Ring | None = None) -> tuple[Results, dict[str, Trend]]:
    results = simulate(scenario, years, seed, ring)
    found = {}
    for figure, unit in FIGURES:
        names = tuple(f"block {number}" for number in range(results.values[figure].shape[1]))
        series = Series(figure, unit, names, results.days, results.values[figure], results.noise[figure])
        fixed = FIVE_PERCENT if (series.values > 0.0).all() else None
        found[figure] = trend_of(series, fixed, (), Rule(tests_between=TESTS_BETWEEN * len(FIGURES)))
    return results, found


def alarm_day(trend: Trend, subject: str) -> float | None:
    chart = trend.watched.charts[trend.watched.subjects.index(subject)]
    return None if chart.alarm is None else chart.alarm.day


def fixed_day(results: Results, figure: str) -> tuple[float, float]:
    """Return the day on which the middle block, and the first block, is 5 % off the first result."""
    values = results.values[figure]
    middle = np.median(values, axis=1, keepdims=True)
    first = [first_beyond(each, below=0.95 * each[0], above=1.05 * each[0]) for each in (middle, values)]
    return float(results.days[int(first[0][0])]), float(results.days[int(np.nanmin(first[1]))])


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.soak), pytest.param(3, marks=pytest.mark.soak)])
def test_the_published_drift_is_flagged_years_before_a_fixed_limit_and_yesterday_never_sees_it(seed: int) -> None:
    results, found = trends("drift", 5.0, seed, Ring(blocks=48))
    values = results.values["block_peak"]

    peak, sensitivity = (alarm_day(found[name], ALL) for name in ("block_peak", "block_sensitivity"))

    assert peak is not None
    assert sensitivity is not None
    assert peak < 260
    assert sensitivity < 700
    assert fixed_day(results, "block_peak")[0] > peak + 600
    assert fixed_day(results, "block_peak")[1] > peak
    assert fixed_day(results, "block_sensitivity")[0] > sensitivity + 400
    assert np.isnan(first_off_yesterday(np.median(values, axis=1, keepdims=True), 5.0)[0])
    change = next(chart for chart in found["block_peak"].changed if chart.subject == ALL).change
    assert change is not None
    assert change.per_year == pytest.approx(-43.0 / 5.0, rel=0.08)


def test_one_block_that_drifts_is_flagged_within_months_and_alone() -> None:
    results, found = trends("block", 2.0, 1, Ring(blocks=48))

    peak = alarm_day(found["block_peak"], "block 17")

    assert peak is not None
    assert peak < 180
    assert [chart.subject for chart in found["block_peak"].changed] == ["block 17"]
    first = first_beyond(results.values["block_peak"][:, [17]], below=0.95 * results.values["block_peak"][0, 17])
    assert np.isnan(first[0])


@pytest.mark.soak
def test_twenty_quiet_years_have_no_more_false_alarms_than_stated() -> None:
    alarms, tests = 0, 0
    for seed in range(100, 120):
        results, found = trends("quiet", 1.0, seed)
        alarms += sum(len(trend.changed) for trend in found.values())
        tests += len(results.days) - Rule().baseline
    high = stats.poisson.interval(0.99, tests / TESTS_BETWEEN)[1]

    assert alarms <= high


@pytest.mark.soak
def test_twenty_years_of_independent_results_have_as_many_false_alarms_as_stated() -> None:
    random, names = np.random.default_rng(7), tuple(f"block {number}" for number in range(448))
    alarms = 0
    for _ in range(20):
        for _ in range(5):
            values = 511.0 + random.standard_normal((280, 448))
            series = Series("peak", "keV", names, np.arange(280.0), values)
            alarms += len(trend_of(series, None, (), Rule(tests_between=5 * TESTS_BETWEEN)).changed)
    low, high = stats.poisson.interval(0.99, 20 * 250 / TESTS_BETWEEN)

    assert low <= alarms <= high
