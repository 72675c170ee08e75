"""What a FERS-5200 board is told before and after it is listened to, as sequences without IO.

A sequence is a generator: it yields requests, is sent the reply to each, and returns what it found. Every register that
is written is read back, and so is the bit stream in the chips. Order and bits: CAEN FERSlib 1.3.0 as kept in
`djanloo/pyferslib` 6a3359e, `src/FERS_configure_5202.c`, `src/FERS_readout.c` (`FERS_StartAcquisition`). Other than
there, no reset is sent: it would set the bias voltages of the channels to those after power-on.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

from daq.errors import DeadlineError, MismatchError, ReadbackError, RefusedError
from daq.model.fers import CHANNELS
from daq.model.fersboard import TRIGGERS, FersBoard
from daq.wire import fers as wire
from daq.wire.fers import Command, Register, Request, Status

BOARD_CODE = 5202
START_DEADLINE_S = 1.0
"""How long a board may take to run after it was told to."""
_CLOCK_NS = 8
_CHIPS = 2
_CHIP_SHIFT = 9
_FROM_FPGA = 1 << 10
_STREAM_WORDS = 1144 // 32 + 1
_STREAM_BITS_OF_LAST = 1144 % 32
_MODES = {"spectroscopy": 0x1, "timing": 0x2, "spectroscopy_timing": 0x3, "counting": 0x4}
_GAINS = {"auto": 0, "high": 1, "low": 2, "both": 3}
_STREAMING = 2
_MUX_CLOCK = wire.Slice(Register.AMUX_SEQUENCE, 0, 6)
_SHAPING_STEP_NS = 12.5
_SLOWEST_SHAPING = 7
_RUN_SYNC = 1 << 10
_RUN_BY = {"command": 0x01, "t0_chain": 0x82, "t1_chain": 0x84}
_DESKEW = -5 & 0xFFFF
_DELAY_PER_BOARD = 4
_CHIP_CONFIGURATION = 1 << 5 | 1 << 9 | 1 << 10 | 1 << 16 | 1 << 17 | 1 << 18
"""Trigger of the peak detector from outside, output buffer on, negative triggers, global trigger and veto let through,
reset repeated until a latched discriminator is: as FERSlib sets them whatever it is told."""

Found = TypeVar("Found")
Sequence = Generator[Request, bytes, Found]


@dataclass(frozen=True, slots=True)
class Board:
    """What a board says of itself."""

    serial: int
    """CAEN calls it PID."""
    firmware: int

    def __str__(self) -> str:
        """Return it in words."""
        return f"board {self.serial}, firmware {self.firmware >> 8 & 0xFF}.{self.firmware & 0xFF:02d}"


@dataclass(frozen=True, slots=True)
class Place:
    """Which of how many boards of one acquisition, counted from 0."""

    number: int
    boards: int


def identify() -> Sequence[Board]:
    """Return who a board is. Raise `RefusedError` for one that cannot work, `MismatchError` for another model.

    One that says `fail` may have been set up badly: it is set up again first.
    """
    firmware = yield from _read(Register.FW_REV)
    if firmware == 0:
        raise RefusedError("the board answers and runs no valid firmware")
    code = yield from _read(Register.FERS_CODE)
    if code != BOARD_CODE:
        raise MismatchError(f"the board says that it is a FERS {code}; this profile is for {BOARD_CODE}")
    serial = yield from _read(Register.PID)
    yield from require_well(wire.BAD_STATUS & ~Status.FAIL)
    return Board(serial, firmware)


def require_well(bits: Status = wire.BAD_STATUS) -> Sequence[None]:
    """Raise `RefusedError` where the status of a board has one of the bits that say that something is wrong."""
    bad = Status((yield from _read(Register.ACQ_STATUS))) & bits
    if bad:
        raise RefusedError(f"the board says that something is wrong with it: {said(bad)}")


def said(status: Status) -> str:
    """Return the bits of a status in words."""
    return ", ".join((flag.name or hex(flag)).lower().replace("_", " ") for flag in status) or "nothing"


def halt() -> Sequence[None]:
    """Stop a board and throw away what it holds."""
    yield from command(Command.ACQ_STOP)
    yield from command(Command.CLEAR)


def set_up(board: FersBoard, place: Place) -> Sequence[None]:
    """Write all settings, each read back. Raises `RefusedError`, `ReadbackError`."""
    for register, value in _registers(board):
        yield from _write(register, value)
    sequence = yield from _read(Register.AMUX_SEQUENCE)
    yield from _write(Register.AMUX_SEQUENCE, _MUX_CLOCK.put(sequence, board.mux_clock_ns // _CLOCK_NS))
    yield from _acquisition(board)
    yield from _run_mask(board, place)
    for register, values in _channel_registers(board):
        yield from _write_channels(register, values)
    for chip in range(_CHIPS):
        yield from _configure_chip(chip)


def start(now_s: Callable[[], float]) -> Sequence[None]:
    """Set the board's clock to zero and start it. Raise `DeadlineError` when it does not run."""
    yield from command(Command.TIME_RESET)
    yield from command(Command.ACQ_START)
    yield from runs(now_s)


def runs(now_s: Callable[[], float]) -> Sequence[None]:
    """Wait until a board that was told to runs; raise `DeadlineError` when it does not."""
    give_up_s = now_s() + START_DEADLINE_S
    while not (status := Status((yield from _read(Register.ACQ_STATUS)))) & Status.RUNNING:
        if now_s() > give_up_s:
            raise DeadlineError(
                f"the board was started and does not run after {START_DEADLINE_S:g} s; its status is {said(status)}"
            )


def stop() -> Sequence[None]:
    """Stop a board, what it holds is still sent. Raise `ReadbackError` when it goes on."""
    yield from command(Command.ACQ_STOP)
    if Status((yield from _read(Register.ACQ_STATUS))) & Status.RUNNING:
        raise ReadbackError("the board was told to stop and says that it still runs")


def command(what: Command) -> Sequence[None]:
    """Send a command; raise `RefusedError` when the board does not take it."""
    request = wire.send_command(what)
    if not wire.done(request, (yield request)):
        raise RefusedError(f"the board refused the command {what.name.lower()}")


def _registers(board: FersBoard) -> list[tuple[Register, int]]:
    """Return the registers that are written as a whole."""
    enabled = (1 << CHANNELS) - 1 & ~sum(1 << channel for channel in set(board.disabled_channels))
    low, high = 0xFFFFFFFF, 32
    return [
        (Register.CHANNEL_MASK_0, enabled & low), (Register.CHANNEL_MASK_1, enabled >> high),
        (Register.TRG_MASK, sum(1 << TRIGGERS.index(name) for name in set(board.trigger))),
        (Register.DWELL_TIME, board.period_ns // _CLOCK_NS),
        (Register.QD_COARSE_THRESHOLD, board.charge_threshold),
        (Register.TD_COARSE_THRESHOLD, board.time_threshold),
        (Register.HG_SHAPING_TIME, _shaping(board.high_shaping_ns)),
        (Register.LG_SHAPING_TIME, _shaping(board.low_shaping_ns)),
        (Register.QDISCR_MASK_0, enabled & low), (Register.QDISCR_MASK_1, enabled >> high),
        (Register.TDISCR_MASK_0, enabled & low), (Register.TDISCR_MASK_1, enabled >> high),
        (Register.CITIROC_CFG, _CHIP_CONFIGURATION),
        (Register.HOLD_DELAY, board.hold_ns // _CLOCK_NS),
        (Register.TRIGGER_HOLD_OFF, board.trigger_hold_off_ns // _CLOCK_NS),
    ]  # fmt: skip


def _acquisition(board: FersBoard) -> Sequence[None]:
    """Set the control register, leaving bits that are not ours as they are."""
    value = yield from _read(Register.ACQ_CTRL)
    counting = board.mode == "counting"
    for slice_, wanted in (
        (wire.ACQUISITION_MODE, _MODES[board.mode]),
        (wire.TIMING_MODE, _STREAMING if board.mode == "timing" else 0),
        (wire.TIME_OVER_THRESHOLD, 1),
        (wire.GAIN_SELECT, _GAINS[board.gain]),
        (wire.SERVICE_EVENTS, 3 if board.channel_counts and not counting else 1),
        (wire.NO_TDLINK, 1),
        (wire.FOURTEEN_BITS, int(board.range_bits == 14)),  # noqa: PLR2004 - what it is called
        (wire.TEST_PATTERN, 0),
        (wire.TRIGGER_ID_MODE, 0),
    ):
        value = slice_.put(value, wanted)
    yield from _write(Register.ACQ_CTRL, value)


def _run_mask(board: FersBoard, place: Place) -> Sequence[None]:
    """Say what starts the board: a command, or the board before it in the chain."""
    mask = _RUN_BY["command" if place.number == 0 else board.start]
    if board.start != "command":
        mask |= _DESKEW << 16 | (place.boards - place.number - 1) * _DELAY_PER_BOARD << 8
        out = Register.T0_OUT_MASK if board.start == "t0_chain" else Register.T1_OUT_MASK
        passes_on = board.start == "t1_chain" and place.number > 0
        yield from _write(out, 1 if passes_on else _RUN_SYNC)
    yield from _write(Register.RUN_MASK, mask)


def _channel_registers(board: FersBoard) -> list[tuple[Register, list[int]]]:
    """Return the registers that each channel has, with their values."""
    said_of = {
        Register.LG_GAIN: board.low_gain, Register.HG_GAIN: board.high_gain,
        Register.QD_FINE_THRESHOLD: board.charge_fine, Register.TD_FINE_THRESHOLD: board.time_fine,
    }  # fmt: skip
    return [
        (register, [values] * CHANNELS if isinstance(values, int) else list(values))
        for register, values in said_of.items()
    ]


def _write_channels(register: Register, values: list[int]) -> Sequence[None]:
    for channel, value in enumerate(values):
        yield from _write(wire.channel_address(register, channel), value, f"{_name(register)} of channel {channel}")


def _configure_chip(chip: int) -> Sequence[None]:
    """Load the settings into a chip; read what it holds and compare with what was to be loaded."""
    select = chip << _CHIP_SHIFT
    yield from _write(Register.ASIC_BITS_CTRL, select)
    yield from command(Command.CONFIGURE_ASIC)
    yield from command(Command.CONFIGURE_ASIC)  # the second time shifts out what the first one loaded
    loaded = yield from _stream(select)
    wanted = yield from _stream(select | _FROM_FPGA)
    yield from _write(Register.ASIC_BITS_CTRL, select)
    for index, (found, meant) in enumerate(zip(loaded, wanted, strict=True)):
        if found != meant:
            raise ReadbackError(
                f"chip {chip} holds other settings than it was given: word {index} of its bits is {found:#x}, not "
                f"{meant:#x}"
            )


def _stream(select: int) -> Sequence[list[int]]:
    """Return the words of a bit stream, without what is behind its end."""
    words = []
    for index in range(_STREAM_WORDS):
        yield from _write(Register.ASIC_BITS_CTRL, select | index)
        words.append((yield from _read(Register.ASIC_BITS_DATA)))
    words[-1] &= (1 << _STREAM_BITS_OF_LAST) - 1
    return words


def _read(address: int) -> Sequence[int]:
    return wire.value_of((yield wire.read_register(address)))


def _write(address: int, value: int, name: str = "") -> Sequence[None]:
    """Write a register and look whether it holds the value."""
    request = wire.write_register(address, value)
    name = name or _name(Register(address))
    if not wire.done(request, (yield request)):
        raise RefusedError(f"the board refused to set {name} to {value:#x}")
    found = yield from _read(address)
    if found != value:
        raise ReadbackError(f"{name} was set to {value:#x} and holds {found:#x}")


def _name(register: Register) -> str:
    return register.name.lower()


def _shaping(time_ns: float) -> int:
    return _SLOWEST_SHAPING - round(time_ns / _SHAPING_STEP_NS)
