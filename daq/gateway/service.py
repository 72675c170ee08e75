"""The console as a service of the daemon: uvicorn in its loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from daq.composition.fronts import Offer, Services
from daq.errors import AccessError, UnreachableError
from daq.gateway.app import Gateway, application
from daq.gateway.attendance import Attendance
from daq.gateway.connections import HEAD_BYTES, Connection
from daq.gateway.live.taken import Taken
from daq.model.station import Actor

_LOG = logging.getLogger(__name__)
_LOOK_S = 0.05
_PART_S = 2
_BACKLOG = 128
"""Connections that are taken in one turn of the loop, at most."""
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - names that are not told to browsers


class _Server(uvicorn.Server):
    """Leaves signals to the daemon."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def console(offer: Offer) -> Services:
    """Return the service of the console; none where the site has no port for it."""
    if offer.site.console.port is None:
        return []
    return [("console", Console(offer).run), ("view-pictures", Taken(offer).run)]


class Console:
    """Serves the console until it is cancelled."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self.url = ""
        """Where it is served; empty before it is."""
        self.gateway = Gateway(offer)
        offer.take_on("console-link", self._link)
        attendance = Attendance(self.gateway.sessions, self.gateway.control)
        offer.take_on("console-sessions", attendance.told)
        offer.take_on("console-session-end", attendance.end)

    async def run(self) -> None:
        """Serve. Raise `UnreachableError` where the port cannot be had."""
        wanted = self._offer.site.console
        config = uvicorn.Config(
            application(self.gateway), ws="websockets-sansio",
            ws_per_message_deflate=False, log_level="warning", access_log=False, lifespan="off", server_header=False,
            timeout_graceful_shutdown=_PART_S, ws_max_size=65536,
            proxy_headers=False, http=Connection, backlog=_BACKLOG, h11_max_incomplete_event_size=HEAD_BYTES,
            ssl_certfile=wanted.cert_file, ssl_keyfile=wanted.key_file,
        )  # fmt: skip
        listening = _bound(wanted.host, wanted.port or 0)
        server = _Server(config)
        await self.gateway.people.begin()
        tending = asyncio.create_task(self.gateway.people.tend(), name="console-people")
        serving = asyncio.create_task(server.serve([listening]), name="console")
        try:
            await self._tell_address(server, serving)
            await asyncio.wait({serving, tending}, return_when=asyncio.FIRST_COMPLETED)
            await (tending if tending.done() else serving)
        finally:
            server.should_exit = True
            await asyncio.wait({serving}, timeout=_PART_S + 1)
            serving.cancel()
            tending.cancel()
            await asyncio.gather(serving, tending, return_exceptions=True)
            listening.close()
            await self.gateway.people.keep()

    async def _tell_address(self, server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
        while not server.started and not serving.done():
            await asyncio.wait({serving}, timeout=_LOOK_S)
        if serving.done():
            await serving
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        told = self._offer.site.console
        scheme = "https" if told.cert_file else "http"
        if told.names or host in _EVERYWHERE:
            host = told.names[0] if told.names else socket.gethostname()
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        _LOG.info("the console is at %s", self.url)

    async def _link(self, _: Any, actor: Actor) -> dict[str, Any]:
        if actor.origin != "local":
            raise AccessError("a link is given on the local socket alone, where the kernel says who asks")
        if not self.url:
            raise UnreachableError("the console is not served yet")
        return {
            "url": f"{self.url}/#link={self.gateway.sessions.link(actor.user, actor.role, actor.uid)}",
            "base": self.url,
        }


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket at an address. Raise `UnreachableError` where it cannot be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.create_server(address[:2], family=family)
    except OSError as why:
        raise UnreachableError(f"the console cannot be served at {host}, port {port}: {why.strerror or why}") from None
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else the body of an answer waits 40 ms for its head
    return made
