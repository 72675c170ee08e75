"""A wire of datagrams: one request is one datagram, and so is one reply. It keeps no order and may lose or double."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

from daq.errors import DeadlineError, UnreachableError
from daq.transports.link import MOST_KEPT_BYTES

_MOST_BYTES = 65507
"""The longest datagram of IPv4."""


class _Datagrams(asyncio.DatagramProtocol):
    """Keeps datagrams until they are read, and what the system says of the peer."""

    def __init__(self, dropped: Callable[[int], None], listener: Callable[[bytes], None] | None) -> None:
        self.listener = listener
        self.kept: deque[bytes] = deque()
        self.lost = ""
        self.something = asyncio.Event()
        self._kept_bytes = 0
        self._dropped = dropped

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        del addr  # the socket is connected: nobody else is heard
        if self.listener is not None:
            self.listener(data)
            return
        if self._kept_bytes + len(data) > MOST_KEPT_BYTES:
            self._dropped(len(data))
            return
        self.kept.append(data)
        self._kept_bytes += len(data)
        self.something.set()

    def error_received(self, exc: Exception) -> None:
        self.lost = getattr(exc, "strerror", None) or str(exc)
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = str(exc) if exc is not None else "it was closed"
        self._wake()

    def _wake(self) -> None:
        self.something.set()
        if self.listener is not None:
            self.listener(b"")

    def take(self) -> bytes:
        data = self.kept.popleft()
        self._kept_bytes -= len(data)
        if not self.kept and not self.lost:
            self.something.clear()
        return data


class UdpLink:
    """A `Link` of datagrams to `host`:`port`. Opening proves nothing: who is not there shows when it is asked.

    `read` returns one datagram; `write` sends one.
    """

    def __init__(self, host: str, port: int) -> None:
        self.connection = 0
        self.dropped_bytes = 0
        self.place = f"udp://{host}:{port}"
        self.listener: Callable[[bytes], None] | None = None
        """Hears datagrams as they come, in place of `read`; an empty one when nobody is there any more."""
        self._host, self._port = host, port
        self._transport: asyncio.DatagramTransport | None = None
        self._inbox: _Datagrams | None = None

    @property
    def is_open(self) -> bool:
        """Return True while nothing said that nobody is there."""
        return self._inbox is not None and not self._inbox.lost

    async def open(self, within_s: float) -> None:
        """Take a new local port; what is on its way to the old one is never heard. Raises `UnreachableError`."""
        await self.close()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(within_s):
                self._transport, self._inbox = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(self._count_dropped, self.listener), remote_addr=(self._host, self._port)
                )
        except TimeoutError:
            raise DeadlineError(f"{self.place}: its name was not found in {within_s:g} s") from None
        except OSError as why:
            raise UnreachableError(f"{self.place}: {why.strerror or why}") from None
        except ValueError as why:  # what is no name of a host at all, e.g. one with two dots in a row
            raise UnreachableError(f"{self.place}: {why}") from None
        self.connection += 1

    async def close(self) -> None:
        """Close it; nothing happens where it is closed."""
        transport, self._transport, self._inbox = self._transport, None, None
        if transport is not None:
            transport.abort()
            await asyncio.sleep(0)

    async def write(self, data: bytes, within_s: float) -> None:
        """Send one datagram. Raises `UnreachableError`."""
        del within_s  # the system takes a datagram at once, or drops it
        self.say(data)

    def say(self, data: bytes) -> None:
        """Send one datagram now. Raises `UnreachableError`."""
        if self._transport is None or self._inbox is None or self._inbox.lost:
            raise UnreachableError(f"{self.place}: {self._inbox.lost if self._inbox else 'it is not open'}")
        if len(data) > _MOST_BYTES:
            raise UnreachableError(f"{self.place}: a datagram of {len(data)} bytes, at most {_MOST_BYTES} are possible")
        self._transport.sendto(data)

    async def read(self, within_s: float) -> bytes:
        """Return one datagram. Raises `DeadlineError`, `UnreachableError` where its host says that nobody listens."""
        inbox = self._inbox
        if inbox is None:
            raise UnreachableError(f"{self.place}: it is not open")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await inbox.something.wait()
        if inbox.kept:
            return inbox.take()
        if inbox.lost:
            raise UnreachableError(f"{self.place}: {inbox.lost}")
        raise DeadlineError(f"{self.place}: nothing came in {within_s:.3g} s")

    def waiting(self) -> bytes:
        """Return the datagrams that are here already, one after the other, and take them away."""
        inbox = self._inbox
        return b"".join(inbox.take() for _ in range(len(inbox.kept))) if inbox is not None else b""

    def _count_dropped(self, count: int) -> None:
        self.dropped_bytes += count
