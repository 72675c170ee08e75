"""What is special about the steps of a protocol, and its tolerances, in words."""

from __future__ import annotations

from dataclasses import asdict

from daq.model.protocol import Gate, Step, Sweep, Tolerances
from daq.model.protocol_activity import spoken
from daq.model.steptext import duration

_PS_PER_S = 10**12
_PS_PER_MS = 10**9
_CM_PER_MIN = 6.0
"""For one mm/s: bed speeds are spoken of in cm/min."""
_LIMITS = (
    ("speed_percent", "speed within {:g} %"), ("position_mm", "position within {:g} mm"),
    ("angle_deg", "angle within {:g} deg"), ("exposure_percent", "exposure of a row at least {:g} %"),
    ("rejected_beats_percent", "at most {:g} % of the beats rejected"), ("live_percent", "live at least {:g} %"),
    ("drift_mm", "drift at most {:g} mm"),
)  # fmt: skip


def tolerated(said: Tolerances) -> str:
    """Return the tolerances of a protocol in words."""
    values = asdict(said)
    return ", ".join(text.format(values[name]) for name, text in _LIMITS if values[name] is not None)


def details(step: Step) -> list[str]:
    """Return what is special about a step, a sentence each."""
    told = [] if step.session == 1 else [f"session {step.session} of the study"]
    told += [] if step.role == "emission" else [f"it is of the {step.role.replace('_', ' ')}"]
    told += [f"called {step.label}"] if step.label else []
    if step.after_injection_s is not None:
        earliest_s, latest_s = step.after_injection_s
        told.append(f"begins {spoken(earliest_s)} to {spoken(latest_s)} after the injection")
    if step.frame_zero is not None:
        rate = step.frame_zero.rate_cps
        what = "the first trigger comes" if rate is None else f"{rate:,g} counts come in a second"
        told.append(f"its frames and its time begin when {what}")
    told += [f"{phase.frames} frames of {duration(phase.frame_ps / _PS_PER_S)}" for phase in step.phases]
    told += [] if step.gate is None else [_gated(step.gate)]
    told += [] if step.sweep is None else _swept(step.sweep)
    return told


def _gated(gate: Gate) -> str:
    text = f"gated by {gate.trigger}: {gate.bins} bins by {gate.framing}, {gate.direction}"
    if gate.interval_ps is not None:
        text += ", intervals of {:g} to {:g} ms".format(*(each / _PS_PER_MS for each in gate.interval_ps))
    if gate.tolerance_percent is not None:
        text += f", intervals within {gate.tolerance_percent:g} % of the median of the first {gate.learn}"
    return text + (f", {gate.skip} rejected after a rejected beat" if gate.skip else "")


def _swept(sweep: Sweep) -> list[str]:
    told = [] if sweep.views is None else [f"{sweep.views} projections of {_per_view(sweep):g} {sweep.unit}"]
    if sweep.speed_range is not None:
        slowest, fastest = sweep.speed_range
        unit, factor = ("cm/min", _CM_PER_MIN) if sweep.unit == "mm" else (f"{sweep.unit}/s", 1.0)
        told.append(f"speeds of {factor * slowest:.3g} to {factor * fastest:.3g} {unit} suit the tracer")
    return told


def _per_view(sweep: Sweep) -> float:
    return abs(sweep.end - sweep.begin) / (sweep.views or 1)
