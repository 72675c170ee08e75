"""A serial line at the far end of a TCP connection, set by RFC 2217 from here, e.g. one of ser2net."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from daq.errors import UnreachableError, WireError
from daq.model.control import SerialLine
from daq.transports.streamlink import TcpLink
from daq.wire.control.rfc2217 import TelnetPort


class _Telnet(asyncio.Protocol):
    """Between the connection and the inbox: what belongs to telnet stays here."""

    def __init__(self, port: TelnetPort, inbox: asyncio.Protocol) -> None:
        self.port = port
        self.done = asyncio.Event()
        self.trouble = ""
        self._inbox = inbox
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.write(self.port.hello())

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None  # noqa: S101 - asyncio calls connection_made first
        try:
            line, answer = self.port.feed(data)
        except WireError as why:
            self.trouble = str(why)
            self.done.set()
            self._transport.abort()
            return
        if answer:
            self._transport.write(answer)
        if line and self.port.settled:  # what came before may have come at another speed
            self._inbox.data_received(line)
        if self.port.settled:
            self.done.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.trouble = self.trouble or str(exc or "it hung up")
        self.done.set()
        self._inbox.connection_lost(UnreachableError(self.trouble))

    def pause_writing(self) -> None:
        self._inbox.pause_writing()

    def resume_writing(self) -> None:
        self._inbox.resume_writing()


class Rfc2217Link(TcpLink):
    """A `Link` to a serial line behind `host`:`port`; open once the far end said that the line is set as wanted."""

    def __init__(self, host: str, port: int, line: SerialLine) -> None:
        super().__init__(host, port)
        self.place = f"rfc2217://{host}:{port}"
        self._line = line
        self._telnet = TelnetPort(line)
        self._connected = False

    async def _connect(self, protocol: Callable[[], asyncio.Protocol]) -> asyncio.WriteTransport:
        self._telnet, self._connected = TelnetPort(self._line), False
        telnet = _Telnet(self._telnet, protocol())
        transport = await super()._connect(lambda: telnet)
        self._connected = True
        try:
            await telnet.done.wait()
        except asyncio.CancelledError:  # also the deadline
            transport.abort()
            raise
        if telnet.trouble:
            transport.abort()
            raise UnreachableError(f"{self.place}: {telnet.trouble}")
        return transport

    def _missing(self) -> str:
        return f"no word of {self._telnet.missing} by RFC 2217" if self._connected else super()._missing()

    def _outgoing(self, data: bytes) -> bytes:
        return self._telnet.escaped(data)
