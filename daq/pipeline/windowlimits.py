"""Singles counted by energy window, head and place, and limits on them: which single decides, for any cut of calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import uint64

from daq.errors import RefusedError
from daq.model.kernel import kernel
from daq.model.stop import EVERY_WINDOW, WindowCounter, window_counter

Ints = npt.NDArray[np.int64]
MOST_HEADS = 256
"""Values of the column `head`."""


class RowHit(NamedTuple):
    """A limit that was reached: the single of the call that decided, the limit in words."""

    row: int
    limit: str


class WindowCounts:
    """The singles of one step by window and head. One thread uses it."""

    def __init__(self, limits: Mapping[str, int], windows: Sequence[str], *, turned: bool = False) -> None:
        """Begin at zero; raise `RefusedError` for a limit on a window that there is not.

        `turned`: the picture is the detector's own turned by half a turn, so that a patient lying feet first is seen
        head up.
        """
        self._windows = tuple(windows)
        found = ((window_counter(name), limit) for name, limit in limits.items())
        self._limits = [(counter, limit) for counter, limit in found if counter is not None]
        for counter, _ in self._limits:
            if counter.window != EVERY_WINDOW and counter.window not in self._windows:
                known = ", ".join([EVERY_WINDOW, *self._windows])
                raise RefusedError(f"{counter}: no energy window {counter.window!r}; there are {known}")
        self._every = len(self._windows)
        self._regions = [counter for counter, _ in self._limits if counter.region_mm is not None]
        self._sign = -1.0 if turned else 1.0
        self._counts: Ints = np.zeros((self._every + 1 + len(self._regions), MOST_HEADS), np.int64)
        """By head: singles in each window, every single, those of each limit on a region."""

    @property
    def counts(self) -> dict[str, int]:
        """Return the singles by window, and by window and head where there is more than one head.

        Empty where nothing is counted: neither windows of heads, nor limits.
        """
        heads = np.flatnonzero(self._counts[self._every]).tolist()
        told: dict[str, int] = {}
        for row, window in enumerate((*self._windows, EVERY_WINDOW) if heads else ()):
            told |= {f"singles[{window}]": int(self._counts[row].sum())} if window != EVERY_WINDOW else {}
            if len(heads) > 1:
                told |= {f"singles[{window}]@{head}": int(self._counts[row, head]) for head in heads}
        for counter, _ in self._limits:
            told[str(counter)] = self._reached(self._counts, counter)
        return told

    def see(self, singles: Mapping[str, npt.NDArray[Any]]) -> list[RowHit]:
        """Count the singles of a call; return the limits that they reach."""
        rows = len(singles.get("time_ps", ()))
        if not rows or not (self._limits or ("head" in singles and self._windows)):
            return []
        windows = singles["windows"] if "windows" in singles else np.zeros(rows, np.uint16)
        heads = singles["head"] if "head" in singles else np.zeros(rows, np.uint8)
        before = self._counts.copy() if self._limits else self._counts
        _count(np.ascontiguousarray(windows), np.ascontiguousarray(heads), self._counts[: self._every + 1])
        for counter in self._regions if "x_mm" in singles else ():
            there = heads[self._inside(singles, windows, counter)]
            self._counts[self._row(counter)] += np.bincount(there, minlength=MOST_HEADS)
        return [
            RowHit(self._deciding(before, singles, windows, heads, counter, limit), f"{counter}={limit}")
            for counter, limit in self._limits
            if self._reached(before, counter) < limit <= self._reached(self._counts, counter)
        ]

    def _row(self, counter: WindowCounter) -> int:
        if counter.region_mm is not None:
            return self._every + 1 + self._regions.index(counter)
        return self._every if counter.window == EVERY_WINDOW else self._windows.index(counter.window)

    def _inside(self, singles: Mapping[str, Any], windows: npt.NDArray[Any], counter: WindowCounter) -> Ints:
        """Return the singles that are in the window and the region of a counter."""
        inside = np.ones(len(windows), np.bool_)
        if counter.window != EVERY_WINDOW:
            inside = (windows >> np.uint16(self._windows.index(counter.window))) & np.uint16(1) != 0
        if counter.region_mm is not None:
            x0, y0, x1, y1 = counter.region_mm
            x, y = self._sign * singles["x_mm"], self._sign * singles["y_mm"]
            inside &= (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
        return np.flatnonzero(inside)

    def _reached(self, counts: Ints, counter: WindowCounter) -> int:
        """Return how far a counter is: the sum, the most of any head, the least of those named."""
        by_head = counts[self._row(counter)]
        if counter.any_head:
            return int(by_head.max())
        return int(by_head[list(counter.heads)].min()) if counter.heads else int(by_head.sum())

    def _deciding(
        self, before: Ints, singles: Mapping[str, Any], windows: npt.NDArray[Any], heads: npt.NDArray[Any],
        counter: WindowCounter, limit: int,
    ) -> int:  # fmt: skip
        """Return the single by which the limit is reached: of heads that are each meant the last, of any the first."""
        inside = self._inside(singles, windows, counter)
        by_head = before[self._row(counter)]
        if not counter.any_head and not counter.heads:
            return int(inside[limit - int(by_head.sum()) - 1])
        deciding = []
        for head in counter.heads or range(MOST_HEADS):
            own = inside[heads[inside] == head]
            missing = limit - int(by_head[head])
            if 0 < missing <= len(own):
                deciding.append(int(own[missing - 1]))
        return min(deciding) if counter.any_head else max(deciding)


def require_places(limits: Iterable[str], *, there: bool) -> None:
    """Raise `RefusedError` for a limit on counts in a region, unless singles have positions (`there`)."""
    for name in limits:
        said = window_counter(name)
        if said is not None and said.region_mm is not None and not there:
            raise RefusedError(f"{name}: the singles of this front end have no positions")


@kernel("void(uint16[::1], uint8[::1], int64[:, ::1])")
def _count(windows: Any, heads: Any, counts: Any) -> None:
    """Count singles [n] into `counts` [windows + 1, heads]; the last row has every single."""
    last = uint64(len(counts) - 1)
    for i in range(len(heads)):
        head, bits = uint64(heads[i]), windows[i]
        counts[last, head] += 1
        for window in range(len(counts) - 1):
            counts[uint64(window), head] += np.int64((bits >> window) & 1)
