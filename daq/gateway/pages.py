"""The page of the console and the files that it is made of."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"
_ASK_AGAIN = {"Cache-Control": "no-cache"}
"""A browser asks whether a file has changed before it uses its own copy: after an update no old part is left."""


class _Files(StaticFiles):
    """Files, never folders, each asked for again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        answer.headers.setdefault("Cache-Control", "no-cache")
        return answer


def page_routes() -> list[BaseRoute]:
    """Return the routes of the page and its files."""
    return [
        Route("/", _page),
        Route("/room", _page),
        Mount("/static", _Files(directory=STATIC)),
    ]


async def _page(_: Request) -> Response:
    return FileResponse(STATIC / "index.html", headers=_ASK_AGAIN)
