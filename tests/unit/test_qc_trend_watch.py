"""Charts of many blocks: who is flagged, since when, and how often in vain."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import convolve

from daq.qc.trend.changepoint import change_in
from daq.qc.trend.fixed import decays_like, first_beyond, first_off_yesterday
from daq.qc.trend.series import ALL, Rule, Series
from daq.qc.trend.watch import State, Watched, watch

RARELY = Rule(tests_between=20_000.0)
"""For tests that must not see one of the false alarms that a rule states."""


def series(values: np.ndarray, noise: np.ndarray | None = None, figure: str = "peak") -> Series:
    names = tuple(f"block {number}" for number in range(values.shape[1]))
    return Series(figure, "keV", names, np.arange(len(values), dtype=np.float64), values, noise)


def normal(tests: int, blocks: int, seed: int = 1) -> np.ndarray:
    return 511.0 + np.random.default_rng(seed).standard_normal((tests, blocks))


def flagged(found: list[Watched]) -> list[str]:
    return [chart.subject for each in found for chart in each.charts if chart.state is State.CHANGED]


def test_quiet_blocks_alarm_as_often_as_stated() -> None:
    rule, sets = Rule(tests_between=50.0), 24
    alarms = sum(len(flagged(watch([series(normal(280, 60, seed))], rule))) for seed in range(sets))
    low, high = stats.poisson.interval(0.999, sets * 250 / rule.tests_between)

    assert low <= alarms <= high


@pytest.mark.parametrize("method", ["ewma", "cusum"])
def test_extremes_of_many_alarm_as_often_as_stated_though_they_are_skewed(method: Literal["ewma", "cusum"]) -> None:
    random = np.random.default_rng(6)
    weights = np.array([[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]) / 16.0
    floods = convolve(random.poisson(10_000.0, (1500, 60, 44)).astype(float), weights).reshape(1500, -1)
    spread = 100.0 * np.ptp(floods, axis=1) / (floods.max(axis=1) + floods.min(axis=1))
    values = random.choice(spread, (280, 1500))
    plain = Series("ufov_integral", "%", tuple(map(str, range(1500))), np.arange(280.0), values)
    rule = Rule(tests_between=6250.0 / 1500, method=method, from_subjects=10**6)
    stated = 1500 * -np.expm1(-250 / 6250)

    counted = [
        sum(chart.state is State.CHANGED for chart in watch([each], rule)[0].charts)
        for each in (replace(plain, extreme=True), plain)
    ]

    assert counted[0] == pytest.approx(stated, abs=3 * np.sqrt(stated))
    assert counted[1] > stated + 3 * np.sqrt(stated)


def test_one_drifting_block_is_flagged_alone_with_its_beginning_and_slope() -> None:
    values = normal(300, 40)
    values[100:, 17] -= 0.02 * np.arange(200)

    found = watch([series(values)], RARELY)

    assert flagged(found) == ["block 17"]
    chart = found[0].charts[17]
    assert chart.change is not None
    assert chart.change.kind == "drift"
    assert chart.change.earliest <= 100 <= chart.change.latest
    assert chart.change.per_year == pytest.approx(-0.02 * 365.25, abs=4 * chart.change.per_year_error)
    assert chart.change.p < 1e-6


def test_what_all_have_in_common_is_one_change_and_no_block_is_to_blame() -> None:
    values = normal(300, 40) - 3.0 * (np.arange(300) >= 150)[:, None]

    found = watch([series(values)], RARELY)

    assert flagged(found) == [ALL]
    chart = found[0].charts[-1]
    assert chart.alarm is not None
    assert chart.alarm.day <= 154
    assert chart.change is not None
    assert (chart.change.kind, chart.change.day) == ("shift", 150.0)
    assert chart.change.level_now - chart.change.level_before == pytest.approx(-3.0, abs=0.2)


def test_a_wave_of_the_room_within_the_tolerance_is_no_change_and_without_one_it_is() -> None:
    wave = 2.0 * np.sin(2.0 * np.pi * np.arange(300) / 250.0)
    values = normal(300, 40) + wave[:, None]

    assert flagged(watch([series(values)], RARELY, (), {"peak": 4.0})) == []
    assert ALL in flagged(watch([series(values)], RARELY))


def test_results_that_hang_together_widen_the_limits_and_it_is_said() -> None:
    random = np.random.default_rng(5)
    values = np.zeros((400, 1))
    for at in range(1, 400):
        values[at] = 0.8 * values[at - 1] + random.standard_normal()

    chart = watch([series(values + 511.0)], RARELY)[0].charts[0]

    assert chart.correlation > 0.5
    assert chart.sigma > 2.0 * values[:30].std()


def test_one_bad_day_is_no_change_and_no_part_of_the_normal() -> None:
    values = normal(200, 1)
    values[10] += 40.0
    values[120] -= 40.0

    chart = watch([series(values)], RARELY)[0].charts[0]

    assert chart.state is State.STEADY
    assert (chart.left_out, chart.results) == (1, 29)
    assert chart.mean == pytest.approx(511.0, abs=0.8)


def test_after_a_service_a_new_normal_begins() -> None:
    values = normal(300, 1)
    values[150:] += 20.0

    without, with_event = (watch([series(values)], RARELY, events)[0].charts[0] for events in ((), (149.5,)))

    assert without.state is State.CHANGED
    assert with_event.state is State.STEADY
    assert (with_event.begun, with_event.mean) == (150.0, pytest.approx(531.0, abs=0.8))


def test_an_alarm_before_a_service_is_remembered_and_few_results_after_it_are_learnt_from() -> None:
    values = normal(200, 1)
    values[100:180] += 9.0

    chart = watch([series(values)], RARELY, (180.0,))[0].charts[0]

    assert chart.state is State.LEARNING
    assert chart.results == 20
    assert [alarm.side for alarm in chart.earlier] == [1]


def test_missing_results_and_empty_series_are_taken_as_they_are() -> None:
    values = normal(300, 12)
    values[40:90, 3] = np.nan
    values[:, 4] = np.nan
    values[200:, 5] = np.nan

    found = watch([series(values), series(np.empty((0, 3)))], RARELY)

    assert flagged(found) == []
    assert [found[0].charts[at].state for at in (3, 4)] == [State.STEADY, State.LEARNING]
    assert found[1].charts == ()


def test_spread_is_not_taken_below_counting_noise_and_grows_as_the_source_fades() -> None:
    values = np.full((100, 1), 511.0) + 1e-6 * normal(100, 1)
    noise = np.full((100, 1), 0.5)

    assert watch([series(values, noise)], RARELY)[0].charts[0].sigma == pytest.approx(0.5)
    fading = np.geomspace(1.0, 4.0, 400)[:, None]
    spread = 511.0 + fading * np.random.default_rng(2).standard_normal((400, 60))
    assert flagged(watch([series(spread, np.repeat(fading, 60, axis=1))], RARELY)) == []
    assert flagged(watch([series(spread)], RARELY)) != []


def test_the_day_of_a_shift_is_within_its_range_nineteen_times_of_twenty() -> None:
    random, days, hits = np.random.default_rng(8), np.arange(120.0), 0
    for _ in range(200):
        change = change_in(days, random.standard_normal(120) + 1.0 * (days >= 60))
        assert change is not None
        hits += change.kind == "shift" and change.earliest <= 60 <= change.latest

    assert hits >= 200 * 0.87


def test_too_few_results_have_no_change() -> None:
    assert change_in(np.arange(7.0), np.arange(7.0)) is None


def test_fixed_limits_and_yesterday_see_steps_and_not_drifts() -> None:
    drift = np.linspace(100.0, 84.0, 400)[:, None]
    step = np.where(np.arange(400) < 50, 100.0, 94.0)[:, None]
    step[49] = np.nan

    assert first_beyond(drift, below=95.0)[0] == 125
    assert math.isnan(first_off_yesterday(drift, 5.0)[0])
    assert first_off_yesterday(step, 5.0)[0] == 50
    assert math.isnan(first_beyond(np.empty((0, 1)))[0])


def test_a_figure_that_falls_as_its_source_does_is_told_and_an_absolute_one_is_not() -> None:
    days, random = np.arange(200.0), np.random.default_rng(4)
    counted = 2e4 * np.exp2(-days / 270.95) * (1 + 0.005 * random.standard_normal(200))
    absolute = 20.0 * (1 + 0.005 * random.standard_normal(200))

    assert decays_like(days, counted, 270.95)
    assert not decays_like(days, counted, 271.74 * 3)
    assert not decays_like(days, absolute, 270.95)
    assert not decays_like(days[:8], counted[:8], 270.95)
