"""Studies for framing, made of plain arrays: marks as they are told, rows with known places, protocols in short."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model.events import MARKS, NO_SOURCE
from daq.model.framed import Framed, Pixels
from daq.model.protocol import Gate, Phase, ProtocolKind, Step, Sweep
from daq.model.windows import EnergyWindow
from daq.pipeline.seriesrule import HeadFacts, Setup
from daq.pipeline.studyframer import StudyFramer

S = 10**12
MS = 10**9
HEADS = (HeadFacts(0, "front", 180.0, 540.0, 400.0), HeadFacts(1, "back", 0.0, 540.0, 400.0))
WINDOW = (EnergyWindow(126.0, 154.0, "photopeak"),)
FIELD = Pixels.centred(540.0, 400.0, 20.0)
Rows = dict[str, npt.NDArray[Any]]


def setup(*steps: Step, **changes: Any) -> Setup:
    """Return a setup of two opposed heads and one window."""
    return Setup(**{"heads": HEADS, "field_pixels": FIELD, "steps": steps, "windows": WINDOW, **changes})


def step(name: str = "a step", kind: str = "static", **changes: Any) -> Step:
    return Step(**{"name": name, "key": "steps[0]", "kind": ProtocolKind(kind), **changes})


def gate(**changes: Any) -> Gate:
    said: dict[str, Any] = {
        "trigger": "ecg", "bins": 8, "framing": "percent", "direction": "forward", "tolerance_percent": 20.0,
    }  # fmt: skip
    return Gate(**said | changes)


def sweep_step(length_mm: float = 1000.0, speed: float = 20.0, **changes: Any) -> Step:
    sweep = Sweep("bed", 0.0, length_mm, speed, "mm")
    return step("whole body", "whole_body", sweep=sweep, **changes)


def dynamic(*runs: tuple[int, int], **changes: Any) -> Step:
    """Return a step of so many frames of so many ps each, run after run."""
    return step(**{"name": "flow", "kind": "dynamic", "phases": tuple(Phase(*run) for run in runs), **changes})


@dataclass
class Marks:
    """Marks in the order in which they are told; `told_ps` of each is when that is, by the rows' times."""

    rows: list[tuple[str, int, int, int, float, str]] = field(default_factory=list)
    told_ps: list[int] = field(default_factory=list)

    def add(
        self, kind: str, time_ps: int, text: str = "", *, value: int = 0, value2: float = 0.0, source: int = NO_SOURCE,
        told_ps: int | None = None,
    ) -> Marks:  # fmt: skip
        self.rows.append((kind, time_ps, source, value, value2, text))
        self.told_ps.append(time_ps if told_ps is None else told_ps)
        return self

    def step(self, name: str, begin_ps: int, end_ps: int, *, by: str = "time") -> Marks:
        self.add("start" if not self.rows else "step", begin_ps, name if not self.rows else f"{name}: end")
        return self.add("stop", end_ps, by)

    def triggers(self, times_ps: Iterable[int], kind: str = "cardiac_trigger") -> Marks:
        for time_ps in times_ps:
            self.add(kind, int(time_ps), source=0)
        return self

    def axis(self, name: str, times_ps: Any, places: Any, *, late_ps: int = 0, stands: Sequence[int] = (-1,)) -> Marks:
        """Add samples of an axis that moves, but for those numbered in `stands`; all told `late_ps` later."""
        still = {number % len(times_ps) for number in stands}
        for number, (time_ps, place) in enumerate(zip(times_ps, places, strict=True)):
            moving = int(number not in still)
            self.add("position", int(time_ps), name, value=moving, value2=float(place), told_ps=int(time_ps) + late_ps)
        return self

    def in_order(self) -> list[tuple[str, int, int, int, float, str]]:
        return [self.rows[at] for at in sorted(range(len(self.rows)), key=lambda at: self.told_ps[at])]

    def columns(self, since_ps: int, until_ps: int) -> Rows:
        """Return the marks that are told from one time up to another, as the readout has them."""
        order = sorted(range(len(self.rows)), key=lambda at: self.told_ps[at])
        found = [self.rows[at] for at in order if since_ps <= self.told_ps[at] < until_ps]
        names = ("kind", "time_ps", "source", "value", "value2", "text")
        columns = {name: [row[at] for row in found] for at, name in enumerate(names)}
        return {
            "kind": np.array([MARKS.index(kind) for kind in columns["kind"]], np.uint8),
            "time_ps": np.array(columns["time_ps"], np.int64), "source": np.array(columns["source"], np.uint16),
            "value": np.array(columns["value"], np.int64), "value2": np.array(columns["value2"], np.float64),
            "text": np.array(columns["text"], object),
        }  # fmt: skip


def rows_of(times_ps: Any, x_mm: Any = 0.0, y_mm: Any = 0.0, *, head: Any = 0, windows: Any = 1) -> Rows:
    times = np.asarray(times_ps, np.int64)
    said = {"x_mm": (x_mm, "f4"), "y_mm": (y_mm, "f4"), "head": (head, "u1"), "windows": (windows, "u2")}
    return {"time_ps": times, **{k: np.broadcast_to(v, times.shape).astype(kind) for k, (v, kind) in said.items()}}


def flood(random: np.random.Generator, count: int, begin_ps: int, end_ps: int) -> Rows:
    """Return rows that come evenly in time, over both heads and their whole fields."""
    times = np.sort(random.integers(begin_ps, end_ps, count))
    x, y = random.uniform(-270, 270, count), random.uniform(-200, 200, count)
    return rows_of(times, x, y, head=random.integers(0, 2, count))


def framed(setup: Setup, marks: Marks, *parts: Rows) -> list[Framed]:
    """Return the series as they are made of a recording: all marks first."""
    framer = StudyFramer(setup)
    for row in marks.in_order():
        framer.mark(*row)
    framer.settle(complete=True)
    for part in parts:
        framer.add(part)
    return framer.framed()


def live(setup: Setup, marks: Marks, rows: Rows, cuts_ps: Sequence[int], **changes: Any) -> StudyFramer:
    """Return the framer after rows and marks came slice by slice: marks when they are told."""
    framer = StudyFramer(setup, **changes)
    edges = [-(1 << 62), *sorted(cuts_ps), 1 << 62]
    for since, until in pairwise(edges):
        chosen = (rows["time_ps"] >= since) & (rows["time_ps"] < until)
        framer.add({name: column[chosen] for name, column in rows.items()}, marks.columns(since, until))
    return framer
