"""One background task at a time: what takes long, and must have ended before anything else is begun."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from daq.errors import DeadlineError

_LOG = logging.getLogger(__name__)
_CANCEL_S = 5.0
_AGAIN_S = 1.0


class Work:
    """Holds the task. One that begins another, as its last act, is replaced by it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, None], what: str) -> None:
        """Begin `work`."""
        self._task = asyncio.create_task(work, name=f"{what}-{self._name}")

    @property
    def under_way(self) -> bool:
        """Return True until the task has ended and its end was looked at, also while it is being cancelled."""
        return self._task is not None or any(not task.done() for task in self._leaving)

    def failure(self) -> BaseException | None:
        """Return what the task failed with, once, when it has; None while it runs, and where all is well."""
        if self._task is None or not self._task.done():
            return None
        task, self._task = self._task, None
        return None if task.cancelled() else task.exception()

    async def cancel(self) -> None:
        """Cancel it and wait for its end; raise `DeadlineError` after 5 s. One that cancels itself goes on.

        Whoever cancels it, too, waits as long. Told more than once: on Python 3.11 a cancellation can be lost within
        `wait_for` (CPython 86296).
        """
        own = asyncio.current_task()
        if self._task is not None and self._task is not own:
            self._leaving.add(self._task)
            self._task = None
        leaving = {task for task in self._leaving if task is not own}
        deadline_s = asyncio.get_running_loop().time() + _CANCEL_S
        while left := {task for task in leaving if not task.done()}:
            if asyncio.get_running_loop().time() > deadline_s:
                names = ", ".join(task.get_name() for task in left)
                raise DeadlineError(f"{names} did not end within {_CANCEL_S:g} s of being told to")
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=_AGAIN_S)
        for task in leaving & self._leaving:
            self._leaving.discard(task)
            if not task.cancelled() and (why := task.exception()) is not None:
                _LOG.info("%s ended with: %s", task.get_name(), why)
