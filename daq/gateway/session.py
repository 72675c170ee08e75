"""Signing in and out, and who is signed in."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from daq.errors import UsageError
from daq.gateway.gateway import Gateway, answering, body_of, gateway_of
from daq.gateway.pages import version

PLACE = "/api/v1/session"


class ByLink(BaseModel):
    """Sign in by the link of `daq console link`."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    link: Annotated[str, Field(min_length=1, max_length=200)]


class ByPassword(BaseModel):
    """Sign in by password."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    user: Annotated[str, Field(min_length=1, max_length=64)]
    password: Annotated[str, Field(min_length=1, max_length=200, repr=False)]


def session_routes() -> list[BaseRoute]:
    """Return the routes."""
    return [
        Route(PLACE, answering(_session), methods=["GET"]),
        Route(PLACE, answering(_sign_in), methods=["POST"]),
        Route(PLACE, answering(_sign_out), methods=["DELETE"]),
    ]


async def _session(request: Request) -> Response:
    gateway = gateway_of(request)
    session = gateway.session_of(request)
    site = gateway.offer.site
    told: dict[str, Any] = {
        "station": site.station, "scanner": gateway.offer.scanner, "simulated": site.simulated, "version": version(),
    }  # fmt: skip
    if session is None:
        known = gateway.sessions.known(request.cookies.get(gateway.cookie))
        return JSONResponse({**told, "signed_in": False, "ended": "" if known is None else known.ended})
    return JSONResponse({
        **told, "signed_in": True, "user": session.user, "role": session.role.name.lower(), "session": session.number,
    })  # fmt: skip


async def _sign_in(request: Request) -> Response:
    gateway = gateway_of(request)
    address = request.client.host if request.client else ""
    before = gateway.session_of(request)
    cookie = await _new_session(gateway, await body_of(request), address)
    session = gateway.sessions.find(cookie)
    if session is None:  # the user was removed in this very moment
        raise UsageError("the session has ended already: sign in again")
    if before is not None and before.user == session.user:
        gateway.control.moved(before, session)
    gateway.sessions.end(request.cookies.get(gateway.cookie))
    gateway.people.signed_in(session, address)
    await gateway.people.keep()
    answer = JSONResponse({"signed_in": True})
    answer.set_cookie(gateway.cookie, cookie, httponly=True, samesite="strict", secure=request.url.scheme == "https")
    return answer


async def _new_session(gateway: Gateway, body: dict[str, Any], address: str) -> str:
    try:
        if "link" in body:
            return gateway.sessions.by_link(ByLink.model_validate(body).link)
        asked = ByPassword.model_validate(body)
    except ValidationError:
        raise UsageError("signing in takes a link, or user and password, as texts") from None
    return await gateway.people.by_password(asked.user, asked.password, address)


async def _sign_out(request: Request) -> Response:
    gateway = gateway_of(request)
    session = gateway.session_of(request)
    if session is not None:
        await gateway.control.require_sign_out(session)
        gateway.sessions.end(request.cookies.get(gateway.cookie))
        gateway.people.signed_out(session)
        await gateway.people.keep()
    answer = JSONResponse({"signed_in": False})
    answer.delete_cookie(gateway.cookie, httponly=True, samesite="strict")
    return answer
