"""A start by the clock comes after the delay it was given, whatever becomes of the clock; what cannot be is refused."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support_run import Daemon, Readout, driven, protocol, step
from support_virtual import VirtualLoop, virtually

from daq.cli.clocktime import moment
from daq.errors import RefusedError, TransitionRefusedError, UsageError
from daq.model.verbs import Start
from daq.services.acquisition.clockstart import ClockStart
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.state.acquisition import State, Trigger

EVENING = datetime(2026, 11, 22, 23, 59, 30, tzinfo=UTC)


class Wall:
    """The clock of a host in virtual time, which somebody may change."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop, self._since_s = loop, loop.time()
        self.changed = timedelta(0)

    def __call__(self) -> datetime:
        return EVENING + timedelta(seconds=self._loop.time() - self._since_s) + self.changed


@pytest.mark.parametrize("change", [timedelta(0), timedelta(hours=-1), timedelta(hours=1), timedelta(days=40)])
def test_a_clock_that_is_changed_over_midnight_moves_no_start(change: timedelta) -> None:
    async def main(loop: VirtualLoop) -> None:
        wall, started, marks = Wall(loop), [], []

        async def start() -> None:
            started.append(loop.time())

        async def mark(text: str) -> None:
            marks.append(text)

        begun_s = loop.time()
        clock = ClockStart(start, mark, Alarms(Bus()), now=wall)
        assert clock.arm(EVENING + timedelta(seconds=60)) == 60.0
        await asyncio.sleep(31.0)  # it is past midnight
        wall.changed = change
        await asyncio.sleep(100.0)

        assert started == [begun_s + 60.0]
        assert len(marks) == (1 if change else 0)
        assert all("started by the clock as asked; that of the host was changed by" in text for text in marks)

    virtually(main)


def test_a_start_that_fails_is_an_alarm_with_the_reason() -> None:
    async def main(loop: VirtualLoop) -> None:
        async def start() -> None:
            raise RefusedError("axes no longer stand where 'late' begins: prepare it again")

        async def mark(_: str) -> None:
            raise AssertionError("nothing is recorded")

        alarms = Alarms(Bus())
        ClockStart(start, mark, alarms, now=Wall(loop)).arm(EVENING + timedelta(seconds=5))
        await asyncio.sleep(6.0)

        [alarm] = alarms.active()
        assert alarm.text == "the start by the clock failed: axes no longer stand where 'late' begins: prepare it again"

    virtually(main)


@pytest.mark.parametrize(
    ("off", "says"),
    [
        (timedelta(seconds=-1), "cannot start at .*: this host's clock says "),
        (timedelta(hours=25), "cannot start at .*: that is more than 24 h from "),
    ],
)
def test_the_past_and_the_day_after_tomorrow_are_refused(off: timedelta, says: str) -> None:
    async def main(loop: VirtualLoop) -> None:
        async def never(*_: str) -> None:
            raise AssertionError("it must not start")

        with pytest.raises(RefusedError, match=says):
            ClockStart(never, never, Alarms(Bus()), now=Wall(loop)).arm(EVENING + off)

    virtually(main)


async def test_an_armed_run_starts_by_the_clock_and_says_when(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(protocol(step("late")), readout)

    async with driven(daemon, run):
        with pytest.raises(TransitionRefusedError):
            await run.start(datetime.now(UTC) + timedelta(seconds=5))
        await daemon.until(State.ARMED)
        await run.start(datetime.now(UTC) + timedelta(seconds=0.3))
        assert daemon.said[-1].detail.startswith("starts by the clock at 20")
        assert daemon.state is State.ARMED
        await daemon.until(State.ACQUIRING)
        readout.reach_limit()

    assert readout.asked[0] == "start"


async def test_a_start_by_hand_takes_the_place_of_one_by_the_clock(tmp_path: Path) -> None:
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(protocol(step("a"), step("b", start="manual")), readout)

    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        await run.start(datetime.now(UTC) + timedelta(seconds=0.2))
        await run.start()
        readout.reach_limit()
        await daemon.until(State.WAITING)
        await asyncio.sleep(0.4)
        assert daemon.state is State.WAITING
        assert daemon.alarms.active() == []
        await run.stop(Trigger.STOP, "enough")


def test_a_time_of_day_is_the_next_one_of_the_hosts_clock() -> None:
    now = datetime.now(UTC).astimezone().replace(hour=22, minute=15, second=0, microsecond=0)

    assert moment("22:30", now) - now == timedelta(minutes=15)
    assert moment("22:15:05", now) - now == timedelta(seconds=5)
    assert timedelta(hours=23) < moment("22:14", now) - now < timedelta(hours=26)  # a night may be longer
    assert moment("2026-11-23T14:30:00+01:00", now) == datetime(2026, 11, 23, 13, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "24:00", "9", "12:60", "2026-11-23T14:30:00", "noon", "12:30:61", "١٢:٣٠"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        moment(text, datetime.now(UTC))


@pytest.mark.parametrize("text", ["14:30", "2026-11-23T14:30:00", "soon"])
def test_the_daemon_takes_full_times_alone(text: str) -> None:
    with pytest.raises(UsageError, match=r"start: at = '.*' is no time of RFC 3339, such as"):
        _ = Start(at=text).moment
