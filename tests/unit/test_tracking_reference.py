"""The compiled tracker equals the slow reference, packet for packet, whatever comes and however it is cut."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_accounting import Findings, ReferenceAccounts

from daq.model.packets import Flag, Packets
from daq.wire.tracking import Tracker, Walked

WORD_BYTES = 4
DROPPED_AND_CUT = int(Flag.DROPPED | Flag.TRUNCATED)

Row = tuple[int, int, int, int, int]
"""Source, sequence, bytes that arrived, words announced, flags."""


@dataclass
class Traffic:
    """Packets to come, in their order."""

    rows: list[Row] = field(default_factory=list)

    def packets(self) -> Packets:
        source, sequence, length, announced, flags = zip(*self.rows, strict=True) if self.rows else ((),) * 5
        header = np.zeros((len(self.rows), 16), np.uint8)
        header[:, 6:8] = np.array(announced, "<u2").reshape(-1, 1).view(np.uint8)
        lengths = np.array(length, np.int64)
        return Packets(
            data=np.empty(0, np.uint8), offset=np.cumsum(lengths) - lengths, length=lengths,
            source=np.array(source, np.uint16), sequence=np.array(sequence, np.uint64),
            arrival_ns=np.zeros(len(self.rows), np.int64), flags=np.array(flags, np.uint8), header=header,
        )  # fmt: skip


def part(packets: Packets, start: int, stop: int) -> Packets:
    cut = slice(start, stop)
    return Packets(
        packets.data, packets.offset[cut], packets.length[cut], packets.source[cut],
        packets.sequence[cut], packets.arrival_ns[cut], packets.flags[cut], packets.header[cut],
    )  # fmt: skip


def figures(tracker: Tracker, *, numbered: bool) -> dict[int, tuple[object, ...]]:
    got = tracker.figures
    return {
        source: (
            int(got.received[row]) + got.exact_gap(row), int(got.received[row]), got.exact_gap(row),
            int(got.dropped[row]), int(got.truncated[row]), int(got.duplicates[row]), int(got.restarts[row]),
            "counter" if got.by_counter[row] and numbered else "sequence", bool(got.ended[row]),
        )
        for row, source in enumerate(got.source.tolist())
    }  # fmt: skip


def found(walked: Walked) -> Findings:
    return Findings(
        walked.flags.tolist(),
        [],
        list(zip(walked.run_packet.tolist(), walked.run_offset.tolist(), walked.run_length.tolist(), strict=True)),
        list(zip(walked.gap_packet.tolist(), walked.gap_words.tolist(), strict=True)),
        walked.starts.tolist(),
        walked.ends.tolist(),
    )


def assert_equal_to_the_reference(
    traffic: Traffic, cuts: list[int], *, numbered: bool = True, intervals: int = 1024, sources: int = 4096
) -> Tracker:
    """Hand the packets over in pieces; after each, everything found and every figure is the same."""
    packets = traffic.packets()
    tracker = Tracker(WORD_BYTES, numbered=numbered, intervals=intervals, sources=sources)
    reference = ReferenceAccounts(numbered=numbered, word_bytes=WORD_BYTES, intervals=intervals, sources=sources)
    for start, stop in pairwise([0, *sorted(min(cut, len(packets)) for cut in cuts), len(packets)]):
        piece = part(packets, start, stop)

        got, expected = found(tracker.walk(piece)), reference.account(piece)

        assert got == replace(expected, kept=[])
        assert figures(tracker, numbered=numbered) == reference.figures()
        assert tracker.figures.foreign == reference.foreign
    return tracker


flags = st.one_of(
    st.just(0),
    st.just(0),
    st.sampled_from([1, 2, 4, 1, 2, 4, 5, 6, 8, 16, 32, 64, 128, DROPPED_AND_CUT, 129, 130, 65]),
    st.integers(0, 255),
)
firsts = st.one_of(st.integers(0, 60), st.integers(0, 60), st.sampled_from([10**6, 2**62, 2**63 - 5, 2**63 - 1]))
rows = st.builds(
    lambda source, first, words, cut, flag: (source, first, max(4 * words - cut, 0), words, flag),
    st.sampled_from([0, 0, 0, 7, 0xFFFE, 0xFFFF]),
    firsts,
    st.integers(0, 12),
    st.sampled_from([0, 0, 0, 1, 6]),
    flags,
)
hostile = st.tuples(
    st.integers(0, 0xFFFF), st.integers(0, 2**64 - 1), st.integers(0, 200), st.integers(0, 0xFFFF), st.integers(0, 255)
)
cuts = st.lists(st.integers(0, 60), max_size=5)


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(st.lists(rows, max_size=60), cuts, st.sampled_from([1, 2, 3, 5, 1024]))
def test_numbered_words_are_accounted_for_as_the_reference_does(
    drawn: list[Row], at: list[int], intervals: int
) -> None:
    assert_equal_to_the_reference(Traffic(drawn), at, intervals=intervals)


@settings(max_examples=200, deadline=None)
@given(st.lists(rows, max_size=40), cuts)
def test_words_without_numbers_are_accounted_for_as_the_reference_does(drawn: list[Row], at: list[int]) -> None:
    assert_equal_to_the_reference(Traffic(drawn), at, numbered=False)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(rows, hostile), max_size=40), cuts, st.integers(1, 4))
def test_rows_that_no_framing_gives_harm_nothing(drawn: list[Row], at: list[int], sources: int) -> None:
    assert_equal_to_the_reference(Traffic(drawn), at, sources=sources, intervals=2)


@dataclass
class FrontEnd:
    """A source with a network in between that delays, doubles, loses and cuts."""

    source: int
    rng: np.random.Generator
    next_word: int = 0
    held: list[Row] = field(default_factory=list)

    def packets(self, trouble: float) -> list[Row]:
        """Return what arrives next: one packet in order, most of the time."""
        if self.rng.random() > trouble:
            return [self.sent()]
        ways = (
            self.heartbeat, self.heartbeat, self.end, self.restart, self.old_words, self.released, self.released,
            self.delayed, self.delayed, self.doubled, self.cut, self.dropped, self.cut_and_dropped, self.garbage,
            self.lost, self.lost,
        )  # fmt: skip
        return ways[int(self.rng.integers(0, len(ways)))]()

    def sent(self, flags: int = 0, cut: int = 0) -> Row:
        words, first = int(self.rng.integers(1, 30)), self.next_word
        self.next_word += words
        return self.source, first, max(WORD_BYTES * words - cut, 0), words, flags

    def heartbeat(self) -> list[Row]:
        return [(self.source, self.next_word, 0, 0, int(Flag.HEARTBEAT))]

    def end(self) -> list[Row]:
        return [(self.source, self.next_word, 0, 0, int(Flag.END))] * int(3 * (self.rng.random() < 0.1))

    def restart(self) -> list[Row]:
        if self.rng.random() < 0.9:
            return []
        self.next_word = int(self.rng.choice([0, 0, 0, 1000]))
        return [(self.source, self.next_word, 0, 0, int(Flag.START))] * int(self.rng.integers(1, 3))

    def old_words(self) -> list[Row]:
        words = int(self.rng.integers(1, 30))
        first = max(self.next_word - int(self.rng.integers(0, 200)), 0)
        return [(self.source, first, WORD_BYTES * words, words, 0)]

    def delayed(self) -> list[Row]:
        self.held.append(self.sent())
        return []

    def released(self) -> list[Row]:
        held, self.held = self.held, []
        return [held[int(place)] for place in self.rng.permutation(len(held))]

    def doubled(self) -> list[Row]:
        return [self.sent()] * 2

    def cut(self) -> list[Row]:
        return [self.sent(int(Flag.TRUNCATED), int(self.rng.integers(1, 100)))]

    def dropped(self) -> list[Row]:
        return [self.sent(int(Flag.DROPPED))]

    def cut_and_dropped(self) -> list[Row]:
        return [self.sent(DROPPED_AND_CUT, 3)]

    def garbage(self) -> list[Row]:
        return [(int(self.rng.integers(0, 1 << 16)), 5, 7, 1, int(Flag.MALFORMED))]

    def lost(self) -> list[Row]:
        self.sent()
        return []


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize(
    ("seed", "sources", "trouble", "intervals", "most"),
    [(1, 1, 0.5, 1024, 4096), (2, 5, 0.3, 1024, 4096), (3, 3, 0.8, 3, 4096), (4, 40, 0.2, 17, 30), (5, 2, 0.95, 7, 2)],
)
def test_a_long_run_of_troubled_traffic_equals_the_reference(
    seed: int, sources: int, trouble: float, intervals: int, most: int, numbered: bool
) -> None:
    rng = np.random.default_rng(seed)
    front_ends = [FrontEnd(int(number), rng) for number in rng.choice(1 << 16, sources, replace=False)]
    traffic = Traffic()
    while len(traffic.rows) < 15_000:
        traffic.rows += front_ends[int(rng.integers(0, sources))].packets(trouble)
    at = rng.integers(0, 15_000, 30).tolist()

    tracker = assert_equal_to_the_reference(traffic, at, numbered=numbered, intervals=intervals, sources=most)

    if numbered:
        assert min(tracker.figures.restarts.sum(), tracker.figures.duplicates.sum(), tracker.figures.gap.sum()) > 0


def test_many_missing_intervals_are_found_again_wherever_they_are_and_the_oldest_are_forgotten() -> None:
    rng = np.random.default_rng(6)
    lost = [(5, 10 * place, 40, 10, 0) for place in range(3001) if place % 2]
    came = [(5, 10 * place, 40, 10, 0) for place in range(3001) if not place % 2]
    again = [lost[int(place)] for place in rng.permutation(len(lost))]
    across = [(5, int(first), 4 * 1500, 1500, 0) for first in rng.integers(0, 30_000, 30)]

    tracker = assert_equal_to_the_reference(Traffic([*came, *again[:700], *across, *again[700:]]), [1500, 2000])

    assert int(tracker.figures.gap[0]) == 10 * (1500 - 1024)


def test_packets_that_fill_more_gaps_than_a_call_has_room_for_are_still_whole() -> None:
    """Five sources with a thousand gaps each, all of them filled by one packet of each, in one call."""
    came = [(source, 2 * place, 4, 1, 0) for place in range(1100) for source in range(5)]
    traffic = Traffic([*came, *[(source, 0, 4 * 2200, 2200, 0) for source in range(5)] * 2])

    assert_equal_to_the_reference(traffic, [])
    assert_equal_to_the_reference(traffic, [5500, 5502])


def test_a_cut_packet_whose_words_are_numbered_too_high_is_foreign_whatever_it_announces() -> None:
    high = 2**63 - 5
    rows = [(0, high, 4 * words, announced, 64) for words, announced in ((4, 0), (5, 0), (0, 4), (0, 5))]

    tracker = assert_equal_to_the_reference(Traffic(rows), [])

    assert tracker.figures.foreign == 2


def test_words_found_again_of_a_gap_of_62_bits_leave_it_exact() -> None:
    tracker = assert_equal_to_the_reference(Traffic([(0, 0, 0, 0, 1), (0, 2**62, 0, 0, 2), (0, 7, 40, 10, 0)]), [])

    assert tracker.figures.gap.tolist() == [2**62 - 10]


def test_gaps_beyond_what_63_bits_hold_are_kept_exactly() -> None:
    far = 2**63 - 1
    rows = [(0, 0, 4, 1, 1), (0, far, 0, 0, 4)] * 5 + [(0, 0, 4, 1, 1), (0, 100, 0, 0, 2), (0, 50, 40, 10, 0)]

    tracker = assert_equal_to_the_reference(Traffic(rows), [3])

    assert tracker.figures.exact_gap(0) == 5 * (far - 1) + 89
    assert tracker.figures.gap.tolist() == [2**63 - 1]


def test_figures_that_were_given_out_never_change() -> None:
    tracker = Tracker(WORD_BYTES, numbered=True)
    tracker.walk(Traffic([(0, 0, 40, 10, 1)]).packets())
    before = tracker.figures

    tracker.walk(Traffic([(0, 20, 40, 10, 0), (3, 0, 40, 10, 0)]).packets())

    assert (before.source.tolist(), before.received.tolist(), before.gap.tolist()) == ([0], [10], [0])
    assert tracker.figures.source.tolist() == [0, 3]
    assert (tracker.figures.received.tolist(), tracker.figures.gap.tolist()) == ([20, 10], [10, 0])


def test_packets_that_cannot_be_written_to_are_read_all_the_same() -> None:
    packets = Traffic([(0, 0, 40, 10, 1), (0, 10, 40, 10, 0), (0, 10, 40, 10, 0)]).packets()
    for column in (packets.offset, packets.length, packets.source, packets.sequence, packets.flags, packets.header):
        column.flags.writeable = False

    walked = Tracker(WORD_BYTES, numbered=True).walk(packets)

    assert walked.flags.tolist() == [1, 0, int(Flag.DUPLICATE)]
    assert packets.flags.tolist() == [1, 0, 0]
