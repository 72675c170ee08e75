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

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support_run import Axes, Daemon, Link, Readout, VirtualLoop, protocol, step

from daq.errors import ScandaqError
from daq.model.protocol import AcquisitionProtocol, ProtocolKind, Sweep
from daq.services.acquisition.found import Found
from daq.services.acquisition.run import Run
from daq.state.acquisition import ACTIVE, IDLE, State, Trigger

PROTOCOLS: dict[str, AcquisitionProtocol] = {
    "static": protocol(step("a"), step("b", start="manual"), step("c")),
    "spect": protocol(step("0", ProtocolKind.SPECT), step("6", ProtocolKind.SPECT, positions={"gantry": 6.0})),
    "sweep": protocol(step("body", ProtocolKind.WHOLE_BODY, sweep=Sweep("bed", 0.0, 100.0, 2.0, "mm"))),
}
VERBS = ("start", "pause", "resume", "stop", "abort", "acknowledge")


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

    @initialize()
    def begin(self) -> None:
        self.loop.run_until_complete(self._come())

    def teardown(self) -> None:
        """Whatever has happened: a stop leads to rest, and from there back to ready."""
        if hasattr(self, "daemon"):
            self.hold_the_axes(stuck=False)
            with suppress(ScandaqError):
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
        with suppress(ScandaqError):
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
            assert self.readout.state == "sealed"

    @invariant()
    def at_rest_nothing_is_recorded_and_nothing_moves(self) -> None:
        if hasattr(self, "daemon") and self.daemon.state in IDLE and self.readout is not None:
            assert self.readout.state in ("sealed", "gone")
            assert not self.motion.moving

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
            return Link(readout)

        run = self.daemon.again(self.wanted, launch)
        await run.adopt()
        self._drive(run)

    def _look(self) -> Found:
        readout, state = self.readout, self.daemon.state
        if readout is None:
            return Found(trigger=Trigger.FOUND_NOTHING)
        if readout.state in ("armed", "recording"):
            return Found(alive=True)
        if readout.state == "gone":
            return Found(trigger=Trigger.READOUT_LOST)
        done = sum(s["completed"] for s in readout.steps) == len(self.wanted.steps)
        whole = done or (state is State.COMPLETING and readout.ended_by != "motion lost")
        return Found(trigger=Trigger.FOUND_COMPLETED if whole else Trigger.FOUND_INTERRUPTED)

    async def _prepare(self, kind: str) -> None:
        if not self.daemon.machine.allows(Trigger.PREPARE):
            return
        self.wanted, self.readout = PROTOCOLS[kind], None

        async def launch() -> Link:
            self.readout = Readout()
            return Link(self.readout)

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
TestDaemonAndReadoutAreKilledAtAnyMoment = World.TestCase
