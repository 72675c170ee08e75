"""The one place that moves axes. Whoever wants a movement asks here; whoever wants it to stop does, too.

A movement begins where the enable and the interlocks allow it, and goes on only while they do: both are looked at
again twenty times a second. It ends by arrival, or by a stop that was read back; there is no third way. When motion is
lost (an axis silent, stalled or elsewhere, emergency stop, pad, drive power) the enable is gone and positions are not
trusted until axes were homed and a person has confirmed identity and position.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from daq.devices.abilities import Axis
from daq.devices.calls import cancel_requests
from daq.errors import InterlockError, MotionError, RefusedError, ScandaqError
from daq.services.bus import Bus
from daq.services.motion.alarming import Alarming, MotionAlarms
from daq.services.motion.envelope import Envelope, Order
from daq.services.motion.report import MotionLoss, StopReport, report_of
from daq.services.motion.running import Running, together
from daq.services.motion.stopping import stop_all
from daq.services.motion.switch import EnableSwitch
from daq.services.motion.trust import Trust
from daq.services.motion.watch import Interlocks
from daq.services.motion.whereabouts import Whereabouts
from daq.state.enable import Button, Enable, Event, Motion, next_step
from daq.state.interlock import Command, Interlock, Kind, permitted

_LOG = logging.getLogger(__name__)
_LOSES = {
    Kind.EMERGENCY_STOP: Event.EMERGENCY_STOP,
    Kind.COLLISION_PAD: Event.COLLISION_PAD,
    Kind.DRIVE_POWER: Event.POWER_LOST,
}
_LETS_GO = frozenset({Event.RELEASE, Event.HOLD_EXPIRED})


class MotionEngine:
    """Moves the axes of a station, one movement at a time. For the loop's thread only.

    `axes` by the names of the scanner profile, which protocols use. `where` tells every sample of a movement.
    """

    def __init__(
        self,
        axes: Mapping[str, Axis],
        interlocks: Interlocks,
        enable: Enable,
        bus: Bus,
        alarms: Alarming,
        *,
        envelope: Envelope | None = None,
        hold_s: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.where = Whereabouts(axes, envelope)
        self._axes = self.where.axes
        self._interlocks = interlocks
        self._running: Running | None = None
        self._switch = EnableSwitch(enable, bus, hold_s=hold_s, changed=self._enable_changed)
        self._trust = Trust(self._axes, self._switch, MotionAlarms(alarms), drop=self._drop, moving=lambda: self.moving)
        self._clock = clock
        self._stopping = 0
        self._unattended = False
        self._let_go = False
        interlocks.listen(self._interlock_changed)

    # What is so now

    @property
    def axes(self) -> Mapping[str, Axis]:
        """Return the axes by name."""
        return self._axes

    @property
    def enable(self) -> Enable:
        """Return what is pressed and how far positions are to be trusted."""
        return self._switch.now

    @property
    def moving(self) -> bool:
        """Return True while a movement or a stop is under way, or an axis was last seen moving or not seen to stop."""
        seen = (axis.doubtful or (axis.last is not None and axis.last.moving) for axis in self._axes.values())
        return self._running is not None or self._stopping > 0 or any(seen)

    @property
    def let_go(self) -> bool:
        """Return True where a person let go of the enable during the last movement, whose axes stand since then."""
        return self._let_go

    async def is_at(self, targets: Mapping[str, float]) -> bool:
        """Return True where every named axis stands at its target, with a reference, read back now."""
        for name, target in targets.items():
            axis = self.where.axis(name)
            sample = await axis.sample()
            if sample.moving or not sample.homed or abs(sample.position - target) > axis.limits.in_position:
                return False
        return True

    def figures(self) -> dict[str, Any]:
        """Return how it is, as a JSON object; positions in the units named, as last read."""
        running = self._running
        return {
            "enable": str(self.enable.button),
            "reference": str(self.enable.reference),
            "needed": next_step(self.enable.reference),
            "moving": self.moving,
            "doing": running.what if running is not None else "",
            "unattended": self._unattended,
            "axes": {name: _figures(axis) for name, axis in self._axes.items()},
        }

    def against(self, motion: Motion) -> str | None:
        """Return why a movement of this kind could not begin now, or None."""
        return self._why_not(motion)

    # The enable

    def hold(self) -> None:
        """Press the hold-to-run button, or go on pressing it: it must be renewed within `hold_s`.

        One that is pressed since before a stop or a fault enables nothing until it was let go.
        """
        self._switch.hold()

    def latch(self) -> None:
        """Enable the sweeps and steps of a protocol; pressed once, in the room."""
        self._switch.apply(Event.LATCH)

    def release(self) -> None:
        """Let go of either. What moves, stops."""
        self._switch.apply(Event.RELEASE)

    def unlatch(self, why: str) -> None:
        """Forget a latched enable: it was given for one exam, and the next patient is positioned with a hand on it.

        What the room's own controller still holds latched has to be let go and pressed anew.
        """
        if self.enable.button is Button.LATCHED:
            _LOG.info("the latched enable is dropped: %s", why)
            self._switch.apply(Event.RELEASE)

    def patient_moved(self) -> None:
        """Say that the patient moved: axes stop, and identity and position are to be confirmed again."""
        self._switch.apply(Event.PATIENT_MOVED)

    def confirm(self, *, identity: bool, position: bool) -> None:
        """Take a person's word for who lies there and how; both are needed. `RefusedError` before axes are homed."""
        if not (identity and position):
            raise RefusedError("both identity and position have to be confirmed")
        self._trust.confirm()

    def lose(self, why: str) -> None:
        """Say that motion was lost, e.g. that the daemon was restarted while axes moved."""
        self._trust.lose(Event.FAULT, why, self._axes)

    @property
    def on_lost(self) -> Callable[[MotionLoss], None] | None:
        """Return who is told about a loss: called once for each, at once; must not wait."""
        return self._trust.on_lost

    @on_lost.setter
    def on_lost(self, listener: Callable[[MotionLoss], None] | None) -> None:
        self._trust.on_lost = listener

    @property
    def unattended(self) -> bool:
        """Return True while nobody is there: then every movement is refused."""
        return self._unattended

    @unattended.setter
    def unattended(self, value: bool) -> None:
        self._unattended = value
        if value:
            self._drop(Event.STOP, "nobody attends")

    # Movements

    async def position(
        self,
        targets: Mapping[str, float],
        *,
        within_s: float | None = None,
        order: Order = "one_by_one",
        motion: Motion = Motion.POSITIONING,
    ) -> None:
        """Return once every axis stands at its target. `Motion.STEP` for the steps of a protocol: latched, not held.

        `within_s`: for each axis. Raise `MissingError`, `LimitError`, `RefusedError` or `InterlockError` before
        anything moves, `MotionError` afterwards, when nothing moves any more.
        """
        targets = {self.where.called(name): target for name, target in targets.items()}
        axes = {name: self._axes[name] for name in targets}
        for name, target in targets.items():
            axes[name].limits.check_target(name, target)
        if motion not in (Motion.POSITIONING, Motion.STEP):
            raise RefusedError(f"{motion} is no way to go to a position")
        if not targets:
            return

        async def work() -> None:
            await self.where.check_way(targets, {name: axis.limits.max_speed for name, axis in axes.items()}, order)
            moves = [
                partial(axis.move_to, targets[name], within_s=within_s, sampled=self.where.sampled(name))
                for name, axis in axes.items()
            ]
            if order == "together":
                await together(moves)
                return
            for move in moves:
                await move()

        where = ", ".join(f"{name} to {target:g} {axes[name].unit}" for name, target in targets.items())
        await self._run(Running(motion, tuple(axes), f"move {where}", work))

    async def sweep(self, axis: str, begin: float, end: float, speed: float, *, within_s: float | None = None) -> None:
        """Return once the axis stands at `end`, after a steady movement from `begin`, where it must stand already.

        Raises as `position` does.
        """
        axis = self.where.called(axis)
        swept = self._axes[axis]
        swept.limits.check_target(axis, begin)
        swept.limits.check_target(axis, end)
        swept.limits.check_speed(axis, speed)

        async def work() -> None:
            await self.where.check_way({axis: end}, {axis: speed}, "together")
            await swept.sweep(begin, end, speed=speed, within_s=within_s, sampled=self.where.sampled(axis))

        what = f"sweep {axis} from {begin:g} to {end:g} {swept.unit} at {speed:.3g} {swept.unit}/s"
        await self._run(Running(Motion.SWEEP, (axis,), what, work))

    async def home(self, *names: str, within_s: float = 120.0) -> None:
        """Find the reference of the named axes, or of all, one after the other; the enable is held meanwhile.

        When all axes have one, positions count as homed, and wait for a person to confirm them.
        """
        homed = tuple(map(self.where.called, names or self._axes))
        axes = [self._axes[name] for name in homed]

        async def work() -> None:
            for axis in axes:
                await axis.home(within_s=within_s)

        await self._run(Running(Motion.HOMING, homed, f"home {', '.join(homed)}", work))
        self._trust.homed(homed)

    async def retreat(self, axis: str, *, speed: float | None = None, within_s: float = 60.0) -> float:
        """Go away from the patient while the enable is held, in every state of fault; return where it stands.

        Letting go of the enable ends it, and so does the limit. Raise `RefusedError` where the profile does not say
        which end is away.
        """
        axis = self.where.called(axis)
        moved = self._axes[axis]
        away = moved.limits.away
        if away is None:
            raise RefusedError(f"the scanner profile does not say which end of {axis} is away from the patient")
        speed = moved.limits.max_speed if speed is None else speed
        moved.limits.check_speed(axis, speed)

        async def work() -> None:
            await moved.jog(away, speed=speed, within_s=within_s)

        running = Running(Motion.RETREAT, (axis,), f"retreat {axis}", work)
        try:
            await self._run(running)
        except MotionError:
            if running.dropped_by not in _LETS_GO or moved.doubtful:
                raise
        return await moved.position()

    async def stop_motion(self) -> StopReport:
        """Stop every axis, whether it moves or not; return how that went. Never refused, never waits for anything.

        The stop is on the wire within 0.25 s and confirmed within 1 s, or the report and an alarm say what was not.
        """
        requests = cancel_requests()
        self._stopping += 1
        try:
            stopping = stop_all(self._axes, self._clock)
            self._drop(Event.STOP, "stopped on request")
            self._switch.apply(Event.STOP)
            stops = await stopping
            if self._running is not None:
                await self._running.ended()
        finally:
            self._stopping -= 1
        self._trust.judge(stops)
        if cancel_requests() > requests:
            raise asyncio.CancelledError
        return report_of(stops)

    # How a movement runs

    async def _run(self, running: Running) -> None:
        """Run a movement while it is allowed; leave only when nothing of it moves."""
        if self._running is not None:
            raise RefusedError(f"axes are busy: {self._running.what}")
        why = self._why_not(running.motion)
        if why is not None:
            raise InterlockError(f"cannot {running.what}: {why}")
        self._running = running
        try:
            with self._interlocks.hurry():
                await running.attend(lambda: self._guard(running))
        except RefusedError as refusal:
            self._trust.look_for_references(running, refusal)
            raise
        except ScandaqError as why_lost:
            if running.dropped_by is None:
                self._trust.lose(Event.FAULT, str(why_lost), running.axes)
            raise
        finally:
            self._running = None
            stand = not any(self._axes[name].doubtful for name in running.axes)
            self._let_go = running.dropped_by in _LETS_GO and stand
            for name in running.axes:
                self.where.rested(name)
            self._trust.look_back(running)

    def _why_not(self, motion: Motion) -> str | None:
        """Return why this kind of movement may not begin or go on now, or None."""
        if self._unattended:
            return "nobody attends: nothing moves before somebody does"
        command = Command.RETREAT if motion is Motion.RETREAT else Command.MOVE
        return self.enable.why_not(motion) or permitted(command, self._interlocks.current(), self._clock())

    def _guard(self, running: Running) -> None:
        """Drop a movement that is not allowed any more; somebody has to press again."""
        why = self._why_not(running.motion)
        if why is not None:
            running.drop(Event.STOP, why)
            self._switch.apply(Event.STOP)

    def _drop(self, event: Event, why: str) -> None:
        if self._running is not None:
            self._running.drop(event, why)

    def _enable_changed(self, event: Event) -> None:
        running = self._running
        if running is not None and self.enable.why_not(running.motion) is not None:
            running.drop(event, f"the motion enable was taken away: {event}")

    def _interlock_changed(self, interlock: Interlock) -> None:
        if interlock.value is False and interlock.kind in _LOSES:
            self._trust.lose(_LOSES[interlock.kind], f"{interlock.name} opened", self._axes)


def _figures(axis: Axis) -> dict[str, Any]:
    last = axis.last
    return {
        "unit": axis.unit,
        "position": None if last is None else last.position,
        "moving": None if last is None else last.moving,
        "homed": None if last is None else last.homed,
        "fault": "" if last is None else last.fault,
    }
