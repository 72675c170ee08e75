"""Pictures and files of studies: those that the station lists. Nothing of an address becomes a part of a path."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from daq.gateway.gateway import answering, gateway_of

_SHOWN = (".png", ".gif")
_POLICY = "sandbox; default-src 'none'"
_NUMBER = "number"


class _Number(IntegerConvertor):
    """A number in an address. One of thousands of digits is no number for Python, and is no address here."""

    regex = "[0-9]{1,4}"


register_url_convertor(_NUMBER, _Number())


def study_file_routes() -> list[BaseRoute]:
    """Return the routes."""
    return [
        Route("/api/v1/files/studies/{acquisition}/{name}", answering(_file), methods=["GET"]),
        Route(
            f"/api/v1/files/frames/{{acquisition}}/{{series}}/{{head:{_NUMBER}}}/{{window:{_NUMBER}}}",
            answering(_frames),
            methods=["GET"],
        ),
        Route("/api/v1/files/exports/{name}/{file}", answering(_exported), methods=["GET"]),
    ]


async def _file(request: Request) -> Response:
    gateway = gateway_of(request)
    actor = gateway.actor(gateway.signed_in(request))
    told = await gateway.offer.command("study-file", dict(request.path_params), actor)
    return _sent(Path(str(told["path"])), f"{told['acquisition']}-{told['name']}")


async def _frames(request: Request) -> Response:
    gateway = gateway_of(request)
    actor = gateway.actor(gateway.signed_in(request))
    told = await gateway.offer.command("study-frames", dict(request.path_params), actor)
    return _sent(Path(str(told["path"])), f"{told['acquisition']}-{told['series']}.png")


async def _exported(request: Request) -> Response:
    gateway = gateway_of(request)
    actor = gateway.actor(gateway.signed_in(request))
    told = await gateway.offer.command("study-export-file", dict(request.path_params), actor)
    return _sent(Path(str(told["path"])), str(told["file"]))


def _sent(path: Path, name: str) -> Response:
    """Return a file: pictures are shown, all else is handed out; nothing of it can do anything in the browser."""
    media = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": _POLICY}
    how = "inline" if path.suffix in _SHOWN else "attachment"
    return FileResponse(path, headers=headers, media_type=media, filename=name, content_disposition_type=how)
