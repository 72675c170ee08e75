"""Pairs made while singles are recorded: the same as replayed, as made offline, and wherever the stream was cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_pairs import RULE, paired_offline, processing, script, stored
from support_recording import Feeder, content, fresh_folder, record, recorder, replayed_alike

from daq.model.windows import EnergyWindow
from daq.storage.reader import open_listmode
from daq.storage.replaying import rewrite

seeds = st.integers(0, 10**6)
cuts = st.frozensets(st.integers(0, 60), max_size=12)


@settings(deadline=None, max_examples=8)
@given(seeds, cuts)
def test_pairs_live_replayed_and_offline_are_the_same_rows(seed: int, cut: frozenset[int]) -> None:
    with fresh_folder() as folder:
        record(folder / "run", script(seed, cuts=cut))

        replayed_alike(folder / "run")
        assert stored(folder / "run", "coincidences") == paired_offline(folder / "run")


@settings(deadline=None, max_examples=8)
@given(seeds, cuts, st.sampled_from(["prompts=3", "delayeds=2", "coincidences=4", "prompts=5,singles=30"]))
def test_a_limit_on_pairs_ends_at_the_same_event_wherever_the_stream_is_cut(
    seed: int, cut: frozenset[int], stop: str
) -> None:
    with fresh_folder() as folder:
        one = record(folder / "one", script(seed, stop=stop))
        other = record(folder / "other", script(seed, stop=stop, cuts=cut))

        assert content(folder / "one") == content(folder / "other")
        replayed_alike(folder / "one")
        replayed_alike(folder / "other")
    assert (one.steps, one.counters) == (other.steps, other.counters)


def test_a_stop_bears_the_time_of_the_pair_that_decided_it(tmp_path: Path) -> None:
    record(tmp_path / "run", script(7, stop="prompts=6"))

    rows = content(tmp_path / "run")
    prompts = [row["time_ps"] for row in rows["coincidences"] if row["kind"] == 0]
    (stop,) = [row for row in rows["marks"] if row["kind"] == "stop"]
    assert (stop["text"], stop["time_ps"]) == ("prompts=6", prompts[5])
    assert 0 < stop["value"] < 60
    assert len(prompts) > 6


def test_pairs_count_for_the_step_in_which_they_lie_and_not_in_a_pause(tmp_path: Path) -> None:
    actions = {20: [("step", "prompts=100")], 30: [("pause", None)], 45: [("resume", None)]}
    with recorder(tmp_path / "run", script(7, actions={})) as recording:
        feeder = Feeder(recording)
        packets = script(7).packets()
        from support_recording import act

        for start, stop in ((0, 20), (20, 30), (30, 45), (45, 60)):
            act(recording, actions.get(start, []))  # type: ignore[arg-type]
            feeder.feed(packets, start, stop)
        feeder.close()
        recording.flush()
        counted = recording.derivation.counts["prompts"]

    rows = content(tmp_path / "run")
    at = {row["kind"]: row["time_ps"] for row in rows["marks"] if row["kind"] in ("step", "pause", "resume")}
    inside = [
        row for row in rows["coincidences"]
        if row["kind"] == 0 and (at["step"] <= row["time_ps"] < at["pause"] or at["resume"] <= row["time_ps"])
    ]  # fmt: skip
    assert 0 < counted == len(inside) < sum(row["kind"] == 0 for row in rows["coincidences"])


@pytest.mark.parametrize("singles", ["all", "windowed", "none"])
def test_what_is_stored_of_singles_changes_no_pair(tmp_path: Path, singles: str) -> None:
    low = EnergyWindow(400, 600, "peak")
    asked = processing(singles=singles, windows=[low])  # type: ignore[arg-type]
    record(tmp_path / "all", script(11))
    manifest = record(tmp_path / "some", script(11, processing=asked))
    every = stored(tmp_path / "all", "singles")
    inside = [row for row in every if row["windows"] & 1]

    assert stored(tmp_path / "some", "coincidences") == stored(tmp_path / "all", "coincidences")
    replayed_alike(tmp_path / "some")
    excluded = 0 if singles == "all" else len(every) - len(inside)
    assert manifest.counters["excluded"] == excluded
    assert manifest.counters["windows"] == {"peak": len(inside)}
    assert manifest.ledger is not None
    assert sum(source.beside.excluded for source in manifest.ledger.sources) == excluded
    with open_listmode(tmp_path / "some") as recording:
        assert ("singles" in recording.streams) == (singles != "none")
        if singles != "none":
            assert recording.rows("singles") == len(every) - excluded


def test_without_raw_words_are_recorded_when_their_pairs_are_durable_or_they_are_excluded(tmp_path: Path) -> None:
    manifest = record(tmp_path / "run", script(3, store_raw=False, processing=processing(singles="none")))

    assert manifest.ledger is not None
    assert manifest.ledger.balanced is True
    assert sum(source.disk + source.shed for source in manifest.ledger.sources) == 0
    assert stored(tmp_path / "run", "coincidences")


def test_the_manifest_says_what_was_done_to_the_singles(tmp_path: Path) -> None:
    manifest = record(tmp_path / "run", script(3))

    assert manifest.processing is not None
    assert manifest.processing["pairing"]["half_window_ps"] == RULE.half_window_ps
    assert manifest.processing["windows"][0] == {"lower_kev": 400.0, "upper_kev": 600.0, "name": "peak"}
    assert manifest.calibrations["singles"]["identity"] is True
    counted = manifest.counters["pairing"]
    assert counted["prompts"] == sum(row["kind"] == 0 for row in stored(tmp_path / "run", "coincidences"))
    with open_listmode(tmp_path / "run") as recording:
        rewrite(recording, tmp_path / "again")
    assert stored(tmp_path / "again", "coincidences") == stored(tmp_path / "run", "coincidences")


def test_singles_of_each_module_are_counted_from_second_to_second(tmp_path: Path) -> None:
    record(tmp_path / "run", script(5))

    rows = content(tmp_path / "run")
    rates = [row for row in rows["marks"] if row["kind"] == "singles_rate"]
    assert sum(row["value"] for row in rates) == len(rows["singles"])
    assert {row["value2"] for row in rates} == set(range(int(max(row["value2"] for row in rates)) + 1))
