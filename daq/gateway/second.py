"""A second person who signs beside whoever is signed in, for one request: their password is checked, they get a token.

The token is good for two minutes, once, for the one command that was signed, at the session that asked. The command
brings it in the header `Second-Person`; the verb then knows of both. It makes no session: nobody else can do anything
at this browser by it.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from daq.errors import AccessError, UsageError
from daq.gateway.gateway import answering, body_of, gateway_of
from daq.gateway.idempotency import of_command
from daq.gateway.seconds import WITHIN_S
from daq.gateway.session import ByPassword
from daq.model.station import Role

PLACE = "/api/v1/second"
HEADER = "Second-Person"


class Beside(ByPassword):
    """Sign beside whoever is signed in: the command that is signed, and with what arguments."""

    verb: Annotated[str, Field(min_length=1, max_length=64)]
    args: dict[str, Any]


def second_routes() -> list[BaseRoute]:
    """Return the route."""
    return [Route(PLACE, answering(_second), methods=["POST"])]


async def _second(request: Request) -> Response:
    gateway = gateway_of(request)
    session = gateway.signed_in(request)
    try:
        asked = Beside.model_validate(await body_of(request))
    except ValidationError:
        raise UsageError(
            "a second person signs with user and password, as texts, what is to be done: its verb and args"
        ) from None
    if asked.user == session.user:
        raise AccessError(f"{session.user} is signed in here already: another person signs")
    address = request.client.host if request.client else ""
    role = await gateway.people.vouched(asked.user, asked.password, address)
    if role < Role.TECHNOLOGIST:
        raise AccessError(
            f"{asked.user} ({role.name.lower()}) may not sign as a second person: that needs technologist"
        )
    gateway.people.signed_beside(asked.user, role, session, address)
    token = gateway.seconds.begin(session.number, asked.user, of_command(asked.verb, asked.args))
    return JSONResponse({"second": token, "user": asked.user, "within_s": WITHIN_S})
