from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import WireError
from daq.model.control import SerialLine
from daq.wire.control.rfc2217 import TelnetPort

LINE = SerialLine(baud=255, parity="even", flow="rts-cts")
"""A speed whose last byte is the one that travels doubled."""
CONFIRMED = b"".join(
    bytes([255, 250, 44, 100 + which]) + value.replace(b"\xff", b"\xff\xff") + bytes([255, 240])
    for which, value in [(1, bytes([0, 0, 0, 255])), (2, b"\x08"), (3, b"\x03"), (4, b"\x01"), (5, b"\x03")]
)


def settled() -> TelnetPort:
    port = TelnetPort(LINE)
    assert port.feed(bytes([255, 253, 44]))[1].count(bytes([255, 250, 44])) == 6
    assert port.missing == "baud, bits, parity, stop bits, flow control"
    port.feed(CONFIRMED)
    assert port.settled
    return port


@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 700), max_size=8))
def test_every_byte_arrives_however_the_wire_cuts_it(data: bytes, cuts: list[int]) -> None:
    port = settled()
    wire = port.escaped(data) + bytes([255, 241])  # and "no operation"
    edges = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    got = b"".join(port.feed(wire[a:b])[0] for a, b in itertools.pairwise(edges))
    assert got == data


@given(data=st.binary(max_size=200))
def test_nonsense_is_a_wire_error_or_is_read_and_never_answered_without_end(data: bytes) -> None:
    port = TelnetPort(LINE)
    try:
        line, answer = port.feed(data)
        again = port.feed(data)[1]
    except WireError:
        return
    assert len(line) <= len(data)
    assert len(answer) <= 3 * len(data) + 100
    assert again.count(bytes([255, 250])) == 0  # what was answered is not answered again


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (bytes([255, 254, 44]), "refuses settings of a serial port"),
        (bytes([255, 252, 0]), "refuses bytes as they are"),
        (bytes([255, 250, 44, 101, 0, 0, 37, 128, 255, 240]), "sets baud to 9600 by RFC 2217, 255 was wanted"),
        (bytes([255, 250, 44]) + bytes(100), "a telnet command of more than 64 bytes"),
    ],
)
def test_a_far_end_that_does_otherwise_is_refused(said: bytes, why: str) -> None:
    with pytest.raises(WireError, match=why):
        TelnetPort(LINE).feed(said)


def test_what_both_ends_offer_is_answered_once_so_that_they_never_talk_for_ever() -> None:
    port = TelnetPort(LINE)
    echo = bytes([255, 251, 1])
    assert port.feed(echo) == (b"", bytes([255, 254, 1]))
    assert port.feed(echo) == (b"", b"")
    assert port.feed(bytes([255, 253, 0, 255, 251, 0, 255, 251, 3])) == (b"", b"")
