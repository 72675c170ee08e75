"""Words of registers in the texts of accesses: whole ones of IPbus, one to four bytes of RBCP in either order."""

from __future__ import annotations

import pytest

from daq.devices.instruments.registerwords import words_of
from daq.errors import WireError
from daq.model.control import Register


def register(**said: object) -> Register:
    return Register.model_validate({"address": 0x20, **said})


@pytest.mark.parametrize(
    ("codec", "said", "text"),
    [
        ("ipbus-udp", {"words": 4}, "write 21 00001234 000000ff"),
        ("ipbus-tcp", {"fifo": True}, "put 21 00001234 000000ff"),
        ("rbcp", {"words": 4}, "write 24 x4 00001234 000000ff"),
        ("rbcp", {"words": 4, "bits": 16, "order": "little"}, "write 22 x2 3412 ff00"),
    ],
)
def test_words_are_written_as_the_protocol_has_them(codec: str, said: dict[str, object], text: str) -> None:
    assert words_of(codec).write(register(**said), 1, [0x1234, 0xFF], once=False) == text


@pytest.mark.parametrize(
    ("said", "asked", "answer", "words"),
    [
        ({}, "read 20 8", "0000123400ff00ff", [0x1234, 0xFF00FF]),
        ({"bits": 8}, "read 20 2", "12ff", [0x12, 0xFF]),
        ({"bits": 16, "order": "little"}, "read 20 4", "341200ff", [0x1234, 0xFF00]),
        ({"bits": 24}, "read 20 6", "00123400ff00", [0x1234, 0xFF00]),
    ],
)
def test_bytes_are_read_as_words(said: dict[str, object], asked: str, answer: str, words: list[int]) -> None:
    known, rbcp = register(**said), words_of("rbcp")

    assert rbcp.read(known, 0, 2) == asked
    assert rbcp.said(known, answer) == words


def test_half_a_word_is_an_error() -> None:
    with pytest.raises(WireError, match="3 bytes are no words of 2"):
        words_of("rbcp").said(register(bits=16), "123456")


def test_bits_are_changed_by_a_board_of_ipbus_alone() -> None:
    assert words_of("ipbus-udp").change(register(mask=0xF0), 0xF0, 0x30) == "mask 20 ffffff0f 30"
    assert words_of("rbcp").change(register(mask=0xF0), 0xF0, 0x30) is None


def test_words_that_reading_clears_are_taken_one_by_one_and_a_queue_from_one_address() -> None:
    ipbus = words_of("ipbus-udp")

    assert ipbus.take(register(read_clears=True, words=2), 2) == "take 20; take 21"
    assert ipbus.take(register(fifo=True), 2) == "take 20 2"
    assert ipbus.said(register(), "00000001; 00000002") == ipbus.said(register(), "00000001 00000002") == [1, 2]
