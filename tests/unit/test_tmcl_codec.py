"""Frames of TMCL against those of Trinamic's own library, cut, spoilt and strange."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytrinamic.tmcl import TMCLReply, TMCLRequest

from daq.errors import EncodeError, WireError
from daq.wire.control.tmcl import COMMANDS, TmclCodec

byte = st.integers(0, 255)
value = st.integers(-(1 << 31), (1 << 31) - 1)
name = st.sampled_from(sorted(set(COMMANDS) - {"VERSION"}))


def reply(module: int, command: str, number: int, status: int = 100) -> bytes:
    return bytes(TMCLReply(2, module, status, COMMANDS[command], number).to_buffer())


@given(byte, name, byte, byte, value)
def test_requests_are_those_of_trinamics_library(module: int, command: str, kind: int, motor: int, number: int) -> None:
    theirs = TMCLRequest(module, COMMANDS[command], kind, motor, number).to_buffer()

    assert TmclCodec().begin(f"{module} {command} {kind} {motor} {number}") == bytes(theirs)


@given(byte, name, value, byte)
def test_replies_of_trinamics_library_are_read(module: int, command: str, number: int, status: int) -> None:
    codec = TmclCodec()
    codec.begin(f"{module} {command} 0 0")

    assert codec.feed(reply(module, command, number, status)) == [f"{module} {status} {command} {number}"]
    assert not codec.halfway


def test_the_bytes_on_the_wire_are_frozen() -> None:
    codec = TmclCodec()

    assert codec.begin("1 MVP 0 2 -500") == bytes.fromhex("01 04 00 02 ff ff fe 0c 0f")
    assert codec.feed(bytes.fromhex("02 01 64 04 ff ff fe 0c 73")) == ["1 100 MVP -500"]
    codec.begin("1 VERSION 1 0")
    assert codec.feed(reply(1, "VERSION", 6212 << 16 | 0x010B)) == ["1 100 VERSION 6212V1.11"]


@pytest.mark.parametrize("cut", range(9))
def test_a_frame_that_is_not_whole_is_waited_for(cut: int) -> None:
    codec = TmclCodec()
    codec.begin("1 GAP 1 0")
    whole = reply(1, "GAP", 7)

    assert codec.feed(whole[:cut]) == []
    assert codec.halfway == (cut > 0)
    assert codec.feed(whole[cut:]) == ["1 100 GAP 7"]


@given(st.integers(0, 71), value)
def test_one_bit_that_is_wrong_is_no_reply(bit: int, number: int) -> None:
    codec = TmclCodec()
    codec.begin("1 GAP 1 0")
    spoilt = bytearray(reply(1, "GAP", number))
    spoilt[bit // 8] ^= 1 << bit % 8

    with pytest.raises(WireError):
        codec.feed(bytes(spoilt))


def test_replies_to_something_else_are_errors() -> None:
    codec = TmclCodec()
    codec.begin("1 GAP 1 0")

    with pytest.raises(WireError, match="a reply of module 1 to command 5, asked was command 6 of module 1"):
        codec.feed(reply(1, "SAP", 7))
    with pytest.raises(WireError, match="a reply of module 2"):
        codec.feed(reply(2, "GAP", 7))


@given(st.binary(max_size=100))
def test_arbitrary_bytes_never_crash_it(data: bytes) -> None:
    codec = TmclCodec()
    with suppress(WireError):
        codec.feed(data)


@pytest.mark.parametrize(
    "request_text", ["", "1", "1 FLY 0 0", "1 MVP 0", "300 MVP 0 0", "1 MVP 0 0 1e9", "1 MVP 0 0 4294967296"]
)
def test_what_is_no_request_is_refused(request_text: str) -> None:
    with pytest.raises(EncodeError, match="is no request of TMCL"):
        TmclCodec().begin(request_text)
