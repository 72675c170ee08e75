"""Studies to judge: made series of pictures, and what a recording would tell of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from support_protocols import judged

from daq.model.framed import Counts, Framed, HeadSeen, ImageKind, Pixels, Slots
from daq.model.geometry import View
from daq.model.protocol import AcquisitionProtocol
from daq.model.verdict import Check, Verdict
from daq.model.windows import EnergyWindow
from daq.qc.studyfacts import StudyFacts

PS_PER_S = 10**12
PEAK = EnergyWindow(126.45, 154.55, "peak")


def protocol(text: str) -> AcquisitionProtocol:
    """Return the protocol of a text that has no errors."""
    made, found = judged(text)
    assert made is not None, found
    return made


def slots(count: int = 1, *, each_s: float = 10.0, view: bool = False, gantry_deg: Any = np.nan) -> Slots:
    """Return slots one after the other, views or time slices."""
    begin = (np.arange(count) * each_s * PS_PER_S).astype(np.int64)
    numbers, none = np.arange(count, dtype=np.int64), np.zeros(count, np.int64)
    return Slots(
        begin_ps=begin, end_ps=begin + int(each_s * PS_PER_S), live_ps=np.full(count, int(each_s * PS_PER_S)),
        phase=none, time_slice=none if view else numbers, view=numbers if view else none, time_slot=none,
        gantry_deg=np.broadcast_to(np.asarray(gantry_deg, np.float64), count).copy(), bed_mm=np.full(count, np.nan),
    )  # fmt: skip


def series(counts: Counts, *, kind: ImageKind = ImageKind.STATIC, slots_of: Slots | None = None, **more: Any) -> Framed:
    """Return a series of counts [heads, slots, rows, columns] in one window, of step 1 unless said otherwise."""
    heads, frames, rows, columns = counts.shape
    angles = more.pop("angles_deg", [180.0, 0.0][:heads])
    seen = tuple(HeadSeen(n, f"head {n}", angles[n], View.ANT if n == 0 else View.POST, 540.0, 400.0)
                 for n in range(heads))  # fmt: skip
    told: dict[str, Any] = {"name": "a", "steps": (1,), "outside": np.zeros((heads, 1), np.int64)}
    return Framed(
        kind=kind, heads=more.pop("heads", seen), windows=(PEAK,),
        pixels=Pixels(-columns * 2.0, -rows * 2.0, 4.0, columns, rows), counts=counts[:, None],
        slots=slots_of or slots(frames), **(told | more),
    )  # fmt: skip


def step(number: int = 1, name: str = "a", **more: Any) -> dict[str, Any]:
    """Return a recorded step of 10 s as the manifest holds it."""
    begin = (number - 1) * 10 * PS_PER_S
    told = {"number": number, "name": name, "begin_ps": begin, "end_ps": begin + 10 * PS_PER_S, "ended_by": "time",
            "completed": True, "paused_ps": 0, "missing": 0, "lossy": 0, "live_ps": 10 * PS_PER_S}  # fmt: skip
    return told | more


def facts(
    *steps: dict[str, Any], marks: Sequence[tuple[int, str, int, int, float, str]] = (), **more: Any
) -> StudyFacts:
    """Return facts of steps and marks (time_ps, kind, source, value, value2, text)."""
    columns = {name: [mark[at] for mark in marks]
               for at, name in enumerate(("time_ps", "kind", "source", "value", "value2", "text"))}  # fmt: skip
    given = more.pop("administration", None)
    return StudyFacts.of({"steps": list(steps), "state": "sealed", **more}, columns, given)


def check(verdict: Verdict, name: str) -> Check:
    """Return the only check of that name."""
    (found,) = [each for each in verdict.checks if each.name == name]
    return found
