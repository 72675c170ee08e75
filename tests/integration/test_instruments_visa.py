from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support_simulators import simulator
from support_visa import visa_instrument

from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.session import Session
from daq.errors import DeadlineError, ProfileError, ScandaqError, UnreachableError
from daq.transports.link import Link
from daq.transports.links import link_of
from daq.wire.control.codecs import codec_of
from device_profiles.control import load_control
from simulators.instruments.rigol import RigolDp832

_SHIPPED = load_control("rigol-dp832")
PROFILE = _SHIPPED.model_copy(
    update={"conversation": _SHIPPED.conversation.model_copy(update={"reply_s": 0.2, "late_s": 0.2})}
)
"""In a hurry."""


@asynccontextmanager
async def supply(resource: str) -> AsyncIterator[tuple[Instrument, Link]]:
    link = link_of(f"visa://{resource}", PROFILE.transport, read_end=PROFILE.framing.read_end)
    session = Session("it", PROFILE, link, codec_of(PROFILE))
    try:
        yield Instrument(session), link
    finally:
        await session.close()


@pytest.mark.parametrize("kind", ["vxi11", "hislip"])
async def test_a_supply_is_set_switched_and_read_through_visa(kind: str) -> None:
    machine = RigolDp832(load_ohm=10)
    with visa_instrument(kind, machine.answer) as (resource, it):
        async with supply(resource) as (said, _):
            assert (await said.identify()).model == "DP832"
            await said.set("voltage_set", 5.0, "1")
            await said.act("on", "1")
            assert await said.read_many([("voltage", "1"), ("current", "1"), ("mode", "1")]) == [5.0, 0.5, "voltage"]
            assert it.clears == 1  # at opening
            assert said.session.tally.lost == 0


@pytest.mark.parametrize("kind", ["vxi11", "hislip"])
async def test_after_silence_a_session_is_opened_anew_and_cleared(kind: str) -> None:
    with visa_instrument(kind, RigolDp832().answer) as (resource, it):
        async with supply(resource) as (said, _):
            await said.identify()
            it.mute = True
            with pytest.raises(ScandaqError):
                await said.read("voltage", "1")
            it.mute = False
            it.waiting = b"99.999\n"  # the late reply
            said.session._retry_s = 0.0
            assert await said.read("voltage", "1") == 0.0
            assert it.clears >= 2


async def test_an_instrument_that_hangs_up_is_opened_anew() -> None:
    with visa_instrument("hislip", RigolDp832().answer) as (resource, it):
        async with supply(resource) as (said, link):
            await said.identify()
            it.hang_up()
            with pytest.raises((UnreachableError, DeadlineError)):
                await link.read(0.5)
            assert not link.is_open
            assert await said.read("voltage", "1") == 0.0


async def test_a_socket_by_visa_is_the_same_conversation() -> None:
    with simulator("rigol-dp832") as simulated:
        host, port = simulated.address("tcp")
        async with supply(f"TCPIP::{host}::{port}::SOCKET") as (said, link):
            assert await said.read_all("on") == {"1": "off", "2": "off", "3": "off"}
            with pytest.raises(DeadlineError, match=r"TCPIP::.*::SOCKET does not answer in 0.2 s"):
                await link.read(0.2)
            assert not link.is_open


@pytest.mark.parametrize("resource", ["TCPIP::127.0.0.1,1::inst0::INSTR", "GPIB0::4::INSTR", "USB0::1::2::3::INSTR"])
async def test_what_cannot_be_opened_says_why(resource: str) -> None:
    async with supply(resource) as (said, _):
        with pytest.raises(UnreachableError, match="does not open: "):
            await said.identify()


def test_a_serial_line_by_visa_is_refused() -> None:
    with pytest.raises(ProfileError, match="serial lines are written serial:///PATH"):
        link_of("visa://ASRL/dev/ttyUSB0::INSTR", PROFILE.transport)
