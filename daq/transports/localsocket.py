"""A Unix socket on which several clients talk in lines, and none of them can hold up the others or the station.

There are places for `most_clients`. Who comes later has a place only for what is urgent (`Client.urgent_only`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from daq.errors import BusyError, UnreachableError
from daq.transports.localconnection import Client, Limits, Session
from daq.transports.socketfile import SocketFile

_LOOK_S = 0.25
_LOOKS_A_NAME = 8
"""So many times clients are looked at, then the name of the socket is."""
_BACKLOG = 64


class LocalServer:
    """Serves the socket at `path` until `run` is cancelled. `hung_up` and `turned_away` count clients."""

    def __init__(self, file: SocketFile, converse: Callable[[Client], Session], limits: Limits | None = None) -> None:
        self._file = file
        self._converse = converse
        self.limits = limits or Limits()
        self._clients: dict[Client, None] = {}
        """A set in the order in which they came."""
        self._serving = asyncio.Event()
        self.hung_up = 0
        self.turned_away = 0

    @property
    def clients(self) -> int:
        """Return how many clients have a place."""
        return len(self._clients)

    async def run(self) -> None:
        """Serve. Raise `RefusedError` where the path cannot be had, another daemon's above all.

        Raise `UnreachableError` when the name is removed or replaced while serving: nobody could come any more.
        """
        ours = self._file.bind()
        try:
            loop = asyncio.get_running_loop()
            server = await loop.create_unix_server(lambda: Client(self), sock=ours, backlog=_BACKLOG)
        except BaseException:
            ours.close()
            self._file.remove()
            raise
        try:
            self._file.publish()
            self._serving.set()
            while True:
                for _ in range(_LOOKS_A_NAME):
                    await asyncio.sleep(_LOOK_S)
                    for client in tuple(self._clients):
                        client.look()
                if not self._file.is_ours():
                    raise UnreachableError(f"{self._file.path} was removed or replaced: nobody can connect any more")
        finally:
            self._serving.clear()
            self._file.remove()
            server.close()
            for client in tuple(self._clients):
                client.drop()

    async def serving(self) -> None:
        """Return when clients can come."""
        await self._serving.wait()

    async def part(self, within_s: float) -> None:
        """Take leave of all clients: close each when it has taken what was said, at the latest after `within_s`."""
        self._file.remove()
        for client in tuple(self._clients):
            client.hang_up()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._clients:  # noqa: ASYNC110 - clients do not notify
                    await asyncio.sleep(0.01)

    def admit(self, client: Client) -> None:
        """Give the client a place; raise `BusyError` when there is none."""
        ordinary = [other for other in self._clients if not other.urgent_only]
        same_user = sum(1 for other in ordinary if other.peer.uid == client.peer.uid)
        if len(ordinary) >= self.limits.most_clients or same_user >= self.limits.most_per_user:
            client.urgent_only = True
            self._make_room()
        self._clients[client] = None

    def converse(self, client: Client) -> Session:
        """Return the session of a client that has a place."""
        return self._converse(client)

    def forget(self, client: Client) -> None:
        """Give its place away."""
        self._clients.pop(client, None)

    def _make_room(self) -> None:
        urgent = [other for other in self._clients if other.urgent_only]
        if len(urgent) < self.limits.most_urgent:
            return
        for other in urgent:
            if not other.spared():
                self.hung_up += 1
                other.evict(BusyError("the place is needed by others who have something urgent"))
                self.forget(other)
                return
        self.turned_away += 1
        raise BusyError(f"{len(self._clients)} clients are connected, which is the limit; try again")
