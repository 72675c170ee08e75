"""Limits on singles by window and head: the same event decides wherever the calls were cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.errors import RefusedError, UsageError
from daq.model.stop import StopCondition, is_limit, parse_stop, window_counter
from daq.pipeline.stopping import StopCounter
from daq.pipeline.windowlimits import WindowCounts

WINDOWS = ("peak", "scatter")


def singles(masks: list[int], heads: list[int]) -> dict[str, Any]:
    return {
        "time_ps": np.arange(len(masks)) * 10, "windows": np.array(masks, np.uint16), "head": np.array(heads, np.uint8),
    }  # fmt: skip


def deciding(limit: str, masks: list[int], heads: list[int], wanted: int) -> int | None:
    """Return the row by which a counter is `wanted`, by counting one after the other."""
    counter = window_counter(limit)
    assert counter is not None
    bit = None if counter.window == "all" else WINDOWS.index(counter.window)
    there: dict[int, int] = {}
    for row, (mask, head) in enumerate(zip(masks, heads, strict=True)):
        if bit is None or mask >> bit & 1:
            there[head] = there.get(head, 0) + 1
        if counter.any_head:
            reached = max(there.values(), default=0)
        elif counter.heads:
            reached = min(there.get(each, 0) for each in counter.heads)
        else:
            reached = sum(there.values())
        if reached >= wanted:
            return row
    return None


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=60),
    limit=st.sampled_from(
        ["singles[peak]", "singles[scatter]@any", "singles[peak]@0+1", "singles[all]@2", "singles[all]"]
    ),
    wanted=st.integers(1, 12),
    cuts=st.lists(st.integers(0, 60), max_size=5),
)
def test_the_deciding_single_is_that_of_counting_one_by_one(
    rows: list[tuple[int, int]], limit: str, wanted: int, cuts: list[int]
) -> None:
    masks, heads = [row[0] for row in rows], [row[1] for row in rows]
    counts = WindowCounts({limit: wanted}, WINDOWS)
    found = None
    edges = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    for begin, end in pairwise(edges):
        for hit in counts.see(singles(masks[begin:end], heads[begin:end])):
            assert found is None
            found = begin + hit.row
            assert hit.limit == f"{limit}={wanted}"
    assert found == deciding(limit, masks, heads, wanted)


def test_the_stop_bears_the_time_and_the_run_of_the_deciding_single() -> None:
    counter = StopCounter(StopCondition({"singles[peak]@0+1": 2}), windows=WINDOWS)
    ends = np.array([[2, 0, 0], [5, 0, 0]], np.int64)
    hit = counter.seen({"singles": singles([1, 1, 1, 2, 1], [0, 0, 1, 1, 1])}, ends)
    assert hit is not None
    assert (hit.run, hit.time_ps, hit.limit) == (1, 40, "singles[peak]@0+1=2")
    assert counter.counts["singles[peak]"] == 4
    assert counter.counts["singles[peak]@0+1"] == 2
    assert counter.counts["singles[scatter]@1"] == 1


def test_the_next_step_begins_at_zero_with_the_same_windows() -> None:
    counter = StopCounter(StopCondition(), windows=WINDOWS)
    counter.seen({"singles": singles([1], [0])}, np.array([[1, 0, 0]], np.int64))
    following = counter.following(StopCondition({"singles[scatter]": 1}), since_ps=0)
    assert following.counts["singles"] == 0
    hit = following.seen({"singles": singles([2], [0])}, np.array([[1, 0, 0]], np.int64))
    assert hit is not None


def test_a_window_that_there_is_not_is_refused() -> None:
    with pytest.raises(RefusedError, match="no energy window 'iodine'; there are all, peak, scatter"):
        WindowCounts({"singles[iodine]": 5}, WINDOWS)


@pytest.mark.parametrize("text", ["singles[peak]=1k", "singles[Ga-67 93.3]@any=5", "singles[all]@1+0=2"])
def test_what_is_written_reads_back(text: str) -> None:
    stop = parse_stop([text])
    assert parse_stop([str(stop)]) == stop
    assert is_limit(str(stop))


@pytest.mark.parametrize("text", ["singles[]=1", "singles[peak]@=1", "singles[peak]@300=1", "prompts[peak]=1"])
def test_what_is_no_counter_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="possible are"):
        parse_stop([text])
