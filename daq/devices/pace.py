"""Whether an axis goes where it was told, as fast as it was told: judged from read-backs alone.

Reasons are sentences without the axis's name. Slack is allowed for what lies between a command, its effect and the
reply: `SLACK_S` seconds of the commanded speed.
"""

from __future__ import annotations

from dataclasses import dataclass

from daq.devices.abilities import Sample
from daq.devices.limits import AxisLimits

SLACK_S = 0.6
STALL_S = 1.0
BEHIND_S = 1.5


@dataclass(slots=True)
class Pace:
    """One movement from `start` to `target` at `speed`, begun at `began_s`. `steady`: falling behind is an error."""

    limits: AxisLimits
    start: float
    target: float
    speed: float
    began_s: float
    steady: bool = False
    _progress_at: float = 0.0
    _progress_s: float = 0.0

    def __post_init__(self) -> None:
        self._progress_at, self._progress_s = self.start, self.began_s

    def why_wrong(self, sample: Sample) -> str | None:
        """Return what is wrong with the movement at this sample, or None."""
        unit = self.limits.unit
        if sample.fault:
            return f"stopped at {sample.position:g} {unit}: {sample.fault}"
        if not self.limits.holds(sample.position):
            limits = f"{self.limits.minimum:g} to {self.limits.maximum:g}"
            return f"is at {sample.position:g} {unit}, outside of its limits {limits}"
        return self._runs_away(sample) or self._stalls(sample) or self._lags(sample)

    def there(self, sample: Sample) -> bool:
        """Return True where it stands at the target."""
        return not sample.moving and abs(sample.position - self.target) <= self.limits.in_position

    def _runs_away(self, sample: Sample) -> str | None:
        unit, elapsed_s = self.limits.unit, sample.monotonic_s - self.began_s
        slack = self.speed * SLACK_S + 2 * self.limits.in_position
        if abs(sample.position - self.target) > abs(self.start - self.target) + slack:
            return f"is at {sample.position:g} {unit} and moves away from {self.target:g}, from {self.start:g}"
        if abs(sample.position - self.start) > self.speed * elapsed_s + slack:
            gone = abs(sample.position - self.start)
            return f"went {gone:g} {unit} in {elapsed_s:.2f} s, told to move at {self.speed:g} {unit}/s"
        return None

    def _stalls(self, sample: Sample) -> str | None:
        if abs(sample.position - self._progress_at) >= min(self.limits.in_position, self.speed * STALL_S / 2):
            self._progress_at, self._progress_s = sample.position, sample.monotonic_s
            return None
        still_s = sample.monotonic_s - self._progress_s
        if still_s <= STALL_S or self.there(sample):
            return None
        return f"stands at {sample.position:g} {self.limits.unit} for {still_s:.2f} s, told to go to {self.target:g}"

    def _lags(self, sample: Sample) -> str | None:
        elapsed_s = sample.monotonic_s - self.began_s
        due = min(self.speed * (elapsed_s - BEHIND_S), abs(self.target - self.start))
        gone = abs(sample.position - self.start)
        if self.steady and gone < due - self.limits.in_position:
            unit = self.limits.unit
            return f"fell behind: {gone:.4g} {unit} after {elapsed_s:.2f} s, told to move at {self.speed:.4g} {unit}/s"
        return None
