"""uHAL, unmodified, against the simulated board; and our client against the targets of uHAL's own tests."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support_instruments import do
from support_referees import environment
from support_simulators import Simulator, simulator

from daq.devices.instruments.courierlink import CourierLink, carried
from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.registers import Registers
from daq.devices.instruments.session import Session
from daq.errors import ScandaqError
from daq.transports.link import Link
from daq.transports.links import link_of
from daq.transports.streamlink import TcpLink
from daq.wire.control.codecs import codec_of
from daq.wire.control.ipbuscodec import IpbusCodec
from device_profiles.control import load_control

PROGRAM = Path(__file__).parents[1] / "uhal_program.py"


@pytest.fixture(scope="module")
def python() -> Path:
    return environment("uhal", "uhal==2.8.22.post2")


@pytest.fixture
def board() -> Iterator[Simulator]:
    with simulator("ipbus") as process:
        yield process


def said(python: Path, board: Simulator, wire: str) -> dict[str, Any]:
    host, port = board.address(wire)
    do(board, {"do": "fill", "words": list(range(8))})
    told = subprocess.run(
        [python, PROGRAM, f"ipbus{wire}-2.0://{host}:{port}"], capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == 0, told.stderr
    found: dict[str, Any] = json.loads(told.stdout)
    return found


@pytest.mark.parametrize("wire", ["udp", "tcp"])
def test_uhal_sees_a_board_that_it_knows(python: Path, board: Simulator, wire: str) -> None:
    found = said(python, board, wire)

    assert found == {
        "identity": 0x53434451, "masked": 0x1234BEEF, "before": [5, 0x55], "after": 0x56,
        "settings": 1234 << 8 | 1, "block": True, "queue": list(range(8)), "nothing": True, "refused": True,
    }  # fmt: skip


async def test_uhal_and_our_driver_do_not_disturb_each_other(python: Path, board: Simulator) -> None:
    profile = load_control("ipbus-board")
    session = Session(
        "board", profile, carried(profile, link_of(board.ready["udp"], profile.transport)), codec_of(profile)
    )
    registers = Registers(Instrument(session))
    theirs = asyncio.create_task(asyncio.to_thread(said, python, board, "udp"))
    read = 0
    while not theirs.done():
        assert await registers.read("identity") == 0x53434451
        read += 1
        await asyncio.sleep(0.001)
    assert (await theirs)["block"]
    assert read  # each of them right; how many there is time for depends on how often both number a packet alike
    assert session.tally.lost == 0
    await session.close()


TARGETS = "SCANDAQ_IPBUS_TARGETS"
"""Names a folder with `DummyHardwareUdp.exe` and `DummyHardwareTcp.exe`, which the source of ipbus-software builds."""


@contextmanager
def running(wire: str) -> Iterator[str]:
    """Run the target on a free port; yield its place."""
    if TARGETS not in os.environ:
        pytest.skip(
            f"uHAL's own targets are built by hand from the source of ipbus-software: set {TARGETS} to their folder"
        )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if wire == "udp" else socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Path(os.environ[TARGETS]) / f"DummyHardware{wire.capitalize()}.exe"
    process = subprocess.Popen([program, "--version", "2", "--port", str(port)], stdout=subprocess.DEVNULL)
    try:
        yield f"{wire}://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
async def target(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Link, IpbusCodec]]:
    profile = load_control("ipbus-board")
    with running(request.param) as place:
        udp = request.param == "udp"
        link = carried(profile, link_of(place, profile.transport)) if udp else TcpLink(*_host(place))
        codec = IpbusCodec(datagrams=udp)
        async with asyncio.timeout(10):
            while not await answers(link, codec):
                await asyncio.sleep(0.1)
        yield link, codec
        await link.close()


def _host(place: str) -> tuple[str, int]:
    parts = urlsplit(place)
    return str(parts.hostname), int(parts.port or 0)


async def answers(link: Link, codec: IpbusCodec) -> bool:
    with suppress(ScandaqError):
        await link.open(1.0)
        await ask(link, codec, "read 0")
        return True
    return False


async def ask(link: Link, codec: IpbusCodec, request: str) -> str:
    replies: list[str] = []
    await link.write(codec.begin(request), 1.0)
    while not replies:
        replies = codec.feed(await link.read(5.0))
    return replies[0]


@pytest.mark.parametrize("target", ["udp", "tcp"], indirect=True)
async def test_our_client_drives_the_target_of_uhals_own_tests(target: tuple[Link, IpbusCodec]) -> None:
    link, codec = target
    assert await ask(link, codec, "write 1 deadbeef; read 1") == "done; deadbeef"
    assert await ask(link, codec, "mask 1 ffff0000 1234; add 1 1; read 1") == "deadbeef; dead1234; dead1235"
    words = " ".join(f"{number * 2654435761 & 0xFFFFFFFF:08x}" for number in range(512))
    assert await ask(link, codec, f"write 1000 {words}") == "done"
    assert await ask(link, codec, "read 1000 512") == words


@pytest.mark.parametrize("target", ["udp"], indirect=True)
async def test_that_target_adds_once_though_a_tenth_of_all_datagrams_is_lost(target: tuple[Link, IpbusCodec]) -> None:
    link, codec = target
    assert isinstance(link, CourierLink)
    assert await ask(link, codec, "write 1 0") == "done"
    chances, wire = random.Random(1), link._link
    say, hear = wire.say, link._heard
    assert wire._inbox is not None
    wire.say = lambda data: None if chances.random() < 0.1 else say(data)  # type: ignore[method-assign]
    wire._inbox.listener = lambda data: None if data and chances.random() < 0.1 else hear(data)

    said = [await ask(link, codec, "add 1 1") for _ in range(200)]

    assert said == [f"{number:08x}" for number in range(200)]
    assert link.courier.resent > 20
