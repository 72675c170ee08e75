"""What grows while rows and marks come is, pixel for pixel, what is made of all of them afterwards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_framing import MS, Marks, S, dynamic, flood, framed, gate, live, setup, step, sweep_step

from daq.errors import FormatError, MissingError, RefusedError
from daq.model.framed import Framed
from daq.model.protocol import FrameZero, Image, Step, Sweep
from daq.pipeline.seriesrule import Setup
from daq.storage.framedfile import file_names, load_framed, save_framed


def alike(one: Framed, other: Framed) -> None:
    np.testing.assert_array_equal(one.counts, other.counts)
    np.testing.assert_array_equal(one.outside, other.outside)
    for name in ("begin_ps", "end_ps", "live_ps", "view", "time_slot", "phase", "gantry_deg", "bed_mm"):
        np.testing.assert_array_equal(getattr(one.slots, name), getattr(other.slots, name))
    for name in ("strip", "beats", "notes", "heads"):
        assert repr(getattr(one, name)) == repr(getattr(other, name))  # places that nobody knows are not equal


def heart(**changes: object) -> Step:
    return step("heart", "gated", gate=gate(framing="time", learn=4), image=Image(16, 16, 1.0), **changes)


def study() -> tuple[Setup, Marks, int]:
    """Return a static view with a pause, a gated one, a flow that waits for its bolus, a sweep, a gated rotation."""
    random = np.random.default_rng(3)
    turn = Sweep("gantry", 0.0, 60.0, 6.0, "deg", views=5)
    steps = [
        step("view"), heart(key="steps[1]"), dynamic((3, S), key="steps[2]", frame_zero=FrameZero("count_rate", 10.0)),
        sweep_step(200.0, image=Image(16, 64, 1.0), key="steps[3]"),
        step("SPECT", "spect", key="steps[4]", sweep=turn, gate=gate(bins=3), image=Image(8, 8, 1.0)),
    ]  # fmt: skip
    marks = Marks().add("position", -S, "bed").add("position", -S, "gantry")
    marks.add("start", 0, "view").add("pause", S).add("resume", 2 * S).add("stop", 4 * S, "time")
    marks.add("step", 5 * S, "heart: end").triggers(
        5 * S + np.cumsum(random.normal(0.8, 0.08, 14) * S).astype(np.int64)
    )
    marks.add("stop", 15 * S, "operator").add("step", 16 * S, "flow: end").add("frame_zero", 17 * S, told_ps=18 * S)
    marks.add("stop", 20 * S, "time").add("step", 21 * S, "whole body: end")
    times = 22 * S + np.arange(0, 10 * S + 1, 50 * MS)
    marks.axis("bed", times, (times - 22 * S) / S * 20.0, late_ps=700 * MS).add("stop", 32 * S, "arrived")
    marks.add("step", 33 * S, "SPECT: end").triggers(33 * S + np.arange(12) * 900 * MS)
    times = 34 * S + np.arange(0, 10 * S + 1, 50 * MS)
    marks.axis("gantry", times, (times - 34 * S) / S * 6.0, late_ps=300 * MS).add("stop", 45 * S, "arrived")
    return setup(*steps), marks, 46 * S


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 46_000), max_size=60))
def test_live_pictures_are_those_made_afterwards(seed: int, cuts_ms: list[int]) -> None:
    said, marks, until = study()
    rows = flood(np.random.default_rng(seed), 20_000, 0, until)

    growing = live(said, marks, rows, [cut * MS for cut in cuts_ms])
    growing.settle(complete=True)
    made = framed(said, marks, rows)

    assert [one.name for one in growing.framed()] == ["view", "heart", "flow", "whole body", "SPECT", "SPECT"]
    assert growing.skipped == 0
    for one, other in zip(growing.framed(), made, strict=True):
        alike(one, other)
        assert int(one.counts.sum()) > 100


def test_the_event_at_which_a_step_begins_had_come_before_it_live_and_afterwards() -> None:
    said, rows = setup(step("one"), step("two", key="steps[1]")), flood(np.random.default_rng(8), 100, 0, 3 * S)
    at_ps = int(rows["time_ps"][50])
    marks = Marks().add("start", 0, "one").add("step", at_ps, "two: end", told_ps=at_ps + 1).add("stop", 3 * S)

    growing = live(said, marks, rows, [at_ps + 1]).framed()
    for one, other, counted in zip(growing, framed(said, marks, rows), (51, 49), strict=True):
        alike(one, other)
        assert int(one.counts.sum()) + int(one.outside.sum()) == counted


def test_what_is_not_settled_waits_and_only_so_much_of_it() -> None:
    said, marks, _ = study()
    rows = flood(np.random.default_rng(1), 20_000, 0, 46 * S)
    cuts = list(range(0, 8 * S, 100 * MS))
    until = {name: column[rows["time_ps"] < 8 * S] for name, column in rows.items()}
    marks = Marks([row for row in marks.rows if row[1] < 8 * S], [at for at in marks.told_ps if at < 8 * S])

    waiting = live(said, marks, until, cuts, only_present=True)
    full = live(said, marks, until, cuts, only_present=True, most_waiting=100)

    assert waiting.names == ("heart",)
    assert waiting.framed()[0].counts.sum() == 0  # fewer than four beats: nobody knows yet which are taken
    assert waiting.skipped == 0
    assert full.skipped > 500


def test_a_beat_is_counted_when_it_has_ended() -> None:
    marks = Marks().add("start", 0, "heart").triggers([S * number for number in range(8)])
    rows = flood(np.random.default_rng(2), 10_000, 0, 7 * S + 500 * MS)
    found = live(setup(heart()), marks, rows, list(range(0, 8 * S, 250 * MS))).present()[0]

    assert found.beats is not None
    assert (found.beats.accepted, found.beats.triggers) == (7, 8)
    assert int(found.slots.live_ps.sum()) == 7 * S
    inside = int(found.counts.sum()) + int(found.outside.sum())
    assert inside == int((rows["time_ps"] < 7 * S).sum())


def test_series_come_back_from_their_files_as_they_were(tmp_path: Path) -> None:
    said, marks, until = study()
    made = framed(said, marks, flood(np.random.default_rng(4), 20_000, 0, until))
    names = file_names(made)

    assert names == ["01-view", "02-heart", "03-flow", "04-whole-body", "05-spect", "06-spect-ungated"]
    for one, name in zip(made, names, strict=True):
        save_framed(one, tmp_path / f"{name}.npz")
        back = load_framed(tmp_path / f"{name}.npz")
        assert repr(back.about) == repr(one.about)
        np.testing.assert_array_equal(back.counts, one.counts)
        assert repr((back.strip, back.beats, back.heads)) == repr((one.strip, one.beats, one.heads))
    with pytest.raises(RefusedError, match="nothing is written over"):
        save_framed(made[0], tmp_path / "01-view.npz")


def test_files_that_are_no_pictures_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no pictures")
    np.savez(tmp_path / "other.npz", about=np.array('{"format": "framed/9"}'))
    said, marks, until = study()
    save_framed(framed(said, marks, flood(np.random.default_rng(4), 100, 0, until))[0], tmp_path / "cut.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "cut.npz").read_bytes()[:-200])

    for name in ("text.npz", "cut.npz"):
        with pytest.raises(FormatError, match="not a file of framed pictures"):
            load_framed(tmp_path / name)
    with pytest.raises(FormatError, match="format framed/9; this build reads framed/1"):
        load_framed(tmp_path / "other.npz")
    with pytest.raises(MissingError):
        load_framed(tmp_path / "none.npz")
