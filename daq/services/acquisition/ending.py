"""Tells a readout to end, and axes to stop, at once; and again where it was not heard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from daq.errors import ScandaqError
from daq.services.acquisition.link import Link
from daq.services.acquisition.work import Work
from daq.storage.steps import MOTION_LOST

_LOG = logging.getLogger(__name__)
_INSIST_S = 5.0
_ENDS_BY_ITSELF = frozenset({"sealing", "completing"})


class Ending:
    """Ends the recording of one run. `link` gives its readout, None where there is none."""

    def __init__(self, identity: str, link: Callable[[], Link | None], work: Work) -> None:
        self._identity, self._link, self._work = identity, link, work
        self._asked_s = 0.0

    async def end(self, by: str) -> None:
        """Stop the readout first, then what moves: counts end where they should, and both are on their way at once."""
        self._asked_s = asyncio.get_running_loop().time()
        if self._link() is None:
            await self._work.cancel()  # which may have launched it just now
        if (link := self._link()) is not None:
            await self._with_axes(link.stop(by))

    async def insist(self, status: Mapping[str, Any], by: str) -> None:
        """Ask a readout again to end that has not heard, or not understood."""
        late = asyncio.get_running_loop().time() > self._asked_s + _INSIST_S
        if late and status["state"] not in _ENDS_BY_ITSELF:
            await self.end(by)

    async def lose_motion(self, link: Link, why: str) -> None:
        """Say that the step has lost its motion, and stop what moves."""
        await self._with_axes(_lost(link, why))

    async def _with_axes(self, telling: Awaitable[None]) -> None:
        """Tell the readout something and stop what moves, at once. Who does not hear is told again by the tick."""
        self._asked_s = asyncio.get_running_loop().time()
        for why in await asyncio.gather(telling, self._work.cancel(), return_exceptions=True):
            if isinstance(why, ScandaqError):
                _LOG.warning("stopping %s: %s", self._identity, why)
            elif isinstance(why, BaseException):
                raise why


async def _lost(link: Link, why: str) -> None:
    try:
        await link.motion_lost(why)
    except ScandaqError:  # too busy, or it has ended
        await link.stop(MOTION_LOST)
