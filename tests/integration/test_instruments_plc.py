"""A simulated safety controller, read and written by mbpoll, and by its profile: contacts, heads, watchdog, faults."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import pytest
from pymodbus.client import AsyncModbusTcpClient
from support_instruments import do, instrument
from support_simulators import Simulator, simulator

from daq.devices.instruments.instrument import Instrument
from daq.errors import DeadlineError, MismatchError, ReadbackError, ScandaqError, UnreachableError

MBPOLL = shutil.which("mbpoll") or "mbpoll"
WELL = {"emergency_stop", "collision_pad", "drive_power", "room_door", "watchdog"}


@pytest.fixture(scope="module")
def process() -> Iterator[Simulator]:
    with simulator("modbus-plc") as made:
        yield made


@pytest.fixture
def plc(process: Simulator) -> Simulator:
    """Return a controller as it comes from the box."""
    do(process, {"clear": True})
    for deed in ("obey", "pull-stop", "leave-pad", "close-door", "let-go", "drop-latch", "reboot", "reset"):
        do(process, {"do": deed})
    do(process, {"do": "close-cover", "head": 2})
    for head in (1, 2):
        do(process, {"do": "temperature", "head": head, "celsius": 22.0})
    do(process, {"do": "swap", "serial": 4711})
    time.sleep(0.05)  # its program goes round
    return process


@asynccontextmanager
async def controller(plc: Simulator, **given: str) -> AsyncIterator[Instrument]:
    """Yield it with its watchdog armed and fed."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(0.2)
            with suppress(ScandaqError):
                await it.beat(0.2)

    async with instrument(plc, "modbus-plc", **given) as it:
        await it.beat(0.2)
        await asyncio.sleep(0.05)
        feeding = asyncio.create_task(beat())
        try:
            yield it
        finally:
            feeding.cancel()


def mbpoll(plc: Simulator, options: str, write: str = "") -> tuple[int, dict[int, int], str]:
    """Return exit code, what it read by address, and what it complains of."""
    host, port = plc.address("tcp")
    done = subprocess.run(
        [MBPOLL, "-1", "-0", "-p", str(port), *options.split(), host, *write.split()],
        capture_output=True, text=True, timeout=10, check=False,
    )  # fmt: skip
    found = {int(at): int(value) for at, value in re.findall(r"^\[(\d+)\]:\s+(-?\d+)", done.stdout, re.M)}
    return done.returncode, found, done.stderr


@pytest.mark.system
def test_a_tool_that_everybody_has_reads_and_writes_it(plc: Simulator) -> None:
    assert mbpoll(plc, "-t 1 -r 0 -c 4")[:2] == (0, {0: 1, 1: 1, 2: 1, 3: 1})
    _, model, _ = mbpoll(plc, "-t 3 -r 0 -c 11")
    assert b"".join(model[at].to_bytes(2, "big") for at in range(8)).rstrip(b"\0") == b"SCANDAQ-ILK"
    assert (model[8], model[9], model[10]) == (0, 4711, 100)
    assert mbpoll(plc, "-t 3 -r 110")[1] == {110: 220}
    assert mbpoll(plc, "-t 4 -r 1", "250")[0] == 0
    assert mbpoll(plc, "-t 4 -r 0", "7 300")[0] == 0
    assert mbpoll(plc, "-t 4 -r 0 -c 2")[1] == {0: 7, 1: 300}
    assert mbpoll(plc, "-t 0 -r 0", "1")[0] == 0
    assert mbpoll(plc, "-t 0 -r 0")[1] == {0: 1}
    assert "Illegal data address" in mbpoll(plc, "-t 4 -r 7")[2]
    assert "Illegal data value" in mbpoll(plc, "-t 4 -r 1", "3")[2]
    assert "timed out" in mbpoll(plc, "-a 9 -o 0.2 -t 4 -r 0")[2]


async def test_a_client_that_others_wrote_reads_writes_and_identifies_it(plc: Simulator) -> None:
    host, port = plc.address("tcp")
    async with AsyncModbusTcpClient(host, port=port, timeout=2.0, retries=0) as client:
        assert (await client.read_discrete_inputs(0, count=4)).bits[:4] == [True] * 4
        model = await client.read_input_registers(0, count=11)
        assert client.convert_from_registers(model.registers[:8], client.DATATYPE.STRING) == "SCANDAQ-ILK"
        assert client.convert_from_registers(model.registers[8:10], client.DATATYPE.UINT32) == 4711
        assert not (await client.write_registers(0, [9, 250])).isError()
        assert (await client.read_holding_registers(0, count=2)).registers == [9, 250]
        assert not (await client.write_coils(0, [True])).isError()
        assert (await client.read_coils(0)).bits[0] is True
        told = await client.read_device_information()
        assert told.information == {0: b"scandaq", 1: b"SCANDAQ-ILK", 2: b"1.00"}
        assert (await client.read_holding_registers(7)).exception_code == 2
        assert (await client.write_register(1, 3)).exception_code == 3
        assert (await client.report_device_id()).exception_code == 1


async def contacts(it: Instrument) -> set[str]:
    """Return the names of the bits that are set."""
    bits = await it.read("contacts")
    assert isinstance(bits, int)
    return {name for name, lit in it.flags("contacts", bits).items() if lit}


async def test_the_profile_reads_contacts_heads_and_what_is_mounted(plc: Simulator) -> None:
    async with controller(plc, serial="4711") as it:
        who = await it.identify()
        assert (who.model, who.serial, who.firmware) == ("SCANDAQ-ILK", "4711", "100")
        assert await contacts(it) == WELL
        for deed in ("press-enable", "press-latch", "open-door"):
            do(plc, {"do": deed})
        do(plc, {"do": "temperature", "head": 2, "celsius": -3.25, "c_per_h": 0})
        do(plc, {"do": "collimator", "head": 1, "code": 12})
        do(plc, {"do": "open-cover", "head": 2})
        await asyncio.sleep(0.05)
        assert await contacts(it) == WELL - {"room_door"} | {"enable_held", "enable_latched"}
        assert await it.read_many([("head_temperature", "1"), ("head_temperature", "2")]) == [22.0, pytest.approx(-3.2)]
        assert await it.read_many([("collimator", "1"), ("collimator", "2")]) == [12, 0]
        opened = [("head_contacts.cover_closed", "1"), ("head_contacts.cover_closed", "2")]
        assert await it.read_many(opened) == [True, False]
        with pytest.raises(ScandaqError, match="it has no such address: its program has another map"):
            await it.read("head_temperature", "3")


@pytest.mark.soak
async def test_power_goes_with_the_heartbeat_and_comes_back_by_a_persons_hand_alone(plc: Simulator) -> None:
    async with instrument(plc, "modbus-plc") as it:
        await it.beat(0.3)
        await asyncio.sleep(1.1)
        assert await contacts(it) == WELL - {"drive_power", "watchdog"} | {"tripped", "tripped_by_watchdog"}
    async with controller(plc) as it:
        await asyncio.sleep(0.3)
        assert await contacts(it) == WELL - {"drive_power"} | {"tripped", "tripped_by_watchdog"}
        do(plc, {"do": "reset"})
        await asyncio.sleep(1.1)
        assert await contacts(it) == WELL


@pytest.mark.soak
async def test_a_controller_that_restarts_is_armed_anew_and_gives_no_power(plc: Simulator) -> None:
    async with controller(plc) as it:
        assert await contacts(it) == WELL
        for deed in ("reboot", "cut"):
            do(plc, {"do": deed})
        async with asyncio.timeout(10):
            while it.session.connection < 2 or it.session.suspect:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        assert await contacts(it) == WELL - {"drive_power"} | {"tripped"}
        do(plc, {"do": "reset"})
        await asyncio.sleep(0.05)
        assert await contacts(it) == WELL


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["late", "duplicate", "missing", "truncate", "garble", "noise", "hang-up"])
async def test_nothing_is_read_wrongly_over_a_wire_that_spoils(plc: Simulator, kind: str) -> None:
    async with controller(plc) as it:
        do(plc, {"do": "temperature", "head": 1, "celsius": 31.0})
        await asyncio.sleep(0.05)
        good = 0
        for number in range(6):
            if number == 2:
                do(plc, {"wire": {"kind": kind, "seconds": 0.3, "count": 2}})
            for name, channel, value in (
                ("head_temperature", "1", 31.0),
                ("head_temperature", "2", 22.0),
                ("watchdog_time", "", 1.0),
            ):
                try:
                    found = await it.read(name, channel)
                except ScandaqError:
                    await asyncio.sleep(0.25)
                    continue
                # TCP has checksums of its own; what the simulated wire changes in a number, nobody can see
                assert found == value or kind == "garble"
                good += 1
        assert good >= 12


async def test_what_is_told_and_not_done_is_found_out_and_another_one_is_refused(plc: Simulator) -> None:
    async with instrument(plc, "modbus-plc") as it:
        await it.beat(0.3)
        do(plc, {"do": "ignore"})
        with pytest.raises(ReadbackError, match=r"disarm was said, but armed reads 1, not 0\.0, 0\.5 s later"):
            await it.act("disarm")
        do(plc, {"do": "swap", "serial": 12})
        do(plc, {"do": "cut"})
        with pytest.raises((UnreachableError, MismatchError)):
            await it.read("contacts")
        with pytest.raises(MismatchError, match="4711"):
            await it.read("contacts")
        do(plc, {"do": "silent"})
        with pytest.raises((DeadlineError, UnreachableError, MismatchError)):
            await it.read("contacts")
