"""How steadily an axis moved in a sweep, and a warning where the protocol wants it steadier."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from daq.model.axissample import AxisSample
from daq.model.protocol import Sweep
from daq.model.protocol_terms import Tolerances
from daq.services.acquisition.progress import DEVICE
from daq.services.alarms import Alarms

_OVER_NS = 10**9
"""Speed is measured over a second: one look at an axis is not exact enough."""
_MOST_KEPT = 256
_AT_LEAST = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """Speeds of a sweep in its axis's unit per second; slowest and fastest over a second each."""

    mean: float
    slowest: float
    fastest: float

    def off_percent(self, asked: float) -> float:
        """Return the largest deviation from the speed that was asked for, at any moment."""
        return 100.0 * max(abs(self.slowest - asked), abs(self.fastest - asked)) / asked


class SweepPace:
    """Hears the samples of one sweep and warns, while it goes on, of a speed outside of the protocol's tolerance."""

    def __init__(self, sweep: Sweep, tolerances: Tolerances, alarms: Alarms) -> None:
        self._sweep, self._most_percent, self._alarms = sweep, tolerances.speed_percent, alarms
        self._last: deque[AxisSample] = deque(maxlen=_MOST_KEPT)
        self._first: AxisSample | None = None
        self._newest: AxisSample | None = None
        self._slowest, self._fastest = math.inf, -math.inf

    def heard(self, sample: AxisSample) -> None:
        """Take in where an axis was; another one, and one that stands, do not count."""
        if sample.axis != self._sweep.axis or not sample.moving:
            return
        self._first = self._first or sample
        self._newest = sample
        self._last.append(sample)
        while sample.monotonic_ns - self._last[0].monotonic_ns > _OVER_NS and len(self._last) > _AT_LEAST:
            self._last.popleft()
        if sample.monotonic_ns - self._first.monotonic_ns >= _OVER_NS:
            speed = self._speed(self._last[0], sample)
            self._slowest, self._fastest = min(self._slowest, speed), max(self._fastest, speed)
            self._warn()

    @property
    def pace(self) -> Pace | None:
        """Return what was measured; None for a sweep that was too short to tell."""
        if self._first is None or self._newest is None or self._fastest == -math.inf:
            return None
        return Pace(self._speed(self._first, self._newest), self._slowest, self._fastest)

    def over(self) -> None:
        """Say no longer what was true while it lasted; who has not seen it still does."""
        self._alarms.clear(DEVICE, "sweep-speed")

    def _warn(self) -> None:
        pace, sweep = self.pace, self._sweep
        if pace is None or self._most_percent is None or pace.off_percent(sweep.speed) <= self._most_percent:
            return
        self._alarms.raise_(
            DEVICE, "sweep-speed", priority="medium", latched=True,
            text=f"{sweep.axis} moves at {pace.slowest:.1f} to {pace.fastest:.1f} {sweep.unit}/s; {sweep.speed:.1f} "
            f"{sweep.unit}/s within {self._most_percent:g} % is wanted",
            guidance="let it go on, each row's time is measured; have the bed looked at before the next patient",
        )  # fmt: skip

    def _speed(self, a: AxisSample, b: AxisSample) -> float:
        """Return the speed between two samples along the way of the sweep; below zero where it went back."""
        between_s = (b.monotonic_ns - a.monotonic_ns) / 1e9
        gone = b.position - a.position if self._sweep.end > self._sweep.begin else a.position - b.position
        return gone / between_s if between_s > 0 else 0.0
