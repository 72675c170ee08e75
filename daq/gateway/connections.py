"""Connections of the console: how many there are, and how long one may take to say what it wants.

The server itself waits for the head of a request for ever. Here a connection that says nothing, or says it a byte at a
time, is closed; and where there are too many, the one that has been silent longest makes room.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0
"""From the first byte that could be sent to the end of a request's head."""
BUSY_S = 660.0
"""From the head of a request to the end of its answer; longer than the longest command."""
MOST = 160
HEAD_BYTES = 16384
_LOOK_S = 1.0
KEPT_BACK: set[tuple[str, int] | None] = set()
"""Addresses and ports of connections whose refusal is kept back: they make room as those that wait do."""


class Connection(H11Protocol):
    """One of them, until it becomes a WebSocket."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._since_s = self.loop.time()
        self._make_room()
        self._timer = self.loop.call_later(_LOOK_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Begin to wait for the next."""
        self._since_s = self.loop.time()
        super().on_response_complete()

    @property
    def waits(self) -> bool:
        """Return whether no request is under way that is served."""
        return self.cycle is None or bool(self.cycle.response_complete) or self.client in KEPT_BACK

    def _look(self) -> None:
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        if self.loop.time() - self._since_s > (HEAD_S if self.waits else BUSY_S):
            self.transport.abort()
            return
        self._timer = self.loop.call_later(_LOOK_S, self._look)

    def _make_room(self) -> None:
        if len(self.connections) <= MOST:
            return
        waiting: list[Any] = [each for each in self.connections if isinstance(each, Connection) and each.waits]
        oldest = min(waiting, key=_since, default=self)
        self.connections.discard(oldest)
        oldest.transport.abort()


def _since(connection: Connection) -> float:
    return connection._since_s  # noqa: SLF001 - of this class
