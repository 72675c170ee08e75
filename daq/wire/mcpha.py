"""Commands of the Red Pitaya pulse height analyser, and the events of its list mode, as bytes.

`mcpha-server`, TCP 1001: commands of 8 bytes, little-endian

    63:56 code   55:52 input   51:0 value

of which only READ_STATUS (36 bytes), READ_HISTOGRAM (16384) and READ_SCOPE are answered. `pha-server`, TCP 1002:

    63:60 code   59:56 input   55:0 value

after START a stream of events of 16 bytes. Two layouts of these are in the field; nothing in the stream says which:

    "time-first"      time u64, input 0 i32, input 1 i32             until 2024
    "words-reversed"  input 1 i32, input 0 i32, time 63:32, 31:0     from 2025 on: the same bits, highest word first

The time counts clocks of 8 ns; a height of 0 says that the input saw nothing at that time.

Source: red-pitaya-notes e0222ff, `projects/mcpha/server/*.c` and `block_design.tcl`; the two layouts: hexadecimal dumps
in its issue 1166 of 2025-02.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Literal

import numpy as np
import numpy.typing as npt

from daq.errors import UsageError, WireError
from daq.model import mcpha as m
from daq.model.layout import Mcpha

COMMAND_BYTES = 8
EVENT_BYTES = 16
EventLayout = Literal["time-first", "words-reversed"]
EVENT = np.dtype([("clocks", "<u8"), ("heights", "<i4", (2,))])
"""An event as values, and the bytes of `time-first`."""

_VALUE_BITS = 52
_PHA_VALUE_BITS = 56
_ALL_INPUTS = 2


class Code(IntEnum):
    """Commands of `mcpha-server`."""

    RESET_HISTOGRAM = 0
    RESET_TIMER = 1
    RESET_SCOPE = 2
    RESET_GENERATOR = 3
    DECIMATION = 4
    NEGATIVE = 5
    DELAY = 6
    THRESHOLD_MIN = 7
    THRESHOLD_MAX = 8
    TIMER = 9
    RUN = 10
    READ_STATUS = 11
    READ_HISTOGRAM = 12
    SCOPE_SOURCE = 13
    SCOPE_SLOPE = 14
    SCOPE_MODE = 15
    SCOPE_LEVEL = 16
    SCOPE_BEFORE = 17
    SCOPE_SAMPLES = 18
    START_SCOPE = 19
    READ_SCOPE = 20
    GENERATOR_FALL = 21
    GENERATOR_RISE = 22
    GENERATOR_LOW = 23
    GENERATOR_HIGH = 24
    GENERATOR_RATE = 25
    GENERATOR_DISTRIBUTION = 26
    RESET_SPECTRUM = 27
    SPECTRUM_BIN = 28
    START_GENERATOR = 29
    STOP_GENERATOR = 30


class PhaCode(IntEnum):
    """Commands of `pha-server`."""

    RESET = 0
    RESET_TIMER = 1
    DECIMATION = 2
    NEGATIVE = 3
    DELAY = 4
    THRESHOLD_MIN = 5
    THRESHOLD_MAX = 6
    TIMER = 7
    START = 8


def command(code: Code, value: int = 0, *, input_number: int = 0) -> bytes:
    """Return a command of `mcpha-server`; raise `UsageError` for a value that does not fit."""
    return _packed(int(code) << 4 | _nibble(input_number), value, _VALUE_BITS)


def pha_command(code: PhaCode, value: int = 0, *, input_number: int = 0) -> bytes:
    """Return a command of `pha-server`; raise `UsageError` for a value that does not fit."""
    return _packed(int(code) << 4 | _nibble(input_number), value, _PHA_VALUE_BITS)


def parse_command(data: bytes) -> tuple[int, int, int]:
    """Return code, input and value of a command of `mcpha-server`; any code: a server does not refuse one."""
    word = _word(data)
    return word >> 56, word >> _VALUE_BITS & 0xF, word & (1 << _VALUE_BITS) - 1


def parse_pha_command(data: bytes) -> tuple[int, int, int]:
    """Return code, input and value of a command of `pha-server`."""
    word = _word(data)
    return word >> 60, word >> _PHA_VALUE_BITS & 0xF, word & (1 << _PHA_VALUE_BITS) - 1


def set_up(settings: Mcpha) -> bytes:
    """Return the commands that stop all inputs, set them up and empty histograms and timers. Nothing answers them."""
    parts = [command(Code.RUN, 0, input_number=_ALL_INPUTS), command(Code.DECIMATION, settings.decimation)]
    for number in settings.inputs:
        for code, value in (
            (Code.NEGATIVE, int(settings.negative)),
            (Code.DELAY, settings.delay_samples),
            (Code.THRESHOLD_MIN, settings.threshold_min_adc),
            (Code.THRESHOLD_MAX, settings.threshold_max_adc),
            (Code.RESET_HISTOGRAM, 0),
            (Code.RESET_TIMER, 0),
            (Code.TIMER, m.MOST_TIMER),
        ):
            parts.append(command(code, value, input_number=number))
    return b"".join(parts)


def run(settings: Mcpha, *, on: bool) -> bytes:
    """Return the commands that let the inputs of the settings count, or stop them."""
    if set(settings.inputs) == set(range(m.INPUTS)):
        return command(Code.RUN, int(on), input_number=_ALL_INPUTS)
    return b"".join(command(Code.RUN, int(on), input_number=number) for number in settings.inputs)


def ask_poll(settings: Mcpha) -> bytes:
    """Return the commands whose answers are one poll."""
    reads = (command(Code.READ_HISTOGRAM, input_number=number) for number in settings.inputs)
    return command(Code.READ_STATUS) + b"".join(reads)


def encode_events(events: npt.NDArray[np.void], layout: EventLayout) -> bytes:
    """Return events [n] of dtype `EVENT` as `pha-server` sends them."""
    return _reordered(np.ascontiguousarray(events.astype(EVENT)).view("<u4"), layout).tobytes()


def decode_events(data: bytes, layout: EventLayout) -> npt.NDArray[np.void]:
    """Return the events of dtype `EVENT` in `data`; raise `WireError` where it ends within one."""
    if len(data) % EVENT_BYTES:
        raise WireError(f"{len(data)} bytes are no whole events of {EVENT_BYTES} bytes")
    return _reordered(np.frombuffer(data, "<u4"), layout).view(EVENT)


def layouts_that_fit(data: bytes) -> Iterator[EventLayout]:
    """Yield the layouts in which times never go back and heights fit 14 bits and a sign; whole events of `data`."""
    whole = data[: len(data) // EVENT_BYTES * EVENT_BYTES]
    layouts: tuple[EventLayout, ...] = ("time-first", "words-reversed")
    for layout in layouts:
        events = decode_events(whole, layout)
        in_order = bool((events["clocks"][1:] >= events["clocks"][:-1]).all())
        if in_order and bool((np.abs(events["heights"].astype(np.int64)) < 1 << 16).all()):
            yield layout


def _reordered(words: npt.NDArray[np.uint32], layout: EventLayout) -> npt.NDArray[np.uint32]:
    by_event = words.reshape(-1, EVENT_BYTES // 4)
    return np.ascontiguousarray(by_event if layout == "time-first" else by_event[:, ::-1]).reshape(-1)


def _nibble(number: int) -> int:
    if not 0 <= number <= _ALL_INPUTS:
        raise UsageError(f"input {number}: there are 0 and 1, and 2 for both")
    return number


def _packed(top: int, value: int, bits: int) -> bytes:
    if not 0 <= value < 1 << bits:
        raise UsageError(f"a command's value of {value}: it has {bits} bits")
    return struct.pack("<Q", top << bits | value)


def _word(data: bytes) -> int:
    if len(data) != COMMAND_BYTES:
        raise WireError(f"a command has {COMMAND_BYTES} bytes, not {len(data)}")
    return int(struct.unpack("<Q", data)[0])
