"""What requests of the console are served with, and how one of its functions becomes an answer over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from daq.composition.fronts import Offer
from daq.errors import NotSignedInError, ScandaqError, UsageError
from daq.gateway.control import Control
from daq.gateway.holding import Hands
from daq.gateway.idempotency import Answers
from daq.gateway.live.hub import Hub
from daq.gateway.people import People
from daq.gateway.problems import problem, problem_of
from daq.gateway.seconds import Seconds
from daq.gateway.sessions import Session, Sessions
from daq.model.station import Actor, Role
from daq.model.verbs import ALWAYS
from daq.services.localsession import without_values
from daq.wire.jsonlines import parse_object

MOST_BODY_BYTES = 65536
MOST_OF_VERB = dict.fromkeys(("protocol-save", "protocol-check", "protocol-diff"), 512 << 10) | dict.fromkeys(
    ALWAYS, 4096
)
"""Bytes of a body, for verbs that need more than others, or less: a protocol of 100 steps may have 160 kB."""
BODY_S = 5.0
"""From the head of a request to the end of its body."""
_MOST_PASSED_OVER = 32 << 20
"""Of a body that is too long, bytes that are read and forgotten until the browser hears so."""
Handler = Callable[[Request], Awaitable[Response]]
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Gateway:
    """What requests are served with."""

    offer: Offer
    sessions: Sessions = field(default_factory=Sessions)
    answers: Answers = field(default_factory=Answers)
    hands: Hands = field(default_factory=Hands)
    control: Control = field(init=False)
    people: People = field(init=False)
    hub: Hub = field(init=False)
    seconds: Seconds = field(init=False)

    def __post_init__(self) -> None:
        """Make the parts that need the others."""
        self.control = Control(self.offer, self.sessions)
        self.people = People(self.offer, self.sessions, self.control)
        self.hub = Hub(self.offer)
        self.seconds = Seconds()

    def session_of(self, connection: HTTPConnection) -> Session | None:
        """Return the session of a request or WebSocket, None where nobody is signed in."""
        return self.sessions.find(connection.cookies.get(self.cookie))

    def number_of(self, scope: Scope) -> str | None:
        """Return the number of the session that a request is of, None where nobody is signed in."""
        session = self.session_of(HTTPConnection(scope))
        return None if session is None else session.number

    @property
    def cookie(self) -> str:
        """Return the name of the cookie: of each station another one, for a host may have several."""
        return f"scandaq-{hashlib.sha256(self.offer.site.station.encode()).hexdigest()[:8]}"

    def signed_in(self, connection: HTTPConnection) -> Session:
        """Return the session of a request; raise `NotSignedInError` where there is none."""
        session = self.session_of(connection)
        if session is None:
            raise NotSignedInError(f"{self.why_not_signed_in(connection)}: sign in")
        return session

    def stopping(self, connection: HTTPConnection) -> Session:
        """Return whose request stops something: also of a session that has ended by itself, in a tab left open."""
        session = self.sessions.known(connection.cookies.get(self.cookie))
        return self.signed_in(connection) if session is None else session

    def why_not_signed_in(self, connection: HTTPConnection) -> str:
        """Return why nobody is signed in."""
        session = self.sessions.known(connection.cookies.get(self.cookie))
        return "nobody is signed in" if session is None else f"the session of {session.user} has ended: {session.ended}"

    def actor(self, session: Session) -> Actor:
        """Return who asks."""
        return Actor(session.user, "console", Role.VIEWER if session.ended else session.role, uid=session.uid)


def gateway_of(connection: HTTPConnection) -> Gateway:
    """Return what a request is served with."""
    gateway: Gateway = connection.app.state.gateway
    return gateway


async def body_of(request: Request, verb: str = "") -> dict[str, Any]:
    """Return the JSON object that a request brings, an empty one where it brings nothing.

    Raise `UsageError` for one that is none, too long for what is asked, or too slow.
    """
    body, most, came = bytearray(), MOST_OF_VERB.get(verb, MOST_BODY_BYTES), 0
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                came += len(chunk)
                if came <= most:
                    body += chunk
                elif came > _MOST_PASSED_OVER:
                    break
    except TimeoutError:
        raise UsageError(f"the body was not there after {BODY_S:g} s, which is the limit") from None
    except ClientDisconnect:
        raise UsageError("the browser went before the body was there") from None
    if came > most:  # only now, for a browser hears no answer while it is still sending
        what = f"{verb}: what is sent" if verb else "what is sent"
        raise UsageError(f"{what} has more than {most >> 10} KiB, which is the limit; nothing was done")
    if len(body) > MOST_BODY_BYTES:
        return await asyncio.to_thread(parse_object, bytes(body))  # it would hold the loop too long
    return parse_object(bytes(body)) if body else {}


def answering(handler: Handler) -> Handler:
    """Return the handler with every error told as problem+json, and no more of it than a person should read."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except ScandaqError as why:
            return problem_of(why)
        except Exception as why:  # noqa: BLE001 - whoever asks must not end the daemon
            return unexpected(request.method, why)

    return answer


def unexpected(what: str, why: Exception) -> JSONResponse:
    """Return the answer for a fault of this program; the log has where, but no value that may be a patient's."""
    _LOG.error("%s failed: %s", what, without_values(why))
    text = f"unexpected {type(why).__name__} in the daemon, which has logged where"
    return problem(500, "Failed", text, kind="UnexpectedError")
