"""Modbus TCP: the frames of the specification, what is no reply, and requests that are refused before the wire."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import EncodeError, WireError
from daq.wire.control.modbus import ModbusTcpCodec
from daq.wire.control.modbusdata import packed, shown


def frame(pdu: str, *, number: int = 1, unit: int = 1) -> bytes:
    data = bytes.fromhex(pdu)
    return struct.pack(">HHHB", number, 0, 1 + len(data), unit) + data


@pytest.mark.parametrize(
    ("request_text", "sent", "answered", "said"),
    [
        ("1 read holding 107 u16 3", "03006b0003", "0306022b00000064", "555 0 100"),
        ("1 read input 8 u16", "0400080001", "0402000a", "10"),
        ("1 read input 8 s16", "0400080001", "0402ff38", "-200"),
        ("1 read input 8 u32", "0400080002", "040400010002", "65538"),
        ("1 read input 8 u32-low", "0400080002", "040400020001", "65538"),
        ("1 read holding 0 f32", "0300000002", "030441480000", "12.5"),
        ("1 read holding 0 s32-low 2", "0300000004", "0308fffffffffffeffff", "-1 -2"),
        ("1 read input 0 text 4", "0400000004", "040853434e2d31000000", "SCN-1"),
        ("1 read coil 19 bits 19", "0100130013", "0103cd6b05", str(0x056BCD)),
        ("1 read discrete 196 bits 22", "0200c40016", "0203acdb35", str(0x35DBAC)),
        ("1 read discrete 0 bits 3", "0200000003", "0201ff", "7"),
        ("1 write coil 172 1", "0500acff00", "0500acff00", "ok"),
        ("1 write coil 172 0", "0500ac0000", "0500ac0000", "ok"),
        ("1 write holding 1 u16 3", "0600010003", "0600010003", "ok"),
        ("1 write holding 1 s16 -2", "060001fffe", "060001fffe", "ok"),
        ("1 write holding 1 u16 10 258", "100001000204000a0102", "1000010002", "ok"),
        ("1 write holding 1 f32 12.500", "10000100020441480000", "1000010002", "ok"),
        ("1 identify 0", "2b0e0400", "2b0e0481000001000441434d45", "ACME"),
        ("1 read holding 9 u16", "0300090001", "8302", "exception 2"),
    ],
)
def test_requests_and_replies_are_those_of_the_specification(
    request_text: str, sent: str, answered: str, said: str
) -> None:
    codec = ModbusTcpCodec()

    assert codec.begin(request_text) == frame(sent)
    assert codec.feed(frame(answered)) == [said]
    assert not codec.halfway


@pytest.mark.parametrize(
    "answered",
    [
        "0406022b00000064",  # another function
        "0304022b0000",  # fewer registers than asked for
        "0306022b0000006400",  # more bytes than announced
        "0308022b00000064",  # fewer than announced
        "83",  # half an exception
    ],
)
def test_a_reply_that_does_not_fit_its_request_is_none(answered: str) -> None:
    codec = ModbusTcpCodec()
    codec.begin("1 read holding 107 u16 3")
    with pytest.raises(WireError):
        codec.feed(frame(answered))


@pytest.mark.parametrize("answered", ["0600010004", "0600020003"])
def test_an_acknowledgement_of_something_else_is_none(answered: str) -> None:
    codec = ModbusTcpCodec()
    codec.begin("1 write holding 1 u16 3")
    with pytest.raises(WireError, match="it acknowledges"):
        codec.feed(frame(answered))


def test_another_unit_and_what_is_no_frame_are_said() -> None:
    codec = ModbusTcpCodec()
    codec.begin("1 read holding 0 u16")
    with pytest.raises(WireError, match="unit 2 answers a request to unit 1"):
        codec.feed(frame("03020001", unit=2))
    codec.begin("1 read holding 0 u16")
    with pytest.raises(WireError, match="no frame of Modbus TCP"):
        codec.feed(b"HTTP/1.1 400 Bad Request\r\n")


@pytest.mark.parametrize(
    "text",
    [
        "", "read holding 0 u16", "1 read holding 0 u64", "1 read holding -1 u16", "1 read holding 65536 u16",
        "1 read holding 0 u16 126", "1 read holding 0 u32 63", "1 read coil 0 bits 2001", "256 read coil 0 bits 1",
        "1 write holding 0 u16 65536", "1 write holding 0 u16 1.5", "1 write holding 0 f32 nan", "1 write coil 0 2",
        "1 write input 0 u16 1", "1 write holding 0 u16", "1 read holding ٣ u16", "1 write holding 0 f32 1e39",
        "1 write holding 0 text ünit",
    ],
)  # fmt: skip
def test_what_is_no_request_never_reaches_the_wire(text: str) -> None:
    with pytest.raises(EncodeError):
        ModbusTcpCodec().begin(text)


@given(st.lists(st.integers(0, 3), max_size=8), st.lists(st.integers(1, 40), max_size=30))
def test_only_the_reply_to_the_last_request_counts_however_frames_are_cut(late: list[int], cuts: list[int]) -> None:
    codec = ModbusTcpCodec()
    for _ in range(4):
        codec.begin("1 read holding 0 u16")
    stream = b"".join(frame(f"0302{number:04x}", number=number) for number in late) + frame("0302beef", number=4)
    stream += frame("0302dead", number=4)
    got = []
    for cut in [*cuts, len(stream)]:
        got += codec.feed(stream[:cut])
        stream = stream[cut:]

    assert got == [str(0xBEEF)]
    assert codec.strays == len(late) + 1


@given(st.binary(max_size=300))
def test_whatever_comes_is_a_reply_or_an_error_in_words(data: bytes) -> None:
    codec = ModbusTcpCodec()
    codec.begin("1 read holding 0 u16")
    with suppress(WireError):
        assert all(text.startswith("exception ") or text.isdecimal() for text in codec.feed(data))


@given(st.sampled_from(["u16", "s16", "u32", "s32", "u32-low", "s32-low"]), st.data())
def test_what_was_packed_is_shown_again(kind: str, data: st.DataObject) -> None:
    bits = 16 if "16" in kind else 32
    least = -(1 << (bits - 1)) if kind.startswith("s") else 0
    numbers = data.draw(st.lists(st.integers(least, least + (1 << bits) - 1), min_size=1, max_size=20))
    assert shown(kind, packed(kind, list(map(str, numbers)))) == " ".join(map(str, numbers))


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from(["f32", "f32-low"]))
def test_a_float_is_shown_so_that_it_is_the_same_float(number: float, kind: str) -> None:
    assert float(struct.unpack(">f", struct.pack(">f", float(shown(kind, packed(kind, [repr(number)])))))[0]) == number
