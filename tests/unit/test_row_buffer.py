"""Rows that wait: whole slices in the order in which they came, never more than there is room for."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daq.readout.rowbuffer import RowBuffer


def rows(times: list[int]) -> dict[str, Any]:
    return {"time_ps": np.array(times, np.int64), "head": np.array(times, np.uint8), "other": np.zeros(len(times))}


@given(st.lists(st.lists(st.integers(0, 200), min_size=1, max_size=5), max_size=12), st.integers(0, 200))
def test_what_is_kept_is_what_came_and_what_is_first_does_not_reach_the_time(
    slices: list[list[int]], before: int
) -> None:
    buffer = RowBuffer(("time_ps", "head"), 40)
    taken = [each for each in slices if buffer.add(rows(each))]
    kept = [time for each in taken for time in each]
    first = buffer.until(before)
    got = {name: values.copy() for name, values in buffer.first(first).items()}
    buffer.drop(first)

    assert len(kept) <= 40
    assert got["time_ps"].tolist() == kept[:first] if taken else not first
    assert all(time < before for time in kept[:first])
    left = buffer.first(len(buffer))
    assert len(buffer) == len(kept) - first
    assert left["head"].tolist() == kept[first:] if taken else not left
    begin = np.cumsum([0, *map(len, taken)]).tolist()
    assert first in begin
    following = taken[begin.index(first)] if first < len(kept) else [before]
    assert max(following) >= before
    assert buffer.until(before) == 0


def test_rows_for_which_there_is_no_room_are_not_taken() -> None:
    buffer = RowBuffer(("time_ps",), 4)

    assert buffer.add(rows([1, 2, 3]))
    assert not buffer.add(rows([4, 5]))
    assert buffer.first(3)["time_ps"].tolist() == [1, 2, 3]
