"""The way from step to step, and what holds it up: starts and pauses by a person, positions, sweeps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from daq.errors import DeadlineError, RefusedError, ScandaqError, TransitionRefusedError
from daq.model.protocol import AcquisitionProtocol, PauseMeaning, Step
from daq.services.acquisition.astray import Astray
from daq.services.acquisition.framewait import never_began
from daq.services.acquisition.handovers import HandOvers
from daq.services.acquisition.limits import limits_of
from daq.services.acquisition.losthead import LostHeads
from daq.services.acquisition.mounting import Mounting
from daq.services.acquisition.reaching import reach, targets_of
from daq.services.acquisition.readiness import Readiness
from daq.services.acquisition.sweeping import swept
from daq.services.acquisition.way import Way
from daq.state.acquisition import RECORDING, State, Trigger, next_state
from daq.state.enable import Motion

_MOST_TRIES = 3
_MOST_COUNTED = 200
"""Steps whose counts a daemon that comes after this one is told: views, not the angles of a rotation."""


class Steps:
    """Takes a protocol's steps one after the other. `between`: one has reached its end, the next has not begun."""

    def __init__(self, protocol: AcquisitionProtocol, way: Way) -> None:
        self._protocol, self._way = protocol, way
        self._machine, self._work = way.machine, way.work
        self._turn = asyncio.Lock()
        """Held by whoever goes from step to step or holds a step up; never by a stop."""
        self.between = False
        self.begun = False
        """A person has started it: there is something that pictures could be made of."""
        self.by_hand = False
        """A person has ended the step, or all of it: what is missing then is no surprise to anybody."""
        self.closed = False
        """The recording has ended: nothing is begun any more."""
        self._astray = Astray()
        self._tries = 0
        self._pause_wanted = False
        self._called_for = 0
        """The step that a person has started, and which may still be on its way."""
        self._arrived = self._swept = False
        """The axis of a sweep stands at its end; all that was counted until then has come, too."""
        self.hand_overs = HandOvers(protocol, way.machine)
        mounting = Mounting(way.collimator, way.machine, protocol)
        self.readiness = Readiness(way.motion, self.hand_overs, way.beating, way.uptake, mounting)
        self._lost_heads = LostHeads()
        self.counted = {int(number): dict(counts) for number, counts in way.machine.entry.counted.items()}
        """What each step that has ended had counted then, by its number."""

    @property
    def current(self) -> Step | None:
        """Return the step that runs or ran last; None before the first."""
        number = self._machine.entry.step
        return self._protocol.steps[number - 1] if number else None

    def show(self, step: Step | None) -> None:
        """Say from here on that it is this step."""
        name, moving = (step.name, step.moving) if step is not None else ("", False)
        self._machine.show_step(steps=len(self._protocol.steps), name=name, moving=moving)

    def found(self, changes: dict[str, object]) -> None:
        """Go on after a restart, with the journal as `changes` will correct it."""
        entry = self._machine.entry
        number = int(str(changes.get("step", entry.step)))
        step = self._protocol.steps[min(number, len(self._protocol.steps)) - 1] if number else None
        self.show(step)
        self.begun = step is not None
        state = changes.get("state", entry.state)
        self.between = state is State.WAITING
        if step is not None and state in (State.ACQUIRING, State.PAUSED):
            self.readiness.beating.watch(step)

    def remind(self) -> None:
        """Say what there is to be known of the step that waits to begin, while it does."""
        if self._machine.entry.step < len(self._protocol.steps):
            self.readiness.uptake.look(self._following())

    async def start(self) -> None:
        """Begin the first step, or the one that waits for a person."""
        async with self._turn:
            self._require(Trigger.START)
            if self._machine.state is State.WAITING:
                self.hand_overs.require()
                await self.readiness.mounting.require(self._following().name)
                self._called_for = self._machine.entry.step + 1
                await self._go(Trigger.START)
                return
            first = self._protocol.steps[0]
            self.hand_overs.require()
            if not await self._way.motion.is_at(targets_of(first)):
                raise RefusedError(f"axes no longer stand where {first.name!r} begins: prepare it again")
            await self.readiness.mounting.require(first.name)
            await self.readiness.require(first)
            await self._tell_once(self._way.readout().start, armed=True)
            self.begun = True
            self._fire(Trigger.START, step=1)
            self.readiness.begun(first)
            self._way.places.begin()
            await self._way.places.standing()  # before, nothing is recorded that could hold it
            self._machine.keep(stood=self._way.places.stood)
            self._sweep_if_any(first)

    async def pause(self) -> str:
        """Pause as the kind of acquisition does; return what that means, in words."""
        async with self._turn:
            self._require(Trigger.PAUSE)
            if self._machine.state is State.POSITIONING:
                self._fire(Trigger.PAUSE, "axes stopped between two steps")
                await self._work.cancel()
                return "the axes are stopped; resume goes on to the next step"
            step = self.current
            return await self._hold(step.pause if step is not None else PauseMeaning.GAP_MARKED)

    async def hold(self, why: str) -> None:
        """Pause what records, as its kind can be held, until a person resumes; `why` is said."""
        if self._machine.state is State.ACQUIRING:
            await self.pause()
        self._machine.note(why)

    async def _hold(self, meaning: PauseMeaning) -> str:
        if meaning is PauseMeaning.FINISH_STEP:
            if self._machine.entry.step == len(self._protocol.steps):
                return "the run ends with this step, which is the last: it is not held"
            self._pause_wanted = True
            self._machine.note("pauses at the end of this step")
            return "pauses at the end of this step"
        if meaning is PauseMeaning.TIME_RUNS:
            await self._way.readout().mark("pause asked for; time runs on")
            self._fire(Trigger.PAUSE, "time runs on")
            return "time runs on: this kind cannot be held"
        self._astray.reset()
        await self._way.readout().pause()
        self._fire(Trigger.PAUSE, "")
        return "what comes now is kept and does not count"

    async def resume(self) -> None:
        """Go on: with the step, or with the next one where it had ended."""
        async with self._turn:
            self._require(Trigger.RESUME)
            self._pause_wanted = False
            if self.between:
                await self._go_on()
                return
            if self._time_runs:
                await self._way.readout().mark("resumed")
            else:
                self._astray.reset()
                await self._way.readout().resume()
            self._fire(Trigger.RESUME, "")

    async def _go_on(self) -> None:
        following = self._following()
        waits = following.start == "manual" or self.hand_overs.before(following) is not None
        if waits and self._called_for <= self._machine.entry.step:
            self._fire(Trigger.RESUME, "")
            self._wait(await self.readiness.why_wait(following) or "")
        else:
            await self._go(Trigger.RESUME)

    async def end_step(self, by: str) -> None:
        """End the step that records, by a person; what comes next comes as after any end.

        It is whole where the protocol leaves its end to a person. Raise `TransitionRefusedError` while none records,
        `RefusedError` for a sweep, which ends where its axis does.
        """
        async with self._turn:
            state, step = self._machine.state, self.current
            if self.closed or step is None or self.between or state not in (State.ACQUIRING, State.PAUSED):
                raise TransitionRefusedError(f"no step records that could be ended; the state is {state}")
            if step.moving:
                raise RefusedError(f"{step.name!r} ends where its axis does; stop or abort ends the acquisition")
            if state is State.PAUSED:
                raise TransitionRefusedError(f"{step.name!r} is paused: resume first")
            await self._way.readout().end_step(by, completed=step.stop.manual)
            self.by_hand = True

    async def look(self, status: dict[str, Any]) -> None:
        """Go on where a step has reached its end; follow a readout that has done what it did not confirm."""
        async with self._turn:
            entry = self._machine.entry
            if self.closed or status.get("state") != "recording":
                return  # it is being sealed: what that ended did not reach its end
            if await self.hand_overs.completed(self._way.readout(), status):
                await self._after_the_last()
                return
            if (trigger := self._astray.look(entry, status, held=self.between or self._time_runs)) is not None:
                await self._follow(trigger, status)
                return
            if status.get("step") == entry.step and not status.get("step_ended_by"):
                self.readiness.beating.recorded(self.current, status.get("counts_live") or {})
            over = self._swept or (status.get("step") == entry.step and status.get("step_ended_by"))
            if not self.between and over and entry.state in (State.ACQUIRING, State.PAUSED):
                await self._step_over(status)

    async def _step_over(self, status: dict[str, Any]) -> None:
        self.between = True
        self.judge(status)
        number = self._machine.entry.step
        if not self._arrived and self.current is not None and self.current.moving and status["step_ended_by"] == "host":
            await self._way.lost("the sweep was not at its end when the host's clock ended the step")
            return
        try:
            if self._swept:
                await self._way.places.delivered()
                await self._way.readout().end_step("end of the sweep")
            else:
                await self._work.cancel()  # its limit was reached before the end of its sweep
            await self._after_step(status)
        except ScandaqError as why:
            if self._machine.state in RECORDING:  # not for a stop that came in between
                await self._failed(number, why)
        else:
            self._tries = 0

    async def _failed(self, number: int, why: ScandaqError) -> None:
        """Try again what a busy readout has not done, unless it is sealing; else end as a fault."""
        self._tries += 1
        try:
            status = await self._way.readout().status()
        except ScandaqError:
            return  # the tick says why
        if status["state"] != "recording":
            return
        if isinstance(why, DeadlineError) and self._tries < _MOST_TRIES:
            self.between = False
            return
        await self._way.fault(f"after step {number}: {why}")

    async def _follow(self, trigger: Trigger, status: dict[str, Any]) -> None:
        """Go where the readout is: the answer to a start, a step, a pause or its end was lost."""
        number = int(status["step"])
        step = self._protocol.steps[min(number, len(self._protocol.steps)) - 1]
        if number > self._machine.entry.step:
            if step.sweep is not None or number > len(self._protocol.steps):
                await self._way.fault(f"the readout is in step {number}, and its answer was lost")
                return
            self.between = self._arrived = self._swept = False
        self.begun = True
        self.show(step)
        self._fire(trigger, "as the readout is; its answer was lost", step=number, stood={})

    def cut(self, status: dict[str, Any], before: State) -> None:
        """Judge a step that somebody stops by what is known of it so far; `settle` notes what it had in the end."""
        self.by_hand = True
        if before in RECORDING and not self.between:
            self.judge(status)

    def settle(self, status: dict[str, Any]) -> None:
        """Note what the step under way had when the readout ended: more than was known when that was asked for."""
        if self._machine.entry.step and not self.between and status.get("counts_live"):
            self._note_counts(status)

    def _note_counts(self, status: dict[str, Any]) -> dict[str, int] | None:
        if status.get("step") != self._machine.entry.step:
            return None  # of the step before
        counts = {name: int(count) for name, count in status.get("counts_live", {}).items()}
        self.counted[self._machine.entry.step] = counts
        if len(self.counted) <= _MOST_COUNTED:
            self._machine.keep(counted={str(number): found for number, found in self.counted.items()})
        return counts

    def judge(self, status: dict[str, Any]) -> None:
        """Say where a step that has ended is not worth reading."""
        if (counts := self._note_counts(status)) is None:
            return
        step = self.current
        for why in () if step is None else (step.shortfall(counts), never_began(step, status)):
            if why is not None:
                self._way.short(why, "low" if self.by_hand else "medium")

    async def _after_step(self, status: dict[str, Any]) -> None:
        if self._machine.entry.step == len(self._protocol.steps):
            await self._after_the_last()
        elif self._machine.state is State.PAUSED:
            return
        elif (lost := self._lost_heads.why_pause(self.current, status)) is not None:
            await self._way.readout().pause()
            self._fire(Trigger.PAUSE, lost)
        elif self._pause_wanted and self._following().start != "manual" and not self._following().before:
            await self._way.readout().pause()
            self._fire(Trigger.PAUSE, "paused between two steps")
        elif (why := await self.readiness.why_wait(self._following())) is not None:
            self._wait(why)
        else:
            await self._go(Trigger.NEXT_STEP)

    async def _after_the_last(self) -> None:
        """End, or wait for what a person confirms while the patient is still there."""
        why = self.hand_overs.after()
        if why is None:
            self._fire(Trigger.ALL_STEPS_DONE, "")
            await self._way.end("all steps done")
        elif self._machine.state is not State.PAUSED:
            self._fire(Trigger.STEP_WAITS, f"all steps are recorded; {why}")

    def _wait(self, why: str) -> None:
        self._pause_wanted = False
        self.show(self._following())
        self._fire(Trigger.STEP_WAITS, f"{self._following().name}{why}")

    async def _go(self, trigger: Trigger) -> None:
        """Begin the next step, from where `trigger` leads out of; move axes first where it stands elsewhere."""
        following = self._following()
        self.show(following)
        if (targets := targets_of(following)) and not await self._way.motion.is_at(targets):
            self._fire(Trigger.STEP_MOVES, f"to {following.name}")
            self._work.begin(self._move_and_begin(following), "position")
            return
        await self._begin_step(following, trigger)

    async def _move_and_begin(self, following: Step) -> None:
        await self.reach(following, Motion.STEP if following.start == "automatic" else Motion.POSITIONING)
        async with self._turn:  # not while somebody holds it up
            why = self.readiness.why_not_sweep(following)
            if why is not None:  # held on the way there, and now to be latched
                self._fire(Trigger.PAUSE, f"where {following.name} begins; {why}; then resume")
                return
            await self._begin_step(following, Trigger.POSITIONED)

    async def _begin_step(self, step: Step, trigger: Trigger) -> None:
        await self.readiness.require(step)
        link = self._way.readout()
        limits = limits_of(step, await link.status())
        await self._way.places.standing()
        await self._way.places.passed()  # the step begins with data, not where axes are ahead of them
        await self._tell_once(lambda: link.step(limits, name=step.name, moving=step.moving))
        self.between = self._arrived = self._swept = self.by_hand = False
        self.readiness.begun(step)
        self._fire(trigger, "", step=self._machine.entry.step + 1, stood=self._way.places.stood)
        self._sweep_if_any(step)

    async def _tell_once(self, tell: Callable[[], Awaitable[None]], *, armed: bool = False) -> None:
        """Tell the readout to begin, unless it has: the answer to an attempt before this one may have been lost."""
        self._astray.reset()
        status = await self._way.readout().status()
        begun = status.get("state") == "recording" if armed else int(status.get("step", 0)) > self._machine.entry.step
        if not begun:
            await tell()

    def _sweep_if_any(self, step: Step) -> None:
        if step.sweep is not None:
            self._work.begin(self._sweep(step), "sweep")

    async def _sweep(self, step: Step) -> None:
        if step.sweep is None:
            return
        way = self._way
        await swept(way.motion, step.sweep, way.places, self._protocol.tolerances, way.alarms)
        self._arrived = True
        await way.places.passed()
        self._swept = True

    async def reach(self, step: Step, motion: Motion) -> None:
        """Move to where the step begins, as the motion enable allows it."""
        await reach(self._way.motion, step, motion, within_s=self._way.patience_s, note=self._machine.note)

    def _following(self) -> Step:
        return self._protocol.steps[self._machine.entry.step]

    def _require(self, trigger: Trigger) -> None:
        """Refuse at once what the table does not allow, before anything is done."""
        next_state(self._machine.state, trigger)
        if self.closed:
            raise TransitionRefusedError(f"cannot {trigger}: the recording has ended")

    def _fire(self, trigger: Trigger, detail: str = "", **changes: Any) -> None:
        self._require(trigger)
        self._machine.fire(trigger, detail, **changes)

    @property
    def _time_runs(self) -> bool:
        return self.current is not None and self.current.pause is PauseMeaning.TIME_RUNS
