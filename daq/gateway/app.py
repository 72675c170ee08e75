"""The console's web application: what is served where."""

from __future__ import annotations

import socket

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import WebSocketRoute

from daq.gateway.commands import command_routes
from daq.gateway.controlroutes import control_routes
from daq.gateway.gateway import Gateway, gateway_of
from daq.gateway.limits import Limits
from daq.gateway.livegate import live
from daq.gateway.openapi import openapi_routes
from daq.gateway.pages import page_routes
from daq.gateway.problems import problem
from daq.gateway.qcfiles import qc_file_routes
from daq.gateway.second import second_routes
from daq.gateway.security import Door, Headers
from daq.gateway.session import session_routes
from daq.gateway.studyfiles import study_file_routes
from daq.gateway.viewfiles import view_file_routes

__all__ = ["Gateway", "application", "gateway_of"]


def application(gateway: Gateway) -> Starlette:
    """Return the application."""
    told = gateway.offer.site.console
    app = Starlette(
        routes=[
            *session_routes(),
            *second_routes(),
            *command_routes(),
            *study_file_routes(),
            *view_file_routes(),
            *control_routes(),
            *openapi_routes(),
            WebSocketRoute("/live", live),
            *qc_file_routes(),
            *page_routes(),
        ],
        middleware=[
            Middleware(Headers),
            Middleware(Door, names=(told.host, *told.names, socket.gethostname())),
            Middleware(Limits, session_of=gateway.number_of),
        ],
        exception_handlers={HTTPException: _not_served},
    )
    app.state.gateway = gateway
    return app


async def _not_served(_: Request, why: Exception) -> Response:
    """Tell what the routes themselves refuse: no such page, not that method."""
    status = why.status_code if isinstance(why, HTTPException) else 500
    title = {404: "Not there", 405: "Not understood"}.get(status, "Refused")
    detail = {404: "there is no such page", 405: "this address does not take that method"}.get(status, "refused")
    kind = {404: "MissingError", 405: "UsageError"}.get(status, "RefusedError")
    answer = problem(status, title, detail, kind=kind, exit_code={404: 4, 405: 2}.get(status, 3))
    if isinstance(why, HTTPException) and why.headers:
        answer.headers.update(why.headers)
    return answer
