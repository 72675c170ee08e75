"""A readout that exists in memory alone, for tests of what the daemon does with one.

It keeps the rules of the real one: it is armed, started, told of steps; ends a step at a limit that the test reaches;
seals when stopped; and goes on when nobody follows it any more.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from daq.errors import InterlockError, RefusedError, UnreachableError
from daq.model.axissample import AxisSample
from daq.model.protocol import AcquisitionProtocol, ProtocolKind, Requirements, Step, Stop
from daq.model.protocol_terms import HandOver, Store
from daq.model.station import Announcement, StationStatus
from daq.model.windows import WindowSet
from daq.services.acquisition.journal import Journal
from daq.services.acquisition.machine import Machine
from daq.services.acquisition.run import Around, Run
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.state.acquisition import State, Trigger
from daq.state.enable import Button, Enable, Motion

UNDER_WAY = ("armed", "recording")


@dataclass
class Readout:
    """The process. It outlives whoever follows it."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    state: str = "armed"
    paused: bool = False
    ended_by: str | None = None
    error: str | None = None
    events: int = 0
    asked: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    places: list[AxisSample] = field(default_factory=list)
    hashing: bool = False
    """The process lives on after sealing."""
    deaf: int = 0
    """So many answers get lost; what was asked for is done."""

    def begin(self, name: str, *, moving: bool = False) -> None:
        self.end_step("next step", completed=False)
        self.steps.append({"name": name, "moving": moving, "ended_by": None, "completed": False})
        self.paused = False

    def end_step(self, by: str, *, completed: bool) -> None:
        if self.steps and self.steps[-1]["ended_by"] is None:
            self.steps[-1].update(ended_by=by, completed=completed)

    async def has_begun(self, steps: int) -> None:
        """Wait until so many steps have begun."""
        async with asyncio.timeout(5):
            while len(self.steps) < steps:
                await asyncio.sleep(0.01)

    def reach_limit(self) -> None:
        """Let the step that runs reach its limit."""
        if self.state == "recording":
            self.end_step("time", completed=True)

    def seal(self, by: str) -> None:
        if self.state in UNDER_WAY:
            self.end_step(by, completed=False)
            self.state, self.ended_by = "sealed", by

    def die(self) -> None:
        """Be killed."""
        if self.state != "sealed":
            self.state = "gone"

    def status(self) -> dict[str, Any]:
        last = self.steps[-1] if self.steps else {}
        return {
            "state": self.state, "error": self.error or ("killed" if self.state == "gone" else None),
            "ended_by": self.ended_by, "step": max(len(self.steps), 1), "step_ended_by": last.get("ended_by"),
            "paused": self.paused, "counts_live": {"events": self.events}, "duration_ps": 10**12, "warnings": [],
            "steps": [dict(step) for step in self.steps],
        }  # fmt: skip


class Link:
    """What `daq.services.acquisition.link.Link` is to the daemon."""

    def __init__(self, readout: Readout) -> None:
        self.readout = readout
        self.closed = False

    async def status(self) -> dict[str, Any]:
        return self.readout.status()

    async def start(self) -> None:
        self._do("start", "armed")
        self.readout.state = "recording"
        self.readout.begin("first")

    async def step(self, limits: list[str], *, name: str, moving: bool) -> None:
        self._do(f"step {name} {','.join(limits)}", "recording")
        self.readout.begin(name, moving=moving)

    async def end_step(self, by: str, *, completed: bool = True) -> None:
        self._do(f"end_step {by}", "recording")
        self.readout.end_step(by, completed=completed)

    async def pause(self) -> None:
        self._do("pause", "recording")
        self.readout.paused = True

    async def resume(self) -> None:
        self._do("resume", "recording")
        self.readout.paused = False

    async def mark(self, text: str) -> None:
        self._do("mark", "recording")
        self.readout.marks.append(text)

    async def hand_over(self, text: str) -> None:
        self._do("hand_over", "recording")
        self.readout.steps[-1].setdefault("hand_overs", []).append(json.loads(text))

    async def injected(self, text: str, monotonic_ns: int) -> None:
        self._do("injected", "recording")
        self.readout.marks.append(f"injected {text} {monotonic_ns}")

    async def positions(self, samples: Sequence[AxisSample]) -> None:
        if self.readout.state != "recording":
            raise RefusedError(f"the readout is {self.readout.state}")
        self.readout.places += samples

    async def motion_lost(self, text: str) -> None:
        self._do("motion_lost", "recording")
        self.readout.marks.append(text)
        self.readout.seal("motion lost")

    async def stop(self, by: str) -> None:
        self.readout.asked.append(f"stop {by}")
        if self.readout.state == "recording" and by == "all steps done":
            self.readout.end_step(by, completed=True)
        self.readout.seal(by)

    async def release(self) -> None:
        self._do("release", "armed")
        self.readout.state = "released"

    async def running(self) -> bool:
        return self.readout.state in UNDER_WAY or self.readout.hashing

    async def result(self, deadline_s: float) -> dict[str, Any]:
        del deadline_s
        if self.readout.state == "gone":
            raise UnreachableError("the readout is gone")
        return self.readout.status()

    async def attend(self) -> None:
        """Attending costs a fake nothing; the lease is tried with real readouts."""

    async def close(self) -> None:
        self.closed = True

    def _do(self, what: str, *states: str) -> None:
        self.readout.asked.append(what)
        if self.readout.state not in states:
            raise RefusedError(f"the readout is {self.readout.state}")


@dataclass
class Stopped:
    """What a stop of axes in memory reports."""

    moving: bool = False


class Axes:
    """A motion engine whose axes arrive at once; a test may close the enable, or let a move wait."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}
        self.enabled = True
        self.moving = False
        self.let_go = False
        self.asked: list[str] = []
        self.gate: asyncio.Event | None = None
        self.failure: Exception | None = None
        self.stops_after_s = 0.0
        self.heard: list[Callable[[AxisSample], None]] = []
        self.silent = False
        self.lost: list[str] = []

    @property
    def where(self) -> Axes:
        return self

    @contextmanager
    def listening(self, heard: Callable[[AxisSample], None]) -> Iterator[None]:
        self.heard.append(heard)
        yield
        self.heard.remove(heard)

    async def away_first(self, targets: Mapping[str, float]) -> dict[str, float]:
        return dict(targets)

    async def now(self) -> list[AxisSample]:
        return [AxisSample(axis, time.monotonic_ns(), place) for axis, place in self.at.items()]

    async def differs(self, wanted: Mapping[str, float]) -> str | None:
        if self.silent:
            raise UnreachableError("the controller does not answer")
        found = [
            f"{axis} is at {self.at.get(axis, 0.0):g}" for axis, to in wanted.items() if self.at.get(axis, 0) != to
        ]
        return "; ".join(found) or None

    def lose(self, why: str) -> None:
        self.lost.append(why)

    async def is_at(self, targets: Mapping[str, float]) -> bool:
        return all(self.at.get(axis, 0.0) == target for axis, target in targets.items())

    @property
    def enable(self) -> Enable:
        return Enable(Button.LATCHED if self.enabled else Button.OFF)

    async def position(self, targets: Mapping[str, float], *, motion: Motion) -> None:
        assert motion in (Motion.POSITIONING, Motion.STEP)
        if not self.enabled:
            raise InterlockError("the motion enable is not given")
        await self._move(f"position {dict(targets)}")
        self.at.update(targets)

    async def sweep(self, axis: str, begin: float, end: float, speed: float) -> None:
        for heard in self.heard:
            heard(AxisSample(axis, time.monotonic_ns(), begin, moving=True))
        await self._move(f"sweep {axis} {begin} to {end} at {speed}")
        self.at[axis] = end
        for heard in self.heard:
            heard(AxisSample(axis, time.monotonic_ns(), end))

    async def stop_motion(self) -> Stopped:
        self.asked.append("stop")
        return Stopped()

    def figures(self) -> dict[str, Any]:
        return {"moving": self.moving}

    async def _move(self, what: str) -> None:
        self.asked.append(what)
        self.moving = True
        try:
            if self.gate is not None:
                await self.gate.wait()
            if self.failure is not None:
                raise self.failure
        except asyncio.CancelledError:
            await asyncio.sleep(self.stops_after_s)
            raise
        finally:
            self.moving = False


def protocol(
    *steps: Step, kind: ProtocolKind = ProtocolKind.STATIC, after: tuple[HandOver, ...] = ()
) -> AcquisitionProtocol:
    """Return a protocol of these steps, as if it had been read from a file."""
    return AcquisitionProtocol(
        id="test", version=1, title="Test", kind=kind, modality="gamma_camera", radionuclide=None, steps=steps,
        requirements=Requirements(), windows=WindowSet(windows=()), store=Store(), recorded=None, coincidence=None,
        after=after, sources={}, file=None,  # type: ignore[arg-type] - nothing asks for it
    )  # fmt: skip


def step(name: str, kind: ProtocolKind = ProtocolKind.STATIC, **more: Any) -> Step:
    """Return a step of two seconds."""
    return Step(**{"name": name, "key": name, "kind": kind, "stop": Stop(duration_ps=2 * 10**12), **more})


class Daemon:
    """What a run needs around it, on a folder; made again on the same folder it is the daemon that comes next."""

    def __init__(self, folder: Path, *, boot: str = "boot", motion: Axes | None = None, arming_s: float = 60.0) -> None:
        self.bus = Bus()
        self.said: list[StationStatus] = []
        self._listening = ExitStack()
        self._listening.enter_context(self.bus.listening(self._hear))
        self.troubles: list[str | None] = []
        self.journal = Journal(folder, boot=boot, on_failure=self.troubles.append)
        self.machine = Machine(self.journal, self.bus, simulated=True)
        self.alarms = Alarms(self.bus)
        self.motion = motion or Axes()
        self.ended: list[tuple[str, State, str]] = []
        self.hashed: list[str] = []
        self.around = Around(
            self.machine, self.bus, self.alarms, self.motion, self._on_ended, self._on_hashed, arming_s  # type: ignore[arg-type]
        )  # fmt: skip

    def change(self, **around: Any) -> None:
        """Put something else around the runs that are made from here on."""
        self.around = replace(self.around, **around)

    @property
    def state(self) -> State:
        return self.machine.state

    @property
    def states(self) -> list[str]:
        """Return the states that were announced, each once where it stayed."""
        return [state for state, _ in groupby(status.state for status in self.said)]

    def run(self, wanted: AcquisitionProtocol, readout: Readout) -> Run:
        """Return a run, prepared for as the planner does."""

        async def launch() -> Link:
            return Link(readout)

        self.machine.fire(Trigger.PREPARE, run="run-1", directory="/nowhere", runtime="/nowhere", step=0, protocol="x")
        return self.again(wanted, launch)

    def again(self, wanted: AcquisitionProtocol, launch: Callable[[], Awaitable[Link]]) -> Run:
        """Return a run that goes on with what the journal says."""
        return Run(self.around, wanted, identity="run-1", directory=Path("/nowhere"), launch=launch)  # type: ignore[arg-type]

    def close(self) -> None:
        self._listening.close()
        self.journal.close()

    async def until(self, *states: State) -> None:
        """Wait for one of these states."""
        async with asyncio.timeout(10):
            while self.state not in states:
                await asyncio.sleep(0.005)

    async def alarmed(self, name: str) -> None:
        """Wait for an alarm."""
        async with asyncio.timeout(10):
            while not any(alarm.name == name and alarm.active for alarm in self.alarms.active()):
                await asyncio.sleep(0.005)

    async def alarm_over(self, name: str) -> None:
        """Wait until the cause of an alarm is gone."""
        async with asyncio.timeout(10):
            while any(alarm.name == name and alarm.active for alarm in self.alarms.active()):
                await asyncio.sleep(0.005)

    async def said_of(self, words: str) -> None:
        """Wait until the state is said to be so for a reason that has these words."""
        async with asyncio.timeout(10):
            while words not in self.machine.entry.detail:
                await asyncio.sleep(0.005)

    async def _on_ended(self, run: Run, outcome: State, detail: str) -> None:
        self.ended.append((run.identity, outcome, detail))

    async def _on_hashed(self, run: Run) -> None:
        self.hashed.append(run.identity)

    def _hear(self, said: Announcement) -> None:
        if isinstance(said, StationStatus):
            self.said.append(said)


@asynccontextmanager
async def driven(daemon: Daemon, run: Run) -> AsyncIterator[asyncio.Task[None]]:
    """Drive the run; when the context ends it must have come to its end, or is left to itself."""
    task = asyncio.create_task(run.drive())
    try:
        yield task
        async with asyncio.timeout(10):
            await task
    finally:
        task.cancel()
        daemon.close()
