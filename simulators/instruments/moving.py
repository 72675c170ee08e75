"""A motor in time: it goes at a speed to a target, stops at limit switches, stalls where something is in the way."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

_SEARCH_S = 0.4
"""The least that a search for the reference takes: it leaves the switch and meets it again."""


@dataclass(slots=True)
class Motor:
    """Positions in the controller's units. `least`, `most`: where its travel ends, and where its switches are.

    `homed`: it has its reference. `obeys`: it begins to move when told; `halts`: it stops when told. `by_hand`: a
    joystick has it. `stop_due_s`: a watchdog stops it then. Where it is indeed is `place`, what it counts `position`.
    """

    clock: Callable[[], float]
    least: float
    most: float
    speed: float
    at: float = 0.0
    homed: bool = False
    stalled: bool = False
    obeys: bool = True
    halts: bool = True
    powered: bool = True
    by_hand: bool = False
    stop_due_s: float = math.inf
    low_switch: float = -math.inf
    high_switch: float = math.inf
    offset: float = 0.0
    """What it counts, less where it is: 0 once it was homed."""
    _target: float | None = None
    _velocity: float = 0.0
    _since_s: float = 0.0
    _homing: bool = False
    _found_s: float = -math.inf

    @property
    def place(self) -> float:
        """Return where it is now, whatever it counts."""
        self._settle()
        return self.at

    @property
    def position(self) -> float:
        """Return what its counter says now."""
        return self.place + self.offset

    @property
    def velocity(self) -> float:
        """Return its signed velocity now."""
        self._settle()
        return 0.0 if self.stalled else self._velocity

    @property
    def moving(self) -> bool:
        """Return whether its controller tries to move it."""
        self._settle()
        return self._velocity != 0

    @property
    def homing(self) -> bool:
        """Return whether it looks for its reference."""
        self._settle()
        return self._homing

    @property
    def ends(self) -> tuple[float, float]:
        """Return where its limit switches are: at the ends of its travel, or where somebody moved them to."""
        return max(self.least, self.low_switch), min(self.most, self.high_switch)

    @property
    def switches(self) -> tuple[bool, bool]:
        """Return whether the lower and the upper limit switch are pressed."""
        low, high = self.ends
        return self.place <= low, self.place >= high

    @property
    def bound_for(self) -> float:
        """Return where it will stand if nothing happens."""
        self._settle()
        low, high = self.ends
        return self.at if self._target is None or self.stalled else min(max(self._target, low), high)

    def go(self, target: float, speed: float | None = None, *, homing: bool = False) -> None:
        """Go to a place by what it counts, as far as the switches let it; a stopped or unpowered one does not."""
        self._settle()
        if not self.obeys or not self.powered:
            return
        self.homed = self.homed and not homing
        self._homing = homing
        self._target = self.ends[0] if homing else target - self.offset
        self._velocity = math.copysign(self.speed if speed is None else abs(speed), self._target - self.at)
        self._found_s = self.clock() + _SEARCH_S if homing else -math.inf
        if self._target == self.at and not homing:
            self._arrive()

    def run(self, speed: float) -> None:
        """Go on at a signed speed until a switch; 0 stops it."""
        if speed == 0:
            self.stop()
        else:
            self.go((self.most if speed > 0 else self.least) + self.offset, speed)

    def stop(self) -> None:
        """Stop now, where it does what it is told."""
        self._settle()
        if self.halts:
            self._end()

    def stall(self) -> None:
        """Put something in the way, now."""
        self._settle()
        self.stalled = True

    def free(self) -> None:
        """Take it away."""
        self._settle()
        self.stalled = False

    def switch_at(self, place: float) -> None:
        """Move the limit switch that lies on that side of where it is, so that it meets it early."""
        if place >= self.place:
            self.high_switch = place
        else:
            self.low_switch = place

    def cut_power(self) -> None:
        """Take the power of its driver: it stands, and what it counts is not to be trusted."""
        self._settle()
        self._end()
        self.powered, self.homed = False, False

    def reset(self) -> None:
        """Begin as after power-up: it stands, counts from 0 where it is, and has no reference."""
        self._settle()
        self._end()
        self.homed, self.offset = False, -self.at

    def _settle(self) -> None:
        now_s = self.clock()
        gone_s, self._since_s = max(0.0, min(now_s, self.stop_due_s) - self._since_s), now_s
        if self._velocity != 0 and self._target is not None and not self.stalled:
            self._advance(self._target, gone_s)
        if now_s >= self.stop_due_s:
            self._end()

    def _advance(self, target: float, seconds: float) -> None:
        step = abs(self._velocity) * seconds
        place = target if step >= abs(target - self.at) else self.at + math.copysign(step, self._velocity)
        low, high = self.ends
        self.at = min(max(place, low), high)
        if self.at != place:
            self._end()
        elif place == target and self.clock() >= self._found_s:
            self._arrive()

    def _arrive(self) -> None:
        if self._homing:
            self.homed, self.offset = True, 0.0
        self._end()

    def _end(self) -> None:
        self._velocity, self._target, self._homing = 0.0, None, False
