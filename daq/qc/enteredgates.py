"""Triggers of a gate against a generator of even pulses: how many are missing, how many too many, how even they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError

_PS_PER_MS = 1e9
_FEWEST = 10
_SHORT = 0.5
"""An interval shorter than this share of the generator's ends with a trigger too many."""


@dataclass(frozen=True, slots=True)
class Triggers:
    """What triggers were like. Intervals are those of about one period: neither after a missed one nor to an extra."""

    interval_ms: float
    jitter_ms: float
    intervals: int
    missed: int
    extra: int


def triggers(times_ps: npt.NDArray[np.int64], interval_ms: float) -> Triggers:
    """Return what triggers [n], in order of time, are like beside a generator with one every `interval_ms`.

    An interval of about n periods has missed n - 1. Of a trigger that comes less than half a period after the one
    before it is said that it is too many, and the next interval is counted from the one before. Raises `RefusedError`
    for fewer than ten, or where hardly one interval is that of the generator.
    """
    if len(times_ps) < _FEWEST:
        raise RefusedError(f"{len(times_ps)} triggers: at least {_FEWEST} are needed")
    if not interval_ms > 0.0:
        raise RefusedError(f"a generator with a pulse every {interval_ms:g} ms: must be above zero")
    kept, extra = [int(times_ps[0])], 0
    for time in times_ps[1:].tolist():
        if (time - kept[-1]) / _PS_PER_MS < _SHORT * interval_ms:
            extra += 1
        else:
            kept.append(time)
    intervals = np.diff(np.array(kept)) / _PS_PER_MS
    periods = np.maximum(np.rint(intervals / interval_ms), 1.0)
    single = intervals[periods == 1.0]
    if len(single) < len(intervals) / 2:
        raise RefusedError(
            f"{len(single)} of {len(intervals)} intervals are about {interval_ms:g} ms: another generator, or none"
        )
    spread = float(single.std(ddof=1)) if len(single) > 1 else 0.0
    return Triggers(float(single.mean()), spread, len(single), int((periods - 1.0).sum()), extra)
