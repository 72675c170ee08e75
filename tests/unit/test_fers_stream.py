"""The stream of a FERS-5200 board cut into events: wherever it is cut, and past lengths that lie."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_fers import Event, any_event, broken_stretches, framed, good_bytes, profile, spectrum

from daq.errors import MismatchError
from daq.model.packets import Flag
from daq.wire.framers import framer_of

LAYOUT = profile().layout
FILE_HEADER = b"$$$$$$$FERSRAWDATAHEADER$$$$$$$\0" + (20).to_bytes(8, "little") + bytes(12)


def some_events(seed: int, count: int) -> list[Event]:
    rng = random.Random(seed)
    return [any_event(rng, number, number * 1000) for number in range(count)]


@settings(deadline=None)
@given(st.integers(0, 2**31), st.booleans(), st.lists(st.integers(0, 4000), max_size=12))
def test_a_stream_comes_back_byte_for_byte_however_it_is_cut(seed: int, old: bool, cuts: list[int]) -> None:
    events = some_events(seed, 12)
    stream = b"".join(event.old() if old else event.new() for event in events)
    rows = framed(LAYOUT, stream, cuts)

    assert b"".join(data for _, data in rows) == stream
    assert {flags for flags, _ in rows} <= {0}


@settings(deadline=None)
@given(st.integers(0, 2**31), st.binary(max_size=300), st.lists(st.integers(0, 3000), max_size=12))
def test_garbage_between_events_costs_none_of_them(seed: int, garbage: bytes, cuts: list[int]) -> None:
    before, after = (b"".join(event.new() for event in some_events(seed + part, 4)) for part in range(2))
    rows = framed(LAYOUT, before + garbage + after, cuts)

    assert b"".join(data for _, data in rows) == before + garbage + after
    assert good_bytes(rows) == before + after
    assert b"".join(broken_stretches(rows)) == garbage
    assert len(broken_stretches(rows)) == bool(garbage)


@settings(deadline=None)
@given(
    st.integers(0, 2**31), st.sampled_from([0, 1, 2, 20, 33, 35, 41, 42, 70, 75, 80, 2000, 4000, 0xFFFFFF]),
    st.lists(st.integers(0, 4000), max_size=8),
)  # fmt: skip
def test_an_event_whose_length_lies_costs_itself_alone(seed: int, says: int, cuts: list[int]) -> None:
    events = some_events(seed, 8)
    lying = spectrum(99, 99_000).new(says=says)
    stream = b"".join(event.new() for event in events[:4]) + lying + b"".join(event.new() for event in events[4:])
    rows = framed(LAYOUT, stream, cuts)

    assert broken_stretches(rows) == [lying]
    assert good_bytes(rows) == b"".join(event.new() for event in events)


def damaged(events: list[bytes], rng: random.Random) -> bytes:
    """Return a stream of events, some with bits turned over, cut, or with noise behind them."""
    stream = b""
    for event in events:
        hurt = bytearray(event)
        how = rng.randrange(8)
        if how == 0:
            hurt[rng.randrange(len(hurt))] ^= 1 << rng.randrange(8)
        elif how == 1:
            del hurt[rng.randrange(len(hurt)) :]
        elif how == 2:
            hurt += rng.randbytes(rng.randrange(300))
        stream += hurt
    return stream


@settings(deadline=None)
@given(st.integers(0, 2**31), st.booleans(), st.lists(st.integers(0, 6000), max_size=20))
def test_damage_is_judged_alike_wherever_the_stream_is_cut_and_no_byte_is_lost(
    seed: int, old: bool, cuts: list[int]
) -> None:
    events = [event.old() if old else event.new() for event in some_events(seed, 20)]
    stream = damaged(events, random.Random(seed))
    judged = [
        b"".join(bytes([flags]) * len(data) for flags, data in rows)
        for rows in (framed(LAYOUT, stream), framed(LAYOUT, stream, cuts))
    ]

    assert b"".join(data for _, data in framed(LAYOUT, stream, cuts)) == stream
    assert judged[0] == judged[1]


def test_an_event_that_claims_the_next_one_exactly_loses_itself_alone() -> None:
    first, second = spectrum(1, 1000), spectrum(2, 2000)
    claims = first.new(says=34 + 41)
    rows = framed(LAYOUT, claims + second.new() + spectrum(3, 3000).new())

    assert broken_stretches(rows) == [claims]
    assert good_bytes(rows) == second.new() + spectrum(3, 3000).new()


def test_events_behind_a_lie_that_is_waited_for_come_at_the_end_of_the_stream() -> None:
    claims = Event(2, 1, 1000, [0, 5, 6]).new(says=2000)
    behind = [spectrum(number, number * 1000).new() for number in range(2, 6)]
    framer = framer_of(LAYOUT)

    assert framer.feed(claims + b"".join(behind)) == []
    rows = framer.finish()
    assert (broken_stretches(rows), good_bytes(rows)) == ([claims], b"".join(behind))


@pytest.mark.parametrize("qualifier", [0x01, 0x11, 0x04, 0x2F, 0x0F, 0xFF])
def test_a_length_that_no_event_of_its_kind_has_is_not_waited_for(qualifier: int) -> None:
    framer = framer_of(LAYOUT)
    lying = Event(qualifier, 1, 1000, [0] * 4).new(says=1000)
    rows = framer.feed(lying + spectrum(2, 2000).new())

    assert (broken_stretches(rows), good_bytes(rows)) == ([lying], spectrum(2, 2000).new())


def test_an_event_cut_by_the_end_is_kept_and_flagged() -> None:
    whole, cut = spectrum(1, 1000).new(), spectrum(2, 2000).new()[:100]

    assert framed(LAYOUT, whole + cut) == [(0, whole), (int(Flag.TRUNCATED), cut)]


def test_rows_and_what_waits_are_bounded_whatever_comes() -> None:
    rng = random.Random(7)
    stream = bytes(rng.randrange(256) for _ in range(300_000)) + b"\x00\x00\x00\x82" * 20_000
    framer = framer_of(LAYOUT)
    rows = framer.feed(stream)
    given = sum(len(data) for _, data in rows)

    assert max(len(data) for _, data in rows) <= 64 * 1024
    assert len(stream) - given <= 64 * 1024 + 9_000
    assert b"".join(data for _, data in [*rows, *framer.finish()]) == stream


def test_rows_of_many_events_end_between_two() -> None:
    rows = framed(LAYOUT, b"".join(spectrum(number, number).new() for number in range(1000)))

    assert [len(data) % 164 for _, data in rows] == [0] * 3
    assert max(len(data) for _, data in rows) <= 64 * 1024


@settings(deadline=None)
@given(st.lists(st.integers(0, 200), max_size=6))
def test_the_header_of_a_raw_data_file_is_its_preamble(cuts: list[int]) -> None:
    rows = framed(LAYOUT, FILE_HEADER + spectrum(1, 1000).new(), cuts)

    assert rows[0] == (int(Flag.PREAMBLE), FILE_HEADER)
    assert good_bytes(rows) == spectrum(1, 1000).new()


def test_a_raw_data_file_with_an_impossible_header_is_refused() -> None:
    with pytest.raises(MismatchError, match="1000000"):
        framed(LAYOUT, FILE_HEADER[:32] + (1_000_000).to_bytes(8, "little"))


def test_a_mark_of_the_other_protocol_within_a_stream_is_no_event() -> None:
    old = spectrum(2, 2000).old()
    rows = framed(LAYOUT, spectrum(1, 1000).new() + old + spectrum(3, 3000).new())

    assert broken_stretches(rows) == [old]
