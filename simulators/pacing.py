"""When to send: wall time against the recording's own time."""

from __future__ import annotations

import math
import threading
import time
from fractions import Fraction

import numpy as np
import numpy.typing as npt

FLUSH_S = 0.01
"""A paced front end sends what it has after so much wall time, full packet or not."""


def flush_ticks(tick_ps: Fraction, speed: float) -> int:
    """Return the ticks of the recording that pass within `FLUSH_S` of wall time at `speed`, at least 1."""
    return max(1, math.floor(FLUSH_S * 1e12 * speed / float(tick_ps)))


def cut_words(ticks: npt.NDArray[np.int64], capacity: int, flush: int | None) -> npt.NDArray[np.int64]:
    """Return where packets begin among words at `ticks`: after `capacity` words or, paced, `flush` ticks."""
    count = len(ticks)
    if flush is None or not count:
        return np.arange(0, count, capacity, dtype=np.int64)
    groups: npt.NDArray[np.int64] = np.concatenate([[0], np.flatnonzero(np.diff(ticks // flush)) + 1])
    sizes = np.diff(groups, append=count)
    packets = -(-sizes // capacity)
    within = np.arange(int(packets.sum())) - np.repeat(np.cumsum(packets) - packets, packets)
    starts: npt.NDArray[np.int64] = (np.repeat(groups, packets) + within * capacity).astype(np.int64)
    return starts


class StoppedError(Exception):
    """The simulator was told to stop in the middle of a run."""


class Pacer:
    """The wall clock of one run. `lateness_ns` is how far behind its schedule the worst packet left."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._began_ns = time.monotonic_ns()
        self.lateness_ns = 0

    def elapsed_ns(self) -> int:
        """Return wall time since the run began."""
        return time.monotonic_ns() - self._began_ns

    def wait_until(self, due_ns: int) -> bool:
        """Sleep until `due_ns` after the beginning; return False when told to stop."""
        left_s = (due_ns - self.elapsed_ns()) / 1e9
        return not (self._stop.wait(left_s) if left_s > 0 else self._stop.is_set())

    def left(self, due_ns: int) -> None:
        """Note that a packet due at `due_ns` leaves now."""
        self.lateness_ns = max(self.lateness_ns, self.elapsed_ns() - due_ns)
