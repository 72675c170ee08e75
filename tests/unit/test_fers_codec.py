"""Requests to a FERS-5200 board, its registers, and events as its bytes, against an encoder of plain integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_fers import Event, amplitudes

from daq.errors import FormatError
from daq.wire import fers, fers_events

WORD = st.integers(0, (1 << 32) - 1)
REQUESTS = st.one_of(
    st.builds(fers.write_register, WORD, WORD),
    st.builds(fers.read_register, WORD),
    st.builds(fers.write_memory, WORD, st.binary(min_size=1, max_size=70)),
    st.builds(fers.read_memory, WORD, st.integers(1, 0xFFFF)),
    st.builds(lambda at, value: fers.Request(fers.WRITE_OLD, at, value.to_bytes(4, "little")), WORD, WORD),
    st.builds(lambda at: fers.Request(fers.READ_OLD, at), WORD),
)


@settings(deadline=None)
@given(st.lists(REQUESTS, min_size=1, max_size=5))
def test_requests_are_read_one_after_the_other_as_they_were_written(requests: list[fers.Request]) -> None:
    stream = b"".join(request.encoded() for request in requests)
    found = []
    while stream:
        request, size = fers.parse_request(stream)
        assert request is not None
        found.append(request)
        stream = stream[size:]

    assert found == requests


@settings(deadline=None)
@given(REQUESTS, st.data())
def test_a_request_that_is_cut_is_waited_for(request: fers.Request, data: st.DataObject) -> None:
    whole = request.encoded()
    cut = data.draw(st.integers(0, len(whole) - 1))

    assert fers.parse_request(whole[:cut]) == (None, 0)


def test_the_bytes_of_requests_are_those_of_the_vendors_library() -> None:
    assert fers.write_register(0x01000000, 0x12).encoded() == b"ABBD\0\0\0\x01\4\0\0\0\x12\0\0\0"
    assert fers.read_memory(0x01000300, 8).encoded() == b"ABBE\0\3\0\x01\x08\0\0\0"
    assert fers.send_command(fers.Command.ACQ_START).encoded() == b"ABBD\0\x80\0\x01\4\0\0\0\x12\0\0\0"


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.0\r\n", b"ABBX", b"ABBE\0\0\0\1\0\0\0\0", b"ABBD\0\0\0\1\0\0\1\0"])
def test_what_is_no_request_is_refused(garbage: bytes) -> None:
    with pytest.raises(FormatError):
        fers.parse_request(garbage)


def test_writing_is_done_with_zero_and_in_the_old_way_with_anything_else() -> None:
    old = fers.Request(fers.WRITE_OLD, 1, bytes(4))

    assert fers.done(fers.write_register(1, 1), bytes(4))
    assert not fers.done(fers.write_register(1, 1), b"\1\0\0\0")
    assert fers.done(old, b"\1\0\0\0")
    assert not fers.done(old, bytes(4))
    with pytest.raises(FormatError, match="3 bytes"):
        fers.value_of(bytes(3))


@settings(deadline=None)
@given(st.integers(0, 31), st.integers(0, 31), WORD, WORD)
def test_a_slice_changes_its_bits_alone(a: int, b: int, value: int, wanted: int) -> None:
    part = fers.Slice(fers.Register.ACQ_CTRL, min(a, b), max(a, b))
    changed = part.put(value, wanted)

    assert part.of(changed) == wanted % (1 << (part.high - part.low + 1))
    assert changed & ~part.mask == value & ~part.mask


def test_channels_have_their_own_addresses() -> None:
    assert fers.channel_address(fers.Register.HG_GAIN, 63) == 0x023F0014
    assert fers.broadcast_address(fers.Register.HG_GAIN) == 0x03000014


@settings(deadline=None)
@given(
    st.integers(0, 255), st.integers(0, (1 << 56) - 1), st.integers(0, (1 << 56) - 1), st.lists(WORD, max_size=70)
)  # fmt: skip
def test_events_of_both_protocols_have_the_bytes_of_the_description(
    qualifier: int, trigger_id: int, ticks: int, words: list[int]
) -> None:
    wanted = Event(qualifier, trigger_id, ticks, words)
    payload = np.array(words, np.uint32)

    assert fers_events.event(qualifier, trigger_id, ticks, payload) == wanted.new()
    assert fers_events.event(qualifier, trigger_id, ticks, payload, old=True) == wanted.old()


@settings(deadline=None)
@given(st.integers(1, 5), st.sampled_from(["high", "low", "both"]), st.integers(0, 2**31))
def test_events_made_together_are_those_made_one_by_one(count: int, gain: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    high, low = rng.integers(0, 1 << 14, (2, count, 64)).astype(np.uint16)
    trigger_id, ticks = rng.integers(0, 1 << 56, (2, count))
    flags = np.where(rng.random((count, 64)) < 0.5, 0x8000, 0).astype(np.uint16)
    made = fers_events.spectroscopy_events(
        trigger_id, ticks, None if gain == "low" else high, None if gain == "high" else low, flags=flags
    )

    one = low | 0x4000 if gain == "low" else high
    for event in range(count):
        channels = {c: (int(one[event, c] | flags[event, c]), int(low[event, c])) for c in range(64)}
        words = amplitudes(channels, both=gain == "both")
        wanted = Event(0x11 if gain == "both" else 1, int(trigger_id[event]), int(ticks[event]), words)
        assert made[event].tobytes() == wanted.new()


def test_an_event_of_64_channels_has_the_size_that_the_vendor_says() -> None:
    codes = np.zeros((1, 64), np.uint16)
    one = np.zeros(1, np.int64)

    assert fers_events.spectroscopy_events(one, one, codes).shape == (1, 164)
    assert fers_events.spectroscopy_events(one, one, codes, codes).shape == (1, 292)


def test_a_service_event_has_the_words_of_the_description() -> None:
    service = fers_events.Service(
        fpga_c=41.0, board_c=33.25, detector_c=25.0, high_voltage_c=30.0, bias_v=54.321, current_ma=0.0123, on=True,
        over_current=True, status=0x2005, counts=np.arange(66, dtype=np.int64) * 3,
    )  # fmt: skip
    words = service.payload().tolist()

    assert words[0] == 1 << 24 | 3 << 12 | 2553  # 41.0 C: (41 + 273.15) * 4096 / 503.975 = 2553.2
    assert words[1:3] == [543210, 123]
    assert words[3] == 977 | 1172 << 13 | 1 << 26 | 1 << 28  # 25 C and 30 C in units of 0.0256 C
    assert words[4] == 0x2005 | 133 << 16
    assert words[5:] == [channel << 24 | channel * 3 for channel in range(66)]


def test_an_old_board_says_neither_status_nor_its_own_temperature() -> None:
    service = fers_events.Service(fpga_c=41.0, version=0)

    assert len(service.payload()) == 4
    assert len(fers_events.Service(fpga_c=41.0, has_high_voltage=False).payload()) == 1
