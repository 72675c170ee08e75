"""What the host did to a recording is in its marks, and a replay does it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_recording import (
    MS,
    PETLINK,
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

from daq.errors import FormatError
from daq.storage.hostcommands import HostCommands
from daq.storage.reader import open_listmode
from daq.storage.replaying import compare, replayed

cuts = st.frozensets(st.integers(0, 30), max_size=8)
every_action = actions("flush", "mark", "step", "pause", "resume", "stop")


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(streams(jumps=True), cuts, every_action, st.sampled_from(["end", "singles=4", "time=9ms,events=30"]))
def test_whatever_the_host_did_a_replay_does_again(
    drawn: tuple[list[bytes], list[int]], cut: frozenset[int], done: dict[int, list[Action]], stop: str
) -> None:
    script = Script(*drawn, cuts=cut, actions=done, stop=stop)
    with fresh_folder() as folder:
        manifest = record(folder / "run", script)

        replayed_alike(folder / "run")
        with open_listmode(folder / "run") as recording:
            *_, (_, derivation) = replayed(recording)

    assert derivation.stopped is not None
    assert manifest.ended_by == "operator"  # who sealed it; the last step may have ended before
    assert derivation.words_by_kind == manifest.words_by_kind
    assert derivation.latest_ps == manifest.duration_ps


@settings(deadline=None, max_examples=12)
@given(streams(jumps=True), cuts, cuts, every_action)
def test_where_the_readout_cut_its_calls_is_not_seen(
    drawn: tuple[list[bytes], list[int]], one_cut: frozenset[int], other_cut: frozenset[int], done: dict[int, list[Any]]
) -> None:
    with fresh_folder() as folder:
        record(folder / "one", Script(*drawn, cuts=one_cut, actions=done, stop="singles=5"))
        record(folder / "other", Script(*drawn, cuts=other_cut, actions=done, stop="singles=5"))

        assert content(folder / "one") == content(folder / "other")


def marks_of(folder: Path, *kinds: str) -> list[tuple[int, int, str]]:
    """Return time in ms, value and text of the marks of some kinds."""
    marks = content(folder)["marks"]
    return [(row["time_ps"] // MS, row["value"], row["text"]) for row in marks if row["kind"] in kinds]


def singles(times_ms: list[int]) -> list[bytes]:
    return [packet(0, 2 * n, single(ms * MS, n + 1)) for n, ms in enumerate(times_ms)]


def run(folder: Path, times_ms: list[int], done: dict[int, list[Action]], **changes: Any) -> Path:
    script = Script(singles(times_ms), list(range(len(times_ms))), actions=done, **changes)
    record(folder / "run", script)
    replayed_alike(folder / "run")
    return folder / "run"


def test_each_step_has_its_own_count_and_its_own_stop(tmp_path: Path) -> None:
    done: dict[int, list[Action]] = {4: [("step", "singles=3")], 8: [("step", "singles=2")]}

    folder = run(tmp_path, list(range(12)), done, stop="singles=2")

    assert marks_of(folder, "stop") == [(1, 2, "singles=2"), (6, 7, "singles=3"), (9, 10, "singles=2")]
    assert marks_of(folder, "step") == [(3, 4, "a step: singles=3"), (7, 8, "a step: singles=2")]


def test_a_step_by_detector_time_begins_with_the_step(tmp_path: Path) -> None:
    folder = run(tmp_path, list(range(20)), {5: [("step", "time=7ms")]}, stop="time=3ms")

    assert marks_of(folder, "stop") == [(3, 4, "time"), (11, 12, "time")]


def test_what_comes_in_a_pause_is_recorded_and_not_counted(tmp_path: Path) -> None:
    done: dict[int, list[Action]] = {3: [("pause", None)], 13: [("resume", None)]}

    folder = run(tmp_path, list(range(20)), done, stop="singles=5")

    assert marks_of(folder, "pause", "resume", "stop") == [(2, 3, ""), (12, 13, ""), (14, 15, "singles=5")]
    assert len(content(folder)["singles"]) == 20


def test_the_detector_time_of_a_pause_is_not_the_steps(tmp_path: Path) -> None:
    done: dict[int, list[Action]] = {3: [("pause", None)], 13: [("resume", None)]}

    folder = run(tmp_path, list(range(20)), done, stop="time=6ms")

    assert marks_of(folder, "stop") == [(16, 17, "time")]


def test_to_pause_twice_is_to_pause_once_and_to_resume_what_runs_is_nothing(tmp_path: Path) -> None:
    done: dict[int, list[Action]] = {
        1: [("resume", None)], 3: [("pause", None)], 5: [("pause", None)], 7: [("resume", None), ("resume", None)],
    }  # fmt: skip

    folder = run(tmp_path, list(range(10)), done, stop="singles=6")

    assert marks_of(folder, "pause", "resume") == [(2, 3, ""), (6, 7, "")]
    assert marks_of(folder, "stop") == [(9, 10, "singles=6")]


def test_a_step_ends_a_pause(tmp_path: Path) -> None:
    done: dict[int, list[Action]] = {2: [("pause", None)], 4: [("step", "singles=3")]}

    folder = run(tmp_path, list(range(10)), done)

    assert marks_of(folder, "stop")[0] == (6, 7, "singles=3")


def test_a_mark_of_the_operator_keeps_the_time_it_was_given_for(tmp_path: Path) -> None:
    done: dict[int, list[Action]] = {6: [("mark", ("contrast agent", 2 * MS)), ("mark", ("now", None))]}

    folder = run(tmp_path, list(range(10)), done)

    assert marks_of(folder, "operator") == [(2, 6, "contrast agent"), (5, 6, "now")]


def test_a_flush_releases_what_waits_and_the_next_event_begins_anew(tmp_path: Path) -> None:
    script = Script(singles([10, 11, 12, 1, 2]), [0, 1, 2, 3, 4], actions={3: [("flush", None)]})
    with recorder(tmp_path / "run", script) as recording:
        feeder = Feeder(recording)
        feeder.feed(script.packets(), 0, 3)
        held = recording.figures()["rows_held"]
        act(recording, script.actions[3])
        left = recording.figures()["rows_held"]
        feeder.feed(script.packets(), 3, 5)
        feeder.close()
    replayed_alike(tmp_path / "run")

    rows = content(tmp_path / "run")["singles"]
    assert (held, left) == (3, 0)
    assert [row["time_ps"] // MS for row in rows] == [0, 1, 2, -9, -8]  # the first event is at time zero
    assert not any(row["late"] for row in rows)
    assert marks_of(tmp_path / "run", "flush") == [(2, 3, "")]


def test_commands_given_before_the_first_and_after_the_last_packet_are_in_their_places(tmp_path: Path) -> None:
    done: dict[int, list[Action]] = {
        0: [("mark", ("before", None)), ("step", "end")],
        3: [("flush", None), ("mark", ("after", None)), ("stop", "host")],
    }  # fmt: skip

    folder = run(tmp_path, [1, 2, 3], done)

    kinds = [(row["kind"], row["value"]) for row in content(folder)["marks"] if row["kind"] != "clock"]
    assert kinds == [
        ("start", 0), ("operator", 0), ("step", 0), ("source_start", 0), ("flush", 3), ("operator", 3), ("stop", 3),
    ]  # fmt: skip


def test_a_recording_without_packets_replays_its_commands(tmp_path: Path) -> None:
    done: dict[int, list[Action]] = {0: [("mark", ("x", None)), ("pause", None), ("flush", None)]}

    folder = run(tmp_path, [], done)

    assert [row["kind"] for row in content(folder)["marks"]] == ["start", "operator", "pause", "flush", "stop"]


def test_commands_are_read_in_their_order_with_the_clock_apart(tmp_path: Path) -> None:
    done: dict[int, list[Action]] = {1: [("pause", None), ("mark", ("x", 7))], 2: [("resume", None)]}
    record(tmp_path / "run", Script(singles([1, 2, 3]), [5, 6, 7], actions=done))

    with open_listmode(tmp_path / "run") as recording:
        host = HostCommands.of(recording)

    found = [(command.kind, command.seen, command.text) for command in host.commands]
    assert found == [("pause", 1, ""), ("operator", 1, "x"), ("resume", 2, ""), ("stop", 3, "operator")]
    assert host.next_break() == 1
    assert host.next_utc(0) > 1_600_000_000 * 10**9
    assert host.next_utc(0) == 0


def test_a_step_mark_that_says_no_condition_is_a_damaged_recording(tmp_path: Path) -> None:
    script = Script(singles([1, 2]), [0, 1])
    with recorder(tmp_path / "run", script) as recording:
        feeder = Feeder(recording)
        recording.note(recording.derivation.mark("step", text="bed 2: until it is enough"))
        feeder.feed(script.packets(), 0, 2)
        feeder.close()

    with open_listmode(tmp_path / "run") as recorded, pytest.raises(FormatError, match="until it is enough"):
        compare(recorded)


def test_recordings_whose_rows_were_not_ordered_are_replayed_as_they_came(tmp_path: Path) -> None:
    words = [[0x8000_0000 | n, 0x4000_0000 | n] for n in (5, 3, 9)]
    datagrams = [packet(0, 2 * n, each, size=4) for n, each in enumerate(words)]
    script = Script(
        datagrams, [0, 1, 2], profile=PETLINK, order=None, stop="prompts=2", actions={1: [("pause", None)]}
    )  # fmt: skip

    record(tmp_path / "run", script)

    comparison = replayed_alike(tmp_path / "run")
    assert comparison.rows["coincidences"] == 3
    assert "late" not in content(tmp_path / "run")["coincidences"][0]
