"""Threads beside the loop, for what may wait: files, databases. Every call has a deadline, every queue a bound."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, cast

from daq.errors import DeadlineError, RefusedError

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Job:
    work: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    is_given_up: bool = False


class Worker:
    """Runs functions in up to `threads` threads, which never keep the process from ending.

    At most `waiting` calls wait for a thread. `late` counts calls whose deadline came first; one that has begun goes on
    to its end in its thread, and its result is dropped.
    """

    def __init__(self, name: str, *, threads: int = 1, waiting: int = 64) -> None:
        self.late = 0
        self._name = name
        self._most_threads = threads
        self._jobs: queue.Queue[_Job | None] = queue.Queue(waiting)
        self._threads: list[threading.Thread] = []
        self._closed = False

    async def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `work` returns, without a deadline of its own: for work that has one."""
        return await self._run(lambda: work(*args, **kwargs), None)

    async def call_within(self, within_s: float, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `work` returns, or raise what it raises; `DeadlineError` after `within_s`.

        Raise `RefusedError` where too many calls wait already.
        """
        return await self._run(lambda: work(*args, **kwargs), within_s)

    def close(self) -> None:
        """Let the threads end after what waits; wait for nothing."""
        self._closed = True
        for _ in self._threads:
            with suppress(queue.Full):  # threads are daemons: they end with the process at the latest
                self._jobs.put_nowait(None)

    async def _run(self, work: Callable[[], T], within_s: float | None) -> T:
        if self._closed:
            raise RefusedError(f"{self._name}: closed")
        loop = asyncio.get_running_loop()
        job = _Job(work, loop, loop.create_future())
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            raise RefusedError(f"{self._name}: {self._jobs.maxsize} calls wait already") from None
        self._start_thread()
        try:
            async with asyncio.timeout(within_s):
                result: T = await job.future
        except TimeoutError:
            if job.future.done() and not job.future.cancelled():
                return cast("T", job.future.result())  # it came together with the deadline, or said so itself
            self.late += 1
            raise DeadlineError(f"{self._name}: no result within {within_s:g} s") from None
        finally:
            job.is_given_up = True
        return result

    def _start_thread(self) -> None:
        if len(self._threads) < self._most_threads:
            thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if job.is_given_up:
                continue
            result, error = None, None
            try:
                result = job.work()
            except Exception as why:  # noqa: BLE001 - handed to whoever called
                error = why
            with suppress(RuntimeError):  # the loop has ended, so nobody waits
                job.loop.call_soon_threadsafe(_answer, job.future, result, error)


def _answer(future: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
