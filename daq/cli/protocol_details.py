"""What `daq protocol show` says of one step: what ends it, and all that makes it a study."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from daq.model.protocol import Step
from daq.model.protocolwords import details, tolerated
from daq.model.steptext import duration, ends

__all__ = ["details", "duration", "ends", "step_json", "tolerated"]


def step_json(step: Step) -> dict[str, Any]:
    """Return a step as it is run, as plain data."""
    counts = step.stop.counts
    return {
        "name": step.name, "kind": str(step.kind), "views": [view.value for view in step.views],
        "laterality": None if step.laterality is None else step.laterality.value, "start": step.start,
        "role": step.role, "label": step.label, "session": step.session, "region": step.region,
        "after_injection_s": step.after_injection_s,
        "gate": None if step.gate is None else asdict(step.gate),
        "frame_zero": None if step.frame_zero is None else asdict(step.frame_zero),
        "phases": [asdict(phase) for phase in step.phases],
        "positions": {axis: {"value": at, "unit": step.units[axis]} for axis, at in step.positions.items()},
        "sweep": None if step.sweep is None else asdict(step.sweep),
        "overlap_percent": step.overlap_percent, "first": step.first,
        "hand_overs": [each.name for each in step.before],
        "moving": step.moving, "pause": str(step.pause), "continuable": step.continuable,
        "stop": {
            "counts": None if counts is None else counts.limit, "counter": None if counts is None else counts.counter,
            "window": None if counts is None else counts.window, "head": None if counts is None else counts.head,
            "region_mm": None if counts is None else counts.region_mm,
            "beats": step.stop.beats, "as_step": step.stop.as_step,
            "duration_ps": step.stop.duration_ps, "host_ps": step.stop.host_ps, "manual": step.stop.manual,
        },
    }  # fmt: skip
