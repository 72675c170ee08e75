"""The local socket of a station: whoever may open it can ask and command, and watch what the station says.

Each request becomes one call of the daemon's `command`. A command that was taken goes on when its client leaves. What
stops something is served even where every other place is taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from daq.errors import (
    BusyError,
    DeadlineError,
    RefusedError,
    ScandaqError,
    UnexpectedError,
    UnreachableError,
    UsageError,
)
from daq.model.localapi import WATCH, Request, check_request, check_watch, id_of
from daq.model.refusal import refusal
from daq.model.station import Actor, Role, utc_now
from daq.services.bus import Bus
from daq.services.localwatch import Watch
from daq.services.users import Users
from daq.transports.localsocket import Client, Limits, LocalServer
from daq.transports.socketfile import SocketFile
from daq.wire.jsonlines import MOST_ANSWER_BYTES, encode, parse_object

_LOG = logging.getLogger(__name__)
_MOST_UNDER_WAY = 8
"""Requests of one client. What stops something has as many places beside them."""
_LONGEST_S = 600.0
_NAMING_S = 1.0
_NAMING_URGENT_S = 0.05
"""For a user's name, which a directory server may have to be asked for; stopping is for everybody."""
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
        self._sessions: set[_Session] = set()

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

    def take(self, session: _Session, request: Request) -> None:
        """Begin to serve a request."""
        task = asyncio.create_task(session.serve(request), name=f"local-{request.do}")
        self._under_way[task] = request.urgent
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        if not task.cancelled() and (why := task.exception()) is not None:
            _LOG.error("serving a request failed: %s", _without_values(why))

    def forget(self, session: _Session) -> None:
        """Hear that its client has gone."""
        self._sessions.discard(session)

    def _converse(self, client: Client) -> _Session:
        session = _Session(self, client)
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


class _Session:
    """What is said to one client."""

    def __init__(self, api: LocalApi, client: Client) -> None:
        self._api = api
        self._client = client
        self._under_way = {False: 0, True: 0}
        self._watch: Watch | None = None
        self._watching = contextlib.ExitStack()

    @property
    def waiting(self) -> bool:
        """Return True while an answer is owed, or something is watched."""
        return self._watch is not None or any(self._under_way.values())

    def line(self, line: bytes) -> None:
        """Take a request, or refuse it."""
        message: dict[str, Any] = {}
        try:
            message = parse_object(line)
            request = check_request(message)
            self._check_places(request)
            if request.do == WATCH:
                self._begin_to_watch(request)
                return
        except ScandaqError as why:
            self._send({"id": id_of(message), **refusal(why)})
            if self._client.urgent_only:
                self._client.hang_up()
            return
        self._under_way[request.urgent] += 1
        self._api.take(self, request)

    def writable(self) -> None:
        """Say what the watch has kept."""
        if self._watch is not None:
            self._watch.writable()

    def tick(self) -> None:
        """Let the watch say that it is alive."""
        if self._watch is not None:
            self._watch.tick()

    def closed(self) -> None:
        """Watch no longer."""
        self._watching.close()
        self._watch = None
        self._api.forget(self)

    def end(self) -> None:
        """Tell who watches that the daemon ends."""
        if self._watch is not None:
            self._watch.end("the daemon ends")

    async def serve(self, request: Request) -> None:
        """Carry the request out and answer it."""
        answer: dict[str, Any] = refusal(UnreachableError(f"the daemon ended before {request.do} was done"))
        try:
            answer = await self._answer(request)
        finally:
            self._under_way[request.urgent] -= 1
            self._send({"id": request.id, **answer})

    async def _answer(self, request: Request) -> dict[str, Any]:
        try:
            actor = await self._actor(_NAMING_URGENT_S if request.urgent else _NAMING_S)
            return {"answer": await _within(_LONGEST_S, self._api.command, request, actor)}
        except ScandaqError as why:
            return refusal(why)
        except Exception as why:  # noqa: BLE001 - whoever asks must not end the daemon
            _LOG.error("the command %s failed: %s", request.do, _without_values(why))
            return refusal(UnexpectedError(f"unexpected {type(why).__name__} in the daemon, which has logged where"))

    async def _actor(self, within_s: float) -> Actor:
        peer = self._client.peer
        user = await self._api.users.name_of(peer.uid, within_s=within_s)
        return Actor(user, "local", self._api.role_of(user, peer.uid), uid=peer.uid, pid=peer.pid)

    def _check_places(self, request: Request) -> None:
        if self._client.urgent_only and not request.urgent:
            raise BusyError("too many clients are connected: only what stops something is served now; try again")
        if self._under_way[request.urgent] >= _MOST_UNDER_WAY:
            raise BusyError(f"{_MOST_UNDER_WAY} requests of this connection are under way, which is the limit")

    def _begin_to_watch(self, request: Request) -> None:
        kinds = check_watch(request.args).kinds
        if self._watch is not None:
            raise UsageError("this connection watches already; one watch is possible on each")
        self._send({"id": request.id, "answer": {"watching": list(kinds), "daemon": self._api.daemon}})
        self._watch = Watch(request.id, frozenset(kinds), self._client)
        self._watching.enter_context(self._api.bus.listening(self._watch.heard, replay=True))

    def _send(self, message: dict[str, Any]) -> None:
        """Send an answer; a refusal in its place where it cannot be written."""
        try:
            line = encode(message)
            if len(line) > MOST_ANSWER_BYTES:
                why = f"the answer has {len(line)} bytes, at most {MOST_ANSWER_BYTES} are possible: ask for less"
                line = encode({"id": message["id"], **refusal(RefusedError(why))})
        except (TypeError, ValueError) as why:
            _LOG.error("an answer is no JSON: %s", _without_values(why))
            refused = UnexpectedError("the daemon's answer cannot be written as JSON")
            line = encode({"id": message["id"], **refusal(refused)})
        self._client.send(line)


async def _within(most_s: float, command: Command, request: Request, actor: Actor) -> dict[str, object]:
    """Return what the command answers. One that takes longer goes on; who asked is told so."""
    task = asyncio.create_task(command(request.do, dict(request.args), actor), name=f"command-{request.do}")
    try:
        await asyncio.wait({task}, timeout=most_s)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task}, timeout=_PARTING_S)
        raise
    if not task.done():
        task.add_done_callback(_heard)
        raise DeadlineError(f"{request.do} is not done after {most_s:g} s and goes on; ask for the status")
    return task.result()


def _heard(task: asyncio.Task[dict[str, object]]) -> None:
    if not task.cancelled() and (why := task.exception()) is not None:
        _LOG.error("a command failed long after it was asked for: %s", _without_values(why))


def _without_values(why: BaseException) -> str:
    """Return the class of an error and where it was raised; its text may hold what was asked, a patient's name even."""
    return f"{type(why).__name__}\n{''.join(traceback.format_tb(why.__traceback__))}"
