"""What a station says, in lines for people."""

from __future__ import annotations

from typing import Any

from daq.cli.output import grouped
from daq.model.cleantext import clean_text

_MOST = 300
_MINUTE_S = 60


def status_line(status: dict[str, Any]) -> str:
    """Return the state in one line: `acquiring 20261122T140507Z-3fa9c1, demo-pet, step 2 of 3 (by time): why`."""
    parts = [part for part in (status["run"], status["protocol"], _step(status)) if part]
    line = f"{status['state']} {', '.join(parts)}".strip()
    detail = status.get("detail")
    simulated = " [simulated]" if status.get("simulated") else ""
    return clean_text((f"{line}: {detail}" if detail else line) + simulated, _MOST)


def progress_line(progress: dict[str, Any]) -> str:
    """Return how far the step is in one line."""
    fraction, counts = progress["fraction"], progress["counts"]
    events = counts.get("events", 0)
    parts = [] if fraction is None else [f"{100 * min(fraction, 1.0):.0f} %"]
    parts.append(f"{grouped(events)} events")
    if "beats" in counts:
        parts.append(f"{grouped(counts['beats'])} beats")
    if progress.get("frames_wait"):
        parts.append(_waiting(progress))
    if fraction and fraction < 1:
        parts.append(f"about {grouped(events * (1 - fraction) / fraction)} to go")
    parts.append(f"{grouped(progress['rate_cps'])} cps")
    if progress.get("randoms_fraction") is not None:
        parts.append(f"randoms {100 * progress['randoms_fraction']:.1f} %")
    if progress["remaining_s"] is not None:
        parts.append(f"{duration(progress['remaining_s'])} left")
    if progress["missing_words"]:
        parts.append(f"{grouped(progress['missing_words'])} words missing")
    return ", ".join(parts)


def _waiting(progress: dict[str, Any]) -> str:
    now_cps, wanted_cps = progress.get("frames_wait_cps"), progress.get("frames_begin_cps")
    if now_cps is not None and wanted_cps is not None:
        return f"waiting for the bolus: {grouped(now_cps)} of {grouped(wanted_cps)} cps"
    return "waiting for the first trigger" if progress.get("frames_wait_for") == "trigger" else "waiting for the bolus"


def alarm_line(alarm: dict[str, Any]) -> str:
    """Return an alarm in one line, with what to do."""
    over = "" if alarm["active"] else " (over)"
    return clean_text(f"{alarm['priority']} alarm{over}: {alarm['text']}; {alarm['guidance']}", _MOST)


def is_shown(alarm: dict[str, Any]) -> bool:
    """Return True until an alarm is over, and acknowledged where it latches."""
    return bool(alarm["active"] or (alarm["latched"] and alarm["acknowledged_by"] is None))


def duration(seconds: float) -> str:
    """Return a time as people say it: `42 s`, `3 min 05 s`."""
    whole = round(seconds)
    return f"{whole} s" if whole < _MINUTE_S else f"{whole // _MINUTE_S} min {whole % _MINUTE_S:02d} s"


def _step(status: dict[str, Any]) -> str:
    if not status["step"]:
        return ""
    name = f" ({status['step_name']})" if status["step_name"] else ""
    return f"step {status['step']} of {status['steps']}{name}"
