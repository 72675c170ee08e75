"""The steps of a recording, told by its marks alone: live, at recovery and at replay by the same function."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daq.model.events import MARKS, NO_SOURCE
from daq.model.stop import is_limit
from daq.storage.livetimes import LiveTimes
from daq.storage.manifest import RecordedStep

if TYPE_CHECKING:
    from daq.storage.reader import ListMode

MOTION_LOST = "motion lost"
"""An axis moved, and whoever watched over it has gone or lost it."""
UNATTENDED = "unattended"
"""Whoever watched over the readout has gone and did not come back."""
NEXT_STEP = "next step"
"""Another step was begun."""
WHOLE = 1.0
"""`value2` of a `stop` mark where who ended the step said that it is whole."""
MOVING = 1.0
"""`value2` of a `start` or `step` mark where axes move during the step."""

_NO_LIMIT = "end"
_NO_LIMITS = ("gate=", "zero=")
_AS_MEANT = (NEXT_STEP, "operator", "end")
"""What ends a step without limits as it was meant to be ended."""
_NEVER_PS = -(1 << 63)
_COLUMNS = ("kind", "time_ps", "source", "value", "value2", "text")
_OF_SOURCES = ("dead_time", "source_start", "source_end", "silent", "heard")
_KINDS = (
    "start", "step", "stop", "motion_lost", "pause", "resume", "gap", "lossy", "jump", "hand_over", "frame_zero",
    *_OF_SOURCES,
)  # fmt: skip
_TELLS = np.zeros(256, np.bool_)
_TELLS[[MARKS.index(kind) for kind in _KINDS]] = True


class StepList:
    """The steps so far. One thread shows it marks; any may ask for `entries`."""

    def __init__(self, stop: str | None) -> None:
        """`stop` are the limits of the first step, None where they are not known: no mark bears them."""
        self._stop = stop or None
        self._due: dict[int, int] = {}
        self._paused_since_ps: int | None = None
        self._went_back = False
        self._live = LiveTimes()
        self.entries: tuple[RecordedStep, ...] = ()

    def see(
        self,
        kind: str,
        time_ps: int,
        value2: float,
        text: str,
        *,
        value: int = 0,
        source: int = NO_SOURCE,
        due: int = 0,
    ) -> None:
        """Take in the next mark; a step that it ends is all there once `due` is durable, whatever that counts.

        `value` is needed of `gap`, `lossy` and `jump` alone, `source` of those that say how a source is.
        """
        if kind in _OF_SOURCES:
            self._live.see(kind, source, self._active_ps(time_ps), value2, text)
            return
        if kind == "start" and not self.entries:
            self._begin(text, self._stop, time_ps, moving=value2 == MOVING)
        elif kind == "step":
            name, _, limits = text.rpartition(": ")
            self._end(NEXT_STEP, time_ps, due, whole=False)
            self._begin(name, limits, time_ps, moving=value2 == MOVING)
        elif kind == "stop":
            self._end(text, time_ps, due, whole=value2 == WHOLE)
        elif kind == "motion_lost":
            self._end(MOTION_LOST, time_ps, due, whole=False)
        elif self.entries:
            self._note(kind, time_ps, value, text)

    @property
    def live_shares(self) -> dict[int, float]:
        """Return by source the share of the last second in which it could take events, where front ends tell it."""
        return self._live.shares

    def see_columns(self, columns: Mapping[str, Any], *, due: int = 0) -> None:
        """Take in marks as columns, their kind as the index in `MARKS`."""
        for row in np.flatnonzero(_TELLS[columns["kind"]]).tolist():
            kind, time_ps, value2 = (columns[name][row].item() for name in ("kind", "time_ps", "value2"))
            value, source = int(columns["value"][row]), int(columns["source"][row])
            self.see(MARKS[kind], time_ps, value2, columns["text"][row], value=value, source=source, due=due)

    def durable(self, much: int) -> list[RecordedStep]:
        """Return the steps when `much` is durable and no more will be: one that has lost some is not completed."""
        return [
            step.model_copy(update={"completed": step.completed and self._due[step.number] <= much})
            for step in self.entries
        ]

    def _begin(self, name: str, stop: str | None, time_ps: int, *, moving: bool) -> None:
        step = RecordedStep(number=len(self.entries) + 1, name=name, stop=stop, begin_ps=time_ps, moving=moving)
        self.entries = (*self.entries, step)
        self._paused_since_ps, self._went_back = None, False
        self._live.begin()

    def _active_ps(self, time_ps: int) -> int:
        """Return how long the last step has counted at a time; 0 where none lasts."""
        if not self.entries or self.entries[-1].ended_by is not None:
            return 0
        step = self.entries[-1]
        until_ps = time_ps if self._paused_since_ps is None else min(time_ps, self._paused_since_ps)
        return max(0, until_ps - step.begin_ps - step.paused_ps)

    def _note(self, kind: str, time_ps: int, value: int, text: str) -> None:
        """Take in what happens during a step, or after the last one."""
        step = self.entries[-1]
        if kind == "hand_over":
            self._change(step, hand_overs=[*step.hand_overs, _record(text)])
        elif step.ended_by is not None:
            return
        elif kind in ("gap", "lossy", "frame_zero"):
            told = {"gap": ("missing", step.missing + value), "lossy": ("lossy", step.lossy + value)}
            name, now = told.get(kind, ("frame_zero_ps", time_ps))
            self._change(step, **{name: now})
        elif kind == "jump":
            self._went_back |= value < 0
        elif self._paused_since_ps is None:
            self._paused_since_ps = time_ps if kind == "pause" else None
        elif kind == "resume":
            self._change(step, paused_ps=step.paused_ps + max(0, time_ps - self._paused_since_ps))
            self._paused_since_ps = None

    def _change(self, step: RecordedStep, **fields: Any) -> None:
        self.entries = (*self.entries[:-1], step.model_copy(update=fields))

    def _end(self, by: str, time_ps: int, due: int, *, whole: bool) -> None:
        """End the last step, unless it has ended."""
        if not self.entries or self.entries[-1].ended_by is not None:
            return
        if self._paused_since_ps is not None:
            self._note("resume", time_ps, 0, "")
        *before, step = self.entries
        as_meant = is_limit(by) or whole or (_endless(step.stop) and by in _AS_MEANT)
        told = not (step.missing or step.lossy or self._went_back)
        active_ps = max(0, time_ps - step.begin_ps - step.paused_ps)
        of_sources = self._live.end(active_ps) if told else {}
        alike = told and len(set(of_sources.values())) <= 1 and not self._live.incomplete
        live_ps = next(iter(of_sources.values()), active_ps) if alike else None
        ended = step.model_copy(update={
            "end_ps": time_ps, "ended_by": by, "completed": as_meant, "live_ps": live_ps, "source_live_ps": of_sources,
        })  # fmt: skip
        self._due[step.number] = due
        self.entries = (*before, ended)


def steps_of(recording: ListMode, *, packets: int | None = None) -> list[RecordedStep] | None:
    """Return the steps of a recording that nobody sealed, as far as its marks tell; None where marks are damaged.

    A step is completed only if all of it is there: its packets among the first `packets`, by default all rows of raw
    where none is damaged; without raw, all events up to its end. Raise what reading the marks raises.
    """
    steps = StepList(recording.manifest.stop)
    raw = "raw" in recording.streams
    much = (recording.rows("raw") if packets is None else packets) if raw else _reach_ps(recording)
    for batch in recording.batches("marks", _COLUMNS) if "marks" in recording.streams else ():
        for mark in batch.filter(pc.is_in(batch.column("kind"), value_set=pa.array(_KINDS))).to_pylist():
            steps.see(**mark, due=mark["value"] if raw else mark["time_ps"])
    damaged = {name.partition("-")[0] for name in recording.damages}
    if "marks" in damaged:
        return None
    return steps.durable(0 if packets is None and "raw" in damaged else much)


def _endless(stop: str | None) -> bool:
    """Return True for a condition without limits: `end`, or what says by what beats are judged and time counts from."""
    return stop is not None and all(term == _NO_LIMIT or term.startswith(_NO_LIMITS) for term in stop.split(","))


def _record(text: str) -> dict[str, Any]:
    """Return the record of a `hand_over` mark; what is none is kept as it stands."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        record = None
    return record if isinstance(record, dict) else {"unreadable": text}


def _reach_ps(recording: ListMode) -> int:
    """Return the time of the last event, or the earlier one of two streams; before all times where there is none."""
    streams = [stream for stream in ("singles", "coincidences") if stream in recording.streams]
    reach = [
        int(batch.column("time_ps")[-1].as_py())
        for stream in streams
        if (rows := recording.rows(stream))
        for batch in recording.batches(stream, ["time_ps"], start_row=rows - 1)
    ]
    return min(reach, default=_NEVER_PS)
