"""A motor in time: it goes at a speed to a target, stops at its limits, stalls where something is in the way."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Motor:
    """Positions in the controller's units. `limits`: the switches. `homed`: it has its reference."""

    clock: Callable[[], float]
    least: float
    most: float
    speed: float
    at: float = 0.0
    homed: bool = False
    stalled: bool = False
    obeys: bool = True
    _target: float | None = None
    _velocity: float = 0.0
    _since_s: float = 0.0
    _homing: bool = False

    @property
    def position(self) -> float:
        """Return where it is now."""
        self._settle()
        return self.at

    @property
    def velocity(self) -> float:
        """Return its signed velocity now."""
        self._settle()
        return 0.0 if self.stalled else self._velocity

    @property
    def moving(self) -> bool:
        """Return whether its controller says that it moves."""
        self._settle()
        return self._velocity != 0

    def go(self, target: float, speed: float | None = None, *, homing: bool = False) -> None:
        """Go to a place, as far as the switches let it."""
        self._settle()
        if not self.obeys:
            return
        self.homed = self.homed and not homing
        self._homing = homing
        self._target = min(max(target, self.least), self.most)
        self._velocity = math.copysign(self.speed if speed is None else abs(speed), self._target - self.at)
        if self._target == self.at:
            self._arrive()

    def stop(self) -> None:
        """Stop now."""
        self._settle()
        self._velocity, self._target, self._homing = 0.0, None, False

    def stall(self) -> None:
        """Put something in the way, now."""
        self._settle()
        self.stalled = True

    def free(self) -> None:
        """Take it away."""
        self._settle()
        self.stalled = False

    def _settle(self) -> None:
        now_s = self.clock()
        gone_s, self._since_s = now_s - self._since_s, now_s
        if self._velocity == 0 or self._target is None or self.stalled:
            return
        step = abs(self._velocity) * gone_s
        if step >= abs(self._target - self.at):
            self.at = self._target
            self._arrive()
        else:
            self.at += math.copysign(step, self._velocity)

    def _arrive(self) -> None:
        self.homed = self.homed or self._homing
        self._velocity, self._target, self._homing = 0.0, None, False
