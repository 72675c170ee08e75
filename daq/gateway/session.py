"""Signing in and out, and who is signed in."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from daq.gateway.gateway import COOKIE, answering, body_of, gateway_of

_PLACE = "/api/v1/session"


def session_routes() -> list[BaseRoute]:
    """Return the routes."""
    return [
        Route(_PLACE, answering(_session), methods=["GET"]),
        Route(_PLACE, answering(_sign_in), methods=["POST"]),
        Route(_PLACE, answering(_sign_out), methods=["DELETE"]),
    ]


async def _session(request: Request) -> Response:
    gateway = gateway_of(request)
    session = gateway.session_of(request)
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
