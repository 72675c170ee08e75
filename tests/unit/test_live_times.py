"""The live time of each source in a step: dead time as its marks tell it, and the time before it was lost."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.storage.livetimes import LiveTimes
from daq.storage.steps import StepList

S = 10**12
NAN = math.nan


def steps_of(*marks: tuple[str, float, int, float, str], stop: str = "end") -> StepList:
    """Show marks (kind, seconds, source, value2, text) to a list of steps that began at 0."""
    steps = StepList(stop)
    steps.see("start", 0, NAN, "")
    for kind, seconds, source, value2, text in marks:
        steps.see(kind, round(seconds * S), value2, text, source=source)
    return steps


def live(steps: StepList, step: int = 0) -> tuple[float | None, dict[int, float]]:
    entry = steps.entries[step]
    whole = None if entry.live_ps is None else entry.live_ps / S
    return whole, {source: each / S for source, each in entry.source_live_ps.items()}


def test_without_dead_time_and_losses_the_live_time_is_the_steps() -> None:
    steps = steps_of(("source_start", 0, 0, NAN, ""), ("source_start", 0, 1, NAN, ""), ("stop", 10, 65535, NAN, "end"))

    assert live(steps) == (10.0, {})


def test_each_interval_counts_with_the_share_of_the_mark_that_ends_it() -> None:
    steps = steps_of(
        ("source_start", 0, 0, NAN, ""), ("dead_time", 1, 0, 0.9, ""), ("dead_time", 3, 0, 0.5, ""),
        ("stop", 4, 65535, NAN, "time"),
    )  # fmt: skip

    assert live(steps) == (pytest.approx(0.9 + 1.0 + 0.5), {0: pytest.approx(2.4)})


def test_of_a_mark_whose_interval_began_before_the_step_only_the_part_in_it_counts() -> None:
    steps = steps_of(
        ("source_start", 0, 0, NAN, ""), ("dead_time", 1, 0, 0.9, ""), ("step", 1.5, 65535, NAN, "time=2s"),
        ("dead_time", 2, 0, 0.8, ""), ("stop", 3.5, 65535, NAN, "time"),
    )  # fmt: skip

    assert live(steps, 1)[1] == {0: pytest.approx(0.5 * 0.8 + 1.5 * 0.8)}


def test_a_pause_counts_for_nobody() -> None:
    steps = steps_of(
        ("source_start", 0, 0, NAN, ""), ("dead_time", 1, 0, 0.5, ""), ("pause", 2, 65535, NAN, ""),
        ("dead_time", 3, 0, 0.5, ""), ("resume", 5, 65535, NAN, ""), ("dead_time", 6, 0, 0.5, ""),
        ("stop", 8, 65535, NAN, "time"),
    )  # fmt: skip

    assert live(steps)[1] == {0: pytest.approx(0.5 * 5)}


def test_a_source_that_is_lost_lives_until_then_and_the_others_go_on() -> None:
    steps = steps_of(
        ("source_start", 0, 0, NAN, ""), ("source_start", 0, 1, NAN, ""), ("source_end", 4, 1, NAN, ""),
        ("step", 6, 65535, NAN, "end"), ("stop", 10, 65535, NAN, "end"),
    )  # fmt: skip

    assert live(steps) == (None, {0: 6.0, 1: 4.0})
    assert live(steps, 1) == (None, {0: 4.0, 1: 0.0})


def test_silence_counts_from_when_it_was_last_heard_until_it_is_heard_again() -> None:
    steps = steps_of(
        ("source_start", 0, 0, NAN, ""), ("source_start", 0, 1, NAN, ""), ("silent", 5, 1, 1.5, ""),
        ("silent", 6, 0, 2.1, "service"), ("heard", 7, 1, NAN, ""), ("stop", 10, 65535, NAN, "end"),
    )  # fmt: skip

    assert live(steps) == (None, {0: 10.0, 1: 6.5})


def test_where_the_marks_cannot_tell_there_is_no_live_time_of_a_source_either() -> None:
    steps = StepList("end")
    steps.see("start", 0, NAN, "")
    steps.see("dead_time", S, 0.5, "", source=0)
    steps.see("gap", S, NAN, "", value=7, source=0)
    steps.see("stop", 2 * S, NAN, "end")

    assert live(steps) == (None, {})


def test_one_that_tells_its_dead_time_and_has_not_yet_is_left_out() -> None:
    steps = steps_of(
        ("source_start", 0, 0, NAN, ""), ("source_start", 0, 1, NAN, ""), ("dead_time", 1, 0, 0.25, ""),
        ("stop", 2, 65535, NAN, "end"),
    )  # fmt: skip

    assert live(steps) == (None, {0: 0.5})


def test_a_mark_beyond_the_end_of_the_step_counts_up_to_there() -> None:
    steps = steps_of(("source_start", 0, 0, NAN, ""), ("dead_time", 34, 0, 0.5, ""), ("stop", 2, 65535, NAN, "time"))

    assert live(steps) == (1.0, {0: 1.0})


def test_the_mark_that_tells_of_a_silence_says_nothing_of_the_time_after_it() -> None:
    steps = steps_of(
        ("source_start", 0, 0, NAN, ""), ("dead_time", 1, 0, 0.9, ""), ("silent", 1, 0, 0.0, ""),
        ("silent", 1, 1, 0.0, ""), ("dead_time", 4, 0, 0.2, ""), ("dead_time", 4, 1, 0.2, ""),
        ("heard", 4, 0, NAN, ""), ("heard", 4, 1, NAN, ""), ("stop", 5, 65535, NAN, "time"),
    )  # fmt: skip

    assert live(steps) == (None, {0: pytest.approx(1.8)})
    assert steps.live_shares == {0: 0.9}


@given(
    st.lists(st.tuples(st.integers(1, 10 * S), st.floats(0, 1)), min_size=1, max_size=8), st.integers(0, 5 * S),
)  # fmt: skip
def test_live_time_is_the_sum_of_intervals_by_their_shares(told: list[tuple[int, float]], tail_ps: int) -> None:
    times = LiveTimes()
    times.begin()
    at_ps, expected = 0, 0.0
    for length_ps, share in told:
        at_ps += length_ps
        expected += length_ps * share
        times.see("dead_time", 3, at_ps, share, "")
    expected += tail_ps * told[-1][1]

    assert times.end(at_ps + tail_ps) == {3: pytest.approx(expected, abs=1 + 1e-9 * expected)}
