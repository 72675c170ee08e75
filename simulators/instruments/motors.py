"""The motors of one simulated controller, and what the world can do to them; alike for every protocol."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from daq.errors import UsageError
from simulators.instruments.machine import Done
from simulators.instruments.moving import Motor

_BOOTS_S = 0.3


class Motors:
    """Motors by number, from 1. `boots_until_s`: a controller that was switched off hears nothing before."""

    def __init__(
        self, count: int, *, least: float, most: float, speed: float, clock: Callable[[], float], homed: bool = False
    ) -> None:
        self.each = [Motor(clock, least, most, speed, at=max(least, min(0.0, most)), homed=homed) for _ in range(count)]
        self.boots_until_s = -math.inf
        self._clock, self._speed = clock, speed
        self.rebooted: Callable[[], None] = lambda: None
        """Called when the controller forgets what it was told."""

    def __iter__(self) -> Iterator[Motor]:
        return iter(self.each)

    def __len__(self) -> int:
        return len(self.each)

    def __getitem__(self, number: int) -> Motor:
        return self.each[number - 1]

    @property
    def deaf(self) -> bool:
        """Return True while the controller starts."""
        return self._clock() < self.boots_until_s

    def deeds(self) -> Mapping[str, Done]:
        """Return what can be done to them: to `axis`, 1 by default, or to all."""
        return {
            "stall": lambda said: self._of(said).stall(),
            "free": lambda said: self._of(said).free(),
            "limit": lambda said: self._of(said).switch_at(_number(said, "at")),
            "ignore": lambda said: setattr(self._of(said), "obeys", False),
            "run-away": lambda said: setattr(self._of(said), "halts", False),
            "obey": lambda said: self._obey(self._of(said)),
            "by-hand": lambda said: self._by_hand(self._of(said), _number(said, "speed") if "speed" in said else 0.0),
            "from-hand": lambda said: setattr(self._of(said), "by_hand", False),
            "lose-reference": lambda said: setattr(self._of(said), "homed", False),
            "cut-power": lambda _: self.cut_power(),
            "restore-power": lambda _: self.restore_power(),
            "reboot": self._reboot,
        }

    def told(self) -> dict[str, Any]:
        """Return what is indeed the case."""
        return {
            "positions": [motor.place for motor in self], "moving": [motor.velocity != 0 for motor in self],
            "homed": [motor.homed for motor in self], "powered": [motor.powered for motor in self],
        }  # fmt: skip

    def cut_power(self) -> None:
        """Take the power of all drivers, as an emergency stop or a safety controller does."""
        for motor in self:
            motor.cut_power()

    def restore_power(self) -> None:
        """Give it back; nothing moves because of that."""
        for motor in self:
            motor.powered = True

    def stop_by(self, at_s: float) -> None:
        """Let a watchdog stop all motors at that time, in place of any time said before."""
        for motor in self:
            motor.stop_due_s = at_s

    def _reboot(self, said: Mapping[str, Any]) -> None:
        self.boots_until_s = self._clock() + (_number(said, "seconds") if "seconds" in said else _BOOTS_S)
        for motor in self:
            motor.reset()
            motor.speed = self._speed
        self.rebooted()

    @staticmethod
    def _obey(motor: Motor) -> None:
        motor.obeys = motor.halts = True

    @staticmethod
    def _by_hand(motor: Motor, speed: float) -> None:
        """Let a person move it, at a signed speed or not at all, whatever it is told."""
        motor.run(speed)
        motor.by_hand = True

    def _of(self, said: Mapping[str, Any]) -> Motor:
        axis = said.get("axis", 1)
        if not isinstance(axis, int) or isinstance(axis, bool) or not 1 <= axis <= len(self.each):
            raise UsageError(f"axis {axis!r}: 1 to {len(self.each)} are there")
        return self.each[axis - 1]


def _number(said: Mapping[str, Any], key: str) -> float:
    value = said.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UsageError(f"{key} {value!r} is no number")
    return float(value)
