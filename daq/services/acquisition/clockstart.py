"""A start at a time of day. It is turned into a delay at once, so that no change of the host's clock moves it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from daq.errors import RefusedError, ScandaqError
from daq.services.acquisition.progress import DEVICE
from daq.services.alarms import Alarms

_LOG = logging.getLogger(__name__)
MOST_S = 24 * 3600.0
_CHANGED_S = 1.0
"""By so much two clocks may differ in how they count a delay before it is said."""


class ClockStart:
    """Waits for the time and starts. One at a time; a start by hand, or an end, takes its place."""

    def __init__(
        self,
        start: Callable[[], Awaitable[None]],
        mark: Callable[[str], Awaitable[None]],
        alarms: Alarms,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`mark` puts a text into the recording: that the host's clock was changed meanwhile."""
        self._start, self._mark, self._alarms, self._now = start, mark, alarms, now
        self._task: asyncio.Task[None] | None = None
        self._at_s = 0.0

    @property
    def left_s(self) -> float:
        """Return the seconds until it starts; 0 where nothing is to be started by the clock."""
        waits = self._task is not None and not self._task.done()
        return max(0.0, self._at_s - time.monotonic()) if waits else 0.0

    def arm(self, at: datetime) -> float:
        """Start at this time; return the seconds until then. Raise `RefusedError` for the past, or beyond a day."""
        now = self._now()
        left_s = (at - now).total_seconds()
        if left_s <= 0:
            raise RefusedError(f"cannot start at {for_people(at)}: this host's clock says {for_people(now)}")
        if left_s > MOST_S:
            raise RefusedError(f"cannot start at {for_people(at)}: that is more than 24 h from {for_people(now)}")
        self.cancel()
        self._at_s = time.monotonic() + left_s
        self._task = asyncio.create_task(self._wait(at, left_s), name="start by the clock")
        return left_s

    def cancel(self) -> None:
        """Start no more, unless it is this that starts now."""
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        self._task = None
        self._alarms.clear(DEVICE, "clock-start")

    async def _wait(self, at: datetime, left_s: float) -> None:
        await asyncio.sleep(left_s)  # of the loop's clock, which is monotonic
        try:
            await self._start()
        except ScandaqError as why:
            self._alarms.raise_(
                DEVICE, "clock-start", priority="high", latched=True, text=f"the start by the clock failed: {why}",
                guidance="mend what is said and start by hand",
            )  # fmt: skip
            return
        changed_s = (self._now() - at).total_seconds()
        if abs(changed_s) > _CHANGED_S:
            text = f"started by the clock as asked; that of the host was changed by {changed_s:.1f} s meanwhile"
            _LOG.warning("%s", text)
            try:
                await self._mark(text)
            except ScandaqError as why:
                _LOG.warning("that is not in the recording: %s", why)


def for_people(at: datetime) -> str:
    """Return a time in the host's own time zone."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %z}"
