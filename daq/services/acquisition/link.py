"""A readout as the daemon's loop sees it: every call runs in a thread of its own pool, under a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from daq.errors import DeadlineError, ScandaqError
from daq.model.axissample import AxisSample
from daq.services.worker import Worker

if TYPE_CHECKING:
    from daq.readout.parent import ReadoutProcess
    from daq.readout.plan import Plan

_T = TypeVar("_T")
_COMMAND_S = 10.0
_LAUNCH_S = 30.0
_THREADS = 7
"""One waits for a command's turn, one for a mark's, one asks for the status, one attends, one tells where axes are, two
are left for a stop."""

ATTEND_S = 2.0
_ATTEND_EVERY_S = 0.5


class Link:
    """Asks one readout. A call that takes too long raises `DeadlineError`; its thread ends by its own deadline."""

    def __init__(self, readout: ReadoutProcess, pool: ThreadPoolExecutor) -> None:
        """Use `launched` or `adopted`."""
        self._readout = readout
        self._pool = pool
        self._marking = asyncio.Semaphore(1)
        self._telling = asyncio.Semaphore(1)
        self._sizes = Worker("readout-size")
        self._sizing: asyncio.Task[int] | None = None
        self._size_bytes = 0
        self._answer: dict[str, Any] = {}
        self._answered_s = time.monotonic()

    @classmethod
    async def launched(cls, plan: Plan, runtime: Path) -> Link:
        """Start the readout of a plan."""
        from daq.readout.parent import ReadoutProcess

        pool = _pool()
        try:
            return cls(await _within(pool, _LAUNCH_S, lambda: ReadoutProcess.launch(plan, runtime)), pool)
        except BaseException:
            pool.shutdown(wait=False)
            raise

    @classmethod
    async def adopted(cls, runtime: Path) -> Link:
        """Follow a readout that was started before; raise `MissingError` when it left nothing."""
        from daq.readout.parent import ReadoutProcess

        pool = _pool()
        try:
            return cls(await _within(pool, _COMMAND_S, lambda: ReadoutProcess.adopt(runtime)), pool)
        except BaseException:
            pool.shutdown(wait=False)
            raise

    @property
    def readout(self) -> ReadoutProcess:
        """Return the readout itself, for what does not wait."""
        return self._readout

    async def status(self) -> dict[str, Any]:
        """Return its status; the last one it gave when it does not answer just now, `unanswered_s` says since when."""
        status = await self._call(self._readout.status)
        now_s = time.monotonic()
        if status is not self._answer:
            self._answer, self._answered_s = status, now_s
        self._look_at_size(status.get("directory"))
        return {**status, "file_bytes": self._size_bytes, "unanswered_s": now_s - self._answered_s}

    def _look_at_size(self, directory: str | None) -> None:
        """See how large the files are, beside everything else: a disk that hangs must not make the status wait."""
        if self._sizing is not None and self._sizing.done():
            if not self._sizing.cancelled() and self._sizing.exception() is None:
                self._size_bytes = self._sizing.result()
            self._sizing = None
        if self._sizing is None:
            self._sizing = asyncio.create_task(self._sizes.call(_size_bytes, directory), name="readout-size")

    async def start(self) -> None:
        """Begin to record."""
        await self._call(self._readout.start)

    async def step(self, limits: list[str], *, name: str, moving: bool) -> None:
        """Begin the next step."""
        await self._call(lambda: self._readout.step(*limits, name=name, moving=moving))

    async def end_step(self, by: str, *, completed: bool = True) -> None:
        """End the step and record on. `completed`: it is whole."""
        await self._call(lambda: self._readout.end_step(by=by, completed=completed))

    async def pause(self) -> None:
        """Mark the beginning of a pause."""
        await self._call(self._readout.pause)

    async def resume(self) -> None:
        """Mark the end of a pause."""
        await self._call(self._readout.resume)

    async def mark(self, text: str) -> None:
        """Put a text into the recording; one at a time, so that many leave threads to what cannot wait."""
        async with self._marking:
            await self._call(lambda: self._readout.mark(text))

    async def hand_over(self, text: str) -> None:
        """Put the record of a hand-over into the recording."""
        async with self._marking:
            await self._call(lambda: self._readout.mark(text, kind="hand_over"))

    async def injected(self, text: str, monotonic_ns: int) -> None:
        """Mark the moment of an injection."""
        async with self._marking:
            await self._call(lambda: self._readout.mark(text, kind="injection", monotonic_ns=monotonic_ns))

    async def positions(self, samples: Sequence[AxisSample]) -> None:
        """Tell where axes were, at most 256 samples at once, one call at a time; the data path waits for none."""
        async with self._telling:
            await self._call(lambda: self._readout.positions(samples))

    async def motion_lost(self, text: str) -> None:
        """Say that the step has lost its motion: what comes from now on does not count, and the recording ends."""
        await self._call(lambda: self._readout.motion_lost(text))

    async def stop(self, by: str) -> None:
        """Ask for an orderly end, whatever it is doing."""
        await self._call(lambda: self._readout.stop(by=by))

    async def release(self) -> None:
        """Let an armed readout go, which leaves nothing, and wait for its end: the front end is free then."""
        await self._call(self._readout.release)
        await _within(self._pool, _COMMAND_S, lambda: self._readout.result(deadline_s=_COMMAND_S))

    async def running(self) -> bool:
        """Return whether the process lives."""
        return await self._call(self._readout.running)

    async def result(self, deadline_s: float) -> dict[str, Any]:
        """Wait for its end and return the last status; raise what it failed with."""
        return await _within(self._pool, deadline_s + _COMMAND_S, lambda: self._readout.result(deadline_s=deadline_s))

    async def attend(self) -> None:
        """Say twice a second that somebody watches, until cancelled or until it has ended."""
        while True:
            with contextlib.suppress(ScandaqError):  # it does not answer: who follows its status says so
                await self._call(lambda: self._readout.attend(ATTEND_S))
            await asyncio.sleep(_ATTEND_EVERY_S)

    async def close(self) -> None:
        """Follow it no longer. It goes on."""
        self._sizes.close()
        if self._sizing is not None:
            self._sizing.cancel()
        try:
            await self._call(self._readout.close)
        finally:
            self._pool.shutdown(wait=False)

    async def _call(self, ask: Callable[[], _T]) -> _T:
        return await _within(self._pool, _COMMAND_S, ask)


def _size_bytes(directory: str | None) -> int:
    """Return how large the files of a recording are; 0 while there is none."""
    if directory is None:
        return 0
    try:
        with os.scandir(directory) as entries:
            return sum(entry.stat().st_size for entry in entries)
    except OSError:  # not there yet, or a file that is being replaced
        return 0


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="readout-link")


async def _within(pool: ThreadPoolExecutor, deadline_s: float, ask: Callable[[], _T]) -> _T:
    try:
        async with asyncio.timeout(deadline_s):
            return await asyncio.get_running_loop().run_in_executor(pool, ask)
    except TimeoutError:
        raise DeadlineError(f"the readout was not done within {deadline_s:g} s") from None
