"""Small pictures of the views of an exam, for whoever is signed in. Of an address only what is listed is served."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from daq.gateway.gateway import answering, gateway_of
from daq.gateway.live.taken import listed, picture


def view_file_routes() -> list[BaseRoute]:
    """Return the routes."""
    return [
        Route("/api/v1/files/views/{run}", answering(_list), methods=["GET"]),
        Route("/api/v1/files/views/{run}/{name}", answering(_picture), methods=["GET"]),
    ]


async def _list(request: Request) -> Response:
    gateway = gateway_of(request)
    gateway.signed_in(request)
    state, run = gateway.offer.site.state_folder, request.path_params["run"]
    return JSONResponse({"run": run, "steps": await asyncio.to_thread(listed, state, run)})


async def _picture(request: Request) -> Response:
    gateway = gateway_of(request)
    gateway.signed_in(request)
    named = request.path_params
    content = await asyncio.to_thread(picture, gateway.offer.site.state_folder, named["run"], named["name"])
    return Response(content, media_type="image/png", headers={"Cache-Control": "no-store"})
