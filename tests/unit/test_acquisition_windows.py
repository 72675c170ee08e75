"""A run whose energy window is changed while it is armed: its readout is let go, another takes its place."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support_run import Daemon, Link, Readout, driven, protocol, step

from acquisition_protocols.load import available, load_protocol
from daq.composition.runs import Planner
from daq.errors import DeadlineError, RefusedError, TransitionRefusedError, UnreachableError
from daq.model.console.window_verbs import EnergyWindow as EnergyWindowAsked
from daq.model.station import Actor, Role
from daq.model.windowchange import WindowChange, WindowEdges
from daq.model.windows import EnergyWindow, WindowSet
from daq.services.acquisition.examwindows import ExamWindows
from daq.services.acquisition.journal import Entry
from daq.state.acquisition import State, Trigger

ANNA = Actor("anna", "console", Role.TECHNOLOGIST)
ONE = protocol(step("front"))
SHIFTED = replace(ONE, windows=WindowSet((EnergyWindow(129.0, 157.0, "photopeak"),)))


async def test_the_armed_readout_is_let_go_and_another_records_with_the_changed_windows(tmp_path: Path) -> None:
    daemon, first, second = Daemon(tmp_path), Readout(), Readout()
    run = daemon.run(ONE, first)

    async def launch() -> Any:
        return Link(second)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.change(SHIFTED, launch, runtime="/elsewhere", windows=[{"window": "photopeak"}])
        await daemon.until(State.ARMED)
        assert (daemon.journal.entry.runtime, daemon.journal.entry.windows) == ("/elsewhere", [{"window": "photopeak"}])
        assert run.protocol is SHIFTED
        await run.steps.start()
        second.reach_limit()

    assert daemon.states == ["preparing", "armed", "preparing", "armed", "acquiring", "completing", "completed"]
    assert (first.asked, second.asked) == (["release"], ["start", "stop all steps done"])


async def test_a_start_by_the_clock_is_waited_for_also_with_another_window(tmp_path: Path) -> None:
    daemon, first, second = Daemon(tmp_path), Readout(), Readout()
    run = daemon.run(ONE, first)

    async def launch() -> Any:
        return Link(second)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.start(datetime.now(UTC) + timedelta(hours=5))
        await run.change(SHIFTED, launch)
        await daemon.until(State.ARMED)
        by_clock_s = run.armed_for_s
        run.renew_arming()
        renewed_s = run.armed_for_s
        await run.stop(Trigger.ABORT, "aborted")

    assert by_clock_s is not None
    assert renewed_s is not None
    assert min(by_clock_s, renewed_s) > 5 * 3600 - 60


async def test_nothing_is_changed_while_it_records_or_is_paused(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(ONE, readout)

    async def launch() -> Any:
        raise AssertionError("no readout may be started")

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.steps.start()
        with pytest.raises(TransitionRefusedError, match="cannot change while acquiring"):
            await run.change(SHIFTED, launch)
        await run.steps.pause()
        with pytest.raises(TransitionRefusedError, match="cannot change while paused"):
            await run.change(SHIFTED, launch)
        await run.stop(Trigger.STOP, "stopped")

    assert "release" not in readout.asked
    assert run.protocol is ONE


async def test_a_stop_while_the_readout_is_let_go_ends_the_run(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(ONE, readout)
    letting, go = asyncio.Event(), asyncio.Event()

    class Slow(Link):
        async def release(self) -> None:
            letting.set()
            await go.wait()
            await super().release()

        async def stop(self, by: str) -> None:
            del by
            raise UnreachableError("it is ending")

    async def launch() -> Any:
        raise AssertionError("a run that was stopped starts no other readout")

    run._launch = lambda: _given(Slow(readout))
    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        changing = asyncio.create_task(run.change(SHIFTED, launch))
        await letting.wait()
        await run.stop(Trigger.ABORT, "the patient is unwell")
        go.set()
        with pytest.raises(TransitionRefusedError):
            await changing

    assert daemon.states[-2:] == ["aborting", "aborted"]


async def test_whoever_waits_for_another_window_keeps_no_stop_waiting_and_hears_of_it(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    run = daemon.run(ONE, Readout())

    class Slow(Link):
        async def status(self) -> dict[str, Any]:
            told = await super().status()
            return {**told, "state": "starting"} if told["state"] == "armed" else told

    async def moved(*_: Any) -> tuple[WindowChange, ...]:
        await run.change(SHIFTED, lambda: _given(Slow(Readout())))
        return ()

    exam = ExamWindows(lambda: run, daemon.machine, SimpleNamespace(moved=moved), lambda: None, lambda: None)  # type: ignore[arg-type]
    asked = EnergyWindowAsked(windows=[WindowEdges(window="photopeak", lower_kev=129.0, upper_kev=157.0)])
    async with driven(daemon, run), asyncio.timeout(5.0):
        await daemon.until(State.ARMED)
        changing = asyncio.ensure_future(exam.handlers["energy-window"](asked, ANNA))
        await daemon.until(State.PREPARING)
        await run.stop(Trigger.ABORT, "aborted by anna")
        with pytest.raises(RefusedError, match="not armed with the other window: aborted by anna"):
            await changing

    assert daemon.states[-2:] == ["aborting", "aborted"]


async def test_one_that_is_let_go_and_answers_no_more_is_not_called_lost(tmp_path: Path) -> None:
    daemon, first, second = Daemon(tmp_path), Readout(), Readout()
    run = daemon.run(ONE, first)
    asked = asyncio.Event()

    class Quiet(Link):
        letting = False

        async def release(self) -> None:
            self.letting = True
            await asked.wait()
            await super().release()

        async def status(self) -> dict[str, Any]:
            if self.letting:
                asked.set()
                raise DeadlineError("the readout was not done within 10 s")
            return await super().status()

    run._launch = lambda: _given(Quiet(first))
    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.change(SHIFTED, lambda: _given(Link(second)))
        await daemon.until(State.ARMED)
        assert not any(alarm.name == "readout-lost" for alarm in daemon.alarms.active())
        await run.stop(Trigger.ABORT, "aborted")


async def test_a_readout_that_cannot_be_started_again_aborts_the_run_with_the_reason(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    run = daemon.run(ONE, Readout())

    async def launch() -> Any:
        raise DeadlineError("no readout within 30 s")

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.change(SHIFTED, launch)

    assert daemon.state is State.ABORTED
    assert "no readout within 30 s" in daemon.ended[0][2]


async def _given(link: Link) -> Any:
    return link


def test_after_a_restart_further_views_are_asked_for_with_the_windows_that_the_exam_had(tmp_path: Path) -> None:
    path = available()["demo-planar-static"]
    loaded = load_protocol(path)
    signed = loaded.protocol.windows.windows[0]
    change = WindowChange(
        signed.name, (signed.lower_kev, signed.upper_kev), (signed.lower_kev - 2.0, signed.upper_kev - 2.0), "anna",
        "2020-01-01T10:00:00Z", "by hand",
    )  # fmt: skip
    entry = Entry(
        state=State.COMPLETED, run="run-1", directory=str(tmp_path / "run-1"), protocol_id=loaded.protocol.id,
        protocol=loaded.text.decode(), step=1, windows=[change.to_json()],
    )  # fmt: skip
    equipment: Any = SimpleNamespace(site=SimpleNamespace(state_folder=tmp_path, storage=tmp_path))
    nothing: Any = None
    planner = Planner(equipment, Daemon(tmp_path).around, nothing, SimpleNamespace(find=nothing), "boot")  # type: ignore[arg-type]
    run = planner.ended_before(entry)

    assert run is not None
    assert run.protocol.changed == (change,)
    assert run.protocol.windows.windows[0].lower_kev == signed.lower_kev - 2.0
