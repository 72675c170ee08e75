"""Frames that say that events were lost are told by marks: few, in time, the same wherever calls were cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support_petsys import FRAME_NS, frame, packets_of, part

from daq.listmode.tofpet2 import Tofpet2Decoder
from daq.model.events import MARKS, NO_SOURCE
from daq.model.packets import Packets
from daq.model.stop import parse_stop
from daq.storage.accounts import Accounts
from daq.storage.derive import Derivation, Rows
from daq.storage.steps import StepList
from daq.wire import petsys as p
from device_profiles.load import load_profile

PROFILE = load_profile("petsys-tofpet2-gbe")
SECOND_NS = 10**9
Mark = tuple[str, int, int, int, float]


def derivation(stop: str = "end") -> Derivation:
    return Derivation(
        Tofpet2Decoder(PROFILE.layout, PROFILE.clock), Accounts.of(PROFILE.layout, "petsys-gbe", "frame"),
        stop=parse_stop([stop]), order=PROFILE.order,
    )  # fmt: skip


def marks_in(*calls: Rows) -> list[Mark]:
    """Return kind, source, time, value and value2 of all marks; no `NaN`."""
    blocks: list[Any] = [block for rows in calls for block in rows.get("marks", [])]
    return [
        (MARKS[kind], source, time_ps, value, -1.0 if np.isnan(value2) else value2)
        for block in blocks
        for kind, source, time_ps, value, value2 in zip(
            *(block[name].tolist() for name in ("kind", "source", "time_ps", "value", "value2")), strict=True
        )
    ]


def lossy(marks: list[Mark]) -> list[tuple[int, float]]:
    return [(value, value2) for kind, _, _, value, value2 in marks if kind == "lossy"]


def study(flags: list[tuple[int, int]], *, every_ns: int = SECOND_NS // 4) -> Packets:
    """Return packets of one frame each, (events, lost flags), that arrive `every_ns`."""
    step = every_ns // FRAME_NS
    frames = [frame(k * step, events, lost=lost) for k, (events, lost) in enumerate(flags)]
    return packets_of([p.encode_data([one]) for one in frames], [k * every_ns for k in range(len(frames))])


def test_what_was_lost_is_told_before_each_clock_mark_and_at_the_end() -> None:
    packets = study([(1, 0), (1, 1), (0, 1), (2, 3), (1, 1), (1, 0), (0, 2)])
    path = derivation()
    during, last = path.rows(path.account(packets)), path.finish("end")

    marks = marks_in(during)
    assert lossy(marks) == [(3, 1.0)]
    assert marks[[kind for kind, *_ in marks].index("lossy") + 1][:2] == ("clock", NO_SOURCE)
    assert lossy(marks_in(last)) == [(2, 1.0)]
    (source,) = path.ledger().sources
    assert source.beside.lossy_frames + source.beside.lost_frames == 5


def test_a_limit_on_time_tells_what_was_lost_up_to_it_and_the_step_has_no_live_time() -> None:
    packets = study([(1, 0), (0, 0), (3, 1), (0, 0), (0, 1)], every_ns=SECOND_NS // 100)
    path = derivation("time=25ms")
    steps = StepList("time=25ms")
    calls = [path.start(), path.rows(path.account(packets)), path.finish("end")]
    for rows in calls:
        for block in rows.get("marks", []):
            steps.see_columns(block)

    kinds = [kind for kind, *_ in marks_in(*calls)]
    assert kinds.index("lossy") < kinds.index("stop") < len(kinds) - 1 - kinds[::-1].index("lossy")
    (step,) = steps.entries
    assert (step.ended_by, step.completed, step.lossy, step.live_ps) == ("time", True, 1, None)


def test_the_next_step_is_not_told_what_the_one_before_lost() -> None:
    packets = study([(1, 1), (1, 0)], every_ns=SECOND_NS // 100)
    path = derivation()
    steps = StepList("end")
    begin, first = path.start(), path.rows(path.account(packets))
    for rows in (begin, first, path.step(parse_stop(["end"])), path.finish("end")):
        for block in rows.get("marks", []):
            steps.see_columns(block)
    assert [step.lossy for step in steps.entries] == [1, 0]
    assert steps.entries[1].live_ps == 0


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=40),
    st.sets(st.integers(1, 39)),
    st.sampled_from(["end", "time=1s", "singles=3"]),
)
@settings(max_examples=40, deadline=None)
def test_where_calls_are_cut_changes_no_mark(flags: list[tuple[int, int]], cuts: set[int], stop: str) -> None:
    packets = study(flags)
    whole, cut = derivation(stop), derivation(stop)
    edges = [0, *sorted(edge for edge in cuts if edge < len(flags)), len(flags)]
    parts = [part(packets, begin, end) for begin, end in pairwise(edges)]

    at_once = marks_in(whole.rows(whole.account(packets)), whole.finish("end"))
    in_parts = [cut.rows(cut.account(some)) for some in parts]
    assert marks_in(*in_parts, cut.finish("end")) == at_once
    assert sum(value for value, _ in lossy(at_once)) == sum(lost > 0 for _, lost in flags)
