"""The detector time of a moment on the host's clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daq.readout.hosttime import HostTime

MS = 10**6


def test_before_anything_came_there_is_no_detector_time() -> None:
    assert HostTime().time_ps(5) is None


def test_what_waited_least_on_its_way_tells_the_clocks_apart() -> None:
    host = HostTime()
    for arrival_ms, latest_ms in ((1000, 7), (1100, 117), (1200, 180), (1300, 290)):
        host.saw(arrival_ms * MS, latest_ms * 10**9)

    times = [host.time_ps(at * MS) for at in (1000, 1040, 1100, 1200, 1310)]

    assert times == [at * 10**9 for at in (7, 47, 117, 217, 327)]


def test_of_a_source_that_is_replayed_faster_than_it_was_the_last_arrival_before_the_moment_counts() -> None:
    host = HostTime()
    for n in range(10):
        host.saw(n * 100 * MS, n * 1000 * 10**9)

    assert host.time_ps(530 * MS) == 5030 * 10**9


def test_a_moment_before_the_first_arrival_is_counted_back_from_it() -> None:
    host = HostTime()
    host.saw(1000 * MS, 7_000_000_000)

    assert host.time_ps(998 * MS) == 5_000_000_000


def test_a_nanosecond_is_a_thousand_picoseconds_without_rounding() -> None:
    host = HostTime()
    host.saw(2**62, 2**60)

    assert host.time_ps(2**62 + 1) == 2**60 + 1000


def test_what_is_too_long_ago_is_forgotten_but_an_answer_is_given_all_the_same() -> None:
    host = HostTime()
    for n in range(5000):
        host.saw(100 * n * MS, 100 * n * 10**9)

    assert host.time_ps(0) == 0
    assert len(host._pairs) < 2000


def test_where_the_clock_of_the_detector_goes_back_the_times_of_before_go_on() -> None:
    host = HostTime()
    for n in range(30):
        host.saw((1000 + 100 * n) * MS, 100 * n * 10**9)
    for n in range(30, 1000):  # it began anew: the latest time of all stands still
        host.saw((1000 + 100 * n) * MS, 2900 * 10**9)

    assert host.time_ps(90_000 * MS) == 89_000 * 10**9


@given(
    st.lists(st.tuples(st.integers(50, 1000), st.integers(-1000, 1000)), min_size=1, max_size=50),
    st.integers(0, 50_000),
)
def test_nothing_that_comes_after_the_moment_changes_its_time(steps: list[tuple[int, int]], at: int) -> None:
    host, alone, arrival = HostTime(), HostTime(), 0
    for step, latest in steps:
        arrival += step * MS
        host.saw(arrival, latest)
        if arrival <= at * MS or alone.time_ps(0) is None:
            alone.saw(arrival, latest)

    assert host.time_ps(at * MS) == alone.time_ps(at * MS)
