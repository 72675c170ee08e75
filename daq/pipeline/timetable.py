"""Time tables: which slot of a series an event of each time belongs to, and how far it is shifted along the patient.

Frames, views, projections, beats, strips and pauses differ only in how their table is made. Live times and exposures
follow from the same table that places the events.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from daq.model.framed import Floats, Ints

Span = tuple[int, int]
"""Times from the first up to, and not including, the second, in ps."""
FIRST_PS, LAST_PS = -(1 << 62), 1 << 62
"""All times that a decoder gives."""


@dataclass(frozen=True, slots=True, eq=False)
class TimeTable:
    """Stretches of time in order, none of which overlap; all arrays [stretches].

    An event of `begin_ps <= time < end_ps` is in slot `slot`, and its y is shifted by `shift_mm + shift_per_ps * (time
    - begin_ps)`, in mm.
    """

    begin_ps: Ints
    end_ps: Ints
    slot: npt.NDArray[np.int32]
    shift_mm: Floats
    shift_per_ps: Floats

    @classmethod
    def of(
        cls,
        begin_ps: npt.ArrayLike,
        end_ps: npt.ArrayLike,
        slot: npt.ArrayLike,
        shift_mm: npt.ArrayLike = 0.0,
        shift_per_ps: npt.ArrayLike = 0.0,
    ) -> Self:
        """Return a table of stretches in order; those that last no time are left out."""
        begin, end = np.atleast_1d(np.asarray(begin_ps, np.int64)), np.atleast_1d(np.asarray(end_ps, np.int64))
        lasts = end > begin
        slots, shift, per_ps = (
            np.broadcast_to(np.asarray(values, kind), begin.shape)[lasts]
            for values, kind in ((slot, np.int32), (shift_mm, np.float64), (shift_per_ps, np.float64))
        )
        return cls(begin[lasts], end[lasts], slots, shift, per_ps)

    def __len__(self) -> int:
        return len(self.begin_ps)

    @property
    def shift_end_mm(self) -> Floats:
        """Return the shift at the end of each stretch."""
        after: Floats = self.shift_mm + self.shift_per_ps * (self.end_ps - self.begin_ps)
        return after

    def within(self, spans: Iterable[Span]) -> TimeTable:
        """Return what of it lies in any of `spans`, which are in order and do not overlap."""
        return joined([self._cut(*span) for span in spans])

    def live_ps(self, slots: int) -> Ints:
        """Return how long each of so many slots lasts in all, int64 [slots]."""
        found = np.zeros(slots, np.int64)
        np.add.at(found, self.slot, self.end_ps - self.begin_ps)
        return found

    def slots_at(self, times_ps: Ints) -> Ints:
        """Return the slot of each time, -1 for none, int64 [times]."""
        at = np.searchsorted(self.end_ps, times_ps, "right")
        inside = at < len(self)
        inside[inside] = self.begin_ps[at[inside]] <= times_ps[inside]
        found = np.full(len(times_ps), -1, np.int64)
        found[inside] = self.slot[at[inside]]
        return found

    def _cut(self, begin_ps: int, end_ps: int) -> TimeTable:
        first = int(np.searchsorted(self.end_ps, begin_ps, "right"))
        last = int(np.searchsorted(self.begin_ps, end_ps, "left"))
        part = slice(first, max(first, last))
        begin = np.maximum(self.begin_ps[part], begin_ps)
        shift = self.shift_mm[part] + self.shift_per_ps[part] * (begin - self.begin_ps[part])
        return TimeTable.of(
            begin, np.minimum(self.end_ps[part], end_ps), self.slot[part], shift, self.shift_per_ps[part]
        )


def joined(tables: Sequence[TimeTable]) -> TimeTable:
    """Return one table of several, each later than the one before."""
    if not tables:
        return TimeTable.of([], [], [])
    return TimeTable(
        np.concatenate([one.begin_ps for one in tables]),
        np.concatenate([one.end_ps for one in tables]),
        np.concatenate([one.slot for one in tables]),
        np.concatenate([one.shift_mm for one in tables]),
        np.concatenate([one.shift_per_ps for one in tables]),
    )


def frames_table(begin_ps: int, runs: Sequence[tuple[int, int]]) -> TimeTable:
    """Return the table of frames one after the other: `runs` of so many frames, each so long in ps."""
    lengths = np.concatenate([np.zeros(0, np.int64), *(np.full(count, length, np.int64) for count, length in runs)])
    ends = begin_ps + np.cumsum(lengths)
    return TimeTable.of(ends - lengths, ends, np.arange(len(ends)))


def without(span: Span, holes: Iterable[Span]) -> list[Span]:
    """Return what is left of a span without `holes`, which are in order of their beginning."""
    left, since = [], span[0]
    for begin, end in holes:
        if begin > since:
            left.append((since, min(begin, span[1])))
        since = max(since, end)
    left.append((since, span[1]))
    return [(begin, end) for begin, end in left if end > begin]
