"""What the events of a FERS-5200 board become: amplitudes, hits, marks, dead time, and counts by cause."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_fers import Event, amplitudes, any_event, codes_of, packets_of, profile, spectrum, words_of

from daq.listmode.decoder import Decoded
from daq.listmode.fers import FersDecoder
from daq.model.events import MARKS
from daq.model.packets import Packets
from daq.storage.kernels import load_decoder

CODE = st.integers(0, (1 << 14) - 1)


def decoded(stream: bytes, *, source: int = 0, **changes: Any) -> tuple[Decoded, dict[str, int]]:
    """Return the rows of a stream and what was counted."""
    made = profile(**changes)
    decoder = load_decoder(made.layout, made.clock)
    carry = decoder.start(imported=False)
    rows = decoder.decode(words_of(made.layout, stream, source)[0], carry)
    return rows, dict(zip(decoder.counters, carry.counts[source].tolist(), strict=True))


def marks_of(rows: Decoded, *kinds: str) -> list[tuple[str, int, float, int]]:
    """Return (kind, value, value2, time in ps) of the marks of some kinds, in their order."""
    marks = rows.streams["marks"]
    names = [MARKS[kind] for kind in marks["kind"].tolist()]
    all_marks = zip(names, marks["value"].tolist(), marks["value2"].tolist(), marks["time_ps"].tolist(), strict=True)
    return [mark for mark in all_marks if mark[0] in kinds]


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 63), st.tuples(CODE, CODE)), st.booleans(), st.booleans(), st.booleans())
def test_amplitudes_are_the_codes_of_the_channels_that_an_event_holds(
    channels: dict[int, tuple[int, int]], both: bool, relative: bool, old: bool
) -> None:
    qualifier = 1 | both << 4 | relative << 7
    event = Event(qualifier, 1, 125, amplitudes(channels, both=both, relative=17 if relative else None))
    rows, _ = decoded(event.old() if old else event.new(), gain="high", source=3)
    singles = rows.streams["singles"]

    assert codes_of(singles["amplitudes"]) == [[channels.get(channel, (0, 0))[0] for channel in range(64)]]
    assert singles["time_ps"].tolist() == [1_000_000]
    assert singles["head"].tolist() == [3]


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 63), st.tuples(CODE, CODE)), st.integers(1, 1 << 14))
def test_the_low_gain_takes_over_where_the_high_one_is_not_believed(
    channels: dict[int, tuple[int, int]], high_to: int
) -> None:
    event = Event(0x11, 1, 1, amplitudes(channels, both=True))
    rows, _ = decoded(
        event.new(), gain="auto", high_gain_to_adc=high_to, low_gain_ratio=8.0, low_pedestal_adc=40.0,
    )  # fmt: skip

    def wanted(high: int, low: int) -> int:
        return high if high < high_to else min(max(8 * (low - 40), 0), 65535)

    found = [wanted(*channels[channel]) if channel in channels else 0 for channel in range(64)]
    assert codes_of(rows.streams["singles"]["amplitudes"]) == [found]


@pytest.mark.parametrize(
    ("gain", "wanted"), [("auto", [500, 60 + 10 * 450]), ("high", [500, 4560]), ("low", [50 + 44, 500])]
)
def test_where_the_board_chooses_the_gain_its_codes_become_those_of_one(gain: str, wanted: list[int]) -> None:
    event = Event(1, 1, 1, amplitudes({0: (500, 0), 1: (0x4000 | 500, 0)}, both=False))
    rows, _ = decoded(event.new(), gain=gain, low_gain_ratio=10.0, high_pedestal_adc=60.0, low_pedestal_adc=50.0)

    assert codes_of(rows.streams["singles"]["amplitudes"])[0][:2] == wanted


def test_the_charge_discriminator_is_no_part_of_a_code() -> None:
    event = Event(1, 1, 1, amplitudes({c: (0x8000 | c, 0) for c in range(64)}, both=False))

    assert codes_of(decoded(event.new())[0].streams["singles"]["amplitudes"]) == [list(range(64))]


@pytest.mark.parametrize(
    ("qualifier", "words", "times_ps", "tot"),
    [
        (0x02, [5, 3 << 25 | 20 << 16 | 100, 63 << 25 | 511 << 16 | 65535], [852_500, 33_570_000], [20, 511]),
        (0x12, [5, 3 << 25 | 20 << 16 | 100], [852_500 - 200_000], [20]),
        (0x22, [0, 3 << 25 | (1 << 25) - 1], [800_000 + 500 * ((1 << 25) - 1)], [0]),
    ],
    ids=["common start", "common stop", "streaming"],
)
def test_hits_become_singles_at_their_time_of_arrival(
    qualifier: int, words: list[int], times_ps: list[int], tot: list[int]
) -> None:
    stream = Event(qualifier, 1, 100, words).new()
    rows, counts = decoded(stream, events="timing", common_stop_window_ps=200_000, source=2)
    singles = rows.streams["singles"]

    assert singles["time_ps"].tolist() == times_ps
    assert singles["energy_adc"].tolist() == tot
    assert singles["detector"].tolist() == [2 * 64 + (word >> 25) for word in words[1:]]
    assert counts["timing"] == 1
    assert int(rows.ends[0, 3]) == max(800_000, *times_ps)


def test_a_list_with_a_hit_of_no_channel_gives_none() -> None:
    rows, counts = decoded(Event(2, 1, 100, [0, 3 << 25, 64 << 25]).new(), events="timing")

    assert rows.rows("singles") == 0
    assert (counts["timing"], counts["out_of_range"]) == (0, 1)


def test_counts_become_marks_by_channel() -> None:
    words = [99, 0 << 24 | 7, 63 << 24 | 0xFFFFFF, 64 << 24 | 1000, 65 << 24 | 5]
    rows, counts = decoded(Event(0x84, 1, 125, words).new())

    found = [(value, int(channel), when) for _, value, channel, when in marks_of(rows, "singles_rate")]
    assert found == [(7, 0, 1_000_000), (0xFFFFFF, 63, 1_000_000), (1000, 64, 1_000_000), (5, 65, 1_000_000)]
    assert counts["counting"] == 1
    assert marks_of(decoded(Event(4, 1, 125, words[1:]).new(), channel_counts=False)[0], "singles_rate") == []


def test_a_service_event_tells_temperatures_voltage_and_status() -> None:
    words = [1 << 24 | 3 << 12 | 2553, 543210, 123, 977 | 1172 << 13 | 1 << 26, 5 | 133 << 16, 64 << 24 | 42]
    rows, counts = decoded(Event(0x2F, 0, 125_000_000, words).new() + Event(0x2F, 0, 250_000_000, words).new())

    temperatures = {sensor: round(value, 1) for _, sensor, value, _ in marks_of(rows, "temperature")}
    assert temperatures == {0: 41.0, 1: 33.2, 2: 25.0, 3: 30.0}
    assert marks_of(rows, "bias_voltage")[0][1:] == (12_300, 54.321, 10**12)
    assert [mark[1] for mark in marks_of(rows, "status")] == [5 | 1 << 16], "only where it changes"
    assert [mark[1:3] for mark in marks_of(rows, "singles_rate")] == [(42, 64.0)] * 2
    assert counts["service"] == 2


def test_a_board_that_knows_no_temperature_of_its_own_tells_none() -> None:
    words = [1 << 24 | 1 << 12 | 2553, 0, 0, 0, 0x3FF << 16]
    rows, _ = decoded(Event(0x2F, 0, 1, words).new())

    assert [mark[1] for mark in marks_of(rows, "temperature")] == [0, 2, 3]


def test_a_service_event_of_a_version_to_come_is_counted_and_not_read() -> None:
    rows, counts = decoded(Event(0x2F, 0, 1, [2 << 24 | 3 << 12, 1, 2, 3]).new())

    assert (rows.rows("marks"), counts["service"]) == (0, 1)


def test_a_service_event_shorter_than_it_says_is_out_of_range() -> None:
    rows, counts = decoded(Event(0x2F, 0, 1, [1 << 24 | 1 << 12, 1, 2]).new())

    assert (rows.rows("marks"), counts["service"], counts["out_of_range"]) == (0, 0, 1)


def test_triggers_without_an_event_are_told_once_a_second_with_the_share_of_those_that_had_one() -> None:
    stream = b"".join(spectrum(trigger * 4, trigger * 12_500).new() for trigger in range(25_000))
    rows, counts = decoded(stream)

    found = marks_of(rows, "dead_time")
    assert [when for *_, when in found] == [10**12, 2 * 10**12]
    assert [lost for _, lost, _, _ in found] == [30_000, 30_000]
    assert found[1][2] == 0.25
    assert counts["triggers_lost"] == 3 * 24_999


def test_service_events_tell_the_dead_time_of_a_source_without_photons() -> None:
    stream = b"".join(Event(0x2F, 0, second * 125_000_000, [0]).new() for second in range(4))

    found = marks_of(decoded(stream)[0], "dead_time")
    assert [mark[1:] for mark in found] == [(0, 1.0, second * 10**12) for second in (1, 2, 3)]


@pytest.mark.parametrize("qualifier", [0x02, 0x04, 0x08])
def test_a_source_whose_numbers_count_no_photons_says_nothing_of_its_dead_time(qualifier: int) -> None:
    seconds = [Event(qualifier, 100 * second, second * 125_000_000, [0]).new() for second in range(4)]
    stream = b"".join(one + Event(0x2F, 0, at * 125_000_000 + 5, [0]).new() for at, one in enumerate(seconds))
    rows, counts = decoded(stream)

    assert marks_of(rows, "dead_time") == []
    assert (counts["triggers_lost"], counts["trigger_id_jumps"]) == (0, 0)


def test_a_number_of_a_trigger_that_cannot_be_is_no_dead_time() -> None:
    ids = [10, 11, 5_000_000, 5_000_001, 3, 4]
    _, counts = decoded(b"".join(spectrum(number, at * 1000).new() for at, number in enumerate(ids)))

    assert (counts["triggers_lost"], counts["trigger_id_jumps"]) == (0, 2)
    assert counts["spectroscopy"] == 6


def test_each_source_has_its_own_trigger_numbers() -> None:
    made = profile()
    decoder = FersDecoder(made.layout, made.clock)
    carry = decoder.start(imported=False)
    for source, first in ((0, 100), (1, 5)):
        stream = spectrum(first, 1000).new() + spectrum(first + 2, 2000).new()
        decoder.decode(words_of(made.layout, stream, source)[0], carry)

    lost = carry.counts[:, decoder.counters.index("triggers_lost")]
    assert lost.tolist() == [1, 1]


def test_time_zero_is_the_first_event_where_the_clock_is_not_reset() -> None:
    made = profile()
    decoder = load_decoder(made.layout, made.clock.model_copy(update={"reset_at_start": False}))
    stream = spectrum(1, 1_000_000).new() + spectrum(2, 1_000_125).new()
    rows = decoder.decode(words_of(made.layout, stream)[0], decoder.start(imported=False))

    assert rows.streams["singles"]["time_ps"].tolist() == [0, 1_000_000]


def test_an_event_that_nobody_knows_is_unknown_and_one_beyond_all_time_out_of_range() -> None:
    _, counts = decoded(Event(0x05, 1, 1, [1, 2]).new() + spectrum(1, 1 << 55).new() + spectrum(2, 2).new())

    assert (counts["unknown"], counts["out_of_range"], counts["spectroscopy"]) == (1, 1, 1)


@settings(deadline=None)
@given(st.integers(0, 2**31), st.booleans())
def test_rows_and_counts_do_not_depend_on_how_events_come_in_calls(seed: int, timing: bool) -> None:
    rng = random.Random(seed)
    made = profile(events="timing" if timing else "spectroscopy")
    ticks = sorted(rng.randrange(1 << 31) for _ in range(20))
    events = [any_event(rng, 3 * number, at).new() for number, at in enumerate(ticks)]
    decoder = load_decoder(made.layout, made.clock)
    together, apart = decoder.start(imported=False), decoder.start(imported=False)

    whole = decoder.decode(words_of(made.layout, b"".join(events))[0], together)
    parts = [decoder.decode(words_of(made.layout, event)[0], apart) for event in events]

    for stream, columns in whole.streams.items():
        for name, column in columns.items():
            pieces = [part.streams[stream][name] for part in parts]
            assert np.array_equal(column, np.concatenate(pieces), equal_nan=column.dtype.kind == "f"), (stream, name)
    assert np.array_equal(together.counts, apart.counts)
    assert np.array_equal(together.state, apart.state)


@settings(deadline=None)
@given(st.integers(0, 2**31))
def test_old_events_become_what_new_ones_do(seed: int) -> None:
    rng = random.Random(seed)
    events = [any_event(rng, number, number * 1000) for number in range(8)]
    new, counts = decoded(b"".join(event.new() for event in events))
    old, counts_old = decoded(b"".join(event.old() for event in events))

    assert counts == counts_old
    for stream, columns in new.streams.items():
        for name, column in columns.items():
            assert np.array_equal(column, old.streams[stream][name], equal_nan=column.dtype.kind == "f")


@settings(deadline=None)
@given(st.integers(0, 2**31), st.binary(min_size=4, max_size=120), st.booleans())
def test_nothing_is_read_or_written_beyond_its_end_whatever_a_run_holds(seed: int, noise: bytes, timing: bool) -> None:
    """Runs that nobody has cut into events come from recordings of others."""
    rng = random.Random(seed)
    made = profile(events="timing" if timing else "spectroscopy")
    decoder = load_decoder(made.layout, made.clock)
    event = bytearray(any_event(rng, 1, 1000).new())
    at = rng.randrange(len(event))
    event[at : at + len(noise)] = noise
    packets: Packets = packets_of([(0, bytes(event))])
    room = decoder.words_of(packets)
    buffers = decoder.buffers(room)
    rows = decoder.decode_into(packets, decoder.start(imported=False), buffers)

    for stream, columns in rows.streams.items():
        assert rows.rows(stream) <= len(buffers[stream]["time_ps"])
        assert {len(column) for column in columns.values()} == {rows.rows(stream)}
