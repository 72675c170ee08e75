"""One acquisition, from preparing to its end: follows the readout, and ends with it, whatever ends it.

A tenth of a second at a time `drive` asks the readout how it is and acts on it. What takes long (preparing, moving
axes) is one background task at a time, `_work`; a stop cancels it, and the motion engine stops the axes on that way
out. What changes the recording is done first and then said; what ends it is said first and then done.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from daq.errors import DeadlineError, ScandaqError, TransitionRefusedError
from daq.model.protocol import AcquisitionProtocol
from daq.services.acquisition.arming import Arming
from daq.services.acquisition.around import Around
from daq.services.acquisition.beating import Beating
from daq.services.acquisition.clockstart import ClockStart, for_people
from daq.services.acquisition.ending import Ending
from daq.services.acquisition.found import reconciled
from daq.services.acquisition.launching import is_armed, launched
from daq.services.acquisition.link import Link
from daq.services.acquisition.outcome import Bell, end_of, sealed_status
from daq.services.acquisition.places import Places
from daq.services.acquisition.progress import ENDS, GOOD_ENDS, Speaker
from daq.services.acquisition.steps import Steps
from daq.services.acquisition.stillthere import StillThere
from daq.services.acquisition.uptake import Injected, UptakeTime
from daq.services.acquisition.way import Way
from daq.services.acquisition.work import Work
from daq.state.acquisition import ENDING, IDLE, RECORDING, State, Trigger, next_state
from daq.state.enable import Motion
from daq.storage.steps import MOTION_LOST

__all__ = ["Around", "Run"]
_LOG = logging.getLogger(__name__)
_TICK_S = 0.1
_LOOK_S = 0.5
_RESULT_S = 5.0
_GIVEN_UP_S = 30.0


class Run:
    """Runs one protocol on one readout."""

    def __init__(
        self, around: Around, protocol: AcquisitionProtocol, *, identity: str, directory: Path,
        launch: Callable[[], Awaitable[Link]], injected: Injected = lambda: None,
    ) -> None:  # fmt: skip
        """`launch` gives the readout: started, or found again after a restart. `injected`: when the tracer was."""
        self.protocol, self.identity, self.directory = protocol, identity, directory
        self._around, self._machine, self._launch = around, around.machine, launch
        self.injected_at = injected
        self._speaker = Speaker(around.bus, around.alarms, identity, protocol)
        self._link: Link | None = None
        self._changing = False
        self._work = Work(identity)
        self._bell = Bell(around.alarms, directory)
        self._places = Places(around.motion.where, self._readout, around.alarms)
        self._ending = Ending(identity, lambda: self._link, self._work)
        way = Way(
            around.machine, around.motion, self._work, around.alarms, self._readout, self._ending.end, self.fault,
            self.motion_lost, self._bell.too_few, around.arming_s, self._places, Beating(around.beats, around.alarms),
            UptakeTime(injected, around.alarms), around.collimator,
        )  # fmt: skip
        self.steps = Steps(protocol, way)
        self._still = StillThere(around.motion, self._readout, around.alarms, self.motion_lost, self.steps.hold)
        self._attending: asyncio.Task[None] | None = None
        self.over = False
        """It has come to its end; the state may be that of another run by now."""
        self._arming = Arming(around.alarms, around.arming_s)
        self._clock_start = ClockStart(self.steps.start, self.mark, around.alarms)
        self.last_status: dict[str, Any] = {}

    async def drive(self) -> None:
        """Run to the end. Cancelled, it leaves the readout to itself, which is what a daemon that ends does."""
        if self._link is None and self._machine.state is State.PREPARING:
            self._work.begin(self._prepare(), "prepare")
        try:
            while not self.over and self._machine.state not in IDLE:
                await self._tick()
                await asyncio.sleep(0 if self.over else _TICK_S)
            await self._follow_to_the_end()
        except Exception as why:
            await self._give_up(f"unexpected {type(why).__name__} in the daemon")
            raise
        finally:
            await self.leave()

    async def adopt(self) -> None:
        """Take over a readout that was found alive, as it is: it has the photons, and decides where the journal errs.

        Nothing moves on its own after a restart: what moved, or was about to, is interrupted.
        """
        self._link = await self._launch()
        status = await self._link.status()
        changes = reconciled(self._machine.entry, status)
        self.steps.found(changes)
        stood: dict[str, object] = {"stood": {}} if "step" in changes else {}
        self._machine.note("goes on after a restart of the station's program", **changes, **stood)
        self._attend()
        self._arming.renew()
        if self._machine.state in RECORDING:
            self._places.begin()
        state = self._machine.state
        ended = bool(status.get("step_ended_by"))  # the next tick goes on from there
        if state is State.PREPARING:
            self._machine.fire(Trigger.ABORT, "the station's program was restarted while it prepared")
            await self._ending.end("could not be prepared")
        elif state is State.POSITIONING or (self.moves and not ended):
            await self.motion_lost("the station's program was restarted while axes moved")
        elif state is State.ACQUIRING or (state is State.PAUSED and not ended):
            self._still.begin(self.steps.current, self._machine.entry.stood)

    @property
    def moves(self) -> bool:
        """Return True where axes move for it now: between two steps, in a sweep, before the first step."""
        state, step = self._machine.state, self.steps.current
        sweeping = state in RECORDING and step is not None and step.moving and not self.steps.between
        return sweeping or state in (State.PREPARING, State.POSITIONING)

    # What a person asks for

    async def stop(self, trigger: Trigger, by: str) -> None:
        """End in order by `stop` or `abort`, whatever is under way."""
        before = self._machine.state
        if self.steps.closed:
            return  # it has ended; that is being put into the records
        self._machine.fire(trigger, by)
        self.steps.cut(self.last_status, before)
        await self._ending.end(by)

    async def start(self, at: datetime | None = None) -> None:
        """Begin the first step, or the one that waits; `at` a time of day within 24 h, which a start by hand replaces.

        Raise `TransitionRefusedError` where nothing is to be started, `RefusedError` for a time that has passed.
        """
        if at is None:
            self._clock_start.cancel()
            await self.steps.start()
            return
        next_state(self._machine.state, Trigger.START)
        left_s = self._clock_start.arm(at)
        self._arming.renew(at_least_s=left_s)
        self._machine.note(f"starts by the clock at {for_people(at)}")

    async def mark(self, text: str) -> None:
        """Put a text into the recording."""
        await self._readout().mark(text)

    async def injected(self, by: str, monotonic_ns: int) -> bool:
        """Mark the moment of an injection in the recording; return False where none is under way."""
        if self._machine.state not in RECORDING:
            return False
        await self._readout().injected(by, monotonic_ns)
        return True

    @property
    def arming_s(self) -> float:
        """Return how long it waits for its start when nobody renews that."""
        return self._arming.lasts_s

    @property
    def armed_for_s(self) -> float | None:
        """Return how long it still waits for its start; None where it is not armed."""
        return self._arming.left_s if self._machine.state is State.ARMED else None

    def renew_arming(self) -> None:
        """Wait for the start as long again; raise `TransitionRefusedError` when not armed."""
        if self._machine.state is not State.ARMED:
            raise TransitionRefusedError(f"nothing is armed; the state is {self._machine.state}")
        self._arming.renew(at_least_s=self._clock_start.left_s)

    async def change(self, protocol: AcquisitionProtocol, launch: Callable[[], Awaitable[Link]], **noted: Any) -> None:
        """Acquire by `protocol`, the same but for its energy windows: the armed readout is let go, another takes over.

        `noted`: fields of the journal. Raise `TransitionRefusedError` where it is not armed. A moment later it is armed
        again; where that cannot be done it is aborted.
        """
        next_state(self._machine.state, Trigger.CHANGE)
        before, self._changing = self._readout(), True
        try:
            await before.release()
            self._link = None
        finally:
            self._changing = False
        if self._attending is not None:
            self._attending.cancel()
        await before.close()
        self._machine.fire(Trigger.CHANGE, "the energy window is changed", **noted)
        self._launch, self.protocol = launch, protocol
        self._work.begin(self._arm(), "change")

    # What happens to it

    async def motion_lost(self, why: str) -> None:
        """End as interrupted: an axis did something else than it was told, or nobody watches over it any more."""
        before = self._machine.state
        if self.steps.closed or not self._machine.fire_if_possible(Trigger.MOTION_LOST, why):
            return
        if self._link is not None and before in RECORDING:
            await self._ending.lose_motion(self._link, why)
        else:
            await self._ending.end(MOTION_LOST)

    async def fault(self, why: str) -> None:
        """End as a fault."""
        if not self.steps.closed and self._machine.fire_if_possible(Trigger.FAULT_FOUND, why):
            await self._ending.end("fault")

    # The way from step to step

    async def _tick(self) -> None:
        await self._look_at_work()
        if self._link is None:
            if self._machine.state in ENDING and not self._work.under_way:
                await self._finished(Trigger.SEALED, self._machine.entry.detail)  # there is nothing to be sealed
            return
        link = self._link
        try:
            status = await link.status()
        except DeadlineError as why:
            if link is self._link and not self._changing:  # else another takes its place
                await self._ending.end("the daemon has lost hold of it")  # should it live
                await self._lost(str(why))
            return
        if link is not self._link or self._changing:
            return  # another takes its place
        self.last_status = status
        if self.last_status["state"] in ENDS:
            await self._ended(self.last_status)
        else:
            await self._look_at_readout(self.last_status)

    async def _look_at_readout(self, status: dict[str, Any]) -> None:
        state = self._machine.state
        if state in RECORDING | ENDING:
            self._arming.over()
            self._speaker.say(status, step=self._machine.entry.step)
        if state in (State.ARMED, State.WAITING):
            self.steps.remind()
        if state in ENDING:
            await self._ending.insist(status, self._why_ended)
        elif state in RECORDING and status.get("step_ended_by") == MOTION_LOST:
            await self.motion_lost(
                "nobody watched over the axes while they moved: the station's program did not answer"
            )
        elif state in RECORDING or status["state"] == "recording":
            if not self._still.pending:
                await self.steps.look(status)
        elif state is State.ARMED and self._arming.expired():
            self._machine.fire(Trigger.ARMING_EXPIRED, f"nobody pressed Start for {self._arming.lasts_s / 60:g} min")
            await self._ending.end("arming expired")

    async def _look_at_work(self) -> None:
        """See what became of the background task."""
        why = self._work.failure()
        if why is None:
            return
        if not isinstance(why, ScandaqError):
            _LOG.error("unexpected in the background of %s", self.identity, exc_info=why)
            await self.fault(f"unexpected {type(why).__name__} in the daemon")
        elif self._machine.state is State.PREPARING:
            await self._cannot_prepare(str(why))
        else:
            await self.motion_lost(str(why))

    async def _cannot_prepare(self, why: str) -> None:
        if self._link is None:
            await self._finished(Trigger.CANNOT_PREPARE, why)
            return
        self._machine.fire(Trigger.ABORT, why)
        await self._ending.end("could not be prepared")

    # Before the first step

    async def _prepare(self) -> None:
        first = self.protocol.steps[0]
        self.steps.show(first)
        await self.steps.reach(first, Motion.POSITIONING)
        await self._arm()

    async def _arm(self) -> None:
        await launched(self._launch, self._took)
        if await is_armed(self._readout()):  # else the tick says what ended it
            self._arming.renew(at_least_s=self._clock_start.left_s)
            self._machine.fire(Trigger.PREPARED, "")

    def _took(self, link: Link) -> None:
        self._link = link
        self._attend()

    # The end

    async def _ended(self, status: dict[str, Any]) -> None:
        """Take note that the readout has ended, and of how."""
        with contextlib.suppress(DeadlineError):  # axes that do not stop: the motion engine says so
            await self._work.cancel()
        if status["state"] == "gone":
            sealed = await asyncio.to_thread(sealed_status, self.directory)
            status = status if sealed is None else sealed
        if status["state"] not in GOOD_ENDS:
            await self._lost(str(status.get("error") or "the readout is gone"))
            return
        self.steps.settle(status)
        entry = self._machine.entry
        trigger, detail = end_of(entry.state, status, steps=len(self.protocol.steps), detail=entry.detail)
        if status.get("error"):
            self._bell.recording_failed(detail)
        await self._finished(trigger, detail)

    async def _lost(self, why: str) -> None:
        text = self._bell.readout_lost(why, recorded=self._machine.entry.step > 0)
        await self._finished(Trigger.READOUT_LOST, text)

    async def _finished(self, trigger: Trigger, detail: str) -> None:
        """Leave the acquisition behind: records first, then the state, which lets the next one begin.

        Nothing that is asked for or happens meanwhile changes what it is called.
        """
        self.steps.closed = True
        self._hush()
        if self._machine.entry.step and (missing := self.steps.hand_overs.missing()):
            self._bell.not_handed_over(", ".join(each.name for each in missing))
        try:
            await self._around.on_ended(self, next_state(self._machine.state, trigger), detail)
        except Exception:  # noqa: BLE001 - whatever it is, what has ended is said
            _LOG.exception("the records of %s could not be closed", self.identity)
        self._machine.fire(trigger, detail)
        self.over = True

    async def _give_up(self, why: str) -> None:
        """End it without looking at it any more: this program has a fault. The readout seals what it has."""
        if self.over:
            return
        with contextlib.suppress(DeadlineError):
            await self.fault(why)
        until_s = asyncio.get_running_loop().time() + _GIVEN_UP_S
        while self._link is not None and asyncio.get_running_loop().time() < until_s:
            with contextlib.suppress(Exception):  # whatever it is, it is a fault that has been told already
                status = await self._link.status()
                if status["state"] in ENDS:
                    break
                await self._ending.insist(status, self._why_ended)
            await asyncio.sleep(_TICK_S)
        await self._finished(Trigger.SEALED, why)

    async def _follow_to_the_end(self) -> None:
        """Wait for the readout to end after sealing: it works out the checksums of the files."""
        if self._link is None:
            return
        try:
            while await self._link.running():  # noqa: ASYNC110 - a process of its own, which cannot tell us
                await asyncio.sleep(_LOOK_S)
            self.last_status = await self._link.result(_RESULT_S)
        except ScandaqError as why:
            _LOG.warning("the readout of %s ended with: %s", self.identity, why)
        await self._around.on_hashed(self)

    def _hush(self) -> None:
        """Say nothing more of how it is: the next one may be under way."""
        self._speaker.close()
        self._places.end()
        self._still.end()
        self.steps.readiness.end()
        self._arming.over()
        self._clock_start.cancel()
        if self._attending is not None:
            self._attending.cancel()

    async def leave(self) -> None:
        """Follow the readout no longer. It goes on."""
        if not self.over:
            self._hush()
        with contextlib.suppress(DeadlineError):
            await self._work.cancel()
        if self._link is not None:
            with contextlib.suppress(ScandaqError):
                await self._link.close()

    # Small things

    @property
    def _why_ended(self) -> str:
        return self._machine.entry.detail[:100] or str(self._machine.state)

    def _attend(self) -> None:
        if self._link is not None:
            self._attending = asyncio.create_task(self._link.attend(), name=f"attend-{self.identity}")

    def _readout(self) -> Link:
        if self._link is None:
            raise TransitionRefusedError("there is no readout yet")
        return self._link
