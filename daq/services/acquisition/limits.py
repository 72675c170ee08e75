"""What ends a step, told to the readout: as the protocol says, or after as long as another step took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daq.errors import RefusedError
from daq.model.protocol import Step


def limits_of(step: Step, status: Mapping[str, Any]) -> list[str]:
    """Return the limits of a step. The second of paired views ends after the time of the first, pauses left out.

    `status` is the readout's, which tells the steps so far. Raise `RefusedError` where that step has no time.
    """
    limits = step.stop_limits()
    if step.stop.as_step is None:
        return limits
    took_ps = _took_ps(step.stop.as_step, status)
    if not took_ps:
        raise RefusedError(
            f"step {step.name!r} ends after the time of {step.stop.as_step!r}, which was not acquired: do that first"
        )
    return [f"time={took_ps}ps", *limits]


def _took_ps(name: str, status: Mapping[str, Any]) -> int:
    """Return how long the newest step of this name counted, in detector time; 0 where there is none that ended."""
    for each in reversed(status.get("steps") or ()):
        if each.get("name") == name and each.get("end_ps") is not None:
            return int(each["end_ps"]) - int(each.get("begin_ps") or 0) - int(each.get("paused_ps") or 0)
    return 0
