"""Dead time, lost triggers and pile-up of simulated heads against a plain loop, whole and cut anywhere."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.camera.electronics import respond

ARRIVALS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 2), st.integers(10, 200), st.integers(-9, 9)), max_size=40
)
"""Steps of time, head, energy in keV, place."""


def plainly(
    rows: list[tuple[int, int, int, int]], threshold: int, dead: int, window: int, paralysable: bool
) -> list[tuple[int, int, float, float]]:
    """Return (row, lost before it, energy added, place of that) of what is recorded."""
    recorded: list[list[float]] = []
    last, lost, opened = {}, {}, {}
    for row, (time, head, energy, place) in enumerate(rows):
        free = time - last.get(head, -(1 << 40)) >= dead
        if energy >= threshold:
            if free or paralysable:
                last[head] = time
            if free:
                opened[head] = len(recorded)
                recorded.append([row, lost.pop(head, 0), 0.0, 0.0])
                continue
            lost[head] = lost.get(head, 0) + 1
        if head in opened and time - rows[int(recorded[opened[head]][0])][0] < window:
            found = recorded[opened[head]]
            found[2] += energy
            found[3] += energy * place
    return [(int(row), int(gone), added, moment / added if added else 0.0) for row, gone, added, moment in recorded]


def by_kernel(
    rows: list[tuple[int, int, int, int]], threshold: int, dead: int, window: int, paralysable: bool, cuts: list[int]
) -> list[tuple[int, int, float, float]]:
    """Return the same of the compiled loop, in calls that each decide up to a cut and see no more than the window."""
    times = np.array([row[0] for row in rows], np.int64)
    heads = np.array([row[1] for row in rows], np.uint8)
    places = np.array([(row[3], 0, row[2]) for row in rows], np.float32).reshape(-1, 3)
    state = np.zeros((3, 3), np.int64)
    state[:, 0] = -(1 << 40)
    found: list[tuple[int, int, float, float]] = []
    begin = 0
    for cut in [*cuts, len(rows)]:
        end = len(rows) if cut == len(rows) else max(cut, int(np.searchsorted(times, times[cut] + window)))
        part, count = slice(begin, end), end - begin
        flags, kept = np.zeros(count, np.uint8), np.zeros(count, bool)
        added, lost = np.zeros((count, 3), np.float32), np.zeros(count, np.int64)
        respond(
            times[part], heads[part].copy(), places[part].copy(), flags, cut - begin, float(threshold), dead, window,
            paralysable, state, added, lost, kept,
        )  # fmt: skip
        assert not kept[cut - begin :].any()
        assert np.array_equal(flags[kept] == 2, added[kept, 2] > 0)
        found += [
            (begin + int(row), int(lost[row]), float(added[row, 2]), round(float(added[row, 0]), 3))
            for row in np.flatnonzero(kept)
        ]
        begin = cut
    return found


@settings(max_examples=200, deadline=None)
@given(
    arrivals=ARRIVALS,
    threshold=st.integers(0, 120),
    dead=st.integers(0, 60),
    share=st.floats(0, 1),
    paralysable=st.booleans(),
    data=st.data(),
)
def test_what_is_recorded_lost_and_added_is_what_a_plain_loop_says_wherever_it_is_cut(
    arrivals: list[tuple[int, int, int, int]],
    threshold: int,
    dead: int,
    share: float,
    paralysable: bool,
    data: st.DataObject,
) -> None:
    times = np.cumsum([step for step, *_ in arrivals]).tolist()
    rows = [(time, *rest) for time, (_, *rest) in zip(times, arrivals, strict=True)]
    window = int(share * dead)
    expected = [
        (row, gone, added, round(place, 3))
        for row, gone, added, place in plainly(rows, threshold, dead, window, paralysable)
    ]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(rows) - 1), max_size=4))) if rows else []

    whole = by_kernel(rows, threshold, dead, window, paralysable, [])
    assert [row[:3] for row in whole] == [row[:3] for row in expected]
    assert np.allclose([row[3] for row in whole], [row[3] for row in expected], atol=2e-3)
    pieces = by_kernel(rows, threshold, dead, window, paralysable, cuts)
    assert pieces == whole
