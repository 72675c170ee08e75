"""Who may speak on a wire: one at a time, in the order they came; what is urgent, e.g. a stop, before all others."""

from __future__ import annotations

import asyncio
from collections import deque

from daq.errors import BusyError

_MOST_WAITING = 1024


class Turns:
    """A lock with an order. Whoever has taken a turn releases it; one who is cancelled while waiting takes none."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def taken(self) -> bool:
        """Return whether somebody speaks."""
        return self._taken

    async def take(self, *, urgent: bool = False) -> None:
        """Return when it is the caller's turn. Raises `BusyError` where too many wait, but for what is urgent."""
        if not self._taken:
            self._taken = True
            return
        if len(self._waiting) >= _MOST_WAITING and not urgent:
            raise BusyError(f"{self._name}: {_MOST_WAITING} exchanges wait for their turn already")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if urgent:
            self._waiting.appendleft(turn)
        else:
            self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was handed over at the same moment
                self.release()
            elif turn in self._waiting:  # else it was passed over meanwhile
                self._waiting.remove(turn)
            raise

    def release(self) -> None:
        """Hand over to the next one."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False
