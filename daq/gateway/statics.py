"""The files that the console's page is made of, from memory: a page asks for some seventy of them at once.

Each is read once, and again when it has changed on disk. A browser asks whether a file has changed before it uses its
own copy, so that after an update no old part is left; it is told so in a few bytes.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import mimetypes
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PACK_FROM_BYTES = 1000
_ASK_AGAIN = "no-cache"
_PACKED = ("text/", "application/json", "image/svg")
_IMPORTED = re.compile(r'^(?:import\b|export\b|\} from\b)[^"\n]*"(\.[^"]+)"', re.MULTILINE)
"""What a module needs before it runs; what it fetches when it is wanted, by `import()`, is not among it."""


@dataclass(frozen=True, slots=True)
class Held:
    """A file as it was when it was last read. `stamp`: size and time of change; `packed`: by gzip, where that helps."""

    stamp: tuple[int, int]
    data: bytes
    packed: bytes | None
    tag: str
    kind: str


class Statics:
    """An application that serves the files of a folder, and nothing else."""

    def __init__(self, folder: Path) -> None:
        """Begin with nothing in memory."""
        self._folder = folder.resolve()
        self._held: dict[Path, Held] = {}
        """By where a file lies: of many ways to write its name, each is the same file."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a file; raises `HTTPException` where there is none, or where it is not only asked for."""
        request = Request(scope, receive)
        if request.method not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        root = str(scope.get("root_path", ""))
        held = await self.held(request.url.path.removeprefix(root).lstrip("/"))
        if held is None:
            raise HTTPException(404)
        await answer(held, request)(scope, receive, send)

    async def held(self, name: str) -> Held | None:
        """Return a file by its path from the folder, None where there is none."""
        path = self._path(name)
        if path is None:
            return None
        at = path.stat()
        held = self._held.get(path)
        if held is None or held.stamp != (at.st_size, at.st_mtime_ns):
            held = self._held[path] = await asyncio.to_thread(_read, path)
        return held

    def _path(self, name: str) -> Path | None:
        """Return where a file lies; a name that leads elsewhere, or to a folder, has none."""
        try:
            path = (self._folder / name).resolve()
            return path if path.is_relative_to(self._folder) and path.is_file() else None
        except (OSError, ValueError):  # too long, or with characters that no file has
            return None


def answer(held: Held, request: Request) -> Response:
    """Return an answer with a file, packed where the browser takes that, or that it has not changed."""
    headers = {"Cache-Control": _ASK_AGAIN, "ETag": held.tag, "Vary": "Accept-Encoding"}
    if held.tag in (each.strip() for each in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    if held.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(held.packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=held.kind)
    return Response(held.data, headers=headers, media_type=held.kind)


def modules_of(folder: Path, *first: str) -> list[str]:
    """Return the paths, from `folder`, of these modules and of all that they need: nearest first."""
    found: dict[str, None] = {}
    ahead = list(first)
    while ahead:
        name = ahead.pop(0)
        if name in found:
            continue
        found[name] = None
        wanted = _IMPORTED.findall((folder / name).read_text(encoding="utf-8"))
        ahead += [posixpath.normpath(f"{posixpath.dirname(name)}/{each}") for each in wanted]
    return list(found)


def _read(path: Path) -> Held:
    at, data = path.stat(), path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    kind = "text/javascript" if path.suffix == ".js" else kind
    packed = None
    if len(data) >= PACK_FROM_BYTES and kind.startswith(_PACKED):
        packed = gzip.compress(data, 6, mtime=0)
    tag = f'"{hashlib.sha256(data).hexdigest()[:24]}"'
    return Held((at.st_size, at.st_mtime_ns), data, packed, tag, kind)
