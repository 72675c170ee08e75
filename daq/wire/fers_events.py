"""Events of a CAEN FERS-5200 board as bytes, for those who make them: simulators and tests.

Payloads are little-endian words of 32 bits, uint32 arrays; `event` frames one, `spectroscopy_events` makes many of one
size at once. What the bits mean and where that comes from is in `daq.model.fers`; `daq.listmode.fers` decodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model import fers as f

Words = npt.NDArray[np.uint32]
_ABSOLUTE_ZERO_C = -273.15
_FPGA_SCALE = 503.975 / 4096
_HV_SCALE = 256 / 10_000
"""Degrees Celsius of one count."""
_HV_TEMPERATURE_MASK = 0x1FFF


def event(qualifier: int, trigger_id: int, ticks: int, payload: npt.NDArray[Any], *, old: bool = False) -> bytes:
    """Return one event with a payload of words, in the new or the old protocol."""
    words = np.ascontiguousarray(payload, "<u4")
    if old:
        return _old_event(qualifier, trigger_id, ticks, words)
    head = np.array(
        [f.START, qualifier << 24 | len(words), trigger_id & 0xFFFFFFFF, trigger_id >> 32 & 0xFFFFFF,
         ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFFFF], "<u4",
    )  # fmt: skip
    return head.tobytes() + words.tobytes() + f.END.to_bytes(4, "little")


def _old_event(qualifier: int, trigger_id: int, ticks: int, words: Words) -> bytes:
    body = words.astype(">u4").tobytes()
    groups = -(-len(body) // f.OLD_PAYLOAD_BYTES)
    packed = np.zeros((groups, f.OLD_GROUP_BYTES), np.uint8)
    padded = body.ljust(groups * f.OLD_PAYLOAD_BYTES, b"\0")
    packed[:, 1:] = np.frombuffer(padded, np.uint8).reshape(groups, f.OLD_PAYLOAD_BYTES)
    return b"".join((
        f.OLD_START.to_bytes(1, "big") + bytes(7),
        (qualifier << 24 | len(words)).to_bytes(8, "big"),
        (trigger_id & f.COUNTER_MASK).to_bytes(8, "big"),
        (ticks & f.COUNTER_MASK).to_bytes(8, "big"),
        packed.tobytes(),
        (f.OLD_TRAILER << 56 | groups).to_bytes(8, "big"),
    ))  # fmt: skip


def spectroscopy_events(
    trigger_id: npt.NDArray[np.int64], ticks: npt.NDArray[np.int64], high: npt.NDArray[np.uint16] | None,
    low: npt.NDArray[np.uint16] | None = None, *, flags: npt.NDArray[np.uint16] | None = None,
) -> npt.NDArray[np.uint8]:  # fmt: skip
    """Return events of all 64 channels, new protocol, uint8 [events, bytes]: 164 bytes with one gain, 292 with two.

    `high`, `low`: codes uint16 [events, 64] of 14 bits. Where one of them is None, the events have one gain. `flags`
    [events, 64]: bits to set in the half-word of the high gain, or of the only one, e.g. the charge discriminator's.
    """
    count = len(trigger_id)
    both = high is not None and low is not None
    payload_words = 2 + (f.CHANNELS if both else f.CHANNELS // 2)
    words = np.zeros((count, f.HEADER_WORDS + payload_words + 1), "<u4")
    words[:, 0] = f.START
    words[:, 1] = (f.SPECTROSCOPY | (f.BOTH_GAINS if both else 0)) << 24 | payload_words
    for column, values in ((2, trigger_id), (4, ticks)):
        words[:, column] = values & 0xFFFFFFFF
        words[:, column + 1] = values >> 32 & 0xFFFFFF
    words[:, 6:8] = 0xFFFFFFFF
    words[:, 8:-1] = _amplitudes(count, high, low, flags)
    words[:, -1] = f.END
    return words.view(np.uint8)


def _amplitudes(
    count: int, high: npt.NDArray[np.uint16] | None, low: npt.NDArray[np.uint16] | None,
    flags: npt.NDArray[np.uint16] | None,
) -> Words:  # fmt: skip
    """Return the words of the channels, uint32 [events, 32 or 64]."""
    only = high if high is not None else low
    if only is None:
        raise ValueError("an event without amplitudes: give the high or the low gain")
    first = only & f.AMPLITUDE_MASK
    if flags is not None:
        first = first | flags
    if high is not None and low is not None:
        second = (low & f.AMPLITUDE_MASK).astype(np.uint32) << f.LOW_GAIN_SHIFT
        return (first.astype(np.uint32) | second).astype(np.uint32)
    if high is None:
        first = first | f.LOW_GAIN
    halves = np.ascontiguousarray(first.reshape(count, f.CHANNELS), "<u2")
    words: Words = halves.view(np.uint32)
    return words


def counting_payload(counts: npt.NDArray[Any], channels: npt.NDArray[Any] | None = None) -> Words:
    """Return the payload of counts, those of channels 0 and on unless `channels` says which."""
    which = np.arange(len(counts)) if channels is None else np.asarray(channels)
    return (which.astype("<u4") << f.COUNT_SHIFT | np.asarray(counts, "<u4") & f.COUNT_MASK).astype(np.uint32)


@dataclass(frozen=True, slots=True)
class Service:
    """What a board says about itself about once a second. Temperatures in degrees Celsius."""

    fpga_c: float
    board_c: float | None = None
    detector_c: float = 0.0
    high_voltage_c: float = 0.0
    bias_v: float = 0.0
    current_ma: float = 0.0
    on: bool = False
    ramping: bool = False
    over_current: bool = False
    over_voltage: bool = False
    status: int = 0
    counts: npt.NDArray[np.int64] | None = None
    """Triggers since the last time, int64 [66]: by channel, then T-OR and Q-OR; None: none are sent."""
    has_high_voltage: bool = True
    version: int = f.NEWEST_SERVICE_VERSION

    def payload(self) -> Words:
        """Return the words."""
        contents = f.SERVICE_HIGH_VOLTAGE * self.has_high_voltage + f.SERVICE_COUNTS * (self.counts is not None)
        fpga = _counts(self.fpga_c - _ABSOLUTE_ZERO_C, _FPGA_SCALE, 0xFFF)
        words = [self.version << f.SERVICE_VERSION_SHIFT | contents << f.SERVICE_FORMAT_SHIFT | fpga]
        if self.has_high_voltage:
            words += self._high_voltage()
        head = np.array(words, "<u4")
        return head if self.counts is None else np.concatenate([head, counting_payload(self.counts)])

    def _high_voltage(self) -> list[int]:
        flags = self.on << 26 | self.ramping << 27 | self.over_current << 28 | self.over_voltage << 29
        detector = _counts(self.detector_c, _HV_SCALE, _HV_TEMPERATURE_MASK)
        module = _counts(self.high_voltage_c, _HV_SCALE, _HV_TEMPERATURE_MASK)
        words = [round(self.bias_v * 10_000), round(self.current_ma * 10_000), detector | module << 13 | flags]
        if self.version > 0:
            board = f.NO_BOARD_TEMPERATURE if self.board_c is None else _counts(self.board_c, 0.25, 0x3FE)
            words.append(self.status & 0xFFFF | board << 16)
        return words


def _counts(value: float, scale: float, most: int) -> int:
    return min(max(round(value / scale), 0), most)
