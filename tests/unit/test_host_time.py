"""The detector time of a moment on the host's clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daq.readout.hosttime import HostTime

MS = 10**6


def test_before_anything_came_there_is_no_detector_time() -> None:
    assert HostTime().time_ps(5) is None


def test_between_arrivals_the_clocks_run_alike() -> None:
    host = HostTime()
    host.saw(1000 * MS, 7_000_000_000)
    host.saw(1010 * MS, 17_100_000_000)

    times = [host.time_ps(at * MS) for at in (1000, 1004, 1010, 1012)]

    assert times == [7_000_000_000, 11_000_000_000, 17_100_000_000, 19_100_000_000]


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
        host.saw(n * MS, n * 10**9)

    assert host.time_ps(0) == 0
    assert len(host._pairs) < 2000


@given(
    st.lists(st.tuples(st.integers(0, 1000), st.integers(-1000, 1000)), min_size=1, max_size=50), st.integers(0, 9999)
)
def test_the_last_arrival_before_the_moment_counts(steps: list[tuple[int, int]], at: int) -> None:
    host, arrival, pairs = HostTime(), 0, []
    for step, latest in steps:
        arrival += step
        pairs.append((arrival, latest))
        host.saw(arrival, latest)

    base = max((n for n, pair in enumerate(pairs) if pair[0] <= at), default=0)

    assert host.time_ps(at) == pairs[base][1] + (at - pairs[base][0]) * 1000
