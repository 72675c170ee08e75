"""Says over the bus where each test of quality control stands, as soon as that changes: results, events, the clock."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from daq.errors import ScandaqError
from daq.model.station import QcStatus
from daq.qc.schedule import Due
from daq.services.bus import Bus
from daq.services.qc.standing import Standing

_LOG = logging.getLogger(__name__)
_LOOK_S = 30.0


class Announcing:
    """Looks twice a minute, and when it is told to."""

    def __init__(self, standing: Standing, bus: Bus) -> None:
        self._standing, self._bus = standing, bus
        self._told = asyncio.Event()
        self._said: dict[str, QcStatus] = {}

    def look(self) -> None:
        """Look soon: something was entered into the books."""
        self._told.set()

    async def run(self) -> None:
        """Announce what changes until cancelled."""
        while True:
            self._told.clear()
            await self.announce()
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._told.wait()
            except TimeoutError:
                continue

    async def announce(self) -> None:
        """Announce what has changed since it was announced last."""
        try:
            due = await self._standing.due()
        except ScandaqError as why:
            _LOG.warning("where tests of quality control stand is not known: %s", why)
            return
        for each in due:
            status = status_of(each)
            if self._said.get(each.test) != status:
                self._said[each.test] = status
                self._bus.announce(status)


def status_of(due: Due) -> QcStatus:
    """Return what is announced of a test."""
    newest = due.newest
    return QcStatus(
        due.test, due.title, due.state, "" if newest is None else str(newest.level),
        None if newest is None else _utc(newest.performed), None if due.next_due is None else _utc(due.next_due),
        None if newest is None else newest.id, due.blocking, due.words,
    )  # fmt: skip


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
