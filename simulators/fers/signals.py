"""Light of photons in the sensors of one head, over and over: when, and how much in each channel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simulators.fers.registers import CHANNELS

PS = 1_000_000_000_000

Ints = npt.NDArray[np.int64]
Amplitudes = npt.NDArray[np.uint16]


class Block(NamedTuple):
    """Photons of a stretch of time: int64 ps [n] in order, uint16 [n, 64] counts at the nominal high gain."""

    time_ps: Ints
    signal: Amplitudes


class Signals:
    """A loop of photons: those of `length_ps`, which then come again. Times are from 0 to below `length_ps`."""

    def __init__(self, time_ps: Ints, signal: Amplitudes, length_ps: int) -> None:
        self.time_ps, self.signal, self.length_ps = time_ps, signal, length_ps

    def between(self, from_ps: int, until_ps: int) -> Block:
        """Return what comes from `from_ps` to before `until_ps`."""
        times, signals = [], []
        turn = from_ps // self.length_ps
        while turn * self.length_ps < until_ps:
            zero = turn * self.length_ps
            first, last = np.searchsorted(self.time_ps, [from_ps - zero, until_ps - zero])
            times.append(self.time_ps[first:last] + zero)
            signals.append(self.signal[first:last])
            turn += 1
        if len(times) == 1:
            return Block(times[0], signals[0])
        if not times:
            return Block(np.empty(0, np.int64), np.empty((0, CHANNELS), np.uint16))
        return Block(np.concatenate(times), np.concatenate(signals))


def random_light(rate_cps: float, length_ps: int, seed: int) -> Signals:
    """Return photons at random times and places on 8 x 8 sensors, as light that falls off with the distance.

    For tests of the electronics alone: nothing is meant by the energies.
    """
    rng = np.random.default_rng(seed)
    count = rng.poisson(rate_cps * length_ps * 1e-12)
    times = np.sort(rng.integers(0, length_ps, count))
    side = round(CHANNELS**0.5)
    rows, columns = np.divmod(np.arange(CHANNELS), side)
    x, y = rng.uniform(0, side - 1, (2, count, 1)).astype(np.float32)
    total = rng.normal(6000, 300, (count, 1)).astype(np.float32)
    light = 1 / (1 + ((columns - x) ** 2 + (rows - y) ** 2) / 2) ** 2
    mean = total * light / light.sum(axis=1, keepdims=True)
    return Signals(times, rng.poisson(mean).astype(np.uint16), length_ps)
