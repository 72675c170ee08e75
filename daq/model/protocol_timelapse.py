"""A protocol in time-lapse, for simulated stations: durations divided, speeds and rates multiplied, counts unchanged.

A whole-body scan of 20 minutes is shown in 40 seconds so. The beat of a heart is not made faster.
"""

from __future__ import annotations

from dataclasses import replace

from daq.model.protocol import AcquisitionProtocol, CountLimit, FrameZero, Phase, Step, Sweep


def in_time_lapse(protocol: AcquisitionProtocol, times: int) -> AcquisitionProtocol:
    """Return the protocol `times` as fast; its title says so. Backstops by host time stay as long as they are."""
    steps = tuple(_step(step, times) for step in protocol.steps)
    return replace(protocol, steps=steps, title=f"{protocol.title}, time-lapse, {times} times as fast")


def _step(step: Step, times: int) -> Step:
    duration_ps = step.stop.duration_ps
    shorter_ps = None if duration_ps is None else max(1, duration_ps // times)
    window_s = step.after_injection_s
    return replace(
        step,
        stop=replace(step.stop, duration_ps=shorter_ps, counts=_counts(step.stop.counts, times)),
        phases=tuple(Phase(phase.frames, max(1, phase.frame_ps // times)) for phase in step.phases),
        sweep=None if step.sweep is None else _sweep(step.sweep, times),
        frame_zero=None if step.frame_zero is None else _frame_zero(step.frame_zero, times),
        after_injection_s=None if window_s is None else (window_s[0] / times, window_s[1] / times),
        expected_rate_cps=_faster(step.expected_rate_cps, times),
        minimum_counts=_counts(step.minimum_counts, times),
    )


def _counts(limit: CountLimit | None, times: int) -> CountLimit | None:
    return None if limit is None else replace(limit, expected_rate_cps=_faster(limit.expected_rate_cps, times))


def _sweep(sweep: Sweep, times: int) -> Sweep:
    suits = None if sweep.speed_range is None else (sweep.speed_range[0] * times, sweep.speed_range[1] * times)
    return replace(sweep, speed=sweep.speed * times, speed_range=suits)


def _frame_zero(zero: FrameZero, times: int) -> FrameZero:
    return replace(zero, rate_cps=_faster(zero.rate_cps, times), over_ps=max(1, zero.over_ps // times))


def _faster(rate_cps: float | None, times: int) -> float | None:
    return None if rate_cps is None else rate_cps * times
