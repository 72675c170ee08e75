"""The accounts held against a list of words: what was sent, what came, what of it twice, what is missing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.model.ledger import SourceLedger
from daq.model.packets import NO_SEQUENCE, Flag, Packets
from daq.storage.accounts import MAX_SOURCES, Accounted, Accounts, unnumbered
from daq.wire.native import Header, NativeFlag, encode
from daq.wire.native_batch import packets_of

WORD_BYTES = 4
COUNTERS = ("prompt", "unknown", "out_of_range", "untimed")


def received(datagrams: list[bytes], *, word_bytes: int = WORD_BYTES) -> Packets:
    lengths = np.array([len(datagram) for datagram in datagrams], np.int64)
    data = np.frombuffer(b"".join(datagrams) or b"-", np.uint8)
    return packets_of(data, np.cumsum(lengths) - lengths, lengths, np.zeros(len(datagrams), np.int64), word_bytes)


def words(first: int, count: int) -> bytes:
    """Every word says its own number, so that what is decoded can be named."""
    return b"".join(number.to_bytes(WORD_BYTES, "little") for number in range(first, first + count))


def packet(first: int, count: int, *, source: int = 0, flags: int = 0, cut: int = 0) -> bytes:
    whole = encode(Header(source, flags, count, first), words(first, count))
    return whole[: len(whole) - cut]


def ledger_of(accounts: Accounts, *, durable: dict[int, int] | None = None, **causes: int) -> SourceLedger:
    counts = np.array([[causes.get(counter, 0) for counter in COUNTERS]], np.int64)
    return accounts.ledger(counts, COUNTERS, durable=durable, kernel_drops=0).sources[0]


def decoded(accounts: Accounts, packets: Packets) -> list[int]:
    """Return the numbers of the words that would be decoded, in order."""
    return words_of(accounts.account(packets))


def words_of(accounted: Accounted) -> list[int]:
    found: list[int] = []
    runs = zip(accounted.run_packet, accounted.run_offset, accounted.run_length, strict=True)
    for index, offset, length in runs:
        assert 0 <= index < len(accounted.packets)
        found += np.frombuffer(accounted.packets.data[offset : offset + length].tobytes(), "<u4").tolist()
    return found


@dataclass
class Run:
    """A front end from its start to its end, and what the network made of it."""

    datagrams: list[bytes] = field(default_factory=list)
    came: set[int] = field(default_factory=set)
    delivered: int = 0


@st.composite
def runs(draw: st.DrawFn) -> tuple[int, Run]:
    """A start that comes through, packets lost, doubled, cut and overtaking each other, heartbeats, the end."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=12))
    run = Run([packet(0, 0, flags=NativeFlag.START)])
    firsts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    rows: list[tuple[float, bytes, set[int]]] = []
    for place, (first, size) in enumerate(zip(firsts, sizes, strict=False)):
        for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2]))):
            cut = draw(st.sampled_from([0, 0, 0, 1, 4, 6]))
            whole = max(size * WORD_BYTES - cut, 0) // WORD_BYTES
            delay = draw(st.sampled_from([0, 0, 0, 1.5, 2.5]))
            rows.append((place + delay, packet(first, size, cut=min(cut, size * 4)), set(range(first, first + whole))))
        if draw(st.booleans()):
            rows.append((place + 0.1, packet(first, 0, flags=NativeFlag.HEARTBEAT), set()))
    for _, datagram, came in sorted(rows, key=lambda row: row[0]):
        run.datagrams.append(datagram)
        run.came |= came
        run.delivered += len(came)
    run.datagrams.append(packet(firsts[-1], 0, flags=NativeFlag.END))
    return firsts[-1], run


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(runs(), st.integers(1, 5))
def test_accounts_agree_with_a_list_of_the_words_that_came(drawn: tuple[int, Run], at_once: int) -> None:
    sent, run = drawn
    accounts = Accounts("native", WORD_BYTES, "word")

    found: list[int] = []
    for at in range(0, len(run.datagrams), at_once):
        found += decoded(accounts, received(run.datagrams[at : at + at_once]))

    ledger = ledger_of(accounts)
    assert sorted(found) == sorted(run.came)
    assert (ledger.sent, ledger.received, ledger.gap) == (sent, len(run.came), sent - len(run.came))
    assert ledger.beside.duplicates == run.delivered - len(run.came)
    assert (ledger.basis, ledger.balanced) == ("counter", True)
    assert accounts.all_ended()


@settings(max_examples=100, deadline=None)
@given(runs(), runs())
def test_a_restart_adds_a_second_account_to_the_first(first: tuple[int, Run], second: tuple[int, Run]) -> None:
    accounts = Accounts("native", WORD_BYTES, "word")

    one = decoded(accounts, received(first[1].datagrams))
    restarted = accounts.account(received(second[1].datagrams))
    two = words_of(restarted)

    ledger = ledger_of(accounts)
    assert sorted(one) == sorted(first[1].came)
    assert sorted(two) == sorted(second[1].came)
    assert restarted.starts.tolist() == [0]
    assert ledger.sent == first[0] + second[0]
    assert ledger.received == len(first[1].came) + len(second[1].came)
    assert ledger.balanced is True


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 5, 0xFFFE]),
            st.sampled_from([0, 0, 0, 1, 2, 4, 5, 8]),
            st.sampled_from([0, 1, 3, 7, 100, 2**63 - 1, 2**63 - 4, 2**62]),
            st.integers(0, 3),
            st.integers(0, 6),
        ),
        max_size=30,
    ),
    st.integers(0, 40),
    st.lists(st.booleans(), min_size=30, max_size=30),
)
def test_whatever_comes_every_ledger_balances_and_marks_fit_their_column(
    drawn: list[tuple[int, int, int, int, int]], durable: int, full: list[bool]
) -> None:
    datagrams = []
    for source, flags, first, count, cut in drawn:
        head = np.array([0x4E53, source, flags, count], "<u2").tobytes() + first.to_bytes(8, "little")
        datagrams.append((head + bytes(count * WORD_BYTES))[: 16 + count * WORD_BYTES - cut])
    accounts = Accounts("native", WORD_BYTES, "word")
    packets = received(datagrams)
    dropped = np.array(full[: len(packets)], bool)
    packets.flags[dropped] |= np.uint8(Flag.DROPPED)

    accounted = accounts.account(packets)

    offered = dict(zip(accounts.source_numbers.tolist(), (accounts.received - accounts.dropped).tolist(), strict=True))
    assert np.all(accounted.gap_words > 0)
    assert np.all(accounted.run_offset >= 0)
    assert np.all(accounted.run_offset + accounted.run_length <= len(packets.data))
    assert not np.isin(accounted.run_packet, np.flatnonzero(dropped)).any()
    on_disk = {source: min(durable, words) for source, words in offered.items()}
    counts = np.zeros((0xFFFF, len(COUNTERS)), np.int64)
    for known in (None, on_disk):
        ledger = accounts.ledger(counts, COUNTERS, durable=known, kernel_drops=0)
        assert ledger.balanced is True


def test_what_found_no_room_is_received_and_ring_full_and_its_header_tells_how_much() -> None:
    accounts = Accounts("native", WORD_BYTES, "word")
    accounts.account(received([packet(0, 3, flags=NativeFlag.START)]))
    bare = received([packet(3, 5), packet(8, 2)])
    bare.flags[:] |= np.uint8(Flag.DROPPED)

    accounted = accounts.account(bare)
    accounts.account(received([packet(10, 1), packet(11, 0, flags=NativeFlag.END)]))

    ledger = ledger_of(accounts)
    assert len(accounted.run_packet) == 0
    assert accounted.packets.length.tolist() == [0, 0]
    assert (ledger.sent, ledger.received, ledger.ring_full, ledger.recorded, ledger.gap) == (11, 11, 7, 4, 0)
    assert ledger.balanced is True


def test_words_that_fit_no_kind_are_malformed_and_a_failed_disk_takes_the_rest() -> None:
    accounts = Accounts("stream", WORD_BYTES, "word")
    accounts.account(unnumbered([(0, bytes(40)), (int(Flag.TRUNCATED), b"abc")], source=0, arrival_ns=0))

    whole = ledger_of(accounts, unknown=2, out_of_range=1)
    cut_off = ledger_of(accounts, durable={0: 6}, unknown=2, out_of_range=1)
    nothing = ledger_of(accounts, durable={}, unknown=2)

    assert (whole.received, whole.recorded, whole.malformed, whole.disk) == (11, 7, 4, 0)
    assert (cut_off.received, cut_off.recorded, cut_off.malformed, cut_off.disk) == (11, 2, 4, 5)
    assert (nothing.recorded, nothing.malformed, nothing.disk) == (0, 0, 11)
    assert [ledger.balanced for ledger in (whole, cut_off, nothing)] == [True, True, True]


def test_a_stream_cannot_lose_and_says_so() -> None:
    accounts = Accounts("stream", WORD_BYTES, "word")

    accounted = accounts.account(
        unnumbered([(int(Flag.PREAMBLE), b"head"), (0, bytes(8)), (0, bytes(12))], source=0, arrival_ns=0)
    )

    ledger = ledger_of(accounts)
    assert accounted.run_length.tolist() == [8, 12]
    assert (ledger.basis, ledger.sent, ledger.received, ledger.gap, ledger.balanced) == ("stream", 5, 5, 0, True)
    assert not accounts.all_ended()


def test_without_framing_nobody_knows_what_was_sent() -> None:
    accounts = Accounts("none", WORD_BYTES, "word")

    accounts.account(unnumbered([(0, bytes(8)), (int(Flag.TRUNCATED), bytes(6))], source=0, arrival_ns=0))

    ledger = ledger_of(accounts)
    assert (ledger.basis, ledger.sent, ledger.received, ledger.malformed) == ("none", None, 4, 1)
    assert ledger.balanced is None


def test_without_framing_what_found_no_room_is_still_counted() -> None:
    accounts = Accounts("none", WORD_BYTES, "word")
    packets = unnumbered([(int(Flag.DROPPED), bytes(8)), (0, bytes(4))], source=0, arrival_ns=0)

    accounts.account(packets)

    ledger = ledger_of(accounts)
    assert (ledger.received, ledger.ring_full, ledger.recorded) == (3, 2, 1)


def test_what_breaks_the_framing_is_foreign_and_belongs_to_no_source() -> None:
    accounts = Accounts("native", WORD_BYTES, "word")

    accounted = accounts.account(received([b"GET / HTTP/1.1", packet(0, 2, flags=NativeFlag.START), b""]))

    ledger = accounts.ledger(np.zeros((1, 4), np.int64), COUNTERS, durable=None, kernel_drops=7)
    assert accounted.packets.flags.tolist() == [int(Flag.MALFORMED), int(Flag.START), int(Flag.MALFORMED)]
    assert accounted.packets.length.tolist() == [14, 8, 0]
    assert (ledger.socket.foreign, ledger.socket.kernel_drops) == (2, 7)
    assert [source.received for source in ledger.sources] == [2]


def test_more_sources_than_any_scanner_has_are_garbage_and_memory_stays_bounded() -> None:
    accounts = Accounts("native", WORD_BYTES, "word")
    datagrams = [packet(0, 1, source=source, flags=NativeFlag.START) for source in range(65_535)]

    accounted = accounts.account(received(datagrams))

    assert len(accounts.source_numbers) == MAX_SOURCES
    assert accounts.foreign == 65_535 - MAX_SOURCES
    assert int((accounted.packets.flags & int(Flag.MALFORMED) > 0).sum()) == accounts.foreign
    assert len(accounted.run_packet) == MAX_SOURCES


def test_a_source_ends_once_and_is_live_again_after_a_restart() -> None:
    accounts = Accounts("native", WORD_BYTES, "word")
    end = packet(2, 0, flags=NativeFlag.END)

    first = accounts.account(received([packet(0, 2, flags=NativeFlag.START), end, end, end]))
    ended = accounts.all_ended()
    second = accounts.account(received([packet(0, 3, flags=NativeFlag.START)]))

    assert (first.starts.tolist(), first.ends.tolist(), ended) == ([0], [1], True)
    assert (second.starts.tolist(), accounts.all_ended()) == ([0], False)


def test_one_source_that_goes_on_keeps_all_from_being_ended() -> None:
    accounts = Accounts("native", WORD_BYTES, "word")

    accounts.account(received([packet(0, 1, flags=1), packet(1, 0, flags=4), packet(0, 1, source=1, flags=1)]))

    assert not accounts.all_ended()


@pytest.mark.parametrize("rows", [[], [(0, b"")]])
def test_rows_of_nothing_are_packets_of_nothing(rows: list[tuple[int, bytes]]) -> None:
    packets = unnumbered(rows, source=3, arrival_ns=5)

    assert packets.length.tolist() == [0] * len(rows)
    assert packets.sequence.tolist() == [NO_SEQUENCE] * len(rows)
    assert len(Accounts("stream", WORD_BYTES, "word").account(packets).run_packet) == 0


def test_a_packet_cut_short_that_found_no_room_counts_as_it_was_announced_live_and_at_replay() -> None:
    """Raw keeps its header alone, so what arrived of it is not known again."""
    live, replay = Accounts("native", WORD_BYTES, "word"), Accounts("native", WORD_BYTES, "word")
    packets = received([packet(0, 2, flags=NativeFlag.START), packet(2, 5, cut=9), packet(9, 1)])
    packets.flags[1] |= np.uint8(Flag.DROPPED)

    now = live.account(packets)
    again = replay.account(now.packets)

    assert now.packets.length.tolist() == [8, 0, 4]
    for accounted in (now, again):
        assert (accounted.gap_packet.tolist(), accounted.gap_words.tolist()) == ([2], [2])
        assert accounted.run_packet.tolist() == [0, 2]
    assert ledger_of(live) == ledger_of(replay)
    assert (ledger_of(live).received, ledger_of(live).ring_full, ledger_of(live).gap) == (8, 5, 2)


@settings(max_examples=100, deadline=None)
@given(runs(), st.integers(1, 5))
def test_what_was_accounted_for_is_accounted_for_again_in_the_same_way(drawn: tuple[int, Run], at_once: int) -> None:
    live, replay = Accounts("native", WORD_BYTES, "word"), Accounts("native", WORD_BYTES, "word")
    datagrams = drawn[1].datagrams

    for at in range(0, len(datagrams), at_once):
        first = live.account(received(datagrams[at : at + at_once]))
        second = replay.account(first.packets)

        assert second.packets.flags.tolist() == first.packets.flags.tolist()
        assert words_of(second) == words_of(first)
    assert ledger_of(replay) == ledger_of(live)


def test_figures_may_be_asked_for_by_another_thread_while_packets_pass() -> None:
    accounts = Accounts("native", WORD_BYTES, "word")
    rounds = [received([packet(10 * n, 5, source=source) for source in range(50)]) for n in range(200)]
    seen: list[tuple[list[int], list[int]]] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            figures = accounts.figures
            seen.append((figures.received.tolist(), figures.gap.tolist()))
            assert not accounts.all_ended()

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        for packets in rounds:
            accounts.account(packets)
        done.set()
        asking.result()

    assert all(len(set(words)) <= 1 and gap == [max(n - 5, 0) for n in words] for words, gap in seen)
    assert (accounts.received.tolist(), accounts.gap.tolist()) == ([1000] * 50, [995] * 50)
