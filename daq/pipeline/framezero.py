"""Find what the frames of a step begin with: the count rate of a bolus that arrives, or the first trigger.

It is a function of the rows in the order in which they were decoded, wherever the stream was cut into calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.model.events import MARKS
from daq.model.gating import ALL, FrameZero
from daq.model.stopterms import events_of, zero_term
from daq.pipeline.stages import Streams

Ints = npt.NDArray[np.int64]
TRIGGERS = ("cardiac_trigger", "respiratory_trigger")
"""Marks of a front end that a gate begins with."""
_TRIGGER_CODES = [MARKS.index(kind) for kind in TRIGGERS]
_NONE = np.empty(0, np.int64)
_OF_ALL = -1
_PS_PER_S = 1e12

Found = tuple[int, int]
"""The row of a stream that decided, and its time in ps."""


class FrameZeroWatch:
    """Looks at the rows of a step until its frames begin. One thread uses it."""

    def __init__(self, zero: FrameZero, windows: Sequence[str], *, since_ps: int) -> None:
        """Begin to look at rows from `since_ps` on. Raises `RefusedError` for a window that there is not."""
        if zero.window != ALL and zero.window not in windows:
            known = ", ".join([ALL, *windows])
            raise RefusedError(
                f"frames begin at a rate in window {zero.window!r}, which is not there; there are {known}"
            )
        self._zero = zero
        self._bit = None if zero.window == ALL else windows.index(zero.window)
        self._since_ps = since_ps
        self._events = events_of(zero)
        self._last: dict[int, Ints] = {}
        """By head, or of all: the times of the last events, one fewer than make the rate."""
        self._reached: dict[int, int] = {}
        """By head: the time at which it first had the rate."""

    @property
    def by(self) -> str:
        """Return what frames begin with, in words."""
        return zero_term(self._zero).partition("=")[2]

    def rate_cps(self, now_ps: int) -> float | None:
        """Return the rate that is compared with what frames begin at, up to now; None where they wait for a trigger.

        Any thread may ask.
        """
        if self._zero.by == "gate":
            return None
        since_ps, last = now_ps - self._zero.over_ps, dict(self._last)
        counts = {head: int(np.count_nonzero(times > since_ps)) for head, times in last.items()}
        if self._zero.head == "both":
            meant = min((counts.get(head, 0) for head in self._zero.heads), default=0)
        else:
            meant = max(counts.values(), default=0)
        return meant * _PS_PER_S / self._zero.over_ps

    def see(self, streams: Streams, ends: Ints) -> tuple[int, int] | None:
        """Return the run of the row with which frames begin, and its time; None before.

        `ends` int64 [runs, >= 3]: rows of singles, coincidences and marks after each run of the call.
        """
        column, found = (2, self._trigger(streams)) if self._zero.by == "gate" else (0, self._rate(streams))
        if found is None:
            return None
        return int(np.searchsorted(ends[:, column], found[0], "right")), found[1]

    def _trigger(self, streams: Streams) -> Found | None:
        marks: Any = streams.get("marks", {})
        times = np.asarray(marks.get("time_ps", _NONE))
        rows = np.flatnonzero(np.isin(marks.get("kind", _NONE), _TRIGGER_CODES) & (times >= self._since_ps))
        return (int(rows[0]), int(times[rows[0]])) if len(rows) else None

    def _rate(self, streams: Streams) -> Found | None:
        singles: Any = streams.get("singles", {})
        times = singles.get("time_ps", _NONE)
        if not len(times):
            return None
        counted = times >= self._since_ps
        if self._bit is not None:
            counted &= (singles["windows"] >> np.uint16(self._bit)) & np.uint16(1) != 0
        found = []
        for head, rows in self._by_head(singles, np.flatnonzero(counted)):
            hit = self._reaches(head, rows, times[rows])
            found += [] if hit is None else [(*hit, head)]
        return self._decided(sorted(found))

    def _by_head(self, singles: Mapping[str, npt.NDArray[Any]], rows: Ints) -> Iterator[tuple[int, Ints]]:
        if self._zero.head == "sum":
            yield _OF_ALL, rows
            return
        heads = singles["head"][rows] if "head" in singles else np.zeros(len(rows), np.uint8)
        for head in np.unique(heads).tolist():
            yield head, rows[heads == head]

    def _reaches(self, head: int, rows: Ints, times: Ints) -> Found | None:
        """Return the first of these rows that is the last of so many within the time; keep what the next call needs."""
        before = self._last.get(head, _NONE)
        together, apart = np.concatenate([before, times]), self._events - 1
        whole = max(0, len(together) - apart)
        lasted = together[apart:] - together[:whole]
        quick = np.flatnonzero(np.abs(lasted) <= self._zero.over_ps)
        self._last[head] = together[whole:]
        if not len(quick):
            return None
        at = int(quick[0]) + apart - len(before)
        return int(rows[at]), int(times[at])

    def _decided(self, found: Sequence[tuple[int, int, int]]) -> Found | None:
        """Return the first of rows, times and heads; where heads are each meant, that with which all have the rate."""
        for row, time_ps, head in found:
            self._reached.setdefault(head, time_ps)
            if self._zero.head != "both" or set(self._zero.heads) <= self._reached.keys():
                return row, time_ps
        return None
