"""Steps that end after so many beats: those that framing takes, by the gate of the step, for any cut of calls."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_head_words import HEADS, WINDOWED, Sender, beats, event, r_wave
from support_recording import MS, Script, content, record, replayed_alike

from daq.model.events import MARKS
from daq.model.gating import Gate
from daq.model.stop import StopCondition
from daq.pipeline.beatcount import BeatCount
from daq.pipeline.stopping import StopCounter
from daq.pipeline.timetable import LAST_PS, without
from daq.pipeline.timetablegate import judged

GATED = "gate=ecg 8 percent forward 20% learn 3 skip 1"
GATES = st.builds(
    Gate,
    trigger=st.just("ecg"), bins=st.just(8), framing=st.sampled_from(["time", "percent"]),
    direction=st.just("forward"), tolerance_percent=st.sampled_from([None, 10.0, 30.0]),
    interval_ps=st.sampled_from([None, None, (600 * MS, 1100 * MS)]), learn=st.integers(1, 6), skip=st.integers(0, 3),
)  # fmt: skip


def triggers(times_ps: list[int]) -> dict[str, Any]:
    codes = np.full(len(times_ps), MARKS.index("cardiac_trigger"), np.uint8)
    return {"marks": {
        "time_ps": np.array(times_ps, np.int64), "kind": codes, "source": np.zeros(len(times_ps), np.uint16),
    }}  # fmt: skip


def ends(rows: int) -> Any:
    return np.column_stack([np.zeros((rows, 2), int), np.arange(1, rows + 1)])


@settings(deadline=None)
@given(
    gate=GATES,
    intervals=st.lists(st.sampled_from([800, 800, 850, 900, 1000, 1300, 500, 120, 3000]), min_size=1, max_size=60),
    cuts=st.lists(st.integers(1, 60), max_size=5),
    gaps=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 700)), max_size=3, unique_by=lambda gap: gap[0]),
    pause=st.none() | st.tuples(st.integers(1, 30), st.integers(1, 10)),
)
def test_the_beats_that_are_counted_are_those_that_framing_takes(
    gate: Gate, intervals: list[int], cuts: list[int], gaps: list[tuple[int, int]], pause: tuple[int, int] | None
) -> None:
    times = beats(intervals, from_ms=40)
    holes = sorted((run, times[run] + ms * MS) for run, ms in gaps if run < len(times) - 1)
    told = [(run + 1, gap_ps) for run, gap_ps in holes]  # with the packet of the trigger that ends the beat
    pauses = [] if pause is None or pause[0] >= len(times) else [pause[0]]
    resumes = [] if not pauses or pause is None or sum(pause) >= len(times) else [sum(pause)]
    counter = BeatCount(gate, None, since_ps=0)
    edges = sorted({0, len(times), *pauses, *resumes, *(cut for cut in cuts if cut < len(times))})
    for begin, end in pairwise(edges):
        if begin in pauses:
            counter.pause(times[begin] - 1)
        if begin in resumes:
            counter.resume(times[begin] - 1)
        here = [(run - begin, gap_ps) for run, gap_ps in told if begin <= run < end]
        counter.see(triggers(times[begin:end]), ends(end - begin), here)

    spans = [(times[pauses[0]], times[resumes[0]] if resumes else LAST_PS)] if pauses else []
    active = without((0, LAST_PS), spans)
    found = judged(np.array(times), active, gate, gaps_ps=[gap_ps for _, gap_ps in holes], ended=False)
    assert counter.count == (int(found.taken.sum()) if found.known else 0)
    assert counter.triggers == len(times)


def run(folder: Path, intervals_ms: list[int], stop: str, **changes: Any) -> Path:
    """Record triggers with an event after each, a packet of each source; source 1 tells the same R waves later."""
    sender = Sender.new()
    for number, time_ps in enumerate(beats(intervals_ms)):
        sender.send([r_wave(time_ps, number), event(time_ps + 10 * MS)], lost=changes.get("lost", {}).get(number, 0))
        sender.send([event(time_ps + 11 * MS, head=1), r_wave(time_ps + 30 * MS, number)], source=1)
    changes.pop("lost", None)
    script = Script(
        sender.datagrams, sender.arrivals_ns, profile=HEADS, processing=WINDOWED, stop=stop, **changes
    )  # fmt: skip
    record(folder / "run", script)
    replayed_alike(folder / "run")
    return folder / "run"


def stops(folder: Path) -> list[tuple[int, int, str]]:
    rows = content(folder)["marks"]
    return [(row["time_ps"] // MS, row["value"], row["text"]) for row in rows if row["kind"] == "stop"]


def test_a_step_ends_with_the_trigger_that_completes_its_last_beat(tmp_path: Path) -> None:
    # 3 are learned; 1500 and the beat after it are not taken: 7 are with the tenth trigger
    folder = run(tmp_path, [800, 800, 800, 800, 1500, 800, 800, 800, 800, 800], f"beats=7,{GATED}")

    assert stops(folder) == [(800 * 8 + 1500, 2 * 9 + 1, "beats=7")]


def test_a_beat_with_a_gap_is_not_taken(tmp_path: Path) -> None:
    folder = run(tmp_path, [800] * 10, f"beats=7,{GATED.replace('skip 1', 'skip 0')}", lost={5: 3})

    assert stops(folder) == [(800 * 8, 2 * 8 + 1, "beats=7")]


def test_a_beat_in_a_pause_is_not_taken(tmp_path: Path) -> None:
    actions: dict[int, list[Any]] = {9: [("pause", None)], 13: [("resume", None)]}

    folder = run(tmp_path, [800] * 12, f"beats=7,{GATED}", actions=actions)

    assert stops(folder) == [(800 * 10, 21, "beats=7")]


def test_the_beats_of_the_next_step_begin_at_nothing() -> None:
    gate = Gate("ecg", 8, "percent", "forward", None)
    counter = StopCounter(StopCondition({"beats": 2}, gate=gate))
    hit = counter.seen(triggers(beats([800, 800])), ends(3))
    counts = counter.counts["beats"]
    following = counter.following(StopCondition({"beats": 2}, gate=gate), since_ps=0)
    after = following.seen(triggers(beats([800], from_ms=1700)), ends(2))

    assert (hit, counts) == ((2, 1600 * MS, "beats=2"), 2)
    assert (after, following.counts["beats"]) == (None, 1)


@pytest.mark.parametrize("noise_ms", [40, 3000])
def test_triggers_that_are_no_beats_are_bounded_and_teach_nothing(noise_ms: int) -> None:
    counter = BeatCount(Gate("ecg", 8, "percent", "forward", 20.0), 5, since_ps=0)
    times = beats([noise_ms] * 2000)

    assert counter.see(triggers(times), ends(len(times))) is None
    assert counter.count == 0
