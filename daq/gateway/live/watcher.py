"""One browser that watches: what it wants, what it has, what it has not painted yet. It is sent the latest, or nothing.

Nothing is queued: a frame is made when there is room for it. At most two are on their way; a browser that paints none
is sent none, and when it paints again the next is of that moment.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from daq.gateway.live.frames import Frames, Sent, Version
from daq.gateway.live.wants import Ack, Want, What

MOST_UNPAINTED = 2
QUIET_S = 1.0
"""So often a browser hears of the figures when none are new: how old they are."""
_EARLY = 0.8
"""Of a period: readouts publish at a pace of their own, and a frame must not miss its turn by a millisecond."""


class Watcher:
    """What is sent to one browser. One coroutine runs `show`."""

    def __init__(self, frames: Frames) -> None:
        """Begin with a browser that wants nothing."""
        self._frames = frames
        self._want = Want()
        self._seen: dict[What, Version] = {}
        self._unpainted: deque[int] = deque()
        self._woken = asyncio.Event()
        self.sent = 0

    @property
    def wants(self) -> bool:
        """Return True where it wants to see something."""
        return bool(self._want.what)

    @property
    def unpainted(self) -> int:
        """Return how many frames are on their way."""
        return len(self._unpainted)

    def said(self, message: Want | Ack) -> None:
        """Take in what the browser said."""
        if isinstance(message, Ack):
            self._painted(message.seq)
        elif message != self._want:
            self._want = message
            self._seen = {}
            self._frames.wanted[self] = message
            self._woken.set()

    def _painted(self, seq: int) -> None:
        if seq not in self._unpainted:
            return
        if len(self._unpainted) >= MOST_UNPAINTED:
            self._woken.set()
        while self._unpainted.popleft() != seq:
            pass  # painting a frame leaves those before it behind

    def wake(self) -> None:
        """Have it look whether there is something new."""
        self._woken.set()

    async def show(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send frames until cancelled, by `send`, which returns when the next may be sent."""
        loop = asyncio.get_running_loop()
        sent_s = -QUIET_S
        while True:
            await self._woken_within(QUIET_S - (loop.time() - sent_s))
            if not self.wants or len(self._unpainted) >= MOST_UNPAINTED:
                await self._woken_within(QUIET_S)
                continue
            early_s = sent_s + _EARLY / self._want.hz - loop.time()
            if early_s > 0:
                await asyncio.sleep(early_s)
            want = self._want
            frame = await self._frames.frame(want, self._seen, anyway=loop.time() - sent_s >= QUIET_S)
            if frame is not None and want is self._want:  # else it wants something else by now
                sent_s = loop.time()
                await self._send(frame, send)

    async def _send(self, frame: Sent, send: Callable[[bytes], Awaitable[None]]) -> None:
        self._unpainted.append(frame.number)
        self._seen.update(frame.brings)
        self.sent += 1
        await send(frame.data)

    async def _woken_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._woken.wait()
        except TimeoutError:
            return
        finally:
            self._woken.clear()

    def close(self) -> None:
        """Want nothing any more."""
        self._frames.wanted.pop(self, None)
