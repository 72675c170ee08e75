"""Movements that go on only while somebody at a browser holds their button: not begun without, and ended with it.

A hold and the command that it is for come on two connections, and either may be late. So a command that comes when
the button was let go already, as one does that a lost network has held up, begins nothing; and where the button is let
go before the command has ended, the axes are stopped until it has.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from daq.errors import DeadlineError, RefusedError
from daq.gateway.live.hand import Hand

_LOG = logging.getLogger(__name__)
HELD = frozenset({"home", "retreat"})
"""The verbs that move axes while their button is held."""
SOON_S = 0.5
"""So long a command waits for the hold that belongs to it."""
_LOOK_S = 0.05
_STOP_AGAIN_S = 0.25

Work = Callable[[], Awaitable[Any]]


class Hands:
    """The hands at the open browsers, by the number of their session. For the loop's thread only."""

    def __init__(self) -> None:
        self._hands: dict[str, set[Hand]] = {}

    @contextmanager
    def there(self, session: str, hand: Hand) -> Iterator[None]:
        """Know of a hand as long as its browser is there; then what it held is let go."""
        self._hands.setdefault(session, set()).add(hand)
        try:
            yield
        finally:
            hand.gone()
            self._hands[session].discard(hand)
            if not self._hands[session]:
                del self._hands[session]

    def hold(self, session: str) -> bool:
        """Return whether a browser of this session holds a button."""
        return any(hand.holds for hand in self._hands.get(session, ()))

    async def while_held(self, session: str, verb: str, work: Work, stop: Work) -> Any:
        """Do the work of a verb while a browser of the session holds its button; `stop` stops every axis.

        Raise `RefusedError` where none does.
        """
        clock = asyncio.get_running_loop().time
        until_s = clock() + SOON_S
        while not self.hold(session):
            if clock() > until_s:
                raise RefusedError(f"{verb} is done only while its button is held at the console; nothing has moved")
            await asyncio.sleep(_LOOK_S)
        task = asyncio.ensure_future(work())
        stopped_s = -_STOP_AGAIN_S
        while not task.done():
            if not self.hold(session) and clock() - stopped_s >= _STOP_AGAIN_S:
                await _stopped(verb, stop)
                stopped_s = clock()
            await asyncio.wait({task}, timeout=_LOOK_S)
        if isinstance(task.exception(), DeadlineError):  # it may go on, and nobody looks at the button any more
            await _stopped(verb, stop)
        return task.result()


async def _stopped(verb: str, stop: Work) -> None:
    try:
        await stop()
    except Exception as why:  # noqa: BLE001 - there is an alarm for it; it is tried again while the command goes on
        _LOG.error("%s was let go and could not be stopped: %s", verb, why)
