"""A simulated CAEN supply, attacked by somebody else's driver, and driven by its profile over terminal and TCP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from hvps import Caen
from support_instruments import do, instrument
from support_simulators import Simulator, simulator

from daq.devices.instruments.supply import ProfiledSupply
from daq.devices.supply import Protection
from daq.errors import AccessError, LimitError, MismatchError, ReadbackError, RefusedError, UnreachableError


@pytest.fixture
def supply() -> Iterator[Simulator]:
    with simulator("caen-n1470") as process:
        yield process


def test_the_driver_of_others_sees_a_supply_that_it_knows(supply: Simulator) -> None:
    crate = Caen(port=supply.ready["tty"], baudrate=9600, connect=True)
    module = crate.module(0)
    channel = module.channel(1)
    told = (module.name, module.number_of_channels, module.serial_number, module.control_mode)
    assert told == ("N1470", 4, "1234", "REMOTE")
    channel.vset, channel.iset, channel.rup, channel.rdw = 120.0, 50.0, 500, 500
    assert (channel.vset, channel.iset, channel.rup) == (120.0, 50.0, 500.0)
    channel.turn_on()
    time.sleep(0.4)
    assert (channel.vmon, channel.imon, channel.stat["ON"]) == (120.0, 1.2, True)
    with pytest.raises(ValueError, match="VAL:ERR"):
        channel.vset = 99999
    channel.turn_off()
    time.sleep(0.4)
    assert (channel.vmon, channel.stat["ON"]) == (0.0, False)


@pytest.mark.parametrize("wire", ["tcp", "tty"])
async def test_the_profile_is_enough_to_drive_it(supply: Simulator, wire: str) -> None:
    async with instrument(supply, "caen-n1470", wire) as it:
        channel = ProfiledSupply(it, "2")
        assert (await channel.identify()).serial == "1234"
        limits = Protection(1000.0, 500.0, 50e-6, 2.0)
        await channel.protect(limits)
        assert await channel.protection() == limits
        await channel.set_v(150.0)
        await channel.switch_on()
        await asyncio.sleep(0.4)
        status = await channel.status()
        assert (status.output_v, status.set_v, status.on, status.trouble) == (150.0, 150.0, True, "")
        assert status.current_a == pytest.approx(1.5e-6)
        await channel.switch_off()
        assert not (await channel.status()).on


async def test_what_goes_wrong_is_said_in_words(supply: Simulator) -> None:
    async with instrument(supply, "caen-n1470") as it:
        channel = ProfiledSupply(it, "0")
        await channel.switch_on()
        with pytest.raises(LimitError, match="voltage_set cannot be 8100 V: 0 to 8000 V is possible"):
            await channel.set_v(8100.0)
        do(supply, {"do": "local"})
        with pytest.raises(AccessError, match="switched to LOCAL; switch it to REMOTE"):
            await channel.set_v(10.0)
        do(supply, {"do": "remote"})
        do(supply, {"do": "trip", "channel": 0})
        assert (await channel.status()).trouble == "it tripped: the current was too high for too long"
        do(supply, {"do": "open-interlock"})
        assert await it.read("interlock") == "open"
        with pytest.raises(RefusedError, match="an alarm must be cleared first"):
            await channel.switch_on()


async def test_a_supply_that_says_yes_and_does_nothing_is_found_out(supply: Simulator) -> None:
    async with instrument(supply, "caen-n1470") as it:
        do(supply, {"do": "ignore"})
        with pytest.raises(ReadbackError, match=r"voltage_set was set to 10 V, voltage_set reads 0\.0 V 2 s later"):
            await it.set("voltage_set", 10.0, "0")
        with pytest.raises(ReadbackError, match=r"on was said, but status\.on reads False"):
            await it.act("on", "0")


async def test_another_serial_number_after_the_cable_was_out_is_refused(supply: Simulator) -> None:
    async with instrument(supply, "caen-n1470") as it:
        await it.identify()
        do(supply, {"do": "swap", "serial": "4711"})
        do(supply, {"do": "cut"})
        with pytest.raises(UnreachableError):
            await it.read("voltage", "0")
        with pytest.raises(MismatchError, match="N1470 1234 is gone, N1470 4711 is there"):
            await it.read("voltage", "0")


async def test_two_programs_cannot_have_one_line(supply: Simulator) -> None:
    async with instrument(supply, "caen-n1470", "tty") as first, instrument(supply, "caen-n1470", "tty") as second:
        await first.identify()
        with pytest.raises(UnreachableError, match="another program has it open"):
            await second.identify()
