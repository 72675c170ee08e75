"""Several instruments on one wire: a dead one costs the others little, and a reading serves all who ask for it."""

from __future__ import annotations

import asyncio
import json

import pytest
from support_bus import on_one_bus
from support_conversation import PROFILE

from daq.devices.high_voltage import GuardedHighVoltage
from daq.devices.instruments.supply import ProfiledSupply
from daq.devices.instruments.talk import Asked
from daq.devices.instruments.turns import Turns
from daq.devices.limits import VoltageLimits
from daq.errors import (
    BusyError,
    DeadlineError,
    MismatchError,
    ScandaqError,
    UnreachableError,
    VerificationError,
    WireError,
)
from daq.model.control import ControlProfile


async def test_three_live_supplies_go_on_beside_a_dead_one() -> None:
    supplies, bus, clock = on_one_bus(4)
    for each in supplies:
        await each.read("voltage", "0")
    bus.dead = {"02"}
    connections = [each.session.connection for each in supplies]
    began_s, rounds, errors = clock.now_s, 0, 0
    while clock.now_s < began_s + 120:
        for number, each in enumerate(supplies):
            try:
                await each.read("voltage", "0")
            except ScandaqError:
                assert number == 2
                errors += 1
        rounds += 1
        clock.now_s += 1.0

    assert errors == rounds
    cost_s = (clock.now_s - began_s - rounds) / rounds
    assert cost_s < 0.25  # three readings alone take 0.06 s
    assert [each.session.connection for each in supplies] == connections
    bus.dead = set()
    clock.now_s += 20
    await supplies[2].read("voltage", "0")
    assert supplies[2].session.connection == connections[2] + 1


async def test_what_comes_late_from_one_is_not_taken_for_the_word_of_another() -> None:
    how = iter(["good"] * 6 + ["late"])
    supplies, bus, _ = on_one_bus(2, spoilt=lambda: next(how, "good"))
    for each in supplies:
        await each.session.be_sure()
    with pytest.raises(DeadlineError):
        await supplies[0].session.tell(Asked(supplies[0].profile.identity.ask[0]))
    found = await supplies[1].read("voltage", "1")

    assert bus.meant[float(found)].board == "01"  # type: ignore[arg-type]
    assert supplies[0].session.wire.strays == 1


async def test_a_wire_that_hung_up_makes_all_say_anew_who_they_are() -> None:
    supplies, bus, clock = on_one_bus(2)
    for each in supplies:
        await each.read("voltage", "0")
    bus.is_open = False
    bus.serials["01"] = "4711"
    await supplies[0].read("voltage", "0")
    assert supplies[0].session.connection == 2
    with pytest.raises(MismatchError, match="N1470 701 is gone, N1470 4711 is there"):
        await supplies[1].read("voltage", "0")
    with pytest.raises(UnreachableError, match="asked again in"):
        await supplies[1].read("voltage", "0")
    clock.now_s += 1
    assert await supplies[0].read("voltage", "0") != 0
    assert supplies[0].session.connection == 2


async def test_one_exchange_serves_all_channels_and_all_who_ask() -> None:
    (supply,), bus, _ = on_one_bus(1)
    await supply.read("voltage", "0")
    await supply.read("voltage", "1")
    before = len(bus.log)
    found = await asyncio.gather(*(supply.read("voltage", channel) for channel in "0123" * 3))

    asked = [line for line in bus.log[before:] if "VMON" in line]
    assert len(asked) == 1
    assert "CH:4" in asked[0]
    assert [bus.meant[float(each)].channel for each in found] == list("0123" * 3)  # type: ignore[arg-type]


async def test_a_channel_that_is_missing_in_a_reply_does_not_make_the_next_one_its_own() -> None:
    values = PROFILE.model_dump(mode="json")["values"]
    every = values["voltage"]["all"] | {"reply": "#BD:{board},CMD:OK,VAL:(?P<value>[0-9;]+)"}
    (supply,), bus, _ = on_one_bus(1, profile=_with(values=values | {"voltage": values["voltage"] | {"all": every}}))
    assert len(await supply.read_all("voltage")) == 4
    answer = bus._answer
    bus._answer = lambda *asked: answer(*asked).replace(";", "", 1) if "4" in asked else answer(*asked)  # type: ignore[method-assign]
    with pytest.raises(WireError, match="holds 3 channels, the profile has 4"):
        await supply.read("voltage", "1")


async def test_what_is_served_again_says_when_it_was_asked_for() -> None:
    (supply,), bus, clock = on_one_bus(1)
    (first,) = await supply.read_timed([("voltage", "2")])
    clock.now_s += 0.4
    (again,) = await supply.read_timed([("voltage", "2")], max_age_s=0.5)
    (anew,) = await supply.read_timed([("voltage", "2")], max_age_s=0.3)

    assert again == first
    assert anew.asked_s >= first.asked_s + 0.4
    assert bus.meant[float(anew.value)].told_s >= anew.asked_s  # type: ignore[arg-type]


async def test_one_who_leaves_takes_the_reading_from_nobody_else() -> None:
    (supply,), bus, _ = on_one_bus(1)
    await supply.identify()
    first = asyncio.create_task(supply.read("current", "0"))
    second = asyncio.create_task(supply.read("current", "0"))
    await asyncio.sleep(0)
    first.cancel()

    assert bus.meant[float(await second)].parameter == "IMON"  # type: ignore[arg-type]


async def test_a_supply_is_safe_when_the_reading_says_so_and_not_before() -> None:
    (supply,), bus, clock = on_one_bus(1)
    bus.volts = dict.fromkeys("0123", 800.0)
    slope_v_per_s = 100.0

    async def falls(seconds: float) -> None:
        clock.now_s += seconds
        assert bus.volts is not None
        if "00 1 OFF" in bus.actions:
            bus.volts["1"] = max(0.0, bus.volts["1"] - slope_v_per_s * seconds)

    supply.session.sleep = falls
    assert await supply.make_safe("1") < 5.0
    assert bus.actions[0] == "00 1 OFF"
    assert bus.volts["1"] < 5.0
    assert bus.volts["2"] == 800.0
    slope_v_per_s = 0.0
    bus.actions.clear()
    bus.volts["1"] = 300.0
    with pytest.raises(VerificationError, match=r"channel 1 is not verified to be safe after 30 s: voltage reads 300"):
        await supply.make_safe("1", within_s=30.0)
    assert len(bus.actions) > 3


async def test_a_safe_state_is_asked_for_again_until_the_supply_hears() -> None:
    (supply,), bus, clock = on_one_bus(1)
    bus.volts = dict.fromkeys("0123", 0.0)
    await supply.identify()
    bus.dead = {"00"}

    async def wakes(seconds: float) -> None:
        clock.now_s += seconds
        if clock.now_s > 140:
            bus.dead = set()

    supply.session.sleep = wakes
    assert await supply.make_safe("3") == 0.0
    assert "00 3 OFF" in bus.actions


async def test_four_channels_that_are_shown_cost_the_supply_one_round_of_questions() -> None:
    (supply,), bus, clock = on_one_bus(1)
    limits = VoltageLimits(1000.0, 50.0, 50.0, 2.0, 1e-4, 1.0)
    channels = [GuardedHighVoltage(f"hv{each}", limits, ProfiledSupply(supply, each), clock=clock) for each in "0123"]
    await asyncio.gather(*(each.read("voltage") for each in channels))
    before = len(bus.log)
    shown = await asyncio.gather(*(each.read_timed(name) for each in channels for name in ("voltage", "current")))

    asked = [line for line in bus.log[before:] if "> " in line and "BDNAME" not in line]
    assert asked == []
    assert all(bus.meant[float(each.value)].told_s >= each.asked_s for each in shown[::2])  # type: ignore[arg-type]
    clock.now_s += 0.6
    await asyncio.gather(*(each.read_timed("voltage") for each in channels))
    asked = [line for line in bus.log[before:] if "> " in line and "BDNAME" not in line]
    assert len(asked) == 4
    assert all("CH:4" in line for line in asked)


def _with(**more: object) -> ControlProfile:
    said = PROFILE.model_dump(mode="json") | more
    return ControlProfile.model_validate_json(json.dumps(said))


async def test_nothing_is_written_at_the_beginning_but_what_the_profile_says() -> None:
    (supply,), bus, _ = on_one_bus(1)
    await supply.read("voltage", "0")
    assert bus.actions == []
    (other,), bus, _ = on_one_bus(1, profile=_with(start_up={"actions": ["clear_alarms"]}))
    await other.read("voltage", "0")
    await other.read("voltage", "0")
    assert bus.actions == ["00 - BDCLR"]
    bus.is_open = False
    await other.read("voltage", "0")
    assert bus.actions == ["00 - BDCLR"] * 2


async def test_a_beginning_that_is_refused_is_said_and_readings_go_on() -> None:
    how = iter(["good"] * 3 + ["refused"])
    profile = _with(start_up={"actions": ["clear_alarms"]})
    (supply,), bus, _ = on_one_bus(1, spoilt=lambda: next(how, "good"), profile=profile)
    found = await supply.read("voltage", "0")

    assert bus.meant[float(found)].parameter == "VMON"  # type: ignore[arg-type]
    assert supply.session.start_up_refused.startswith("clear_alarms: hv00 refused '$BD:00,CMD:SET,PAR:BDCLR'")


async def test_what_stops_goes_before_all_that_waits() -> None:
    (supply,), bus, _ = on_one_bus(1)
    await supply.identify()
    readings = [asyncio.create_task(supply.read(name, "0")) for name in ("voltage", "current", "voltage_set")]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    before = len(bus.log)
    await supply.act_now("off", "1")
    await asyncio.gather(*readings)

    said = [line for line in bus.log[before:] if "> " in line and "BDNAME" not in line]
    assert "OFF" in said[0] + said[1]


async def test_a_watchdog_without_a_heartbeat_of_its_own_is_fed_by_what_is_asked() -> None:
    said = PROFILE.model_dump(mode="json")
    (supply,), bus, clock = on_one_bus(1, profile=_with(conversation=said["conversation"] | {"watchdog_s": 3.0}))
    await supply.read("voltage", "0")
    before = len(bus.log)
    await supply.beat(1.0)
    assert len(bus.log) == before
    clock.now_s += 0.6
    await supply.beat(1.0)
    assert len(bus.log) > before


async def test_too_many_who_wait_are_refused() -> None:
    turns = Turns("wire")
    await turns.take()
    waiting = [asyncio.create_task(turns.take()) for _ in range(1024)]
    await asyncio.sleep(0)
    with pytest.raises(BusyError, match="1024 exchanges wait for their turn already"):
        await turns.take()
    stop = asyncio.create_task(turns.take(urgent=True))
    await asyncio.sleep(0)
    turns.release()
    await asyncio.wait_for(stop, 1.0)
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)
    turns.release()
    await turns.take()


async def test_a_turn_that_is_given_to_one_who_leaves_at_the_same_moment_is_not_lost() -> None:
    turns = Turns("wire")
    await turns.take()
    leaves, stays = asyncio.create_task(turns.take()), asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    turns.release()
    leaves.cancel()
    await asyncio.wait_for(stays, 1.0)
    assert leaves.cancelled()
    turns.release()
    assert not turns.taken


async def test_values_that_one_reply_tells_are_of_one_exchange() -> None:
    values = PROFILE.model_dump(mode="json")["values"]
    first = r"#BD:{board},CMD:OK,VAL:(?P<value>\d{3})\d{2}"
    values["leading"] = values["voltage"] | {"get": values["voltage"]["get"] | {"reply": first}, "all": None}
    (supply,), bus, clock = on_one_bus(1, profile=_with(values=values))
    await supply.identify()
    before = len(bus.log)
    whole, leading = await supply.read_timed([("voltage", "2"), ("leading", "2")])

    assert len([line for line in bus.log[before:] if "VMON" in line]) == 1
    assert leading.asked_s == whole.asked_s
    assert leading.value == float(whole.value) // 100  # type: ignore[arg-type]
    assert clock.now_s > whole.asked_s


async def test_what_is_still_under_way_opens_a_closed_wire_no_more() -> None:
    (supply,), bus, clock = on_one_bus(1)
    await supply.identify()
    bus.dead = {"00"}
    reading = asyncio.create_task(supply.read("voltage", "0"))
    await asyncio.sleep(0)
    await supply.session.close()
    with pytest.raises((DeadlineError, UnreachableError)):
        await reading
    clock.now_s += 100
    with pytest.raises(UnreachableError, match="was closed: the program ends"):
        await supply.act_now("off", "0")
    assert bus.connection == 1
    assert not bus.is_open


async def test_one_who_is_cancelled_at_the_moment_a_turn_ends_is_cancelled_and_nothing_else() -> None:
    turns = Turns("wire")
    await turns.take()
    waiting = asyncio.create_task(turns.take(), name="waits")
    await asyncio.sleep(0)
    waiting.cancel()
    turns.release()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not turns.taken
