"""uHAL, unmodified, against the simulated board, on UDP and on TCP; also while our driver is in reliable mode there."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_instruments import do
from support_referees import environment
from support_simulators import Simulator, simulator

from daq.devices.instruments.courierlink import carried
from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.registers import Registers
from daq.devices.instruments.session import Session
from daq.transports.links import link_of
from daq.wire.control.codecs import codec_of
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
    assert read > 10
    assert session.tally.lost == 0
    await session.close()
