"""The console's web application: what is served where."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute

from daq.gateway.commands import command_routes
from daq.gateway.gateway import Gateway, gateway_of
from daq.gateway.live.socket import serve_live
from daq.gateway.pages import page_routes
from daq.gateway.qcfiles import qc_file_routes
from daq.gateway.security import Headers
from daq.gateway.session import session_routes

__all__ = ["Gateway", "application", "gateway_of"]


def application(gateway: Gateway) -> Starlette:
    """Return the application."""
    app = Starlette(
        routes=[
            *session_routes(),
            *command_routes(),
            WebSocketRoute("/live", serve_live),
            *qc_file_routes(),
            *page_routes(),
        ],
        middleware=[Middleware(Headers)],
    )
    app.state.gateway = gateway
    return app
