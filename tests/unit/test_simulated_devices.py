"""Simulated devices live in time: what they say follows from the clock and from what was done to them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support_virtual import VirtualLoop, virtually

from daq.devices.abilities import (
    Axis,
    Bed,
    Collimator,
    DetectorHead,
    Device,
    GateTrigger,
    HighVoltage,
    InterlockSource,
)
from daq.devices.build import build_devices
from daq.devices.simulated.gate import SimulatedGate
from daq.errors import AccessError, DeadlineError, MotionError, ProfileError, RefusedError, UsageError
from daq.model.station import Actor, Role
from daq.state.interlock import Kind
from device_profiles.scanners import load_scanner
from device_profiles.services import Device as Plugged

ABILITIES = {
    "gantry": (Plugged(ability="axis"), Axis),
    "table": (Plugged(ability="bed", axis="bed"), Bed),
    "front": (Plugged(ability="detector_head"), DetectorHead),
    "hv": (Plugged(ability="high_voltage"), HighVoltage),
    "ecg": (Plugged(ability="gate_trigger"), GateTrigger),
    "plug": (Plugged(ability="collimator"), Collimator),
}
SITE = {name: plugged for name, (plugged, _) in ABILITIES.items()}


def station(loop: VirtualLoop) -> Any:
    return build_devices(SITE, load_scanner("dual-head"), clock=loop.time)


@pytest.mark.parametrize("name", ABILITIES)
def test_the_builder_makes_what_the_site_file_names(name: str) -> None:
    async def main(loop: VirtualLoop) -> None:
        device = station(loop)[name]

        assert isinstance(device, ABILITIES[name][1])
        assert isinstance(device, Device)
        assert device.name == name
        assert (await device.identify()).model.startswith("simulated ")
        for quantity in device.quantities:
            await device.read(quantity.name)
        with pytest.raises(RefusedError, match=name):
            await device.read("colour")

    virtually(main)


@pytest.mark.parametrize("name", ABILITIES)
def test_a_device_that_does_not_answer_misses_a_deadline_and_never_answers_from_memory(name: str) -> None:
    async def main(loop: VirtualLoop) -> None:
        device = station(loop)[name]
        device.simulate("cut-wire")
        begun_s = loop.time()
        with pytest.raises(DeadlineError, match=name):
            await device.read(device.quantities[0].name)
        assert loop.time() - begun_s <= 1.0
        device.simulate("mend-wire")
        await device.read(device.quantities[0].name)

    virtually(main)


@pytest.mark.parametrize("name", ABILITIES)
def test_an_action_that_is_none_says_which_there_are(name: str) -> None:
    async def main(loop: VirtualLoop) -> None:
        device = station(loop)[name]
        with pytest.raises(UsageError, match=rf"{name} knows .*mend-wire; not 'dance'"):
            device.simulate("dance")
        with pytest.raises(UsageError, match="mend-wire: takes no value, not 3"):
            device.simulate("mend-wire", 3)

    virtually(main)


def test_axes_take_the_limits_of_the_scanner_profile() -> None:
    async def main(loop: VirtualLoop) -> None:
        devices = station(loop)

        limits = devices["table"].limits
        assert (limits.unit, limits.minimum, limits.maximum, limits.max_speed) == ("mm", 0.0, 2400.0, 20.0)
        assert (limits.max_overtravel, limits.away) == (2.0, "minimum")
        assert (devices["gantry"].limits.unit, devices["gantry"].limits.max_speed) == ("deg", 3.0)
        assert set(devices) == set(SITE)

    virtually(main)


@pytest.mark.parametrize(
    ("plugged", "scanner", "says"),
    [
        ({"arm": Plugged(ability="axis")}, "dual-head", "devices.arm.axis = 'arm': scanner dual-head has the axes bed"),
        ({"bed": Plugged(ability="bed")}, None, "devices.bed: an? bed needs a scanner profile"),
        (
            {"bed": Plugged(ability="bed"), "table": Plugged(ability="axis", axis="bed")},
            "dual-head", "devices.table.axis = 'bed': bed moves this axis already",
        ),
    ],
)  # fmt: skip
def test_an_axis_that_nobody_knows_or_two_move_is_refused(plugged: Any, scanner: str | None, says: str) -> None:
    with pytest.raises(ProfileError, match=says):
        build_devices(plugged, load_scanner(scanner) if scanner else None)


def test_one_emergency_stop_holds_every_axis_of_the_station() -> None:
    async def main(loop: VirtualLoop) -> None:
        devices = station(loop)
        move = asyncio.create_task(devices["gantry"].move_to(180.0))
        await asyncio.sleep(3.0)
        devices["table"].simulate("press-emergency-stop")
        await asyncio.sleep(0.03)
        assert not devices["gantry"].drive.is_moving()
        assert isinstance(devices["gantry"], InterlockSource)
        assert (await devices["gantry"].interlocks())[Kind.EMERGENCY_STOP] is False
        with pytest.raises(MotionError, match="emergency stop pressed"):
            await move
        assert set(await devices["gantry"].interlocks()) == set(devices["gantry"].interlock_kinds)

    virtually(main)


def test_the_cover_of_a_head_is_wired_to_the_supply_and_kills_it_without_this_program() -> None:
    async def main(loop: VirtualLoop) -> None:
        devices = station(loop)
        supply = devices["hv"].supply
        await supply.set_v(400.0)
        await supply.switch_on()
        await asyncio.sleep(10.0)
        assert supply.true_v() == 400.0
        devices["front"].simulate("open-cover")
        await asyncio.sleep(0.3)

        assert supply.true_v() == 0.0
        assert (await supply.status()).trouble == "interlock"
        assert not await devices["front"].cover_closed()
        with pytest.raises(RefusedError, match="interlock"):
            await supply.switch_on()
        assert set(await devices["front"].interlocks()) == set(devices["front"].interlock_kinds)

    virtually(main)


def test_a_head_warms_up_slowly() -> None:
    async def main(loop: VirtualLoop) -> None:
        head = station(loop)["front"]
        assert await head.temperature_c() == pytest.approx(22.0)
        head.simulate("surround", 32.0)
        await asyncio.sleep(3 * 3600.0)
        assert await head.temperature_c() == pytest.approx(32.0 - 10.0 / 2.718281828, abs=0.01)
        await asyncio.sleep(24 * 3600.0)
        assert await head.read("temperature") == pytest.approx(32.0, abs=0.05)
        head.simulate("heat", 60)
        await asyncio.sleep(20.0)
        assert (await head.interlocks())[Kind.TEMPERATURE] is False
        with pytest.raises(UsageError, match="degrees Celsius from -20 to 80, not 200"):
            head.simulate("heat", 200)

    virtually(main)


def test_a_heart_beats_as_fast_as_it_is_told_and_breathes() -> None:
    async def main(loop: VirtualLoop) -> None:
        gate = SimulatedGate("ecg", bpm=60.0, clock=loop.time)
        assert (await gate.beats()).age_s is None
        intervals = []
        for _ in range(60):
            await asyncio.sleep(1.0)
            intervals.append((await gate.beats()).last_interval_ms)

        beats = await gate.beats()
        assert 58 <= beats.count <= 62
        assert len({interval for interval in intervals if interval is not None}) > 10
        assert all(950 <= interval <= 1050 for interval in intervals if interval is not None)
        gate.simulate("rate", 120)
        await asyncio.sleep(60.0)
        assert 117 <= (await gate.beats()).count - beats.count <= 123
        assert await gate.read("rate") == pytest.approx(120.0, rel=0.05)

    virtually(main)


def test_without_its_signal_a_gate_counts_nothing_and_says_how_old_the_last_beat_is() -> None:
    async def main(loop: VirtualLoop) -> None:
        gate = SimulatedGate("ecg", clock=loop.time)
        await asyncio.sleep(10.0)
        before = await gate.beats()
        gate.simulate("lose-signal")
        await asyncio.sleep(60.0)
        after = await gate.beats()
        assert after.count == before.count
        assert after.age_s is not None
        assert after.age_s >= 60.0
        gate.simulate("find-signal")
        await asyncio.sleep(3.0)
        assert (await gate.beats()).count > after.count

    virtually(main)


def test_a_collimator_is_sensed_when_its_plug_has_settled_and_not_before() -> None:
    async def main(loop: VirtualLoop) -> None:
        plug = station(loop)["plug"]
        assert await plug.sensed() == "LEHR"
        plug.simulate("remove")
        assert await plug.sensed() is None
        plug.simulate("mount", "MEGP")
        assert await plug.sensed() is None
        await asyncio.sleep(2.5)
        assert await plug.read("mounted") == "MEGP"
        with pytest.raises(UsageError, match="no collimator"):
            plug.simulate("mount", "a b")
        with pytest.raises(UsageError, match="takes a text"):
            plug.simulate("mount", 3.0)

    virtually(main)


def test_somebody_is_on_the_bed_until_a_person_says_otherwise() -> None:
    async def main(loop: VirtualLoop) -> None:
        bed = station(loop)["table"]
        assert bed.occupied
        with pytest.raises(AccessError, match="may not state"):
            bed.state_empty(Actor("daemon", "daemon", Role.SERVICE))
        with pytest.raises(AccessError):
            bed.state_empty(Actor("guest", "mqtt", Role.VIEWER))
        bed.state_empty(Actor("ada", "local", Role.TECHNOLOGIST))
        assert not bed.occupied
        bed.state_occupied()
        assert bed.occupied

    virtually(main)


def test_a_leak_trips_after_its_time_and_not_before() -> None:
    async def main(loop: VirtualLoop) -> None:
        supply = station(loop)["hv"].supply
        await supply.set_v(1000.0)
        await supply.switch_on()
        supply.leak(1e6)  # 500 uA at 500 V, which is reached after 10 s
        await asyncio.sleep(10.4)
        assert (await supply.status()).trouble == ""
        await asyncio.sleep(0.2)
        assert (await supply.status()).trouble == "over-current trip"
        await asyncio.sleep(30.0)
        assert supply.true_v() == 0.0

    virtually(main)
