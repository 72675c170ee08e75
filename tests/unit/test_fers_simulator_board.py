"""The registers, flash memory, chips and bias supply of a simulated A5202."""

from __future__ import annotations

import struct
import threading
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_fers_simulator import Clock, WriteFaults, put

from simulators.fers.board import OK, REFUSED, Board
from simulators.fers.citiroc import STREAM_BITS
from simulators.fers.flash import Flash, Identity, pedestal_page
from simulators.fers.highvoltage import HighVoltage, Item
from simulators.fers.line import NoRequestError, answer
from simulators.fers.registers import ChannelRegister, Command, Register, channel_address

READ_HV = 0x10000
FIXED_POINT = 1 << 8


def board_of(*faults: str, pid: int = 4711) -> Board:
    return Board(pid, Clock(), WriteFaults(*faults), threading.RLock())


def get(board: Board, address: int) -> int:
    return int.from_bytes(board.read(address, 4), "little")


REQUEST = st.one_of(
    st.builds(lambda data: struct.pack("<4sII", b"ABBD", Register.TRG_MASK, len(data)) + data, st.binary(max_size=12)),
    st.builds(lambda size: struct.pack("<4sII", b"ABBE", Register.FW_REV, size), st.integers(0, 40)),
    st.builds(lambda value: struct.pack("<4sII", b"ABBA", Register.HOLD_DELAY, value), st.integers(0, 0xFFFFFFFF)),
    st.just(struct.pack("<4sI", b"ABBC", Register.PID)),
)


def replies_to(data: bytes, cuts: list[int]) -> list[bytes]:
    """Return the replies to requests that arrive in pieces."""
    board, buffer, replies = board_of(), bytearray(), []
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for begin, end in pairwise(bounds):
        buffer += data[begin:end]
        while buffer and (reply := answer(board, buffer)) is not None:
            replies.append(reply)
    return replies


@given(st.lists(REQUEST, max_size=6), st.lists(st.integers(0, 100), max_size=5))
def test_requests_are_answered_alike_however_they_are_cut(requests: list[bytes], cuts: list[int]) -> None:
    data = b"".join(requests)

    assert replies_to(data, cuts) == replies_to(data, [])
    assert len(replies_to(data, [])) == len(requests)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_request_are_found_out_at_once(data: bytes) -> None:
    buffer = bytearray(b"ABBF" + data)

    with suppress(NoRequestError):
        assert answer(board_of(), buffer) is None
        assert len(data) < 4


def flash_page(board: Board, page: int, size: int) -> bytes:
    """Read a page as FERSlib does: opcode, three bytes of address, four of nothing, then byte by byte."""
    for byte in (0xD2, page << 2 >> 8 & 0xFF, page << 2 & 0xFF, 0, 0, 0, 0, 0):
        put(board, Register.SPI_DATA, 0x100 | byte)
    out = bytearray()
    for k in range(size):
        put(board, Register.SPI_DATA, 0x100 if k < size - 1 else 0)
        out.append(get(board, Register.SPI_DATA))
    return bytes(out)


@given(st.integers(0, 0xFFFFFFFF), st.sampled_from([Register.TRG_MASK, Register.HOLD_DELAY, 0x01000998]))
def test_what_is_written_is_read_back(value: int, address: int) -> None:
    board = board_of()

    assert put(board, address, value) == OK

    assert get(board, address) == value


def test_a_broadcast_reaches_every_channel_and_one_address_only_one() -> None:
    board = board_of()

    put(board, 0x03000000 | ChannelRegister.HG_GAIN, 33)
    put(board, channel_address(ChannelRegister.HG_GAIN, 5), 44)

    assert board.registers.channels(ChannelRegister.HG_GAIN) == [33] * 5 + [44] + [33] * 58


def test_registers_that_only_the_board_sets_stay_as_they_are() -> None:
    board = board_of(pid=31)

    put(board, Register.PID, 99)
    put(board, Register.FW_REV, 0)

    assert (get(board, Register.PID), get(board, Register.FERS_CODE)) == (31, 5202)
    assert get(board, Register.FW_REV) != 0


def test_a_reset_takes_settings_back_and_leaves_no_acquisition_mode() -> None:
    board = board_of()
    put(board, Register.ACQ_CTRL, 0x3001)

    put(board, Register.COMMANDS, Command.RESET)

    assert get(board, Register.ACQ_CTRL) == 0


def test_several_words_are_read_at_once() -> None:
    board = board_of()
    put(board, Register.RUN_MASK, 7)
    put(board, Register.TRG_MASK, 9)

    assert board.read(Register.RUN_MASK, 8) == struct.pack("<II", 7, 9)


def test_half_a_word_is_refused() -> None:
    assert board_of().write(Register.TRG_MASK, b"ab") == REFUSED


def test_a_refused_write_says_so_and_a_stuck_one_does_not() -> None:
    refusing, stuck = board_of("refuse"), board_of("stuck")

    assert (put(refusing, Register.TRG_MASK, 5), put(stuck, Register.TRG_MASK, 5)) == (REFUSED, OK)
    assert (get(refusing, Register.TRG_MASK), get(stuck, Register.TRG_MASK)) == (1, 1)


def test_the_flash_memory_says_who_the_board_is() -> None:
    page = flash_page(board_of(pid=12345), 0, 46)

    pid, code, revision = struct.unpack_from("<IHB", page, 2)
    assert (page[:2], pid, code, revision) == (b"B\0", 12345, 5202, 3)
    assert page[25:41].rstrip(b"\0") == b"A5202"
    assert struct.unpack_from("<H", page, 42) == (64,)


def test_the_flash_memory_holds_the_pedestals_that_amplitudes_have() -> None:
    board = board_of()

    page = flash_page(board, 4, 16 + 256)

    assert page[:2] == b"P\0"
    assert struct.unpack_from("<64H", page, 16) == tuple(board.pedestal_low)
    assert struct.unpack_from("<64H", page, 16 + 128) == tuple(board.pedestal_high)


def test_a_page_of_the_flash_memory_can_be_written() -> None:
    flash = Flash({0: Identity(1).page(), 4: pedestal_page([1] * 64, [2] * 64)})
    sent = [0x82, 0, 4 << 2, 0, *b"hello"]
    for k, byte in enumerate(sent):
        flash.put(byte | (0x100 if k < len(sent) - 1 else 0))

    for byte in (0x57, 0):
        flash.put(byte | (0x100 if byte else 0))
    ready = flash.get()
    for byte in (0xD2, 0, 4 << 2, 0, 0, 0, 0, 0):
        flash.put(0x100 | byte)
    flash.put(0)

    assert (ready, flash.get()) == (0x80, ord("h"))


def stream_of(board: Board, chip: int) -> int:
    """Read a chip's stream word by word."""
    words = []
    for index in range(36):
        put(board, Register.SCBS_CTRL, chip << 9 | index)
        words.append(get(board, Register.SCBS_DATA))
    return sum(word << 32 * k for k, word in enumerate(words))


def test_a_gain_is_at_work_only_when_the_chip_was_configured() -> None:
    board = board_of()
    put(board, channel_address(ChannelRegister.HG_GAIN, 40), 60)
    before = board.settings().high_factor[40]

    put(board, Register.SCBS_CTRL, 1 << 9)
    put(board, Register.COMMANDS, Command.CONFIGURE_ASIC)

    assert (before, board.settings().high_factor[40]) == (1.0, pytest.approx(13 / 3))
    assert stream_of(board, 1) >> 619 + 15 * 8 + 9 & 0x3F == 60
    assert stream_of(board, 0) >> 619 + 15 * 8 + 9 & 0x3F == 50


def test_the_stream_in_a_chip_has_thresholds_where_the_vendor_reads_them() -> None:
    board = board_of()
    put(board, Register.QD_COARSE_THR, 0x155)
    put(board, channel_address(ChannelRegister.TD_FINE_THR, 3), 0xA)

    put(board, Register.SCBS_CTRL, 0)
    put(board, Register.COMMANDS, Command.CONFIGURE_ASIC)

    stream = stream_of(board, 0)
    assert (stream >> 1107 & 0x3FF, stream >> 12 & 0xF, stream >> STREAM_BITS) == (0x155, 0xA, 0)


def test_a_stream_by_hand_goes_into_the_chip_as_it_is() -> None:
    board = board_of()
    for index in range(36):
        put(board, Register.SCBS_CTRL, 0x100 | index)
        put(board, Register.SCBS_DATA, 0x01010101 * (index % 7))

    put(board, Register.COMMANDS, Command.CONFIGURE_ASIC)

    wanted = sum(0x01010101 * (index % 7) << 32 * index for index in range(36))
    assert stream_of(board, 0) == wanted & (1 << STREAM_BITS) - 1


def test_a_stream_that_arrives_damaged_differs_and_the_status_says_so() -> None:
    board = board_of("asic")
    good = stream_of(board, 0)

    put(board, Register.COMMANDS, Command.CONFIGURE_ASIC)

    assert stream_of(board, 0) != good
    assert get(board, Register.ACQ_STATUS) & 2


def set_hv(supply: HighVoltage, item: Item, value: int) -> None:
    supply.choose(FIXED_POINT | item)
    supply.put(value)


def hv(supply: HighVoltage, item: Item) -> int:
    supply.choose(READ_HV | FIXED_POINT | item)
    return supply.get()


def test_the_bias_ramps_to_what_is_set_and_back() -> None:
    clock = Clock()
    supply = HighVoltage(clock, serial=1)
    set_hv(supply, Item.SET_V, 540_000)
    set_hv(supply, Item.ON, 1)

    seen = []
    for clock.now_s in (1.0, 3.0, 5.4, 6.0):
        seen.append((hv(supply, Item.MONITOR_V), hv(supply, Item.RAMPING)))
    set_hv(supply, Item.ON, 0)
    clock.now_s = 8.0

    assert seen == [(100_000, 1), (300_000, 1), (540_000, 0), (540_000, 0)]
    assert hv(supply, Item.MONITOR_V) == 340_000


def test_the_gain_of_detectors_goes_with_the_voltage_above_breakdown() -> None:
    clock = Clock()
    supply = HighVoltage(clock, serial=1)
    set_hv(supply, Item.SET_V, 550_000)
    set_hv(supply, Item.ON, 1)

    gains = []
    for clock.now_s in (0.0, 5.0, 5.35, 6.0):
        gains.append(supply.gain)

    assert gains == pytest.approx([0.0, 0.0, 0.5, 1.0])


@pytest.mark.parametrize("volts", [19.9, 85.1, 0.0])
def test_a_bias_out_of_range_is_not_taken(volts: float) -> None:
    supply = HighVoltage(Clock(), serial=1)
    set_hv(supply, Item.SET_V, 540_000)

    set_hv(supply, Item.SET_V, round(volts * 10_000))

    assert hv(supply, Item.SET_V) == 540_000


def test_too_much_current_switches_the_bias_off_and_says_so() -> None:
    clock = Clock()
    supply = HighVoltage(clock, serial=1)
    set_hv(supply, Item.LIMIT_MA, 500)
    set_hv(supply, Item.SET_V, 600_000)
    set_hv(supply, Item.ON, 1)

    clock.now_s = 60.0
    hv(supply, Item.MONITOR_V)

    assert (hv(supply, Item.ON), hv(supply, Item.OVER_CURRENT)) == (0, 1)
    assert supply.status() >> 28 & 1


def test_the_word_of_the_supply_has_temperatures_and_states_where_the_vendor_reads_them() -> None:
    clock = Clock()
    supply = HighVoltage(clock, serial=1)
    set_hv(supply, Item.ON, 1)
    clock.now_s = 0.5

    word = supply.status()

    assert (word & 0x1FFF) * 256 / 10_000 == pytest.approx(supply.detector_c, abs=0.02)
    assert (word >> 13 & 0x1FFF) * 256 / 10_000 == pytest.approx(supply.supply_c, abs=0.02)
    assert (word >> 26 & 1, word >> 27 & 1) == (1, 1)
