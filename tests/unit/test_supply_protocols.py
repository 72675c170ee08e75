"""The wires of supplies: frames with a sum, echoes that may come or not, SCPI as instruments take it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.devices.instruments.values import decoded, digit_of, encoded
from daq.errors import EncodeError, WireError
from daq.model.control import Framing
from daq.wire.control.lines import LinesCodec
from daq.wire.control.stx import StxCodec
from device_profiles.control import load_control
from simulators.instruments.c11204 import C11204
from simulators.instruments.scpi import Scpi, pattern

TEXTS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)


def test_a_frame_is_what_drivers_of_others_send() -> None:
    assert StxCodec().begin("HON") == b"\x02HON\x03EA\r"
    assert StxCodec().begin("HPO") == b"\x02HPO\x03EC\r"


@given(TEXTS, st.data())
def test_a_frame_reads_back_whatever_the_cuts_and_no_changed_byte_passes(text: str, data: st.DataObject) -> None:
    codec = StxCodec()
    sent = codec.begin(text)
    cut = data.draw(st.integers(0, len(sent)))
    assert [*codec.feed(sent[:cut]), *codec.feed(sent[cut:])] == [text]
    assert not codec.halfway
    at, bit = data.draw(st.integers(0, len(sent) - 2)), data.draw(st.integers(0, 7))
    spoilt = sent[:at] + bytes([sent[at] ^ (1 << bit)]) + sent[at + 1 :]
    with pytest.raises(WireError):
        StxCodec().feed(spoilt)


def test_what_is_no_text_and_what_never_ends_is_refused() -> None:
    with pytest.raises(EncodeError, match="no printable"):
        StxCodec().begin("HON\r")
    with pytest.raises(WireError, match="without an end"):
        StxCodec().feed(b"\x02" + b"0" * 300)


@given(st.booleans(), st.integers(0, 40))
def test_an_echo_that_may_come_or_not_is_no_reply(echoes: bool, cut: int) -> None:
    codec = LinesCodec(Framing(echo="maybe"))
    sent = codec.begin(":MEAS:VOLT? (@0)")
    came = (sent if echoes else b"") + b"5.00000E2V\r\n"
    assert [*codec.feed(came[:cut]), *codec.feed(came[cut:])] == ["5.00000E2V"]
    assert not codec.halfway


def test_an_echo_that_must_come_is_proof() -> None:
    codec = LinesCodec(Framing(echo="character"))
    assert codec.feed(codec.begin("U1")[:2]) == []
    with pytest.raises(WireError, match="not what was sent"):
        codec.feed(b"X")


@given(st.floats(0.0, 90.0))
def test_counts_in_hexadecimal_are_padded_and_never_rounded_up(volts: float) -> None:
    value = load_control("hamamatsu-c11204").values["voltage_set"]
    text = encoded(value, volts)
    assert len(text) == 4
    read = decoded(value, text)
    assert isinstance(read, float)
    assert volts - 1.0001 * digit_of(value) <= read <= volts + 1e-9


def test_a_trip_is_set_in_another_unit_than_it_reads() -> None:
    value = load_control("iseg-shq").values["current_trip"]
    assert encoded(value, 50.0) == "50"
    assert decoded(value, "00500-07") == pytest.approx(50.0)
    assert digit_of(value) == 1.0


@pytest.mark.parametrize("header", ["SOUR:VOLT", "SOURCE:VOLTAGE", "SOUR:VOLTAGE:LEVEL", "SOURCE:VOLT:LEV"])
def test_long_and_short_words_are_the_same_and_others_are_none(header: str) -> None:
    known = pattern("SOURce:VOLTage[:LEVel]")
    assert known.fullmatch(header)
    assert not known.fullmatch(header + "S")
    assert not known.fullmatch(header.replace("VOLT", "VOL", 1))


def test_commands_in_one_line_go_on_where_the_one_before_was_and_errors_wait_in_a_queue() -> None:
    kept: dict[str, str] = {}
    scpi = Scpi(
        [
            ("SOURce:VOLTage", lambda _: "1.5", lambda text: kept.update(volts=text)),
            ("SOURce:FUNCtion", lambda _: "VOLT", None),
            ("*IDN", lambda _: "me", None),
        ]
    )
    assert scpi.answer(":sour:volt 2.5;func?;:SOUR:VOLT?;*IDN?") == "VOLT;1.5;me"
    assert kept == {"volts": "2.5"}
    assert scpi.answer(":SOUR:COLOUR red") is None
    assert scpi.answer("SYST:ERR?") == '-113,"Undefined header"'
    assert scpi.answer(":SYSTEM:ERROR?") == '0,"No error"'
    assert scpi.answer("") is None


def test_a_module_says_what_is_wrong_with_a_command() -> None:
    module = C11204(clock=lambda: 0.0)
    assert module.answer("HXX") == "hxx0005"
    assert module.answer("HBV12") == "hxx0007"
    assert module.answer("HBVxyz1") == "hxx0006"
    assert module.talk().feed(b"\x02HON\x0300\r") == [b"\x02hxx0004\x0321\r"]
