"""Readings and interlocks as they are announced: fresh, stale or failed; one device that hangs is alone with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_meter import Meter
from support_virtual import VirtualLoop, virtually

from daq.devices.abilities import Identity, Quantity, Timed, Value
from daq.errors import UnreachableError
from daq.model.station import Level, Reading
from daq.services.bus import Bus
from daq.services.readinglevel import level_of
from daq.services.readings import Readings

Body = Callable[[dict[str, Meter], list[Reading], Readings], Coroutine[Any, Any, None]]


def read_out(body: Body, *meters: Meter) -> None:
    async def main(loop: VirtualLoop) -> None:
        made = {meter.name: meter for meter in meters or (Meter("hv"),)}
        bus, said = Bus(), []
        readings = Readings(made, bus, clock=loop.time)
        with bus.listening(lambda it: said.append(it) if isinstance(it, Reading) else None):
            task = asyncio.create_task(readings.run())
            await asyncio.sleep(0.5)
            await body(made, said, readings)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    virtually(main)


def test_a_value_is_announced_with_unit_limits_and_time_and_again_when_it_changes() -> None:
    async def body(meters: dict[str, Meter], said: list[Reading], _: Readings) -> None:
        await asyncio.sleep(5.0)
        assert [(it.device, it.name, it.value, it.unit, it.quality) for it in said] == [
            ("hv", "voltage", 800.0, "V", "good")
        ]
        assert said[0].limits == {"minimum": 0.0, "maximum": 900.0}
        meters["hv"].value = 800.4
        await asyncio.sleep(2.0)
        assert len(said) == 1
        meters["hv"].value = 801.0
        await asyncio.sleep(2.0)
        assert said[-1].value == 801.0
        before = len(said)
        await asyncio.sleep(35.0)
        assert len(said) == before + 1  # still so, said again after half a minute

    read_out(body)


@pytest.mark.parametrize(("value", "quality"), [(900.1, "out_of_limits"), (-0.1, "out_of_limits"), (900.0, "good")])
def test_a_value_is_judged_by_its_limits(value: float, quality: str) -> None:
    async def body(meters: dict[str, Meter], said: list[Reading], _: Readings) -> None:
        meters["hv"].value = value
        await asyncio.sleep(2.0)
        assert (said[-1].value, said[-1].quality) == (value, quality)

    read_out(body)


@pytest.mark.parametrize("value", ["LEHR", True, None, 7])
def test_what_is_no_measure_is_announced_as_it_is(value: Value) -> None:
    async def body(meters: dict[str, Meter], said: list[Reading], _: Readings) -> None:
        meters["hv"].value = value
        await asyncio.sleep(2.0)
        assert (said[-1].value, said[-1].quality) == (value, "good")

    read_out(body)


def test_a_silent_device_becomes_stale_with_the_time_of_its_last_word_and_good_again() -> None:
    async def body(meters: dict[str, Meter], said: list[Reading], readings: Readings) -> None:
        last_utc = said[-1].read_utc
        meters["hv"].hangs = True
        await asyncio.sleep(8.0)
        assert (said[-1].value, said[-1].quality, said[-1].read_utc) == (800.0, "stale", last_utc)
        assert readings.missed >= 1
        await asyncio.sleep(60.0)
        assert [it.quality for it in said].count("stale") == 1
        meters["hv"].hangs = False
        await asyncio.sleep(15.0)
        assert said[-1].quality == "good"

    read_out(body)


def test_a_device_that_was_silent_from_the_start_is_stale_without_a_value() -> None:
    async def body(meters: dict[str, Meter], said: list[Reading], _: Readings) -> None:
        await asyncio.sleep(8.0)
        assert [(it.value, it.quality) for it in said] == [(None, "stale")]

    meter = Meter("hv")
    meter.hangs = True
    read_out(body, meter)


@pytest.mark.parametrize("failure", [UnreachableError("hung up"), OSError("bad file descriptor"), KeyError("x")])
def test_a_device_that_answers_with_an_error_has_no_value_at_once(failure: Exception) -> None:
    async def body(meters: dict[str, Meter], said: list[Reading], readings: Readings) -> None:
        meters["hv"].failure = failure
        await asyncio.sleep(1.5)
        assert (said[-1].value, said[-1].quality) == (None, "comm_fail")
        assert readings.failed >= 1
        meters["hv"].failure = None
        await asyncio.sleep(1.5)
        assert (said[-1].value, said[-1].quality) == (800.0, "good")

    read_out(body)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_a_failed_communication(value: float) -> None:
    async def body(meters: dict[str, Meter], said: list[Reading], _: Readings) -> None:
        meters["hv"].value = value
        await asyncio.sleep(1.5)
        assert (said[-1].value, said[-1].quality) == (None, "comm_fail")

    read_out(body)


def test_one_device_that_hangs_and_swallows_cancellations_delays_no_other() -> None:
    async def body(meters: dict[str, Meter], _: list[Reading], __: Readings) -> None:
        meters["bad"].hangs = True
        before = meters["good"].asked
        await asyncio.sleep(20.0)
        assert meters["good"].asked - before >= 19

    read_out(body, Meter("bad"), Meter("good"))


def test_quantities_are_read_at_their_own_cadence() -> None:
    asked: list[str] = []

    class Two(Meter):
        async def read(self, quantity: str) -> Value:
            asked.append(quantity)
            return 1.0

    async def body(_: dict[str, Meter], __: list[Reading], ___: Readings) -> None:
        await asyncio.sleep(20.0)
        assert 19 <= asked.count("fast") <= 22
        assert 4 <= asked.count("slow") <= 5

    read_out(body, Two("two", Quantity("fast", "V", 1.0), Quantity("slow", "V", 5.0)))


@pytest.mark.parametrize("devices", [{}, {"dumb": Meter("dumb")}])
def test_a_station_with_nothing_to_read_goes_on(devices: dict[str, Meter]) -> None:
    async def main(loop: VirtualLoop) -> None:
        for device in devices.values():
            device.quantities = ()
        task = asyncio.create_task(Readings(devices, Bus(), clock=loop.time).run())
        await asyncio.sleep(1.0)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtually(main)


# Limits with hysteresis

CHILLER = Quantity(
    "bath", "degC", 1.0, 5.0,
    {"warning_low": 16.0, "warning_high": 24.0, "alarm_low": 12.0, "alarm_high": 28.0}, hysteresis=0.5,
)  # fmt: skip


def test_a_value_that_dances_on_a_limit_makes_one_alarm_and_not_many() -> None:
    async def body(meters: dict[str, Meter], said: list[Reading], _: Readings) -> None:
        seen = []
        for value in (20.0, 23.9, 24.1, 23.9, 24.1, 23.6, 23.4, 28.1, 27.6, 27.4, 23.6, 23.4, 11.9, 12.4, 12.6, 16.6):
            meters["hv"].value = value
            await asyncio.sleep(1.0)
            seen.append((value, said[-1].level, said[-1].quality))
        assert seen == [
            (20.0, "", "good"), (23.9, "", "good"), (24.1, "warning", "good"), (23.9, "warning", "good"),
            (24.1, "warning", "good"), (23.6, "warning", "good"), (23.4, "", "good"), (28.1, "alarm", "out_of_limits"),
            (27.6, "alarm", "out_of_limits"), (27.4, "warning", "good"), (23.6, "warning", "good"), (23.4, "", "good"),
            (11.9, "alarm", "out_of_limits"), (12.4, "alarm", "out_of_limits"), (12.6, "warning", "good"),
            (16.6, "", "good"),
        ]  # fmt: skip

    read_out(body, Meter("hv", CHILLER))


@given(
    st.floats(-1e6, 1e6), st.floats(1e-3, 10), st.sampled_from(["", "warning", "alarm"]), st.floats(1e-3, 1e3),
    st.floats(0.0, 50.0),
)  # fmt: skip
def test_beyond_a_limit_is_beyond_at_once_and_the_middle_is_always_within(
    low: float, width: float, before: Level, past: float, hysteresis: float
) -> None:
    high = low + width
    quantity = Quantity("x", "V", limits={"alarm_low": low, "alarm_high": high}, hysteresis=hysteresis)

    assert level_of(low + width / 2, quantity, before) == ""
    assert [level_of(beyond, quantity, before) for beyond in (high + past, low - past)] == ["alarm", "alarm"]


def test_a_level_is_told_though_the_value_has_not_left_its_deadband() -> None:
    async def body(meters: dict[str, Meter], said: list[Reading], _: Readings) -> None:
        meters["hv"].value = 899.9
        await asyncio.sleep(1.0)
        before = len(said)
        meters["hv"].value = 900.1  # by 0.2, where changes of 0.5 are told
        await asyncio.sleep(1.0)
        assert (len(said), said[-1].level, said[-1].quality) == (before + 1, "alarm", "out_of_limits")

    read_out(body)


# Devices that hand on what they read for others


class Cached(Meter):
    """Serves its quantities from one exchange, which a test repeats when it likes."""

    reply_s = 2.5
    asked_s: float | None = None

    async def read_timed(self, quantity: str) -> Timed:
        value = await self.read(quantity)
        return Timed(value, asyncio.get_running_loop().time() if self.asked_s is None else self.asked_s)


def test_an_old_value_is_stale_however_often_the_device_delivers_it() -> None:
    async def body(meters: dict[str, Meter], said: list[Reading], readings: Readings) -> None:
        cached = meters["hv"]
        assert isinstance(cached, Cached)
        cached.asked_s = asyncio.get_running_loop().time()
        await asyncio.sleep(2.0)
        fresh_utc = said[-1].read_utc
        assert said[-1].quality == "good"
        await asyncio.sleep(3.0)
        assert (said[-1].value, said[-1].quality) == (800.0, "stale")
        assert said[-1].read_utc < fresh_utc
        assert readings.old >= 1
        await asyncio.sleep(20.0)
        assert [it.quality for it in said].count("good") == 1
        cached.asked_s = None
        await asyncio.sleep(1.5)
        assert said[-1].quality == "good"

    read_out(body, Cached("hv"))


class Whimsical:
    """Answers each question as its script says: how long it takes, how old the value is by then, or not at all."""

    name, reply_s = "hv", 3.0
    quantities = (Quantity("voltage", "V", 0.5, 2.0), Quantity("current", "A", 1.0, 3.0))
    stale_s: ClassVar[dict[str, float]] = {each.name: each.stale_s for each in quantities}

    def __init__(self, script: list[tuple[str, float, float]]) -> None:
        self.script = script
        self.asked_s: dict[Value, float] = {}

    async def identify(self) -> Identity:
        raise NotImplementedError

    async def read(self, quantity: str) -> Value:
        raise NotImplementedError

    async def read_timed(self, quantity: str) -> Timed:
        how, takes_s, age_s = self.script.pop() if self.script else ("answers", 0.01, 0.0)
        asked_s = asyncio.get_running_loop().time() - age_s
        await asyncio.sleep(3600.0 if how == "hangs" else takes_s)
        if how == "fails":
            raise UnreachableError("hung up")
        value = float(len(self.asked_s))
        self.asked_s[value] = asked_s
        return Timed(value, asked_s)


WHIMS = st.lists(
    st.tuples(st.sampled_from(["answers", "answers", "fails", "hangs"]), st.floats(0.0, 4.0), st.floats(0.0, 6.0)),
    max_size=40,
)


@settings(max_examples=15, deadline=None)
@given(WHIMS)
def test_whatever_a_device_does_nothing_older_than_it_may_be_is_shown_as_current(
    script: list[tuple[str, float, float]],
) -> None:
    async def main(loop: VirtualLoop) -> None:
        device, bus = Whimsical(script), Bus()
        task = asyncio.create_task(Readings({"hv": device}, bus, clock=loop.time).run())
        fresh = 0
        for _ in range(400):
            await asyncio.sleep(0.1)
            shown = [it for it in bus.newest() if isinstance(it, Reading) and it.quality in ("good", "out_of_limits")]
            for it in shown:
                assert loop.time() - device.asked_s[it.value] <= device.stale_s[it.name] + 0.26, it
            fresh += len(shown)
        assert fresh or len(script) > 20
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtually(main)


def test_the_age_of_a_value_that_stays_as_it_is_is_that_of_the_last_question() -> None:
    async def body(meters: dict[str, Meter], said: list[Reading], readings: Readings) -> None:
        await asyncio.sleep(20.2)
        assert len(said) == 1
        assert 0.0 <= (readings.age_s("hv", "voltage") or -1.0) <= 1.0
        meters["hv"].hangs = True
        await asyncio.sleep(10.0)
        assert (readings.age_s("hv", "voltage") or 0.0) > 9.0
        assert readings.age_s("hv", "current") is readings.age_s("xx", "voltage") is None

    read_out(body)


def test_a_value_older_than_the_last_one_never_takes_its_place() -> None:
    async def body(meters: dict[str, Meter], said: list[Reading], readings: Readings) -> None:
        cached = meters["hv"]
        assert isinstance(cached, Cached)
        cached.value, cached.asked_s = 650.0, asyncio.get_running_loop().time() - 2.0
        await asyncio.sleep(1.0)
        assert [it.value for it in said] == [800.0]
        assert readings.old == 1

    read_out(body, Cached("hv"))


def test_a_device_that_needs_longer_than_others_is_waited_for() -> None:
    async def body(meters: dict[str, Meter], said: list[Reading], readings: Readings) -> None:
        meters["hv"].takes_s = 2.2
        meters["hv"].value = 700.0
        await asyncio.sleep(4.0)
        assert (said[-1].value, said[-1].quality, readings.missed) == (700.0, "good", 0)

    read_out(body, Cached("hv"))
