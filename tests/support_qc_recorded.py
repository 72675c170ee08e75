"""Recordings of two heads, made of plain arrays of events: several steps, any protocol, axes where they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from support_listmode import MARKS, make_directory, segment

from acquisition_protocols.load import load_protocol
from daq.composition.qc.analyses import analysis
from daq.composition.qc.material import Material
from daq.model.processing import Processing
from daq.model.qc.figures import Figure, Findings
from daq.model.qc.limits import QcTest
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner

S_PS = 10**12
START_NS = 1_785_747_600_000_000_000
Events = tuple[int, Any, Any]
"""Number of a head, and x and y of its events in mm."""


@dataclass
class Step:
    """A step: its events head by head, how long it lasted, where axes stood. `kev` of all of its events."""

    name: str
    events: Sequence[Events]
    seconds: float = 10.0
    axes: Mapping[str, float] = field(default_factory=dict)
    kev: Any = 140.5
    times_s: Any = None
    """When its events came, from its beginning, in order; else evenly and in any order."""
    samples: tuple[str, Any, Any] | None = None
    """An axis that moves: its name, when it was looked at, where it was."""


def recording(folder: Path, protocol: str, steps: Sequence[Step], *, start_s: float = 0.0, **changes: Any) -> Path:
    """Return a sealed recording; times of events are even in their step."""
    loaded = load_protocol(protocol)
    parts: dict[str, list[Any]] = {name: [] for name in ("time_ps", "x_mm", "y_mm", "head", "energy_kev")}
    told: list[tuple[str, int, str, float]] = []
    about_steps, begin = [], 0
    for number, step in enumerate(steps, start=1):
        end = begin + round(step.seconds * S_PS)
        told.append(("start" if number == 1 else "step", begin, step.name if number == 1 else f"{step.name}: end", 0.0))
        told += [("position", begin, name, place) for name, place in step.axes.items()]
        if step.samples is not None:
            name, at_s, places = step.samples
            told += [("moving", begin + round(at * S_PS), name, place) for at, place in zip(at_s, places, strict=True)]
        told.append(("stop", end, "time", 0.0))
        count = sum(len(x) for _, x, _ in step.events)
        order = np.random.default_rng(number).permutation(count)
        times = (np.arange(count) + 0.5) / max(count, 1) * (end - begin)
        if step.times_s is not None:
            times, order = step.times_s * S_PS, np.arange(count)
        parts["time_ps"].append(begin + times.astype(np.int64))
        parts["head"].append(
            np.repeat([head for head, _, _ in step.events], [len(x) for _, x, _ in step.events])[order]
        )
        for name, at in (("x_mm", 1), ("y_mm", 2)):
            parts[name].append(np.concatenate([each[at] for each in step.events])[order] if count else np.empty(0))
        parts["energy_kev"].append(np.broadcast_to(step.kev, count)[order])
        about_steps.append({"number": number, "name": step.name, "begin_ps": begin, "end_ps": end, "ended_by": "time",
                            "completed": True})  # fmt: skip
        begin = end + S_PS // 10
    columns = {name: np.concatenate(each) for name, each in parts.items()}
    windows = loaded.protocol.windows
    kev = columns["energy_kev"].astype(np.float32)
    singles = pa.record_batch({
        "time_ps": pa.array(columns["time_ps"]), "energy_kev": pa.array(kev), "windows": pa.array(windows.mask(kev)),
        "x_mm": pa.array(columns["x_mm"].astype(np.float32)), "y_mm": pa.array(columns["y_mm"].astype(np.float32)),
        "head": pa.array(columns["head"].astype(np.uint8)), "late": pa.array(np.zeros(len(kev), bool)),
    })  # fmt: skip
    marks = pa.RecordBatch.from_pylist(
        [{"time_ps": time_ps, "kind": kind.replace("moving", "position"), "source": 65_535,
          "value": int(kind == "moving"), "value2": value, "text": text}
         for kind, time_ps, text, value in told], schema=MARKS,
    )  # fmt: skip
    about: dict[str, Any] = {
        "profile": load_profile("head-xye64").model_dump(mode="json"), "simulated": True,
        "scanner": load_scanner("dual-head").model_dump(mode="json"),
        "protocol": {
            "id": loaded.protocol.id, "title": loaded.protocol.title, "toml": loaded.text.decode(), "steps": len(steps),
        },
        "processing": Processing(windows=windows.windows).model_dump(mode="json"), "duration_ps": begin,
        "calibrations": {"collimator": "LEHR"}, "steps": about_steps,
        "time": {"start_utc_ns": START_NS + round(start_s * 1e9)}, **changes,
    }  # fmt: skip
    return make_directory(folder, [segment("singles", [singles]), segment("marks", [marks])], **about)


def analysed(name: str, *recordings: Path, source: Mapping[str, Any] | None = None,
             entries: Mapping[str, Any] | None = None, **parameters: Any) -> Findings:  # fmt: skip
    """Return what an analysis finds."""
    test = QcTest(title=name, analysis=name, parameters=parameters)
    return analysis(name)(Material(
        name, test, load_scanner("dual-head"), recordings, source=source or {}, entries=entries or {},
    ))  # fmt: skip


def one(findings: Findings, name: str, subject: str) -> Figure:
    """Return a figure of one subject."""
    figure = findings.figure(name)
    assert figure is not None, (name, findings.obstacles)
    found = figure.of_subject(subject)
    assert found is not None, figure.subjects
    return found


def close(figure: Figure, value: float, *, sigmas: float = 4.0, beside: float = 0.0) -> None:
    """Assert that a figure is where it should be, within its own noise."""
    found, noise = figure.values[0], figure.noise[0]
    assert found is not None, figure
    assert noise, figure
    assert abs(found - value) <= sigmas * noise + beside, (figure, value)
