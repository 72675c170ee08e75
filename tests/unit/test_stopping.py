"""The event that decides a stop, held against counting one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.model.stop import StopCondition, parse_stop
from daq.pipeline.stages import Stage, Stages, Streams
from daq.pipeline.stopping import StopCounter

kinds = st.lists(st.integers(0, 1), max_size=12)


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
        hits.append(counter.seen(coincidences(call, seen)))
        seen += len(call)

    expected = [(f"{family}={limit}", places[limit - 1])] if len(places) >= limit else []
    assert [hit for hit in hits if hit is not None] == expected
    assert counter.counts[family] == len(places)


def test_singles_and_coincidences_are_counted_apart_and_together() -> None:
    streams = {"singles": {"time_ps": np.array([1, 2, 3], np.int64)}, **coincidences([0, 1])}
    counter = StopCounter(StopCondition())

    assert counter.seen(streams) is None
    assert counter.counts == {"events": 5, "singles": 3, "prompts": 1, "delayeds": 1, "coincidences": 2}


def test_detector_time_may_be_reached_by_a_mark_alone() -> None:
    counter = StopCounter(parse_stop(["time=5ps"]))

    assert counter.seen({"marks": {"time_ps": np.array([4], np.int64)}}) is None
    assert counter.seen({"marks": {"time_ps": np.array([9, 2], np.int64)}}) == ("time", 5)


def test_a_copy_counts_by_itself() -> None:
    counter = StopCounter(parse_stop(["prompts=2"]))
    counter.seen(coincidences([0]))
    twin = counter.copy()

    assert twin.seen(coincidences([0], 1)) == ("prompts=2", 1)
    assert counter.counts["prompts"] == 1
    assert counter.seen(coincidences([1, 0], 1)) == ("prompts=2", 2)


def test_stages_run_in_their_order_and_default_to_identity() -> None:
    order: list[str] = []

    def stage(name: str) -> Stage:
        def run(streams: Streams) -> Streams:
            order.append(name)
            return streams

        return run

    streams = coincidences([0])
    stages = Stages(frame=stage("frame"), pair=stage("pair"), window=stage("window"), calibrate=stage("calibrate"))

    assert Stages()(streams) is streams
    assert stages(streams) is streams
    assert order == ["calibrate", "window", "pair", "frame"]
