"""A second person who signs beside whoever is signed in, for one request: their password is checked, they get a token.

The token is good for two minutes, once, for the session that asked. A command brings it in the header `Second-Person`;
the verb then knows of both. It makes no session: nobody else can do anything at this browser by it.
"""

from __future__ import annotations

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from daq.errors import AccessError, UsageError
from daq.gateway.gateway import answering, body_of, gateway_of
from daq.gateway.seconds import WITHIN_S
from daq.gateway.session import ByPassword
from daq.model.station import Role

PLACE = "/api/v1/second"
HEADER = "Second-Person"


def second_routes() -> list[BaseRoute]:
    """Return the route."""
    return [Route(PLACE, answering(_second), methods=["POST"])]


async def _second(request: Request) -> Response:
    gateway = gateway_of(request)
    session = gateway.signed_in(request)
    try:
        asked = ByPassword.model_validate(await body_of(request))
    except ValidationError:
        raise UsageError("a second person signs with user and password, as texts") from None
    if asked.user == session.user:
        raise AccessError(f"{session.user} is signed in here already: another person signs")
    address = request.client.host if request.client else ""
    role = await gateway.people.vouched(asked.user, asked.password, address)
    if role < Role.TECHNOLOGIST:
        raise AccessError(
            f"{asked.user} ({role.name.lower()}) may not sign as a second person: that needs technologist"
        )
    gateway.people.signed_beside(asked.user, role, session, address)
    token = gateway.seconds.begin(session.number, asked.user)
    return JSONResponse({"second": token, "user": asked.user, "within_s": WITHIN_S})
