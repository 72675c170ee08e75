"""The event that decides a stop, held against counting one by one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.model.order import NEVER_PS, OrderRule
from daq.model.processing import Processing
from daq.model.stop import StopCondition, parse_stop
from daq.pipeline.stages import Stages, Streams
from daq.pipeline.stopclock import StopClock
from daq.pipeline.stopping import Hit, StopCounter

kinds = st.lists(st.integers(0, 1), max_size=12)


def after(singles: int = 0, coincidences: int = 0, marks: int = 0) -> npt.NDArray[np.int64]:
    """Return the rows of each stream after the one run of a call."""
    return np.array([[singles, coincidences, marks, 0]], np.int64)


def coincidences(codes: list[int], start: int = 0) -> Streams:
    return {
        "coincidences": {
            "time_ps": np.arange(start, start + len(codes), dtype=np.int64),
            "kind": np.array(codes, np.uint8),
        }
    }


@settings(max_examples=100, deadline=None)
@given(
    st.lists(kinds, max_size=5), st.integers(1, 10), st.sampled_from(["prompts", "delayeds", "coincidences", "events"])
)
def test_the_deciding_event_is_the_kth_of_its_family(calls: list[list[int]], limit: int, family: str) -> None:
    counter = StopCounter(parse_stop([f"{family}={limit}"]))
    wanted = {"prompts": [0], "delayeds": [1]}.get(family, [0, 1])
    everything = [code for call in calls for code in call]
    places = [place for place, code in enumerate(everything) if code in wanted]

    hits, seen = [], 0
    for call in calls:
        hits.append(counter.seen(coincidences(call, seen), after(coincidences=len(call))))
        seen += len(call)

    expected = [Hit(0, places[limit - 1], f"{family}={limit}")] if len(places) >= limit else []
    assert [hit for hit in hits if hit is not None] == expected
    assert counter.counts[family] == len(places)


def test_singles_and_coincidences_are_counted_apart_and_together() -> None:
    streams = {"singles": {"time_ps": np.array([1, 2, 3], np.int64)}, **coincidences([0, 1])}
    counter = StopCounter(StopCondition())

    assert counter.seen(streams, after(3, 2)) is None
    assert counter.counts == {"events": 5, "singles": 3, "prompts": 1, "delayeds": 1, "coincidences": 2}


def test_detector_time_may_be_reached_by_a_mark_alone() -> None:
    counter = StopCounter(parse_stop(["time=5ps"]))

    assert counter.seen({"marks": {"time_ps": np.array([4], np.int64)}}, after(marks=1)) is None
    hit = counter.seen({"marks": {"time_ps": np.array([9, 2], np.int64)}}, after(marks=2))
    assert hit == Hit(0, 5, "time")


events_of_runs = st.lists(st.tuples(st.integers(0, 3), st.lists(st.integers(0, 1), max_size=3)), max_size=8)


@settings(max_examples=200, deadline=None)
@given(
    events_of_runs, st.integers(1, 12),
    st.sampled_from(["events", "singles", "prompts", "delayeds", "coincidences", "time"]),
)  # fmt: skip
def test_the_run_of_the_deciding_event_is_found_wherever_runs_are_put_into_calls(
    runs: list[tuple[int, list[int]]], limit: int, family: str
) -> None:
    text = f"time={limit}ps" if family == "time" else f"{family}={limit}"
    together, ends, clock = StopCounter(parse_stop([text])), [], 0
    singles: list[int] = []
    pairs: list[tuple[int, int]] = []
    one_by_one = []
    each = StopCounter(parse_stop([text]))
    for number, (count, codes) in enumerate(runs):
        own = list(range(clock, clock + count))
        own_pairs = [(clock + count + place, code) for place, code in enumerate(codes)]
        clock += count + len(codes)
        singles += own
        pairs += own_pairs
        ends.append([len(singles), len(pairs), 0, 0])
        hit = each.seen(_streams(own, own_pairs), after(len(own), len(own_pairs)))
        one_by_one += [] if hit is None else [hit._replace(run=number)]

    hit = together.seen(_streams(singles, pairs), np.array(ends or [[0, 0, 0, 0]], np.int64))

    assert [hit] == one_by_one[:1] or (hit is None and not one_by_one)
    assert together.counts == each.counts


def _streams(singles: list[int], pairs: list[tuple[int, int]]) -> Streams:
    return {
        "singles": {"time_ps": np.array(singles, np.int64)},
        "coincidences": {
            "time_ps": np.array([time for time, _ in pairs], np.int64),
            "kind": np.array([code for _, code in pairs], np.uint8),
        },
    }


def test_the_detector_time_of_a_pause_is_not_the_steps() -> None:
    counter = StopCounter(parse_stop(["time=5ps"]), since_ps=100)
    counter.passed({"singles": {"time_ps": np.array([110], np.int64)}}, after(1))

    assert counter.seen({"singles": {"time_ps": np.array([114], np.int64)}}, after(1)) is None
    assert counter.seen({"singles": {"time_ps": np.array([115], np.int64)}}, after(1)) == Hit(0, 115, "time")


def test_a_source_whose_clock_jumped_does_not_end_a_step_while_others_go_on() -> None:
    rule = OrderRule(max_disorder_ps=10, max_step_ps=100)
    times = np.array([1, 2, 5000, 3, 5001, 4, 30], np.int64)
    sources = np.array([0, 1, 1, 0, 1, 0, 0], np.uint16)
    ends = np.array([[k + 1, 0, 0, 0] for k in range(7)], np.int64)

    together = StopCounter(parse_stop(["time=20ps"]), rule=rule).seen({"singles": {"time_ps": times}}, ends, sources)
    one_by_one = StopCounter(parse_stop(["time=20ps"]), rule=rule)
    hits = [one_by_one.seen({"singles": {"time_ps": times[k : k + 1]}}, after(1), sources[k : k + 1]) for k in range(7)]

    assert together == Hit(6, 20, "time")
    assert hits == [None] * 6 + [Hit(0, 20, "time")]


def alone(*times_ps: int) -> list[Hit | None]:
    """Return what a limit of 20 ps says of packets of one source, an event in each."""
    counter = StopCounter(parse_stop(["time=20ps"]), rule=OrderRule(max_disorder_ps=10, max_step_ps=100))
    return [counter.seen({"singles": {"time_ps": np.array([time_ps], np.int64)}}, after(1)) for time_ps in times_ps]


def test_a_lone_source_that_jumps_tells_the_time_when_its_next_packet_agrees() -> None:
    assert alone(1, 5000, 4995) == [None, None, Hit(0, 20, "time")]


def test_one_broken_time_stamp_of_a_lone_source_ends_no_step() -> None:
    assert alone(1, 5000, 2, 9000, 3, 15, 21) == [None] * 6 + [Hit(0, 20, "time")]


def test_two_broken_time_stamps_that_disagree_end_no_step() -> None:
    assert alone(1, 9000, 5000, 2, 21) == [None] * 4 + [Hit(0, 20, "time")]


def test_stages_without_anything_to_do_give_the_rows_as_they_are() -> None:
    streams = {"singles": {"time_ps": np.array([1, 2], np.int64)}, **coincidences([0])}
    stages = Stages.of(Processing(), parse_stop(["end"]), ordered=True)

    passed = stages.singles(streams, after(2), np.zeros(1, np.uint16), np.empty(0, np.int64))

    assert passed.every is streams
    assert all(passed.chosen[stream] is streams[stream] for stream in ("singles", "coincidences"))
    assert passed.ends["singles"].tolist() == [2]
    assert stages.append_pairs({}, passed.chosen) is None
    assert (stages.counters, stages.pair_counts) == ({}, {})


def test_times_without_rows_reach_a_limit_on_time() -> None:
    counter = StopCounter(parse_stop(["time=20ps"]))
    ends, sources = np.zeros((3, 4), np.int64), np.zeros(3, np.uint16)
    assert counter.seen({}, ends, sources, np.array([5, NEVER_PS, 19])) is None
    assert counter.seen({}, ends, sources, np.array([19, 21, 30])) == (1, 20, "time")


def test_time_that_an_axis_tells_is_the_steps_and_ends_it_with_the_next_row() -> None:
    counter = StopCounter(parse_stop(["time=20ps"]))
    assert counter.seen({"singles": {"time_ps": np.array([3], np.int64)}}, after(1)) is None

    counter.tell(25)
    counter.tell(4)

    assert counter.now_ps == 25
    assert counter.seen({"singles": {"time_ps": np.array([8], np.int64)}}, after(1)) == Hit(0, 20, "time")


def test_an_axis_told_ahead_of_the_rows_does_not_let_a_clock_be_believed_that_jumped() -> None:
    """Of two sources the second one jumps; moments of axes are ahead by more than sources may be apart."""
    second, clock = 10**12, StopClock(OrderRule())
    ends, sources = np.array([[1, 0, 0], [2, 0, 0], [3, 0, 0]]), np.array([0, 1, 1], np.uint16)
    for n in range(40):
        now_ps = n * second // 20
        jumped_ps = now_ps + (1000 * second if n > 20 else 0)
        clock.tell(now_ps + second // 5)
        rows: Streams = {"singles": {"time_ps": np.array([now_ps, jumped_ps, jumped_ps])}}

        assert clock.reach(500 * second, rows, ends, sources) is None

    assert clock.heard_ps == now_ps
    assert clock.now_ps == now_ps + second // 5
