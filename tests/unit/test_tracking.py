"""The rules by which the words of one source are accounted for, one packet at a time."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.model.packets import Flag, Packets
from daq.wire.tracking import Tracker
from daq.wire.tracking_table import REORDER_PACKETS


@dataclass
class Seen:
    """What one packet turned out to be; runs of new words as ranges within the packet."""

    new: list[tuple[int, int]]
    gap_words: int
    duplicate: bool
    begins: bool


class Line:
    """One source with words of one byte, a packet at a time."""

    def __init__(self, intervals: int = 1024) -> None:
        self.tracker = Tracker(1, numbered=True, intervals=intervals)

    def seen(self, first: int, words: int, *, start: bool = False, announced: int | None = None) -> Seen:
        flags = int(Flag.START) * start | int(Flag.TRUNCATED) * (announced is not None)
        return self._walk(first, words, flags, words if announced is None else announced)

    def counter(self, total: int, *, end: bool = False) -> int:
        return self._walk(total, 0, int(Flag.END if end else Flag.HEARTBEAT), 0).gap_words

    def _walk(self, first: int, words: int, flags: int, announced: int) -> Seen:
        header = np.zeros((1, 16), np.uint8)
        header[0, 6:8] = announced & 0xFF, announced >> 8
        one = np.ones(1, np.int64)
        walked = self.tracker.walk(
            Packets(
                np.empty(0, np.uint8), one * 0, one * words, one.astype(np.uint16) * 9, np.array([first], np.uint64),
                one * 0, np.array([flags], np.uint8), header,
            )
        )  # fmt: skip
        return Seen(
            [(begin, begin + size) for begin, size in zip(walked.run_offset, walked.run_length, strict=True)],
            int(walked.gap_words.sum()),
            bool(walked.flags[0] & Flag.DUPLICATE),
            len(walked.starts) == 1,
        )

    @property
    def account(self) -> tuple[int, int, int, int]:
        """Return sent, received, gap and duplicates."""
        figures = self.tracker.figures
        received, gap = int(figures.received[0]), int(figures.gap[0])
        return received + gap, received, gap, int(figures.duplicates[0])

    @property
    def by_counter(self) -> bool:
        return bool(self.tracker.figures.by_counter[0])

    @property
    def restarts(self) -> int:
        return int(self.tracker.figures.restarts[0])


def begun(words: int = 10) -> Line:
    """Return a source whose start packet and first words came."""
    line = Line()
    line.seen(0, words, start=True)
    return line


def test_words_in_order_leave_no_gap() -> None:
    line = Line()

    first = line.seen(0, 10, start=True)
    second = line.seen(10, 5)

    assert first == Seen([(0, 10)], 0, duplicate=False, begins=True)
    assert second == Seen([(0, 5)], 0, duplicate=False, begins=False)
    assert line.account == (15, 15, 0, 0)
    assert not line.by_counter


def test_words_before_the_first_packet_seen_belong_to_nobody() -> None:
    line = Line()

    line.seen(1000, 10)

    assert line.account == (10, 10, 0, 0)


def test_a_jump_forward_is_a_gap_and_a_late_packet_closes_it() -> None:
    line = begun()

    jump = line.seen(30, 10)
    late = line.seen(10, 15)

    assert (jump.new, jump.gap_words) == ([(0, 10)], 20)
    assert (late.new, late.duplicate) == ([(0, 15)], False)
    assert line.account == (40, 35, 5, 0)


def test_a_second_copy_is_a_duplicate() -> None:
    line = begun()
    line.seen(10, 10)

    seen = line.seen(10, 10)

    assert (seen.new, seen.duplicate) == ([], True)
    assert line.account == (20, 20, 0, 10)


def test_a_packet_partly_seen_says_which_words_are_new() -> None:
    line = begun()
    line.seen(20, 10)

    seen = line.seen(5, 30)

    assert (seen.new, seen.duplicate) == ([(5, 15), (25, 30)], False)
    assert line.account == (35, 35, 0, 15)


def test_new_words_that_touch_are_one_run() -> None:
    line = Line()
    line.seen(20, 10)
    line.counter(40)
    line.seen(10, 5)

    seen = line.seen(15, 35)

    assert seen.new == [(0, 5), (15, 35)]
    assert line.account == (40, 40, 0, 10)


def test_a_counter_reveals_loss_after_the_last_packet() -> None:
    line = begun()

    missing = line.counter(25, end=True)

    assert missing == 15
    assert line.account == (25, 10, 15, 0)
    assert line.by_counter


def test_words_after_the_last_counter_are_known_by_sequence_again() -> None:
    line = begun()
    line.counter(10)
    line.seen(10, 5)

    assert not line.by_counter


def test_a_counter_overtaken_by_words_changes_nothing() -> None:
    line = begun(20)
    line.counter(20)

    assert line.counter(10) == 0
    assert line.account == (20, 20, 0, 0)
    assert line.by_counter


def test_a_counter_alone_knows_that_nothing_was_sent_to_us() -> None:
    line = Line()

    line.counter(500)

    assert line.account == (0, 0, 0, 0)
    assert line.by_counter


def test_nothing_seen_is_nothing_known() -> None:
    figures = Line().tracker.figures

    assert (len(figures.source), len(figures.received), len(figures.gap), figures.foreign) == (0, 0, 0, 0)


def test_words_that_follow_a_counter_fill_what_it_announced() -> None:
    line = begun()
    line.counter(20)

    seen = line.seen(10, 10)

    assert seen.new == [(0, 10)]
    assert line.account == (20, 20, 0, 0)


def test_a_packet_cut_short_leaves_its_missing_words_in_the_gap() -> None:
    line = Line()

    seen = line.seen(0, 6, start=True, announced=10)

    assert seen.gap_words == 4
    assert line.account == (10, 6, 4, 0)
    assert not line.by_counter


def test_a_restart_closes_the_account_and_adds_it() -> None:
    line = begun()
    line.counter(15, end=True)

    seen = line.seen(0, 20, start=True)

    assert seen == Seen([(0, 20)], 0, duplicate=False, begins=True)
    assert line.account == (35, 30, 5, 0)
    assert (line.restarts, line.by_counter) == (1, False)

    line.counter(20, end=True)

    assert line.by_counter


def test_a_restart_without_an_end_is_seen_once_the_stream_is_old_enough() -> None:
    line = begun()
    for packet in range(1, REORDER_PACKETS):
        line.seen(10 * packet, 10)

    seen = line.seen(0, 10, start=True)

    assert seen.begins
    assert line.account == (10 * REORDER_PACKETS + 10, 10 * REORDER_PACKETS + 10, 0, 0)


def test_an_old_account_closed_without_a_counter_leaves_all_known_by_sequence() -> None:
    line = Line()
    for packet in range(REORDER_PACKETS):
        line.seen(10 * packet, 10, start=not packet)
    line.seen(0, 10, start=True)

    line.counter(10, end=True)

    assert not line.by_counter


def test_second_copies_of_the_start_packet_are_no_restart() -> None:
    line = Line()
    line.seen(0, 0, start=True)
    line.seen(0, 0, start=True)
    line.seen(0, 10, start=True)
    line.seen(10, 10)

    seen = line.seen(0, 10, start=True)

    assert (seen.duplicate, seen.begins) == (True, False)
    assert line.account == (20, 20, 0, 10)
    assert line.restarts == 0


def test_a_start_packet_overtaken_by_its_followers_moves_the_baseline_down() -> None:
    line = Line()
    line.seen(20, 10)
    line.seen(10, 10)

    seen = line.seen(0, 10, start=True)

    assert (seen.new, seen.begins) == ([(0, 10)], False)
    assert line.account == (30, 30, 0, 0)


def test_a_restart_far_from_where_we_joined_is_a_restart() -> None:
    line = Line()
    line.seen(10_000_000, 10)

    seen = line.seen(0, 10, start=True)

    assert seen.begins
    assert line.account == (20, 20, 0, 0)


def test_words_from_before_a_start_belong_to_nobody() -> None:
    line = Line()
    line.seen(100, 10, start=True)

    seen = line.seen(95, 10)

    assert seen.duplicate
    assert line.account == (10, 10, 0, 10)


def test_a_forgotten_gap_stays_a_gap() -> None:
    line = Line(intervals=2)
    line.seen(0, 1, start=True)
    for first in (10, 20, 30):
        line.seen(first, 1)

    forgotten = line.seen(5, 1)
    remembered = line.seen(15, 1)

    assert (forgotten.duplicate, remembered.duplicate) == (True, False)
    assert line.account == (31, 5, 26, 1)


@dataclass
class SetModel:
    """The same account kept as a set of word numbers; packets of a stream that announces its start first."""

    got: set[int] = field(default_factory=set)
    end: int = 0
    duplicates: int = 0

    def seen(self, first: int, words: int) -> list[int]:
        fresh = [word for word in range(first, first + words) if word not in self.got]
        self.duplicates += words - len(fresh)
        self.got.update(fresh)
        self.end = max(self.end, first + words)
        return fresh


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 150), st.integers(0, 25), st.booleans()), max_size=50),
    st.integers(0, 10**9),
)
def test_the_tracker_agrees_with_a_set_of_all_words(arrivals: list[tuple[int, int, bool]], base: int) -> None:
    line, model = Line(), SetModel()
    line.seen(base, 0, start=True)

    for first, words, is_counter in arrivals:
        if is_counter:
            line.counter(base + first)
            model.end = max(model.end, first)
        else:
            seen = line.seen(base + first, words)
            fresh = [first + i for begin, stop in seen.new for i in range(begin, stop)]
            assert fresh == model.seen(first, words)

    assert line.account == (model.end, len(model.got), model.end - len(model.got), model.duplicates)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.data(), st.lists(st.integers(1, 364), min_size=1, max_size=40), st.integers(0, 5))
def test_loss_duplication_and_reordering_never_unbalance_the_account(
    data: st.DataObject, sizes: list[int], start_copies: int
) -> None:
    firsts = [sum(sizes[:i]) for i in range(len(sizes))]
    packets = [(0, 0, True)] * start_copies
    packets += [(first, words, i == 0) for i, (first, words) in enumerate(zip(firsts, sizes, strict=True))]
    kept = data.draw(st.lists(st.sampled_from(packets), max_size=60))
    line = Line()

    for first, words, start in kept:
        line.seen(first, words, start=start)
    line.counter(sum(sizes), end=True)

    came = {first: words for first, words, _ in sorted(kept)}
    received = sum(came.values())
    sent = sum(sizes) - min(came, default=sum(sizes))
    duplicates = sum(words for _, words, _ in kept) - received
    assert line.account == (sent, received, sent - received, duplicates)
    assert (line.restarts, line.by_counter) == (0, True)


@pytest.mark.parametrize("intervals", [1, 3, 1024])
@settings(max_examples=60, deadline=None)
@given(arrivals=st.lists(st.tuples(st.integers(0, 500), st.integers(0, 30), st.booleans()), min_size=1, max_size=40))
def test_whatever_comes_no_count_is_negative(intervals: int, arrivals: list[tuple[int, int, bool]]) -> None:
    line = Line(intervals)

    for first, words, start in arrivals:
        seen = line.seen(first, words, start=start)

        assert min(line.account) >= 0
        assert all(0 <= begin < stop <= words for begin, stop in seen.new)

    _, received, _, duplicates = line.account
    assert received + duplicates == sum(words for _, words, _ in arrivals)


def test_a_copy_goes_on_by_itself_with_what_was_missing() -> None:
    one, twin = Line(), Line()
    one.seen(0, 5)
    one.seen(9, 3)
    twin.tracker = deepcopy(one.tracker)

    filled = twin.seen(5, 4)

    assert filled.new == [(0, 4)]
    assert (twin.account[2], one.account[2]) == (0, 4)
    assert one.seen(6, 1).new == [(0, 1)]
    assert twin.seen(6, 1).duplicate
