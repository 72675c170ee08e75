"""An axis over any drive. A driver implements `Drive`, six calls; the rules of motion are here, once for all.

- Nothing begins outside of the limits, without a reference, or while an earlier command is unanswered.
- A movement that ends in any other way than arrival stops the axis before it raises, whoever cancels, and as often as
  they do. That the axis stands is proven by two read-backs, within a second of the stop.
- A start that the drive answers after its deadline is followed by a stop, for it may have begun to move.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine
from typing import Any

from daq.devices.abilities import Direction, Halt, Identity, Quantity, Sample, Sampled, Value
from daq.devices.calls import Calls, cancel_requests, see_through
from daq.devices.drive import Drive, DriveStatus, Timing
from daq.devices.halting import Halting
from daq.devices.limits import AxisLimits, Unit
from daq.devices.pace import Pace
from daq.errors import DeadlineError, MotionError, RefusedError, ScandaqError, UnreachableError, WireError

_LOG = logging.getLogger(__name__)


class DrivenAxis:
    """An `Axis` over a `Drive`. One movement at a time; `stop` at any."""

    def __init__(
        self,
        name: str,
        limits: AxisLimits,
        drive: Drive,
        *,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._limits = limits
        self._drive = drive
        self._timing = timing or Timing()
        self._clock = clock
        self._asking = Calls(name)
        self._starting = Calls(name, most=1, late_ended=self._began_late)
        glance, glance_s = getattr(drive, "glance", drive.status), self._timing.glance_s
        self._halting = Halting(name, limits, drive, self._timing, clock, lambda: self._look(glance(), glance_s))
        self._last: Sample | None = None
        self._doing, self._told_s, self._began = "", 0.0, False
        self._stops = 0
        self._kept: set[asyncio.Task[Any]] = set()

    @property
    def name(self) -> str:
        """Return the name in the site file."""
        return self._name

    @property
    def unit(self) -> Unit:
        """Return `mm` or `deg`."""
        return self._limits.unit

    @property
    def limits(self) -> AxisLimits:
        """Return where it may go and how fast."""
        return self._limits

    @property
    def last(self) -> Sample | None:
        """Return the newest sample; None before the first."""
        return self._last

    @property
    def homed(self) -> bool:
        """Return whether the newest sample had a reference."""
        return self._last is not None and self._last.homed

    @property
    def last_halt(self) -> Halt | None:
        """Return how it came to rest after its last stop; None where that was not confirmed."""
        return self._halting.last

    @property
    def doubtful(self) -> bool:
        """Return True after a stop that was not confirmed, until one is: it may still move."""
        return self._halting.doubtful

    @property
    def unconfirmed(self) -> bool:
        """Return True after a stop whose time is over without proof that it stands, until one is proven."""
        return self._halting.unconfirmed

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Return position, in the axis's unit with its limits."""
        limits = {"minimum": self._limits.minimum, "maximum": self._limits.maximum}
        return (Quantity("position", self.unit, 1.0, 3.0, limits, self._limits.in_position),)

    async def identify(self) -> Identity:
        """Return who its controller says it is; raise `DeadlineError` where it does not answer."""
        return await self._asking.within(self._drive.identify(), self._timing.reply_s, "identify")

    async def read(self, quantity: str) -> Value:
        """Return its position; raise `RefusedError` for another quantity."""
        if quantity != "position":
            raise RefusedError(f"{self._name} has a position, no {quantity}")
        return await self.position()

    async def sample(self) -> Sample:
        """Return where it is now; raise `DeadlineError` without an answer, `MotionError` where that is no number."""
        return await self._look(self._drive.status(), self._timing.reply_s)

    async def _look(self, asking: Coroutine[Any, Any, DriveStatus], within_s: float) -> Sample:
        status = await self._asking.within(asking, within_s, "where are you")
        if not math.isfinite(status.position):
            raise MotionError(f"{self._name} says it is at {status.position} {self.unit}")
        read_s = self._clock() if status.read_s is None else status.read_s
        self._last = Sample(
            status.position, status.velocity, status.moving, status.homed, read_s, status.fault, status.note
        )
        return self._last

    async def position(self) -> float:
        """Return where it is now, in its unit."""
        return (await self.sample()).position

    async def move_to(
        self,
        target: float,
        *,
        speed: float | None = None,
        within_s: float | None = None,
        sampled: Sampled | None = None,
    ) -> None:
        """Return once it stands at `target`. `LimitError`, `RefusedError` before it moves; `MotionError` afterwards."""
        speed = self._limits.max_speed if speed is None else speed
        self._limits.check_target(self._name, target)
        self._limits.check_speed(self._name, speed)
        here = await self._ready_to_move()
        pace = Pace(self._limits, here.position, target, speed, self._clock())
        await self._go(pace, within_s, sampled)

    async def sweep(
        self, begin: float, end: float, *, speed: float, within_s: float | None = None, sampled: Sampled | None = None
    ) -> None:
        """Go from `begin`, where it must stand, to `end` at a steady speed; too slow and too fast are errors."""
        self._limits.check_target(self._name, begin)
        self._limits.check_target(self._name, end)
        self._limits.check_speed(self._name, speed)
        here = await self._ready_to_move()
        if abs(here.position - begin) > 2 * self._limits.in_position:
            raise RefusedError(
                f"{self._name} is at {here.position:g} {self.unit}, a sweep from {begin:g} needs it there first"
            )
        pace = Pace(self._limits, here.position, end, speed, self._clock(), steady=True)
        await self._go(pace, within_s, sampled)

    async def jog(self, towards: Direction, *, speed: float, within_s: float, sampled: Sampled | None = None) -> float:
        """Go in one direction, with or without a reference, until a limit; return the position.

        With a reference that is the limit of the profile, without one the limit switch. Raises as `move_to` does.
        """
        self._limits.check_speed(self._name, speed)
        velocity = speed if towards == "maximum" else -speed
        end = self._limits.maximum if towards == "maximum" else self._limits.minimum
        await self._settled()
        here = await self.sample()
        sure = here.homed and not here.fault
        if sure and self._is_past(here, end, velocity, self._limits.in_position):
            return here.position

        def ended(sample: Sample) -> bool:
            if not self._rests(sample):
                return self._is_past(sample, end, velocity, -self._limits.in_position)
            return (self._began and not sure) or self._is_past(sample, end, velocity, self._limits.in_position)

        def wrong(sample: Sample) -> str | None:
            return self._wrong_without_pace(sample) if sure or self._rests(sample) else None

        async def until_it_stands() -> None:
            command = self._drive.start(end, speed) if sure else self._drive.jog(velocity)
            await self._begin(command, f"jog to its {towards}")
            await self._until(ended, wrong, sampled)
            if self._last is not None and self._last.moving:
                await self._halted()

        await self._attended(f"jog to its {towards}", until_it_stands, within_s)
        return await self.position()

    @staticmethod
    def _is_past(sample: Sample, end: float, velocity: float, margin: float) -> bool:
        """Return True where it is known to be at an end or beyond it, give or take a margin on this side of it."""
        return sample.homed and (end - sample.position) * math.copysign(1.0, velocity) <= margin

    async def home(self, *, within_s: float) -> None:
        """Find the reference; raise `MotionError` where it is not found in time."""

        async def until_found() -> None:
            await self._begin(self._drive.start_homing(), "home")
            await self._until(lambda sample: sample.homed and self._rests(sample), self._wrong_without_pace)

        await self._settled()
        self._refuse_if_doubtful()
        await self._attended("home", until_found, within_s)

    async def stop(self) -> Halt:
        """Stop; return when two read-backs agree that it stands, else raise `MotionError`. Each sends its own halt."""
        requests = cancel_requests()
        halt = await self._halted()
        if cancel_requests() > requests:
            raise asyncio.CancelledError
        return halt

    async def _halted(self) -> Halt:
        """Stop though this task is cancelled meanwhile."""
        self._stops += 1
        return await see_through(lambda: self._halting.halt(self._last), f"{self._name}: stop", self._kept)

    async def _settled(self) -> None:
        if self._kept:  # stops that are under way; each has a deadline of its own
            await asyncio.wait(set(self._kept))

    async def _ready_to_move(self) -> Sample:
        """Return where it is, or raise why it cannot begin to move."""
        await self._settled()
        self._refuse_if_doubtful()
        self._refuse_if_busy()
        here = await self.sample()
        if not here.homed:
            raise RefusedError(f"{self._name} has no reference: home it first")
        if here.fault:
            raise RefusedError(f"{self._name} cannot move: {here.fault}")
        return here

    def _refuse_if_doubtful(self) -> None:
        if self.doubtful:
            raise RefusedError(f"{self._name} was not confirmed to stand after its last stop: stop it again first")

    def _refuse_if_busy(self) -> None:
        if self._doing:
            raise RefusedError(f"{self._name} is still busy, told to {self._doing}")
        if self._starting.late:
            raise UnreachableError(f"{self._name} has not answered an earlier command to move")

    async def _go(self, pace: Pace, within_s: float | None, sampled: Sampled | None) -> None:
        """Move as `pace` says and return once there."""
        distance = pace.target - pace.start
        within_s = self._limits.travel_s(distance, pace.speed) if within_s is None else within_s

        async def until_there() -> None:
            await self._begin(self._drive.start(pace.target, pace.speed), f"go to {pace.target:g}")
            pace.began_s = self._clock()
            await self._until(pace.there, lambda sample: self._wrong_on_the_way(sample, pace), sampled)

        await self._attended(f"go to {pace.target:g} {self.unit}", until_there, within_s)

    async def _begin(self, command: Coroutine[Any, Any, None], what: str) -> None:
        await self._starting.within(command, self._timing.reply_s, what)

    async def _attended(self, what: str, movement: Callable[[], Coroutine[Any, Any, None]], within_s: float) -> None:
        """Run a movement under its deadline. Leaving it in any other way than its end stops the axis first."""
        self._refuse_if_busy()
        self._doing, self._told_s, self._began, requests = what, self._clock(), False, cancel_requests()
        try:
            async with asyncio.timeout(within_s) as deadline:
                await movement()
        except BaseException as why:  # also a cancelled task: never leave half a ton in motion
            halt = await self._stop_after(what, why)
            if cancel_requests() > requests:
                raise asyncio.CancelledError from why
            if isinstance(why, TimeoutError) and deadline.expired():
                raise MotionError(
                    f"{self._name} did not {what} in {within_s:g} s; stopped at {halt.position:g} {self.unit}"
                ) from None
            raise
        finally:
            self._doing = ""

    async def _stop_after(self, what: str, why: BaseException) -> Halt:
        """Stop; raise `MotionError` where that cannot be confirmed, whatever it was that ended the movement."""
        try:
            return await self._halted()
        except ScandaqError as failure:
            _LOG.critical("%s: %s", self._name, failure)
            because = str(why) if isinstance(why, ScandaqError) else type(why).__name__
            raise MotionError(f"{failure}; it was stopped because it did not {what}: {because}") from why

    async def _until(
        self, ended: Callable[[Sample], bool], wrong: Callable[[Sample], str | None], sampled: Sampled | None = None
    ) -> None:
        """Read back until `ended`; raise `MotionError` where it was stopped, or for what is `wrong` on the way."""
        stops, requests = self._stops, cancel_requests()
        while True:
            sample = await self._patient_sample()
            if self._stops != stops:
                raise MotionError(f"{self._name} was stopped at {sample.position:g} {self.unit}")
            if cancel_requests() > requests:  # somebody swallowed the cancellation
                raise asyncio.CancelledError
            self._began = self._began or sample.moving
            if sampled is not None:
                sampled(self._name, sample)
            if ended(sample):
                return
            if (why := wrong(sample)) is not None:
                raise MotionError(f"{self._name} {why}")
            await asyncio.sleep(self._timing.poll_s)

    def _wrong_on_the_way(self, sample: Sample, pace: Pace) -> str | None:
        return pace.why_wrong(sample) or self._wrong_without_pace(sample)

    def _wrong_without_pace(self, sample: Sample) -> str | None:
        if sample.fault:
            return f"stopped at {sample.position:g} {self.unit}: {sample.fault}"
        if not self._rests(sample):
            return None
        where, note = f"{sample.position:g} {self.unit}", f": {sample.note}" if sample.note else ""
        if self._began:
            return f"came to rest at {where} by itself, not where it should{note}"
        return f"stands at {where}: its controller took the command to {self._doing} and does not move{note}"

    def _rests(self, sample: Sample) -> bool:
        """Return True where it stands though it had time to begin."""
        return not sample.moving and sample.monotonic_s - self._told_s > self._timing.begin_s

    async def _patient_sample(self) -> Sample:
        """Return a sample, asking again where an answer is lost; raise `MotionError` where all are."""
        began_s = self._clock()
        while True:
            try:
                return await self.sample()
            except (DeadlineError, UnreachableError, WireError) as why:
                silent_s = self._clock() - began_s
                if silent_s >= self._timing.silent_s:
                    raise MotionError(f"{self._name} is silent for {silent_s:.2f} s while it moves") from why
            await asyncio.sleep(self._timing.again_s)

    def _began_late(self, what: str) -> None:
        """Stop an axis whose start was answered when nobody waited for it any more."""
        _LOG.warning("%s was answered after its deadline: stopping", what)
        task = asyncio.get_running_loop().create_task(self._stop_late(), name=f"{self._name}: stop after a late start")
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    async def _stop_late(self) -> None:
        try:
            await self.stop()
        except ScandaqError as why:
            _LOG.critical("%s", why)
