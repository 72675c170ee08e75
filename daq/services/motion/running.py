"""One movement while it runs, in a task of its own, so that whoever drops it needs not wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from daq.errors import MotionError, ScandaqError
from daq.state.enable import Event, Motion

_LOG = logging.getLogger(__name__)
_GUARD_S = 0.05
_STOOD_STILL_S = 0.25
_GRACE_S = 0.25
"""A read that was cut off by it, a pause, and another read."""
_AGAIN_S = 0.5
_END_S = 5.0
"""An axis needs a second and a bit to stop or to say that it cannot; after this, its driver hangs."""

Work = Callable[[], Coroutine[Any, Any, None]]


class Running:
    """A movement of some axes. `dropped_by`: what ended it before its time."""

    def __init__(self, motion: Motion, axes: tuple[str, ...], what: str, work: Work) -> None:
        self.motion = motion
        self.axes = axes
        self.what = what
        self.dropped_by: Event | None = None
        self._dropped_why = ""
        self._work = work
        self._task: asyncio.Task[None] | None = None
        self._over = asyncio.Event()

    def drop(self, event: Event, why: str) -> None:
        """End it; the first reason holds. Its axes stop on their way out."""
        if self.dropped_by is None:
            self.dropped_by, self._dropped_why = event, why
            if self._task is not None:
                self._task.cancel()

    async def attend(self, guard: Callable[[], None]) -> None:
        """Run it, call `guard` often, and leave when it has ended.

        Raises what it raised, `MotionError` where it was dropped, or where it does not end though it was cancelled.
        """
        task = asyncio.get_running_loop().create_task(self._work(), name=f"motion: {self.what}")
        self._task = task
        try:
            while not task.done():
                await self._look(task)
                if not task.done():
                    guard()
                if self.dropped_by is not None:
                    await self._see_out(task)
        except asyncio.CancelledError:
            await self._see_out(task)
            _note(task)
            raise
        finally:
            self._over.set()
        self._outcome(task)

    async def ended(self) -> None:
        """Return when it is over, or after some seconds if its driver hangs."""
        try:
            async with asyncio.timeout(_END_S):
                await self._over.wait()
        except TimeoutError:
            return

    async def _look(self, task: asyncio.Task[None]) -> None:
        """Wait a moment, and another one where that took far too long.

        What stood still then is this program, or its host: interlocks seem old because nobody could read them. Their
        readers come first, then they are judged.
        """
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        await asyncio.wait({task}, timeout=_GUARD_S)
        if loop.time() - begin_s > _STOOD_STILL_S and self.dropped_by is None:
            await asyncio.wait({task}, timeout=_GRACE_S)

    async def _see_out(self, task: asyncio.Task[None]) -> None:
        """Cancel it until it has ended, though this task is cancelled meanwhile."""
        until_s = asyncio.get_running_loop().time() + _END_S
        while not task.done():
            if asyncio.get_running_loop().time() > until_s:
                raise MotionError(f"{self.what}: does not end though it was cancelled {_END_S:g} s ago")
            task.cancel()
            await _wait_unmoved(task, _AGAIN_S)

    def _outcome(self, task: asyncio.Task[None]) -> None:
        why = None if task.cancelled() else task.exception()
        if task.cancelled() or (why is not None and self.dropped_by is not None):
            raise MotionError(f"{self.what}: {self._dropped_why or 'was cancelled'}") from why
        if isinstance(why, ScandaqError):
            raise why
        if why is not None:
            raise MotionError(f"{self.what}: unexpected {type(why).__name__}: {why}") from why


def _note(task: asyncio.Task[None]) -> None:
    """Write down what a movement ended with whose caller has gone; whether its axes stand is looked at apart."""
    if not task.cancelled() and (why := task.exception()) is not None:
        _LOG.warning("%s, after it was cancelled: %s", task.get_name(), why)


async def _wait_unmoved(task: asyncio.Task[None], seconds: float) -> None:
    """Wait for a task whoever cancels this one meanwhile; the caller knows that, or raises later."""
    until_s = asyncio.get_running_loop().time() + seconds
    while not task.done() and (left_s := until_s - asyncio.get_running_loop().time()) > 0:
        try:
            await asyncio.wait({task}, timeout=left_s)
        except asyncio.CancelledError:
            continue


async def together(moves: Iterable[Work]) -> None:
    """Run movements at the same time. Where one fails the others are stopped; raise the gravest of what they raised."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for number, move in enumerate(moves):
                tasks.create_task(move(), name=f"motion: axis {number}")
    except BaseExceptionGroup as several:
        grave = [why for why in several.exceptions if isinstance(why, MotionError)]
        raise (grave or several.exceptions)[0] from several
