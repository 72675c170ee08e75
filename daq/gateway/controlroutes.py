"""Control of the scanner over HTTP: who holds it, taking it, giving it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from daq.gateway.control import control_request
from daq.gateway.gateway import answering, body_of, gateway_of

PLACE = "/api/v1/control"


def control_routes() -> list[BaseRoute]:
    """Return the routes."""
    return [
        Route(PLACE, answering(_who), methods=["GET"]),
        Route(PLACE, answering(_act), methods=["POST"]),
    ]


async def _who(request: Request) -> Response:
    gateway = gateway_of(request)
    session = gateway.signed_in(request)
    return JSONResponse({**gateway.control.told(), "others": gateway.control.others(session)})


async def _act(request: Request) -> Response:
    gateway = gateway_of(request)
    session = gateway.signed_in(request)
    asked = control_request(await body_of(request))
    session.acted_s = gateway.sessions.clock()
    return JSONResponse(await gateway.control.act(asked, session))
