"""How long after the injection a step begins is said before it does, and noted where it was out of its time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support_run import Daemon, Readout, driven, protocol, step

from daq.services.acquisition.uptake import UptakeTime
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.state.acquisition import State

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATE = step("late", after_injection_s=(2 * 3600.0, 5 * 3600.0))
POOL = step("blood pool", after_injection_s=(0.0, 600.0))


def uptake(after: timedelta | None) -> tuple[UptakeTime, Alarms]:
    alarms = Alarms(Bus())
    injected = None if after is None else NOON - after
    return UptakeTime(lambda: injected, alarms, now=lambda: NOON), alarms


@pytest.mark.parametrize(
    ("which", "after", "says"),
    [
        (LATE, timedelta(minutes=30), "'late' is to begin 2 h to 5 h after the injection; 90 min to go"),
        (LATE, timedelta(hours=7, minutes=25), "'late' is to begin 2 h to 5 h after the injection; 2 h 25 min ago"),
        (
            POOL,
            timedelta(minutes=9, seconds=10),
            "'blood pool' is to begin 0 s to 10 min after the injection; 50 s left",
        ),
        (
            POOL,
            -timedelta(minutes=3),
            "which the record dates into the future: look at the clock of the dose calibrator",
        ),
        (POOL, None, "whose time is not known: note it"),
        (LATE, timedelta(hours=3), None),
        (POOL, timedelta(minutes=5), None),
        (step("front"), None, None),
    ],
)
def test_it_is_said_in_words(which: object, after: timedelta | None, says: str | None) -> None:
    said = uptake(after)[0].said(which)  # type: ignore[arg-type] - a step

    if says is None:
        assert said is None
    else:
        assert says.replace("; 2 h 25", "; that was 2 h 25") in (said or "")


def test_a_step_that_waits_is_warned_of_and_one_that_began_in_time_leaves_no_word() -> None:
    waiting, alarms = uptake(timedelta(minutes=9, seconds=10))
    waiting.look(POOL)
    assert [alarm.name for alarm in alarms.active()] == ["after-injection"]
    waiting.begun(POOL)
    assert alarms.active() == []


async def test_a_run_that_waits_for_a_late_view_says_how_long_is_to_go(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(protocol(LATE), readout)
    run.steps.readiness.uptake._injected = lambda: datetime.now(UTC) - timedelta(minutes=30)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        async with asyncio.timeout(5):
            while not daemon.alarms.active():
                await asyncio.sleep(0.01)
        [alarm] = daemon.alarms.active()
        assert alarm.text == "'late' is to begin 2 h to 5 h after the injection; 90 min to go"
        await run.steps.start()
        assert daemon.alarms.active()[0].latched
        readout.reach_limit()

    assert daemon.state is State.COMPLETED


def test_a_step_that_began_out_of_its_time_is_said_until_somebody_has_seen_it() -> None:
    late, alarms = uptake(timedelta(minutes=20))
    late.begun(POOL)
    late.look(None)

    [alarm] = alarms.active()
    assert alarm.text == "'blood pool' is to begin 0 s to 10 min after the injection; that was 10 min ago"
    assert alarm.latched
