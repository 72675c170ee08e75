"""Who may listen: a WebSocket lives as long as its session, and hears who holds control."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from daq.gateway.closing import closing_words
from daq.gateway.gateway import Gateway, gateway_of
from daq.gateway.live.socket import NOT_SIGNED_IN, serve_live
from daq.gateway.sessions import Session

_LOOK_S = 0.1
_SEND_S = 10.0
_MOST = 64
TOO_MANY = 1013


async def live(socket: WebSocket) -> None:
    """Serve a browser until it goes or its session ends."""
    gateway = gateway_of(socket)
    session = gateway.session_of(socket)
    if session is None:
        await _refuse(socket, NOT_SIGNED_IN, gateway.why_not_signed_in(socket))
        return
    if sum(each.watching for each in gateway.sessions.going_on()) >= _MOST:
        await _refuse(socket, TOO_MANY, "too many browsers listen already")
        return
    with gateway.control.watching(session):
        serving = asyncio.create_task(serve_live(socket), name="live")
        telling = asyncio.create_task(_tell(socket, gateway, session), name="live-control")
        try:
            await asyncio.wait({serving, telling}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            telling.cancel()
            serving.cancel()
            results = await asyncio.gather(serving, telling, return_exceptions=True)
    for why in results:
        if isinstance(why, Exception) and not isinstance(why, (WebSocketDisconnect, TimeoutError)):
            raise why
    if session.ended and socket.application_state is WebSocketState.CONNECTED:
        with suppress(RuntimeError, WebSocketDisconnect):  # it went in the same moment
            await socket.close(NOT_SIGNED_IN, closing_words(session.ended))


async def _tell(socket: WebSocket, gateway: Gateway, session: Session) -> None:
    """Tell who holds control whenever that changes; return when the session has ended."""
    told = -1
    while not session.ended:
        if socket.application_state is WebSocketState.CONNECTED and told != gateway.control.changes:
            told = gateway.control.changes
            news = [{"event": "control", "data": gateway.control.told()}]
            async with asyncio.timeout(_SEND_S):
                await socket.send_text(json.dumps({"type": "news", "time_s": time.time(), "news": news}))
        await asyncio.sleep(_LOOK_S)


async def _refuse(socket: WebSocket, code: int, why: str) -> None:
    await socket.accept()
    await socket.close(code, closing_words(why))
