from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.wire.sequence import REORDER_PACKETS, Arrival, SequenceTracker


def account(tracker: SequenceTracker) -> tuple[int, int, int, int]:
    return tracker.sent, tracker.received, tracker.gap, tracker.duplicates


def test_words_in_order_leave_no_gap() -> None:
    tracker = SequenceTracker()

    first = tracker.seen(0, 10, start=True)
    second = tracker.seen(10, 5)

    assert (first.arrival, first.new) == (Arrival.NEW, ((0, 10),))
    assert (second.arrival, second.new, second.gap_words) == (Arrival.NEW, ((0, 5),), 0)
    assert account(tracker) == (15, 15, 0, 0)
    assert tracker.basis == "sequence"
    assert tracker.next_word == 15


def test_words_before_the_first_packet_seen_belong_to_nobody() -> None:
    tracker = SequenceTracker()

    tracker.seen(1000, 10)

    assert account(tracker) == (10, 10, 0, 0)


def test_a_jump_forward_is_a_gap_and_a_late_packet_closes_it() -> None:
    tracker = SequenceTracker()
    tracker.seen(0, 10, start=True)

    jump = tracker.seen(30, 10)
    late = tracker.seen(10, 15)

    assert (jump.arrival, jump.gap_words) == (Arrival.NEW, 20)
    assert (late.arrival, late.filled_words, late.new) == (Arrival.LATE, 15, ((0, 15),))
    assert account(tracker) == (40, 35, 5, 0)


def test_a_second_copy_is_a_duplicate() -> None:
    tracker = SequenceTracker()
    tracker.seen(0, 10, start=True)
    tracker.seen(10, 10)

    verdict = tracker.seen(10, 10)

    assert (verdict.arrival, verdict.new) == (Arrival.DUPLICATE, ())
    assert account(tracker) == (20, 20, 0, 10)


def test_a_packet_partly_seen_says_which_words_are_new() -> None:
    tracker = SequenceTracker()
    tracker.seen(0, 10, start=True)
    tracker.seen(20, 10)

    verdict = tracker.seen(5, 30)

    assert (verdict.arrival, verdict.new) == (Arrival.PARTLY_DUPLICATE, ((5, 15), (25, 30)))
    assert account(tracker) == (35, 35, 0, 15)


def test_a_counter_reveals_loss_after_the_last_packet() -> None:
    tracker = SequenceTracker()
    tracker.seen(0, 10, start=True)

    missing = tracker.counter(25, end=True)

    assert missing == 15
    assert account(tracker) == (25, 10, 15, 0)
    assert tracker.basis == "counter"


def test_words_after_the_last_counter_make_the_basis_sequence_again() -> None:
    tracker = SequenceTracker()
    tracker.seen(0, 10, start=True)
    tracker.counter(10)
    tracker.seen(10, 5)

    assert tracker.basis == "sequence"


def test_a_counter_overtaken_by_words_changes_nothing() -> None:
    tracker = SequenceTracker()
    tracker.seen(0, 20, start=True)
    tracker.counter(20)

    assert tracker.counter(10) == 0
    assert account(tracker) == (20, 20, 0, 0)
    assert tracker.basis == "counter"


def test_a_counter_alone_knows_that_nothing_was_sent_to_us() -> None:
    tracker = SequenceTracker()

    tracker.counter(500)

    assert account(tracker) == (0, 0, 0, 0)
    assert tracker.basis == "counter"


def test_nothing_seen_is_nothing_known() -> None:
    tracker = SequenceTracker()

    assert account(tracker) == (0, 0, 0, 0)
    assert (tracker.basis, tracker.next_word) == ("sequence", None)


def test_words_that_follow_a_counter_fill_what_it_announced() -> None:
    tracker = SequenceTracker()
    tracker.seen(0, 10, start=True)
    tracker.counter(20)

    verdict = tracker.seen(10, 10)

    assert verdict.filled_words == 10
    assert account(tracker) == (20, 20, 0, 0)


def test_a_packet_cut_short_leaves_its_missing_words_in_the_gap() -> None:
    tracker = SequenceTracker()

    verdict = tracker.seen(0, 6, start=True, announced=10)

    assert verdict.gap_words == 4
    assert account(tracker) == (10, 6, 4, 0)
    assert tracker.basis == "sequence"


def test_a_restart_closes_the_account_and_adds_it() -> None:
    tracker = SequenceTracker()
    tracker.seen(0, 10, start=True)
    tracker.counter(15, end=True)

    verdict = tracker.seen(0, 20, start=True)

    assert (verdict.arrival, verdict.new) == (Arrival.RESTART, ((0, 20),))
    assert account(tracker) == (35, 30, 5, 0)
    assert tracker.restarts == 1
    assert tracker.basis == "sequence"

    tracker.counter(20, end=True)

    assert tracker.basis == "counter"


def test_a_restart_without_an_end_is_seen_once_the_stream_is_old_enough() -> None:
    tracker = SequenceTracker()
    tracker.seen(0, 10, start=True)
    for packet in range(1, REORDER_PACKETS):
        tracker.seen(10 * packet, 10)

    verdict = tracker.seen(0, 10, start=True)

    assert verdict.arrival is Arrival.RESTART
    assert account(tracker) == (10 * REORDER_PACKETS + 10, 10 * REORDER_PACKETS + 10, 0, 0)


def test_an_old_account_closed_without_a_counter_keeps_the_basis_at_sequence() -> None:
    tracker = SequenceTracker()
    for packet in range(REORDER_PACKETS):
        tracker.seen(10 * packet, 10, start=not packet)
    tracker.seen(0, 10, start=True)

    tracker.counter(10, end=True)

    assert tracker.basis == "sequence"


def test_second_copies_of_the_start_packet_are_no_restart() -> None:
    tracker = SequenceTracker()
    tracker.seen(0, 0, start=True)
    tracker.seen(0, 0, start=True)
    tracker.seen(0, 10, start=True)
    tracker.seen(10, 10)

    verdict = tracker.seen(0, 10, start=True)

    assert verdict.arrival is Arrival.DUPLICATE
    assert account(tracker) == (20, 20, 0, 10)
    assert tracker.restarts == 0


def test_a_start_packet_overtaken_by_its_followers_moves_the_baseline_down() -> None:
    tracker = SequenceTracker()
    tracker.seen(20, 10)
    tracker.seen(10, 10)

    verdict = tracker.seen(0, 10, start=True)

    assert verdict.arrival is Arrival.LATE
    assert account(tracker) == (30, 30, 0, 0)


def test_a_restart_far_from_where_we_joined_is_a_restart() -> None:
    tracker = SequenceTracker()
    tracker.seen(10_000_000, 10)

    verdict = tracker.seen(0, 10, start=True)

    assert verdict.arrival is Arrival.RESTART
    assert account(tracker) == (20, 20, 0, 0)


def test_words_from_before_a_start_belong_to_nobody() -> None:
    tracker = SequenceTracker()
    tracker.seen(100, 10, start=True)

    verdict = tracker.seen(95, 10)

    assert verdict.arrival is Arrival.DUPLICATE
    assert account(tracker) == (10, 10, 0, 10)


def test_a_forgotten_gap_stays_a_gap() -> None:
    tracker = SequenceTracker(intervals=2)
    tracker.seen(0, 1, start=True)
    for first in (10, 20, 30):
        tracker.seen(first, 1)

    forgotten = tracker.seen(5, 1)
    remembered = tracker.seen(15, 1)

    assert forgotten.arrival is Arrival.DUPLICATE
    assert remembered.arrival is Arrival.LATE
    assert account(tracker) == (31, 5, 26, 1)


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
    tracker, model = SequenceTracker(), SetModel()
    tracker.seen(base, 0, start=True)

    for first, words, is_counter in arrivals:
        if is_counter:
            tracker.counter(base + first)
            model.end = max(model.end, first)
        else:
            verdict = tracker.seen(base + first, words)
            fresh = [first + i for begin, stop in verdict.new for i in range(begin, stop)]
            assert fresh == model.seen(first, words)

    assert account(tracker) == (model.end, len(model.got), model.end - len(model.got), model.duplicates)


@settings(max_examples=200, deadline=None)
@given(st.data(), st.lists(st.integers(1, 364), min_size=1, max_size=40), st.integers(0, 5))
def test_loss_duplication_and_reordering_never_unbalance_the_account(
    data: st.DataObject, sizes: list[int], start_copies: int
) -> None:
    firsts = [sum(sizes[:i]) for i in range(len(sizes))]
    packets = [(0, 0, True)] * start_copies
    packets += [(first, words, i == 0) for i, (first, words) in enumerate(zip(firsts, sizes, strict=True))]
    kept = data.draw(st.lists(st.sampled_from(packets), max_size=60))
    tracker = SequenceTracker()

    for first, words, start in kept:
        tracker.seen(first, words, start=start)
    tracker.counter(sum(sizes), end=True)

    came = {first: words for first, words, _ in sorted(kept)}
    assert tracker.restarts == 0
    assert tracker.received == sum(came.values())
    assert tracker.duplicates == sum(words for _, words, _ in kept) - sum(came.values())
    assert tracker.sent == sum(sizes) - min(came, default=sum(sizes))
    assert tracker.gap >= 0
    assert tracker.basis == "counter"


@pytest.mark.parametrize("intervals", [1, 3, 4096])
@settings(max_examples=60, deadline=None)
@given(arrivals=st.lists(st.tuples(st.integers(0, 500), st.integers(0, 30), st.booleans()), max_size=40))
def test_whatever_comes_no_count_is_negative(intervals: int, arrivals: list[tuple[int, int, bool]]) -> None:
    tracker = SequenceTracker(intervals)

    for first, words, start in arrivals:
        verdict = tracker.seen(first, words, start=start)

        assert min(account(tracker)) >= 0
        assert all(0 <= begin < stop <= words for begin, stop in verdict.new)

    assert tracker.received + tracker.duplicates == sum(words for _, words, _ in arrivals)
