"""Frames that begin with a bolus or a trigger: found in the data for any cut of calls, and the time counts from it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_head_words import HEADS, WINDOWED, Sender, event, r_wave
from support_recording import MS, Script, content, fresh_folder, record, replayed_alike

from daq.errors import RefusedError
from daq.model.gating import FrameZero
from daq.model.stop import StopCondition, parse_stop
from daq.pipeline.stopping import StopCounter
from daq.storage.recover import recover

AT_5 = "zero=100/s over 50000000000ps of singles[photopeak]"
"""5 events within 50 ms."""


def streams(times_ms: list[int], heads: list[int] | None = None) -> dict[str, Any]:
    return {"singles": {
        "time_ps": np.array(times_ms, np.int64) * MS, "windows": np.ones(len(times_ms), np.uint16),
        "head": np.array(heads or [0] * len(times_ms), np.uint8),
    }}  # fmt: skip


def first_quick(times_ms: list[int], count: int, within_ms: int) -> int | None:
    return next(
        (at for at in range(count - 1, len(times_ms)) if times_ms[at] - times_ms[at - count + 1] <= within_ms), None
    )


@settings(deadline=None)
@given(
    apart=st.lists(st.sampled_from([1, 5, 20, 60]), min_size=1, max_size=60),
    cuts=st.lists(st.integers(1, 59), max_size=5),
    rate=st.sampled_from([(20, 100), (100, 50), (500, 10)]),
)
def test_frames_begin_with_the_event_by_which_the_rate_is_reached_wherever_calls_are_cut(
    apart: list[int], cuts: list[int], rate: tuple[int, int]
) -> None:
    times = np.cumsum(apart).tolist()
    per_s, over_ms = rate
    zero = FrameZero("count_rate", float(per_s), over_ms * MS, "photopeak")
    counter = StopCounter(StopCondition(duration_ps=30 * MS, zero=zero), windows=["photopeak"])
    found, stopped = [], []
    for begin, end in pairwise(sorted({0, len(times), *(cut for cut in cuts if cut < len(times))})):
        ends = np.column_stack([np.arange(1, end - begin + 1), *np.zeros((2, end - begin), int)])
        hit = counter.seen(streams(times[begin:end]), ends)
        found += [begin + counter.zero.run] if counter.zero is not None else []
        stopped += [(begin + hit.run, hit.time_ps // MS)] if hit is not None and not stopped else []

    first = first_quick(times, max(1, -(-per_s * over_ms // 1000)), over_ms)
    assert found == ([] if first is None else [first])
    past = [] if first is None else [at for at, ms in enumerate(times) if ms >= times[first] + 30]
    assert stopped == [(at, times[first or 0] + 30) for at in past[:1]]


def marks(folder: Path, *kinds: str) -> list[tuple[str, int, int, str]]:
    rows = content(folder)["marks"]
    return [(row["kind"], row["time_ps"] // MS, row["value"], row["text"]) for row in rows if row["kind"] in kinds]


def bolus(stop: str, **changes: Any) -> Script:
    """Ten events 50 ms apart, in the photopeak and scattered by turns, then forty 5 ms apart, each in its packet."""
    sender = Sender.new()
    for number in range(50):
        ms = 50 * number if number < 10 else 450 + 5 * (number - 9)
        sender.send([event(ms * MS, kev=100.0 if number % 2 and number < 10 else 140.5)])
    return Script(sender.datagrams, sender.arrivals_ns, profile=HEADS, processing=WINDOWED, stop=stop, **changes)


def test_the_arrival_of_a_bolus_is_marked_and_the_time_of_the_step_counts_from_it(tmp_path: Path) -> None:
    manifest = record(tmp_path / "run", bolus(f"time=100ms,{AT_5}"))

    assert marks(tmp_path / "run", "frame_zero", "stop") == [
        ("frame_zero", 475, 15, AT_5.partition("=")[2]),
        ("stop", 575, 35, "time"),
    ]
    assert manifest.steps is not None
    step = manifest.steps[0]
    assert (step.frame_zero_ps, step.end_ps, step.ended_by, step.completed) == (475 * MS, 575 * MS, "time", True)
    replayed_alike(tmp_path / "run")


def test_a_bolus_that_never_comes_ends_no_step_by_time(tmp_path: Path) -> None:
    script = bolus(f"time=10ms,{AT_5.replace('100/s', '1000/s')}", actions={50: [("stop", "operator")]})

    manifest = record(tmp_path / "run", script)

    assert marks(tmp_path / "run", "frame_zero") == []
    assert manifest.steps is not None
    assert [(step.frame_zero_ps, step.ended_by, step.completed) for step in manifest.steps] == [
        (None, "operator", False)
    ]


def test_what_ended_before_has_no_beginning_of_frames_any_more(tmp_path: Path) -> None:
    record(tmp_path / "run", bolus(f"singles=12,{AT_5}"))

    assert marks(tmp_path / "run", "frame_zero", "stop") == [("stop", 460, 12, "singles=12")]
    replayed_alike(tmp_path / "run")


def test_a_pause_does_not_see_the_bolus(tmp_path: Path) -> None:
    actions: dict[int, list[Any]] = {12: [("pause", None)], 30: [("resume", None)]}

    record(tmp_path / "run", bolus(f"time=40ms,{AT_5}", actions=actions))

    assert marks(tmp_path / "run", "frame_zero", "stop") == [
        ("frame_zero", 575, 35, AT_5.partition("=")[2]),
        ("stop", 615, 43, "time"),
    ]
    replayed_alike(tmp_path / "run")


@settings(deadline=None, max_examples=8)
@given(st.frozensets(st.integers(0, 50), max_size=6), st.frozensets(st.integers(0, 50), max_size=6))
def test_where_the_readout_cut_its_calls_is_not_seen(one: frozenset[int], other: frozenset[int]) -> None:
    with fresh_folder() as folder:
        record(folder / "one", bolus(f"time=60ms,{AT_5}", cuts=one))
        record(folder / "other", bolus(f"time=60ms,{AT_5}", cuts=other))

        assert content(folder / "one") == content(folder / "other")


def test_frames_begin_with_the_first_trigger_of_the_step(tmp_path: Path) -> None:
    sender = Sender.new()
    for number in range(20):
        words = [event(10 * number * MS)] + ([r_wave((10 * number + 3) * MS)] if number % 7 == 0 else [])
        sender.send(words)
    actions: dict[int, list[Any]] = {2: [("step", "time=50ms,zero=gate")]}
    script = Script(sender.datagrams, sender.arrivals_ns, profile=HEADS, processing=WINDOWED, actions=actions)

    record(tmp_path / "run", script)

    assert marks(tmp_path / "run", "frame_zero", "stop")[:2] == [
        ("frame_zero", 73, 8, "gate"), ("stop", 123, 14, "time"),
    ]  # fmt: skip
    replayed_alike(tmp_path / "run")


@pytest.mark.parametrize(("head", "row"), [("", 5), ("@any", 9), ("@0+1", 10)])
def test_a_rate_is_that_of_all_heads_of_any_or_of_each(head: str, row: int) -> None:
    zero = parse_stop([f"zero=300/s over 10000000000ps of singles[all]{head}"]).zero
    counter = StopCounter(StopCondition(zero=zero))
    heads, times = [0, 1, 0, 1, 1, 0, 0, 1, 1, 1, 0], [0, 20, 50, 80, 84, 88, 90, 91, 95, 98, 98]
    ends = np.column_stack([np.arange(1, 12), np.zeros((11, 2), int)])

    counter.seen(streams(times, heads), ends)

    assert counter.zero is not None
    assert counter.zero.run == row


def test_a_rate_in_a_window_that_there_is_not_is_refused() -> None:
    with pytest.raises(RefusedError, match="rate in window 'iodine', which is not there; there are all, photopeak"):
        StopCounter(StopCondition(zero=FrameZero("count_rate", 5.0, window="iodine")), windows=["photopeak"])


def test_the_beginning_of_frames_survives_a_recovery(tmp_path: Path) -> None:
    record(tmp_path / "run", bolus(f"time=100ms,{AT_5}"))
    (tmp_path / "run" / "manifest.json").write_text("no manifest any more")

    manifest = recover(tmp_path / "run", tmp_path / "back")

    assert manifest.steps is not None
    assert manifest.steps[0].frame_zero_ps == 475 * MS


@pytest.mark.parametrize(
    ("head", "heads", "cps"), [("sum", (), 200.0), ("either", (), 150.0), ("both", (0, 1), 50.0), ("both", (0, 2), 0.0)]
)
def test_the_rate_that_is_waited_for_is_told_as_it_is_compared(head: Any, heads: tuple[int, ...], cps: float) -> None:
    zero = FrameZero("count_rate", 1000.0, 20 * MS, "photopeak", head, heads)
    counter = StopCounter(StopCondition(zero=zero), windows=["photopeak"])
    assert counter.waits_cps == 0.0
    counter.seen(
        streams([1, 2, 15, 20, 21], [0, 1, 0, 0, 0]), np.column_stack([np.arange(1, 6), *np.zeros((2, 5), int)])
    )
    assert counter.waits_cps == cps
    assert StopCounter(StopCondition(zero=FrameZero("gate"))).waits_cps is None
    assert StopCounter(StopCondition()).waits_cps is None
