"""Declared layouts against NumPy and against numba kernels written by hand for the same words. CPU time of one thread.

All three fill arrays made beforehand, so that the kernels are compared and not the kernel's page faults; what decoding
costs with fresh arrays, as the readout calls it, is a row of its own. Results are compared before any time is printed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from benchmarks.common import Row, interleaved
from daq.listmode.encoder import Encoder
from daq.storage.accounts import unnumbered
from daq.storage.kernels import load_decoder
from device_profiles.load import load_profile

WORDS = 1 << 20


@njit(nogil=True)
def hand_petlink(words: Any, time_ps: Any, bins: Any, kind: Any, mark_ps: Any, mark_ms: Any) -> Any:
    rows = marks = 0
    now = 0
    for i in range(words.size):
        word = words[i]
        if word < 0x80000000:
            time_ps[rows] = now
            bins[rows] = word & 0x3FFFFFFF
            kind[rows] = 1 - ((word >> 30) & 1)
            rows += 1
        elif (word >> 29) == 4:
            ms = np.int64(word & 0x1FFFFFFF)
            now = ms * 1_000_000_000
            mark_ps[marks] = now
            mark_ms[marks] = ms
            marks += 1
    return rows, marks


def numpy_petlink(words: Any, time_ps: Any, bins: Any, kind: Any) -> int:
    is_time = (words >> 29) == 4
    at = np.flatnonzero(is_time)
    ms = np.concatenate([[0], (words[at] & 0x1FFFFFFF).astype(np.int64)])
    lengths = np.diff(np.concatenate([[0], at, [len(words)]]))
    is_event = words < 0x80000000
    events = words[is_event]
    count = len(events)
    time_ps[:count] = np.repeat(ms * 1_000_000_000, lengths)[is_event]
    bins[:count] = events & 0x3FFFFFFF
    kind[:count] = 1 - (events >> 30)
    return count


@njit(nogil=True)
def hand_singles(words: Any, time_ps: Any, detector: Any, energy: Any) -> Any:
    rows = 0
    epoch = np.int64(0)
    zero = np.int64(-1)
    for i in range(words.size):
        word = words[i]
        if word >> np.uint64(63):
            epoch = np.int64(word & np.uint64(0x3FFFFFFFF)) << 24
            if zero < 0:
                zero = epoch
        else:
            ticks = epoch - zero + np.int64(word & np.uint64(0xFFFFFF))
            scaled = ticks * 3125
            whole = scaled >> 7
            rest = scaled & 127
            time_ps[rows] = whole + (rest > 64 or (rest == 64 and whole & 1))
            energy[rows] = (word >> np.uint64(24)) & np.uint64(0xFFF)
            detector[rows] = ((word >> np.uint64(42)) & np.uint64(0xFF)) * np.uint64(64) + (
                (word >> np.uint64(36)) & np.uint64(0x3F)
            )
            rows += 1
    return rows


def numpy_singles(words: Any, time_ps: Any, detector: Any, energy: Any) -> int:
    is_epoch = (words >> 63).astype(bool)
    at = np.flatnonzero(is_epoch)
    epochs = np.concatenate([[0], (words[at] & 0x3FFFFFFFF).astype(np.int64) << 24])
    lengths = np.diff(np.concatenate([[0], at, [len(words)]]))
    events = words[~is_epoch]
    count = len(events)
    ticks = np.repeat(epochs, lengths)[~is_epoch] - epochs[1] + (events & 0xFFFFFF).astype(np.int64)
    scaled = ticks * 3125
    whole, rest = scaled >> 7, scaled & 127
    time_ps[:count] = whole + ((rest > 64) | ((rest == 64) & (whole & 1 == 1)))
    energy[:count] = (events >> 24) & 0xFFF
    detector[:count] = ((events >> 42) & 0xFF) * 64 + ((events >> 36) & 0x3F)
    return count


def run() -> list[Row]:
    """Return the rows of the table."""
    return [*petlink(), *singles()]


def singles() -> list[Row]:
    """Generic 64-bit singles at 10 Mcps: a rational tick, an epoch word every 410 us, a two-digit detector number."""
    profile = load_profile("singles64")
    rng = np.random.default_rng(2)
    ticks = np.cumsum(rng.integers(0, 8192, WORDS)) + (3 << 24)
    values = {"detector": rng.integers(0, 256 * 64, WORDS), "energy_adc": rng.integers(0, 4096, WORDS)}
    codes = np.full(WORDS, list(profile.layout.kinds).index("single"))
    data = Encoder(profile.layout, profile.clock).encode(codes, ticks, values)
    words = data.view("<u8")
    by_hand = [np.zeros(len(words), kind) for kind in ("i8", "u4", "u2")]
    by_numpy = [np.zeros(len(words), kind) for kind in ("i8", "u4", "u2")]
    return compared(
        "singles64",
        data,
        by_hand=lambda: hand_singles(words, *by_hand),
        by_numpy=lambda: numpy_singles(words, *by_numpy),
        expected=("singles", ("time_ps", "detector", "energy_adc"), by_hand, by_numpy),
    )


def petlink() -> list[Row]:
    """PETLINK 32-bit at 415 kcps: 86 % prompts in random order with delayeds, a time word every millisecond."""
    profile = load_profile("siemens-petlink32")
    rng = np.random.default_rng(1)
    names = list(profile.layout.kinds)
    codes = np.where(rng.random(WORDS) < 0.86, names.index("prompt"), names.index("delayed"))
    milliseconds = np.sort(rng.integers(0, WORDS // 415, WORDS))
    data = Encoder(profile.layout, profile.clock).encode(
        codes, milliseconds, {"bin": rng.integers(0, 3 * 10**8, WORDS)}
    )
    words = data.view("<u4")
    by_hand = [np.zeros(len(words), kind) for kind in ("i8", "u4", "u1", "i8", "i8")]
    by_numpy = [np.zeros(len(words), kind) for kind in ("i8", "u4", "u1")]
    return compared(
        "siemens-petlink32",
        data,
        by_hand=lambda: hand_petlink(words, *by_hand),
        by_numpy=lambda: numpy_petlink(words, *by_numpy),
        expected=("coincidences", ("time_ps", "bin", "kind"), by_hand, by_numpy),
    )


def compared(
    name: str, data: Any, *, by_hand: Callable[[], object], by_numpy: Callable[[], object], expected: Any
) -> list[Row]:
    """Return the rows of one layout after all three have agreed on every value."""
    profile = load_profile(name)
    packets = unnumbered([(0, data.tobytes())], source=0, arrival_ns=0)
    words = len(data) // profile.layout.word_bytes
    decoder = load_decoder(profile.layout, profile.clock)
    buffers = decoder.buffers(words)
    median = interleaved(
        {
            "declared": lambda: decoder.decode_into(packets, decoder.start(imported=False), buffers),
            "by hand": by_hand,
            "numpy": by_numpy,
            "as called": lambda: decoder.decode(packets, decoder.start(imported=False)),
            "memcpy": data.copy,
        },
        rounds=15,
    )
    stream, columns, hand_columns, numpy_columns = expected
    decoded = decoder.decode(packets, decoder.start(imported=False)).streams[stream]
    for column, ours, theirs in zip(columns, hand_columns, numpy_columns, strict=False):
        count = len(decoded[column])
        if not (np.array_equal(decoded[column], ours[:count]) and np.array_equal(decoded[column], theirs[:count])):
            raise AssertionError(f"{name}, {column}: the decoders disagree")
    rate = {who: words / seconds / 1e6 for who, seconds in median.items()}
    title = f"decode {name}, declared"
    return [
        Row(f"{title} / NumPy", f"{rate['declared']:.0f} / {rate['numpy']:.0f} Mwords/s",
            rate["declared"] / rate["numpy"], 3.0, 7.0),
        Row(f"{title} / numba by hand", f"{rate['declared']:.0f} / {rate['by hand']:.0f} Mwords/s",
            rate["declared"] / rate["by hand"], 0.7, 1.0),
        Row(f"{title}, fresh arrays", f"{rate['as called']:.0f} Mwords/s (memcpy {rate['memcpy']:.0f})"),
    ]  # fmt: skip
