"""What people are told of the acquisition under way: its protocol, its steps and how they ended, how it is set up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daq.model.protocol import AcquisitionProtocol, CountLimit, Step
from daq.model.steptext import ends
from daq.model.windowchange import line_of
from daq.services.acquisition.run import Run
from daq.state.acquisition import ACTIVE, IDLE, State

_PS_PER_S = 1e12
_CM_PER_MIN = 6.0


def told(run: Run, state: State, step: int, accepted: set[int]) -> dict[str, Any]:
    """Return a run as plain data; nothing of a patient. `step`: the present one, from 1; `accepted`: numbers."""
    protocol = run.protocol
    recorded = run.last_status.get("steps") or []
    injected = run.injected_at()
    steps = [
        {
            **plain(each, number),
            **_became(recorded, number, step, state),
            "accepted": number in accepted,
            "counted": run.steps.counted.get(number),
        }
        for number, each in enumerate(protocol.steps, 1)
    ]
    return {
        "run": run.identity, "protocol": about(protocol), "steps": steps, "between": run.steps.between,
        "armed_for_s": None if run.armed_for_s is None else round(run.armed_for_s, 1),
        "arming_s": run.arming_s, "windows": windows(protocol), "window_changes": changed(protocol),
        "administration": protocol.requirements.administration,
        "injected_at": None if injected is None else injected.isoformat(),
        "collimators": list(protocol.requirements.collimators),
        "hand_overs": hand_overs(run) if state in ACTIVE else [],
        "recorded_events": int((run.last_status.get("counts_recorded") or {}).get("events", 0)),
        "sealed": state in IDLE,
    }  # fmt: skip


def hand_overs(run: Run) -> list[dict[str, Any]]:
    """Return what is handed over: before which view (None: after the last), and who confirmed it when, if anybody."""
    before = {each.name: step.name for step in run.protocol.steps for each in step.before}
    done = run.steps.hand_overs.confirmed
    return [
        {"name": each.name, "what": each.what, "instruction": each.instruction, "before": before.get(each.name),
         "confirmed": {key: done[each.name].get(key) for key in ("by", "at_utc")} if each.name in done else None}
        for each in run.protocol.hand_overs
    ]  # fmt: skip


def about(protocol: AcquisitionProtocol) -> dict[str, Any]:
    """Return which protocol it is."""
    return {
        "id": protocol.id, "version": protocol.version, "title": protocol.title, "kind": str(protocol.kind),
        "modality": protocol.modality, "radionuclide": protocol.radionuclide,
        "of_patient": protocol.of_patient, "continuable": protocol.continuable,
    }  # fmt: skip


def windows(protocol: AcquisitionProtocol) -> list[dict[str, Any]]:
    """Return the energy windows in keV, no upper edge where one is open above; and what the protocol itself has."""
    return [
        {"name": each.name, "lower_kev": each.lower_kev,
         "upper_kev": None if each.upper_kev == float("inf") else each.upper_kev,
         "signed_kev": [signed.lower_kev, None if signed.upper_kev == float("inf") else signed.upper_kev],
         "line_kev": line_of(protocol, signed)}
        for each, signed in zip(protocol.windows.windows, protocol.signed_windows.windows, strict=True)
    ]  # fmt: skip


def changed(protocol: AcquisitionProtocol) -> list[dict[str, Any]]:
    """Return what windows are others in this exam, by whom and how, and in a sentence."""
    return [{**each.to_json(), "sentence": each.sentence} for each in protocol.changed]


def plain(step: Step, number: int) -> dict[str, Any]:
    """Return a step as people want to see it."""
    stop, sweep = step.stop, step.sweep
    return {
        "number": number, "name": step.name, "key": step.key, "kind": str(step.kind), "label": step.label,
        "views": [view.value for view in step.views],
        "laterality": None if step.laterality is None else str(step.laterality),
        "region": step.region, "start": step.start, "instruction": step.instruction, "ends": ends(step),
        "pause": str(step.pause), "moving": step.moving, "continuable": step.continuable,
        "counts": None if stop.counts is None else _limit(stop.counts),
        "duration_s": None if stop.duration_ps is None else stop.duration_ps / _PS_PER_S,
        "host_s": None if stop.host_ps is None else stop.host_ps / _PS_PER_S,
        "beats": stop.beats, "manual": stop.manual,
        "sweep": None if sweep is None else {
            "axis": sweep.axis, "begin": sweep.begin, "end": sweep.end, "unit": sweep.unit, "speed": sweep.speed,
            "speed_text": _speed(sweep.speed, sweep.unit), "duration_s": sweep.duration_s, "views": sweep.views,
        },
        "gate": None if step.gate is None else {
            "trigger": step.gate.trigger, "bins": step.gate.bins, "framing": step.gate.framing,
            "direction": step.gate.direction, "tolerance_percent": step.gate.tolerance_percent,
            "accepted_ms": None if step.gate.interval_ps is None else [each / 1e9 for each in step.gate.interval_ps],
        },
        "phases": [{"frames": each.frames, "frame_s": each.frame_ps / _PS_PER_S} for each in step.phases],
        "positions": [{"axis": axis, "value": at, "unit": step.units[axis]} for axis, at in step.positions.items()],
        "image": None if step.image is None else
                 {"columns": step.image.columns, "rows": step.image.rows, "zoom": step.image.zoom},
        "minimum_counts": None if step.minimum_counts is None else step.minimum_counts.limit,
        "windows": list(step.windows),
    }  # fmt: skip


def _limit(limit: CountLimit) -> dict[str, Any]:
    """Return a limit with the names under which progress counts towards it: of `both`, the least of them counts."""
    heads = limit.heads if limit.head in ("both", "view") else ()
    return {
        "limit": limit.limit,
        "window": limit.window,
        "head": limit.head,
        "counter": limit.name,
        "by_head": [f"{limit.counter}[{limit.window}]@{head}" for head in heads],
    }


def _speed(speed: float, unit: str) -> str:
    return f"{speed * _CM_PER_MIN:.3g} cm/min" if unit == "mm" else f"{speed:.3g} {unit}/s"


def _became(recorded: list[Mapping[str, Any]], number: int, present: int, state: State) -> dict[str, Any]:
    """Return where a step stands: `waits`, `present`, `done` as it should, `ended` otherwise, or `left` out.

    `took_s` is the time in which it acquired; what it was paused is `paused_s`, and no part of that. `live_s`: the time
    in which events counted, gaps left out; None where that cannot be told.
    """
    entry = recorded[number - 1] if number <= len(recorded) else None
    if entry is None:
        stands = "left" if state in IDLE else "present" if number == present else "waits"
        return {"state": stands, "ended_by": None, "begin_s": None, "took_s": None, "paused_s": 0.0, "live_s": None}
    begin_s, end_s = entry["begin_ps"] / _PS_PER_S, (entry.get("end_ps") or 0) / _PS_PER_S
    paused_s = (entry.get("paused_ps") or 0) / _PS_PER_S
    under_way = not end_s and state not in IDLE
    return {
        "state": "present" if under_way else "done" if entry.get("completed") else "ended",
        "ended_by": entry.get("ended_by"),
        "begin_s": begin_s,
        "took_s": max(0.0, end_s - begin_s - paused_s) if end_s else None,
        "paused_s": paused_s,
        "live_s": None if entry.get("live_ps") is None else entry["live_ps"] / _PS_PER_S,
    }
