"""A step of a protocol in words: how long, what ends it. The command line and the console say the same."""

from __future__ import annotations

from daq.model.protocol import Step

_PS_PER_S = 10**12
_MINUTE_S = 60


def duration(seconds: float) -> str:
    """Return a time for people: 45 s, 12 min 30 s."""
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), _MINUTE_S)
    return f"{minutes} min" + (f" {rest} s" if rest else "")


def ends(step: Step) -> str:
    """Return what ends a step, in words."""
    stop = step.stop
    parts = []
    if stop.counts is not None:
        inside = "" if stop.counts.region_mm is None else ", in {:g} to {:g} mm across, {:g} to {:g} mm up".format(
            *(stop.counts.region_mm[i] for i in (0, 2, 1, 3))
        )  # fmt: skip
        parts.append(f"at {stop.counts}{inside}")
    parts += [] if stop.beats is None else [f"at {stop.beats:,} accepted beats"]
    parts += [] if stop.as_step is None else [f"after as long as {stop.as_step} took"]
    if stop.duration_ps is not None:
        parts.append("after " + duration(stop.duration_ps / _PS_PER_S))
    if step.sweep is not None:
        parts.append(f"where the sweep ends, after {duration(round(step.sweep.duration_s, 1))}")
    parts += ["by hand"] if stop.manual else []
    if stop.host_ps is not None:
        parts.append(f"at the latest {duration(stop.host_ps / _PS_PER_S)}")
    return "; ".join(parts)
