"""What a check says against moving, and of controllers: as the rules have it now, and a dead controller first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support_conversation import made
from support_motion import Gantry, with_gantry

from daq.devices.instruments.observed import ProfiledInstrument
from daq.errors import MissingError
from daq.model.station import DAEMON
from daq.model.verbs import checked
from daq.services.devicecheck import DeviceCheck
from daq.services.readings import Readings
from daq.state.enable import Event


def check_of(gantry: Gantry, spoils: list[str] | None = None) -> DeviceCheck:
    instrument, _, _ = made(spoils or [])
    devices: dict[str, Any] = {**gantry.axes, "crate": ProfiledInstrument("crate", instrument)}
    return DeviceCheck(
        devices, {"supply": instrument}, {"crate": ("supply", "")}, gantry.engine, gantry.watch, gantry.bus,
        readings=Readings({}, gantry.bus), clock=gantry.loop.time,
    )  # fmt: skip


async def checked_now(check: DeviceCheck, name: str | None = None) -> dict[str, Any]:
    args: dict[str, object] = {} if name is None else {"device": name}
    return await check.check(checked("check", args, DAEMON), DAEMON)  # type: ignore[arg-type]


async def against(gantry: Gantry, axis: str = "bed") -> list[str]:
    found = await checked_now(check_of(gantry), axis)
    return list(found["devices"][axis]["against_moving"])


def test_nothing_is_against_an_axis_that_is_enabled_where_all_is_well() -> None:
    async def body(gantry: Gantry) -> None:
        await gantry.bed.sample()
        assert await against(gantry) == ["step needs the enable latched, it is off"]
        gantry.engine.latch()
        assert await against(gantry) == []
        gantry.engine.release()
        gantry.keep_holding()
        assert await against(gantry) == []
        gantry.let_go()

    with_gantry(body)


def test_an_emergency_stop_and_lost_positions_are_both_told() -> None:
    async def body(gantry: Gantry) -> None:
        await gantry.bed.sample()
        gantry.bed.simulate("press-emergency-stop", None)
        await asyncio.sleep(1.0)
        reasons = await against(gantry)
        assert "bed.emergency_stop is open" in reasons
        assert any("positions that are confirmed, they are lost" in reason for reason in reasons)
        gantry.bed.simulate("reset-emergency-stop", None)
        gantry.engine._switch.apply(Event.RELEASE)
        await asyncio.sleep(1.0)
        gantry.keep_holding()
        assert any("they are lost" in reason for reason in await against(gantry))
        gantry.let_go()

    with_gantry(body)


def test_interlocks_that_nobody_reads_any_more_are_against_moving() -> None:
    async def body(gantry: Gantry) -> None:
        await gantry.bed.sample()
        await gantry.stop_watching()
        await asyncio.sleep(5.0)
        assert any("is fresh" in reason for reason in await against(gantry))

    with_gantry(body)


def test_one_device_is_checked_with_what_it_is_on_and_one_controller_with_what_is_on_it() -> None:
    async def body(gantry: Gantry) -> None:
        check = check_of(gantry)
        by_device, by_controller = await checked_now(check, "crate"), await checked_now(check, "supply")
        for found in (by_device, by_controller):
            assert list(found["devices"]) == ["crate"]
            assert found["controllers"]["supply"]["identity"]["serial"] == "77"
            assert found["controllers"]["supply"]["wire"] == "sound"
            assert found["devices"]["crate"]["clears"] == "clear_alarms"
        assert list((await checked_now(check, "bed"))["controllers"]) == []
        with pytest.raises(MissingError, match="did you mean crate"):
            await checked_now(check, "crat")

    with_gantry(body)


def test_a_controller_that_does_not_answer_is_an_error_of_its_own_and_delays_no_other() -> None:
    async def body(gantry: Gantry) -> None:
        found = await checked_now(check_of(gantry, ["missing"] * 50))
        supply = found["controllers"]["supply"]
        assert supply["identity"] is None
        assert supply["error"].startswith("no reply to")
        assert supply["wire"].startswith("no reply to")
        assert list(found["devices"]) == ["bed", "gantry", "crate"]

    with_gantry(body)
