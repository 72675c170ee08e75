"""The page of the console and the files that it is made of."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

import daq

STATIC = Path(__file__).parent / "static"
_ASK_AGAIN = {"Cache-Control": "no-cache"}
"""A browser asks whether a file has changed before it uses its own copy: after an update no old part is left."""


class _Files(StaticFiles):
    """Files, never folders, each asked for again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        answer.headers.setdefault("Cache-Control", "no-cache")
        return answer


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
        Mount("/static", _Files(directory=STATIC)),
    ]


async def _page(_: Request) -> Response:
    return FileResponse(STATIC / "index.html", headers=_ASK_AGAIN)
