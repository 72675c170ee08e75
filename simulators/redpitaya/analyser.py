"""One input of the analyser: which pulses it takes, its timer, its histogram.

A pulse above the lower threshold is taken when the dead time has passed since the last one that was taken, whether it
is then counted or not (`axis_pulse_height_analyzer.v`: the counter of the delay begins again with each). It is counted
when it is below the upper threshold and the timer runs. Two pulses at once are two pulses here, not their sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from daq.model import mcpha as m
from simulators.redpitaya.scene import Component, boundaries

_SECOND = float(m.CLOCK_HZ)

Ints = npt.NDArray[np.int64]


@dataclass(slots=True)
class Settings:
    """What the registers of an input say after power-on."""

    decimation: int = 4
    negative: bool = False
    delay: int = 0
    low: int = 0
    high: int = 0
    timer: int = 0
    running: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """Pulses that an input took while its timer ran: what the timer showed, and their heights."""

    clocks: Ints
    codes: npt.NDArray[np.int32]


@dataclass(slots=True, eq=False)
class Analyser:
    """One input. `tally`: pulses that it counted, lost within the dead time, or found too high, timer running."""

    rng: np.random.Generator
    settings: Settings = field(default_factory=Settings)
    clocks: int = 0
    counts: Ints = field(default_factory=lambda: np.zeros(m.BINS, np.int64))
    tally: dict[str, int] = field(default_factory=lambda: {"counted": 0, "lost": 0, "too_high": 0, "resets": 0})
    _dead_until: float = 0.0

    def reset_histogram(self) -> None:
        """Empty the histogram."""
        self.counts[:] = 0
        self.tally["resets"] += 1

    def advance(self, begin: float, end: float, components: Sequence[Component], zero: float) -> Taken:
        """Let the time pass from `begin` to `end`, in clocks; the scene began at `zero`. Return what was taken."""
        settings = self.settings
        left = max(0, settings.timer - self.clocks) if settings.running else 0
        counted_until = begin + min(left, end - begin)
        times, codes = [], []
        edges = boundaries(components, (begin - zero) / _SECOND, (end - zero) / _SECOND)
        for low, high in pairwise(edges):
            rates = [each.rate(low) for each in components]
            part = self._pulses(low * _SECOND + zero, high * _SECOND + zero, components, rates, counted_until)
            times.append(part[0])
            codes.append(part[1])
        taken = self._count(np.concatenate(times) - begin, np.concatenate(codes), counted_until - begin)
        self.clocks += int(min(left, round(end) - round(begin)))
        return taken

    def _pulses(
        self, begin: float, end: float, components: Sequence[Component], rates: list[float], counted_until: float
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
        """Return times in clocks and heights of the pulses that are taken while rates are constant."""
        pools = [each.codes[each.codes > self.settings.low] for each in components]
        seen = [rate * len(pool) / len(each.codes) for rate, pool, each in zip(rates, pools, components, strict=True)]
        total = sum(seen) / _SECOND
        if total <= 0:
            return np.empty(0), np.empty(0, np.int32)
        dead = float(m.dead_clocks(self.settings.delay, self.settings.decimation))
        first = max(begin, self._dead_until)
        times = np.empty(0)
        while not len(times) or times[-1] < end:
            room = int((end - begin) / (dead + 1 / total) * 1.1) + 32
            gaps = self.rng.exponential(1 / total, room)
            gaps[0 if len(times) else 1 :] += dead
            times = np.concatenate([times, np.cumsum(gaps) + (times[-1] if len(times) else first)])
        times = times[: np.searchsorted(times, end)]
        self._note_lost(times, dead, total, begin, min(end, counted_until))
        if len(times):
            self._dead_until = float(times[-1]) + dead
        which = self.rng.choice(len(pools), len(times), p=np.array(seen) / sum(seen))
        codes = np.zeros(len(times), np.int32)
        for number, pool in enumerate(pools):
            mine = which == number
            if mine.any():
                codes[mine] = self.rng.choice(pool, int(mine.sum()))
        return times, codes

    def _note_lost(self, times: npt.NDArray[np.float64], dead: float, total: float, begin: float, end: float) -> None:
        """Draw how many pulses came while the input was dead, of the time that is counted."""
        ends = np.minimum(times + dead, end)
        dead_clocks = float(np.maximum(ends - times, 0.0).sum()) + max(0.0, min(self._dead_until, end) - begin)
        self.tally["lost"] += int(self.rng.poisson(max(dead_clocks, 0.0) * total))

    def _count(self, after: npt.NDArray[np.float64], codes: npt.NDArray[np.int32], until: float) -> Taken:
        """Count pulses that came so many clocks after the beginning, up to `until`."""
        in_time = after < until
        good = in_time & (codes < self.settings.high) & (codes < m.BINS)
        self.counts += np.bincount(codes[good], minlength=m.BINS)
        np.minimum(self.counts, m.FULL, out=self.counts)
        self.tally["counted"] += int(good.sum())
        self.tally["too_high"] += int((in_time & ~good).sum())
        return Taken(self.clocks + after[good].astype(np.int64), codes[good])
