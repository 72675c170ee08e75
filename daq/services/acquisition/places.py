"""Puts into the recording where axes are: all of them before a step, and each that moves at every look at it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from daq.errors import DeadlineError, ScandaqError
from daq.model.axissample import AxisSample
from daq.services.acquisition.link import Link
from daq.services.acquisition.progress import DEVICE
from daq.services.alarms import Alarms

if TYPE_CHECKING:
    from daq.services.motion.whereabouts import Whereabouts

_LOG = logging.getLogger(__name__)
_MOST_AT_ONCE = 256
MOST_KEPT = 4096
"""Samples that wait for a readout which does not answer: a minute of three axes."""
_EVERY_S = 0.1
_LOOK_S = 0.05
_PATIENCE_S = 2.0
_ON_ITS_WAY_S = 1.0
"""Front ends send what they have at least ten times a second."""
_BEGINS_S = 10.0
"""A front end may take a moment to begin when it is asked to."""


class Places:
    """Keeps samples until the readout has taken them. `lost`: those that were dropped, the oldest first."""

    def __init__(self, where: Whereabouts, link: Callable[[], Link], alarms: Alarms) -> None:
        self._where, self._link, self._alarms = where, link, alarms
        self._waiting: deque[AxisSample] = deque()
        self._listening = ExitStack()
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._late = False
        self.lost = 0
        self.stood: dict[str, float] = {}
        """Where axes were when they were last read before a step, in their units."""

    def begin(self) -> None:
        """Hear every movement from here on, and hand on what was heard ten times a second."""
        if self._task is None:
            self._listening.enter_context(self._where.listening(self._heard))
            self._task = asyncio.create_task(self._run(), name="places of axes")

    def end(self) -> None:
        """Hear nothing more; what the readout has not taken is not in the recording."""
        self._listening.close()
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._waiting.clear()
        self._alarms.clear(DEVICE, "places-lost")

    async def standing(self) -> None:
        """Read all axes and put where they are into the recording, before a step that begins."""
        samples = await self._where.now()
        self.stood = {sample.axis: sample.position for sample in samples}
        for sample in samples:
            self._heard(sample)
        await self.delivered()

    async def begun(self) -> None:
        """Return once the recording holds what was heard; raise `DeadlineError` where nothing is recorded for long."""
        until_s = time.monotonic() + _BEGINS_S
        while True:
            await self.delivered()
            if not self._waiting:
                return
            if time.monotonic() > until_s:
                raise DeadlineError(f"nothing is recorded {_BEGINS_S:g} s after the start: axes do not move for that")
            await asyncio.sleep(_EVERY_S)

    async def delivered(self) -> None:
        """Return when the recording has all that was heard so far; what it does not take now is told again."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._deliver()
        except (ScandaqError, TimeoutError) as why:
            if not self._late:
                _LOG.info("where axes are waits for the readout: %s", why or "it does not answer")
            self._late = True
        else:
            self._late = False

    async def passed(self) -> None:
        """Return once the data have come as far as the axes have, which is some tenths of a second later.

        Not later than a second: what has not come by then is not on its way.
        """
        await self.delivered()
        until_s = time.monotonic() + _ON_ITS_WAY_S
        try:
            while (await self._link().status()).get("axes_ahead_s"):
                if time.monotonic() > until_s:
                    _LOG.info("no data have come for where the axes arrived, %g s after they did", _ON_ITS_WAY_S)
                    return
                await asyncio.sleep(_LOOK_S)
        except ScandaqError as why:  # who follows its status says so
            _LOG.info("whether all data have come is not known: %s", why)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            if self._waiting:
                await self.delivered()

    async def _deliver(self) -> None:
        async with self._turn:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(_MOST_AT_ONCE, len(self._waiting)))]
                try:
                    await self._link().positions(batch)
                except BaseException:  # also when cancelled: they are told again
                    self._waiting.extendleft(reversed(batch))
                    self._keep_bound()
                    raise

    def _heard(self, sample: AxisSample) -> None:
        self._waiting.append(sample)
        self._keep_bound()

    def _keep_bound(self) -> None:
        """Drop the oldest of too many, and say so."""
        over = len(self._waiting) - MOST_KEPT
        if over <= 0:
            return
        for _ in range(over):
            self._waiting.popleft()
        self.lost += over
        self._alarms.raise_(
            DEVICE, "places-lost", priority="medium", latched=True,
            text=f"{self.lost:,} positions of axes are missing in the recording: the program that records is too slow",
            guidance="repeat the view if axes moved meanwhile; tell whoever services the scanner",
        )  # fmt: skip
