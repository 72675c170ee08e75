"""One client of a Unix socket on which several talk in lines: what it says is cut into lines that a `Session` hears.

Nothing here waits for a client. What is said to it goes into a buffer that is bounded by the session looking at
`congested`. The server looks at every client several times a second: who begins a line and does not end it, who does
not take what is said, who says nothing, is hung up on.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import Protocol, cast

from daq.errors import BusyError, ScandaqError, UsageError
from daq.model.refusal import refusal
from daq.wire.jsonlines import MOST_REQUEST_BYTES, Lines, encode

_LINES_A_TURN = 8
"""Of one client, before others have their turn."""
_CREDENTIALS = struct.Struct("=iII")
_SEND_BUFFER_BYTES = 32 * 1024
"""In the kernel, which doubles it. A slow reader is at most so far behind what holds now."""
_CONGESTED_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How many clients there may be, and how long each may take for what."""

    most_clients: int = 32
    most_per_user: int = 24
    most_urgent: int = 8
    """Places beside those, for what is urgent."""
    spared_s: float = 0.2
    """So long the holder of an urgent place is not asked to make room."""
    line_s: float = 5.0
    """From the first byte of a line to its end."""
    taking_s: float = 10.0
    """To take what is said."""
    idle_s: float = 60.0
    idle_urgent_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end, as the kernel tells."""

    pid: int
    uid: int
    gid: int


class Session(Protocol):
    """What is said to a client. No method may wait, or raise."""

    @property
    def waiting(self) -> bool:
        """Return True while the client waits for something that it has asked for."""

    def line(self, line: bytes) -> None:
        """Hear a line."""

    def writable(self) -> None:
        """Go on after `congested` was True."""

    def tick(self) -> None:
        """Look at the time; called about four times a second."""

    def closed(self) -> None:
        """Forget the client, who is gone."""


class Places(Protocol):
    """Who gives clients their places."""

    limits: Limits
    hung_up: int

    def admit(self, client: Client) -> None:
        """Give the client a place; raise `BusyError` when there is none."""

    def converse(self, client: Client) -> Session:
        """Return the session of a client that has a place."""

    def forget(self, client: Client) -> None:
        """Give its place away."""


class _Nobody:
    """The session of a client that has no place: it is not heard."""

    waiting = False

    def line(self, line: bytes) -> None: ...
    def writable(self) -> None: ...
    def tick(self) -> None: ...
    def closed(self) -> None: ...


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: Places) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._lines = Lines(MOST_REQUEST_BYTES)
        self._transport: asyncio.Transport
        self._session: Session = _Nobody()
        self._turn: asyncio.Handle | None = None
        self._came_s = self._heard_s = self._loop.time()
        self._begun_s: float | None = None
        self._congested_s: float | None = None
        self._closing_s: float | None = None
        self._ended = False
        self.peer = Peer(0, 0, 0)
        self.urgent_only = False

    @property
    def congested(self) -> bool:
        """Return True while the client does not take what was said: say no more than is owed to it."""
        return self._congested_s is not None

    @property
    def gone(self) -> bool:
        """Return True when nothing more can be said."""
        return self._closing_s is not None or self._transport.is_closing()

    def send(self, line: bytes) -> None:
        """Say a line. It is lost when the client is gone."""
        if not self.gone:
            self._transport.write(line)
            self._maybe_done()

    def hang_up(self, why: ScandaqError | None = None) -> None:
        """Say why, if anything, and close when it is taken, or when that takes too long."""
        if not self.gone:
            if why is not None:
                self._transport.write(encode({"id": None, **refusal(why)}))
            self._closing_s = self._loop.time()
            self._transport.close()

    def drop(self) -> None:
        """Close at once."""
        self._transport.abort()

    def evict(self, why: ScandaqError) -> None:
        """Close and say why, where that can be said at once."""
        self.hang_up(why)
        if self._transport.get_write_buffer_size():
            self.drop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Find a place for the client, or turn it away."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_CONGESTED_BYTES, low=0)
        ours: socket.socket = transport.get_extra_info("socket")
        credentials = ours.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        self.peer = Peer(*_CREDENTIALS.unpack(credentials))
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        try:
            self._server.admit(self)
        except BusyError as why:
            self.hang_up(why)
            return
        self._session = self._server.converse(self)

    def data_received(self, data: bytes) -> None:
        """Hear what has come, some lines at a time."""
        self._heard_s = self._loop.time()
        if not self.gone:
            self._lines.feed(data)
            if self._turn is None:
                self._take_turn()

    def eof_received(self) -> bool:
        """Go on answering: a client may close its direction after its last request."""
        self._ended = True
        if self._turn is None:
            self._last_line()
        return True

    def pause_writing(self) -> None:
        """Say no more, and hear no more, until the client has taken what was said."""
        self._congested_s = self._loop.time()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self._congested_s = None
        if self._turn is None:
            self._transport.resume_reading()
        self._session.writable()
        self._maybe_done()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place away."""
        del exc  # that it hung up, or how
        if self._turn is not None:
            self._turn.cancel()
        self._server.forget(self)
        self._session.closed()

    def look(self) -> None:
        """Hang up on a client that takes too long."""
        limits, now_s = self._server.limits, self._loop.time()
        idle_s = limits.idle_urgent_s if self.urgent_only else limits.idle_s
        if _longer(self._closing_s, now_s, limits.taking_s) or _longer(self._congested_s, now_s, limits.taking_s):
            self._server.hung_up += 1
            self.drop()
        elif self.gone:
            return
        elif _longer(self._begun_s, now_s, limits.line_s):
            self._hang_up_on(UsageError(f"a line takes at most {limits.line_s:g} s to come"))
        elif not self._session.waiting and now_s - self._heard_s > idle_s:
            self._hang_up_on(UsageError(f"nothing was asked for {idle_s:g} s"))
        else:
            self._session.tick()

    def spared(self) -> bool:
        """Return True when this client need not make room for another one."""
        return self._session.waiting or self._loop.time() - self._came_s < self._server.limits.spared_s

    def _hang_up_on(self, why: UsageError) -> None:
        self._server.hung_up += 1
        self.hang_up(why)

    def _take_turn(self) -> None:
        """Hear some lines; leave the rest until others had their turn."""
        self._turn = None
        try:
            for _ in range(_LINES_A_TURN):
                line = None if self.gone else self._lines.next()
                if line is None:
                    self._have_heard_all()
                    return
                self._begun_s = None
                self._session.line(line)
        except UsageError as why:  # where the next request begins is not known
            self.hang_up(why)
            return
        self._transport.pause_reading()
        self._turn = self._loop.call_soon(self._take_turn)

    def _have_heard_all(self) -> None:
        if self._begun_s is None and self._lines.kept_bytes:
            self._begun_s = self._loop.time()
        if not self.congested:
            self._transport.resume_reading()
        if self._ended:
            self._last_line()

    def _last_line(self) -> None:
        rest = self._lines.rest()
        self._begun_s = None
        if rest and not self.gone:
            self._session.line(rest)
        self._maybe_done()

    def _maybe_done(self) -> None:
        """Close when the client has closed its direction and has had every answer."""
        if self._ended and self._turn is None and not self._session.waiting:
            self.hang_up()


def _longer(since_s: float | None, now_s: float, most_s: float) -> bool:
    return since_s is not None and now_s - since_s > most_s
