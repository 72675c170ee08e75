"""Wires to instruments, read by the loop itself or by a library that waits in a thread: CPU time of an exchange.

The instrument is a process that answers each line with one. On the same wire: TCP by the loop and by VISA in its
thread; a serial line by the loop and by pyserial in a thread. Then how long the loop stands still while an instrument
does not answer.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import serial

from benchmarks.common import Row, interleaved
from daq.errors import DeadlineError
from daq.transports.link import Link
from daq.transports.streamlink import SerialLink, TcpLink
from daq.transports.visalink import VisaLink
from daq.transports.worker import Worker

_EXCHANGES, _ROUNDS = 400, 5
_ASKED = b":MEAS? CH1\n"
_LOOK_S, _SILENT_S = 0.001, 0.2
_INSTRUMENT = """
import asyncio, os, tty

def answered(data): return b"12.000\\n" * data.count(b"\\n")

async def client(reader, writer):
    while data := await reader.read(4096):
        writer.write(answered(data))
    writer.close()

async def main():
    master, slave = os.openpty()
    tty.setraw(slave)
    asyncio.get_running_loop().add_reader(master, lambda: os.write(master, answered(os.read(master, 4096))))
    server = await asyncio.start_server(client, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], os.ttyname(slave), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def run() -> list[Row]:
    with subprocess.Popen([sys.executable, "-c", _INSTRUMENT], stdout=subprocess.PIPE, text=True) as instrument:
        try:
            assert instrument.stdout is not None
            port, line = instrument.stdout.readline().split()
            return asyncio.run(_measured(int(port), line))
        finally:
            instrument.kill()


async def _measured(port: int, line: str) -> list[Row]:
    loop = asyncio.get_running_loop()
    tcp, visa, tty = TcpLink("127.0.0.1", port), VisaLink(f"TCPIP::127.0.0.1::{port}::SOCKET"), SerialLink(line)
    lag = {"tcp": await _lag(tcp), "visa": await _lag(visa)}

    async def threaded() -> Callable[[], Awaitable[None]]:
        wire = serial.Serial(line, timeout=1.0, exclusive=True)
        worker = Worker("pyserial")

        def exchange() -> None:
            wire.write(_ASKED)
            assert wire.read_until(b"\n") == b"12.000\n"

        async def many() -> None:
            for _ in range(_EXCHANGES):
                await worker.do(exchange)
            wire.close()
            worker.end()

        return many

    async def by(link: Link) -> None:
        await link.open(2)
        for _ in range(_EXCHANGES):
            await link.write(_ASKED, 1)
            assert await link.read(1) == b"12.000\n"
        await link.close()

    async def by_thread() -> None:
        await (await threaded())()

    spent = await asyncio.to_thread(
        interleaved,
        {
            name: lambda made=made: asyncio.run_coroutine_threadsafe(made(), loop).result()
            for name, made in {
                "tcp": lambda: by(tcp), "visa": lambda: by(visa), "tty": lambda: by(tty), "thread": by_thread,
            }.items()
        },
        rounds=_ROUNDS,
    )  # fmt: skip
    each = {name: 1e6 * seconds / _EXCHANGES for name, seconds in spent.items()}
    return [
        Row(
            "CPU of an exchange: VISA in its thread / TCP by the loop",
            f"{each['visa']:.0f} and {each['tcp']:.0f} us of CPU",
            each["visa"] / each["tcp"], floor=1.0,
        ),
        Row(
            "CPU of an exchange: pyserial in a thread / serial line by the loop",
            f"{each['thread']:.0f} and {each['tty']:.0f} us of CPU",
            each["thread"] / each["tty"], floor=1.0,
        ),
        Row(
            "loop stands still while an instrument is silent",
            f"VISA {1e3 * lag['visa']:.1f} ms, TCP {1e3 * lag['tcp']:.1f} ms, of {1e3 * _SILENT_S:.0f} ms of silence",
        ),
    ]  # fmt: skip


async def _lag(link: Link) -> float:
    """Return how late the loop is at worst while a reply is waited for that does not come."""
    await link.open(2)
    worst, done = 0.0, asyncio.Event()

    async def look() -> None:
        nonlocal worst
        while not done.is_set():
            began_s = time.monotonic()
            await asyncio.sleep(_LOOK_S)
            worst = max(worst, time.monotonic() - began_s - _LOOK_S)

    looking = asyncio.ensure_future(look())
    try:
        await link.read(_SILENT_S)
    except DeadlineError:
        pass
    else:
        raise AssertionError("something came unasked")
    finally:
        done.set()
        await looking
        await link.close()
    return worst
