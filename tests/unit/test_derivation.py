"""Rows are a function of the packets and their arrival alone, wherever the packets are cut into calls."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daq.listmode.decoder import LayoutDecoder
from daq.model.events import MARKS, NO_SOURCE
from daq.model.layout import Clock, Layout
from daq.model.order import OrderRule
from daq.model.packets import Packets
from daq.model.stop import StopCondition, parse_stop
from daq.storage.accounts import Accounts, Framing, unnumbered
from daq.storage.derive import CLOCK_PERIOD_NS, Derivation
from daq.storage.kernels import load_decoder
from daq.wire.native import Header, NativeFlag, encode
from daq.wire.native_batch import packets_of
from device_profiles.load import load_profile

PETLINK = load_profile("siemens-petlink32")
SINGLES = load_profile("singles64")
_DECODERS: dict[str, LayoutDecoder] = {}

Row = dict[str, Any]
MS = 10**9


SHORT_CLOCK = Layout.model_validate_json("""{
 "word_bits": 16, "byte_order": "little",
 "kinds": {"single": {"yields": "single", "fields": {
   "time": {"bits": "15:8", "unit": "tick", "to": "time"},
   "energy": {"bits": "7:0", "unit": "adc", "to": "energy_adc"}}}}
}""")


def decoder_of(name: str) -> LayoutDecoder:
    if name == "short shared clock":
        return load_decoder(SHORT_CLOCK, Clock(tick_ps="1", precision_ps=1, reset_at_start=True, shared=True))
    if name not in _DECODERS:
        profile = load_profile(name.removesuffix(" with clocks of their own"))
        clock = profile.clock
        if name.endswith("own"):
            clock = Clock.model_validate({**clock.model_dump(), "shared": False, "start_ticks": None})
        _DECODERS[name] = load_decoder(profile.layout, clock)
    return _DECODERS[name]


def derivation(
    name: str = "siemens-petlink32",
    *stop: str,
    framing: Framing = "native",
    imported: bool = False,
    order: OrderRule | None = None,
) -> Derivation:
    decoder = decoder_of(name)
    condition: StopCondition = parse_stop(list(stop))
    return Derivation(
        decoder,
        Accounts(framing, decoder.layout.word_bytes, "word"),
        imported=imported,
        stop=condition,
        order=order,
        utc_of=lambda arrival_ns: 10**18 + arrival_ns,
    )


def received(datagrams: list[bytes], arrival_ns: list[int], word_bytes: int = 4) -> Packets:
    lengths = np.array([len(datagram) for datagram in datagrams], np.int64)
    data = np.frombuffer(b"".join(datagrams) or b"-", np.uint8)
    return packets_of(data, np.cumsum(lengths) - lengths, lengths, np.array(arrival_ns, np.int64), word_bytes)


def part(packets: Packets, start: int, stop: int) -> Packets:
    cut = slice(start, stop)
    return Packets(
        packets.data, packets.offset[cut], packets.length[cut], packets.source[cut], packets.sequence[cut],
        packets.arrival_ns[cut], packets.flags[cut], packets.header[cut],
    )  # fmt: skip


def rows_of(derived: Derivation, packets: Packets, cuts: list[int]) -> dict[str, list[Row]]:
    """Return the rows of each stream when the packets are cut into calls at `cuts`."""
    found: dict[str, list[Row]] = {}
    for start, stop in pairwise(sorted({0, len(packets), *(cut for cut in cuts if cut < len(packets))})):
        for stream, runs in derived.rows(derived.account(part(packets, start, stop))).items():
            for run in runs:
                columns = [np.asarray(column).tolist() for column in run.values()]
                rows = [dict(zip(run, values, strict=True)) for values in zip(*columns, strict=True)]
                found.setdefault(stream, []).extend(_readable(stream, row) for row in rows)
    return found


def _readable(stream: str, row: Row) -> Row:
    if stream == "marks":
        row["kind"] = MARKS[row["kind"]]
        row["value2"] = None if np.isnan(row["value2"]) else row["value2"]
    return row


def marks_of(rows: dict[str, list[Row]], *kinds: str) -> list[Row]:
    return [row for row in rows.get("marks", []) if row["kind"] in kinds]


def prompt(address: int) -> int:
    return 0x4000_0000 | address


def time_word(ms: int) -> int:
    return 0x8000_0000 | ms


def packet(first: int, words: list[int], *, source: int = 0, flags: int = 0, cut: int = 0, size: int = 4) -> bytes:
    payload = b"".join(word.to_bytes(size, "little") for word in words)
    whole = encode(Header(source, flags, len(words), first), payload)
    return whole[: len(whole) - cut]


def single(ticks: int, energy: int) -> int:
    return ticks % (1 << 24) | energy << 24


def epoch(number: int) -> int:
    return 1 << 63 | number


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


cuts = st.lists(st.integers(0, 30), max_size=8)
stops = st.sampled_from(
    [(), ("prompts=1",), ("prompts=3", "time=20ms"), ("events=6",), ("time=10ms",), ("delayeds=2",)]
)


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


def test_a_source_that_speaks_after_the_clock_has_wrapped_is_put_beside_the_others() -> None:
    derived = derivation("short shared clock")
    first = packet(0, [tick << 8 for tick in range(0, 250, 50)] * 9, size=2)
    second = packet(0, [(210 << 8) | 1, (20 << 8) | 2], source=1, size=2)

    rows = rows_of(derived, received([first, second], [0, 0], 2), [1])

    times = [row["time_ps"] for row in rows["singles"]]
    assert times[44] == 8 * 256 + 200
    assert times[45:] == [8 * 256 + 210, 9 * 256 + 20]


def read_whole(name: str, words: list[int], *, size: int) -> tuple[dict[str, list[Row]], Derivation]:
    """Return the rows of a file that is imported, and the derivation at its end."""
    derived = derivation(name, framing="stream", imported=True, order=OrderRule())
    data = b"".join(word.to_bytes(size, "little") for word in words)
    rows = rows_of(derived, unnumbered([(0, data)], source=0, arrival_ns=0), [])
    for stream, runs in derived.finish("end").items():
        for run in runs:
            columns = [np.asarray(column).tolist() for column in run.values()]
            rows.setdefault(stream, []).extend(dict(zip(run, row, strict=True)) for row in zip(*columns, strict=True))
    return rows, derived


def late_of(derived: Derivation) -> list[int]:
    return [source.beside.late for source in derived.ledger().sources]


@pytest.mark.parametrize("bit", range(29))
def test_one_damaged_time_word_in_a_file_makes_no_more_than_its_own_events_late(bit: int) -> None:
    words = [word for ms in range(20_000, 21_000) for word in (time_word(ms), prompt(ms), prompt(1))]
    words[1500] ^= 1 << bit

    rows, derived = read_whole("siemens-petlink32", words, size=4)

    assert len(rows["coincidences"]) == 2000
    assert late_of(derived)[0] <= 2


@pytest.mark.parametrize("bit", range(8, 34))
def test_one_damaged_epoch_in_a_file_makes_no_more_than_its_own_singles_late(bit: int) -> None:
    words = [word for number in range(100_000, 101_000) for word in (epoch(number), single(5, 1), single(9, 2))]
    words[1500] ^= 1 << bit

    rows, derived = read_whole("singles64", words, size=8)
    late = [place for place, row in enumerate(rows["singles"]) if row["late"]]

    assert len(rows["singles"]) == 2000
    assert len(late) == late_of(derived)[0] <= 2
    in_time = [row["time_ps"] for row in rows["singles"] if not row["late"]]
    assert sum(later < earlier for earlier, later in pairwise(in_time)) <= 1


@settings(max_examples=30, deadline=None)
@given(cuts)
def test_rows_of_a_front_end_that_restarts_in_mid_run_are_not_late(cut: list[int]) -> None:
    lives = [(0, range(60_000, 60_010)), (100, range(10))]
    datagrams = [
        packet(first + 2 * place, [time_word(ms), prompt(ms)], flags=0 if place else int(NativeFlag.START))
        for first, life in lives
        for place, ms in enumerate(life)
    ]
    derived = derivation(order=OrderRule())

    rows = rows_of(derived, received(datagrams, [0] * 20), cut)
    rest = derived.finish("end")["coincidences"]

    assert late_of(derived) == [0]
    jumps = [(row["value"], row["time_ps"]) for row in marks_of(rows, "jump")]
    assert jumps == [(-60_009 * MS, 60_009 * MS)]
    assert [row["bin"] for row in rows["coincidences"]] == list(range(60_000, 60_010))
    assert [number for run in rest for number in run["bin"].tolist()] == list(range(10))


@settings(max_examples=30, deadline=None)
@given(cuts)
def test_every_jump_of_a_call_is_marked_after_the_packet_that_showed_it(cut: list[int]) -> None:
    ms = [1, 90_000, 2, 3, 90_001, 4, 50_000, 60_500, 20_000]
    datagrams = [packet(2 * place, [time_word(at), prompt(1)]) for place, at in enumerate(ms)]
    derived = derivation(order=OrderRule())

    marks = rows_of(derived, received(datagrams, [0] * len(ms)), cut)["marks"]

    found = [row["value"] // (1 if row["kind"] == "time" else MS) for row in marks if row["kind"] in ("time", "jump")]
    assert found == [
        1, 90_000, 2, 2 - 90_000, 3, 90_001, 4, 4 - 90_001, 50_000, 60_500, 20_000, 20_000 - 60_500,
    ]  # fmt: skip
    assert {row["source"] for row in marks if row["kind"] == "jump"} == {0}


def test_a_source_whose_clock_jumped_does_not_end_a_step_by_time() -> None:
    decoder = decoder_of("singles64")
    rule = OrderRule(max_disorder_ps=10**6, max_step_ps=10**9)
    derived = Derivation(
        decoder, Accounts("native", 8, "word"), imported=True, stop=parse_stop(["time=1s"]), order=rule
    )  # fmt: skip
    near = [single(k, 5) for k in range(3)]
    datagrams = [
        packet(0, [epoch(0), *near], size=8),
        packet(0, [epoch(0), *near], source=1, size=8),
        packet(4, [epoch(10**6), *near], source=1, size=8),
        packet(4, [single(4, 1)], size=8),
    ]

    rows_of(derived, received(datagrams, [0] * 4, 8), [2])

    assert derived.latest_ps > 10**12
    assert derived.stopped is None
