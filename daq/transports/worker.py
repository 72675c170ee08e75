"""One thread that does blocking work of a library, one call after the other, for one who waits in the loop."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
_Job = tuple[Callable[[], Any], "asyncio.Future[Any]", asyncio.AbstractEventLoop]


class Worker:
    """A thread of its own, which ends with the program whatever it waits for."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._busy = 0
        threading.Thread(target=self._work, name=name, daemon=True).start()

    @property
    def busy(self) -> bool:
        """Return True while a call has not returned, also one that nobody waits for any more."""
        return self._busy > 0

    async def do(self, call: Callable[[], T]) -> T:
        """Return what a call returns, or raise what it raises. Who is cancelled leaves the call to its end."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._busy += 1
        self._jobs.put((call, future, loop))
        return await future

    def end(self) -> None:
        """End the thread after what it does now."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            call, future, loop = job
            try:
                result, trouble = call(), None
            except BaseException as why:  # noqa: BLE001 - whatever it is, it belongs to the one who waits
                result, trouble = None, why
            try:
                loop.call_soon_threadsafe(self._done, future, result, trouble)
            except RuntimeError:  # the loop is closed: nobody waits
                return

    def _done(self, future: asyncio.Future[Any], result: object, trouble: BaseException | None) -> None:
        self._busy -= 1
        if future.done():
            return
        if trouble is not None:
            future.set_exception(trouble)
        else:
            future.set_result(result)
