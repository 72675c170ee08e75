"""A few milliseconds of valid `singles64` words of several sources, cut into equal datagrams, to send again and again.

The pattern covers a whole number of epochs and every source carries every epoch word of it, so a repetition is moved on
in time by adding that number to its epoch words: a handful of words in a thousand. Input H of the benchmarks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.listmode.encoder import Encoder
from daq.wire.native import HEADER_BYTES, packetise
from device_profiles.load import load_profile

PROFILE = "singles64"
HEADER_WORDS = HEADER_BYTES // 8
EPOCH_TICKS = 1 << 24
EPOCH_S = EPOCH_TICKS * 3125e-12 / 128
DETECTORS = 16384
PAIRED = 0.2
_TOF_TICKS = 29
_PEAK = 0.45
_EPOCH_BIT = np.uint64(1 << 63)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """Datagrams in the order of sending, sources in turn: row i is one of source `i % sources`.

    `rows` are uint64 [n, 2 + words per datagram], header included. `epoch_at[epoch_begin[i]:epoch_begin[i + 1]]` are
    the columns of the epoch words of row i. `epochs` is what a repetition adds to them.
    """

    rows: npt.NDArray[np.uint64]
    epoch_at: Ints
    epoch_begin: Ints
    sources: int
    epochs: int

    @property
    def words_per_datagram(self) -> int:
        return int(self.rows.shape[1]) - HEADER_WORDS

    @property
    def words_per_source(self) -> int:
        return len(self.rows) // self.sources * self.words_per_datagram

    @property
    def detector_rate_words_per_s(self) -> float:
        return self.words_per_source * self.sources / (self.epochs * EPOCH_S)


def make_pattern(
    *, words: int, words_per_datagram: int, sources: int, detector_rate_words_per_s: float, seed: int = 1
) -> Pattern:
    """Return a pattern of about `words` words whose detectors count `detector_rate_words_per_s`, all together.

    A source counts at least 4 words in each epoch (9,766 words/s), one of them the epoch word.
    """
    per_epoch = max(4.0, detector_rate_words_per_s * EPOCH_S / sources)
    epochs = max(1, round(words / sources / per_epoch), -(-words_per_datagram // int(per_epoch)))
    datagrams = max(1, round(epochs * per_epoch / words_per_datagram))
    singles = datagrams * words_per_datagram - epochs
    streams = [
        _stream(ticks, detectors, energy)
        for ticks, detectors, energy in _singles(np.random.default_rng(seed), sources, singles, epochs * EPOCH_TICKS)
    ]
    starts = np.arange(0, datagrams * words_per_datagram, words_per_datagram, dtype=np.int64)
    blocks = [packetise(stream, 8, source, 0, starts=starts) for source, stream in enumerate(streams)]
    rows = np.stack([block.buffer.view("<u8") for block in blocks], axis=1)
    rows = np.ascontiguousarray(rows.reshape(-1, words_per_datagram + HEADER_WORDS))
    row, column = np.nonzero(rows[:, HEADER_WORDS:] & _EPOCH_BIT)
    begin = np.searchsorted(row, np.arange(len(rows) + 1)).astype(np.int64)
    return Pattern(rows, (column + HEADER_WORDS).astype(np.int64), begin, sources, epochs)


def _singles(random: np.random.Generator, sources: int, count: int, span_ticks: int) -> list[tuple[Ints, Ints, Ints]]:
    """Return ticks, detectors and energies of each source: `count` singles, a fifth of them of true pairs."""
    pairs = int(PAIRED / 2 * count * sources)
    first = random.integers(0, span_ticks - 2 * _TOF_TICKS, pairs)
    second = first + random.integers(0, _TOF_TICKS, pairs)
    where = random.integers(0, DETECTORS, pairs)
    across = (where + DETECTORS // 2 + random.integers(-DETECTORS // 8, DETECTORS // 8, pairs)) % DETECTORS
    ticks = np.concatenate([first, second])
    detectors = np.concatenate([where, across])
    source = detectors * sources // DETECTORS
    found = []
    for number in range(sources):
        mine = np.flatnonzero(source == number)[:count]
        rest = count - len(mine)
        low, high = -(-number * DETECTORS // sources), -(-(number + 1) * DETECTORS // sources)
        tick = np.concatenate([ticks[mine], random.integers(0, span_ticks, rest)])
        tick[[0, -1]] = 0, span_ticks - 1  # the encoder sends the epoch words from the first single to the last
        detector = np.concatenate([detectors[mine], random.integers(low, high, rest)])
        peak = random.random(count) < _PEAK
        energy = np.where(peak, random.normal(511, 25, count), random.uniform(50, 430, count))
        order = np.argsort(tick, kind="stable")
        found.append((tick[order], detector[order], energy.astype(np.int64)))
    return found


def _stream(ticks: Ints, detectors: Ints, energy: Ints) -> npt.NDArray[np.uint8]:
    """Return the words of one source, a time word for each epoch before its singles."""
    profile = load_profile(PROFILE)
    encoder = Encoder(profile.layout, profile.clock, time_words="all")
    kinds = np.full(len(ticks), encoder.kinds.index("single"), np.int64)
    return encoder.encode(kinds, ticks, {"detector": detectors, "energy_adc": energy})
