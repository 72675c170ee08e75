"""Daemon and readout killed at any moment, in any order: whoever comes next tells the truth, and a person can go on.

The machine of `hypothesis` plays operator, front end, axes and fate. A kill of the daemon drops everything it had in
memory; what is left is the journal's file, and the readout, which does not notice.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support_run import Axes, Daemon, Link, Readout, protocol, step
from support_virtual import VirtualLoop

from daq.errors import DeadlineError, MotionError, ScandaqError
from daq.model.protocol import AcquisitionProtocol, ProtocolKind, Sweep
from daq.services.acquisition.found import Found
from daq.services.acquisition.run import Run
from daq.state.acquisition import ACTIVE, IDLE, State, Trigger

PROTOCOLS: dict[str, AcquisitionProtocol] = {
    "static": protocol(step("a"), step("b", start="manual"), step("c")),
    "spect": protocol(step("0", ProtocolKind.SPECT), step("6", ProtocolKind.SPECT, positions={"gantry": 6.0})),
    "sweep": protocol(step("body", ProtocolKind.WHOLE_BODY, sweep=Sweep("bed", 0.0, 100.0, 2.0, "mm"))),
    "dynamic": protocol(step("d", ProtocolKind.DYNAMIC), step("e", ProtocolKind.DYNAMIC, start="manual")),
    "gated": protocol(step("g", ProtocolKind.GATED), step("h", ProtocolKind.GATED, positions={"bed": 3.0})),
    "mixed": protocol(
        step("spot"),
        step("there", ProtocolKind.WHOLE_BODY, start="manual", sweep=Sweep("bed", 10.0, 50.0, 2.0, "mm")),
        step("back", ProtocolKind.WHOLE_BODY, sweep=Sweep("bed", 50.0, 10.0, 2.0, "mm")),
    ),
}
VERBS = ("start", "pause", "resume", "stop", "abort", "acknowledge")
ALONE = ("stalled", "disk", "motion lost", "unattended")


class BadLink(Link):
    """Does what it is told, and loses as many answers as the readout is deaf to."""

    async def start(self) -> None:
        await super().start()
        self._answer()

    async def step(self, limits: list[str], *, name: str, moving: bool) -> None:
        await super().step(limits, name=name, moving=moving)
        self._answer()

    async def end_step(self, by: str) -> None:
        await super().end_step(by)
        self._answer()

    async def pause(self) -> None:
        await super().pause()
        self._answer()

    async def resume(self) -> None:
        await super().resume()
        self._answer()

    async def motion_lost(self, text: str) -> None:
        await super().motion_lost(text)
        self._answer()

    async def stop(self, by: str) -> None:
        if self.readout.deaf:  # not even heard
            self._answer()
        await super().stop(by)

    def _answer(self) -> None:
        if self.readout.deaf:
            self.readout.deaf -= 1
            raise DeadlineError("the readout is busy")


class World(RuleBasedStateMachine):
    """One station whose daemon may be killed."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.folder = Path(tempfile.mkdtemp())
        self.motion = Axes()
        self.readout: Readout | None = None
        self.wanted = PROTOCOLS["static"]
        self.run: Run | None = None
        self.tasks: list[asyncio.Task[None]] = []
        self.kills = 0
        self.readouts: list[Readout] = []
        self.stopped = False

    @initialize()
    def begin(self) -> None:
        self.loop.run_until_complete(self._come())

    def teardown(self) -> None:
        """Whatever has happened: a stop leads to rest, and from there back to ready."""
        if hasattr(self, "daemon"):
            self.hold_the_axes(stuck=False)
            self.motion.failure = None
            for readout in self.readouts:
                readout.hashing, readout.deaf = False, 0
            self.seal_at_last()
            with suppress(ScandaqError, ZeroDivisionError):
                self.loop.run_until_complete(self._ask("stop"))
            self.loop.run_until_complete(self.daemon.until(*IDLE))
            if self.daemon.state is not State.READY:
                self.loop.run_until_complete(self._ask("acknowledge"))
            assert self.daemon.state is State.READY
            self._die()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()
        shutil.rmtree(self.folder)

    # What may happen

    @rule(kind=st.sampled_from(sorted(PROTOCOLS)))
    def prepare(self, kind: str) -> None:
        self.loop.run_until_complete(self._prepare(kind))

    @rule(verb=st.sampled_from(VERBS))
    def ask(self, verb: str) -> None:
        with suppress(ScandaqError, ZeroDivisionError):  # the station tells both in words
            self.loop.run_until_complete(self._ask(verb))

    @rule(ticks=st.integers(1, 30))
    def wait(self, ticks: int) -> None:
        self.loop.run_until_complete(self._ticks(ticks))

    @precondition(lambda self: self.readout is not None)
    @rule()
    def reach_the_limit(self) -> None:
        assert self.readout is not None
        self.readout.reach_limit()

    @precondition(lambda self: self.readout is not None)
    @rule()
    def kill_the_readout(self) -> None:
        assert self.readout is not None
        self.readout.die()

    @rule()
    def kill_the_daemon_and_start_another(self) -> None:
        self.kills += 1
        self._die()
        if self.readout is not None and self.readout.steps and self.readout.steps[-1]["moving"]:
            self.readout.seal("motion lost")  # its lease has run out
        self.loop.run_until_complete(self._come())

    @rule(stuck=st.booleans())
    def hold_the_axes(self, *, stuck: bool) -> None:
        if stuck:
            self.motion.gate = asyncio.Event()
        elif self.motion.gate is not None:
            self.motion.gate.set()

    @rule(enabled=st.booleans())
    def press_or_release(self, *, enabled: bool) -> None:
        self.motion.enabled = enabled

    @rule(let_go=st.booleans(), ticks=st.integers(1, 30))
    def an_axis_stops(self, ticks: int, *, let_go: bool) -> None:
        """Its movement fails: somebody let go of the button, or it stalled."""
        gate, self.motion.gate = self.motion.gate, None
        self.motion.failure, self.motion.let_go = MotionError("bed stands where it should not"), let_go
        if gate is not None:
            gate.set()
        self.loop.run_until_complete(self._ticks(ticks))
        self.motion.failure, self.motion.let_go = None, False

    @rule()
    def motion_is_lost(self) -> None:
        """As the station hears it: what does not move goes on."""
        if self.run is not None and self.run.moves and self.daemon.state not in IDLE:
            self.loop.run_until_complete(self.run.motion_lost("emergency stop"))

    @rule(ended_by=st.sampled_from(ALONE), whole=st.booleans())
    def the_readout_seals_alone(self, ended_by: str, *, whole: bool) -> None:
        readout = self.readout
        if readout is None or readout.state not in ("armed", "recording"):
            return
        if whole or readout.state == "armed":
            readout.seal(ended_by)
        else:  # it takes its time, and its last step is over already
            readout.end_step(ended_by, completed=False)
            readout.state, readout.ended_by = "sealing", ended_by

    @rule()
    def seal_at_last(self) -> None:
        if self.readout is not None and self.readout.state == "sealing":
            self.readout.state = "sealed"

    @rule(answers=st.integers(1, 4))
    def lose_answers(self, answers: int) -> None:
        if self.readout is not None:
            self.readout.deaf = answers

    @rule(hashing=st.booleans())
    def hash_for_long(self, *, hashing: bool) -> None:
        for readout in self.readouts:
            readout.hashing = hashing and readout.state == "sealed"

    @rule()
    def the_arming_expires(self) -> None:
        if self.run is not None:
            self.run._arming._until_s = 0.0

    @rule()
    def something_unexpected(self) -> None:
        """A fault of the program, in one look at the readout."""
        link = self.run._link if self.run is not None else None
        if link is not None:

            async def fails() -> dict[str, Any]:
                del link.status
                raise ZeroDivisionError

            link.status = fails  # type: ignore[method-assign]

    # What must hold

    @invariant()
    def the_last_thing_said_is_what_the_journal_holds(self) -> None:
        if not hasattr(self, "daemon"):
            return
        said = self.daemon.said[-1]
        assert said.state == self.daemon.state
        assert said.run == self.daemon.machine.entry.run

    @invariant()
    def nothing_is_called_completed_that_is_not(self) -> None:
        if hasattr(self, "daemon") and self.daemon.state is State.COMPLETED and self.readout is not None:
            whole = [s["completed"] for s in self.readout.steps] == [True] * len(self.wanted.steps)
            assert self.readout.state == "sealed"
            assert whole or (self.stopped and self.readout.ended_by not in ALONE)

    @invariant()
    def no_step_is_begun_twice_or_out_of_turn(self) -> None:
        if hasattr(self, "daemon") and self.readout is not None and self.readout.steps:
            names = [s["name"] for s in self.readout.steps][1:]
            assert names == [each.name for each in self.wanted.steps][1 : len(names) + 1]

    @invariant()
    def at_rest_nothing_is_recorded_and_nothing_moves(self) -> None:
        if hasattr(self, "daemon") and self.daemon.state in IDLE and self.readout is not None:
            assert self.readout.state in ("sealed", "gone")
            assert not self.motion.moving

    @invariant()
    def before_a_pause_is_over_nothing_counts(self) -> None:
        daemon, readout = getattr(self, "daemon", None), self.readout
        if daemon is not None and readout is not None and not readout.deaf and daemon.state is State.PAUSED:
            assert readout.state != "armed"

    @invariant()
    def a_person_can_always_get_back_to_ready(self) -> None:
        if hasattr(self, "daemon"):
            assert self.daemon.state not in ACTIVE or self.run is not None

    # The daemon

    async def _come(self) -> None:
        """Start the daemon on what the last one left, as `daq.composition.daemon` does."""
        self.motion.moving = False
        self.daemon = Daemon(self.folder, boot=str(self.kills), motion=self.motion)
        self.run = None
        machine, readout = self.daemon.machine, self.readout
        if machine.state in ACTIVE:
            found = self._look()
            if found.trigger is not None:
                machine.fire(found.trigger, found.detail)
            elif readout is not None:
                await self._take_over(readout)
        machine.announce()

    async def _take_over(self, readout: Readout) -> None:
        async def launch() -> Link:
            return BadLink(readout)

        run = self.daemon.again(self.wanted, launch)
        await run.adopt()
        self._drive(run)

    def _look(self) -> Found:
        readout, state = self.readout, self.daemon.state
        if readout is None:
            return Found(trigger=Trigger.FOUND_NOTHING)
        if readout.state in ("armed", "recording", "sealing"):
            return Found(alive=True)
        if readout.state == "gone":
            return Found(trigger=Trigger.READOUT_LOST)
        done = sum(s["completed"] for s in readout.steps) == len(self.wanted.steps)
        whole = done or (state is State.COMPLETING and readout.ended_by not in ALONE)
        return Found(trigger=Trigger.FOUND_COMPLETED if whole else Trigger.FOUND_INTERRUPTED)

    async def _prepare(self, kind: str) -> None:
        if not self.daemon.machine.allows(Trigger.PREPARE):
            return
        self.wanted, self.readout, self.stopped = PROTOCOLS[kind], None, False

        async def launch() -> Link:
            self.readout = Readout()
            self.readouts.append(self.readout)
            return BadLink(self.readout)

        self.daemon.machine.fire(Trigger.PREPARE, run="run-1", directory="/nowhere", runtime="/nowhere", step=0)
        self._drive(self.daemon.again(self.wanted, launch))

    def _drive(self, run: Run) -> None:
        self.run = run
        self.tasks.append(self.loop.create_task(run.drive()))

    async def _ask(self, verb: str) -> None:
        machine, run = self.daemon.machine, self.run
        if verb == "acknowledge":
            machine.fire(Trigger.ACKNOWLEDGE, run=None, step=0)
        elif run is not None and machine.state in ACTIVE:
            if verb in ("stop", "abort"):
                self.stopped = True
                await run.stop(Trigger(verb), "by a test")
            else:
                await getattr(run.steps, verb)()

    async def _ticks(self, ticks: int) -> None:
        for _ in range(ticks):
            await asyncio.sleep(0.011)

    def _die(self) -> None:
        """Drop everything at once: nothing that the old daemon still does on its way out is heard by anybody."""
        run = self.run
        if run is not None and run._link is not None:
            for name in ("stop", "pause", "resume", "motion_lost", "step", "start"):
                setattr(run._link, name, _nothing)
        self.daemon.machine.fire = lambda *_, **__: self.daemon.state  # type: ignore[method-assign]
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            self.loop.run_until_complete(asyncio.wait(self.tasks, timeout=5))
        self.tasks.clear()
        self.daemon.close()


async def _nothing(*_: object, **__: object) -> None:
    """Do what a dead process does."""


World.TestCase.settings = settings(
    max_examples=int(os.environ.get("SCANDAQ_CRASH_EXAMPLES", "200")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestDaemonAndReadoutAreKilledAtAnyMoment = pytest.mark.slow(World.TestCase)
