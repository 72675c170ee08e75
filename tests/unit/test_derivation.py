"""Rows are a function of the packets and their arrival alone, wherever the packets are cut into calls."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support_derivation import cuts, derivation, epoch, marks_of, packet, prompt, received, rows_of, single, time_word

from daq.model.events import NO_SOURCE
from daq.storage.accounts import unnumbered
from daq.storage.derivedmarks import CLOCK_PERIOD_NS
from daq.wire.native import NativeFlag
from device_profiles.load import load_profile

PETLINK = load_profile("siemens-petlink32")
SINGLES = load_profile("singles64")


@st.composite
def petlink_streams(draw: st.DrawFn) -> tuple[list[bytes], list[int]]:
    """Two sources with gaps, doubles, cuts and restarts, and seconds of host time between the packets."""
    words = st.one_of(
        st.integers(0, 3).map(prompt), st.integers(0, 3), st.integers(0, 40).map(time_word),
        st.sampled_from([0xBC00_0000, 0xFFFF_0000, 0xDFFF_FFFF]),
    )  # fmt: skip
    position = {0: 0, 1: 0}
    datagrams, arrivals, now = [], [], 5
    for _ in range(draw(st.integers(1, 14))):
        source = draw(st.integers(0, 1))
        content = draw(st.lists(words, max_size=5))
        flags = draw(st.sampled_from([0, 0, 0, 0, 1, 2, 4]))
        lost = draw(st.sampled_from([0, 0, 0, 1, 7]))
        first = 0 if flags == NativeFlag.START else position[source] + lost
        content = [] if flags in (2, 4) else content
        cut = draw(st.sampled_from([0, 0, 0, 2])) if content else 0
        for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
            datagrams.append(packet(first, content, source=source, flags=flags, cut=cut))
            now += draw(st.sampled_from([0, 1000, CLOCK_PERIOD_NS // 2, CLOCK_PERIOD_NS, 3 * CLOCK_PERIOD_NS + 1]))
            arrivals.append(now)
        position[source] = first + len(content)
    return datagrams, arrivals


stops = st.sampled_from(
    [(), ("prompts=1",), ("prompts=3", "time=20ms"), ("events=6",), ("time=10ms",), ("delayeds=2",)]
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(petlink_streams(), cuts, stops, st.booleans())
def test_where_packets_are_cut_into_calls_changes_no_row(
    drawn: tuple[list[bytes], list[int]], cut: list[int], stop: tuple[str, ...], imported: bool
) -> None:
    packets = received(*drawn)
    one = derivation("siemens-petlink32", *stop, imported=imported)
    cutting = derivation("siemens-petlink32", *stop, imported=imported)
    each = derivation("siemens-petlink32", *stop, imported=imported)

    whole = rows_of(one, packets, [])

    assert rows_of(cutting, packets, cut) == whole
    assert rows_of(each, packets, list(range(len(packets)))) == whole
    assert one.stopped == cutting.stopped == each.stopped
    assert one.counts == cutting.counts == each.counts
    assert one.words_by_kind == cutting.words_by_kind == each.words_by_kind
    assert one.ledger() == cutting.ledger() == each.ledger()
    assert one.zero_ticks == cutting.zero_ticks == each.zero_ticks


singles_words = st.one_of(
    st.builds(single, st.integers(0, 5), st.integers(0, 9)), st.integers(0, 3).map(epoch), st.just(1 << 49)
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.lists(singles_words, max_size=4)), max_size=10),
    cuts,
    st.sampled_from(["singles64", "singles64 with clocks of their own"]),
)
@example([(0, [epoch(0), single(1, 1)]), (1, [epoch(7), single(1, 1)])], [1], "singles64 with clocks of their own")
def test_time_zero_of_every_clock_is_independent_of_calls(
    sent: list[tuple[int, list[int]]], cut: list[int], name: str
) -> None:
    position = dict.fromkeys(range(3), 0)
    datagrams = []
    for source, words in sent:
        datagrams.append(packet(position[source], words, source=source, size=8))
        position[source] += len(words)
    packets = received(datagrams, [0] * len(datagrams), 8)
    one, cutting = derivation(name), derivation(name)

    whole = rows_of(one, packets, [])

    assert rows_of(cutting, packets, cut) == whole
    assert [tick for tick in one.zero_ticks if tick is not None] == [t for t in cutting.zero_ticks if t is not None]


def test_a_clock_of_its_own_has_a_zero_of_its_own_even_beside_one_that_began_at_tick_0() -> None:
    derived = derivation("singles64 with clocks of their own")
    first = packet(0, [epoch(0), single(1, 1)], size=8)
    second = packet(0, [epoch(7), single(1, 1)], source=1, size=8)

    rows = rows_of(derived, received([first, second], [0, 0], 8), [1])

    assert derived.zero_ticks == [0, 7 << 24]
    assert [row["time_ps"] for row in rows["singles"]] == [24, 24]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 64), max_size=12), st.integers(0, 3))
def test_where_a_byte_stream_is_cut_changes_nothing_but_the_number_of_packets(edges: list[int], stop_at: int) -> None:
    words = [word for ms in range(8) for word in (time_word(ms), prompt(ms), prompt(1), 3)]
    data = b"".join(word.to_bytes(4, "little") for word in words)
    stop = [f"prompts={stop_at}"] if stop_at else []
    places = [0, *(4 * edge for edge in sorted(set(edges)) if 4 * edge < len(data)), len(data)]
    rows = [(0, data[a:b]) for a, b in pairwise(places)]
    whole = derivation("siemens-petlink32", *stop, framing="stream", imported=True)
    cutting = derivation("siemens-petlink32", *stop, framing="stream", imported=True)

    one = rows_of(whole, unnumbered([(0, data)], source=0, arrival_ns=0), [])
    many = rows_of(cutting, unnumbered(rows, source=0, arrival_ns=0), [])

    decoded = ("time", "singles_rate", "control", "source_start")
    assert many["coincidences"] == one["coincidences"]
    assert marks_of(many, *decoded) == marks_of(one, *decoded)
    assert [row["time_ps"] for row in marks_of(many, "stop")] == [row["time_ps"] for row in marks_of(one, "stop")]
    assert whole.stopped == cutting.stopped


def test_a_clock_mark_stands_before_the_first_packet_of_every_second() -> None:
    second = CLOCK_PERIOD_NS
    arrivals = [100, 100 + second - 1, 100 + second, 100 + 2 * second - 1, 100 + 5 * second, 101 + 6 * second]
    packets = received([packet(i, [time_word(i)]) for i in range(6)], arrivals)

    rows = rows_of(derivation(), packets, [3])

    clock = marks_of(rows, "clock")
    assert [row["value2"] for row in clock] == [100.0, 100.0 + second, 100.0 + 5 * second, 101.0 + 6 * second]
    assert [row["value"] for row in clock] == [10**18 + int(row["value2"]) for row in clock]
    assert [row["time_ps"] // 10**9 for row in clock] == [0, 1, 3, 4]
    assert {row["source"] for row in clock} == {NO_SOURCE}


def test_an_imported_file_has_no_clock_of_the_host() -> None:
    packets = received([packet(0, [time_word(0)])], [123])

    assert marks_of(rows_of(derivation(imported=True), packets, []), "clock") == []


def test_sources_and_gaps_are_marked_before_the_rows_they_concern() -> None:
    start = packet(0, [time_word(5), prompt(1)], source=3, flags=NativeFlag.START)
    later = packet(12, [time_word(9), prompt(2)], source=3)
    end = packet(14, [], source=3, flags=NativeFlag.END)

    rows = rows_of(derivation(), received([start, later, end, end], [0, 0, 0, 0]), [])

    kinds = [(row["kind"], row["source"], row["value"], row["time_ps"] // 10**9) for row in rows["marks"]]
    assert kinds == [
        ("clock", NO_SOURCE, 10**18, 0),
        ("source_start", 3, 0, 0),
        ("time", 3, 5, 5),
        ("gap", 3, 10, 5),
        ("time", 3, 9, 9),
        ("source_end", 3, 0, 9),
    ]


def test_words_cut_off_a_datagram_are_a_gap() -> None:
    packets = received([packet(0, [time_word(0), prompt(1), prompt(2)], cut=5), packet(3, [prompt(3)])], [0, 0])

    rows = rows_of(derivation(), packets, [])

    assert [row["bin"] for row in rows["coincidences"]] == [3]
    assert [row["value"] for row in marks_of(rows, "gap")] == [2]


@pytest.mark.parametrize("calls", [[], [1], [2], [1, 2, 3]])
def test_a_stop_by_count_in_the_middle_of_a_call_names_its_event_and_its_packet(calls: list[int]) -> None:
    first = [time_word(1), prompt(1), prompt(2)]
    second = [time_word(2), prompt(3), time_word(3), prompt(4), time_word(4), prompt(5)]
    packets = received([packet(0, first), packet(3, second), packet(9, [time_word(9), prompt(6)])], [0, 0, 0])
    derived = derivation("siemens-petlink32", "prompts=4")

    rows = rows_of(derived, packets, calls)

    stop = marks_of(rows, "stop")
    assert [(row["time_ps"], row["value"], row["text"]) for row in stop] == [(3 * 10**9, 2, "prompts=4")]
    assert derived.stopped is not None
    assert (derived.stopped.by, derived.stopped.time_ps) == ("prompts=4", 3 * 10**9)
    assert [row["bin"] for row in rows["coincidences"]] == [1, 2, 3, 4, 5, 6]
    assert derived.stop_now("operator") == {}


def test_of_two_limits_the_one_reached_earlier_stops() -> None:
    words = [time_word(1), prompt(1), 0, time_word(2), 0, time_word(3), prompt(2)]
    derived = derivation("siemens-petlink32", "prompts=2", "delayeds=2")

    rows = rows_of(derived, received([packet(0, words)], [0]), [])

    assert [(row["text"], row["time_ps"]) for row in marks_of(rows, "stop")] == [("delayeds=2", 2 * 10**9)]


def test_a_stop_by_detector_time_is_at_the_limit_itself() -> None:
    derived = derivation("siemens-petlink32", "time=2500us")

    rows = rows_of(derived, received([packet(0, [time_word(2)]), packet(1, [time_word(7)])], [0, 0]), [])

    assert [(r["text"], r["time_ps"], r["value"]) for r in marks_of(rows, "stop")] == [("time", 2_500_000_000, 2)]


def test_a_stop_from_outside_bears_the_present_time_and_the_packets_seen() -> None:
    derived = derivation()
    rows_of(derived, received([packet(0, [time_word(4)]), packet(1, [prompt(1)])], [0, 0]), [])

    mark = derived.stop_now("operator")["marks"][0]

    assert (int(mark["time_ps"][0]), int(mark["value"][0]), mark["text"]) == (4 * 10**9, 2, ["operator"])


def test_limits_count_each_family() -> None:
    derived = derivation()

    rows_of(derived, received([packet(0, [time_word(0), prompt(1), prompt(2), 7])], [0]), [])

    assert derived.counts == {"events": 3, "singles": 0, "prompts": 2, "delayeds": 1, "coincidences": 3}
