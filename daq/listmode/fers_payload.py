"""What is inside FERS-5200 events: amplitudes, hits, counts, a board's words about itself. Compiled helpers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from daq.listmode.loads import load_u16_little, load_u32_little
from daq.model import fers as f
from daq.model.bits import ones
from daq.model.events import MARKS
from daq.model.kernel import spliced

_word: Any = load_u32_little
_half: Any = load_u16_little

STATUS = 9
"""Column of `Carry.state`: the last status plus one, 0 before any."""

_HIGH, _LOW = 0, 1
_MARK_RATE, _MARK_STATUS = MARKS.index("singles_rate"), MARKS.index("status")
_MARK_TEMPERATURE, _MARK_BIAS = MARKS.index("temperature"), MARKS.index("bias_voltage")

_PAYLOAD = f.HEADER_BYTES
_W = f.WORD_BYTES
_ABSOLUTE_ZERO_C = -273.15
_FPGA_SCALE = 503.975 / 4096
_HV_SCALE = 256 / 10_000
_BOARD_SCALE = 0.25
_FIXED_POINT = 10_000
_NA_OF_COUNT = 100
"""The current comes in units of 0.1 uA."""


class Facts(NamedTuple):
    """Settings: see `daq.model.layout.Fers`."""

    timing: Any
    gain: Any
    high_to: Any
    rates: Any
    window_ps: Any
    high: Any
    low: Any


class Singles(NamedTuple):
    """Columns of singles."""

    time_ps: Any
    head: Any
    amplitudes: Any
    detector: Any
    energy: Any


class Marks(NamedTuple):
    """Columns of marks; `rows` int64 [1] counts them."""

    time_ps: Any
    kind: Any
    source: Any
    value: Any
    value2: Any
    rows: Any


@spliced
def mark(marks: Marks, time_ps: Any, kind: Any, source: Any, value: Any, value2: Any) -> None:
    """Add a mark."""
    row = marks.rows[0]
    marks.time_ps[row] = time_ps
    marks.kind[row] = kind
    marks.source[row] = source
    marks.value[row] = value
    marks.value2[row] = value2
    marks.rows[0] = row + 1


@spliced
def _plain(data: Any, at: Any, both: Any, facts: Facts, row: Any) -> Any:
    """Fill a row with codes of the high gain of all channels; return False where some must be looked at one by one."""
    seen, most = np.uint32(0), np.uint32(0)
    if both:
        for channel in range(f.CHANNELS):
            code = _word(data, at + _W * channel) & np.uint32(f.AMPLITUDE_MASK)
            most = max(most, code)
            row[channel] = code
        return facts.gain == _HIGH or (facts.gain != _LOW and most < facts.high_to)
    for channel in range(f.CHANNELS):
        half = np.uint32(_half(data, at + 2 * channel))
        seen |= half
        row[channel] = half & np.uint32(f.AMPLITUDE_MASK)
    return facts.gain != _LOW and not seen & np.uint32(f.LOW_GAIN)


@spliced
def _one_gain(data: Any, at: Any, low_mask: Any, high_mask: Any, facts: Facts, row: Any) -> Any:
    """Fill a row of amplitudes from half-words; return how many there were."""
    found = 0
    for channel in range(f.CHANNELS):
        mask = low_mask if channel < f.CHANNELS // 2 else high_mask
        if mask >> (channel & 31) & 1:
            half = np.int64(_half(data, at + 2 * found))
            table = facts.low if half & f.LOW_GAIN else facts.high
            row[channel] = table[half & f.AMPLITUDE_MASK]
            found += 1
        else:
            row[channel] = 0
    return found


@spliced
def _both_gains(data: Any, at: Any, low_mask: Any, high_mask: Any, facts: Facts, row: Any) -> Any:
    """Fill a row of amplitudes from words with both gains; return how many there were."""
    found = 0
    for channel in range(f.CHANNELS):
        mask = low_mask if channel < f.CHANNELS // 2 else high_mask
        if mask >> (channel & 31) & 1:
            word = np.int64(_word(data, at + _W * found))
            high, low = word & f.AMPLITUDE_MASK, word >> f.LOW_GAIN_SHIFT & f.AMPLITUDE_MASK
            takes_high = facts.gain == _HIGH or (facts.gain != _LOW and high < facts.high_to)
            row[channel] = facts.high[high] if takes_high else facts.low[low]
            found += 1
        else:
            row[channel] = 0
    return found


@spliced
def spectroscopy(data: Any, at: Any, words: Any, qualifier: Any, facts: Facts, row: Any) -> Any:
    """Fill a row of amplitudes; return False for an event that has fewer words than its mask says."""
    begin = 1 if qualifier & f.RELATIVE_TIME else 0
    if words < begin + 2:
        return False
    at += _PAYLOAD + begin * _W
    high_mask, low_mask = np.int64(_word(data, at)), np.int64(_word(data, at + _W))
    channels = ones(high_mask) + ones(low_mask)
    both = qualifier & f.BOTH_GAINS
    if words < begin + 2 + (channels if both else (channels + 1) // 2):
        return False
    if channels == f.CHANNELS and _plain(data, at + 2 * _W, both, facts, row):
        return True
    if both:
        _both_gains(data, at + 2 * _W, low_mask, high_mask, facts, row)
    else:
        _one_gain(data, at + 2 * _W, low_mask, high_mask, facts, row)
    return True


@spliced
def hits(
    data: Any, at: Any, words: Any, qualifier: Any, s: Any, base_ps: Any, window_ps: Any, singles: Singles, row: Any
) -> Any:  # fmt: skip
    """Make a single of each hit; return the rows, or -1 for a list without a reference or with a channel of none."""
    if words < 1:
        return np.int64(-1)
    reference_ps = base_ps + np.int64(_word(data, at + _PAYLOAD) & np.uint32(0xF)) * f.FINE_PS
    streaming = (qualifier & f.TIMING_MASK) == f.STREAMING
    if (qualifier & f.TIMING_MASK) == f.COMMON_STOP:
        reference_ps -= window_ps
    for hit in range(1, words):
        word = np.int64(_word(data, at + _PAYLOAD + hit * _W))
        channel = word >> f.HIT_CHANNEL_SHIFT
        if channel >= f.CHANNELS:
            return np.int64(-1)
        counts = word & (f.STREAMING_TIME_MASK if streaming else f.HIT_TIME_MASK)
        singles.time_ps[row] = reference_ps + counts * f.FINE_PS
        singles.detector[row] = s * f.CHANNELS + channel
        singles.energy[row] = 0 if streaming else word >> f.HIT_TOT_SHIFT & f.HIT_TOT_MASK
        row += 1
    return row


@spliced
def rates(data: Any, at: Any, first: Any, words: Any, s: Any, time_ps: Any, facts: Facts, marks: Marks) -> None:
    """Tell the counts of channels in the words of a payload from `first` on."""
    if not facts.rates:
        return
    for index in range(first, words):
        word = np.int64(_word(data, at + _PAYLOAD + index * _W))
        channel = word >> f.COUNT_SHIFT & 0x7F
        if channel < f.RATES:
            mark(marks, time_ps, _MARK_RATE, s, word & f.COUNT_MASK, float(channel))


@spliced
def _high_voltage(data: Any, at: Any, version: Any, s: Any, time_ps: Any, state: Any, marks: Marks) -> None:
    """Tell what the words of the high voltage say, the first of which is at a byte."""
    volts, current = np.int64(_word(data, at)), np.int64(_word(data, at + _W))
    word = np.int64(_word(data, at + 2 * _W))
    mark(marks, time_ps, _MARK_BIAS, s, (0 if current >> 31 else current) * _NA_OF_COUNT, volts / _FIXED_POINT)
    mark(marks, time_ps, _MARK_TEMPERATURE, s, f.DETECTOR, (word & 0x1FFF) * _HV_SCALE)
    mark(marks, time_ps, _MARK_TEMPERATURE, s, f.HIGH_VOLTAGE, (word >> 13 & 0x1FFF) * _HV_SCALE)
    status = (word >> 26 & 0xF) << 16
    if version:
        board = np.int64(_word(data, at + 3 * _W))
        status |= board & 0xFFFF
        board_counts = board >> 16 & 0x3FF
        if board_counts != f.NO_BOARD_TEMPERATURE:
            mark(marks, time_ps, _MARK_TEMPERATURE, s, f.BOARD, board_counts * _BOARD_SCALE)
    if state[s, STATUS] != status + 1:
        mark(marks, time_ps, _MARK_STATUS, s, status, np.nan)
        state[s, STATUS] = status + 1


@spliced
def service(data: Any, at: Any, words: Any, s: Any, time_ps: Any, state: Any, facts: Facts, marks: Marks) -> Any:
    """Tell what a board says about itself; return False for an event that is shorter than it says."""
    if words < 1:
        return False
    head = np.int64(_word(data, at + _PAYLOAD))
    version, contents = head >> f.SERVICE_VERSION_SHIFT, head >> f.SERVICE_FORMAT_SHIFT & f.SERVICE_FORMAT_MASK
    if version > f.NEWEST_SERVICE_VERSION:
        return True
    voltage = contents & f.SERVICE_HIGH_VOLTAGE
    first = 4 + version if voltage else 1
    if words < first:
        return False
    mark(marks, time_ps, _MARK_TEMPERATURE, s, f.FPGA, (head & 0xFFF) * _FPGA_SCALE + _ABSOLUTE_ZERO_C)
    if voltage:
        _high_voltage(data, at + _PAYLOAD + _W, version, s, time_ps, state, marks)
    if contents & f.SERVICE_COUNTS:
        rates(data, at, first, words, s, time_ps, facts, marks)
    return True
