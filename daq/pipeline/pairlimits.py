"""Limits of a step on pairs that the readout makes, decided where a pair is released.

A pair belongs to the step when its time lies in it, and not in a pause. It is counted when it is released: that is when
a single comes out of the order with which no window of the pair's opener can be open any more. So the deciding packet
is the one that released this single, wherever the stream was cut into calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from daq.model.events import DELAYED, PROMPT

Ints = npt.NDArray[np.int64]
Columns = Mapping[str, npt.NDArray[Any]]

PAIR_COUNTERS = ("prompts", "delayeds", "coincidences")


class PairHit(NamedTuple):
    """A limit that pairs of a call reached: the pair's row among them, its time, the limit in words."""

    row: int
    time_ps: int
    limit: str


class PairLimits:
    """Counts pairs by the time of their step, and tells which one reaches a limit."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        """Begin with the first step; `limits` may name counters that are not of pairs."""
        self.counts = dict.fromkeys(PAIR_COUNTERS, 0)
        self._limits = _of_pairs(limits)
        self._decides = True
        self._counts_now = True
        self._switches: list[tuple[int, bool]] = []
        self._last_ps: int | None = None

    @property
    def pending(self) -> bool:
        """True while there is a limit that has not been reached."""
        return any(self.counts[name] < limit for name, limit in self._limits.items())

    def step(self, limits: Mapping[str, int], since_ps: int) -> None:
        """Begin another step at a time: its counts begin at zero, what is earlier is not its."""
        self.counts = dict.fromkeys(PAIR_COUNTERS, 0)
        self._limits = _of_pairs(limits) if self._decides else {}
        self._counts_now, self._switches = False, [(since_ps, True)]

    def pause(self, since_ps: int) -> None:
        """Count no pairs from a time on."""
        self._switches.append((since_ps, False))

    def resume(self, since_ps: int) -> None:
        """Count pairs from a time on."""
        self._switches.append((since_ps, True))

    def decide_no_more(self) -> None:
        """Forget the limits, also those of steps to come: they are not decided once pairs are shed."""
        self._limits, self._decides = {}, False

    def begun_anew(self) -> None:
        """Note that the order began anew: all that was said of earlier times has passed."""
        if self._switches:
            self._counts_now = self._switches[-1][1]
            self._switches = []
        self._last_ps = None

    def see(self, pairs: Columns) -> PairHit | None:
        """Count pairs in the order of their release; return the limit reached first."""
        times, kinds = pairs["time_ps"], pairs["kind"]
        if not len(times):
            return None
        counted = self._counted(times)
        self._last_ps = int(times[-1])
        hits = [self._add(name, times, kinds, counted) for name in PAIR_COUNTERS]
        return min((hit for hit in hits if hit is not None), default=None)

    def _counted(self, times: Ints) -> npt.NDArray[np.bool_] | None:
        """Return which pairs count; None: all do."""
        if not self._switches and self._counts_now:
            return None
        counted = np.empty(len(times), np.bool_)
        begins = [0, *(np.flatnonzero(times[1:] < times[:-1]) + 1).tolist(), len(times)]
        for begin, end in pairwise(begins):
            if begin or (self._last_ps is not None and times[0] < self._last_ps):
                self.begun_anew()
            self._judge(times[begin:end], counted[begin:end])
        return counted

    def _judge(self, times: Ints, counted: npt.NDArray[np.bool_]) -> None:
        """Fill in which of ascending times count, and pass the switches that are behind them."""
        done = 0
        while self._switches:
            at = int(np.searchsorted(times, self._switches[0][0], "left"))
            counted[done:at] = self._counts_now
            done = max(done, at)
            if at == len(times):
                return
            self._counts_now = self._switches.pop(0)[1]
        counted[done:] = self._counts_now

    def _add(self, name: str, times: Ints, kinds: Any, counted: npt.NDArray[np.bool_] | None) -> PairHit | None:
        mine = np.ones(len(times), np.bool_) if counted is None else counted
        if name != "coincidences":
            mine = mine & (kinds == (PROMPT if name == "prompts" else DELAYED))
        count, limit = int(np.count_nonzero(mine)), self._limits.get(name)
        before, self.counts[name] = self.counts[name], self.counts[name] + count
        if limit is None or not before < limit <= before + count:
            return None
        row = int(np.flatnonzero(mine)[limit - before - 1])
        return PairHit(row, int(times[row]), f"{name}={limit}")


def _of_pairs(limits: Mapping[str, int]) -> dict[str, int]:
    return {name: limit for name, limit in limits.items() if name in PAIR_COUNTERS}
