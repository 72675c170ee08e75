"""Wires that asyncio reads as streams of bytes: TCP, and serial lines through pyserial."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable
from typing import Any, cast

from daq.errors import DeadlineError, UnreachableError
from daq.transports.link import MOST_KEPT_BYTES
from daq.transports.serialline import LineTransport, in_the_system, opened

_LEAVES_S = 0.25
"""What was said longer ago has left, or the wire is stuck. A stop that was just said is not taken back."""
_DRAIN_S = 0.3
"""What was said last, e.g. a stop, leaves a slow line before it is closed."""


class _Inbox(asyncio.Protocol):
    """Keeps what comes until it is read, and whether the wire is still there."""

    def __init__(self, dropped: Callable[[int], None]) -> None:
        self.kept = bytearray()
        self.lost = ""
        self.something = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()
        self._dropped = dropped

    def data_received(self, data: bytes) -> None:
        room = MOST_KEPT_BYTES - len(self.kept)
        self.kept += data[:room]
        if len(data) > room:
            self._dropped(len(data) - room)
        self.something.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = self.lost or (str(exc) if exc is not None else "it hung up")
        self.something.set()
        self.writable.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()


class StreamLink:
    """A `Link` over an asyncio transport; what differs is how it is opened."""

    def __init__(self, place: str) -> None:
        self.connection = 0
        self.dropped_bytes = 0
        self.place = place
        self._wrote_s = 0.0
        self._transport: asyncio.WriteTransport | None = None
        self._inbox: _Inbox | None = None

    @property
    def is_open(self) -> bool:
        """Return True while it can be used, as far as can be told."""
        return self._inbox is not None and not self._inbox.lost

    async def open(self, within_s: float) -> None:
        """Open it. Raises `UnreachableError` or `DeadlineError`."""
        await self.close()
        inbox = _Inbox(self._count_dropped)
        try:
            async with asyncio.timeout(within_s):
                self._transport = await self._connect(lambda: inbox)
        except TimeoutError:
            raise DeadlineError(f"{self.place}: {self._missing()} in {within_s:g} s") from None
        except OSError as why:
            raise UnreachableError(f"{self.place}: {why.strerror or why}") from None
        except ValueError as why:  # what is no name of a host at all, e.g. one with two dots in a row
            raise UnreachableError(f"{self.place}: {why}") from None
        self._inbox = inbox
        self.connection += 1

    async def _connect(self, protocol: Callable[[], asyncio.Protocol]) -> asyncio.WriteTransport:
        raise NotImplementedError

    def _missing(self) -> str:
        """Return what did not come while it was opened."""
        return "no connection"

    def _outgoing(self, data: bytes) -> bytes:
        return data

    def _forget_what_waits(self) -> None:
        cast("asyncio.WriteTransport", self._transport).abort()

    def _not_sent(self) -> int:
        """Return how many bytes the system has not got rid of: the other side has not taken them."""
        return 0

    async def close(self) -> None:
        """Close it; nothing happens where it is closed."""
        transport, self._transport, self._inbox = self._transport, None, None
        if transport is not None:
            transport.abort()
            await asyncio.sleep(0)

    async def write(self, data: bytes, within_s: float) -> None:
        """Hand bytes over. Raises `UnreachableError`, or `DeadlineError`: then it is closed, and they are never said.

        A request that waits in a buffer until somebody listens again would be obeyed long after it was given up.
        """
        inbox = self._opened()
        self._wrote_s = asyncio.get_running_loop().time()
        cast("asyncio.WriteTransport", self._transport).write(self._outgoing(data))
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await inbox.writable.wait()
        except asyncio.CancelledError:
            if not inbox.lost and not inbox.writable.is_set():
                inbox.lost = f"{len(data)} bytes that it did not take were given up"
                self._forget_what_waits()
            raise
        if inbox.lost:
            raise UnreachableError(f"{self.place}: {inbox.lost}")
        if not inbox.writable.is_set():
            inbox.lost = f"it did not take {len(data)} bytes in {within_s:g} s"
            self._forget_what_waits()
            raise DeadlineError(f"{self.place}: {inbox.lost}")

    async def read(self, within_s: float) -> bytes:
        """Return what comes, at least a byte. Raises `DeadlineError`, or `UnreachableError` where it hung up.

        Where nothing comes because what was said has not even left, it is closed: see `write`.
        """
        inbox = self._opened(even_lost=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await inbox.something.wait()
        if inbox.kept:
            return self.waiting()
        if inbox.lost:
            raise UnreachableError(f"{self.place}: {inbox.lost}")
        if asyncio.get_running_loop().time() - self._wrote_s > _LEAVES_S and (left := self._not_sent()):
            inbox.lost = f"{left} bytes that were said have not left"
            self._forget_what_waits()
            raise DeadlineError(f"{self.place}: {inbox.lost}")
        raise DeadlineError(f"{self.place}: nothing came in {within_s:.3g} s")

    def waiting(self) -> bytes:
        """Return what is here already, and take it away."""
        inbox = self._inbox
        if inbox is None:
            return b""
        data = bytes(inbox.kept)
        inbox.kept.clear()
        if not inbox.lost:
            inbox.something.clear()
        return data

    def _opened(self, *, even_lost: bool = False) -> _Inbox:
        inbox = self._inbox
        if inbox is None or (inbox.lost and not even_lost):
            raise UnreachableError(f"{self.place}: {inbox.lost if inbox else 'it is not open'}")
        return inbox

    def _count_dropped(self, count: int) -> None:
        self.dropped_bytes += count


class TcpLink(StreamLink):
    """TCP to `host`:`port`, without Nagle's delay, with keep-alive."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"tcp://{host}:{port}")
        self._host, self._port = host, port

    async def _connect(self, protocol: Callable[[], asyncio.Protocol]) -> asyncio.WriteTransport:
        import socket

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(protocol, self._host, self._port)
        wire = transport.get_extra_info("socket")
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        transport.set_write_buffer_limits(high=0)
        return transport

    def _forget_what_waits(self) -> None:
        import socket

        transport = cast("asyncio.WriteTransport", self._transport)
        wire = transport.get_extra_info("socket")  # closing sends no more, but resets the connection
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    def _not_sent(self) -> int:
        wire = cast("asyncio.WriteTransport", self._transport).get_extra_info("socket")
        return in_the_system(wire.fileno())  # also what was sent and not acknowledged


class SerialLink(StreamLink):
    """A serial line, alone on it. `place`: a path, best one of /dev/serial/by-id, which stays when it is plugged again.

    Settings are those of pyserial, see `daq.transports.serialline`.
    """

    def __init__(self, place: str, **settings: Any) -> None:
        super().__init__(place)
        self._settings = settings

    async def _connect(self, protocol: Callable[[], asyncio.Protocol]) -> asyncio.WriteTransport:
        return LineTransport(opened(self.place, self._settings), protocol())

    def _not_sent(self) -> int:
        return in_the_system(cast("LineTransport", self._transport).file)

    async def close(self) -> None:
        """Close it once what was written has left, or cannot leave."""
        if isinstance(self._transport, LineTransport):
            await self._transport.drained(_DRAIN_S)
        await super().close()
