"""Our client of Modbus TCP against somebody else's server, which knows nothing of our map but the numbers in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from pymodbus.pdu.device import ModbusDeviceIdentification
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.session import Session
from daq.errors import RefusedError, ScandaqError
from daq.transports.streamlink import TcpLink
from daq.wire.control.codecs import codec_of
from daq.wire.control.modbus import ModbusTcpCodec
from device_profiles.control import load_control

PROFILE = load_control("modbus-plc")
LETTERS = b"SCANDAQ-ILK\0\0\0\0\0"
WORDS = [int.from_bytes(LETTERS[at : at + 2], "big") for at in range(0, 16, 2)]


def device() -> SimDevice:
    """Return unit 1 with the tables of the map."""
    coils = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    discrete = [
        SimData(0, values=[True, True, False, True] + [False] * 12, datatype=DataType.BITS),
        SimData(110, values=[True, False] + [False] * 14, datatype=DataType.BITS),
    ]
    holding = [
        SimData(0, values=[0, 100], datatype=DataType.REGISTERS),
        SimData(40, values=[12.5, -0.1], datatype=DataType.FLOAT32),
        SimData(50, values=[-70000], datatype=DataType.INT32),
    ]
    registers = [
        SimData(0, values=[*WORDS, 0, 815, 102], datatype=DataType.REGISTERS),
        SimData(110, values=[(-35) & 0xFFFF, 12], datatype=DataType.REGISTERS),
    ]
    return SimDevice(id=1, simdata=(coils, discrete, holding, registers))


@asynccontextmanager
async def served(**given: Any) -> AsyncIterator[tuple[Instrument, TcpLink]]:
    identity = ModbusDeviceIdentification(info_name={"VendorName": "someone", "ProductCode": "S-1"})
    server = ModbusTcpServer(device(), address=("127.0.0.1", 0), identity=identity)
    await server.serve_forever(background=True)
    port = cast("asyncio.Server", server.transport).sockets[0].getsockname()[1]
    session = Session("it", PROFILE, TcpLink("127.0.0.1", port), codec_of(PROFILE), **given)
    link = TcpLink("127.0.0.1", port)
    try:
        yield Instrument(session), link
    finally:
        await session.close()
        await link.close()
        await server.shutdown()  # type: ignore[no-untyped-call]


async def test_the_profile_reads_and_writes_a_server_that_others_wrote() -> None:
    async with served(serial="815") as (it, _):
        who = await it.identify()
        assert (who.model, who.serial, who.firmware) == ("SCANDAQ-ILK", "815", "102")
        wanted = ["emergency_stop", "collision_pad", "drive_power", "room_door", "tripped"]
        assert await it.read_many([(f"contacts.{name}", "") for name in wanted]) == [True, True, False, True, False]
        assert await it.read("head_contacts.cover_closed", "1") is True
        assert await it.read("head_contacts.temperature", "1") is False
        assert await it.read_many([("head_temperature", "1"), ("collimator", "1")]) == [pytest.approx(-3.5), 12]
        assert (await it.read("armed"), await it.read("watchdog_time")) == (0, 1.0)
        await it.beat(0.3)
        assert await it.read("armed") == 1
        await it.disarm()
        assert await it.read("armed") == 0
        with pytest.raises(RefusedError, match="it has no such address: its program has another map"):
            await it.read("head_temperature", "2")
        assert it.session.tally.strays == 0


@pytest.mark.parametrize(
    ("request_text", "said"),
    [
        ("1 read holding 40 f32 2", "12.5 -0.100000001"),
        ("1 read holding 50 s32", "-70000"),
        ("1 write holding 0 u16 7 150", "ok"),
        ("1 write holding 50 s32 123456", "ok"),
        ("1 write coil 3 1", "ok"),
        ("1 read coil 0 bits 16", "0"),
        ("1 read discrete 0 bits 4", str(0b1011)),
        ("1 identify 0", "someone"),
        ("1 identify 1", "S-1"),
        ("1 read holding 9999 u16", "exception 2"),
    ],
)
async def test_each_kind_of_request_is_understood(request_text: str, said: str) -> None:
    codec = ModbusTcpCodec()
    async with served() as (_, link):
        await link.open(2.0)
        await link.write(codec.begin(request_text), 1.0)
        found: list[str] = []
        while not found:
            found = codec.feed(await link.read(2.0))
        assert (found, codec.halfway) == ([said], False)


async def test_a_unit_that_is_not_there_is_not_taken_for_the_one_that_is() -> None:
    async with served(variables={"unit": "9"}) as (it, _):
        with pytest.raises(ScandaqError, match="'exception 4' does not say who it is"):
            await it.identify()
