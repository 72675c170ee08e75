"""One browser's WebSocket: what the station says, as JSON texts, and live pictures, as binary frames."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from daq.errors import UsageError
from daq.gateway.live.hand import Hand
from daq.gateway.live.hub import Mailbox
from daq.gateway.live.wants import message_in
from daq.gateway.live.watcher import Watcher

_LOG = logging.getLogger(__name__)
LOOK_S = 0.2
_ALIVE_S = 2.0
_SEND_S = 10.0
NOT_SIGNED_IN = 4401
NOT_UNDERSTOOD = 1008
_MOST_MISSES = 20
_BURST, _PER_S = 400.0, 100.0
"""Texts that a browser may say at once, and on and on: it acknowledges 20 frames a second, and holds 4 times."""


async def serve_live(socket: WebSocket) -> None:
    """Tell a browser what is new until it goes."""
    gateway = socket.app.state.gateway
    session = gateway.session_of(socket)
    if session is None:
        await socket.accept()
        await socket.close(NOT_SIGNED_IN, "nobody is signed in")
        return
    await socket.accept()
    mailbox = gateway.hub.mailbox()
    hand = Hand(partial(gateway.offer.command, "stop-motion", {}, gateway.actor(session)), tell=_teller(socket))
    with gateway.hands.there(session.number, hand), gateway.hub.gallery.watching() as watcher:
        await serve_browser(socket, mailbox, watcher, hand)


async def serve_browser(socket: WebSocket, mailbox: Mailbox, watcher: Watcher, hand: Hand | None = None) -> None:
    """Tell a browser whose connection was accepted. `hand`: what it may stop and hold; None: nothing."""
    tasks = {
        asyncio.create_task(_hear(socket, watcher, hand), name="live-hear"),
        asyncio.create_task(watcher.show(_sender(socket)), name="live-show"),
    }
    try:
        said_s = 0.0
        while not any(task.done() for task in tasks):
            news = mailbox.take()
            if not news and time.monotonic() - said_s > _ALIVE_S:
                news = [{"event": "alive", "data": {}}]
            if news:
                said_s = time.monotonic()
                text = json.dumps({"type": "news", "time_s": time.time(), "news": news})
                async with asyncio.timeout(_SEND_S):
                    await socket.send_text(text)
            await asyncio.wait(tasks, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
    except (WebSocketDisconnect, TimeoutError):
        pass  # the browser has gone; it comes again by itself
    finally:
        mailbox.close()
        await _ended(tasks)


async def _ended(tasks: set[asyncio.Task[None]]) -> None:
    """End the tasks; what failed in them but for a browser that has gone is a fault of ours, and logged."""
    for task in tasks:
        task.cancel()
    for why in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(why, Exception) and not isinstance(why, (WebSocketDisconnect, TimeoutError)):
            _LOG.error("live pictures of a browser ended", exc_info=why)


def _teller(socket: WebSocket) -> Callable[[dict[str, Any]], Awaitable[None]]:
    async def tell(told: dict[str, Any]) -> None:
        async with asyncio.timeout(_SEND_S):
            await socket.send_text(json.dumps(told))

    return tell


def _sender(socket: WebSocket) -> Callable[[bytes], Awaitable[None]]:
    async def send(data: bytes) -> None:
        async with asyncio.timeout(_SEND_S):
            await socket.send_bytes(data)

    return send


async def _hear(socket: WebSocket, watcher: Watcher, hand: Hand | None) -> None:
    """Take in what the browser says. What cannot be understood is told to it; after some of that it is left.

    So is a browser that says too much, for a stop of another one has to be heard in between.
    """
    misses, left, at_s = 0, _BURST, time.monotonic()
    while misses < _MOST_MISSES and left >= 0:
        told = await socket.receive()
        now_s = time.monotonic()
        left, at_s = min(_BURST, left + (now_s - at_s) * _PER_S) - 1, now_s
        if told["type"] == "websocket.disconnect":
            return
        text = told.get("text") or ""
        if hand is not None and hand.said(text):
            continue
        try:
            watcher.said(message_in(text))
        except UsageError as why:
            misses += 1
            await socket.send_text(json.dumps({"type": "problem", "detail": str(why)}))
    await socket.close(NOT_UNDERSTOOD, "too much that cannot be understood" if left >= 0 else "too much at once")
