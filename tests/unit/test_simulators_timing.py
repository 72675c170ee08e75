"""Kinds and times of words, and where paced packets begin, against the obvious loops."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.model.layout import BitField, Clock, Kind, Layout
from simulators.pacing import age_ticks, cut_words
from simulators.timing import KindFinder, WordClock, word_times_ps, words_as_integers


def layout(word_bits: int, order: str, kinds: dict[str, Kind]) -> Layout:
    return Layout(word_bits=word_bits, byte_order=order, kinds=kinds)  # type: ignore[arg-type]


def time_field(bits: str, **more: int) -> BitField:
    return BitField(bits=bits, unit="tick", to="time", **more)  # type: ignore[arg-type]


CARRIED = layout(
    16,
    "big",
    {
        "time": Kind(yields="time", tag={"15": 1}, fields={"t": time_field("3:0", ticks=8)}),
        "single": Kind(yields="single", tag={"15:14": 0}, fields={"t": time_field("2:0")}),
        "mark": Kind(yields="mark", mark="control", tag={"15:14": 1}),
    },
)
OWN = layout(
    8,
    "little",
    {
        "single": Kind(yields="single", tag={"7": 0}, fields={"t": time_field("3:0", wrap=12)}),
        "other": Kind(yields="single", tag={"7:6": 2}, fields={"t": time_field("4:0")}),
        "filler": Kind(yields="nothing", tag={"7:6": 3}),
    },
)
CLOCK = Clock(tick_ps="3/2", precision_ps=1, reset_at_start=True)


def loop(words: list[int], layout: Layout, start: int | None) -> list[tuple[int, bool]]:
    """Decode word by word, as a firmware engineer would write it down."""
    reference, known, out = start or 0, start is not None, []
    for word in words:
        own = 0
        kind = next((k for k in layout.kinds.values() if word & k.tag_mask == k.tag_value), None)
        field = kind.field_to("time") if kind and kind.yields != "nothing" else None
        if kind and field:
            raw = word >> field.low & ((1 << field.width) - 1)
            limit = field.wrap or 1 << field.width
            if layout.carries_time and kind.yields != "time":
                own = raw * field.ticks
            elif raw < limit:
                wrap = limit * field.ticks
                step = (raw * field.ticks - reference + wrap // 2) % wrap - wrap // 2
                reference, known = (reference + step if known else raw * field.ticks), True
        out.append((reference + own, known))
    return out


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 0xFFFF), max_size=40), st.sampled_from([CARRIED, OWN]), st.sampled_from([None, 0, 77]))
def test_times_agree_with_the_loop_wherever_the_stream_is_cut(
    words: list[int], layout: Layout, start: int | None
) -> None:
    words = [word & ((1 << layout.word_bits) - 1) for word in words]
    data = np.frombuffer(b"".join(w.to_bytes(layout.word_bytes, layout.byte_order) for w in words), np.uint8)
    clock = WordClock(layout, Clock(tick_ps="1", precision_ps=1, reset_at_start=True, start_ticks=start))

    cut = len(words) // 3 * layout.word_bytes
    got = []
    for part in (data[:cut], data[cut:]):
        _, ticks, timed = clock.read(part)
        got += list(zip(ticks.tolist(), timed.tolist(), strict=True))

    assert got == loop(words, layout, start)


def test_times_in_ps_are_rounded_half_to_even() -> None:
    data = np.array([1, 2, 3, 5], np.uint8)

    assert word_times_ps(data, OWN, CLOCK).tolist() == [2, 3, 4, 8]


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("word_bits", [8, 16, 24, 32, 40, 48, 56, 64])
def test_words_become_integers_in_either_byte_order(word_bits: int, order: str) -> None:
    values = [0x0123456789ABCDEF >> (64 - word_bits), 1, (1 << word_bits) - 1]
    data = np.frombuffer(b"".join(v.to_bytes(word_bits // 8, order) for v in values), np.uint8)  # type: ignore[arg-type]
    a_layout = layout(word_bits, order, {"any": Kind(yields="nothing")})

    assert words_as_integers(data, a_layout).tolist() == values


@pytest.mark.parametrize("low", [0, 11], ids=["tags too far apart for a table", "tags within a table"])
@given(words=st.lists(st.integers(0, 0xFFFFFFFF), max_size=30))
def test_the_first_kind_that_fits_wins(low: int, words: list[int]) -> None:
    kinds = {
        "a": Kind(yields="nothing", tag={"31:30": 2, f"{low}": 1}),
        "b": Kind(yields="nothing", tag={"31:30": 2}),
        "c": Kind(yields="nothing", tag={"31": 0}),
    }

    got = KindFinder(layout(32, "little", kinds)).find(np.array(words, np.uint32))

    fits = [[code for code, k in enumerate(kinds.values()) if w & k.tag_mask == k.tag_value] for w in words]
    assert got.tolist() == [codes[0] if codes else -1 for codes in fits]


@given(st.lists(st.integers(0, 300), max_size=200), st.integers(1, 20), st.integers(1, 50))
def test_no_packet_is_too_large_or_too_old_and_none_is_cut_without_need(
    unsorted: list[int], capacity: int, age: int
) -> None:
    ticks = np.sort(np.array(unsorted, np.int64))

    starts = cut_words(ticks, capacity, age).tolist()

    ends = [*starts[1:], len(ticks)][: len(starts)]
    assert starts[:1] == [0][: len(ticks)]
    assert all(0 < stop - begin <= capacity for begin, stop in zip(starts, ends, strict=True))
    assert all(ticks[stop - 1] - ticks[begin] < age for begin, stop in zip(starts, ends, strict=True))
    full = range(0, len(ticks), capacity)
    assert set(full) <= set(starts)
    needed = [ticks[min(begin + capacity, len(ticks)) - 1] - ticks[begin] >= age for begin in full]
    assert all(
        any(begin < start < begin + capacity for start in starts) == n for begin, n in zip(full, needed, strict=True)
    )


def test_a_clock_that_jumps_back_within_a_packet_begins_another() -> None:
    assert cut_words(np.array([900, 901, 3, 4]), 6, 10).tolist() == [0, 2]


def test_flat_out_packets_are_full() -> None:
    assert cut_words(np.zeros(10, np.int64), 4, None).tolist() == [0, 4, 8]


def test_a_packet_spans_ten_milliseconds_of_wall_time_or_its_age_whichever_is_less() -> None:
    assert age_ticks(Fraction(10**9), 1.0) == 10
    assert age_ticks(Fraction(10**9), 0.5) == 5
    assert age_ticks(Fraction(10**9), 50.0) == 20
    assert age_ticks(Fraction(10**9), None) == 20
    assert age_ticks(Fraction(10**9), None, 3.0) == 3
    assert age_ticks(Fraction(10**12), 1.0) == 1
