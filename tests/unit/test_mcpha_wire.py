"""Bytes of the pulse height analyser: frozen, every value back, both orders of list mode told apart."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.errors import UsageError, WireError
from daq.model.layout import Mcpha
from daq.wire import mcpha
from daq.wire.mcpha import Code, PhaCode

DUMP_UNTIL_2024 = bytes.fromhex("db3c040000000000662b000000000000 df4f0500000000005e22000000000000")
DUMP_SINCE_2025 = bytes.fromhex("00000000330600000000000059040000 000000007800000000000000bd090000")
"""The beginnings of two files of boards in the field: red-pitaya-notes, issue 1166."""


def test_the_commands_are_frozen() -> None:
    assert mcpha.command(Code.READ_STATUS) == bytes.fromhex("000000000000000b")
    assert mcpha.command(Code.RUN, 1, input_number=2) == bytes.fromhex("010000000000200a")
    assert mcpha.command(Code.TIMER, 75 * 10**8, input_number=1) == struct.pack("<Q", 9 << 56 | 1 << 52 | 75 * 10**8)
    assert mcpha.pha_command(PhaCode.THRESHOLD_MAX, 4090, input_number=1) == bytes.fromhex("fa0f000000000061")


@settings(deadline=None)
@given(st.sampled_from(Code), st.integers(0, (1 << 52) - 1), st.integers(0, 2))
def test_a_command_is_read_back(code: Code, value: int, number: int) -> None:
    assert mcpha.parse_command(mcpha.command(code, value, input_number=number)) == (code, number, value)


@settings(deadline=None)
@given(st.sampled_from(PhaCode), st.integers(0, (1 << 56) - 1), st.integers(0, 1))
def test_a_command_of_list_mode_is_read_back(code: PhaCode, value: int, number: int) -> None:
    assert mcpha.parse_pha_command(mcpha.pha_command(code, value, input_number=number)) == (code, number, value)


@pytest.mark.parametrize("value", [-1, 1 << 52])
def test_a_value_that_does_not_fit_is_refused(value: int) -> None:
    with pytest.raises(UsageError, match="52 bits"):
        mcpha.command(Code.TIMER, value)


def test_an_input_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="there are 0 and 1"):
        mcpha.command(Code.RUN, 1, input_number=3)


@pytest.mark.parametrize("size", [0, 7, 9])
def test_half_a_command_is_no_command(size: int) -> None:
    with pytest.raises(WireError, match="8 bytes"):
        mcpha.parse_command(bytes(size))


def test_the_set_up_stops_before_it_changes_and_empties_every_input_that_is_read() -> None:
    sent = mcpha.set_up(Mcpha(inputs=(0, 1), decimation=8))
    commands = [mcpha.parse_command(sent[at : at + 8]) for at in range(0, len(sent), 8)]

    assert commands[0] == (Code.RUN, 2, 0)
    assert {(Code.RESET_HISTOGRAM, 0, 0), (Code.RESET_HISTOGRAM, 1, 0), (Code.DECIMATION, 0, 8)} <= set(commands)
    assert mcpha.ask_poll(Mcpha(inputs=(1,))) == bytes.fromhex("000000000000000b") + bytes.fromhex("000000000000100c")


def test_list_mode_of_boards_in_the_field_is_read_in_both_orders() -> None:
    old, new = (
        mcpha.decode_events(DUMP_UNTIL_2024, "time-first"),
        mcpha.decode_events(DUMP_SINCE_2025, "words-reversed"),
    )

    assert [(int(clocks), tuple(heights)) for clocks, heights in old] == [
        (0x43CDB, (0x2B66, 0)),
        (0x54FDF, (0x225E, 0)),
    ]
    assert [(int(clocks), tuple(heights)) for clocks, heights in new] == [(0x459, (0x633, 0)), (0x9BD, (0x78, 0))]


@pytest.mark.parametrize(("data", "layout"), [(DUMP_UNTIL_2024, "time-first"), (DUMP_SINCE_2025, "words-reversed")])
def test_the_order_of_a_file_can_be_told(data: bytes, layout: mcpha.EventLayout) -> None:
    assert list(mcpha.layouts_that_fit(data)) == [layout]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, (1 << 56) - 1), st.integers(0, 8191), st.integers(0, 8191)), max_size=20),
    st.sampled_from(["time-first", "words-reversed"]),
)
def test_events_are_read_back(rows: list[tuple[int, int, int]], layout: mcpha.EventLayout) -> None:
    events = np.array([(clocks, (a, b)) for clocks, a, b in rows], mcpha.EVENT)

    sent = mcpha.encode_events(events, layout)

    assert len(sent) == 16 * len(rows)
    assert (mcpha.decode_events(sent, layout) == events).all()


def test_half_an_event_is_refused() -> None:
    with pytest.raises(WireError, match="no whole events"):
        mcpha.decode_events(bytes(17), "time-first")
