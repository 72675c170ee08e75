"""Which detector time it was at a host time: by what arrived around then."""

from __future__ import annotations

from collections import deque

from daq.errors import RefusedError

_KEPT = 1024
_LATEST_PS = (1 << 63) - 1


class HostTime:
    """Pairs of arrival (host monotonic ns) and latest detector time (ps), a few seconds of them."""

    def __init__(self) -> None:
        self._pairs: deque[tuple[int, int]] = deque(maxlen=_KEPT)

    def saw(self, arrival_ns: int, latest_ps: int) -> None:
        """Note that at `arrival_ns` the newest event was of `latest_ps`."""
        self._pairs.append((arrival_ns, latest_ps))

    def time_ps(self, monotonic_ns: int) -> int | None:
        """Return the detector time at a host time; None before anything came.

        Between two arrivals the clocks run alike; before the first and after the last one they are carried on. Raise
        `RefusedError` for a moment so far away that its time does not fit 63 bits.
        """
        pairs = list(self._pairs)
        if not pairs:
            return None
        arrival_ns, latest_ps = next((pair for pair in reversed(pairs) if pair[0] <= monotonic_ns), pairs[0])
        time_ps = latest_ps + (monotonic_ns - arrival_ns) * 1000
        if abs(time_ps) > _LATEST_PS:
            raise RefusedError(f"monotonic_ns {monotonic_ns}: {time_ps} ps of detector time, at most {_LATEST_PS} fit")
        return time_ps
