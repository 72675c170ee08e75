"""Rates of counters over the last second of host time."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

RATE_WINDOW_NS = 1_000_000_000
_CLOSEST_NS = 50_000_000

Counts = npt.NDArray[np.int64]


class RateSamples:
    """Samples of counts, of any one shape, over the last second."""

    def __init__(self, now_ns: int, counts: Counts) -> None:
        """Begin with `counts` at the host monotonic time `now_ns`."""
        self._samples: deque[tuple[int, Counts]] = deque([(now_ns, counts)])

    def over_last_second(self, now_ns: int, counts: Counts) -> tuple[npt.NDArray[np.float64], float]:
        """Return the rates since the youngest sample that is a second old, or the oldest there is; and that time.

        They are NaN, over 0 s, until time has passed.
        """
        samples = self._samples
        while len(samples) > 1 and now_ns - samples[1][0] >= RATE_WINDOW_NS:
            samples.popleft()
        since_ns, before = samples[0]
        window_ns = now_ns - since_ns
        if now_ns - samples[-1][0] >= _CLOSEST_NS:
            samples.append((now_ns, counts))
        if window_ns <= 0:
            return np.full(counts.shape, np.nan), 0.0
        return (counts - before) / (window_ns * 1e-9), window_ns * 1e-9
