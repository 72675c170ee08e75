"""The local socket of a station: whoever may open it can ask and command, and watch what the station says.

Each request becomes one call of the daemon's `command`. A command that was taken goes on when its client leaves. What
stops something is served even where every other place is taken.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from daq.model.localapi import Request
from daq.model.station import Actor, Role, utc_now
from daq.services.bus import Bus
from daq.services.localsession import Session, without_values
from daq.services.users import Users
from daq.transports.localconnection import Client, Limits
from daq.transports.localsocket import LocalServer
from daq.transports.socketfile import SocketFile

_LOG = logging.getLogger(__name__)
_PARTING_S = 1.0
_STOPPING_S = 3.0
"""What stops something is given so long to end when the daemon ends."""

Command = Callable[[str, dict[str, object], Actor], Coroutine[Any, Any, dict[str, object]]]
RoleOf = Callable[[str, int], Role]


class LocalApi:
    """Serves the local socket at `path` until `run` is cancelled; construct it where a loop runs.

    `group` may open it beside the daemon's user. `role_of` gives the role of a user by name and number.
    """

    def __init__(
        self,
        path: Path,
        group: str | None,
        command: Command,
        bus: Bus,
        role_of: RoleOf,
        *,
        limits: Limits | None = None,
    ) -> None:
        self.command = command
        self.bus = bus
        self.role_of = role_of
        self.users = Users()
        self.daemon = {"pid": os.getpid(), "since_utc": utc_now()}
        self._server = LocalServer(SocketFile(path, group), self._converse, limits)
        self._under_way: dict[asyncio.Task[None], bool] = {}
        self._sessions: set[Session] = set()

    async def run(self) -> None:
        """Serve. Raise `RefusedError` where the socket cannot be had: another daemon's, above all.

        Raise `UnreachableError` when its name is removed; running it again makes a new one.
        """
        self.users = Users()
        serving = asyncio.create_task(self._server.run(), name="local-socket")
        try:
            await asyncio.wait({serving})
            await serving
        finally:
            await self._part(serving)

    async def serving(self) -> None:
        """Return when requests are taken."""
        await self._server.serving()

    def figures(self) -> dict[str, int]:
        """Return how many clients there are, and how many were hung up on or turned away, for metrics."""
        server = self._server
        return {"clients": server.clients, "hung_up": server.hung_up, "turned_away": server.turned_away}

    def take(self, session: Session, request: Request) -> None:
        """Begin to serve a request."""
        task = asyncio.create_task(session.serve(request), name=f"local-{request.do}")
        self._under_way[task] = request.urgent
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        if not task.cancelled() and (why := task.exception()) is not None:
            _LOG.error("serving a request failed: %s", without_values(why))

    def forget(self, session: Session) -> None:
        """Hear that its client has gone."""
        self._sessions.discard(session)

    def _converse(self, client: Client) -> Session:
        session = Session(self, client)
        self._sessions.add(session)
        return session

    async def _part(self, serving: asyncio.Task[None]) -> None:
        """End what is under way, stops last, and take leave of the clients."""
        try:
            for task, urgent in tuple(self._under_way.items()):
                if not urgent:
                    task.cancel()
            if self._under_way:
                await asyncio.wait(set(self._under_way), timeout=_STOPPING_S)
            for task in tuple(self._under_way):
                task.cancel()
            for session in tuple(self._sessions):
                session.end()
            if not serving.done():
                await self._server.part(_PARTING_S)
        finally:
            self.users.close()
            serving.cancel()
            await asyncio.wait({serving})
