"""The hand of whoever sits at a browser: stops all motion over the live socket, holds what moves while it is pressed.

A browser that holds a hold-to-run button says so four times a second. Where it does not for a second, or goes, what
moves is stopped: a page that crashed, a network that is gone and a laptop that was closed let go.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocketDisconnect

from daq.errors import ScandaqError

_LOG = logging.getLogger(__name__)
HELD_S = 1.0
"""So long a hold lasts that is not renewed."""
_MOST_LENGTH = 200
_TYPES = frozenset({"stop-motion", "holding", "let-go"})

Stop = Callable[[], Awaitable[Any]]
Tell = Callable[[dict[str, Any]], Awaitable[None]]


class Hand:
    """One browser's. `stop` stops every axis; `tell` tells the browser what became of it, with the number that it gave.

    For the loop's thread only.
    """

    def __init__(self, stop: Stop, *, held_s: float = HELD_S, tell: Tell | None = None) -> None:
        self._stop, self._held_s, self._tell = stop, held_s, tell
        self._expiry: asyncio.TimerHandle | None = None
        self._stopping: set[asyncio.Task[None]] = set()

    @property
    def holds(self) -> bool:
        """Return True while the browser holds."""
        return self._expiry is not None

    def said(self, text: str) -> bool:
        """Do what a message asks for; return False for one that is not for the hand."""
        told = _told(text)
        if told is None:
            return False
        kind = told["type"]
        self._forget()
        if kind == "stop-motion":
            self._stop_now(told.get("number"))
        elif kind == "holding":
            self._expiry = asyncio.get_running_loop().call_later(self._held_s, self._expired)
        return True

    def gone(self) -> None:
        """Hear that the browser has gone; what it held is let go."""
        if self.holds:
            self._expired()

    def _expired(self) -> None:
        _LOG.warning("a browser that held a movement is not heard any more: every axis is stopped")
        self._forget()
        self._stop_now()

    def _forget(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _stop_now(self, number: object = None) -> None:
        task = asyncio.get_running_loop().create_task(self._stopped(number), name="stop-motion of a browser")
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def _stopped(self, number: object) -> None:
        try:
            report = await self._stop()
        except ScandaqError as why:
            _LOG.error("a stop that a browser asked for failed: %s", why)
            return
        if self._tell is not None:
            with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):  # the browser has gone; the axes stand
                await self._tell({"type": "stopped", "number": number, **report})


def _told(text: str) -> dict[str, Any] | None:
    """Return what a message asks of the hand, None where it is for somebody else."""
    if len(text) > _MOST_LENGTH:
        return None
    try:
        told = json.loads(text)
    except ValueError:
        return None
    kind = told.get("type") if isinstance(told, dict) else None
    return told if isinstance(kind, str) and kind in _TYPES else None
