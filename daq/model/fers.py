"""Numbers of the CAEN FERS-5200 electronics (A5202, DT5202) that decoder, framer and simulators must agree on.

Source: CAEN FERSlib as kept in `djanloo/pyferslib` 6a3359e: `src/FERS_readout.c`, `include/FERSlib.h`. Where a number
is ours, it says so. An *event* is what a board sends at a time: of a trigger, or about once a second of itself.

    new protocol, words of 32 bits, little-endian
    0          0x82000000
    1          31:24 data qualifier   23:0 words of payload
    2, 3       trigger id, low word first, 56 bits
    4, 5       time stamp, low word first, 56 bits, in clocks of 8 ns
    6 ..       payload
    last       0xF1000000

    old protocol, groups of 8 bytes, big-endian
    0          0x81000000_00000000
    1          31:24 data qualifier   15:0 words of payload
    2          trigger id
    3          time stamp
    4 ..       each: one byte of zero and 7 bytes of payload, the last one filled up
    last       31:0 size   63:56 0xC0
"""

from __future__ import annotations

from typing import Literal

CLOCK_PS = 8_000
FINE_PS = 500
"""Unit of times of arrival and of the fine time of a time reference: a sixteenth of a clock."""
COUNTER_MASK = (1 << 56) - 1
"""Trigger ids and time stamps have 56 bits."""

CHANNELS = 64
T_OR, Q_OR = 64, 65
"""Channel numbers under which counts of the common discriminators come."""
RATES = 66

WORD_BYTES = 4
START, END = 0x82000000, 0xF1000000
HEADER_WORDS = 6
"""Start, qualifier with size, trigger id, time stamp."""
HEADER_BYTES = HEADER_WORDS * WORD_BYTES
ONE_GAIN_BYTES = HEADER_BYTES + (2 + CHANNELS // 2 + 1) * WORD_BYTES
BOTH_GAINS_BYTES = HEADER_BYTES + (2 + CHANNELS + 1) * WORD_BYTES
"""Of an event with amplitudes of all channels: 164 and 292."""
OLD_START = 0x81
"""The first four bytes of an event of the old protocol, read little-endian."""
OLD_GROUP_BYTES = 8
OLD_HEADER_BYTES = 4 * OLD_GROUP_BYTES
OLD_PAYLOAD_BYTES = 7
"""Of each group."""
OLD_TRAILER = 0xC0
"""The first byte of the last group."""

# Data qualifiers.
SPECTROSCOPY, TIMING, SPECTROSCOPY_TIMING, COUNTING, WAVEFORM = 0x01, 0x02, 0x03, 0x04, 0x08
START_EVENT, SERVICE, TEST = 0x0F, 0x2F, 0xFF
MODE_MASK = 0x0F
"""The bits that say which of the first five it is."""
BOTH_GAINS = 0x10
RELATIVE_TIME = 0x80
"""The payload begins with the time since the last time reference."""
TIMING_MASK, COMMON_STOP, STREAMING = 0xF0, 0x10, 0x20
"""Of timing events; 0x00 is common start. Only streaming has times of 25 bits, and no time over threshold."""

KINDS = (
    "spectroscopy", "spectroscopy_timing", "timing", "counting", "waveform", "start", "service", "test",
)  # fmt: skip
"""Kinds of events, in the order in which they are counted."""
TAGS: tuple[dict[str, int], ...] = (
    {"27:24": SPECTROSCOPY}, {"27:24": SPECTROSCOPY_TIMING}, {"27:24": TIMING}, {"27:24": COUNTING},
    {"31:24": WAVEFORM}, {"31:24": START_EVENT}, {"31:24": SERVICE}, {"31:24": TEST},
)  # fmt: skip
"""By which bits of the second word each kind is known."""

# Bits of a channel's amplitude: two in a word where there is one gain, the low half first.
AMPLITUDE_MASK = 0x3FFF
LOW_GAIN = 0x4000
CHARGE_DISCRIMINATOR = 0x8000
LOW_GAIN_SHIFT = 16
"""Where both gains come, in one word: the high gain is in the low half."""

# Bits of a hit.
HIT_CHANNEL_SHIFT, HIT_TOT_SHIFT = 25, 16
HIT_CHANNEL_MASK, HIT_TOT_MASK, HIT_TIME_MASK, STREAMING_TIME_MASK = 0x7F, 0x1FF, 0xFFFF, 0x1FFFFFF
REFERENCE = 1 << 31
"""A time reference among the hits of a spectroscopy event."""

COUNT_SHIFT, COUNT_MASK = 24, 0xFFFFFF

# Service events.
SERVICE_VERSION_SHIFT, SERVICE_FORMAT_SHIFT, SERVICE_FORMAT_MASK = 24, 12, 0xF
SERVICE_HIGH_VOLTAGE, SERVICE_COUNTS = 1, 2
"""Bits of the format: what is in it."""
NEWEST_SERVICE_VERSION = 1
NO_BOARD_TEMPERATURE = 0x3FF
SENSORS = ("fpga", "board", "detector", "high_voltage")
"""Sensors of temperature, by the `value` of their marks."""
FPGA, BOARD, DETECTOR, HIGH_VOLTAGE = range(4)

HV_ON, HV_RAMPING, HV_OVER_CURRENT, HV_OVER_VOLTAGE = 1 << 16, 1 << 17, 1 << 18, 1 << 19
"""State of the high voltage in the `value` of a `status` mark; its low 16 bits are the board's status register."""

MOST_HITS, MOST_SAMPLES, MOST_TEST_WORDS = 2048, 2048, 64
"""What an event can hold at most: the first two are the vendor's, the last one is ours (the vendor's says 4)."""
MOST_PAYLOAD_WORDS = 3 + CHANNELS + MOST_HITS
MOST_TICKS = (1 << 62) // CLOCK_PS
"""A time stamp from here on (53 days) is none: it would not fit picoseconds of 63 bits."""

Gain = Literal["high", "low", "auto"]
