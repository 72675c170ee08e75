"""One acquisition, from preparing to its end: follows the readout, goes from step to step, does what a person asks.

A tenth of a second at a time `drive` asks the readout how it is and acts on it. What takes long (preparing, moving
axes) is one background task at a time, `_work`; a stop cancels it, and the motion engine stops the axes on that way
out. What changes the recording is done first and then said; what ends it is said first and then done.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import DeadlineError, InterlockError, ScandaqError, TransitionRefusedError
from daq.model.protocol import AcquisitionProtocol, PauseMeaning, Step
from daq.services.acquisition.arming import Arming
from daq.services.acquisition.found import reconciled
from daq.services.acquisition.link import Link
from daq.services.acquisition.machine import Machine
from daq.services.acquisition.progress import DEVICE, ENDS, GOOD_ENDS, Speaker
from daq.services.acquisition.work import Work
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.state.acquisition import ENDING, IDLE, RECORDING, State, Trigger, next_state

if TYPE_CHECKING:
    from daq.services.motion import MotionEngine

_LOG = logging.getLogger(__name__)
_TICK_S = 0.1
_READY_S = 60.0
_ENABLE_POLL_S = 0.25
_HASH_S = 3600.0


@dataclass(frozen=True, slots=True)
class Around:
    """What a run works with."""

    machine: Machine
    bus: Bus
    alarms: Alarms
    motion: MotionEngine
    on_ended: Callable[[Run], Awaitable[None]]
    """Awaited when the recording is sealed or lost, before a person can begin the next one."""
    arming_s: float = 1800.0
    """How long an armed acquisition waits for its start."""


class Run:
    """Runs one protocol on one readout."""

    def __init__(
        self, around: Around, protocol: AcquisitionProtocol, *, identity: str, directory: Path,
        launch: Callable[[], Awaitable[Link]],
    ) -> None:  # fmt: skip
        """`launch` gives the readout: started, or found again after a restart."""
        self.protocol, self.identity, self.directory = protocol, identity, directory
        self._around, self._machine, self._launch = around, around.machine, launch
        self._speaker = Speaker(around.bus, around.alarms, identity, protocol)
        self._link: Link | None = None
        self._work = Work(identity)
        self._turn = asyncio.Lock()
        """Held by whoever goes from step to step or holds a step up; never by a stop."""
        self._attending: asyncio.Task[None] | None = None
        self._between = False
        """The step has reached its end and the next one has not begun."""
        self._pause_wanted = False
        self._swept = False
        self._over = False
        """It has come to its end; the state may be that of another run by now."""
        self._arming = Arming(around.alarms, around.arming_s)
        self.last_status: dict[str, Any] = {}

    @property
    def step(self) -> Step | None:
        """Return the step that runs or ran last; None before the first."""
        number = self._machine.entry.step
        return self.protocol.steps[number - 1] if number else None

    async def drive(self) -> None:
        """Run to the end. Cancelled, it leaves the readout to itself, which is what a daemon that ends does."""
        if self._link is None and self._machine.state is State.PREPARING:
            self._work.begin(self._prepare(), "prepare")
        try:
            while not self._over and self._machine.state not in IDLE:
                await self._tick()
                await asyncio.sleep(0 if self._over else _TICK_S)
            await self._follow_to_the_end()
        finally:
            await self._leave()

    async def adopt(self) -> None:
        """Take over a readout that was found alive, as it is: it has the photons, and decides where the journal errs.

        Nothing moves on its own after a restart: what moved, or was about to, is interrupted.
        """
        self._link = await self._launch()
        status = await self._link.status()
        changes = reconciled(self._machine.entry, status)
        self._machine.note("found again after a restart of the daemon", **changes)
        self._attend()
        self._show(self.step)
        self._arming.renew()
        state, step = self._machine.state, self.step
        self._between = state in RECORDING and bool(status.get("step_ended_by"))
        if state is State.PREPARING:
            self._machine.fire(Trigger.ABORT, "the daemon was restarted while it prepared")
            await self._end_readout("could not be prepared")
        elif state is State.POSITIONING or (
            state in RECORDING and step is not None and step.moving and not self._between
        ):
            await self.motion_lost("the daemon was restarted while axes moved")
        elif state in ENDING:
            await self._end_readout(self._machine.entry.detail[:100] or str(state))

    # What a person asks for

    async def start(self) -> None:
        """Begin the first step, or the one that waits for a person."""
        async with self._turn:
            self._require(Trigger.START)
            if self._machine.state is State.WAITING:
                await self._go(Trigger.START)
                return
            await self._readout().start()
            self._machine.fire(Trigger.START, step=1)
            self._sweep_if_any(self.protocol.steps[0])

    async def pause(self) -> str:
        """Pause as the kind of acquisition does; return what that means, in words."""
        async with self._turn:
            self._require(Trigger.PAUSE)
            if self._machine.state is State.POSITIONING:
                self._machine.fire(Trigger.PAUSE, "axes stopped between two steps")
                await self._work.cancel()
                return "the axes are stopped; resume goes on to the next step"
            step = self.step
            return await self._hold(step.pause if step is not None else PauseMeaning.GAP_MARKED)

    async def _hold(self, meaning: PauseMeaning) -> str:
        if meaning is PauseMeaning.FINISH_STEP:
            self._pause_wanted = True
            self._machine.note("pauses at the end of this step")
            return "pauses at the end of this step"
        if meaning is PauseMeaning.TIME_RUNS:
            await self._readout().mark("pause asked for; time runs on")
            self._machine.fire(Trigger.PAUSE, "time runs on")
            return "time runs on: this kind cannot be held"
        await self._readout().pause()
        self._machine.fire(Trigger.PAUSE, "")
        return "what comes now is kept and does not count"

    async def resume(self) -> None:
        """Go on: with the step, or with the next one where it had ended."""
        async with self._turn:
            self._require(Trigger.RESUME)
            self._pause_wanted = False
            if self._between:
                await self._go(Trigger.RESUME)
                return
            if self.step is not None and self.step.pause is PauseMeaning.TIME_RUNS:
                await self._readout().mark("resumed")
            else:
                await self._readout().resume()
            self._machine.fire(Trigger.RESUME, "")

    async def stop(self, trigger: Trigger, by: str) -> None:
        """End in order by `stop` or `abort`, whatever is under way."""
        self._machine.fire(trigger, by)
        await self._end_readout(by)

    async def mark(self, text: str) -> None:
        """Put a text into the recording."""
        await self._readout().mark(text)

    def renew_arming(self) -> None:
        """Wait for the start as long again; raise `TransitionRefusedError` when not armed."""
        if self._machine.state is not State.ARMED:
            raise TransitionRefusedError(f"nothing is armed; the state is {self._machine.state}")
        self._arming.renew()

    # What happens to it

    async def motion_lost(self, why: str) -> None:
        """End as interrupted: an axis did something else than it was told, or nobody watches over it any more."""
        before = self._machine.state
        if not self._machine.fire_if_possible(Trigger.MOTION_LOST, why, rehome=True):
            return
        await self._work.cancel()
        with contextlib.suppress(ScandaqError):  # it does not answer, or has ended: the next tick finds that out
            if self._link is not None and before in RECORDING:
                await self._link.motion_lost(why)
                return
        await self._end_readout("motion lost")

    async def fault(self, why: str) -> None:
        """End as a fault."""
        if self._machine.fire_if_possible(Trigger.FAULT_FOUND, why):
            await self._end_readout("fault")

    # The way from step to step

    async def _tick(self) -> None:
        await self._look_at_work()
        if self._link is None:
            if self._machine.state in ENDING and not self._work.under_way:
                self._over = True
                self._machine.fire(Trigger.SEALED, self._machine.entry.detail)  # there is nothing to be sealed
            return
        try:
            self.last_status = await self._link.status()
        except DeadlineError as why:
            await self._lost(str(why))
            return
        if self.last_status["state"] in ENDS:
            await self._ended(self.last_status)
        else:
            await self._look_at_readout(self.last_status)

    async def _look_at_readout(self, status: dict[str, Any]) -> None:
        state = self._machine.state
        if state in RECORDING | ENDING:
            self._speaker.say(status, step=self._machine.entry.step)
        if state in RECORDING:
            await self._look_at_step(status)
        elif state is State.ARMED and self._arming.expired():
            self._machine.fire(Trigger.ARMING_EXPIRED, f"armed for {self._arming.lasts_s:g} s without a start")
            await self._end_readout("arming expired")

    async def _look_at_work(self) -> None:
        """See what became of the background task."""
        why = self._work.failure()
        if why is None:
            return
        if not isinstance(why, ScandaqError):
            _LOG.error("unexpected in the background of %s", self.identity, exc_info=why)
            await self.fault(f"unexpected {type(why).__name__}: {why}")
        elif self._machine.state is State.PREPARING:
            await self._cannot_prepare(str(why))
        else:
            await self.motion_lost(str(why))

    async def _cannot_prepare(self, why: str) -> None:
        if self._link is None:
            self._over = True
            self._machine.fire(Trigger.CANNOT_PREPARE, why)
            return
        self._machine.fire(Trigger.ABORT, why)
        await self._end_readout("could not be prepared")

    async def _look_at_step(self, status: dict[str, Any]) -> None:
        """Go on where a step has reached its end."""
        async with self._turn:
            entry = self._machine.entry
            over = self._swept or (status.get("step") == entry.step and status.get("step_ended_by"))
            if self._between or not over or entry.state not in (State.ACQUIRING, State.PAUSED):
                return
            self._between = True
            try:
                if not self._swept:
                    await self._work.cancel()  # its limit was reached before the end of its sweep
                await self._after_step()
            except ScandaqError as why:
                if self._machine.state in RECORDING:  # not for a stop that came in between
                    await self.fault(f"after step {entry.step}: {why}")

    async def _after_step(self) -> None:
        if self._machine.entry.step == len(self.protocol.steps):
            self._machine.fire(Trigger.ALL_STEPS_DONE, "")
            await self._end_readout("all steps done")
        elif self._machine.state is State.PAUSED:
            return
        elif self._pause_wanted:
            await self._readout().pause()
            self._machine.fire(Trigger.PAUSE, "paused between two steps")
        elif self._following().start == "manual":
            self._show(self._following())
            self._machine.fire(Trigger.STEP_WAITS, f"next: {self._following().name}")
        else:
            await self._go(Trigger.NEXT_STEP)

    async def _go(self, trigger: Trigger) -> None:
        """Begin the next step, from where `trigger` leads out of; move axes first where it stands elsewhere."""
        following = self._following()
        self._show(following)
        if following.positions and not await self._around.motion.is_at(following.positions):
            self._machine.fire(Trigger.STEP_MOVES, f"to {following.name}")
            self._work.begin(self._move_and_begin(following), "position")
            return
        await self._begin_step(following)
        self._machine.fire(trigger, "", step=self._machine.entry.step + 1)
        self._sweep_if_any(following)

    async def _move_and_begin(self, following: Step) -> None:
        await self._reach(following)
        await self._begin_step(following)
        self._machine.fire(Trigger.POSITIONED, "", step=self._machine.entry.step + 1)
        self._sweep_if_any(following)

    async def _begin_step(self, step: Step) -> None:
        await self._readout().step(step.stop_limits(), name=step.name, moving=step.moving)
        self._between = self._swept = False

    def _sweep_if_any(self, step: Step) -> None:
        if step.sweep is not None:
            self._work.begin(self._sweep(step), "sweep")

    async def _sweep(self, step: Step) -> None:
        if step.sweep is None:
            return
        sweep = step.sweep
        await self._around.motion.sweep(sweep.axis, sweep.begin, sweep.end, sweep.speed)
        self._swept = True

    def _following(self) -> Step:
        return self.protocol.steps[self._machine.entry.step]

    # Before the first step

    async def _prepare(self) -> None:
        first = self.protocol.steps[0]
        self._show(first)
        await self._reach(first)
        await self._launched()
        self._attend()
        async with asyncio.timeout(_READY_S):
            while (status := await self._link.status())["state"] != "armed":
                if status["state"] in ENDS:
                    return  # the tick says what ended it
                await asyncio.sleep(_TICK_S / 2)
        self._arming.renew()
        self._machine.fire(Trigger.PREPARED, "")

    async def _launched(self) -> None:
        """Launch the readout. A stop that comes meanwhile finds it launched, and ends it."""
        launching = asyncio.ensure_future(self._launch())
        try:
            self._link = await asyncio.shield(launching)
        except asyncio.CancelledError:
            self._link = await launching
            raise

    async def _reach(self, step: Step) -> None:
        """Move to where the step begins; wait for the motion enable, which a person gives in the room."""
        targets = dict(step.positions)
        if step.sweep is not None:
            targets.setdefault(step.sweep.axis, step.sweep.begin)
        said = False
        deadline_s = time.monotonic() + self._around.arming_s
        while targets and not await self._around.motion.is_at(targets):
            try:
                await self._around.motion.position(targets)
            except InterlockError as why:
                if time.monotonic() > deadline_s:
                    raise
                if not said:
                    self._machine.note(str(why))
                    said = True
                await asyncio.sleep(_ENABLE_POLL_S)

    # The end

    async def _ended(self, status: dict[str, Any]) -> None:
        self._pause_wanted = False
        await self._work.cancel()
        if status["state"] not in GOOD_ENDS:
            await self._lost(str(status.get("error") or "the readout is gone"))
            return
        detail = self._machine.entry.detail
        if self._machine.state not in ENDING or status.get("error"):
            detail = str(status.get("error") or f"the recording ended by itself: {status.get('ended_by')}")
        await self._around.on_ended(self)
        self._over = True
        self._machine.fire(Trigger.SEALED, detail)

    async def _lost(self, why: str) -> None:
        self._around.alarms.raise_(
            DEVICE, "readout-lost", priority="high", text=why,
            guidance=f"what was acknowledged is safe: daq listmode recover {self.directory} --out NEW",
        )  # fmt: skip
        await self._around.on_ended(self)
        self._over = True
        self._machine.fire_if_possible(Trigger.READOUT_LOST, why)

    async def _follow_to_the_end(self) -> None:
        """Wait for the readout to end after sealing: it works out the checksums of the files."""
        if self._link is None:
            return
        try:
            self.last_status = await self._link.result(_HASH_S)
        except ScandaqError as why:
            _LOG.warning("the readout of %s ended with: %s", self.identity, why)
        await self._around.on_ended(self)

    async def _leave(self) -> None:
        self._speaker.close()
        self._arming.over()
        if self._attending is not None:
            self._attending.cancel()
        await self._work.cancel()
        if self._link is not None:
            await self._link.close()

    async def _end_readout(self, by: str) -> None:
        """Stop the readout first, then what moves: counts end where they should, and both are on their way at once."""
        if self._link is None:
            await self._work.cancel()  # which may have launched it just now
        if self._link is None:
            return
        results = await asyncio.gather(self._link.stop(by), self._work.cancel(), return_exceptions=True)
        for why in results:
            if isinstance(why, ScandaqError):
                _LOG.warning("stopping %s: %s", self.identity, why)
            elif isinstance(why, BaseException):
                raise why

    # Small things

    def _show(self, step: Step | None) -> None:
        self._machine.show_step(
            steps=len(self.protocol.steps), name=step.name if step else "", moving=step.moving if step else False
        )

    def _attend(self) -> None:
        if self._link is not None:
            self._attending = asyncio.create_task(self._link.attend(), name=f"attend-{self.identity}")

    def _readout(self) -> Link:
        if self._link is None:
            raise TransitionRefusedError("there is no readout yet")
        return self._link

    def _require(self, trigger: Trigger) -> None:
        """Refuse at once what the table does not allow, before anything is done."""
        next_state(self._machine.state, trigger)
