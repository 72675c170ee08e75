"""A motor that exists in time only: finite speed, a lag before it stands, a watchdog, limit switches, a reference.

Its place is computed from the clock whenever somebody looks; what happens between looks (arrival, the watchdog's stop)
happens at its own time. It does not accelerate: it runs at full speed from its start, and on for `stop_lag_s` after a
halt.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from daq.devices.abilities import Identity
from daq.devices.drive import DriveStatus
from daq.devices.limits import AxisLimits
from daq.devices.simulated.safety import SafetyChain
from daq.devices.simulated.telling import AGAIN_S, Going, Tell
from daq.devices.simulated.wire import Line
from daq.errors import RefusedError
from daq.state.interlock import Kind


@dataclass(frozen=True, slots=True)
class _Run:
    """One movement: from `origin` at `began_s` towards `target`, cut short at `halts_s`."""

    origin: float
    target: float
    speed: float
    began_s: float
    halts_s: float = math.inf
    homes: bool = False

    @property
    def direction(self) -> float:
        return math.copysign(1.0, self.target - self.origin)

    @property
    def arrives_s(self) -> float:
        return self.began_s + abs(self.target - self.origin) / self.speed

    def place(self, now_s: float) -> float:
        if now_s >= self.arrives_s <= self.halts_s:
            return self.target
        return self.origin + self.direction * self.speed * (min(now_s, self.halts_s) - self.began_s)

    def over(self, now_s: float) -> bool:
        return now_s >= min(self.arrives_s, self.halts_s)

    def passes(self, place: float, now_s: float) -> bool:
        """Return True once it has come from elsewhere to a place or beyond it."""
        gone, to_go = self.place(now_s) - self.origin, place - self.origin
        return gone * to_go > 0 and abs(gone) >= abs(to_go)

    def going(self, now_s: float) -> Going:
        return Going(now_s, self.place(now_s), self.place(min(self.arrives_s, self.halts_s)), self.speed)


class SimulatedDrive:
    """A `Drive`. It has an absolute encoder: after power-up it knows where it is, unless that was taken from it.

    `watchdog_s`: it stops by itself when nobody asked it for so long. `zero_lost` and other faults: see the methods.
    `tell` hears how it goes: at every start, halt and arrival, and once a second while anybody asks the drive.
    """

    def __init__(
        self,
        name: str,
        limits: AxisLimits,
        chain: SafetyChain | None = None,
        *,
        at: float | None = None,
        stop_lag_s: float = 0.02,
        watchdog_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        tell: Tell | None = None,
    ) -> None:
        self.line = Line()
        self._name = name
        self._limits = limits
        self._tell_to, self._told_s = tell, -math.inf
        self.chain = chain or SafetyChain()
        self._clock = clock
        self.stop_lag_s = stop_lag_s
        self._watchdog_s = watchdog_s
        self._place = limits.minimum if at is None else at
        self._run: _Run | None = None
        self._stuck_s: float | None = None
        self._obstacle: float | None = None
        self._heard_s = self._settled_s = clock()
        self._offset = 0.0
        self._homed = True
        self.powered = True
        self._slow_down = 1.0
        self.chain.listen(self._chain_opened)
        self._tell()

    @property
    def limits(self) -> AxisLimits:
        """Return where it can go."""
        return self._limits

    async def identify(self) -> Identity:
        """Return who it is."""
        await self._heard()
        return Identity("scandaq", "simulated axis", self._name, "1")

    async def status(self) -> DriveStatus:
        """Return what it says now."""
        await self._heard()
        return self._says()

    async def start(self, target: float, speed: float) -> None:
        """Begin to move; raise `RefusedError` where power or reference is missing or the chain is open."""
        await self.line.delivery()
        if self.line.arrives:
            self._refuse_unless_free()
            self._begin(target - self._offset, speed * self._slow_down)
        await self._heard()

    async def jog(self, velocity: float) -> None:
        """Move at a velocity up to the limit switch. A pad lets it go away from the patient, and nowhere else."""
        await self.line.delivery()
        if self.line.arrives:
            end = self._limits.maximum if velocity > 0 else self._limits.minimum
            away = self._limits.away is not None and end == getattr(self._limits, self._limits.away)
            self._refuse_unless_free(but_pad=away)
            self._begin(end, abs(velocity) * self._slow_down)
        await self._heard()

    async def start_homing(self) -> None:
        """Look for the reference at the lower limit switch."""
        await self.line.delivery()
        if self.line.arrives:
            self._refuse_unless_free()
            self._homed = False
            self._begin(self._limits.minimum, self._limits.max_speed, homes=True)
        await self._heard()

    async def halt(self) -> None:
        """Stop now."""
        if self.line.arrives:
            self._cut_short()
        await self._heard()

    def interlocks(self) -> Mapping[Kind, bool]:
        """Return the contacts of the safety chain and of the drive's power."""
        return {
            Kind.EMERGENCY_STOP: not self.chain.emergency_stop_pressed,
            Kind.COLLISION_PAD: not self.chain.pad_pressed,
            Kind.DRIVE_POWER: self.powered,
        }

    def true_place(self) -> float:
        """Return where it is indeed, whatever it says; for those who watch it from outside."""
        self._settle()
        return self._place

    def is_moving(self) -> bool:
        """Return whether it moves indeed."""
        self._settle()
        return self._run is not None and self._stuck_s is None

    def stall(self) -> None:
        """Block the axis: the motor goes on, the axis does not."""
        self._settle()
        self._stuck_s = self._clock()
        self._tell()

    def block_at(self, place: float) -> None:
        """Put something in the way at a place: the axis stalls when it comes there."""
        self._settle()
        self._obstacle = place

    def free(self) -> None:
        """Take away what blocked it. The motor has given up meanwhile."""
        self._settle()
        self._stuck_s, self._obstacle, self._run = None, None, None
        self._tell()

    def slip(self, distance: float) -> None:
        """Push the axis by so much, which the encoder sees; the motor goes on as if nothing had been."""
        self._settle()
        self._place = min(max(self._place + distance, self._limits.minimum), self._limits.maximum)
        if self._run is not None:
            run = self._run
            self._run = _Run(self._place, run.target, run.speed, self._clock(), run.halts_s, homes=run.homes)
        self._tell()

    def drag(self, part: float) -> None:
        """Let every later movement run at this part of the speed it is told, e.g. 0.5; 2 is a runaway."""
        self._slow_down = part

    def cut_power(self) -> None:
        """Take the drive's power. It stops, and has no reference when power returns."""
        self._cut_short()
        self.powered, self._homed = False, False

    def restore_power(self) -> None:
        """Give power back: it counts from 0 at the place where it is, and needs homing."""
        self._settle()
        self.powered, self._offset = True, -self._place

    def _says(self) -> DriveStatus:
        self._settle()
        run = self._run
        velocity = run.direction * run.speed if run is not None and self._stuck_s is None else 0.0
        fault = self.chain.trouble or ("" if self.powered else "no drive power")
        place = self._place + self._offset
        return DriveStatus(place, velocity, run is not None, self._homed, fault, read_s=self._settled_s)

    async def _heard(self) -> None:
        """Feed the watchdog where the line carries, and answer."""
        if self.line.arrives:
            self._settle()
            self._heard_s = self._clock()
        if self._clock() - self._told_s >= AGAIN_S:
            self._tell()
        await self.line.answer()

    def _refuse_unless_free(self, *, but_pad: bool = False) -> None:
        trouble = "" if but_pad and not self.chain.emergency_stop_pressed else self.chain.trouble
        if trouble or not self.powered:
            raise RefusedError(f"{self._name} does not move: {trouble or 'no drive power'}")

    def _begin(self, target: float, speed: float, *, homes: bool = False) -> None:
        self._settle()
        self._heard_s = self._clock()
        inside = min(max(target, self._limits.minimum), self._limits.maximum)
        self._run = _Run(self._place, inside, speed, self._clock(), homes=homes)
        self._tell()

    def _chain_opened(self) -> None:
        self._cut_short()

    def _cut_short(self) -> None:
        self._settle()
        if self._run is not None and self._stuck_s is not None:
            self._run = None
        if self._run is not None:
            self._halts_by(self._clock() + self.stop_lag_s)

    def _halts_by(self, at_s: float) -> None:
        run = self._run
        if run is not None and at_s < run.halts_s:
            self._run = _Run(run.origin, run.target, run.speed, run.began_s, at_s, homes=run.homes)
            self._tell()

    def _settle(self) -> None:
        """Let everything happen that was due by now."""
        now_s = self._settled_s = self._clock()
        if self._run is None or self._stuck_s is not None:
            return
        if now_s - self._heard_s > self._watchdog_s:
            self._halts_by(self._heard_s + self._watchdog_s + self.stop_lag_s)
        run = self._run
        self._place = run.place(now_s)
        if self._obstacle is not None and run.passes(self._obstacle, now_s):
            self._place, self._stuck_s = self._obstacle, now_s
            self._tell()
        elif run.over(now_s):
            if run.homes and run.arrives_s <= run.halts_s:
                self._homed, self._offset = True, 0.0
            self._run = None
            self._tell()

    def _tell(self) -> None:
        """Say how it goes from now on, the truth whatever it reads back."""
        if self._tell_to is None:
            return
        self._told_s = self._clock()
        moves = self._run is not None and self._stuck_s is None and not self._run.over(self._told_s)
        going = self._run.going(self._told_s) if self._run is not None and moves else None
        self._tell_to(going or Going.stands(self._told_s, self._place))
