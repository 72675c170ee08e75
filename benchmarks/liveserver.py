"""The server's part of live pictures in a process of its own, and browsers that paint nothing.

`python -m benchmarks.liveserver serve CONTROL` serves `/live` of the readout behind that socket, and an empty page with
the console's files, and says at which port;
`python -m benchmarks.liveserver watch PORT SECONDS PAINT_MS WHAT` takes frames, paints each for so long, and says what
came: one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import uvicorn
import websockets
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from daq.composition.fronts import Offer
from daq.gateway.live.gallery import Gallery
from daq.gateway.live.hub import Mailbox
from daq.gateway.live.socket import serve_browser
from daq.gateway.pages import STATIC
from daq.gateway.statics import Statics
from daq.services.bus import Bus
from daq.wire.liveframe import decode

_STYLES = "".join(
    f'<link rel="stylesheet" href="/static/{name}">'
    for name in ("css/tokens.css", "css/console.css", "css/pictures.css", "vendor/uplot.css")
)
_PAGE = f'<!doctype html><html lang="en" data-theme="dark"><title>pictures</title>{_STYLES}<div id="here"></div></html>'


class NoNews:
    """A mailbox of a station that says nothing."""

    def take(self) -> list[dict[str, Any]]:
        """Return nothing."""
        return []

    def close(self) -> None:
        """Hear no more."""


def offer_of(control: list[Path]) -> Offer:
    """Return what the gallery needs of a station: where its readout is, the last of `control`; the gantry at 0."""

    async def command(_: str, __: dict[str, object], ___: object) -> dict[str, object]:
        return {"step_name": "", "motion": {"axes": {"gantry": {"position": 0.0}}}}

    told = SimpleNamespace(command=command, bus=Bus(), readout=lambda: control[-1] if control else None)
    return cast(Offer, told)


def application(offer: Offer, *more: BaseRoute) -> tuple[Starlette, Gallery]:
    """Return an application that serves live pictures to whoever comes, and `more`."""
    gallery = Gallery(offer)

    async def live(browser: WebSocket) -> None:
        await browser.accept()
        with gallery.watching() as watcher:
            await serve_browser(browser, cast(Mailbox, NoNews()), watcher)

    return Starlette(routes=[WebSocketRoute("/live", live), *more]), gallery


def listening() -> socket.socket:
    """Return a socket that listens, as that of the console does; who connects before it is served waits."""
    made = socket.create_server(("127.0.0.1", 0))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def server(app: Starlette) -> uvicorn.Server:
    """Return the server, set as that of the console is."""
    return uvicorn.Server(uvicorn.Config(
        app, ws="websockets-sansio", ws_per_message_deflate=False, log_level="warning", access_log=False,
        lifespan="off", ws_max_size=65536,
    ))  # fmt: skip


async def serve(control: Path) -> None:
    """Serve until it is ended."""
    app, _ = application(offer_of([control]), Route("/", _page), Mount("/static", Statics(STATIC)))
    made = server(app)
    with listening() as taken:
        print(json.dumps({"port": taken.getsockname()[1]}), flush=True)
        await made.serve([taken])


async def _page(_: Request) -> HTMLResponse:
    return HTMLResponse(_PAGE)


async def watch(port: int, seconds: float, paint_s: float, what: list[str]) -> dict[str, Any]:
    """Take frames for so long; return how many came, how many bytes, and how old what they show was, in ms."""
    ages: list[float] = []
    photons: list[float] = []
    size = 0
    async with websockets.connect(f"ws://127.0.0.1:{port}/live", max_size=None, compression=None) as browser:
        await browser.send(json.dumps({"type": "want", "what": what, "size": 256, "hz": 20}))
        print(json.dumps({"connected": True}), flush=True)
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            told = await asyncio.wait_for(browser.recv(), 5.0)
            if isinstance(told, str):
                continue
            frame = decode(told)
            size += len(told)
            await asyncio.sleep(paint_s)
            if frame.about["parts"]:
                ages.append(frame.about["fresh"]["looks"]["age_s"] * 1e3 + (time.time() - frame.time_s) * 1e3)
                rates = frame.about["parts"].get("rates")
                photons += [time.monotonic() * 1e3 - rates["latest_s"] * 1e3] if rates else []
            await browser.send(json.dumps({"type": "ack", "seq": frame.number}))
    return {"frames": len(ages), "bytes": size, "seconds": seconds, "ages_ms": ages, "photons_ms": photons}


def main() -> int:
    """Do what the arguments say."""
    if sys.argv[1] == "serve":
        asyncio.run(serve(Path(sys.argv[2])))
    else:
        port, seconds, paint_ms, *what = sys.argv[2:]
        print(json.dumps(asyncio.run(watch(int(port), float(seconds), float(paint_ms) / 1e3, what))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
