"""The steps of a recording are told by its marks: live, recovered and replayed alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_recording import (
    MS,
    Action,
    Feeder,
    Script,
    act,
    actions,
    content,
    fresh_folder,
    packet,
    record,
    recorder,
    replayed_alike,
    single,
    streams,
)

from daq.errors import StorageFullError
from daq.model.stop import is_limit
from daq.storage.info import describe, info_text
from daq.storage.listing import load_manifest
from daq.storage.reader import open_listmode
from daq.storage.recording import Recording
from daq.storage.recover import recover
from daq.storage.replaying import rewrite
from daq.storage.steps import MOVING, WHOLE, StepList, steps_of

Told = tuple[int, str, bool, str | None, str | None, bool]
NAN = float("nan")
every_action = actions("flush", "mark", "step", "moving step", "pause", "resume", "stop", "whole", "lose")


def told(steps: Any) -> list[Told]:
    return [(step.number, step.name, step.moving, step.stop, step.ended_by, step.completed) for step in steps]


@pytest.mark.parametrize(
    ("stop", "by", "value2", "completed"),
    [
        ("prompts=500", "prompts=500", NAN, True),
        ("prompts=500,time=20ps", "time", NAN, True),
        ("host=20s", "host", NAN, True),
        ("prompts=500", "operator", NAN, False),
        ("prompts=500", "end", NAN, False),
        ("end", "operator", NAN, True),
        ("end", "end", NAN, True),
        ("end", "the bed has arrived", NAN, False),
        ("end", "the bed has arrived", WHOLE, True),
        ("prompts=500", "operator", WHOLE, True),
        ("end", "fault", NAN, False),
        ("end", "disk", NAN, False),
        ("end", "stalled", NAN, False),
        ("end", "silent", NAN, False),
        ("end", "unattended", NAN, False),
        ("end", "motion lost", NAN, False),
        (None, "operator", NAN, False),
        (None, "time", NAN, True),
    ],
)
def test_when_a_step_is_completed(stop: str | None, by: str, value2: float, completed: bool) -> None:
    steps = StepList(stop)
    steps.see("start", 0, NAN, "")
    steps.see("stop", 70, value2, by)
    steps.see("stop", 90, WHOLE, "time")  # it has ended

    (step,) = steps.entries
    assert (step.begin_ps, step.end_ps, step.ended_by, step.completed) == (0, 70, by, completed)


def test_a_step_ends_by_the_next_one_by_lost_motion_or_not_at_all() -> None:
    steps = StepList("end")
    steps.see("stop", 0, NAN, "operator")  # of nothing
    steps.see("start", 0, NAN, "bed 1")
    steps.see("step", 10, MOVING, "sweep: feet first: end")
    steps.see("motion_lost", 20, NAN, "the bed stands still")
    steps.see("stop", 20, NAN, "motion lost")
    steps.see("step", 30, NAN, "prompts=5")
    steps.see("step", 40, NAN, "end")
    steps.see("step", 50, NAN, "x: end")

    assert told(steps.entries) == [
        (1, "bed 1", False, "end", "next step", True),
        (2, "sweep: feet first", True, "end", "motion lost", False),
        (3, "", False, "prompts=5", "next step", False),
        (4, "", False, "end", "next step", True),
        (5, "x", False, "end", None, False),
    ]
    assert [(step.begin_ps, step.end_ps) for step in steps.entries] == [
        (0, 10),
        (10, 20),
        (30, 40),
        (40, 50),
        (50, None),
    ]


@pytest.mark.parametrize("by", ["time", "host", "prompts=500", "events=1"])
def test_the_names_of_limits(by: str) -> None:
    assert is_limit(by)


@pytest.mark.parametrize("by", ["operator", "time=5s", "hits=3", "prompts=", "prompts=5k", "times", ""])
def test_what_is_no_name_of_a_limit(by: str) -> None:
    assert not is_limit(by)


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(streams(jumps=True), every_action, st.sampled_from(["end", "singles=4", "time=9ms,events=30"]), st.booleans())
def test_the_manifest_the_marks_and_a_replay_tell_the_same_steps(
    drawn: tuple[list[bytes], list[int]], done: dict[int, list[Action]], stop: str, store_raw: bool
) -> None:
    with fresh_folder() as folder:
        manifest = record(folder / "run", Script(*drawn, actions=done, stop=stop, store_raw=store_raw))

        assert manifest.steps
        assert manifest.steps == load_manifest(folder / "run").steps
        with open_listmode(folder / "run") as recording:
            assert [step.model_copy(update={"completed": False}) for step in steps_of(recording) or ()] == [
                step.model_copy(update={"completed": False}) for step in manifest.steps
            ]
            if not store_raw:
                return
            assert steps_of(recording) == manifest.steps
            replayed_alike(folder / "run")
            older = recording.manifest.model_copy(update={"steps": None})
            recording.manifest = older
            assert rewrite(recording, folder / "again").steps == manifest.steps


def run(times_ms: list[int], done: dict[int, list[Action]], **changes: Any) -> Script:
    datagrams = [packet(0, 2 * n, single(ms * MS, n + 1)) for n, ms in enumerate(times_ms)]
    return Script(datagrams, list(range(len(times_ms))), actions=done, **changes)


def test_what_comes_after_lost_motion_is_kept_and_counts_no_more(tmp_path: Path) -> None:
    script = run(list(range(12)), {3: [("moving step", "singles=5")], 6: [("lose", None), ("lose", None)]})
    with recorder(tmp_path / "run", script) as recording:
        feeder = Feeder(recording)
        packets = script.packets()
        for at in range(12):
            act(recording, script.actions.get(at, []))
            feeder.feed(packets, at, at + 1)
        counts = recording.derivation.counts
        feeder.close()
        manifest = recording.seal("motion lost")

    replayed_alike(tmp_path / "run")
    assert counts["singles"] == 3
    found = content(tmp_path / "run")
    assert len(found["singles"]) == 12
    marks = [(row["kind"], row["time_ps"] // MS, row["value"], row["text"]) for row in found["marks"]]
    assert [mark for mark in marks if mark[0] in ("motion_lost", "stop")] == [
        ("motion_lost", 5, 6, "the bed stands still"),
        ("stop", 5, 6, "motion lost"),
    ]
    assert told(manifest.steps)[1:] == [(2, "a sweep", True, "singles=5", "motion lost", False)]


def test_motion_that_is_lost_between_steps_leaves_the_step_before_as_it_is(tmp_path: Path) -> None:
    script = run(list(range(9)), {4: [("lose", None)]}, stop="singles=2")

    manifest = record(tmp_path / "run", script)

    replayed_alike(tmp_path / "run")
    assert told(manifest.steps) == [(1, "", False, "singles=2", "singles=2", True)]


def abandoned(folder: Path, script: Script) -> Path:
    """Leave a recording as a kill would: everything durable, nothing sealed."""
    packets = script.packets()
    with recorder(folder, script) as recording:
        feeder = Feeder(recording)
        for at in range(len(packets)):
            act(recording, script.actions.get(at, []))
            feeder.feed(packets, at, at + 1)
        feeder.close()
        recording._writer.flush()
        recording._writer.abandon()
        recording._sealing = True
    return folder


@pytest.mark.parametrize("store_raw", [True, False])
def test_what_a_kill_left_tells_the_steps_that_are_whole(tmp_path: Path, store_raw: bool) -> None:
    done: dict[int, list[Action]] = {5: [("step", "singles=3")], 9: [("moving step", "end")], 10: [("whole", None)]}
    done[11] = [("step", "end")]
    script = run([10 * ms for ms in range(14)], done, stop="singles=4", store_raw=store_raw)

    left = abandoned(tmp_path / "run", script)
    live = describe(left)["steps"]
    recovered = recover(left, tmp_path / "recovered")

    assert told(recovered.steps) == [
        (1, "", False, "singles=4", "singles=4", True),
        (2, "a step", False, "singles=3", "singles=3", True),
        (3, "a sweep", True, "end", "arrived", True),
        (4, "a step", False, "end", None, False),
    ]
    assert live == [step.model_dump() for step in recovered.steps or ()]
    assert describe(tmp_path / "recovered")["steps"] == live


def test_a_step_whose_end_is_marked_but_whose_packets_are_not_all_there_is_not_completed(tmp_path: Path) -> None:
    script = run(list(range(12)), {5: [("step", "singles=3")]}, stop="singles=4")
    left = abandoned(tmp_path / "run", script)

    with open_listmode(left) as recording:
        assert recording.rows("raw") == 12
        assert [step.completed for step in steps_of(recording) or ()] == [True, True]
        assert [step.completed for step in steps_of(recording, packets=8) or ()] == [True, True]
        assert [step.completed for step in steps_of(recording, packets=7) or ()] == [True, False]
        assert [step.completed for step in steps_of(recording, packets=3) or ()] == [False, False]
    assert load_manifest(left).steps is None


def test_a_hole_among_the_marks_leaves_no_steps_to_tell(tmp_path: Path) -> None:
    done: dict[int, list[Action]] = {at: [("mark", ("x" * 3000, None))] * 30 for at in range(1, 10)}
    left = abandoned(tmp_path / "run", run(list(range(12)), done))
    with open_listmode(left) as recording:
        assert recording.rows("marks") > 0
        batches = [entry.start for entry in recording._segments["marks"][0].entries]
    assert len(batches) >= 3
    with (left / "marks-00000.arrows").open("r+b") as file:
        file.seek(batches[1] + 600)
        file.write(b"\xaa" * 64)

    assert recover(left, tmp_path / "recovered").steps is None
    assert describe(left)["steps"] is None


def test_a_step_that_the_disk_did_not_take_all_of_is_not_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = run(list(range(12)), {6: [("step", "singles=3")]}, stop="singles=3")
    packets = script.packets()
    with recorder(tmp_path / "run", script) as recording:
        feeder = Feeder(recording)
        feeder.feed(packets, 0, 6)
        feeder.close()
        recording._writer.flush()
        act(recording, script.actions[6])
        feeder = Feeder(recording)
        monkeypatch.setattr(Recording, "failure", property(lambda self: StorageFullError("no room")))
        feeder.feed(packets, 6, 12)
        feeder.close()
        live = told(recording.steps.entries)
        manifest = recording.seal("disk")

    assert [step[-1] for step in live] == [True, True]
    assert [step[-1] for step in told(manifest.steps)] == [True, False]


def test_the_description_for_people_names_each_step(tmp_path: Path) -> None:
    script = run(list(range(12)), {5: [("moving step", "end")], 8: [("lose", None)]}, stop="singles=4")
    record(tmp_path / "run", script)
    record(tmp_path / "one", run(list(range(3)), {}))

    lines = info_text(describe(tmp_path / "run")).splitlines()

    at = lines.index("steps")
    assert lines[at + 1 : at + 3] == [
        "     1           0.000 s to 0.003 s, completed: singles=4",
        "     2  a sweep  0.004 s to 0.007 s, moving, not completed: motion lost",
    ]
    assert "steps" not in info_text(describe(tmp_path / "one"))
    assert describe(tmp_path / "one")["steps"] == [
        {
            "number": 1, "name": "", "moving": False, "stop": "end", "begin_ps": 0, "end_ps": 2 * MS,
            "ended_by": "operator", "completed": True, "frame_zero_ps": None, "paused_ps": 0, "missing": 0, "lossy": 0,
            "live_ps": 2 * MS,
            "source_live_ps": {}, "hand_overs": [],
        },
    ]  # fmt: skip


def test_pauses_are_no_live_time_of_a_step_whether_they_end_in_it_or_with_it() -> None:
    steps = StepList("time=100ps")
    steps.see("start", 0, NAN, "bed 1/2")
    for kind, time_ps in (("pause", 10), ("pause", 12), ("resume", 30), ("resume", 31), ("pause", 90)):
        steps.see(kind, time_ps, NAN, "")
    steps.see("stop", 100, NAN, "time")
    steps.see("pause", 110, NAN, "")
    steps.see("step", 120, NAN, "bed 2/2: time=50ps")
    steps.see("resume", 130, NAN, "")
    steps.see("stop", 170, NAN, "time")

    assert [(step.paused_ps, step.live_ps) for step in steps.entries] == [(30, 70), (0, 50)]


def test_of_a_step_that_misses_words_the_marks_tell_how_many_and_no_live_time() -> None:
    steps = StepList("time=100ps")
    steps.see("start", 0, NAN, "")
    steps.see("gap", 10, NAN, "", value=7)
    steps.see("gap", 20, NAN, "", value=5)
    steps.see("stop", 100, NAN, "time")
    steps.see("gap", 110, NAN, "", value=9)  # outside

    (step,) = steps.entries
    assert (step.missing, step.live_ps) == (12, None)


def test_a_hand_over_is_kept_with_the_step_it_came_in_or_after(tmp_path: Path) -> None:
    script = run(list(range(6)), {}, stop="singles=2")
    with recorder(tmp_path / "run", script) as recording:
        feeder = Feeder(recording)
        feeder.feed(script.packets(), 0, 6)
        feeder.close()
        for text in ('{"name": "look"}', "no record", "[" * 4000):
            recording.note(recording.derivation.mark("hand_over", text=text))
        recording.seal("all steps done")

    (step,) = load_manifest(tmp_path / "run").steps or ()
    assert step.hand_overs == [{"name": "look"}, {"unreadable": "no record"}, {"unreadable": "[" * 4000}]
    with open_listmode(tmp_path / "run") as recording_:
        assert steps_of(recording_) == [step]
        assert rewrite(recording_, tmp_path / "again").steps == [step]
