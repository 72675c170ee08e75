"""A stepper controller that talks in lines of text, and a drive for it: an axis quite unlike the simulated one.

It counts whole steps, speeds up and slows down, answers after a while, one line at a time, and a halt overtakes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from daq.devices.abilities import Identity
from daq.devices.drive import DriveStatus
from daq.devices.limits import AxisLimits

STEPS = 200.0
TICK_S = 0.001
REPLY_S = 0.012


class Controller:
    """Takes a step now and then, as a task of its own would: all that were due, whenever it is asked."""

    def __init__(self, limits: AxisLimits, at: float, clock: Callable[[], float]) -> None:
        self._least, self._most = round(limits.minimum * STEPS), round(limits.maximum * STEPS)
        self._top = limits.max_speed * STEPS
        self._rate_per_s2 = self._top / 0.1
        self._clock = clock
        self._done_s = clock()
        self.steps = float(round(at * STEPS))
        self._target = self.steps
        self._cap = 0.0
        self.velocity = 0.0
        self.moving = False
        self.homed = True
        self._homing = False
        self.heard: list[str] = []

    def line(self, text: str) -> str:
        """Return the answer to one line."""
        self.catch_up()
        self.heard.append(text)
        verb, *words = text.split()
        match verb:
            case "GO":
                self._go(float(words[0]), float(words[1]))
            case "RUN":
                rate = float(words[0])
                self._go(self._most if rate > 0 else self._least, abs(rate))
            case "HOME":
                self.homed, self._homing = False, True
                self._go(self._least, self._top)
            case "HALT":
                self._target = self.steps + self.velocity * abs(self.velocity) / (2 * self._rate_per_s2)
                self._homing = False
        return f"{self.steps:.0f} {self.velocity:.1f} {int(self.moving)} {int(self.homed)}"

    def catch_up(self) -> None:
        """Take the steps that were due."""
        while self._done_s + TICK_S <= self._clock():
            self._done_s += TICK_S
            if self.moving:
                self._tick()

    def _go(self, target: float, rate: float) -> None:
        self._target = min(max(target, self._least), self._most)
        self._cap, self.moving = rate, True

    def _tick(self) -> None:
        left = self._target - self.steps
        brake = (2 * self._rate_per_s2 * abs(left)) ** 0.5
        wanted = min(self._cap, brake) * (1 if left > 0 else -1)
        most = self._rate_per_s2 * TICK_S
        self.velocity += min(max(wanted - self.velocity, -most), most)
        self.steps += self.velocity * TICK_S
        if abs(self._target - self.steps) <= 1.0 and abs(self.velocity) <= 2 * most:
            self.steps, self.velocity, self.moving = float(round(self._target)), 0.0, False
            if self._homing:
                self.homed, self._homing = True, False


class StepperDrive:
    """A `Drive` for it: one line at a time, but a halt waits for nobody."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._turn = asyncio.Lock()

    async def identify(self) -> Identity:
        return Identity("example", "stepper", "7", "2.1")

    async def status(self) -> DriveStatus:
        return self._read(await self._ask("WHERE"))

    async def start(self, target: float, speed: float) -> None:
        await self._ask(f"GO {target * STEPS:.3f} {speed * STEPS:.3f}")

    async def jog(self, velocity: float) -> None:
        await self._ask(f"RUN {velocity * STEPS:.3f}")

    async def start_homing(self) -> None:
        await self._ask("HOME")

    async def halt(self) -> None:
        self._controller.line("HALT")
        await asyncio.sleep(REPLY_S)

    async def _ask(self, text: str) -> str:
        async with self._turn:
            answer = self._controller.line(text)
            await asyncio.sleep(REPLY_S)
            return answer

    @staticmethod
    def _read(answer: str) -> DriveStatus:
        steps, velocity, moving, homed = answer.split()
        return DriveStatus(float(steps) / STEPS, float(velocity) / STEPS, moving == "1", homed == "1")
