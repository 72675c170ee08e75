"""Accesses as text, their bytes on the wire, answers as text, and what boards say to nonsense."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_registers import simulated

from daq.errors import EncodeError, WireError
from daq.wire.control.accesses import accesses
from daq.wire.control.courier import unframed
from daq.wire.control.ipbus import Status, after, header_of, status_of, status_request, steps
from daq.wire.control.ipbuscodec import IpbusCodec
from daq.wire.control.rbcp import RbcpCodec
from simulators.instruments.ipbusboard import IpbusBoard
from simulators.instruments.rbcpboard import RbcpBoard


def test_the_bytes_of_ipbus_are_those_that_uhal_says() -> None:
    """Captured of uHAL 2.8: a masked write of 0x5a to 0xff00 of register 1, then a read of register 0."""
    golden = bytes.fromhex("0000001c f0000020 4f010120 01000000 ff00ffff 005a0000 0f010220 00000000")

    assert IpbusCodec(datagrams=False).begin("mask 1 ffff00ff 5a00; read 0") == golden


def test_the_bytes_of_rbcp_are_those_of_its_manual() -> None:
    said = RbcpCodec().begin("read 10 4; write 14 x2 beef")

    assert said == bytes.fromhex("00000008 ffc0010400000010 0000000a ff80020200000014 beef".replace(" ", ""))


def test_answers_come_byte_by_byte_as_well_as_whole() -> None:
    codec, (board, _) = IpbusCodec(datagrams=False), simulated(IpbusBoard)
    request = codec.begin("write 1 cafe; read 1; read 1000 3")
    answer = board.answer(request[4:])
    stream = len(answer).to_bytes(4, "big") + answer

    said = [text for number in range(len(stream)) for text in codec.feed(stream[number : number + 1])]

    assert said == ["done; 0000cafe; 00000000 00000000 00000000"]
    assert not codec.halfway


def test_an_access_that_goes_wrong_is_the_whole_answer() -> None:
    for codec, (board, _), place in (
        (IpbusCodec(datagrams=True), simulated(IpbusBoard), "50"),
        (RbcpCodec(), simulated(RbcpBoard), "50"),
    ):
        request = codec.begin(f"read 0; write {place} 1")
        answers = [board.answer(data) for data, _ in unframed(request)]
        (text,) = codec.feed(b"".join(len(each).to_bytes(4, "big") + each for each in answers))

        assert text == "refused bus error on write at 0x00000050"


def test_an_answer_to_something_else_is_a_stray() -> None:
    codec, (board, _) = IpbusCodec(datagrams=False), simulated(IpbusBoard)
    before = board.answer(codec.begin("read 1")[4:])
    now = board.answer(codec.begin("read 1")[4:])

    assert codec.feed(len(before).to_bytes(4, "big") + before) == []
    assert codec.strays == 1
    assert codec.feed(len(now).to_bytes(4, "big") + now) == ["00000000"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "begins with none of read, take, write, put, mask, add"),
        ("reed 1", "begins with none of"),
        ("read", "has no hexadecimal address"),
        ("read 0xg", "has no hexadecimal address"),
        ("read 1 0", "has no count after the address"),
        ("read ffffffff 2", "goes beyond 0xffffffff"),
        ("write 1", "needs at least one hexadecimal word"),
        ("mask 1 2", "needs 2 hexadecimal word"),
        ("write 1 123456789", "no hexadecimal word of 32 bits"),
    ],
)
def test_what_is_no_access_is_refused_in_words(text: str, why: str) -> None:
    with pytest.raises(EncodeError, match=why):
        accesses(text)


@pytest.mark.parametrize(
    ("codec", "text", "why"),
    [
        (RbcpCodec(), "add 10 1", "RBCP reads and writes, nothing else"),
        (RbcpCodec(), "write 10 x1 100", "100 has no room in 1 bytes"),
        (IpbusCodec(datagrams=True), "write 1 x2 1", "words of IPbus have 32 bits"),
    ],
)
def test_what_a_protocol_cannot_do_is_refused(codec: IpbusCodec | RbcpCodec, text: str, why: str) -> None:
    with pytest.raises(EncodeError, match=why):
        codec.begin(text)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_crash_neither_client_nor_board(data: bytes) -> None:
    for codec in (IpbusCodec(datagrams=True), RbcpCodec()):
        codec.begin("read 0 4")
        with suppress(WireError):
            codec.feed(data)
        with suppress(WireError):
            codec.feed(len(data).to_bytes(4, "big") + data)
    with suppress(WireError):
        status_of(data)
    with suppress(WireError):
        header_of(data)
    for made in (IpbusBoard, RbcpBoard):
        board, _ = simulated(made)
        board.answer(data)


@given(st.binary(max_size=100))
def test_a_board_survives_arbitrary_transactions(body: bytes) -> None:
    board, _ = simulated(IpbusBoard)
    whole = bytes.fromhex("f0000020") + body[: len(body) // 4 * 4]

    assert board.answer(whole) is not None


def test_a_board_understands_either_order_of_bytes() -> None:
    little, big = (bytes.fromhex(text) for text in ("f00000200f01012000000000", "200000f02001010f00000000"))
    board, _ = simulated(IpbusBoard)

    assert board.answer(little) == bytes.fromhex("f000002000010120") + (0x53434451).to_bytes(4, "little")
    assert board.answer(big) == bytes.fromhex("200000f020010100") + (0x53434451).to_bytes(4, "big")


def test_packet_ids_begin_again_at_one() -> None:
    assert (after(1), after(0xFFFF)) == (2, 1)
    assert (steps(0xFFFE, 2), steps(5, 5)) == (3, 0)


def test_the_state_of_a_board_says_what_it_takes_next() -> None:
    board, _ = simulated(IpbusBoard)
    assert status_of(board.answer(status_request())) == Status(1500, 8, 1)
    board.answer(bytes.fromhex("f00100200f01012000000000"))
    assert status_of(board.answer(status_request())) == Status(1500, 8, 2)
