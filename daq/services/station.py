"""The one place that knows what the station is doing, and the one function by which anybody asks for something.

Every request is checked (verb, arguments, who may), put into the audit log, carried out, and its result is logged, too.
Requests that change something are carried out one after the other; stopping never waits for anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from daq.errors import MissingError, RefusedError, ScandaqError, TransitionRefusedError, UnexpectedError, UsageError
from daq.model.arguments import Arguments, OfRun
from daq.model.qc.verbs import QcRun
from daq.model.station import Actor, payload
from daq.model.verbs import (
    ALWAYS,
    ASKING,
    IN_TURN,
    AcknowledgeAlarm,
    Amend,
    Confirm,
    HandOver,
    Home,
    LowerVoltage,
    Mark,
    Prepare,
    Residual,
    Retreat,
    Simulate,
    Start,
    checked,
)
from daq.services.acquisition.machine import Machine
from daq.services.acquisition.run import Run
from daq.services.alarms import Alarms
from daq.services.audit import Audit
from daq.services.bus import Bus
from daq.services.motion.engine import MotionEngine
from daq.services.motion.report import MotionLoss
from daq.services.qc.desk import Desk
from daq.services.stationlines import RequestLines
from daq.state.acquisition import IDLE, Trigger, possible

_LOG = logging.getLogger(__name__)
_TURN_S = 30.0
_AT_A_TIME = 20
_ORIENTATION_STAYS = (
    ". How the patient lies is said before the start and stays so: it decides what is left and right in every picture; "
    "abort, and prepare again with the patient as he lies"
)


class Runs(Protocol):
    """Makes runs: checks a request, plans the recording. Raises what speaks against it."""

    async def planned(self, request: Prepare, actor: Actor, qc: Mapping[str, Any] | None = None) -> Run:
        """Return a run that is ready to be driven, its journal entry written. `qc`: which test it is, plain data."""
        ...

    def redacted(self, text: str) -> str:
        """Return a text without what identifies the patient of the run under way."""
        ...

    async def injected_now(self, run: Run, actor: Actor) -> dict[str, Any]:
        """Note the time of injection; return the administration record without identity."""
        ...

    async def amended(self, request: Amend | Residual, actor: Actor) -> dict[str, Any]:
        """Change an administration record, also of a run that has ended; return what it says now."""
        ...

    def doubts(self, run: Run) -> list[str]:
        """Return what a person should know before a run begins."""
        ...

    async def handed_over(self, run: Run, request: HandOver, actor: Actor) -> dict[str, Any]:
        """Take the record of a hand-over; return what was confirmed, and what is missing."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a station is made of."""

    machine: Machine
    bus: Bus
    alarms: Alarms
    audit: Audit
    motion: MotionEngine
    runs: Runs
    lower_voltage: Callable[[str | None, float], Awaitable[dict[str, Any]]]
    simulate: Callable[[str, str, Any], Awaitable[dict[str, Any]]] | None = None
    on_devices: Mapping[str, Callable[[Any, Actor], Awaitable[dict[str, Any]]]] = field(default_factory=dict)
    """Verbs about devices and controllers, and who carries them out."""
    desk: Desk | None = None
    """Knows the tests of quality control; None at a station without any."""
    further: Mapping[str, Callable[[Any, Actor], Awaitable[dict[str, Any]]]] = field(default_factory=dict)
    """Verbs that neither devices nor the acquisition under way have to do with."""
    rising: Callable[[], str] = str
    """Says which voltages are raised now: photons counted meanwhile would have another energy each second."""


class Station:
    """Carries out requests."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._machine = parts.machine
        self._turn = asyncio.Lock()
        self.run: Run | None = None
        self.request: Prepare | None = None
        """With which arguments it was prepared; None where it was another daemon that did."""
        self._driving: dict[str, asyncio.Task[None]] = {}
        self._losing: set[asyncio.Task[None]] = set()
        parts.motion.on_lost = self.motion_lost
        self._do: dict[str, Callable[[Any, Actor], Awaitable[dict[str, Any]]]] = {
            "status": self._status, "describe": self._describe, "alarms": self._alarms, "prepare": self._prepare,
            "start": self._start, "pause": self._pause, "resume": self._resume, "stop": self._stop,
            "end-step": self._end_step,
            "abort": self._abort, "acknowledge": self._acknowledge, "acknowledge-alarm": self._acknowledge_alarm,
            "acknowledge-low-alarms": self._acknowledge_low,
            "renew-arming": self._renew, "injected-now": self._injected, "residual": self._amend,
            "amend": self._amend, "confirm": self._confirm, "home": self._home,
            "hand-over": self._hand_over, "retreat": self._retreat, "mark": self._mark,
            "stop-motion": self._stop_motion, "lower-voltage": self._lower_voltage, "simulate": self._simulate,
            "qc-run": self._qc_run, **parts.on_devices, **parts.further,
        }  # fmt: skip

    def take_on(self, verb: str, do: Callable[[Any, Actor], Awaitable[dict[str, Any]]]) -> None:
        """Have a verb carried out by somebody who was built after the station."""
        self._do[verb] = do

    async def command(self, verb: str, args: dict[str, object], actor: Actor) -> dict[str, object]:
        """Do what `actor` asks for and return the answer; raise a `ScandaqError` where it is refused or fails."""
        if verb in ASKING:
            return await self._done(verb, checked(verb, args, actor), actor)
        line = RequestLines(self._parts.audit, self._machine, self._parts.runs, verb, args, actor).write
        try:
            request = checked(verb, args, actor)
            if isinstance(request, Prepare | QcRun):
                await line("asked", wait=True)  # who asked for it stands there before anything moves
            else:
                await line("asked")
            answer = await self._in_turn(verb, request, actor)
        except ScandaqError as why:
            refused = isinstance(why, (RefusedError, UsageError))
            await line("refused" if refused else "failed", str(why), wait=verb not in ALWAYS)
            raise
        except Exception as why:
            _LOG.exception("unexpected in %s", verb)
            await line("failed", f"unexpected {type(why).__name__}")
            raise UnexpectedError(f"{verb}: unexpected {type(why).__name__} in the daemon; its log tells more") from why
        await line("done", wait=verb not in ALWAYS, answer=answer)
        return answer

    async def take_over(self, run: Run) -> None:
        """Drive a run that was found under way when the daemon started."""
        await run.adopt()
        self._drive(run)

    def look_back(self, run: Run | None) -> None:
        """Take a run that had ended before this daemon was started: people look at it, and nothing drives it."""
        self.run = run

    def lose_motion(self, why: str) -> None:
        """Trust no position any more: axes are homed and a person confirms before anything moves."""
        if self._parts.motion.axes:
            self._parts.motion.lose(why)

    async def close(self) -> None:
        """Let go of every run. Readouts go on by themselves."""
        tasks = list(self._driving.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=5.0)

    def motion_lost(self, loss: MotionLoss) -> None:
        """Hear that axes did something else than they were told. A view that moves is interrupted, others go on."""
        self._machine.note(rehome=True)
        run = self.run
        if run is not None and run.moves and self._machine.state not in IDLE:
            task = asyncio.create_task(run.motion_lost(loss.text), name=f"motion-lost-{run.identity}")
            self._losing.add(task)
            task.add_done_callback(self._losing.discard)

    # How a request is carried out

    async def _in_turn(self, verb: str, request: Arguments, actor: Actor) -> dict[str, Any]:
        if verb not in IN_TURN:
            return await self._done(verb, request, actor)
        try:
            async with asyncio.timeout(_TURN_S):
                await self._turn.acquire()
        except TimeoutError:
            raise RefusedError(f"{verb}: another request has been under way for {_TURN_S:g} s") from None
        try:
            return await self._done(verb, request, actor)
        finally:
            self._turn.release()

    async def _done(self, verb: str, request: Arguments, actor: Actor) -> dict[str, Any]:
        if verb not in self._do:
            raise RefusedError(f"this station has no devices to {verb}")
        if isinstance(request, OfRun):
            self._machine.require_run(request.run)
        return await self._do[verb](request, actor)

    def _drive(self, run: Run) -> None:
        self.run = run
        task = asyncio.create_task(run.drive(), name=f"run-{run.identity}")
        self._driving[run.identity] = task
        task.add_done_callback(lambda done: self._driven(run, done))

    def _driven(self, run: Run, task: asyncio.Task[None]) -> None:
        self._driving.pop(run.identity, None)
        if task.cancelled() or task.exception() is None:
            return
        why = task.exception()
        _LOG.error("the run %s ended unexpectedly", run.identity, exc_info=why)
        self._parts.alarms.raise_(
            "acquisition",
            "daemon-fault",
            priority="high",
            text="a fault of the station's program ended the acquisition",
            guidance="what was recorded is kept; repeat the view, and tell whoever services the scanner",
            details=f"{run.identity}: {type(why).__name__}; the daemon's log tells more. Restart it when nothing is "
            "under way",
        )  # fmt: skip
        self._parts.alarms.clear("acquisition", "daemon-fault")
        if not run.over:  # else the state may be that of the next run by now
            self._machine.fire_if_possible(Trigger.FAULT_FOUND, f"unexpected {type(why).__name__} in the daemon")

    def _current(self) -> Run:
        if self.run is None or self._machine.state in IDLE:
            legal = ", ".join(possible(self._machine.state))
            raise TransitionRefusedError(
                f"no acquisition is under way; the state is {self._machine.state}; possible: {legal}"
            )
        return self.run

    # Verbs

    async def _status(self, _: Arguments, __: Actor) -> dict[str, Any]:
        return {
            **payload(self._machine.status()),
            "directory": self._machine.entry.directory,
            "alarms": [payload(alarm) for alarm in self._parts.alarms.active()],
            "motion": self._parts.motion.figures(),
            "bed": None if self._parts.desk is None else self._parts.desk.bed.figures(),
        }

    async def _describe(self, _: Arguments, __: Actor) -> dict[str, Any]:
        return {"announced": [{"kind": type(said).__name__, **payload(said)} for said in self._parts.bus.newest()]}

    async def _alarms(self, _: Arguments, __: Actor) -> dict[str, Any]:
        return {"alarms": [payload(alarm) for alarm in self._parts.alarms.active()]}

    async def _prepare(self, request: Prepare, actor: Actor) -> dict[str, Any]:
        self._require_free("prepare", "" if request.patient_orientation is None else _ORIENTATION_STAYS)
        run = await self._parts.runs.planned(request, actor)
        self._drive(run)
        self.request = request
        return self._prepared(run)

    async def _qc_run(self, request: QcRun, actor: Actor) -> dict[str, Any]:
        desk = self._parts.desk
        if desk is None:
            raise RefusedError("this station has no scanner profile: it knows no tests of quality control")
        self._require_free("run a test")
        asked = await desk.asked(request, actor)
        run = await self._parts.runs.planned(asked.prepare, actor, asked.told)
        self._drive(run)
        self.request = asked.prepare
        await desk.begun(run, request.test, asked.protocol)
        return {"test": request.test, "source": asked.told["source"], **self._prepared(run)}

    def _require_free(self, what: str, why: str = "") -> None:
        if not self._machine.allows(Trigger.PREPARE):
            legal = ", ".join(possible(self._machine.state))
            raise TransitionRefusedError(f"cannot {what} while {self._machine.state}; possible: {legal}{why}")

    def _prepared(self, run: Run) -> dict[str, Any]:
        about = {"run": run.identity, "directory": str(run.directory), "doubts": self._parts.runs.doubts(run)}
        return {**about, "state": str(self._machine.state)}

    async def _start(self, request: Start, _: Actor) -> dict[str, Any]:
        self._require_steady("start")
        await self._current().start(request.moment)
        return self._said()

    async def _pause(self, _: Arguments, __: Actor) -> dict[str, Any]:
        return {"meaning": await self._current().steps.pause(), **self._said()}

    async def _resume(self, _: Arguments, __: Actor) -> dict[str, Any]:
        self._require_steady("resume")
        await self._current().steps.resume()
        return self._said()

    async def _end_step(self, request: Arguments, actor: Actor) -> dict[str, Any]:
        await self._current().steps.end_step(self._by("ended", request, actor))
        return self._said()

    async def _stop(self, request: Arguments, actor: Actor) -> dict[str, Any]:
        await self._current().stop(Trigger.STOP, self._by("stopped", request, actor))
        return self._said()

    async def _abort(self, request: Arguments, actor: Actor) -> dict[str, Any]:
        await self._current().stop(Trigger.ABORT, self._by("aborted", request, actor))
        return self._said()

    async def _acknowledge(self, _: Arguments, __: Actor) -> dict[str, Any]:
        self._machine.show_step(steps=0, name="", moving=False)
        gone = dict.fromkeys(("run", "directory", "runtime", "protocol_id", "protocol"))
        self._machine.fire(Trigger.ACKNOWLEDGE, "", step=0, **gone)
        return self._said()

    async def _acknowledge_alarm(self, request: AcknowledgeAlarm, actor: Actor) -> dict[str, Any]:
        self._parts.alarms.acknowledge(request.device, request.name, actor)
        return await self._alarms(request, actor)

    async def _acknowledge_low(self, request: Arguments, actor: Actor) -> dict[str, Any]:
        """Acknowledge every low alarm, a few at a time: what stops something is heard in between."""
        low = [each for each in self._parts.alarms.active() if each.priority == "low" and each.acknowledged_by is None]
        for number, alarm in enumerate(low):
            with suppress(MissingError):  # it is over since
                self._parts.alarms.acknowledge(alarm.device, alarm.name, actor)
            if number % _AT_A_TIME == 0:
                await asyncio.sleep(0)
        return {"acknowledged": len(low), **await self._alarms(request, actor)}

    async def _renew(self, _: Arguments, __: Actor) -> dict[str, Any]:
        self._current().renew_arming()
        return self._said()

    async def _injected(self, _: Arguments, actor: Actor) -> dict[str, Any]:
        return await self._parts.runs.injected_now(self._current(), actor)

    async def _amend(self, request: Amend | Residual, actor: Actor) -> dict[str, Any]:
        return await self._parts.runs.amended(request, actor)

    async def _hand_over(self, request: HandOver, actor: Actor) -> dict[str, Any]:
        return {**await self._parts.runs.handed_over(self._current(), request, actor), **self._said()}

    async def _confirm(self, request: Confirm, actor: Actor) -> dict[str, Any]:
        self._parts.motion.confirm(identity=request.identity, position=request.position)
        self._machine.note(rehome=False)
        return {"motion": self._parts.motion.figures()}

    async def _home(self, request: Home, _: Actor) -> dict[str, Any]:
        await self._parts.motion.home(*request.axes)
        return {"motion": self._parts.motion.figures()}

    async def _retreat(self, request: Retreat, _: Actor) -> dict[str, Any]:
        position = await self._parts.motion.retreat(request.axis)
        return {"axis": request.axis, "position": position, "motion": self._parts.motion.figures()}

    async def _mark(self, request: Mark, actor: Actor) -> dict[str, Any]:
        await self._current().mark(f"{actor.user}: {self._parts.runs.redacted(request.text)}")
        return self._said()

    async def _stop_motion(self, _: Arguments, actor: Actor) -> dict[str, Any]:
        report = await self._parts.motion.stop_motion()
        return {"stopped": asdict(report)}

    async def _lower_voltage(self, request: LowerVoltage, _: Actor) -> dict[str, Any]:
        return await self._parts.lower_voltage(request.device, request.volts)

    async def _simulate(self, request: Simulate, _: Actor) -> dict[str, Any]:
        if self._parts.simulate is None:
            raise RefusedError("this station is not simulated: its devices are worked by hand, in the room")
        return await self._parts.simulate(request.device, request.action, request.value)

    def _require_steady(self, what: str) -> None:
        if rising := self._parts.rising():
            raise RefusedError(f"{what}: {rising}; wait until it is there, or lower it")

    def _said(self) -> dict[str, Any]:
        return payload(self._machine.status())

    def _by(self, what: str, request: Arguments, actor: Actor) -> str:
        """Return who stopped it and why, as manifest and messages will say."""
        text = f"{what} by {actor.user}"
        return self._parts.runs.redacted(f"{text}: {request.reason}" if request.reason else text)[:100]
