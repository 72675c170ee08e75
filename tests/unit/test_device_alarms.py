"""What devices say becomes an alarm while it lasts, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from support_motion import AlarmList
from support_virtual import VirtualLoop, virtually

from daq.model.station import Reading, utc_now
from daq.services.bus import Bus
from daq.services.devicealarms import DeviceAlarms


def reading(value: Any, quality: Any = "good", **more: Any) -> Reading:
    told = {"device": "hv", "name": "voltage", "unit": "V", **more}
    return Reading(value=value, quality=quality, read_utc=utc_now(), **told)


def told(story: Callable[[Bus, AlarmList], Any]) -> None:
    async def main(loop: VirtualLoop) -> None:
        bus, alarms = Bus(), AlarmList()
        task = asyncio.create_task(DeviceAlarms(bus, alarms, clock=loop.time).run())
        await asyncio.sleep(0)
        result = story(bus, alarms)
        if result is not None:
            await result
        assert bus.failures == 0
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtually(main)


@pytest.mark.parametrize(
    ("bad", "good", "name", "priority", "says"),
    [
        (reading(800.0, "stale"), reading(800.0), "voltage-silent", "medium", "does not answer"),
        (reading(None, "comm_fail"), reading(800.0), "voltage-silent", "medium", "answers with errors"),
        (reading(950.0, "out_of_limits", limits={"maximum": 900.0}), reading(800.0), "voltage-limits", "medium",
         "voltage of hv is 950.0 V (maximum 900)"),
        (reading("over-current trip", name="trouble"), reading("", name="trouble"), "trouble-trip", "high",
         "hv: over-current trip"),
        (reading(False, "out_of_limits", name="service_cover"), reading(True, name="service_cover"),
         "service_cover-open", "low", "is open"),
    ],
    ids=["stale", "failed", "limit", "trip", "cover"],
)  # fmt: skip
def test_a_cause_raises_its_alarm_and_its_end_clears_it(
    bad: Reading, good: Reading, name: str, priority: str, says: str
) -> None:
    def story(bus: Bus, alarms: AlarmList) -> None:
        bus.announce(good)
        assert (alarms.raised, alarms.cleared) == ([], [])
        bus.announce(bad)
        (alarm,) = alarms.raised
        assert (alarm.device, alarm.name, alarm.priority) == ("hv", name, priority)
        assert says in alarm.text
        assert alarm.guidance
        bus.announce(good)
        bus.announce(good)
        assert alarms.cleared == [("hv", name)]

    told(story)


def test_a_limit_stays_raised_while_the_device_is_silent() -> None:
    def story(bus: Bus, alarms: AlarmList) -> None:
        bus.announce(reading(950.0, "out_of_limits"))
        bus.announce(reading(950.0, "stale"))
        assert alarms.names() == ["voltage-limits", "voltage-silent"]
        assert alarms.cleared == []

    told(story)


@pytest.mark.parametrize(("per_h", "expected"), [(0.0, []), (2.9, []), (-2.9, []), (3.2, ["d"]), (-6.0, ["d"])])
def test_a_temperature_that_changes_too_fast_is_told(per_h: float, expected: list[str]) -> None:
    async def story(bus: Bus, alarms: AlarmList) -> None:
        for minute in range(60):
            bus.announce(reading(22.0 + per_h * minute / 60.0, name="temperature", unit="degC", device="head"))
            await asyncio.sleep(60.0)
        assert sorted(set(alarms.names())) == ["temperature-drift" for _ in expected]
        for _ in range(30):
            bus.announce(reading(22.0 + per_h, name="temperature", unit="degC", device="head"))
            await asyncio.sleep(60.0)
        assert sorted(set(alarms.cleared)) == [("head", "temperature-drift") for _ in expected]

    told(story)


def test_a_short_look_is_no_drift_and_what_is_known_at_the_start_counts() -> None:
    async def main(loop: VirtualLoop) -> None:
        bus, alarms = Bus(), AlarmList()
        bus.announce(reading(800.0, "stale"))
        task = asyncio.create_task(DeviceAlarms(bus, alarms, clock=loop.time).run())
        await asyncio.sleep(0)
        for value in (22.0, 23.0, 24.0):
            bus.announce(reading(value, name="temperature", unit="degC"))
            await asyncio.sleep(10.0)
        assert alarms.names() == ["voltage-silent"]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtually(main)
