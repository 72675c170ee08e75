"""A gated step begins when beats come, and it is said when they stay away or are none that it takes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support_run import Daemon, Readout, driven, protocol, step
from support_virtual import VirtualLoop, virtually

from daq.devices.abilities import Beats
from daq.devices.simulated.gate import SimulatedGate
from daq.errors import DeadlineError, InterlockError
from daq.model.protocol import Gate, ProtocolKind, Step
from daq.services.acquisition.beating import Beating, nobody_sees
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.state.acquisition import State, Trigger

S = 10**12
GATE = Gate("ecg", 16, "percent", "forward", None, (S * 6 // 10, S * 12 // 10))
HEART = step("heart", ProtocolKind.GATED, gate=GATE)


async def nothing_yet() -> Beats:
    return Beats(0, None, None)


async def test_without_an_r_wave_a_gated_step_does_not_begin_and_the_operator_reads_why(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    daemon.change(beats=nothing_yet)
    run = daemon.run(protocol(HEART), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        with pytest.raises(
            InterlockError,
            match="'heart' cannot begin: it is gated, and there is no R wave yet: look at the electrodes, at the cable",
        ):
            await run.steps.start()
        assert (daemon.state, readout.asked) == (State.ARMED, [])
        await run.stop(Trigger.ABORT, "no heart")


async def test_a_second_step_that_is_gated_waits_for_a_person_where_no_beats_come(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    daemon.change(beats=nothing_yet)
    run = daemon.run(protocol(step("front"), HEART), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.steps.start()
        readout.reach_limit()
        await daemon.until(State.WAITING)
        assert daemon.said[-1].detail.startswith("heart; it is gated, and there is no R wave yet")
        await run.stop(Trigger.STOP, "enough")


async def test_a_station_without_a_trigger_device_gates_by_what_comes_in_the_stream(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(protocol(HEART), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.steps.start()
        readout.reach_limit()

    assert daemon.state is State.COMPLETED


def watched(wanted: Step, doing: object) -> None:
    async def main(loop: VirtualLoop) -> None:
        gate, alarms = SimulatedGate("ecg", bpm=65.0, clock=loop.time), Alarms(Bus())
        beating = Beating(gate.beats, alarms, clock=loop.time)
        await asyncio.sleep(5.0)
        await beating.require(wanted)
        beating.watch(wanted)
        await doing(gate, alarms)  # type: ignore[operator] - a coroutine function
        beating.end()
        assert alarms.active() == []

    virtually(main)


def test_beats_that_are_lost_in_mid_step_raise_an_alarm_until_they_are_back() -> None:
    async def doing(gate: SimulatedGate, alarms: Alarms) -> None:
        await asyncio.sleep(10.0)
        assert alarms.active() == []
        gate.lose_signal()
        await asyncio.sleep(6.0)
        [alarm] = alarms.active()
        assert alarm.priority == "high"
        assert alarm.text.endswith("in step 'heart': what is counted now belongs to no beat")
        assert alarm.text.startswith("no R wave for ")
        gate.find_signal()
        await asyncio.sleep(4.0)
        assert alarms.active() == []

    watched(HEART, doing)


def test_beats_outside_of_the_window_for_a_minute_are_said() -> None:
    async def doing(gate: SimulatedGate, alarms: Alarms) -> None:
        gate.beat_at(130.0)
        await asyncio.sleep(30.0)
        assert alarms.active() == []  # it may pass
        await asyncio.sleep(45.0)
        [alarm] = alarms.active()
        assert "ms apart for a minute; step 'heart' takes 600 to 1200 ms: none is accepted" in alarm.text
        gate.beat_at(65.0)
        await asyncio.sleep(4.0)
        assert alarms.active() == []

    watched(HEART, doing)


def test_a_step_that_is_not_gated_needs_no_heart() -> None:
    async def doing(gate: SimulatedGate, alarms: Alarms) -> None:
        gate.lose_signal()
        await asyncio.sleep(20.0)
        assert alarms.active() == []

    watched(step("front"), doing)


async def test_a_trigger_that_does_not_answer_is_no_beating_heart() -> None:
    async def dead() -> Beats:
        raise DeadlineError("ecg did not say beats within 0.5 s")

    beating = Beating(dead, Alarms(Bus()))
    with pytest.raises(InterlockError, match="the trigger does not say whether beats come: ecg did not say beats"):
        await beating.require(HEART)


def test_what_the_front_end_sends_tells_whether_beats_are_recorded_whatever_the_trigger_shows() -> None:
    async def main(loop: VirtualLoop) -> None:
        alarms = Alarms(Bus())
        beating = Beating(nobody_sees, alarms, clock=loop.time)
        beating.watch(HEART)

        async def told(triggers: int, accepted: int, seconds: float = 1.0) -> list[str]:
            beating.recorded(HEART, {"triggers": triggers, "beats": accepted})
            await asyncio.sleep(seconds)
            return [alarm.text for alarm in alarms.active()]

        assert [await told(0, 0) for _ in range(4)] == [[]] * 4
        assert await told(0, 0) == [
            "no R wave from the front end for more than 3 s in step 'heart': what is counted now belongs to no beat"
        ]
        assert [await told(at, 0) for at in range(1, 57)] == [[]] * 56
        await told(57, 0, 2.0)
        await told(58, 0, 2.0)
        assert await told(59, 0) == ["no beat of step 'heart' was accepted for more than 60 s"]
        assert await told(60, 1) == []
        beating.recorded(step("front"), {"events": 1})
        beating.end()

    virtually(main)
