"""The page of the console and the files that it is made of."""

from __future__ import annotations

import asyncio
import hashlib
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

import daq
from daq.gateway.statics import Statics, modules_of

STATIC = Path(__file__).parent / "static"
_ASK_AGAIN = {"Cache-Control": "no-cache"}
"""A browser asks for the page each time: after an update no old part is left."""
_FIRST = {"/": "js/screens/worklist.js", "/room": "js/screens/room.js"}
"""The screen that an address shows first."""
_HERE = '    <script type="module"'


@cache
def version() -> str:
    """Return what tells this page from another one's: of the software, and of the files as the daemon found them."""
    told = hashlib.sha256(daq.__version__.encode())
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            at = path.stat()
            told.update(f"{path.name} {at.st_size} {at.st_mtime_ns}\n".encode())
    return f"{daq.__version__}+{told.hexdigest()[:12]}"


def page_routes() -> list[BaseRoute]:
    """Return the routes of the page and its files."""
    return [
        Route("/", _page),
        Route("/room", _page),
        Mount("/static", Statics(STATIC)),
    ]


async def _page(request: Request) -> Response:
    page = await asyncio.to_thread(page_of, request.url.path)
    return Response(page, headers=_ASK_AGAIN, media_type="text/html")


def page_of(address: str) -> str:
    """Return the page of an address: it names all modules that it begins with.

    Else a browser would learn of each only from the one that imports it, one after the other.
    """
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    first = _FIRST.get(address, _FIRST["/"])
    links = "".join(
        f'    <link rel="modulepreload" href="/static/{name}">\n' for name in modules_of(STATIC, "js/main.js", first)
    )
    return page.replace(_HERE, links + _HERE, 1)
