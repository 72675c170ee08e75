"""All browsers that watch live pictures, and the one who looks at the readout for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from daq.composition.fronts import Offer
from daq.gateway.live.frames import Frames
from daq.gateway.live.viewer import Viewer
from daq.gateway.live.watcher import Watcher

_LOG = logging.getLogger(__name__)
LOOK_S = 0.005
"""How often somebody looks whether the readout published, when it is about to: a few words of shared memory."""
FOLLOW_S = 0.25
_SHARE = 0.8
"""Of the time between two publications nobody looks."""


class Gallery:
    """Those who watch. One task looks while anybody does."""

    def __init__(self, offer: Offer) -> None:
        """Begin with nobody."""
        self.viewer = Viewer(offer)
        self.frames = Frames(self.viewer)
        self._watchers: set[Watcher] = set()
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def watching(self) -> Iterator[Watcher]:
        """Give the watcher of one browser while it is there; somebody looks at the readout as long as any is."""
        watcher = Watcher(self.frames)
        self._watchers.add(watcher)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look(), name="live-look")
        try:
            yield watcher
        finally:
            watcher.close()
            self._watchers.discard(watcher)
            if not self._watchers and self._looking is not None:
                self._looking.cancel()
                self._looking = None  # it ends a moment later, when another browser may have come

    async def _look(self) -> None:
        """Wake those who watch when something was published; attach to another readout when there is one."""
        loop = asyncio.get_running_loop()
        known: Any = None
        states: list[str] = []
        due_s = came_s = between_s = 0.0
        while True:
            if not any(watcher.wants for watcher in self._watchers):
                await asyncio.sleep(FOLLOW_S)
                continue
            if loop.time() >= due_s:
                due_s = loop.time() + FOLLOW_S
                await self._follow()
                states = [each["state"] for each in self.viewer.fresh().values()]
            found = (self.viewer.published(), states)
            if found != known:
                known = found
                between_s, came_s = min(loop.time() - came_s, FOLLOW_S), loop.time()
                for watcher in self._watchers:
                    watcher.wake()
            quiet_s = came_s + _SHARE * between_s - loop.time()
            await asyncio.sleep(max(LOOK_S, quiet_s))

    async def _follow(self) -> None:
        try:
            await self.viewer.follow()
        except Exception:  # noqa: BLE001 - whatever fails here, what is shown grows old and says so
            self.viewer.failures += 1
            _LOG.exception("the readout cannot be followed")
