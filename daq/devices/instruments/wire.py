"""A wire with what is known of it, which several instruments may share: whose turn it is, whether it can be believed.

A reply that did not come may come later, whoever speaks then. So a doubt is one of the wire: nobody speaks before it
was silent for longer than any reply of its instruments can be late. That is waited for once, by whoever speaks next.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import count

from daq.devices.instruments.turns import Turns
from daq.errors import DeadlineError, UnreachableError, WireError
from daq.transports.link import Link

_OPEN_S = 2.0
_AGAIN_S = (0.2, 1.0, 3.0, 10.0)
_NOISE_S = 10.0
"""A wire that is not silent by then never is."""


class Wire:
    """One wire. `strays` counts pieces that came when nobody waited for them, `opened` how often it was opened.

    `interrupted` counts what was said into the midst of an exchange: the reply to that is not believed.
    """

    def __init__(self, link: Link, *, name: str = "wire", clock: Callable[[], float] = time.monotonic) -> None:
        self.link = link
        self.turns = Turns(name)
        self.doubt = ""
        self.strays = self.opened = self.interrupted = 0
        self.numbers = count(1)
        """Of frames that bear one: all who share the wire count together."""
        self._name, self._clock = name, clock
        self._late_s, self._silent_s = 0.0, 0.0
        self._failures, self._retry_s = 0, 0.0
        self._opening: asyncio.Task[None] | None = None
        self._closed = False

    def shared_with(self, late_s: float) -> None:
        """Know one more instrument, whose replies come at most `late_s` after what they reply to."""
        self._late_s = max(self._late_s, late_s)

    def said(self) -> None:
        """Take notice that something was just said, to which something may come."""
        self._silent_s = self._clock() + self._late_s

    def suspect(self, why: str) -> None:
        """Believe nothing that comes before it was silent."""
        self.doubt = self.doubt or why

    def interrupt(self, why: str) -> None:
        """Believe no reply that is waited for now."""
        self.interrupted += 1
        self.suspect(why)

    def hurry(self) -> None:
        """Let it be opened at once, however often that failed: somebody wants to stop something."""
        self._retry_s = 0.0

    async def open(self) -> None:
        """Open it. Raises `UnreachableError` or `DeadlineError`; soon after a failure it is not tried again."""
        if self._closed:
            raise UnreachableError(f"{self._name} was closed: the program ends")
        if self._opening is None or self._opening.done():
            if (left_s := self._retry_s - self._clock()) > 0:
                raise UnreachableError(f"{self._name} could not be opened; tried again in {left_s:.1f} s")
            self._opening = asyncio.get_running_loop().create_task(self._open(), name=f"{self._name}: open")
            self._opening.add_done_callback(_look_at)
        await asyncio.shield(self._opening)

    async def calm(self) -> None:
        """Return at once where nothing is doubtful, else when it was silent. Raises `WireError`, `UnreachableError`."""
        until_s = self._clock() + _NOISE_S
        while self.doubt:
            try:
                stray = await self.link.read(max(0.0, self._silent_s - self._clock()))
            except DeadlineError:
                if self._clock() >= self._silent_s:  # a stop that was said meanwhile makes it longer
                    self.doubt = ""
                continue
            except UnreachableError:
                await self.link.close()
                raise
            self.strays += bool(stray)
            self.said()
            if self._clock() > until_s:
                raise WireError(f"{self._name} is not silent for {self._late_s:g} s within {_NOISE_S:g} s")

    async def close(self) -> None:
        """Hang up, for good: what is still on its way to be asked opens it no more."""
        self._closed = True
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait({self._opening})
        await self.link.close()

    async def _open(self) -> None:
        try:
            await self.link.open(_OPEN_S)
        except (UnreachableError, DeadlineError):
            self._retry_s = self._clock() + _AGAIN_S[min(self._failures, len(_AGAIN_S) - 1)]
            self._failures += 1
            raise
        self.opened += 1
        self._failures, self._retry_s = 0, 0.0
        self.said()
        self.suspect("it was just opened")


def _look_at(task: asyncio.Task[None]) -> None:
    """Take notice of how it ended where nobody waits for it any more."""
    if not task.cancelled():
        task.exception()
