"""Frames that wait for a bolus or a trigger: what is said meanwhile, and when they have waited for too long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daq.model.gating import FrameZero
from daq.model.protocol import Step

_PS = 1e12
LATE = "frames-late"


def waited_for(step: Step, status: Mapping[str, Any]) -> dict[str, Any]:
    """Return what progress says of frames that wait, by its keys; empty where none do."""
    zero = step.frame_zero
    if zero is None or not status.get("frames_wait"):
        return {}
    if zero.by == "gate":
        return {"frames_wait": True, "frames_wait_for": "trigger"}
    rate_cps = status.get("frames_wait_cps")
    told = {} if rate_cps is None else {"frames_wait_cps": round(float(rate_cps), 1)}
    return {"frames_wait": True, "frames_wait_for": "count_rate", "frames_begin_cps": zero.rate_cps, **told}


def never_began(step: Step, status: Mapping[str, Any]) -> str | None:
    """Return in words that a step has ended whose frames never began; None where they did."""
    if step.frame_zero is None or not status.get("frames_wait"):
        return None
    return f"step {step.name!r} has ended and {_missing(step.frame_zero)}: its frames begin where the step did"


class FrameWait:
    """Says when the frames of a step have waited for so long that the backstop will cut them short."""

    def __init__(self) -> None:
        self._step, self._since_s = 0, 0.0

    def trouble(
        self, step: Step, number: int, status: Mapping[str, Any], now_s: float
    ) -> tuple[str, str, str] | None:  # fmt: skip
        """Return name, text and guidance of the alarm; None where there is nothing to say. `now_s`: monotonic."""
        if number != self._step:
            self._step, self._since_s = number, now_s
        zero, stop = step.frame_zero, step.stop
        waits = status.get("frames_wait") and not status.get("step_ended_by")
        if zero is None or not waits or stop.host_ps is None or stop.duration_ps is None:
            return None
        steps = status.get("steps") or []
        begun_ps = steps[number - 1].get("begin_ps") if 0 < number <= len(steps) else None
        passed_s = 0.0 if begun_ps is None else (int(status.get("duration_ps", 0)) - int(begun_ps)) / _PS
        spare_s = (stop.host_ps - stop.duration_ps) / _PS
        if max(now_s - self._since_s, passed_s) < spare_s:
            return None
        text = (
            f"{_missing(zero)} in step {step.name!r} for more than {spare_s:,.0f} s: frames that begin now are cut "
            f"short, for the step ends {stop.host_ps / _PS:,.0f} s after its beginning"
        )
        guidance = (
            "look at the injection and at the window; list mode can be framed again from any moment; stop, or wait"
        )
        return LATE, text, guidance


def _missing(zero: FrameZero) -> str:
    """Return it without the rate now, which progress says: an alarm that changes is announced each time."""
    if zero.by == "gate":
        return "no trigger has come"
    return f"no bolus of {zero.rate_cps or 0.0:,.0f} cps has come"
