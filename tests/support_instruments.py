"""Instruments of a simulator process, by their shipped profiles over a real wire, and what the world does to them."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from support_simulators import Simulator

from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.session import Session
from daq.transports.streamlink import SerialLink, TcpLink
from daq.wire.control.codecs import codec_of
from device_profiles.control import load_control

FRONT_SUPPLY = """
[supplies.front_hv]
head = "front"
max_v = 900.0
max_slope_v_per_s = 50.0
max_step_v = 300.0
tolerance_v = 2.0
trip_ua = 300.0
trip_s = 0.5
"""
"""What a scanner profile says of the supply of its front head."""


@asynccontextmanager
async def instrument(simulated: Simulator, profile: str, wire: str = "tcp", **given: Any) -> AsyncIterator[Instrument]:
    known = load_control(profile)
    link = SerialLink(simulated.ready["tty"], baudrate=9600) if wire == "tty" else TcpLink(*simulated.address("tcp"))
    session = Session("it", known, link, codec_of(known), **given)
    try:
        yield Instrument(session)
    finally:
        await session.close()


def do(simulated: Simulator, asked: dict[str, Any]) -> dict[str, Any]:
    """Do something to the instrument; return the answer."""
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(5)
        wire.connect(simulated.ready["faults"])
        wire.sendall(json.dumps(asked).encode() + b"\n")
        answer: dict[str, Any] = json.loads(wire.makefile().readline())
    assert "error" not in answer, answer
    return answer
