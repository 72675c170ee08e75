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
PACKET_AGE_MS = 20.0
"""A front end sends what it has after so much detector time, unless told otherwise."""

Ints = npt.NDArray[np.int64]


def age_ticks(tick_ps: Fraction, speed: float | None, age_ms: float = PACKET_AGE_MS) -> int:
    """Return the ticks a datagram may span, at least 1: `age_ms`, and paced no more than passes within `FLUSH_S`."""
    longest_ps = age_ms * 1e9 if speed is None else min(age_ms * 1e9, FLUSH_S * 1e12 * speed)
    return max(1, math.floor(longest_ps / float(tick_ps)))


def cut_words(ticks: Ints, capacity: int, age: int | None) -> Ints:
    """Return where packets begin among words at `ticks`: every `capacity` words, and where one would span `age`."""
    count = len(ticks)
    starts = np.arange(0, count, capacity, dtype=np.int64)
    if age is None or not count:
        return starts
    lasts = np.append(starts[1:], count) - 1
    slow = np.flatnonzero((ticks[lasts] - ticks[starts] >= age) | (ticks[lasts] < ticks[starts]))
    if not len(slow):
        return starts
    sizes = lasts[slow] - starts[slow] + 1
    begins = np.cumsum(sizes) - sizes
    words = np.arange(int(sizes.sum())) + np.repeat(starts[slow] - begins, sizes)
    span = (ticks[words] - np.repeat(ticks[starts[slow]], sizes)) // age
    cut = np.diff(span, prepend=span[:1]) != 0
    cut[begins] = False  # there is a start already
    return np.sort(np.concatenate([starts, words[cut]]))


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
