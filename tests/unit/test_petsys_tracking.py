"""Frames are accounted for by their ids: lost, twice, swapped, cut, lying, of nobody, wrapping and beginning again."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_petsys import frame, packets_of, part

from daq.model import tofpet2 as t
from daq.model.packets import Flag
from daq.wire import petsys as p
from daq.wire import petsys_account as f
from daq.wire.petsys_tracking import FrameTracker, FrameWalked

TRUNCATED, DUPLICATE, MALFORMED, DROPPED = (
    int(flag) for flag in (Flag.TRUNCATED, Flag.DUPLICATE, Flag.MALFORMED, Flag.DROPPED)
)


def walked(datagrams: list[bytes], tracker: FrameTracker | None = None, **arrival: list[int]) -> FrameTracker:
    tracker = tracker or FrameTracker({0})
    tracker.walk(packets_of(datagrams, arrival.get("arrival_ns")))
    return tracker


def account(tracker: FrameTracker, row: int = 0) -> dict[str, int]:
    got = tracker.figures
    frames = got.frames[row]
    return {
        "received": int(got.received[row]), "gap": int(got.gap[row]), "duplicates": int(got.duplicates[row]),
        "restarts": int(got.restarts[row]), "malformed": int(frames[f.MALFORMED]), "idle": int(frames[f.IDLE]),
        "lossy": int(frames[f.SOME_LOST]), "lost": int(frames[f.ALL_LOST]), "events": int(frames[f.EVENTS]),
        "dropped": int(got.dropped[row]),
    }  # fmt: skip


def said(tracker: FrameTracker, row: int = 0) -> dict[str, int]:
    return {name: count for name, count in account(tracker, row).items() if count}


def one(*frames: p.Frame) -> bytes:
    return p.encode_data(frames)


def run(first: int, count: int, events: int = 1) -> list[bytes]:
    return [one(frame(k, events)) for k in range(first, first + count)]


def test_frames_in_order_are_all_received() -> None:
    assert said(walked(run(5, 100, 2))) == {"received": 100, "events": 200}


def test_frames_that_are_missing_are_the_gap_and_found_before_the_packet_that_shows_it() -> None:
    tracker = FrameTracker({0})
    found = tracker.walk(packets_of([*run(0, 10), *run(17, 3)]))
    assert said(tracker) == {"received": 13, "events": 13, "gap": 7}
    assert (found.gap_packet.tolist(), found.gap_words.tolist(), found.gap_source.tolist()) == ([10], [7], [0])


def test_frames_that_were_swapped_are_whole_and_leave_no_gap() -> None:
    datagrams = run(0, 20)
    datagrams[7], datagrams[8] = datagrams[8], datagrams[7]
    assert said(walked(datagrams)) == {"received": 20, "events": 20}


def test_a_frame_that_comes_twice_is_decoded_once() -> None:
    datagrams = run(0, 20)
    tracker = FrameTracker({0})
    found = tracker.walk(packets_of([*datagrams[:8], datagrams[3], *datagrams[8:]]))
    assert said(tracker) == {"received": 20, "events": 20, "duplicates": 1}
    assert found.flags[8] == DUPLICATE
    assert 8 not in found.run_packet[found.run_length > 0]


@pytest.mark.parametrize("cut", [1, 7, 8, 15, 16, 23])
def test_a_datagram_that_is_cut_loses_its_last_frame_alone(cut: int) -> None:
    whole = one(frame(0, 3), frame(1, 2))
    tracker = FrameTracker({0})
    found = tracker.walk(packets_of([whole[:-cut], one(frame(2, 1))]))
    assert said(tracker) == {"received": 3, "events": 4, "malformed": 1}
    assert found.flags.tolist() == [TRUNCATED, 0]
    assert found.run_length[found.run_length > 0].tolist() == [16 + 24, 16 + 8]


def test_what_is_cut_before_the_id_is_complete_is_a_gap() -> None:
    whole = one(frame(0, 3), frame(1))
    assert said(walked([whole[:-10], one(frame(2, 1))])) == {"received": 2, "events": 4, "gap": 1}


@pytest.mark.parametrize(("claims", "size"), [(5, 4), (1, 4), (2, 6), (0, 4), (2, 3)])
def test_a_frame_that_lies_about_its_events_is_malformed_and_those_behind_it_are_found(claims: int, size: int) -> None:
    """The lying frame has two events; one of the two numbers is true."""
    lying = p.encode_frame(frame(1, 2))
    lying[0] = int(lying[0]) & ~(t.SIZE_MASK << t.SIZE_SHIFT) | size << t.SIZE_SHIFT
    lying[1] = claims
    datagram = one(frame(0, 1)) + lying.astype("<u8").tobytes() + one(frame(2, 1), frame(3, 1))[1:]
    consistent = size == claims + t.HEADER_WORDS
    tracker = walked([datagram, one(frame(4, 1))])
    if size == 4 or claims == 2:
        assert said(tracker) == {"received": 5, "events": 4, "malformed": 1}
    else:
        assert not consistent
        assert said(tracker)["malformed"] == 1


def test_a_frame_that_lies_in_both_numbers_costs_the_rest_of_its_datagram() -> None:
    lying = p.encode_frame(frame(1, 2))
    lying[0] = int(lying[0]) & ~(t.SIZE_MASK << t.SIZE_SHIFT) | 100 << t.SIZE_SHIFT
    lying[1] = 9
    datagram = one(frame(0, 1)) + lying.astype("<u8").tobytes() + one(frame(2, 1), frame(3, 1))[1:]
    assert said(walked([datagram, one(frame(4, 1))])) == {"received": 3, "events": 2, "malformed": 1, "gap": 2}


def test_frames_of_a_unit_that_the_profile_does_not_name_are_foreign() -> None:
    tracker = walked([one(frame(0, 1), frame(7, 5, port=3), frame(1, 1))])
    assert said(tracker) == {"received": 2, "events": 2}
    assert tracker.figures.foreign == 1
    assert len(tracker.figures.source) == 1


def test_several_units_in_one_datagram_have_accounts_of_their_own() -> None:
    tracker = FrameTracker({0, 1})
    datagrams = [one(frame(k, 1), frame(500 + k, 2, slave=1)) for k in (0, 1, 3)]
    found = tracker.walk(packets_of(datagrams))
    assert tracker.figures.source.tolist() == [0, 1]
    assert said(tracker, 0) == {"received": 3, "events": 3, "gap": 1}
    assert said(tracker, 1) == {"received": 3, "events": 6, "gap": 1}
    assert found.run_source.tolist() == [0, 1] * 3
    assert found.run_length.tolist() == [24, 32] * 3
    assert sorted(found.gap_source.tolist()) == [0, 1]
    assert found.start_source.tolist() == [0, 1]


def test_frames_say_what_the_front_end_lost_and_idle_ones_are_told_apart() -> None:
    frames = [frame(0, 3), frame(1, 3, lost=1), frame(2, lost=2), frame(3), frame(4, 1, lost=2), frame(5)]
    assert said(walked([one(*frames)])) == {"received": 6, "events": 7, "lossy": 2, "lost": 1, "idle": 2}


def test_frame_ids_wrap_without_a_gap() -> None:
    last = t.FRAME_ID_MASK
    assert said(walked(run(last - 5, 20))) == {"received": 20, "events": 20}


def test_a_front_end_that_begins_again_costs_one_frame() -> None:
    tracker = FrameTracker({0})
    found = tracker.walk(packets_of([*run(500_000, 50), *run(0, 50)]))
    assert said(tracker) == {"received": 100, "events": 99, "malformed": 1, "restarts": 1}
    assert found.starts.tolist() == [0, 51]
    assert tracker.figures.foreign == 0


def test_one_broken_id_costs_one_frame_that_is_nobodys() -> None:
    datagrams = run(500_000, 50)
    for broken in (7, 1 << 30, 500_000 + (1 << 20)):
        datagrams[25] = one(frame(broken, 1))
        tracker = walked(datagrams)
        assert said(tracker) == {"received": 49, "events": 49, "gap": 1}
        assert tracker.figures.foreign == 1


def test_a_long_silence_of_the_network_is_a_gap_and_no_restart() -> None:
    lost = 4_000_000
    datagrams = [*run(0, 10), *run(10 + lost, 10)]
    arrival_ns = [*range(10), *(lost * 5120 + k for k in range(10))]
    assert said(walked(datagrams, arrival_ns=arrival_ns)) == {"received": 20, "events": 20, "gap": lost}


def test_a_clock_that_jumps_ahead_of_the_hosts_begins_again() -> None:
    assert said(walked([*run(0, 10), *run(4_000_000, 10)])) == {
        "received": 20, "events": 19, "malformed": 1, "restarts": 1,
    }  # fmt: skip


def test_datagrams_without_room_are_counted_by_the_ids_of_their_first_and_last_frame() -> None:
    packets = packets_of([one(*(frame(10 * k + j, 1) for j in range(10))) for k in range(5)])
    packets.flags[2] |= DROPPED
    tracker = FrameTracker({0})
    found = tracker.walk(packets)
    assert said(tracker) == {"received": 50, "events": 40, "dropped": 10}
    assert 2 not in found.run_packet
    again = FrameTracker({0})
    packets.length[2] = 0
    again.walk(packets)
    assert said(again) == said(tracker)


def test_replies_that_nobody_waits_for_and_rubbish_are_counted_apart() -> None:
    reply = p.encode_reply(p.Reply(7, 0, b"\0"))
    tracker = walked([*run(0, 3), reply, reply, b"\x17 what", b"\xa5", *run(3, 3)])
    assert said(tracker) == {"received": 6, "events": 6}
    assert (tracker.figures.replies, tracker.figures.foreign) == (2, 2)


@dataclass
class Reference:
    """The rules in plain Python, for frames one to a datagram from one unit and no implausible ids."""

    seen: set[int] = field(default_factory=set)
    first: int = -1
    end: int = 0
    duplicates: int = 0

    def take(self, number: int) -> None:
        if self.first < 0:
            self.first = self.end = number
        self.first = min(self.first, number)
        self.duplicates += number in self.seen
        self.seen.add(number)
        self.end = max(self.end, number + 1)


@given(st.lists(st.tuples(st.integers(-3, 6), st.integers(0, 3)), max_size=60), st.lists(st.integers(0, 60)))
@settings(max_examples=60, deadline=None)
def test_the_compiled_account_equals_the_rules_in_plain_python_however_it_is_cut(
    steps: list[tuple[int, int]], cuts: list[int]
) -> None:
    number, reference, datagrams = 1000, Reference(), []
    for step, events in steps:
        number += step
        reference.take(number)
        datagrams.append(one(frame(number, events)))
    tracker, packets = FrameTracker({0}), packets_of(datagrams)
    runs: list[tuple[int, int, int]] = []
    for start, stop in pairwise(sorted({0, len(datagrams), *(cut for cut in cuts if cut < len(datagrams))})):
        found: FrameWalked = tracker.walk(part(packets, start, stop))
        places = zip(found.run_packet.tolist(), found.run_offset.tolist(), found.run_length.tolist(), strict=True)
        runs += [(start + packet, offset, length) for packet, offset, length in places if length]
    if not datagrams:
        return
    assert account(tracker)["received"] == len(reference.seen)
    assert account(tracker)["duplicates"] == reference.duplicates
    assert account(tracker)["gap"] == reference.end - reference.first - len(reference.seen)
    assert len(runs) == len(reference.seen)
    assert np.all([length == packets.length[packet] - 1 for packet, _, length in runs])


@given(st.binary(max_size=300), st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_no_bytes_make_a_run_beyond_the_datagram(rubbish: bytes, copies: int) -> None:
    datagrams = [one(frame(1, 2)), *[b"\xa5" + rubbish] * copies, one(frame(2, 2))]
    packets = packets_of(datagrams)
    found = FrameTracker().walk(packets)
    for packet, offset, length in zip(found.run_packet, found.run_offset, found.run_length, strict=True):
        assert packets.offset[packet] <= offset
        assert offset + length <= packets.offset[packet] + packets.length[packet]
