"""Rows shed under overload are in the sealed recording all the same, as if there had been no overload."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_recording import (
    MS,
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

from daq.storage.reader import open_listmode
from daq.storage.replaying import compare, rewrite

cuts = st.frozensets(st.integers(0, 30), max_size=8)
places = st.integers(0, 30)


def without_shed(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    return {**rows, "marks": [row for row in rows["marks"] if row["kind"] != "shed"]}


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(streams(), cuts, cuts, actions("flush", "mark", "pause", "resume", "step"), places, st.booleans())
def test_rows_after_a_rebuild_are_those_of_a_recording_that_shed_nothing(
    drawn: tuple[list[bytes], list[int]], cut: frozenset[int], cut_shed: frozenset[int],
    done: dict[int, list[Any]], shed_at: int, ordered: bool,
) -> None:  # fmt: skip
    rule = {} if ordered else {"order": None}
    datagrams, arrivals = drawn
    plain = Script(datagrams, arrivals, cuts=cut, actions=done, stop="singles=9", **rule)  # type: ignore[arg-type]
    shedding = Script(datagrams, arrivals, cuts=cut_shed, actions=done, stop="singles=9", **rule)  # type: ignore[arg-type]
    with fresh_folder() as folder:
        one = record(folder / "plain", plain)
        other = record(folder / "shed", shedding, shed_at=[shed_at])

        replayed_alike(folder / "plain")
        replayed_alike(folder / "shed")
        assert without_shed(content(folder / "shed")) == content(folder / "plain")

    assert other.ledger == one.ledger
    assert other.words_by_kind == one.words_by_kind
    assert (other.ended_by, other.duration_ps) == (one.ended_by, one.duration_ps)


def burst(count: int, *, source: int = 0, start: int = 0) -> list[bytes]:
    """Packets of one single each, a millisecond apart."""
    return [packet(source, 2 * n, single(n * MS, n + 1)) for n in range(start, start + count)]


def test_a_shed_recording_says_from_where_on_it_shed(tmp_path: Path) -> None:
    script = Script(burst(20), list(range(20)))

    record(tmp_path / "run", script, shed_at=[7])

    marks = [row for row in content(tmp_path / "run")["marks"] if row["kind"] == "shed"]
    assert [(row["value"], row["text"], row["time_ps"]) for row in marks] == [(7, "begin", 6 * MS)]
    assert len(content(tmp_path / "run")["singles"]) == 20


def test_counters_and_limits_go_on_while_rows_are_shed(tmp_path: Path) -> None:
    script = Script(burst(20), list(range(20)), stop="singles=12", actions={15: [("pause", None)]})
    with recorder(tmp_path / "run", script) as recording:
        recording.shed_when(lambda: True)
        feeder = Feeder(recording)
        feeder.feed(script.packets(), 0, 20)
        counted = recording.figures()["counts_live"]["singles"]
        stopped = recording.stopped_by
        held = recording.figures()["rows_held"]
        feeder.close()
        rebuilt = recording.rebuild(lambda: True)

    assert (counted, stopped, held, rebuilt) == (20, "singles=12", 0, True)
    assert len(content(tmp_path / "run")["singles"]) == 20


def test_a_rebuild_that_is_abandoned_leaves_the_rows_to_a_replay(tmp_path: Path) -> None:
    script = Script(burst(20), list(range(20)))
    with recorder(tmp_path / "run", script) as recording:
        recording.shed_when(lambda: True)
        feeder = Feeder(recording)
        feeder.feed(script.packets(), 0, 20)
        feeder.close()
        rebuilt = recording.rebuild(lambda: False)
        manifest = recording.seal("operator")
    with open_listmode(tmp_path / "run") as recorded:
        differences = compare(recorded).differences
        rewrite(recorded, tmp_path / "again")

    assert not rebuilt
    assert recording.to_rebuild
    assert manifest.ledger is not None
    assert manifest.ledger.balanced is True
    assert content(tmp_path / "run")["singles"] == []
    assert differences[-1] == "singles: 0 rows stored, 20 derived again"
    assert len(content(tmp_path / "again")["singles"]) == 20
    replayed_alike(tmp_path / "again")


def test_there_is_nothing_to_rebuild_without_overload(tmp_path: Path) -> None:
    with recorder(tmp_path / "run", Script(burst(3), [1, 2, 3])) as recording:
        recording.shed_when(lambda: False)
        feeder = Feeder(recording)
        feeder.feed(Script(burst(3), [1, 2, 3]).packets(), 0, 3)
        feeder.close()

        assert not recording.to_rebuild
        assert recording.rebuild(lambda: True)


def test_what_waited_for_its_turn_when_shedding_began_keeps_its_place(tmp_path: Path) -> None:
    late_of_another = packet(1, 0, single(8 * MS, 99))
    datagrams = [*burst(10), late_of_another, *burst(10, start=10)]
    script = Script(datagrams, list(range(21)))

    record(tmp_path / "run", script, shed_at=[10])

    times = [row["time_ps"] for row in content(tmp_path / "run")["singles"]]
    assert times == sorted(times)
    assert times.count(8 * MS) == 2
    replayed_alike(tmp_path / "run")


def test_a_flush_while_shedding_is_done_again_in_the_rebuild(tmp_path: Path) -> None:
    early = packet(1, 0, single(1 * MS, 99))
    script = Script([*burst(10), early], list(range(11)), actions={10: [("flush", None)]})

    record(tmp_path / "run", script, shed_at=[4])

    rows = content(tmp_path / "run")["singles"]
    assert (rows[-1]["time_ps"], rows[-1]["late"]) == (1 * MS, False)
    replayed_alike(tmp_path / "run")


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(streams(), cuts, actions("flush", "mark"), st.lists(places, min_size=1, max_size=4, unique=True).map(sorted))
def test_without_raw_what_is_shed_is_counted_and_everything_balances(
    drawn: tuple[list[bytes], list[int]], cut: frozenset[int], done: dict[int, list[Any]], shed_at: list[int]
) -> None:
    datagrams, arrivals = drawn
    script = Script(datagrams, arrivals, cuts=cut, actions=done, store_raw=False)
    with fresh_folder() as folder:
        manifest = record(folder / "run", script, shed_at=shed_at)
        rows = content(folder / "run")

    assert manifest.ledger is not None
    begun = [row["text"] for row in rows["marks"] if row["kind"] == "shed"]
    assert begun == (["begin", "end"] * 4)[: len(begun)]
    assert manifest.ledger.balanced is True
    assert sum(source.disk for source in manifest.ledger.sources) == 0
    assert len(rows.get("singles", [])) <= sum(source.recorded for source in manifest.ledger.sources)


def test_without_raw_the_shed_words_are_exactly_those_between_the_marks(tmp_path: Path) -> None:
    script = Script(burst(20), list(range(20)), store_raw=False, cuts=frozenset(range(20)))

    manifest = record(tmp_path / "run", script, shed_at=[5, 9])

    assert manifest.ledger is not None
    (source,) = manifest.ledger.sources
    assert (source.received, source.recorded, source.shed) == (40, 32, 8)
    assert len(content(tmp_path / "run")["singles"]) == 16


def test_actions_of_a_script_are_what_the_readout_does(tmp_path: Path) -> None:
    script = Script(burst(4), [1, 2, 3, 4])
    with recorder(tmp_path / "run", script) as recording:
        act(recording, [("step", "singles=2"), ("pause", None), ("mark", ("x", 5)), ("resume", None), ("stop", "host")])

    kinds = [(row["kind"], row["text"]) for row in content(tmp_path / "run")["marks"]]
    assert kinds == [
        ("start", ""), ("step", "a step: singles=2"), ("pause", ""), ("operator", "x"), ("resume", ""),
        ("stop", "host"),
    ]  # fmt: skip


@pytest.mark.slow
@settings(deadline=None, max_examples=12)
@given(streams(jumps=True), cuts, actions("flush"), places)
def test_events_of_clocks_that_jump_are_rebuilt_alike(
    drawn: tuple[list[bytes], list[int]], cut: frozenset[int], done: dict[int, list[Any]], shed_at: int
) -> None:
    script = Script(*drawn, cuts=cut, actions=done)
    with fresh_folder() as folder:
        one = record(folder / "plain", script)
        other = record(folder / "shed", script, shed_at=[shed_at])

        assert content(folder / "shed")["singles"] == content(folder / "plain")["singles"]

    assert other.ledger == one.ledger


@pytest.mark.parametrize("shed_at", [0, 3])
def test_clocks_that_jump_while_rows_are_shed_are_marked_all_the_same(tmp_path: Path, shed_at: int) -> None:
    jumped = packet(1, 0, single(50_000 * MS, 99))
    script = Script([*burst(5), jumped, *burst(5, start=5)], list(range(11)))

    record(tmp_path / "run", script, shed_at=[shed_at])

    assert [row["source"] for row in content(tmp_path / "run")["marks"] if row["kind"] == "jump"] == [1]
    replayed_alike(tmp_path / "run")
