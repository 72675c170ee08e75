"""Registers of simulated boards through our client: one after the other, in one request, in blocks.

The boards are processes of their own and take most of the time of an access. Ratios are to the rates wanted of single
accesses; a bare socket that says the same datagram shows what the machine can do.
"""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.common import Row
from daq.devices.instruments.courierlink import carried
from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.registers import Registers
from daq.devices.instruments.session import Session
from daq.transports.links import link_of
from daq.wire.control.codecs import codec_of
from device_profiles.control import load_control

WANTED_PER_S = {"ipbus": 5_000.0, "sitcp-rbcp": 10_000.0}
PROFILES = {"ipbus": "ipbus-board", "sitcp-rbcp": "sitcp-rbcp"}
_BARE = {"ipbus": bytes.fromhex("f00000200f01012001000000"), "sitcp-rbcp": bytes.fromhex("ffc0010400000010")}
_FIELDS = ("scratch", "gain", "threshold", "serial", "firmware", "temperature", "uptime", "errors")
_ACCESSES, _ROUNDS, _TOGETHER = 250, 25, 250
_PLACE = {"ipbus": "read 1", "sitcp-rbcp": "read 10 4"}


def run() -> list[Row]:
    """Return the rows of the table."""
    return [row for kind in PROFILES for row in of_board(kind)]


def of_board(kind: str) -> list[Row]:
    """Return the rows of one protocol."""
    with board(kind) as ready:
        bare = bare_rate(ready["udp"], _BARE[kind])
        rates = asyncio.run(measured(kind, ready["udp"]))
    wanted, single, together = WANTED_PER_S[kind], rates["single"], rates["together"]
    name = "IPbus" if kind == "ipbus" else "RBCP"
    return [
        Row(f"{name}, accesses of one request / {wanted:g} per s", f"{together:.0f}/s", together / wanted, 1.0, 2.0),
        Row(f"{name}, accesses of one request / bare socket", f"{together:.0f} / {bare:.0f} per s", together / bare,
            0.5, 1.0),
        Row(f"{name}, one after the other / {wanted:g} per s", f"{single:.0f}/s", single / wanted, None, 1.0),
        Row(f"{name}, one after the other / bare socket", f"{single:.0f} / {bare:.0f} per s", single / bare,
            0.2, 0.5),
        Row(f"{name}, eight fields in one request", f"{rates['fields']:.0f}/s"),
        Row(f"{name}, blocks read", f"{rates['read_mb_per_s']:.2f} MB/s"),
        Row(f"{name}, blocks written", f"{rates['write_mb_per_s']:.2f} MB/s"),
    ]  # fmt: skip


async def measured(kind: str, place: str) -> dict[str, float]:
    """Return accesses per second, and MB/s of blocks; medians of short rounds."""
    profile = load_control(PROFILES[kind])
    session = Session("board", profile, carried(profile, link_of(place, profile.transport)), codec_of(profile))
    registers = Registers(Instrument(session))
    words = registers.register("memory").words
    block = [number * 2654435761 & 0xFFFFFFFF for number in range(words)]
    together = "; ".join([_PLACE[kind]] * _TOGETHER)
    spent: dict[str, list[float]] = {}

    async def timed(name: str, work: Any, times: int) -> None:
        began_s = time.perf_counter()
        for _ in range(times):
            await work()
        spent.setdefault(name, []).append((time.perf_counter() - began_s) / times)

    await registers.write_words("memory", block)
    for _ in range(_ROUNDS):
        await timed("single", lambda: registers.read("scratch"), _ACCESSES)
        await timed("together", lambda: registers.accesses(together), 1)
        await timed("fields", lambda: registers.read_many(_FIELDS), 20)
        await timed("read", lambda: registers.read_words("memory"), 4)
        await timed("write", lambda: registers.write_words("memory", block), 2)
    if await registers.read_words("memory") != block:
        raise AssertionError("the memory does not hold what was written")
    await session.close()
    seconds = {name: statistics.median(values) for name, values in spent.items()}
    return {
        "single": 1 / seconds["single"], "together": _TOGETHER / seconds["together"],
        "fields": len(_FIELDS) / seconds["fields"], "read_mb_per_s": 4e-6 * words / seconds["read"],
        "write_mb_per_s": 4e-6 * words / seconds["write"],
    }  # fmt: skip


def bare_rate(place: str, datagram: bytes) -> float:
    """Return how often per second a socket without anything around it says a datagram and has the answer."""
    host, port = place.removeprefix("udp://").split(":")
    spent = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.settimeout(5)
        wire.connect((host, int(port)))
        for _ in range(_ROUNDS):
            began_s = time.perf_counter()
            for _ in range(_ACCESSES):
                wire.send(datagram)
                wire.recv(1500)
            spent.append(time.perf_counter() - began_s)
    return _ACCESSES / statistics.median(spent)


@contextmanager
def board(kind: str) -> Iterator[dict[str, Any]]:
    """Run a simulated board; yield its ready line."""
    command = [sys.executable, "-m", "simulators", kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
