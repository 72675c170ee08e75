"""A head that sends nothing for a while is found in the times of its events, and judged by what is lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_framed import S_PS, dynamic, tomo, whole_body
from support_protocols import planar
from support_study import facts, protocol, step

from daq.model.framed import Framed
from daq.model.verdict import Check, Grade
from daq.pipeline.quiet import HARDLY_PS, Quiet
from daq.qc.study import judged

MS = 10**9


def noted(times: np.ndarray, heads: np.ndarray | None, cuts: list[int]) -> Quiet:
    quiet = Quiet()
    for part in np.split(np.arange(len(times)), cuts):
        quiet.note(times[part], None if heads is None else heads[part], [0, 1])
    return quiet


@given(st.integers(0, 1000), st.lists(st.integers(0, 40_000), max_size=6), st.floats(0.0, 1.0))
def test_the_longest_gap_of_a_head_is_found_wherever_rows_are_cut(seed: int, cuts: list[int], rate: float) -> None:
    random = np.random.default_rng(seed)
    times = np.cumsum(random.exponential(50_000_000 * 1000**rate / 30, 40_000)).astype(np.int64)
    heads = random.integers(0, 2, len(times)).astype(np.uint8)
    hole = np.sort(random.integers(0, len(times), 2))
    heads[hole[0] : hole[1]] = 0
    span = (int(times[100]), int(times[-100]))
    found = noted(times, heads, sorted(cuts)).longest(1, [span])
    mine = times[(heads == 1) & (times >= span[0]) & (times <= span[1])]
    edges = np.concatenate([[span[0]], mine, [span[1]]])
    at = int(np.diff(edges).argmax())
    longest = (int(edges[at]), int(edges[at + 1]))
    assert found == (longest if longest[1] - longest[0] > HARDLY_PS else None)


def test_without_heads_all_are_of_the_first_and_a_head_without_events_is_silent_all_the_time() -> None:
    quiet = noted(np.arange(0, 1000 * MS, MS), None, [])
    assert quiet.longest(0, [(0, 999 * MS)]) is None
    assert quiet.longest(0, [(0, 1500 * MS)]) == (999 * MS, 1500 * MS)
    assert quiet.longest(1, [(0, 300 * MS), (400 * MS, 900 * MS)]) == (400 * MS, 900 * MS)


def events(series: Framed) -> list[Check]:
    found = judged([series], protocol(planar()), facts(step()))
    return [each for each in found.checks if each.name == "events"]


def silent(series: Framed, begin_s: float, end_s: float) -> Framed:
    first = replace(series.heads[0], silent_ps=(round(begin_s * S_PS), round(end_s * S_PS)))
    return replace(series, heads=(first, *series.heads[1:]))


@pytest.mark.parametrize(
    ("series", "lasted_s", "grade", "text"),
    [
        (whole_body(), 3.5, Grade.BAD, "3.5 s, from 6.0 s on; a row of the strip may lose 3.0 s"),
        (whole_body(), 2.5, Grade.DOUBTFUL, "2.5 s, from 6.0 s on; a row of the strip may lose 3.0 s"),
        (tomo(), 2.5, Grade.BAD, "2.5 s, from 6.0 s on; a view may lose 2.0 s"),
        (dynamic(), 0.6, Grade.BAD, "0.6 s, from 6.0 s on; a frame may lose 0.2 s"),
    ],
)  # fmt: skip
def test_silence_is_judged_by_what_a_row_a_view_or_a_frame_can_lose(
    series: Framed, lasted_s: float, grade: Grade, text: str
) -> None:
    (found,) = events(silent(series, 6.0, 6.0 + lasted_s))
    assert (found.grade, found.text) == (grade, f"no event of head front for {text}")
    assert events(series) == events(silent(series, 6.0, 6.4)) == []


@pytest.mark.parametrize(("bed_mm", "later_mm", "few"), [(500, 505, False), (1800, 1805, True), (1590, 1800, True)])
def test_a_sweep_beyond_the_patient_is_silent_and_no_head_has_died(
    bed_mm: float, later_mm: float, *, few: bool
) -> None:
    counts = whole_body().counts.copy()
    counts[..., :120, :] = 0  # 2.0 m to 1.4 m below the zero of the bed: nobody lies there
    counts[..., 120:122, :] //= 40  # the toes
    body = silent(whole_body(counts=counts), 6.0, 9.5)
    told = [(2 * S_PS, "position", 0xFFFF, 1, bed_mm, "bed"), (6.05 * S_PS, "position", 0xFFFF, 1, later_mm, "bed")]
    made = protocol(planar('sweep = { axis = "bed", from = "0 mm", to = "1950 mm", speed = "10 cm/min" }',
                           stop='stop.host = "30 min"', kind="whole_body"))  # fmt: skip
    found = [each for each in judged([body], made, facts(step(), marks=told)).checks if each.name == "events"]

    assert [each.grade for each in found] == ([] if few else [Grade.BAD])
