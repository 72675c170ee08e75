"""Count the beats of a gated step that are taken, as framing judges them; tell by which trigger a limit is reached."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model.events import MARKS
from daq.model.gating import Gate
from daq.pipeline.stages import Streams
from daq.pipeline.timetable import LAST_PS, Span, without
from daq.pipeline.timetablegate import PLAUSIBLE_PS, TRIGGER_MARK, judged

Ints = npt.NDArray[np.int64]
Gaps = Sequence[tuple[int, int]]
"""Runs of a call before which units are missing, and the times of it, in order of the runs."""
_NONE = np.empty(0, np.int64)
_MOST_WAITING = 100_000
"""Triggers that wait for a median: of noise, hours. Of more the earliest are let go."""
_KEPT = 32
"""Triggers that are kept beside those that say whether the next beat is to be skipped: beats may lie in pauses."""


@dataclass(slots=True)
class _Beats:
    """The triggers of one source: those that still matter, and the beats between them that were taken."""

    gate: Gate
    times_ps: list[int] = field(default_factory=list)
    count: int = 0
    triggers: int = 0
    is_known: bool = False
    _plausible: int = 0

    def add(self, time_ps: int, active: Sequence[Span], gaps_ps: Sequence[int]) -> None:
        """Take in a trigger, unless it is no later than the one before."""
        if self.times_ps and time_ps <= self.times_ps[-1]:
            return
        self.triggers += 1
        if self._may_be_known(time_ps):
            self._judge(time_ps, active, gaps_ps)

    def _may_be_known(self, time_ps: int) -> bool:
        """Keep a trigger; return whether there are intervals enough for a median, so that judging is worth while."""
        low, high = self.gate.interval_ps or PLAUSIBLE_PS[self.gate.trigger]
        self._plausible += bool(self.times_ps) and low <= time_ps - self.times_ps[-1] <= high
        self.times_ps.append(time_ps)
        del self.times_ps[:-_MOST_WAITING]
        needs_median = self.gate.tolerance_percent is not None or self.gate.framing == "time"
        return not needs_median or self._plausible >= self.gate.learn

    def _judge(self, time_ps: int, active: Sequence[Span], gaps_ps: Sequence[int]) -> None:
        found = judged(np.array(self.times_ps, np.int64), active, self.gate, gaps_ps=gaps_ps, ended=False)
        if not found.known:
            return
        if not self.is_known:
            self.is_known = True
            self.count = int(found.taken.sum())
            self.gate = replace(self.gate, interval_ps=found.limits_ps, tolerance_percent=None, framing="percent")
        elif len(found.cause) and found.end_ps[-1] == time_ps:
            self.count += not found.cause[-1]
        del self.times_ps[: -self.gate.skip - _KEPT]


class BeatCount:
    """The beats of a step. What it says depends on marks in the order of their packets alone. One thread uses it."""

    def __init__(self, gate: Gate, limit: int | None, *, since_ps: int) -> None:
        """Count from `since_ps` on, towards `limit`."""
        self._gate, self._limit = gate, limit
        self._since_ps = since_ps
        self._kind = MARKS.index(TRIGGER_MARK[gate.trigger])
        self._pauses: list[tuple[int, int]] = []
        self._gaps: list[int] = []
        self._sources: dict[int, _Beats] = {}

    @property
    def count(self) -> int:
        """Return the beats taken: of the source with the lowest number that sends triggers."""
        return self._sources[min(self._sources)].count if self._sources else 0

    @property
    def triggers(self) -> int:
        """Return the triggers that came, of the same source, those in pauses included."""
        return self._sources[min(self._sources)].triggers if self._sources else 0

    def pause(self, time_ps: int) -> None:
        """Take no beat that goes on after a time."""
        self._pauses.append((time_ps + 1, LAST_PS))

    def resume(self, time_ps: int) -> None:
        """Take beats that begin after a time."""
        if self._pauses and self._pauses[-1][1] == LAST_PS:
            self._pauses[-1] = (self._pauses[-1][0], time_ps + 1)

    def see(self, streams: Streams, ends: Ints, gaps: Gaps = ()) -> tuple[int, int] | None:
        """Take in the marks of a call; return the run and the time of the trigger with which the limit is reached.

        `ends` int64 [runs, >= 3]: rows of singles, coincidences and marks after each run.
        """
        marks: Any = streams.get("marks", {})
        hit: tuple[int, int] | None = None
        gaps_told = 0
        for row in np.flatnonzero(marks.get("kind", _NONE) == self._kind).tolist():
            run, time_ps = int(np.searchsorted(ends[:, 2], row, "right")), int(marks["time_ps"][row])
            until = bisect_right(gaps, run, key=lambda gap: gap[0])
            self._gaps += [gap_ps for _, gap_ps in gaps[gaps_told:until]]
            gaps_told = until
            if time_ps >= self._since_ps:
                reached = self._add(int(marks["source"][row]), time_ps)
                hit = (run, time_ps) if reached and hit is None else hit
        self._gaps += [gap_ps for _, gap_ps in gaps[gaps_told:]]
        return hit

    def _add(self, source: int, time_ps: int) -> bool:
        """Take in a trigger; return True where the limit is reached with it."""
        before = self.count
        beats = self._sources.setdefault(source, _Beats(self._gate))
        beats.add(time_ps, without((self._since_ps, LAST_PS), self._pauses), self._gaps)
        kept_ps = min((each.times_ps[0] for each in self._sources.values() if each.times_ps), default=time_ps)
        self._gaps = [gap_ps for gap_ps in self._gaps if gap_ps >= kept_ps]
        self._pauses = [pause for pause in self._pauses if pause[1] > kept_ps]
        return self._limit is not None and before < self._limit <= self.count
