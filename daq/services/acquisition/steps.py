"""The way from step to step, and what holds it up: starts and pauses by a person, positions, sweeps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daq.errors import InterlockError, MotionError, RefusedError, ScandaqError
from daq.model.protocol import AcquisitionProtocol, PauseMeaning, Step
from daq.services.acquisition.link import Link
from daq.services.acquisition.machine import Machine
from daq.services.acquisition.work import Work
from daq.state.acquisition import RECORDING, State, Trigger, next_state
from daq.state.enable import Motion

if TYPE_CHECKING:
    from daq.services.motion.engine import MotionEngine

_ENABLE_POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class Way:
    """What the steps of a run are taken with. `readout` gives the link, or refuses while there is none."""

    machine: Machine
    motion: MotionEngine
    work: Work
    readout: Callable[[], Link]
    end: Callable[[str], Awaitable[None]]
    """Ends the recording for a reason."""
    fault: Callable[[str], Awaitable[None]]
    short: Callable[[str], None]
    """Hears that a step has fewer counts than its protocol wants."""
    patience_s: float
    """How long to wait for the motion enable."""


class Steps:
    """Takes a protocol's steps one after the other. `between`: one has reached its end, the next has not begun."""

    def __init__(self, protocol: AcquisitionProtocol, way: Way) -> None:
        self._protocol, self._way = protocol, way
        self._machine, self._work = way.machine, way.work
        self._turn = asyncio.Lock()
        """Held by whoever goes from step to step or holds a step up; never by a stop."""
        self.between = False
        self._pause_wanted = False
        self._swept = False

    @property
    def current(self) -> Step | None:
        """Return the step that runs or ran last; None before the first."""
        number = self._machine.entry.step
        return self._protocol.steps[number - 1] if number else None

    def show(self, step: Step | None) -> None:
        """Say from here on that it is this step."""
        name, moving = (step.name, step.moving) if step is not None else ("", False)
        self._machine.show_step(steps=len(self._protocol.steps), name=name, moving=moving)

    async def start(self) -> None:
        """Begin the first step, or the one that waits for a person."""
        async with self._turn:
            self._require(Trigger.START)
            if self._machine.state is State.WAITING:
                await self._go(Trigger.START)
                return
            first = self._protocol.steps[0]
            if not await self._way.motion.is_at(_targets(first)):
                raise RefusedError(f"axes no longer stand where {first.name!r} begins: prepare it again")
            self._require_enable(first)
            await self._way.readout().start()
            self._machine.fire(Trigger.START, step=1)
            self._sweep_if_any(first)

    async def pause(self) -> str:
        """Pause as the kind of acquisition does; return what that means, in words."""
        async with self._turn:
            self._require(Trigger.PAUSE)
            if self._machine.state is State.POSITIONING:
                self._machine.fire(Trigger.PAUSE, "axes stopped between two steps")
                await self._work.cancel()
                return "the axes are stopped; resume goes on to the next step"
            step = self.current
            return await self._hold(step.pause if step is not None else PauseMeaning.GAP_MARKED)

    async def _hold(self, meaning: PauseMeaning) -> str:
        if meaning is PauseMeaning.FINISH_STEP:
            self._pause_wanted = True
            self._machine.note("pauses at the end of this step")
            return "pauses at the end of this step"
        if meaning is PauseMeaning.TIME_RUNS:
            await self._way.readout().mark("pause asked for; time runs on")
            self._machine.fire(Trigger.PAUSE, "time runs on")
            return "time runs on: this kind cannot be held"
        await self._way.readout().pause()
        self._machine.fire(Trigger.PAUSE, "")
        return "what comes now is kept and does not count"

    async def resume(self) -> None:
        """Go on: with the step, or with the next one where it had ended."""
        async with self._turn:
            self._require(Trigger.RESUME)
            self._pause_wanted = False
            if self.between:
                await self._go(Trigger.RESUME)
                return
            if self.current is not None and self.current.pause is PauseMeaning.TIME_RUNS:
                await self._way.readout().mark("resumed")
            else:
                await self._way.readout().resume()
            self._machine.fire(Trigger.RESUME, "")

    async def look(self, status: dict[str, Any]) -> None:
        """Go on where a step has reached its end."""
        async with self._turn:
            entry = self._machine.entry
            over = self._swept or (status.get("step") == entry.step and status.get("step_ended_by"))
            if self.between or not over or entry.state not in (State.ACQUIRING, State.PAUSED):
                return
            self.between = True
            self.judge(status)
            try:
                if self._swept:
                    await self._way.readout().end_step("end of the sweep")
                else:
                    await self._work.cancel()  # its limit was reached before the end of its sweep
                await self._after_step()
            except ScandaqError as why:
                if self._machine.state in RECORDING:  # not for a stop that came in between
                    await self._way.fault(f"after step {entry.step}: {why}")

    def judge(self, status: dict[str, Any]) -> None:
        """Say where a step that has ended is not worth reading."""
        counts = {name: int(count) for name, count in status.get("counts_live", {}).items()}
        why = self.current.shortfall(counts) if self.current is not None else None
        if why is not None:
            self._way.short(why)

    async def _after_step(self) -> None:
        if self._machine.entry.step == len(self._protocol.steps):
            self._machine.fire(Trigger.ALL_STEPS_DONE, "")
            await self._way.end("all steps done")
        elif self._machine.state is State.PAUSED:
            return
        elif self._pause_wanted:
            await self._way.readout().pause()
            self._machine.fire(Trigger.PAUSE, "paused between two steps")
        elif (why := self._why_wait(self._following())) is not None:
            self.show(self._following())
            self._machine.fire(Trigger.STEP_WAITS, f"next: {self._following().name}{why}")
        else:
            await self._go(Trigger.NEXT_STEP)

    async def _go(self, trigger: Trigger) -> None:
        """Begin the next step, from where `trigger` leads out of; move axes first where it stands elsewhere."""
        following = self._following()
        self.show(following)
        if following.positions and not await self._way.motion.is_at(following.positions):
            self._machine.fire(Trigger.STEP_MOVES, f"to {following.name}")
            self._work.begin(self._move_and_begin(following), "position")
            return
        await self._begin_step(following)
        self._machine.fire(trigger, "", step=self._machine.entry.step + 1)
        self._sweep_if_any(following)

    async def _move_and_begin(self, following: Step) -> None:
        await self.reach(following, Motion.STEP if following.start == "automatic" else Motion.POSITIONING)
        await self._begin_step(following)
        self._machine.fire(Trigger.POSITIONED, "", step=self._machine.entry.step + 1)
        self._sweep_if_any(following)

    async def _begin_step(self, step: Step) -> None:
        self._require_enable(step)
        await self._way.readout().step(step.stop_limits(), name=step.name, moving=step.moving)
        self.between = self._swept = False

    def _sweep_if_any(self, step: Step) -> None:
        if step.sweep is not None:
            self._work.begin(self._sweep(step), "sweep")

    async def _sweep(self, step: Step) -> None:
        if step.sweep is None:
            return
        sweep = step.sweep
        await self._way.motion.sweep(sweep.axis, sweep.begin, sweep.end, sweep.speed)
        self._swept = True

    def _following(self) -> Step:
        return self._protocol.steps[self._machine.entry.step]

    async def reach(self, step: Step, motion: Motion) -> None:
        """Move to where the step begins; wait for the motion enable, which a person gives in the room.

        Whoever lets go of it on the way stops the axes; they go on when it is pressed again.
        """
        targets = _targets(step)
        said = False
        deadline_s = time.monotonic() + self._way.patience_s
        while targets and not await self._way.motion.is_at(targets):
            try:
                await self._way.motion.position(targets, motion=motion)
            except (InterlockError, MotionError) as why:
                patient = isinstance(why, InterlockError) or self._way.motion.let_go
                if not patient or time.monotonic() > deadline_s:
                    raise
                if not said:
                    self._machine.note(str(why))
                    said = True
                await asyncio.sleep(_ENABLE_POLL_S)

    def _why_wait(self, step: Step) -> str | None:
        """Return why a person has to start this step, None where it follows by itself."""
        if step.start == "manual":
            return f"; {step.instruction}" if step.instruction else ""
        why = self._why_not_sweep(step)
        return None if why is None else f"; {why}"

    def _why_not_sweep(self, step: Step) -> str | None:
        return self._way.motion.enable.why_not(Motion.SWEEP) if step.sweep is not None else None

    def _require_enable(self, step: Step) -> None:
        """Refuse a sweep that nobody has enabled, before anything is recorded of it."""
        why = self._why_not_sweep(step)
        if why is not None:
            raise InterlockError(f"{step.name!r} cannot begin: {why}")

    def _require(self, trigger: Trigger) -> None:
        """Refuse at once what the table does not allow, before anything is done."""
        next_state(self._machine.state, trigger)


def _targets(step: Step) -> dict[str, float]:
    """Return where axes must stand for the step to begin."""
    sweep = {step.sweep.axis: step.sweep.begin} if step.sweep is not None else {}
    return {**sweep, **step.positions}
