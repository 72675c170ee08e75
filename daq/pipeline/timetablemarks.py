"""What the marks of a recording tell of its steps, as far as frames need it: live and later by the same function."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model.events import MARKS
from daq.model.framed import Floats, Ints
from daq.pipeline.timetable import LAST_PS, Span, without

MOTION_LOST = "motion lost"
NEXT_STEP = "next step"
TRIGGERS = ("cardiac_trigger", "respiratory_trigger")
KINDS = (
    "start", "step", "stop", "motion_lost", "pause", "resume", "gap", "jump", "position", "frame_zero", "silent",
    "heard", *TRIGGERS,
)  # fmt: skip
"""Marks that are looked at; all others may be left out."""
_TELLS = np.zeros(256, np.bool_)
_TELLS[[MARKS.index(kind) for kind in KINDS]] = True


@dataclass(slots=True)
class StepTold:
    """One step. `end_ps` is its last time, which belongs to it; None while it lasts. `pauses` have no end while paused.

    `begin_ps` is its first time: of all steps but the first that after its mark, at which the latest event had come.
    `gaps`: when units of a source are missing, and how many.
    """

    number: int
    name: str
    begin_ps: int
    end_ps: int | None = None
    ended_by: str | None = None
    frame_zero_ps: int | None = None
    pauses: list[tuple[int, int | None]] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    went_back: bool = False
    """The clock of all front ends went back in it."""
    silent: dict[int, int] = field(default_factory=dict)
    """Sources that were silent in it, and since when, ps."""

    @property
    def span(self) -> Span:
        """Return the times in which it may count."""
        return self.begin_ps, LAST_PS if self.end_ps is None else self.end_ps + 1

    @property
    def active(self) -> list[Span]:
        """Return the times in which it counts: without pauses."""
        return without(self.span, [(begin + 1, LAST_PS if end is None else end + 1) for begin, end in self.pauses])


@dataclass(slots=True)
class Track:
    """Where an axis was: times in ps, places in mm or degrees, whether it moved."""

    times_ps: array[int] = field(default_factory=lambda: array("q"))
    places: array[float] = field(default_factory=lambda: array("d"))
    moving: array[int] = field(default_factory=lambda: array("b"))

    def add(self, time_ps: int, place: float, *, moving: bool) -> None:
        """Add a sample; one that is told late is put where it belongs, one of the same time in its place.

        What is no number is no place.
        """
        if not math.isfinite(place):
            return
        at = bisect_left(self.times_ps, time_ps) if self.times_ps and time_ps <= self.times_ps[-1] else None
        if at is None:
            self.times_ps.append(time_ps)
            self.places.append(place)
            self.moving.append(moving)
        elif self.times_ps[at] == time_ps:
            self.places[at], self.moving[at] = place, moving
        else:
            self.times_ps.insert(at, time_ps)
            self.places.insert(at, place)
            self.moving.insert(at, moving)

    def at(self, time_ps: int) -> float:
        """Return the place at a time, on the straight line to the next sample if it moved; NaN before all of them."""
        at = bisect_right(self.times_ps, time_ps) - 1
        if at < 0:
            return float("nan")
        if not self.moving[at] or at + 1 == len(self.times_ps):
            return self.places[at]
        share = (time_ps - self.times_ps[at]) / (self.times_ps[at + 1] - self.times_ps[at])
        return self.places[at] + share * (self.places[at + 1] - self.places[at])

    def arrays(self, span: Span) -> tuple[Ints, Floats, npt.NDArray[np.bool_]]:
        """Return times, places and whether it moved, from the last sample before a span to the first after it."""
        first = max(0, bisect_left(self.times_ps, span[0] + 1) - 1)
        last = bisect_left(self.times_ps, span[1]) + 1
        part = slice(first, last)
        return (
            np.frombuffer(self.times_ps[part], np.int64),
            np.frombuffer(self.places[part], np.float64),
            np.frombuffer(self.moving[part], np.bool_),
        )

    @property
    def last_ps(self) -> int | None:
        """Return the time of the latest sample."""
        return self.times_ps[-1] if self.times_ps else None


class Told:
    """What the marks said so far. Show it marks in the order in which they were written; one thread uses it."""

    def __init__(self) -> None:
        self.steps: list[StepTold] = []
        self.tracks: dict[str, Track] = {}
        self._triggers: dict[tuple[str, int], list[int]] = {}
        self._silent: dict[int, int] = {}

    def see(self, kind: str, time_ps: int, source: int, value: int, value2: float, text: str) -> bool:
        """Take in a mark; return False for one that tells nothing of frames."""
        if kind == "position":
            self.tracks.setdefault(text, Track()).add(time_ps, value2, moving=value != 0)
        elif kind in TRIGGERS:
            self._triggers.setdefault((kind, source), []).append(time_ps)
        elif kind in ("start", "step"):
            self._begin(kind, time_ps, text)
        elif kind in ("silent", "heard"):
            self._note_silence(kind, time_ps, source, value2, text)
        elif kind in KINDS and self.steps and self.steps[-1].end_ps is None:
            self._note(kind, time_ps, value, text)
        else:
            return False
        return True

    def see_columns(self, columns: Mapping[str, npt.NDArray[Any]]) -> bool:
        """Take in marks as columns, their kind as the index in `MARKS`; return True where any tells of frames."""
        told = False
        for row in np.flatnonzero(_TELLS[columns["kind"]]).tolist():
            time_ps, source, value = (int(columns[name][row]) for name in ("time_ps", "source", "value"))
            kind = MARKS[int(columns["kind"][row])]
            told |= self.see(kind, time_ps, source, value, float(columns["value2"][row]), str(columns["text"][row]))
        return told

    def triggers(self, kind: str, span: Span) -> Ints:
        """Return the times of the triggers of a kind in a span, of the source with the lowest number that sends any."""
        of_kind = sorted(source for name, source in self._triggers if name == kind)
        times = np.sort(np.array(self._triggers[kind, of_kind[0]] if of_kind else [], np.int64))
        return np.unique(times[np.searchsorted(times, span[0]) : np.searchsorted(times, span[1])])

    def cut(self, time_ps: int) -> None:
        """End a step whose end no mark tells, with the last event that was kept; nothing that ended it is known."""
        if self.steps and self.steps[-1].end_ps is None:
            self._end(self.steps[-1], time_ps, None)

    def place(self, axis: str, time_ps: int) -> float:
        """Return where an axis was; NaN where that is not known."""
        return self.tracks[axis].at(time_ps) if axis in self.tracks else float("nan")

    def _begin(self, kind: str, time_ps: int, text: str) -> None:
        if kind == "start" and self.steps:
            return
        if self.steps and self.steps[-1].end_ps is None:
            self._end(self.steps[-1], time_ps, NEXT_STEP)
        name, begin_ps = (text, time_ps) if kind == "start" else (text.rpartition(": ")[0], time_ps + 1)
        self.steps.append(StepTold(len(self.steps) + 1, name, begin_ps, silent=dict(self._silent)))

    def _note(self, kind: str, time_ps: int, value: int, text: str) -> None:
        step = self.steps[-1]
        if kind == "gap":
            step.gaps.append((time_ps, max(0, value)))
            return
        paused = bool(step.pauses) and step.pauses[-1][1] is None
        if kind in ("stop", "motion_lost"):
            self._end(step, time_ps, MOTION_LOST if kind == "motion_lost" else text)
        elif kind == "pause" and not paused:
            step.pauses.append((time_ps, None))
        elif kind == "resume" and paused:
            step.pauses[-1] = (step.pauses[-1][0], time_ps)
        elif kind == "frame_zero" and step.frame_zero_ps is None:
            step.frame_zero_ps = time_ps
        elif kind == "jump":
            step.went_back |= value < 0

    def _end(self, step: StepTold, time_ps: int, by: str | None) -> None:
        step.end_ps, step.ended_by = max(time_ps, step.begin_ps), by
        if step.pauses and step.pauses[-1][1] is None:
            step.pauses[-1] = (step.pauses[-1][0], time_ps)

    def _note_silence(self, kind: str, time_ps: int, source: int, value2: float, text: str) -> None:
        if text:  # what a front end says of itself, not its events
            return
        if kind == "heard":
            self._silent.pop(source, None)
            return
        since_ps = time_ps - round(value2 * 1e12)
        self._silent[source] = since_ps
        if self.steps and self.steps[-1].end_ps is None:
            self.steps[-1].silent.setdefault(source, since_ps)
