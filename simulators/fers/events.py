"""What becomes of the light of a stretch of time: discriminators, triggers, conversions, events."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simulators.fers import encoding as e
from simulators.fers.conversion import Conversion
from simulators.fers.registers import CHANNELS, CLOCK_PS
from simulators.fers.settings import AUTO, BOTH, COUNTING, LOW, SPECTROSCOPY, STREAMING, TIMING, WAVEFORM, Settings
from simulators.fers.signals import Block

NOISE_COUNTS = 2.0
"""Standard deviation of an amplitude without light, both gains."""
_NOISE_ROWS = 4093
_TEST_PATTERN = (0x2AAA, 0x1555)
_FINE_PER_CLOCK = 16
_EARLIEST_FINE, _WALK = 20, 4000.0
_LONGEST_OVER = 511
_OVER_PER_ROOT = 12.0

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]


class Made(NamedTuple):
    """Events of a stretch: the words of the stream, where each begins, and what the truth says of them."""

    words: e.Words
    starts: Ints
    qualifier: int
    high: Ints
    low: Ints


class EventMaker:
    """One run of one board. `rates` counts hits of the channels, T-OR and Q-OR, int64 [66]."""

    def __init__(self, settings: Settings, conversion: Conversion, pedestals: tuple[Ints, Ints], seed: int) -> None:
        self.settings, self.conversion = settings, conversion
        self.rates = np.zeros(CHANNELS + 2, np.int64)
        self.photons = 0
        self.periodic = 0
        self._events = 0
        self._counted = self.rates.copy()
        self._pedestal_high, self._pedestal_low = pedestals
        self._rng = np.random.default_rng(seed)
        noise = self._rng.normal(0.0, NOISE_COUNTS, (_NOISE_ROWS, 2, CHANNELS)).astype(np.float32)
        self._noise, self._noise_row = noise, 0
        self._stuck = np.zeros(CHANNELS, bool)

    def saturate(self, stuck: Bools) -> None:
        """Let the converters of these channels say full scale from now on."""
        self._stuck = stuck

    def make(self, photons: Block, asked_ps: Ints, zero_ps: int, waiting_bytes: int) -> Made | None:
        """Return the events of photons and of triggers without light, `asked_ps`, times in ps; None: there are none."""
        q_or, hits = self._discriminate(photons)
        chosen = np.zeros(len(photons.time_ps), bool)
        if "q_or" in self.settings.triggers:
            chosen |= q_or
        if self.settings.triggers & {"t_or", "logic"}:
            chosen |= hits.any(axis=1)
        if self.settings.mode & (COUNTING | WAVEFORM) or not self.settings.mode:
            return None
        index = np.concatenate([np.flatnonzero(chosen), np.full(len(asked_ps), -1)])
        times = np.concatenate([photons.time_ps[chosen], asked_ps])
        order = np.argsort(times, kind="stable")
        index, times = index[order], times[order]
        size = e.WORD_BYTES * self._most_words()
        kept, numbers = self.conversion.take(times, np.full(len(times), size), waiting_bytes)
        if not len(kept):
            return None
        if self.settings.numbers_events:
            numbers = self._events + np.arange(len(kept))
        self._events += len(kept)
        ticks = (times[kept] - zero_ps) // CLOCK_PS
        return self._encode(photons, index[kept], times[kept], hits, numbers, ticks)

    def counting(self, now_ps: int, zero_ps: int) -> Made:
        """Return the event that says what was counted since the last one."""
        values = self.rates - self._counted
        self._counted = self.rates.copy()
        channels = np.arange(CHANNELS + 2)
        shown = np.concatenate([self.settings.channels, [True, True]])
        if self.settings.suppress_zero_counts:
            shown &= values > 0
        payload = (channels << 24 | values & 0xFFFFFF)[shown].astype(np.uint32)
        if self.settings.relative_time:
            payload = np.concatenate([np.zeros(1, np.uint32), payload])
        qualifier = e.COUNTING | e.RELATIVE_TIME * self.settings.relative_time
        number = self.conversion.triggers
        self.conversion.triggers += 1
        return _made(e.frame(qualifier, number, (now_ps - zero_ps) // CLOCK_PS, payload), qualifier)

    def _discriminate(self, photons: Block) -> tuple[Bools, Bools]:
        """Return of which photons a charge discriminator fires [n], and the hits of the time discriminators [n, 64]."""
        setup = self.settings
        seen = photons.signal * setup.fast_factor
        q_or: Bools = np.any((seen > setup.charge_threshold) & setup.charge_mask & setup.channels, axis=1)
        hits: Bools = (seen > setup.time_threshold) & (setup.time_mask & setup.channels)
        self.photons += len(photons.time_ps)
        self.rates[:CHANNELS] += hits.sum(axis=0)
        self.rates[CHANNELS] += int(hits.any(axis=1).sum())
        self.rates[CHANNELS + 1] += int(q_or.sum())
        return q_or, hits

    def _encode(self, photons: Block, index: Ints, times: Ints, hits: Bools, numbers: Ints, ticks: Ints) -> Made:
        setup = self.settings
        signal = self._collected(photons, index, times)
        payloads: list[tuple[e.Words, Ints]] = []
        qualifier, high, low = setup.mode, np.zeros(CHANNELS, np.int64), np.zeros(CHANNELS, np.int64)
        if setup.relative_time and setup.energies:
            qualifier |= e.RELATIVE_TIME
            payloads.append(((ticks & 0xFFFFFFFF).astype(np.uint32), np.ones(len(index), np.int64)))
        if setup.energies:
            qualifier |= e.BOTH_GAINS if setup.gain == BOTH else 0
            amplitudes, high, low = self._amplitudes(signal)
            payloads += amplitudes
        if setup.hits:
            qualifier |= setup.timing_mode << e.TIMING_MODE_SHIFT if setup.mode == TIMING else 0
            there = np.zeros(signal.shape, bool)
            there[index >= 0] = hits[index[index >= 0]]
            payloads += self._hits(times, ticks, signal, there)
        words = _joined(qualifier, numbers, ticks, payloads)
        return Made(words[0], words[1], qualifier, high, low)

    def _collected(self, photons: Block, index: Ints, times: Ints) -> Floats:
        """Return the light of each conversion [n, 64], with that of photons that came before the peak was held."""
        signal = np.zeros((len(index), CHANNELS), np.float32)
        lit = np.flatnonzero(index >= 0)
        if not len(photons.time_ps):
            return signal
        signal[lit] = photons.signal[index[lit]]
        at, until = index[lit] + 1, times[lit] + self.settings.hold_ps
        while len(at):
            inside = at < len(photons.time_ps)
            inside[inside] = photons.time_ps[at[inside]] < until[inside]
            lit, at, until = lit[inside], at[inside], until[inside]
            signal[lit] += photons.signal[at]
            at = at + 1
        return signal

    def _amplitudes(self, signal: Floats) -> tuple[list[tuple[e.Words, Ints]], Ints, Ints]:
        """Return mask and amplitudes of conversions [n, 64], and the sums per channel of both gains as sent."""
        setup, count = self.settings, len(signal)
        rows = (self._noise_row + np.arange(count)) % _NOISE_ROWS
        self._noise_row = (self._noise_row + count) % _NOISE_ROWS
        high = self._converted(signal * setup.high_factor + self._noise[rows, 0] + self._pedestal_high)
        low = self._converted(signal * setup.low_factor + self._noise[rows, 1] + self._pedestal_low)
        fired = (signal * setup.fast_factor > setup.charge_threshold) & setup.charge_mask
        present = np.broadcast_to(setup.channels, signal.shape)
        is_low = np.full(signal.shape, setup.gain == LOW)
        if setup.gain == AUTO:
            is_low = high >= setup.full_scale
        if setup.suppresses:
            above_high, above_low = high >= setup.suppress_high, low >= setup.suppress_low
            present = present & (
                above_high | above_low if setup.gain == BOTH else np.where(is_low, above_low, above_high)
            )
        masks = e.mask_words(present)
        use_low = present if setup.gain == BOTH else present & is_low
        use_high = present if setup.gain == BOTH else present & ~is_low
        if setup.gain == BOTH:
            values = e.both_gains(present, high, low, fired)
        else:
            values = e.one_gain(present, np.where(is_low, low, high), is_low, fired)
        sums = (high * use_high).sum(axis=0), (low * use_low).sum(axis=0)
        return [(masks.ravel(), np.full(count, 2)), values], *sums

    def _converted(self, value: Floats) -> Ints:
        if self.settings.test_pattern:
            pattern = np.array(_TEST_PATTERN)[np.arange(CHANNELS) % 2]
            return np.broadcast_to(pattern, value.shape).astype(np.int64)
        counts = np.clip(np.rint(value), 0, self.settings.full_scale).astype(np.int64)
        counts[:, self._stuck] = self.settings.full_scale
        return counts

    def _hits(self, times: Ints, ticks: Ints, signal: Floats, there: Bools) -> list[tuple[e.Words, Ints]]:
        """Return the reference of time and the hits of each event; arrival and length (0.5 ns) follow the light."""
        fine = (times % CLOCK_PS) * _FINE_PER_CLOCK // CLOCK_PS
        light = np.maximum(signal, 1.0)
        arrival = (_EARLIEST_FINE + _WALK / light).astype(np.int64)
        over = np.minimum(_OVER_PER_ROOT * np.sqrt(light), _LONGEST_OVER).astype(np.int64)
        channels = np.broadcast_to(np.arange(CHANNELS), signal.shape)
        streaming = self.settings.mode == TIMING and self.settings.timing_mode == STREAMING
        if streaming or not self.settings.time_over_threshold:
            over = np.zeros_like(over)
        words = (channels << 25 | over << 16 | arrival).astype(np.uint32)
        reference = fine
        if self.settings.energies:
            reference = e.REFERENCE_MARK | (ticks * _FINE_PER_CLOCK + fine) & 0x7FFFFFFF
        return [(reference.astype(np.uint32), np.ones(len(times), np.int64)), (words[there], there.sum(axis=1))]

    def _most_words(self) -> int:
        setup, frame = self.settings, e.HEADER_WORDS + 1
        channels = int(setup.channels.sum())
        energies = 2 + (channels if setup.gain == BOTH else (channels + 1) // 2) if setup.mode & SPECTROSCOPY else 0
        return frame + energies + setup.relative_time + (1 + channels // 4 if setup.hits else 0)


def service(settings: Settings, fields: tuple[int, int, int, int, int, int], counts: Ints, ticks: int) -> Made:
    """Return the event that a board sends every second.

    `fields`: code of the FPGA's temperature, V * 10000, mA * 10000, word of the supply, status, quarters of a degree of
    the board. `counts` [66]: hits of the channels, T-OR, Q-OR since the one before.
    """
    fpga, volts, current, supply, status, board = fields
    words = [1 << 24 | settings.service << 12 | fpga & 0xFFF]
    if settings.service & 1:
        words += [volts, current, supply, status & 0xFFFF | board << 16]
    if settings.service & 2:
        words += (np.arange(CHANNELS + 2) << 24 | counts & 0xFFFFFF).tolist()
    return _made(e.frame(e.SERVICE, 0, ticks, np.array(words, np.uint32)), e.SERVICE)


def start(ticks: int) -> Made:
    """Return the event that a board sends when a run begins, where it is asked to."""
    return _made(e.frame(e.START_EVENT, 0, ticks, np.empty(0, np.uint32)), e.START_EVENT)


def _made(words: e.Words, qualifier: int) -> Made:
    nothing = np.zeros(CHANNELS, np.int64)
    return Made(words, np.zeros(1, np.int64), qualifier, nothing, nothing)


def _joined(qualifier: int, numbers: Ints, ticks: Ints, payloads: list[tuple[e.Words, Ints]]) -> tuple[e.Words, Ints]:
    """Return events and where each begins. `payloads`: parts, each the words of all events and how many each has."""
    lengths = np.sum([count for _, count in payloads], axis=0).astype(np.int64)
    begins = np.cumsum(lengths) - lengths
    joined = np.empty(int(lengths.sum()), np.uint32)
    for words, count in payloads:
        within = np.arange(len(words)) - np.repeat(np.cumsum(count) - count, count)
        joined[np.repeat(begins, count) + within] = words
        begins = begins + count
    words = e.frames(qualifier, numbers, ticks, lengths, joined)
    return words, np.cumsum(lengths + e.HEADER_WORDS + 1) - lengths - e.HEADER_WORDS - 1
