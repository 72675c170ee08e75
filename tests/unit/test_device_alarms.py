"""What devices say becomes an alarm while it lasts, and only then."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest
from support_motion import AlarmList
from support_virtual import VirtualLoop, virtually

from daq.devices.abilities import Quantity
from daq.model.station import Reading, utc_now
from daq.services.bus import Bus
from daq.services.devicealarms import DeviceAlarms


def reading(value: Any, quality: Any = "good", **more: Any) -> Reading:
    told = {"device": "hv", "name": "voltage", "unit": "V", **more}
    return Reading(value=value, quality=quality, read_utc=utc_now(), **told)


def told(story: Callable[[Bus, AlarmList], Any], **known: Any) -> None:
    async def main(loop: VirtualLoop) -> None:
        bus, alarms = Bus(), AlarmList()
        task = asyncio.create_task(DeviceAlarms(bus, alarms, clock=loop.time, **known).run())
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
         "voltage of hv is 950 V (maximum 900)"),
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


def test_a_warning_is_low_says_what_to_do_and_becomes_an_alarm_of_the_priority_that_was_asked_for() -> None:
    bath = Quantity("bath", "degC", guidance="top up the chiller", priority="high")
    limits = {"warning_high": 24.0, "alarm_high": 28.0}

    def said(value: float, level: Any, quality: Any = "good") -> Reading:
        return reading(value, quality, name="bath", unit="degC", device="chiller", level=level, limits=limits)

    def story(bus: Bus, alarms: AlarmList) -> None:
        bus.announce(said(25.0, "warning"))
        bus.announce(said(29.0, "alarm", "out_of_limits"))
        bus.announce(said(25.0, "warning"))
        bus.announce(said(20.0, ""))
        assert [(a.name, a.priority, a.guidance, a.latched) for a in alarms.raised] == [
            ("bath-warning", "low", "top up the chiller", False), ("bath-limits", "high", "top up the chiller", True),
            ("bath-warning", "low", "top up the chiller", False),
        ]  # fmt: skip
        assert "bath of chiller is 29 degC (warning high 24, alarm high 28)" in alarms.raised[1].text
        assert alarms.cleared == [("chiller", "bath-warning"), ("chiller", "bath-limits"), ("chiller", "bath-warning")]

    told(story, quantities={"chiller": [bath]})


def wire(value: str, level: Any) -> Reading:
    return Reading("supply", "wire", value, "", "out_of_limits" if level else "good", utc_now(), {}, level)


def test_a_controller_that_is_down_is_one_alarm_however_many_devices_are_on_it() -> None:
    async def story(bus: Bus, alarms: AlarmList) -> None:
        channels = [f"hv{number}" for number in range(16)]
        for channel in channels:
            for name in ("voltage", "current", "trouble"):
                bus.announce(reading(None, "comm_fail", device=channel, name=name))
        await asyncio.sleep(3.0)
        assert alarms.raised == []
        bus.announce(wire("no reply in 0.5 s", "alarm"))
        await asyncio.sleep(30.0)
        (alarm,) = alarms.raised
        assert (alarm.device, alarm.name, alarm.priority) == ("supply", "wire-down", "medium")
        assert alarm.text.startswith("controller supply: no reply in 0.5 s; nothing is known of hv0, hv1")
        for channel in channels[1:]:
            for name in ("voltage", "current", "trouble"):
                bus.announce(reading(0.0, device=channel, name=name))
        bus.announce(wire("sound", ""))
        await asyncio.sleep(1.0)
        assert alarms.cleared == [("supply", "wire-down")]
        assert [a.device for a in alarms.raised[1:]] == ["hv0", "hv0", "hv0"]  # silent though its controller speaks

    told(story, controller_of={f"hv{number}": "supply" for number in range(16)})


def test_a_device_that_is_silent_on_a_sound_wire_is_told_after_a_moment_and_cleared_at_once() -> None:
    async def story(bus: Bus, alarms: AlarmList) -> None:
        bus.announce(wire("sound", ""))
        bus.announce(reading(800.0, "stale"))
        bus.announce(reading(None, "comm_fail", name="current"))
        bus.announce(reading(0.0, name="current"))
        await asyncio.sleep(6.0)
        assert alarms.names()[:1] == ["voltage-silent"]
        assert "current-silent" not in alarms.names()
        bus.announce(reading(800.0))
        assert alarms.cleared == [("hv", "voltage-silent")]

    told(story, controller_of={"hv": "supply"})


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


@pytest.mark.parametrize(("most_per_h", "expected"), [(None, 1), (5.0, 0), (3.5, 1), (math.inf, 0)])
def test_a_thermometer_may_have_a_rate_of_its_own(most_per_h: float | None, expected: int) -> None:
    async def story(bus: Bus, alarms: AlarmList) -> None:
        for minute in range(60):
            bus.announce(reading(22.0 + 4.0 * minute / 60.0, name="temperature", unit="degC", device="head"))
            await asyncio.sleep(60.0)
        assert len(set(alarms.names())) == expected

    told(story, quantities={"head": [Quantity("temperature", "degC", most_per_h=most_per_h)]})


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
