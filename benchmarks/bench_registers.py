"""Registers of simulated boards through our client: one after the other, in one request, in blocks.

Judged is what our side could do with a core of its own (CPU time), to the rates wanted of accesses. What came out of it
beside the board's process, and beside everything else that ran, is for information; so is a bare socket that says the
same datagram.
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
        rates = asyncio.run(measured(kind, ready["udp"]))
    wanted, name = WANTED_PER_S[kind], "IPbus" if kind == "ipbus" else "RBCP"
    rows = []
    for what, title, floor in (("single", "one access after the other", 0.5), ("together", "of one request", 1.0)):
        able = rates[f"{what} cpu"]
        figure = f"{able:.0f} per CPU second; {rates[what]:.0f}/s, bare socket {rates['bare']:.0f}/s"
        rows.append(Row(f"{name}, {title} / {wanted / 1e3:g} k/s", figure, able / wanted, floor, 2 * floor))
    return [
        *rows,
        Row(f"{name}, eight fields in one request", f"{rates['fields']:.0f}/s"),
        Row(f"{name}, blocks read, written", f"{rates['read_mb_per_s']:.2f}, {rates['write_mb_per_s']:.2f} MB/s"),
    ]


async def measured(kind: str, place: str) -> dict[str, float]:
    """Return accesses per second, and per second of CPU time, and MB/s of blocks; medians of short rounds."""
    profile = load_control(PROFILES[kind])
    session = Session("board", profile, carried(profile, link_of(place, profile.transport)), codec_of(profile))
    registers = Registers(Instrument(session))
    words = registers.register("memory").words
    block = [number * 2654435761 & 0xFFFFFFFF for number in range(words)]
    together = "; ".join([_PLACE[kind]] * _TOGETHER)
    spent: dict[str, list[float]] = {}

    async def timed(name: str, work: Any, times: int) -> None:
        began_s, cpu_s = time.perf_counter(), time.process_time()
        for _ in range(times):
            await work()
        spent.setdefault(name, []).append((time.perf_counter() - began_s) / times)
        spent.setdefault(f"{name} cpu", []).append((time.process_time() - cpu_s) / times)

    await registers.write_words("memory", block)
    for _ in range(_ROUNDS):
        spent.setdefault("bare", []).append(bare(place, _BARE[kind]))
        await timed("single", lambda: registers.read("scratch"), _ACCESSES)
        await timed("together", lambda: registers.accesses(together), 1)
        await timed("fields", lambda: registers.read_many(_FIELDS), 20)
        await timed("read", lambda: registers.read_words("memory"), 4)
        await timed("write", lambda: registers.write_words("memory", block), 2)
    if await registers.read_words("memory") != block:
        raise AssertionError("the memory does not hold what was written")
    await session.close()
    seconds = {name: statistics.median(values) for name, values in spent.items()}
    accesses = {"bare": 1, "single": 1, "together": _TOGETHER, "fields": len(_FIELDS)}
    rates = {name: times / seconds[name] for name, times in accesses.items()}
    able = {f"{name} cpu": accesses[name] / seconds[f"{name} cpu"] for name in ("single", "together")}
    blocks = {f"{name}_mb_per_s": 4e-6 * words / seconds[name] for name in ("read", "write")}
    return {**rates, **able, **blocks}


def bare(place: str, datagram: bytes) -> float:
    """Return the seconds in which a socket without anything around it says a datagram and has the answer."""
    host, port = place.removeprefix("udp://").split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.settimeout(5)
        wire.connect((host, int(port)))
        began_s = time.perf_counter()
        for _ in range(_ACCESSES):
            wire.send(datagram)
            wire.recv(1500)
        return (time.perf_counter() - began_s) / _ACCESSES


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
