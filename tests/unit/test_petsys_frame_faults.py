"""Faults of frames: what is counted is what a reader finds."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_petsys_simulator import ALL, DATAGRAM_WORDS, Read, board_of, content_of, frames_of_loop, read_packed

from daq.errors import UsageError
from daq.wire.petsys import Damage
from simulators.faults.spec import parse_fault
from simulators.petsys.faultkinds import KINDS, PetsysRules
from simulators.petsys.framefaults import FrameFaults
from simulators.petsys.loop import Loop

FRAMES = 3000
LOOP = content_of(3e6, FRAMES).loop(ALL)
LOOP.number(0, FRAMES, 0)
GOOD = frames_of_loop(LOOP)


def spoiled(*texts: str, loop: Loop = LOOP, batch: int = 1000) -> tuple[FrameFaults, Read]:
    """Return the faults and what a reader finds of the whole loop, sent in batches."""
    faults = FrameFaults(board_of(*texts), DATAGRAM_WORDS)
    read = Read()
    for first in range(0, loop.frames, batch):
        stop = min(first + batch, loop.frames)
        begin = int(loop.starts[first])
        words = loop.words[begin : int(loop.starts[stop])]
        part = read_packed(faults.pack(words, loop.starts[first : stop + 1] - begin, first))
        read.frames += part.frames
        read.damage += part.damage
    return faults, read


def test_lost_frames_are_missing_and_counted() -> None:
    faults, read = spoiled("loss:share=0.1")

    missing = sorted(set(range(FRAMES)) - set(read.ids))
    assert read.ids == sorted(read.ids)
    assert 200 < len(missing) == faults.counts["loss_frames"] < 400
    assert faults.counts["loss_events"] == sum(len(GOOD[k].events) for k in missing)
    assert not read.damage


def test_duplicates_follow_at_once() -> None:
    faults, read = spoiled("duplicate:share=0.1")

    twice = [k for k, count in Counter(read.ids).items() if count == 2]
    assert read.ids == sorted([*range(FRAMES), *twice])
    assert len(twice) == faults.counts["duplicate_frames"] > 200
    assert faults.counts["duplicate_events"] == read.events - LOOP.tally(0, FRAMES).events


def test_swapped_frames_come_behind_their_successor() -> None:
    faults, read = spoiled("swap:share=0.2")

    order = np.array(read.ids)
    assert sorted(read.ids) == list(range(FRAMES))
    behind = np.flatnonzero(np.diff(order) < 0)
    assert len(behind) == faults.counts["swap_frames"] > 300
    assert set(np.diff(order)[behind].tolist()) == {-1}


def test_truncated_datagrams_end_in_their_last_frame() -> None:
    faults, read = spoiled("truncate:share=0.3")

    missing = set(range(FRAMES)) - set(read.ids)
    assert len(missing) == len(read.damage) == faults.counts["truncate_frames"] > 20
    assert set(read.damage) == {Damage.TRUNCATED}
    assert faults.counts["truncate_events"] == sum(len(GOOD[k].events) for k in missing)


def test_a_lie_is_about_the_number_of_events_and_the_size_is_right() -> None:
    faults, read = spoiled("lie:share=0.01")

    lost = set(range(FRAMES)) - set(read.ids)
    counts = faults.counts
    assert set(read.damage) == {Damage.SIZE}
    assert len(lost) == counts["lie_frames"] + counts["behind_lie_frames"], "this reader stops at a lie"
    events = sum(len(GOOD[k].events) for k in lost)
    assert events == counts["lie_events"] + counts["behind_lie_events"]


def test_a_foreign_address_is_that_of_no_unit_of_ours() -> None:
    faults, read = spoiled("port:share=0.1")

    foreign = [frame for frame in read.frames if (frame.port, frame.slave) != (0, 0)]
    assert {(frame.port, frame.slave) for frame in foreign} == {(31, 31)}
    assert len(foreign) == faults.counts["port_frames"] > 200
    assert sum(len(frame.events) for frame in foreign) == faults.counts["port_events"]
    assert read.ids == list(range(FRAMES))


def test_a_lost_flag_speaks_of_the_last_event() -> None:
    loop = content_of(2e5, FRAMES).loop(ALL)
    loop.number(0, FRAMES, 0)
    good = frames_of_loop(loop)

    faults, read = spoiled("lost-flag:share=0.2", loop=loop)

    flagged = {frame.frame_id for frame in read.frames if frame.lost}
    assert len(flagged) == faults.counts["lost_flag_frames"] > 400
    assert faults.counts["lost_flag_events"] == sum(bool(len(good[k].events)) for k in flagged)
    for frame in read.frames:
        kept = len(good[frame.frame_id].events) - (frame.frame_id in flagged)
        np.testing.assert_array_equal(frame.events, good[frame.frame_id].events[: max(kept, 0)])


def test_faults_have_their_window() -> None:
    _, read = spoiled("loss:share=1,from_s=0.00512,until_s=0.01024")

    assert read.ids == [*range(1000), *range(2000, FRAMES)]


@settings(max_examples=25, deadline=None)
@given(
    shares=st.dictionaries(
        st.sampled_from(["loss", "duplicate", "swap", "port", "lost-flag", "truncate"]), st.floats(0.01, 0.5)
    ),
    batch=st.integers(1, FRAMES),
)
def test_all_faults_together_balance(shares: dict[str, float], batch: int) -> None:
    faults, read = spoiled(*(f"{kind}:share={share}" for kind, share in shares.items()), batch=batch)

    counts, sent = faults.counts, LOOP.tally(0, FRAMES).events
    whole = sent + counts["duplicate_events"]
    assert read.events == whole - counts["loss_events"] - counts["lost_flag_events"] - counts["truncate_events"]
    assert len(read.frames) == (FRAMES + counts["duplicate_frames"] - counts["loss_frames"] - counts["truncate_frames"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("silent:module=4,at_s=1", "there are modules 0 to 3"),
        ("silent:at_s=1", "needs module and at_s"),
        ("noisy:module=1,at_s=0,cps=1e9", "at most 4e\\+07 events per second"),
        ("outage:at_s=1,for_s=1", "kinds are loss, duplicate, swap"),
    ],
)
def test_faults_that_make_no_sense_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        PetsysRules(4, 0.5).check(parse_fault(text, KINDS))
