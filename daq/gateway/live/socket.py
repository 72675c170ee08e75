"""One browser's WebSocket: what the station says, as JSON texts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

from starlette.websockets import WebSocket, WebSocketDisconnect

LOOK_S = 0.2
_ALIVE_S = 2.0
_SEND_S = 10.0
NOT_SIGNED_IN = 4401


async def serve_live(socket: WebSocket) -> None:
    """Tell a browser what is new until it goes."""
    gateway = socket.app.state.gateway
    if gateway.sessions.find(socket.cookies.get("scandaq")) is None:
        await socket.accept()
        await socket.close(NOT_SIGNED_IN, "nobody is signed in")
        return
    await socket.accept()
    mailbox = gateway.hub.mailbox()
    hearing = asyncio.create_task(_hear(socket), name="live-hear")
    try:
        said_s = 0.0
        while not hearing.done():
            news = mailbox.take()
            if not news and time.monotonic() - said_s > _ALIVE_S:
                news = [{"event": "alive", "data": {}}]
            if news:
                said_s = time.monotonic()
                text = json.dumps({"type": "news", "time_s": time.time(), "news": news})
                async with asyncio.timeout(_SEND_S):
                    await socket.send_text(text)
            await asyncio.wait({hearing}, timeout=LOOK_S)
    except (WebSocketDisconnect, TimeoutError):
        pass  # the browser has gone; it comes again by itself
    finally:
        mailbox.close()
        hearing.cancel()
        with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect):
            await hearing


async def _hear(socket: WebSocket) -> None:
    while True:
        await socket.receive_text()
