"""Reports and pictures of quality control as files: made by the station when they are asked for, named by its ids.

Nothing of an address becomes a part of a path: the station looks results up in its books, and says which file it made.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from daq.errors import MissingError
from daq.gateway.gateway import answering, gateway_of

_REPORT_POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
"""A report holds texts of people: no script, no address, no form of it does anything."""


def qc_file_routes() -> list[BaseRoute]:
    """Return the routes."""
    return [
        Route("/api/v1/files/qc/table.csv", answering(_table), methods=["GET"]),
        Route("/api/v1/files/qc/month/{month}.{kind}", answering(_month), methods=["GET"]),
        Route("/api/v1/files/qc/{result}/report.{kind}", answering(_report), methods=["GET"]),
        Route("/api/v1/files/qc/{result}/pictures/{number}.png", answering(_picture), methods=["GET"]),
    ]


async def _report(request: Request) -> Response:
    return await _made(request, "qc-report", result=request.path_params["result"], kind=_kind(request))


async def _month(request: Request) -> Response:
    return await _made(request, "qc-report", month=request.path_params["month"], kind=_kind(request))


async def _table(request: Request) -> Response:
    test = request.query_params.get("test")
    return await _made(request, "qc-table", **({} if test is None else {"test": test}))


async def _picture(request: Request) -> Response:
    number = request.path_params["number"]
    if not (number.isascii() and number.isdecimal()):
        raise MissingError("pictures have numbers, from 0 on")
    return await _made(request, "qc-picture", result=request.path_params["result"], number=int(number[:9]))


def _kind(request: Request) -> str:
    kind: str = request.path_params["kind"]
    if kind not in ("html", "pdf"):
        raise MissingError("reports are html or pdf")
    return kind


async def _made(request: Request, verb: str, **args: object) -> Response:
    gateway = gateway_of(request)
    told = await gateway.offer.command(verb, args, gateway.actor(gateway.signed_in(request)))
    media = str(told["media_type"])
    page = media.startswith("text/html")
    headers = {"Cache-Control": "no-store"} | ({"Content-Security-Policy": _REPORT_POLICY} if page else {})
    shown = "attachment" if media.startswith(("application/pdf", "text/csv")) else "inline"
    return FileResponse(
        str(told["file"]), headers=headers, media_type=media, filename=str(told["name"]), content_disposition_type=shown
    )
