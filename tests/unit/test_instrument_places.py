"""Places of instruments that are none: whoever opens the wire hears it as an error of the wire."""

from __future__ import annotations

import asyncio
import socket
import termios
from typing import Any

import pytest
import serial

from daq.errors import ProfileError, UnreachableError
from daq.model.control import ControlTransport, SerialLine
from daq.transports import serialline
from daq.transports.links import link_of
from daq.transports.streamlink import SerialLink, TcpLink

_ANY = ControlTransport(kinds=("serial", "tcp", "udp"), serial=SerialLine(baud=9600))


@pytest.mark.parametrize("scheme", ["tcp", "udp", "rfc2217"])
@pytest.mark.parametrize("host", ["10.0..5", "a" * 70, "a\0b"])
async def test_what_is_no_name_of_a_host_is_a_wire_that_cannot_be_opened(scheme: str, host: str) -> None:
    link = link_of(f"{scheme}://{host}:1470", _ANY)
    with pytest.raises(UnreachableError, match=f"^{scheme}://"):
        await link.open(2.0)
    assert not link.is_open


async def test_a_line_that_is_unplugged_while_it_is_opened_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    class Port:
        closed = False

        def __init__(self, place: str, **settings: Any) -> None:
            del place, settings

        def close(self) -> None:
            Port.closed = True

    def gone(port: Port) -> str:
        raise termios.error(5, "Input/output error")

    monkeypatch.setattr(serial, "Serial", Port)
    monkeypatch.setattr(serialline, "_unlike", gone)
    with pytest.raises(UnreachableError, match="it is unplugged"):
        await SerialLink("/dev/ttyUSB7", baudrate=9600).open(1.0)
    assert Port.closed


async def test_a_speed_that_no_line_can_have_is_a_line_that_cannot_be_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def beyond(place: str, **settings: Any) -> None:
        raise OverflowError("signed integer is greater than maximum")

    monkeypatch.setattr(serial, "Serial", beyond)
    with pytest.raises(UnreachableError, match="greater than maximum"):
        await SerialLink("/dev/ttyUSB7", baudrate=10**12).open(1.0)


@pytest.mark.parametrize("url", ["udp://10.0.0.5:1470", "visa://TCPIP::10.0.0.5::INSTR", "rfc2217://10.0.0.5:4000"])
def test_a_wire_that_its_profile_does_not_know_is_refused(url: str) -> None:
    with pytest.raises(ProfileError, match="the profile knows tcp"):
        link_of(url, ControlTransport(kinds=("tcp",)))


async def reset(peer: socket.socket) -> bool:
    """Return whether a connection ends by a reset, which takes back what waited, and not in order."""
    try:
        while await asyncio.get_running_loop().sock_recv(peer, 1 << 20):
            pass
    except ConnectionResetError:
        return True
    return False


async def test_what_was_given_up_while_a_peer_did_not_listen_is_never_said() -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        server.setblocking(False)
        link = TcpLink(*server.getsockname())
        await link.open(2.0)
        peer, _ = await loop.sock_accept(server)
        with peer:
            stuck = asyncio.create_task(link.write(b"x" * (32 << 20), 10.0))
            await asyncio.sleep(0.01)
            assert not stuck.done()
            stuck.cancel()
            await asyncio.wait({stuck})
            assert not link.is_open
            with pytest.raises(UnreachableError, match="were given up"):
                await link.write(b"SET 1000\n", 1.0)
            assert await reset(peer)
        await link.close()
