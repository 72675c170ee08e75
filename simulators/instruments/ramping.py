"""The output of a supply in time: it goes at a slope to what it is told, into a load that draws current."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Output:
    """A voltage that goes to `target_v` at `up` or `down` V/s. `load_ohm`: what is connected."""

    clock: Callable[[], float]
    up_v_per_s: float
    down_v_per_s: float
    load_ohm: float = 1e9
    target_v: float = 0.0
    _at_v: float = 0.0
    _at_s: float = 0.0

    @property
    def volts(self) -> float:
        """Return what it is now."""
        self._settle()
        return self._at_v

    @property
    def current_a(self) -> float:
        """Return what flows into the load."""
        return self.volts / self.load_ohm

    @property
    def ramping(self) -> int:
        """Return 1 while it goes up, -1 while it goes down, else 0."""
        self._settle()
        return 0 if self._at_v == self.target_v else int(math.copysign(1, self.target_v - self._at_v))

    def go(self, target_v: float) -> None:
        """Go there from now on."""
        self._settle()
        self.target_v = target_v

    def slopes(self, *, up: float | None = None, down: float | None = None) -> None:
        """Change how fast it goes."""
        self._settle()
        self.up_v_per_s = self.up_v_per_s if up is None else up
        self.down_v_per_s = self.down_v_per_s if down is None else down

    def drop(self) -> None:
        """Be at nothing at once."""
        self._at_v, self._at_s, self.target_v = 0.0, self.clock(), 0.0

    def _settle(self) -> None:
        now_s = self.clock()
        gone_s, self._at_s = now_s - self._at_s, now_s
        slope = self.up_v_per_s if self.target_v > self._at_v else self.down_v_per_s
        to_go = self.target_v - self._at_v
        self._at_v += math.copysign(min(abs(to_go), slope * gone_s), to_go)
