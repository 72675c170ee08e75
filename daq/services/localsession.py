"""What is said to one client of the local socket: its requests, each answered, and its watch."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from typing import TYPE_CHECKING, Any

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
from daq.model.station import Actor
from daq.services.localwatch import Watch
from daq.transports.localconnection import Client
from daq.wire.jsonlines import MOST_ANSWER_BYTES, encode, parse_object

if TYPE_CHECKING:
    from daq.services.localapi import Command, LocalApi

_LOG = logging.getLogger(__name__)
_MOST_UNDER_WAY = 8
"""Requests of one client. What stops something has as many places beside them."""
_LONGEST_S = 600.0
_NAMING_S = 1.0
_NAMING_URGENT_S = 0.05
"""For a user's name, which a directory server may have to be asked for; stopping is for everybody."""
_PARTING_S = 1.0


class Session:
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
            _LOG.error("the command %s failed: %s", request.do, without_values(why))
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
            _LOG.error("an answer is no JSON: %s", without_values(why))
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
        _LOG.error("a command failed long after it was asked for: %s", without_values(why))


def without_values(why: BaseException) -> str:
    """Return the class of an error and where it was raised; its text may hold what was asked, a patient's name even."""
    return f"{type(why).__name__}\n{''.join(traceback.format_tb(why.__traceback__))}"
