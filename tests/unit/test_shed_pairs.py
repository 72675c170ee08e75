"""Under overload pairs are shed first where singles are stored, and made after all of what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_pairs import paired_offline, processing, script, stored
from support_recording import Feeder, Script, act, content, fresh_folder, record, recorder, replayed_alike

from daq.model.windows import EnergyWindow
from daq.storage.manifest import Manifest

seeds = st.integers(0, 10**6)
places = st.integers(0, 59)
PEAK = [EnergyWindow(400, 600, "peak")]


def shed(folder: Path, plain: Script, pairs_at: int, all_at: int) -> Manifest:
    """Record, shedding pairs from packet `pairs_at` on and all rows from `all_at` on."""
    packets, now = plain.packets(), 0
    with recorder(folder, plain) as recording:
        recording.shed_when(lambda: now >= pairs_at, hard=lambda: now >= all_at)
        feeder = Feeder(recording)
        for now in range(len(packets)):
            act(recording, plain.actions.get(now, []))
            feeder.feed(packets, now, now + 1)
        feeder.close()
        assert recording.rebuild(lambda: True)
        return recording.seal("operator")


FLUSHES = {at: [("flush", None)] for at in range(1, 60)}


def events(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return {stream: rows for stream, rows in content(folder).items() if stream != "marks"}


@settings(deadline=None, max_examples=8)
@given(seeds, places, places, st.sampled_from([{}, FLUSHES]), st.booleans())
def test_pairs_that_were_shed_are_in_the_sealed_recording_as_if_they_had_not_been(
    seed: int, at: int, later: int, done: dict[int, Any], store_raw: bool
) -> None:
    asked = script(seed, actions=done, store_raw=store_raw)
    all_at = at + later if store_raw else 1000
    with fresh_folder() as folder:
        one = record(folder / "plain", asked)
        other = shed(folder / "shed", asked, at, all_at)

        assert events(folder / "shed") == events(folder / "plain")
        if store_raw:
            replayed_alike(folder / "shed")
    assert (one.ledger, one.counters["pairing"]) == (other.ledger, other.counters["pairing"])


@settings(deadline=None, max_examples=5)
@given(seeds, places)
def test_where_singles_are_not_stored_pairs_are_made_after_all_of_raw(seed: int, at: int) -> None:
    asked = script(seed, processing=processing(singles="none", windows=PEAK))
    with fresh_folder() as folder:
        one = record(folder / "plain", asked)
        other = shed(folder / "shed", asked, at, 1000)

        assert stored(folder / "shed", "coincidences") == stored(folder / "plain", "coincidences")
        replayed_alike(folder / "shed")
    assert one.ledger == other.ledger


def test_where_pairs_alone_are_stored_what_is_shed_is_counted(tmp_path: Path) -> None:
    asked = script(3, store_raw=False, processing=processing(singles="none", windows=PEAK))

    manifest = record(tmp_path / "run", asked, shed_at=[20, 30])

    assert manifest.ledger is not None
    assert manifest.ledger.balanced is True
    assert sum(source.shed for source in manifest.ledger.sources) > 0
    assert sum(source.disk for source in manifest.ledger.sources) == 0


@pytest.mark.parametrize("all_at", [1000, 5])
def test_a_limit_on_pairs_is_not_decided_while_they_are_shed(tmp_path: Path, all_at: int) -> None:
    step: Any = {20: [("step", "prompts=3")]}
    manifest = shed(tmp_path / "run", script(7, stop="prompts=6", actions=step), 1, all_at)

    stops = [row["text"] for row in content(tmp_path / "run")["marks"] if row["kind"] == "stop"]
    assert stops == ["operator"]
    assert manifest.ended_by == "operator"
    assert stored(tmp_path / "run", "coincidences") == paired_offline(tmp_path / "run")
    replayed_alike(tmp_path / "run")


def test_pairs_left_out_are_said_to_be(tmp_path: Path) -> None:
    with recorder(tmp_path / "run", script(7)) as recording:
        recording.shed_when(lambda: True, hard=lambda: False)
        feeder = Feeder(recording)
        feeder.feed(script(7).packets(), 0, 60)
        feeder.close()
        done = recording.rebuild(lambda: False)
        manifest = recording.seal("operator")

    assert not done
    assert manifest.time["rows_left_to_replay"] is True
    assert stored(tmp_path / "run", "coincidences") == []
    assert len(paired_offline(tmp_path / "run")) > 10
