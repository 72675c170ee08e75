"""The console's web application: what is served where."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from daq.composition.fronts import Offer
from daq.errors import AccessError, ScandaqError, UsageError
from daq.gateway.live.hub import Hub
from daq.gateway.live.socket import serve_live
from daq.gateway.problems import problem, problem_of
from daq.gateway.security import Headers
from daq.gateway.sessions import Session, Sessions
from daq.model.station import Actor
from daq.model.verbs import ASKING
from daq.wire.jsonlines import parse_object

STATIC = Path(__file__).parent / "static"
COOKIE = "scandaq"
MOST_BODY_BYTES = 65536
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True)
class Gateway:
    """What requests are served with."""

    offer: Offer
    sessions: Sessions = field(default_factory=Sessions)
    hub: Hub = field(init=False)

    def __post_init__(self) -> None:
        """Make what hears the station."""
        self.hub = Hub(self.offer)

    def signed_in(self, request: Request) -> Session:
        """Return the session of a request; raise `AccessError` where there is none."""
        session = self.sessions.find(request.cookies.get(COOKIE))
        if session is None:
            raise NotSignedInError("nobody is signed in: sign in first")
        return session

    def actor(self, session: Session) -> Actor:
        """Return who asks."""
        return Actor(session.user, "console", session.role)


class NotSignedInError(AccessError):
    """A request without a session."""


def application(gateway: Gateway) -> Starlette:
    """Return the application."""
    app = Starlette(
        routes=[
            Route("/", _page("index.html")),
            Route("/room", _page("index.html")),
            Route("/api/v1/session", _answering(_session), methods=["GET"]),
            Route("/api/v1/session", _answering(_sign_in), methods=["POST"]),
            Route("/api/v1/session", _answering(_sign_out), methods=["DELETE"]),
            Route("/api/v1/ask/{verb}", _answering(_ask), methods=["POST"]),
            Route("/api/v1/commands/{verb}", _answering(_command), methods=["POST"]),
            WebSocketRoute("/live", serve_live),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Headers)],
    )
    app.state.gateway = gateway
    return app


def gateway_of(request: Request) -> Gateway:
    """Return what a request is served with."""
    gateway: Gateway = request.app.state.gateway
    return gateway


async def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object that a request brings, an empty one where it brings nothing."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BODY_BYTES:
            raise UsageError(f"the body has more than {MOST_BODY_BYTES} bytes, which is the limit")
    return parse_object(body) if body else {}


def _page(name: str) -> Handler:
    async def page(_: Request) -> Response:
        return FileResponse(STATIC / name, headers={"Cache-Control": "no-cache"})

    return page


def _answering(handler: Handler) -> Handler:
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except NotSignedInError as why:
            return problem(401, "Not signed in", str(why), kind="NotSignedInError", exit_code=3)
        except ScandaqError as why:
            return problem_of(why)

    return answer


async def _session(request: Request) -> Response:
    gateway = gateway_of(request)
    session = gateway.sessions.find(request.cookies.get(COOKIE))
    site = gateway.offer.site
    told: dict[str, Any] = {"station": site.station, "scanner": gateway.offer.scanner, "simulated": site.simulated}
    if session is None:
        return JSONResponse({**told, "signed_in": False})
    return JSONResponse({
        **told, "signed_in": True, "user": session.user, "role": session.role.name.lower(), "session": session.number,
    })  # fmt: skip


async def _sign_in(request: Request) -> Response:
    gateway = gateway_of(request)
    cookie = gateway.sessions.by_link(str((await body_of(request)).get("link", "")))
    answer = JSONResponse({"signed_in": True})
    answer.set_cookie(COOKIE, cookie, httponly=True, samesite="strict", secure=request.url.scheme == "https")
    return answer


async def _sign_out(request: Request) -> Response:
    gateway_of(request).sessions.end(request.cookies.get(COOKIE))
    answer = JSONResponse({"signed_in": False})
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


async def _ask(request: Request) -> Response:
    verb = request.path_params["verb"]
    if verb not in ASKING:
        raise UsageError(f"{verb} is none of what can be asked: {', '.join(sorted(ASKING))}")
    return await _done(request, verb)


async def _command(request: Request) -> Response:
    return await _done(request, request.path_params["verb"])


async def _done(request: Request, verb: str) -> Response:
    gateway = gateway_of(request)
    actor = gateway.actor(gateway.signed_in(request))
    return JSONResponse(await gateway.offer.command(verb, await body_of(request), actor))
