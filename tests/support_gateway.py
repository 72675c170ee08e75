"""The gateway of the console over a station without hardware: its application in this loop, asked without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx

from daq.composition.fronts import Offer
from daq.errors import RefusedError
from daq.gateway.app import Gateway, application
from daq.gateway.service import Console as Served
from daq.gateway.sessions import Sessions
from daq.model.station import Actor, Role
from daq.model.verbs import checked
from daq.services.alarms import Alarms
from daq.services.audit import Audit
from daq.services.bus import Bus
from daq.services.revisions import Revisions
from device_profiles.services import Console
from device_profiles.site import Site

URL = "http://localhost:8650"
ROLES = {"root": Role.SERVICE}


class Clock:
    """Time that a test lets pass."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Notes:
    """What would be in the audit log."""

    lines: list[dict[str, Any]] = field(default_factory=list)

    def note(self, actor: Actor, verb: str, what: str, **told: Any) -> None:
        self.lines.append({"user": actor.user, "verb": verb, "what": what, **told})

    def of(self, verb: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["verb"] == verb]


class Desk:
    """Answers verbs: what was done is in `done`. A verb in `held` waits for its event first."""

    def __init__(self) -> None:
        self.done: list[tuple[str, dict[str, object], Actor]] = []
        self.held: dict[str, asyncio.Event] = {}
        self.patient = False
        self.raising: dict[str, Exception] = {}

    async def __call__(self, verb: str, args: dict[str, object], actor: Actor) -> dict[str, object]:
        checked(verb, args, actor)
        if verb == "status":
            return {"state": "ready", "bed": {"occupied": self.patient, "patient": self.patient}}
        self.done.append((verb, args, actor))
        if verb in self.held:
            await self.held[verb].wait()
        if verb in self.raising:
            raise self.raising[verb]
        if verb == "pause":
            raise RefusedError("cannot pause while ready; possible: prepare")
        return {"count": len(self.done)}

    def verbs(self) -> list[str]:
        return [verb for verb, _, _ in self.done]


@dataclass
class Room:
    """The gateway and what stands around it."""

    gateway: Gateway
    desk: Desk
    notes: Notes
    clock: Clock
    app: Any

    def browser(self, cookie: str | None = None, **headers: str) -> httpx.AsyncClient:
        """Return a browser before the console; signed in where it has a cookie."""
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        cookies = {self.gateway.cookie: cookie} if cookie else {}
        return httpx.AsyncClient(transport=transport, base_url=URL, cookies=cookies, headers=headers)

    def signed_in(self, user: str = "keller", role: Role = Role.TECHNOLOGIST) -> httpx.AsyncClient:
        ROLES[user] = role
        return self.browser(self.gateway.sessions.begin(user, role, uid=1000))


def room(folder: Path, **console: Any) -> Room:
    desk, notes, clock, bus = Desk(), Notes(), Clock(), Bus()
    site = Site(station="test room", storage=folder, state=folder, simulated=True, console=Console(port=0, **console))
    taken: dict[str, Callable[[Any, Actor], Awaitable[dict[str, Any]]]] = {}
    offer = Offer(
        site, folder, "scanner", desk, bus, cast("Alarms", None), cast("Audit", notes),
        lambda user, _: ROLES.get(user, Role.VIEWER), lambda: None, taken.__setitem__, Revisions(),
    )  # fmt: skip
    gateway = Gateway(offer, Sessions(clock))
    return Room(gateway, desk, notes, clock, application(gateway))


def key(name: str = "one") -> dict[str, str]:
    return {"Idempotency-Key": f"key-of-{name}"}


@asynccontextmanager
async def serving(folder: Path, **console: Any) -> AsyncIterator[tuple[Served, Room]]:
    """Serve the console on a free port of loopback."""
    here = room(folder, **console)
    service = Served(here.gateway.offer)
    here.gateway = service.gateway
    running = asyncio.create_task(service.run())
    try:
        async with asyncio.timeout(10.0):
            while not service.url:
                assert not running.done(), running.exception()
                await asyncio.sleep(0.01)
        yield service, here
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
