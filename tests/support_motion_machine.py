"""A motion engine under random people and random faults. Whatever they do: after any way out nothing moves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support_motion import Gantry
from support_virtual import VirtualLoop

from daq.devices.limits import AxisLimits
from daq.devices.simulated.axes import SimulatedAxis
from daq.devices.simulated.wire import Wire
from daq.errors import ScandaqError
from daq.model.station import Reading
from daq.services.motion import StopReport
from daq.state.enable import Button, Motion, Reference

BED = AxisLimits("mm", 0.0, 2000.0, 200.0, max_overtravel=20.0, away="minimum")
TURN = AxisLimits("deg", -10.0, 370.0, 40.0, max_overtravel=4.0)
BEDS = st.floats(-500.0, 2500.0)
ANGLES = st.floats(-60.0, 420.0)
TIMES = st.sampled_from([0.0, 0.001, 0.02, 0.1, 0.4, 1.0, 3.0, 20.0])
GOOD_WIRE_S = 0.35
"""From the enable to standstill while wires are good: the guard's look, a call, the motor's lag."""
CUT_WIRE_S = 1.6
"""And while one is not: the controller's watchdog after its last word, and what may still be sent."""
STOPPING_S = 3.0
"""By then a movement whose axes do not answer has ended with an error."""


class Motions(RuleBasedStateMachine):
    """People press, ask, stop and cancel; hardware fails and is mended."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.gantry = self._do(self._made())
        self.movement: asyncio.Task[Any] | None = None
        self.off_since_s: float | None = self.loop.time()
        self.bad_wire_s = float("-inf")
        self.times_lost = 0
        self.gantry.bus._listeners.append(self._hear)

    async def _made(self) -> Gantry:
        gantry = Gantry(self.loop, bed_limits=BED, gantry_limits=TURN)
        await gantry.ready()
        return gantry

    def teardown(self) -> None:
        self.gantry.let_go()
        self.loop.end()

    def _do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)

    def _wait(self, seconds: float) -> None:
        self._do(asyncio.sleep(seconds))

    def _hear(self, said: object) -> None:
        if isinstance(said, Reading) and (said.device, said.name) == ("motion", "reference"):
            self.times_lost += said.value == "lost" and self.was != "lost"
            self.was = said.value
            self.lost_since_s = self.lost_since_s or self.loop.time() if said.value == "lost" else None
        if isinstance(said, Reading) and (said.device, said.name) == ("motion", "enable"):
            off = said.value in ("off", "spent")
            self.off_since_s = (self.off_since_s or self.loop.time()) if off else None

    was: object = "confirmed"
    lost_since_s: float | None = None

    async def _quietly(self, movement: Coroutine[Any, Any, Any]) -> None:
        try:
            await movement
        except ScandaqError as why:
            event(f"a movement ended with {type(why).__name__}")
        else:
            event("a movement arrived")

    def _begin(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Ask for a movement, at a time when no other one is asked for."""
        if self.movement is not None and not self.movement.done():
            return

        async def begin() -> None:
            self.movement = asyncio.create_task(self._quietly(make()), name="what a person asked for")
            await asyncio.sleep(0)

        self._do(begin())

    def _call(self, act: Callable[[], None]) -> None:
        async def call() -> None:
            with contextlib.suppress(ScandaqError):
                act()

        self._do(call())

    # People

    @rule()
    def press_and_hold(self) -> None:
        self.gantry.let_go()
        self._call(self.gantry.engine.release)
        self._call(self.gantry.keep_holding)

    @rule()
    def take_the_thumb_away(self) -> None:
        self.gantry.let_go()

    @rule()
    def latch(self) -> None:
        self.gantry.let_go()
        self._call(self.gantry.engine.latch)

    @rule()
    def release(self) -> None:
        self.gantry.let_go()
        self._call(self.gantry.engine.release)

    @rule(bed=BEDS, angle=ANGLES, order=st.sampled_from(["one_by_one", "together"]), motion=st.sampled_from(Motion))
    def ask_for_a_position(self, bed: float, angle: float, order: Any, motion: Motion) -> None:
        targets = {"bed": bed, "gantry": angle}
        self._begin(lambda: self.gantry.engine.position(targets, order=order, motion=motion))

    @rule(bed=st.floats(0.0, 2000.0), latched=st.booleans())
    def ask_for_a_possible_position(self, bed: float, latched: bool) -> None:
        motion = Motion.STEP if latched else Motion.POSITIONING
        self._begin(lambda: self.gantry.engine.position({"bed": bed}, motion=motion))

    @rule(end=BEDS, speed=st.floats(-1.0, 250.0))
    def ask_for_a_sweep(self, end: float, speed: float) -> None:
        begin = self.gantry.bed.last.position if self.gantry.bed.last is not None else 100.0
        self._begin(lambda: self.gantry.engine.sweep("bed", begin, end, speed))

    @rule(bed=st.floats(0.0, 2000.0), angle=st.floats(-10.0, 370.0), order=st.sampled_from(["one_by_one", "together"]))
    def position_with_the_thumb_on(self, bed: float, angle: float, order: Any) -> None:
        self._recover_if_lost()
        self.press_and_hold()
        self._begin(lambda: self.gantry.engine.position({"bed": bed, "gantry": angle}, order=order))
        self._wait(0.3)

    @rule(end=st.floats(0.0, 2000.0), speed=st.floats(1.0, 200.0))
    def latch_and_sweep(self, end: float, speed: float) -> None:
        self._recover_if_lost()
        self.latch()
        self.ask_for_a_sweep(end, speed)
        self._wait(0.3)

    @rule(axis=st.sampled_from(["bed", "gantry"]))
    def ask_for_a_retreat(self, axis: str) -> None:
        self._begin(lambda: self.gantry.engine.retreat(axis))

    @rule(names=st.sampled_from([(), ("bed",), ("gantry",)]))
    def ask_for_homing(self, names: tuple[str, ...]) -> None:
        self._begin(lambda: self.gantry.engine.home(*names))

    @rule(both=st.booleans())
    def confirm(self, both: bool) -> None:
        self._call(lambda: self.gantry.engine.confirm(identity=True, position=both))

    @rule()
    def say_that_the_patient_moved(self) -> None:
        self._call(self.gantry.engine.patient_moved)

    @rule(nobody=st.booleans())
    def attend_or_go(self, nobody: bool) -> None:
        def go() -> None:
            self.gantry.engine.unattended = nobody

        self._call(go)

    @rule(times=st.integers(1, 4))
    def cancel(self, times: int) -> None:
        if self.movement is None or self.movement.done():
            return
        event("a movement was cancelled")
        for _ in range(times):
            self.movement.cancel()
            self._wait(0)

    @rule(others=st.integers(0, 3))
    def stop(self, others: int) -> None:
        begun_s = self.loop.time()
        wires_good = self._wires_good()
        event(f"a stop while {'something' if self.gantry.anything_moves() else 'nothing'} moves, wires {wires_good}")

        async def stop() -> list[StopReport]:
            return await asyncio.gather(*(self.gantry.engine.stop_motion() for _ in range(1 + others)))

        reports = self._do(stop())

        assert self.loop.time() - begun_s <= 3.0
        if wires_good:
            assert [report.stands for report in reports] == [True] * len(reports)
            assert not self.gantry.anything_moves()
            assert self.movement is None or self.movement.done() or not self.gantry.engine.figures()["doing"]
            assert max(report.wire_s or 0.0 for report in reports) <= 0.25
            assert max(report.halted_s or 0.0 for report in reports) <= 1.0
        assert self.gantry.engine.enable.button in (Button.OFF, Button.SPENT)

    @rule(seconds=TIMES)
    def wait(self, seconds: float) -> None:
        self._wait(seconds)

    # Hardware

    def _axes(self) -> tuple[SimulatedAxis, ...]:
        return self.gantry.bed, self.gantry.head

    def _wires_good(self) -> bool:
        lines = [axis.drive.line for axis in self._axes()]
        return all(line.state is Wire.GOOD and line.delay_s <= 0.2 for line in lines)

    @rule()
    def press_the_emergency_stop(self) -> None:
        self._call(self.gantry.chain.press_emergency_stop)

    @rule()
    def hit_the_pad(self) -> None:
        self._call(self.gantry.chain.hit_pad)

    @rule()
    def reset_the_chain(self) -> None:
        self.gantry.chain.reset_emergency_stop()
        self.gantry.chain.free_pad()

    @rule(which=st.integers(0, 1), state=st.sampled_from([Wire.MUTE, Wire.CUT]))
    def break_a_wire(self, which: int, state: Wire) -> None:
        self._axes()[which].drive.line.state = state

    @rule(delay_s=st.sampled_from([0.0, 0.05, 0.2, 0.3]))
    def slow_the_bed_down(self, delay_s: float) -> None:
        self.gantry.bed.drive.line.delay_s = delay_s

    @rule()
    def mend_the_wires(self) -> None:
        for axis in self._axes():
            axis.drive.line.state, axis.drive.line.delay_s = Wire.GOOD, 0.0

    @rule(which=st.integers(0, 1))
    def stall_an_axis(self, which: int) -> None:
        self._axes()[which].drive.stall()

    @rule(part=st.sampled_from([0.3, 1.0, 1.0, 2.5]))
    def drag(self, part: float) -> None:
        self.gantry.bed.drive.drag(part)

    @rule(which=st.integers(0, 1))
    def cut_the_power(self, which: int) -> None:
        self._axes()[which].drive.cut_power()

    @rule()
    def repair_everything(self) -> None:
        self.mend_the_wires()
        self.reset_the_chain()
        for axis in self._axes():
            axis.drive.free()
            if not axis.drive.powered:
                axis.drive.restore_power()
        self.gantry.bed.drive.drag(1.0)
        self._wait(0.7)

    @rule()
    def recover_everything(self) -> None:
        """Do what a person does after a fault, so that long runs are not all spent in fault."""
        self.repair_everything()
        self.cancel(1)
        self.stop(0)
        self.attend_or_go(nobody=False)
        self.press_and_hold()
        self._begin(self.gantry.engine.home)
        self._wait(25.0)
        self.confirm(both=True)
        assert self.gantry.engine.enable.reference is Reference.CONFIRMED

    def _recover_if_lost(self) -> None:
        if self.gantry.engine.enable.reference is not Reference.CONFIRMED:
            self.recover_everything()

    # What always holds

    def _note_wires(self) -> None:
        if not self._wires_good() or self.gantry.bed.drive.line.delay_s:
            self.bad_wire_s = self.loop.time()

    @invariant()
    def after_any_way_out_nothing_moves(self) -> None:
        self._note_wires()
        if self.movement is None or not self.movement.done():
            return
        doubtful = any(axis.doubtful for axis in self.gantry.axes.values())
        assert doubtful or not self.gantry.anything_moves()
        assert not doubtful or (self.gantry.engine.moving and "not-halted" in self.gantry.alarms.names())

    @invariant()
    def nothing_moves_without_the_enable(self) -> None:
        if self.off_since_s is None or not self.gantry.anything_moves():
            return
        good = self.loop.time() - self.bad_wire_s > CUT_WIRE_S
        assert self.loop.time() - self.off_since_s <= (GOOD_WIRE_S if good else CUT_WIRE_S)

    @invariant()
    def no_axis_is_ever_outside_of_its_limits(self) -> None:
        for axis, limits in ((self.gantry.bed, BED), (self.gantry.head, TURN)):
            assert _inside(axis, limits)

    @invariant()
    def every_loss_is_told_once(self) -> None:
        assert len(self.gantry.losses) == self.times_lost

    @invariant()
    def a_program_that_moves_says_so(self) -> None:
        moved = self.gantry.engine.figures()["doing"] != ""
        assert self.gantry.engine.moving or not moved

    @invariant()
    def with_positions_lost_only_homing_and_retreating_go_on(self) -> None:
        doing = self.gantry.engine.figures()["doing"]
        if self.lost_since_s is not None and doing.startswith(("move", "sweep")):
            assert self.loop.time() - self.lost_since_s <= STOPPING_S


def _inside(axis: SimulatedAxis, limits: AxisLimits) -> bool:
    return limits.minimum <= axis.drive.true_place() <= limits.maximum


def machine_settings(examples: int, steps: int) -> settings:
    """Return settings for so many examples of so many steps."""
    slow = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    return settings(max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=slow)
