"""Instruments that a station keeps known in the background: wires that come back, watchdogs that are fed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support_instruments import do
from support_simulators import Simulator, simulator

from daq.devices.instruments.wiring import Wiring
from daq.errors import DeadlineError, ProfileError, UnreachableError
from device_profiles.control import load_control
from device_profiles.controllers import Controller


def wiring(**places: tuple[str, Simulator]) -> Wiring:
    return Wiring(
        {
            name: (Controller(profile=profile, url=simulated.ready["tcp"]), load_control(profile))
            for name, (profile, simulated) in places.items()
        }
    )


@asynccontextmanager
async def running(wired: Wiring) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(wired.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
        await wired.close()


async def until(what: Callable[[], Any], within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not what():
            await asyncio.sleep(0.02)


async def test_no_first_reading_pays_for_a_wire_that_was_opened_in_the_background() -> None:
    with simulator("caen-n1470") as hv:
        wired = wiring(hv=("caen-n1470", hv))
        async with running(wired):
            supply = wired.instruments["hv"]
            await until(lambda: not supply.session.suspect)
            before = supply.session.tally.exchanges
            await supply.read("voltage", "0")
            assert supply.session.tally.exchanges == before + 2
            do(hv, {"do": "cut"})
            await until(lambda: supply.session.suspect)
            await until(lambda: not supply.session.suspect)
            assert supply.session.connection == 2
            await supply.read("voltage", "0")


async def test_drives_have_power_for_as_long_as_the_heartbeat_comes_and_no_longer() -> None:
    with simulator("modbus-plc") as plc:
        wired = wiring(safety=("modbus-plc", plc))
        async with running(wired) as task:
            safety = wired.instruments["safety"]
            await until(lambda: do(plc, {"told": True})["told"]["armed"])
            beats = safety.beats
            await asyncio.sleep(1.2)
            assert safety.beats >= beats + 2
            assert do(plc, {"told": True})["told"]["drive_power"] is True
            task.cancel()
            await until(lambda: do(plc, {"told": True})["told"]["tripped"] == "watchdog", 2.0)
            assert do(plc, {"told": True})["told"]["drive_power"] is False
            assert await safety.read("contacts.tripped_by_watchdog") is True


async def test_a_station_that_ends_in_order_disarms_what_it_armed_and_nothing_else() -> None:
    with simulator("modbus-plc") as plc:
        wired = wiring(safety=("modbus-plc", plc))
        await wired.instruments["safety"].read("contacts")
        assert do(plc, {"told": True})["told"]["armed"] is False
        async with running(wired):
            await until(lambda: do(plc, {"told": True})["told"]["armed"])
        told = do(plc, {"told": True})["told"]
        assert (told["armed"], told["drive_power"]) == (False, True)


async def test_a_watchdog_is_armed_again_where_its_controller_started_anew_unseen() -> None:
    with simulator("tmcl") as module:
        wired = wiring(motors=("tmcl", module))
        async with running(wired):
            await until(lambda: do(module, {"told": True})["told"]["heartbeat_ms"] == 1000)
            do(module, {"do": "reboot", "seconds": 0})
            await until(lambda: do(module, {"told": True})["told"]["heartbeat_ms"] == 1000)
            assert wired.instruments["motors"].session.connection == 1


async def test_a_station_that_ends_while_an_axis_may_move_leaves_the_watchdog_to_stop_it() -> None:
    with simulator("modbus-plc") as plc:
        wired = wiring(safety=("modbus-plc", plc))
        async with running(wired):
            await until(lambda: do(plc, {"told": True})["told"]["armed"])
            wired.withhold = lambda: "gantry not confirmed to stand after a stop"
        await until(lambda: do(plc, {"told": True})["told"]["tripped"] == "watchdog", 2.0)
        assert do(plc, {"told": True})["told"]["drive_power"] is False


async def test_an_instrument_that_is_not_there_costs_the_loop_nothing_and_is_found_when_it_comes() -> None:
    with simulator("zaber-ascii") as motor:
        place = motor.ready["tcp"]
    wired = Wiring({"stage": (Controller(profile="zaber-ascii", url=place), load_control("zaber-ascii"))})
    async with running(wired):
        stage = wired.instruments["stage"]
        with pytest.raises(UnreachableError):
            await stage.read("position", "1")
        with simulator("zaber-ascii", "--port", f"tcp={place.rpartition(':')[2]}"):
            await until(lambda: not stage.session.suspect)
            assert await stage.read("position", "1") == 0


def test_instruments_on_one_line_must_set_it_alike() -> None:
    said = [Controller(profile=name, url="serial:///dev/null") for name in ("caen-n1470", "zaber-ascii")]
    with pytest.raises(ProfileError, match=r"controllers\.one is on this wire, too, and its profile sets the line"):
        Wiring({name: (each, load_control(each.profile)) for name, each in zip(("one", "two"), said, strict=True)})


async def test_three_supplies_on_a_line_are_read_while_the_fourth_is_dead() -> None:
    with simulator("caen-n1470", "--boards", 4, "--serial", "70", "--baud", 115200) as crate:
        url = f"serial://{crate.ready['tty']}"
        said = {
            f"hv{n}": Controller(profile="caen-n1470", url=url, serial=str(70 + n), variables={"board": f"{n:02d}"})
            for n in range(4)
        }
        wired = Wiring({name: (each, load_control(each.profile)) for name, each in said.items()})
        async with running(wired):
            boards = wired.instruments
            await until(lambda: not any(each.session.suspect for each in boards.values()))
            assert [each.session.identity.serial for each in boards.values() if each.session.identity] == [
                "70", "71", "72", "73",
            ]  # fmt: skip
            do(crate, {"do": "die", "board": 2})
            with pytest.raises((DeadlineError, UnreachableError)):
                await boards["hv2"].read("voltage", "0")
            for _ in range(2):
                live = [boards[name].read("status", "0") for name in ("hv0", "hv1", "hv3")]
                assert await asyncio.gather(*live) == [0, 0, 0]
            assert [each.session.connection for each in boards.values()] == [1, 1, 1, 1]
