"""Wires to instruments: serial lines, serial lines behind RFC 2217, datagrams."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tty
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import serial.rfc2217
from support_simulators import simulator

from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.session import Session
from daq.errors import DeadlineError, UnreachableError
from daq.model.control import ControlTransport, SerialLine
from daq.transports.link import MOST_KEPT_BYTES, Link
from daq.transports.links import link_of
from daq.transports.streamlink import SerialLink
from daq.transports.udplink import UdpLink
from daq.wire.control.codecs import codec_of
from device_profiles.control import load_control

EVEN = ControlTransport(kinds=("serial",), serial=SerialLine(baud=38400, parity="even"))


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@asynccontextmanager
async def served(talk: Talk) -> AsyncIterator[str]:
    """Serve clients by `talk`; yield the URL."""

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.append((asyncio.ensure_future(talk(reader, writer)), writer))

    clients: list[tuple[asyncio.Future[None], asyncio.StreamWriter]] = []
    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"rfc2217://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for work, writer in clients:
            writer.close()
            await asyncio.wait({work})


@asynccontextmanager
async def far_line() -> AsyncIterator[tuple[str, Any]]:
    """Serve a line that says everything backwards, by the server of pyserial; yield its URL and how it is set."""
    line = SimpleNamespace(
        baudrate=9600, bytesize=8, parity="N", stopbits=1, xonxoff=False, rtscts=False, dsrdtr=False, rts=True,
        dtr=True, break_condition=False, cts=True, dsr=True, ri=False, cd=True,
        reset_input_buffer=lambda: None, reset_output_buffer=lambda: None,
    )  # fmt: skip

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = serial.rfc2217.PortManager(line, SimpleNamespace(write=lambda data: writer.write(bytes(data))))
        while data := await reader.read(4096):
            said = b"".join(port.filter(data))
            writer.write(b"".join(port.escape(said[::-1])))

    async with served(talk) as url:
        yield url, line


async def test_a_line_behind_rfc_2217_is_set_to_even_parity_and_carries_every_byte() -> None:
    async with far_line() as (url, line):
        link = link_of(url, EVEN)
        await link.open(2)
        assert (line.baudrate, line.bytesize, line.parity, line.stopbits) == (38400, 8, "E", 1)
        everything = bytes(range(256)) + b"\xff\xff"
        await link.write(everything, 1)
        got = b""
        while len(got) < len(everything):
            got += await link.read(1)
        assert got == everything[::-1]
        await link.close()


async def test_a_far_line_that_is_not_set_as_wanted_is_refused() -> None:
    async def stubborn(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(bytes([255, 253, 44]))
        await reader.read(200)
        writer.write(bytes([255, 250, 44, 103, 1, 255, 240]))  # no parity, whatever it was asked for
        await reader.read(100)

    async with served(stubborn) as url:
        with pytest.raises(UnreachableError, match="the far end sets parity to 1 by RFC 2217, 3 was wanted"):
            await link_of(url, EVEN).open(2)


async def test_a_server_that_knows_no_rfc_2217_is_not_taken_for_a_line() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(bytes([255, 254, 44]))
        await reader.read(100)

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        await reader.read()

    async with served(refuse) as url:
        with pytest.raises(UnreachableError, match="it is no server of RFC 2217"):
            await link_of(url, EVEN).open(2)
    async with served(mute) as url:
        with pytest.raises(DeadlineError, match=r"no word of baud, bits, parity, stop bits, flow control by RFC 2217"):
            await link_of(url, EVEN).open(0.2)


@pytest.mark.system
async def test_ser2net_carries_the_conversation_with_a_supply(tmp_path: Path) -> None:
    assert shutil.which("ser2net"), "ser2net is missing: apt-get install ser2net"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with simulator("caen-n1470", "--baud", "115200") as supply:
        settings = tmp_path / "ser2net.yaml"
        settings.write_text(
            "%YAML 1.1\n---\nconnection: &supply\n"
            f"  accepter: telnet(rfc2217),tcp,127.0.0.1,{port}\n"
            f"  connector: serialdev,{supply.ready['tty']},9600n81,local\n"
        )
        with subprocess.Popen(["ser2net", "-n", "-c", settings], stderr=subprocess.DEVNULL) as server:  # noqa: S607, ASYNC220
            try:
                profile = load_control("caen-n1470")
                link = link_of(f"rfc2217://127.0.0.1:{port}", profile.transport)
                await patiently_open(link)
                session = Session("it", profile, link, codec_of(profile))
                assert (await session.identify()).model == "N1470"
                assert await Instrument(session).read("voltage", "0") == 0.0
                await session.close()
            finally:
                server.terminate()


async def patiently_open(link: Any) -> None:
    """Open a wire whose server has just begun."""
    for _ in range(100):
        try:
            await link.open(2)
        except UnreachableError:
            await asyncio.sleep(0.05)
        else:
            return
    await link.open(2)


def cable() -> tuple[int, int, str]:
    """Return the instrument's end, and the computer's with its name."""
    master, slave = os.openpty()
    tty.setraw(slave)
    return master, slave, os.ttyname(slave)


async def test_a_line_that_is_unplugged_says_so_and_comes_back_under_its_name(tmp_path: Path) -> None:
    name = tmp_path / "usb-CAEN_N1470_1234-if00"
    link = SerialLink(str(name))
    with pytest.raises(UnreachableError, match="there is no such line; it is unplugged, or its name is another"):
        await link.open(1)
    for turn in (1, 2):
        master, slave, place = cable()
        os.close(slave)
        name.symlink_to(place)
        await link.open(1)
        assert (link.is_open, link.connection) == (True, turn)
        await link.write(b"?", 1)
        assert os.read(master, 10) == b"?"
        os.write(master, b"!")
        assert await link.read(1) == b"!"
        os.close(master)  # the plug
        name.unlink()
        with pytest.raises(UnreachableError, match="unplugged"):
            await link.read(1)
        assert not link.is_open
        with pytest.raises(UnreachableError, match="unplugged"):
            await link.write(b"?", 1)
    await link.close()


async def test_a_line_is_had_by_one_alone_and_let_go_at_once() -> None:
    master, slave, place = cable()
    first, second = SerialLink(place), SerialLink(place)
    for _ in range(5):
        await first.open(1)
        with pytest.raises(UnreachableError, match="another program has it open"):
            await second.open(1)
        await first.close()
        await second.open(1)
        await second.close()
    os.close(master)
    os.close(slave)


async def test_what_cannot_be_a_line_says_why(tmp_path: Path) -> None:
    master, slave, place = cable()
    with pytest.raises(
        UnreachableError, match="it cannot be set so: bits 7 became 8, parity E became N; a pseudo-terminal"
    ):
        await SerialLink(place, parity="E", bytesize=7).open(1)
    plain = tmp_path / "file"
    plain.touch()
    with pytest.raises(UnreachableError, match="it is no serial line"):
        await SerialLink(str(plain)).open(1)
    os.close(master)
    os.close(slave)


async def test_a_line_that_takes_nothing_is_no_reason_to_wait_for_ever() -> None:
    master, slave, place = cable()
    link = SerialLink(place)
    await link.open(1)
    with pytest.raises(DeadlineError, match="did not take"):
        await link.write(bytes(1 << 20), 0.1)
    assert not link.is_open  # so that the rest is never said
    with pytest.raises(UnreachableError, match="did not take"):
        await link.write(b"more", 0.1)
    await link.close()
    await link.open(1)
    await link.close()
    os.close(master)
    os.close(slave)


async def said_and_heard(link: Link, data: bytes) -> bytes:
    await link.write(data, 0.2)
    return await link.read(0.3)


@pytest.mark.parametrize("size", [1 << 20, 32 << 20])
async def test_what_an_instrument_did_not_take_in_time_is_never_said_later(size: int) -> None:
    heard, listen = bytearray(), asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await listen.wait()
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        with suppress(ConnectionResetError):
            while data := await reader.read(1 << 20):
                heard.extend(data)

    async with served(deaf) as url:
        link = link_of(url.replace("rfc2217", "tcp"), ControlTransport(kinds=("tcp",)))
        await link.open(1)
        with pytest.raises(DeadlineError, match=r"did not take|have not left"):
            await said_and_heard(link, bytes(size) + b"RAISE\n")  # the system takes a million bytes, and keeps them
        listen.set()
        await asyncio.sleep(0.1)
        assert not link.is_open
        await link.close()
    assert not heard.endswith(b"RAISE\n")


class Peer(asyncio.DatagramProtocol):
    def __init__(self, replies: list[bytes]) -> None:
        self.replies = replies
        self.heard: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire: Any = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.append(data)
        for reply in self.replies:
            self.wire.sendto(reply, addr)


async def test_datagrams_stay_apart_and_what_nobody_reads_is_bounded_and_counted() -> None:
    loop = asyncio.get_running_loop()
    peer = Peer([b"one", b"two", b""])
    wire, _ = await loop.create_datagram_endpoint(lambda: peer, local_addr=("127.0.0.1", 0))
    link = UdpLink(*wire.get_extra_info("sockname"))
    await link.open(1)
    await link.write(b"ask", 1)
    assert [await link.read(1), await link.read(1)] == [b"one", b"two"]
    with pytest.raises(DeadlineError, match=r"nothing came in 0\.05 s"):
        await link.read(0.05)
    peer.replies = [bytes(60000)] * 30
    while not link.dropped_bytes:  # the system keeps less at once than the link does
        await link.write(b"flood", 1)
        await asyncio.sleep(0.01)
    assert len(link.waiting()) <= MOST_KEPT_BYTES
    assert link.waiting() == b""
    assert peer.heard[:2] == [b"ask", b"flood"]
    await link.close()
    wire.close()


async def test_a_port_where_nobody_listens_shows_when_it_is_asked() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    link = UdpLink("127.0.0.1", port)
    await link.open(1)
    await link.write(b"ask", 1)
    with pytest.raises(UnreachableError, match="Connection refused"):
        await link.read(1)
    assert not link.is_open
    await link.close()
