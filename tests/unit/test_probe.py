"""Rates, smoothing, dead time, background, the cue and the 10 % rule against their closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.errors import UsageError
from daq.pipeline.probe import NO_RATE, Node, PeakHold, Rate, Smoothed, corrected, cue, net, rate_of, ten_percent
from daq.pipeline.probeview import ProbeSettings, ProbeView

counted = st.lists(st.tuples(st.integers(0, 10_000), st.floats(0.01, 5.0)), min_size=1, max_size=12)


def test_a_rate_has_the_error_of_its_counts() -> None:
    assert rate_of(400, 4.0) == Rate(100.0, 5.0)


def test_a_rate_over_no_time_is_refused() -> None:
    with pytest.raises(UsageError, match="above zero"):
        rate_of(1, 0.0)


@settings(deadline=None)
@given(st.floats(1.0, 1e6), st.floats(1e-7, 1e-5))
def test_the_correction_undoes_a_dead_time_that_is_not_extended(true_per_s: float, dead_s: float) -> None:
    seen_per_s = true_per_s / (1 + true_per_s * dead_s)

    assert corrected(Rate(seen_per_s, 0.0), dead_s).per_s == pytest.approx(true_per_s, rel=1e-9)


def test_counts_in_a_window_are_lost_by_the_dead_time_of_all_pulses() -> None:
    assert corrected(Rate(100.0, 10.0), 1e-3, every_per_s=500.0) == Rate(200.0, 20.0)


def test_more_than_the_dead_time_allows_is_refused() -> None:
    with pytest.raises(UsageError, match="no input counts so fast"):
        corrected(Rate(1000.0, 1.0), 1e-3)


@settings(deadline=None)
@given(counted, st.floats(0.1, 10.0))
def test_smoothing_weighs_counts_and_time_alike(steps: list[tuple[int, float]], constant_s: float) -> None:
    smoothed = Smoothed(constant_s)
    for counts, seconds in steps:
        smoothed.add(counts, seconds)

    ends = np.cumsum([seconds for _, seconds in steps])
    weights = np.array([
        constant_s * (math.exp(-(ends[-1] - end) / constant_s) - math.exp(-(ends[-1] - end + seconds) / constant_s))
        for end, (_, seconds) in zip(ends, steps, strict=True)
    ])  # fmt: skip
    rates = np.array([counts / seconds for counts, seconds in steps])
    assert float(smoothed.per_s) == pytest.approx(float(np.average(rates, weights=weights)), rel=1e-6)


def test_a_steady_rate_is_right_from_the_first_reading_on() -> None:
    smoothed = Smoothed(5.0)
    smoothed.add(100, 0.1)

    assert float(smoothed.per_s) == pytest.approx(1000.0)
    assert float(smoothed.error_per_s) == pytest.approx(100.0)


def test_after_a_step_the_rate_has_gone_63_percent_of_the_way_in_a_time_constant() -> None:
    smoothed = Smoothed(1.0)
    for _ in range(200):
        smoothed.add(0, 0.1)
    for _ in range(10):
        smoothed.add(100, 0.1)

    assert float(smoothed.per_s) == pytest.approx(1000 * (1 - math.exp(-1)), rel=1e-3)


def test_the_error_of_a_long_smoothed_rate_is_that_of_two_time_constants() -> None:
    smoothed = Smoothed(2.0)
    for _ in range(10_000):
        smoothed.add(10, 0.01)

    assert float(smoothed.error_per_s) == pytest.approx(math.sqrt(1000 / (2 * 2.0)), rel=0.01)


def test_before_anything_came_there_is_no_rate() -> None:
    smoothed = Smoothed(1.0, (2,))
    smoothed.add([5, 5], 0.0)

    assert np.isnan(smoothed.per_s).all()
    assert not smoothed.is_credible


@pytest.mark.parametrize("constant_s", [0.0, -1.0, math.inf, math.nan])
def test_a_time_constant_that_is_none_is_refused(constant_s: float) -> None:
    with pytest.raises(UsageError, match="time constant"):
        Smoothed(constant_s)


def test_the_highest_rate_is_held_until_it_is_reset() -> None:
    peak = PeakHold((2,))
    peak.add([1.0, 5.0])
    peak.add([3.0, math.nan])
    held = peak.highest.tolist()
    peak.reset()

    assert held == [3.0, 5.0]
    assert np.isnan(peak.highest).all()


def test_net_of_background_adds_errors_in_squares() -> None:
    found = net(Rate(130.0, 4.0), Rate(30.0, 3.0))

    assert (found.per_s, found.error_per_s, found.sigmas) == (100.0, 5.0, 20.0)


def test_a_rate_without_errors_is_infinitely_sure() -> None:
    assert net(Rate(1.0, 0.0), NO_RATE).sigmas == math.inf


@pytest.mark.parametrize(("per_s", "level"), [(-5.0, 0.0), (10.0, 0.0), (100.0, 0.5), (1000.0, 1.0), (1e9, 1.0)])
def test_the_cue_rises_by_equal_ratios(per_s: float, level: float) -> None:
    found = cue(per_s, floor_per_s=10.0, ceiling_per_s=1000.0)

    assert found.level == pytest.approx(level)
    assert found.pitch_hz == pytest.approx(220.0 * 8.0**level)
    assert found.click_s == pytest.approx(1 / (1 + 9 * level))


@pytest.mark.parametrize(("floor", "ceiling"), [(0.0, 1.0), (5.0, 5.0), (7.0, 3.0)])
def test_a_cue_without_a_range_is_refused(floor: float, ceiling: float) -> None:
    with pytest.raises(UsageError, match="0 < floor < ceiling"):
        cue(1.0, floor_per_s=floor, ceiling_per_s=ceiling)


def test_nodes_with_a_tenth_of_the_hottest_are_sentinel_nodes() -> None:
    found = ten_percent([Node("1", 5000.0), Node("2", 500.0), Node("3", 499.9)], bed_per_s=100.0)

    assert ([node.name for node in found.sentinel], found.limit_per_s, found.go_on) == (["1", "2"], 500.0, False)
    assert "the bed is below it" in str(found)


def test_a_bed_above_a_tenth_asks_for_another_node() -> None:
    found = ten_percent([Node("1", 5000.0)], bed_per_s=500.0)

    assert found.go_on
    assert "look for another node" in str(found)


@pytest.mark.parametrize("nodes", [[], [Node("1", 0.0)], [Node("1", -3.0)]])
def test_the_rule_needs_a_node_above_background(nodes: list[Node]) -> None:
    with pytest.raises(UsageError, match="node"):
        ten_percent(nodes, bed_per_s=0.0)


def test_a_view_shows_a_step_its_peak_and_its_net_rate() -> None:
    view = ProbeView(ProbeSettings(dead_s=1e-5, time_constant_s=0.5, background=Rate(20.0, 1.0)))
    counts = np.cumsum([2] * 50 + [200] * 50 + [2] * 50)
    shown = [view.look(int(sum_), int(2 * sum_), 0.1 * number) for number, sum_ in enumerate(counts)]

    assert shown[0] is None
    assert shown[49] is not None
    assert shown[99] is not None
    assert shown[149] is not None
    assert shown[49].counted.per_s == pytest.approx(20.0, rel=0.01)
    assert shown[99].true.per_s == pytest.approx(2000 / (1 - 0.04), rel=0.01)
    assert shown[99].net.per_s == pytest.approx(shown[99].true.per_s - 20.0)
    assert shown[149].peak_per_s == pytest.approx(2000.0, rel=0.01)
    assert shown[149].cue.level < shown[99].cue.level


def test_a_view_shows_nothing_where_no_time_has_passed() -> None:
    view = ProbeView(ProbeSettings(dead_s=1e-6))
    view.look(5, 5, 1.0)

    assert view.look(6, 6, 1.0) is None
