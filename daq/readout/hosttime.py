"""Which detector time it was at a host time: by what arrived before then, and waited least on its way.

Data come in bursts, some tens of ms after they were true. What arrived soonest after its time tells the two clocks
apart best; how long it was on its way cannot be seen from here, and stays in the result.
"""

from __future__ import annotations

from collections import deque

from daq.errors import RefusedError

_BIN_NS = 50 * 10**6
_KEPT = 256
"""Of each 50 ms in which data came the arrival that waited least: some 13 s, in which clocks part by 0.3 ms at most."""
_LATEST_PS = (1 << 63) - 1


class HostTime:
    """Pairs of arrival (host monotonic ns) and latest detector time (ps), a few seconds of them."""

    def __init__(self) -> None:
        self._pairs: deque[tuple[int, int]] = deque(maxlen=_KEPT)

    def saw(self, arrival_ns: int, latest_ps: int | None) -> None:
        """Note that at `arrival_ns` the newest event was of `latest_ps`; None: nothing that tells a time came yet."""
        if latest_ps is None:
            return
        pair = (arrival_ns, latest_ps)
        if self._pairs and latest_ps <= self._pairs[-1][1]:
            return  # nothing new, or of a detector whose clock went back: what was known before holds on
        if self._pairs and self._pairs[-1][0] // _BIN_NS == arrival_ns // _BIN_NS:
            if _apart_ps(pair) < _apart_ps(self._pairs[-1]):
                self._pairs[-1] = pair
            return
        self._pairs.append(pair)

    @property
    def knows(self) -> bool:
        """True as soon as anything came that tells the detector's time."""
        return bool(self._pairs)

    def time_ps(self, monotonic_ns: int) -> int | None:
        """Return the detector time at a host time; None before anything came.

        Of what came before it counts what waited least; of a moment before the first arrival the first. Raise
        `RefusedError` for a moment so far away that its time does not fit 63 bits.
        """
        pairs = list(self._pairs)
        if not pairs:
            return None
        before = [_apart_ps(pair) for pair in pairs if pair[0] <= monotonic_ns] or [_apart_ps(pairs[0])]
        time_ps = monotonic_ns * 1000 - min(before)
        if abs(time_ps) > _LATEST_PS:
            raise RefusedError(f"monotonic_ns {monotonic_ns}: {time_ps} ps of detector time, at most {_LATEST_PS} fit")
        return time_ps


def _apart_ps(pair: tuple[int, int]) -> int:
    """Return by how much the host's clock is ahead of the detector's, what it waited on its way included."""
    arrival_ns, latest_ps = pair
    return arrival_ns * 1000 - latest_ps
