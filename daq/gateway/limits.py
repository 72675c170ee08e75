"""How much is served at a time, and how fast. What stops something is counted nowhere and always served.

What is too much is refused before any work is done for it, and the refusal is not hurried: the more of them wait, the
longer each does. Who asks without pause over many connections gets so many refusals a second in all, and no more of
the loop, in which a stop has to be heard.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from daq.gateway.connections import KEPT_BACK
from daq.gateway.problems import problem
from daq.model.verbs import ALWAYS

MOST = 64
MOST_OF_ONE = 8
MOST_OF_STRANGERS = 40
"""Requests under way: of all, of one session (a browser has six connections), of all at one address not signed in."""
BURST, PER_S = 200.0, 40.0
"""Requests that one session may send at once, and on and on."""
STRANGERS = 2.0
"""So many times as much may those at one address together who are not signed in."""
FILE_COSTS = 0.1
"""What a file of the page counts for."""
APART_S, LONGEST_S = 0.02, 2.0
"""Refusals come so far apart, and none waits longer."""
_MOST_KNOWN = 1000
_STOPS = frozenset(f"/api/v1/commands/{verb}" for verb in ALWAYS)


@dataclass(slots=True)
class _Asker:
    """What somebody has under way, and what he may still send."""

    at_s: float
    left: float
    under_way: int = 0


class Limits:
    """Refuses what is too much: requests under way, and requests in a second.

    `session_of` gives the number of the session that a request is of, None where nobody is signed in: then those at one
    address count as one. `pause` lets seconds pass.
    """

    def __init__(
        self,
        app: ASGIApp,
        session_of: Callable[[Scope], str | None],
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._app, self._session_of, self._clock, self._pause = app, session_of, clock, pause
        self._askers: dict[tuple[str, str], _Asker] = {}
        self._all = self._refusing = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or answer 429."""
        if scope["type"] != "http" or scope["path"] in _STOPS:
            await self._app(scope, receive, send)
            return
        session = self._session_of(scope)
        asker = self._asker(session, (scope["client"] or ("", 0))[0])
        why = self._against(asker, scope["path"], signed_in=session is not None)
        if why is not None:
            await self._refuse(why, scope, receive, send)
            return
        asker.under_way += 1
        self._all += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._all -= 1
            asker.under_way -= 1

    async def _refuse(self, why: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 429, after a while; the connection makes room for another meanwhile, where there are too many."""
        refused = problem(
            429, "Too many at once", f"{why}, which is the limit; try again", kind="BusyError", exit_code=3
        )
        refused.headers["Retry-After"] = "1"
        self._refusing += 1
        KEPT_BACK.add(scope["client"])
        try:
            await self._pause(min(LONGEST_S, APART_S * self._refusing))
        finally:
            KEPT_BACK.discard(scope["client"])
            self._refusing -= 1
        await refused(scope, receive, send)

    def _against(self, asker: _Asker, path: str, *, signed_in: bool) -> str | None:
        whose = "this session" if signed_in else "those at this address who are not signed in"
        if asker.left < 1.0:
            return f"requests of {whose} have come faster than {PER_S * (1 if signed_in else STRANGERS):g} in a second"
        asker.left -= FILE_COSTS if path.startswith("/static/") else 1.0
        if asker.under_way >= (MOST_OF_ONE if signed_in else MOST_OF_STRANGERS):
            return f"{asker.under_way} requests of {whose} are under way"
        return f"{self._all} requests are under way" if self._all >= MOST else None

    def _asker(self, session: str | None, address: str) -> _Asker:
        """Return what is known of whoever asks, with what he may send by now; the newest stand last."""
        whose, times = (("session", session), 1.0) if session is not None else (("address", address), STRANGERS)
        now_s = self._clock()
        asker = self._askers.pop(whose, None) or _Asker(now_s, BURST * times)
        asker.left = min(BURST * times, asker.left + (now_s - asker.at_s) * PER_S * times)
        asker.at_s = now_s
        self._askers[whose] = asker
        while len(self._askers) > _MOST_KNOWN:
            del self._askers[next(iter(self._askers))]
        return asker
