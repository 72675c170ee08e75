"""Deadlines that hold whatever a driver does.

`asyncio.timeout` ends a call by cancelling it, so it waits for ever for one that swallows its cancellation (on Python
3.11 `asyncio.wait_for` can). Here every call is a task of its own: at the deadline the caller goes on, the call is
cancelled and looked after until it ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from daq.errors import DeadlineError, UnreachableError

T = TypeVar("T")
_LOG = logging.getLogger(__name__)


class Calls:
    """Calls to one device. At most `most` that missed their deadline may be under way; then further ones are refused.

    `late_ended` is called with the name of each one that ends after its caller has gone.
    """

    def __init__(self, device: str, *, most: int = 16, late_ended: Callable[[str], None] | None = None) -> None:
        self._device = device
        self._most = most
        self._late_ended = late_ended
        self._late: set[asyncio.Task[Any]] = set()
        self.missed = 0
        """How many deadlines were missed so far."""

    @property
    def late(self) -> int:
        """Return how many calls are still under way though nobody waits for them."""
        return len(self._late)

    async def within(self, call: Coroutine[Any, Any, T], seconds: float, what: str) -> T:
        """Return the result of `call`; raise `DeadlineError` after `seconds`, `UnreachableError` when too many hang."""
        if len(self._late) >= self._most:
            call.close()
            raise UnreachableError(f"{self._device}: {self._most} calls hang, the last was not made: {what}")
        task = asyncio.get_running_loop().create_task(call, name=f"{self._device}: {what}")
        try:
            await asyncio.wait({task}, timeout=seconds)
        finally:
            self._let_go(task)
        if not task.done():
            self.missed += 1
            raise DeadlineError(f"{self._device}: no answer in {seconds:g} s to {what}")
        if task.cancelled():
            raise UnreachableError(f"{self._device}: gave up {what}")
        return task.result()

    def _let_go(self, task: asyncio.Task[Any]) -> None:
        """Leave a task that is done; cancel one that is not, and keep a reference until it ends."""
        if task.done():
            _look_at(task)
            return
        task.cancel()
        self._late.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._late.discard(task)
        _look_at(task)
        if self._late_ended is not None and not task.get_loop().is_closed():
            self._late_ended(task.get_name())


async def see_through(make: Callable[[], Coroutine[Any, Any, T]], name: str, keep: set[asyncio.Task[Any]]) -> T:
    """Run a call to its end though this task is cancelled meanwhile, as often as anybody likes; return its result.

    The call needs a deadline of its own. Whoever cancels *it* (a loop that shuts down) makes it start once more.
    Cancellations that came are not lost: the caller must look at `asyncio.current_task().cancelling()`.
    """
    for _ in range(2):
        task = asyncio.get_running_loop().create_task(make(), name=name)
        keep.add(task)
        task.add_done_callback(keep.discard)
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                _LOG.info("cancelled while %s: seeing it through first", name)
        if not task.cancelled():
            return task.result()
    raise UnreachableError(f"{name} was cancelled twice")


def cancel_requests() -> int:
    """Return how often the current task was asked to end, those requests included that somebody swallowed."""
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


def _look_at(task: asyncio.Task[Any]) -> None:
    """Take notice of how a task ended, so that asyncio does not complain that nobody did."""
    if not task.cancelled() and (why := task.exception()) is not None:
        _LOG.debug("%s ended with %s", task.get_name(), type(why).__name__)
