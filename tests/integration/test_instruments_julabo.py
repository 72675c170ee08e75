"""A chiller by its profile: simulated by us, and by lewis, whose empty lines after each setting mean nothing."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import pytest
from support_instruments import do, instrument
from support_referees import environment
from support_simulators import Simulator, simulator

from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.session import Session
from daq.errors import LimitError, ReadbackError, ScandaqError
from daq.transports.streamlink import TcpLink
from daq.wire.control.codecs import codec_of
from device_profiles.control import load_control

PROFILE = load_control("julabo")


@pytest.fixture
def chiller() -> Iterator[Simulator]:
    with simulator("julabo", "--rate", 20, "--room", 24) as process:
        yield process


async def test_a_chiller_is_started_set_and_read(chiller: Simulator) -> None:
    async with instrument(chiller, "julabo") as it:
        assert (await it.identify()).model == "HIGHTECH FL FL-Version 5.1"
        assert await it.read_many([("temperature", ""), ("status", ""), ("running", "")]) == [24.0, 2, 0]
        await it.set("setpoint", 18.5)
        await it.act("start")
        await asyncio.sleep(0.4)
        wanted = [("temperature", ""), ("status", ""), ("setpoint", ""), ("heating", "")]
        assert await it.read_many(wanted) == [18.5, 3, 18.5, 0.0]
        do(chiller, {"do": "acknowledge"})
        await it.set("setpoint", 19.5)
        await it.act("stop")
        assert (await it.read("setpoint"), await it.read("running")) == (19.5, 0)
        assert it.session.tally.lost == it.session.tally.strays == 0


@pytest.mark.soak
async def test_what_is_wrong_with_a_chiller_is_a_reading(chiller: Simulator) -> None:
    async with instrument(chiller, "julabo") as it:
        with pytest.raises(LimitError, match="setpoint cannot be 60 degC: 5 to 40 degC is possible"):
            await it.set("setpoint", 60.0)
        do(chiller, {"do": "local"})
        with pytest.raises(ReadbackError, match="start was said, but running reads 0"):
            await it.act("start")
        assert await it.read("status") == -9
        do(chiller, {"do": "low-level"})
        assert await it.read("status") == -1
        do(chiller, {"do": "swap", "version": "JULABO FP50-HE 1.0"})
        with pytest.raises(ScandaqError, match=r"in place of .JULABO HIGHTECH|is gone"):
            await it.read("temperature")
        with pytest.raises(ScandaqError, match=r"FP50-HE 1\.0 +is there; restart where that is meant"):
            await it.read("temperature")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def lewis() -> Iterator[int]:
    """Yield the port of lewis' Julabo."""
    python, port = environment("lewis", "lewis==1.4.0"), free_port()
    options = f"julabo-version-1: {{bind_address: 127.0.0.1, port: {port}}}"
    command = [str(python.with_name("lewis")), "julabo", "-p", options, "-c", "0.02", "-e", "30"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until_s = time.monotonic() + 20
            while time.monotonic() < until_s:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                time.sleep(0.1)
            yield port
        finally:
            process.terminate()


@asynccontextmanager
async def at(port: int) -> AsyncIterator[Instrument]:
    session = Session("it", PROFILE, TcpLink("127.0.0.1", port), codec_of(PROFILE))
    try:
        yield Instrument(session)
    finally:
        await session.close()


async def test_somebody_elses_chiller_is_driven_by_the_profile_though_it_answers_with_empty_lines() -> None:
    with lewis() as port:
        async with at(port) as it:
            assert (await it.identify()).model == "FP50_MH Simulator, ISIS"
            assert await it.read_many([("temperature", ""), ("running", "")]) == [24.0, 0]
            await it.act("start")
            for celsius in (20.0, 26.5, 21.0):
                await it.set("setpoint", celsius)
                assert await it.read("setpoint") == celsius
            await asyncio.sleep(1.5)
            found = await it.read("temperature")
            assert isinstance(found, float)
            assert found < 24.0
            await it.act("stop")
            assert await it.read("running") == 0
            assert (it.session.tally.lost, it.session.tally.strays, it.session.tally.resyncs) == (0, 0, 1)
