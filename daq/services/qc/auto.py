"""Does tests at a set hour by itself, where a person left source and heads in place.

It never moves an axis or a source, for nobody is there to see whom or what they would hit. What is against it is an
alarm, and the test stays due.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import ScandaqError
from daq.model.qc.limits import QcTest
from daq.services.qc.ringing import Ringing
from daq.storage.files import StorageFiles

if TYPE_CHECKING:
    from daq.model.axissample import AxisSample
    from daq.model.protocol import AcquisitionProtocol

_LOG = logging.getLogger(__name__)
_LOOK_S = 2.0
LATE = timedelta(minutes=30)
"""A daemon that comes so late after the hour still does it; later it is left to people."""
_STANDS = 0.5
"""An axis stands where it was left: mm or degrees."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a person left in place for a test: the source, the axes where they stood."""

    test: str
    source: str | None
    by: str
    at_utc: str
    places: Mapping[str, float]


class Leavings:
    """What is left in place now. Any run, any movement, a patient: then nothing is any more.

    `changed` hears that it is another.
    """

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._left: dict[str, Left] = {}
        self._changed = changed
        self._why = "nobody has said that source and heads were left in place (daq qc leave)"

    def put(self, left: Left) -> None:
        """Take note of what was left; what was left for other tests stays, for it is the same evening."""
        self._left[left.test] = left
        self._changed()

    def disturbed(self, why: str) -> None:
        """Forget all of it: `why` in words."""
        if self._left:
            self._left.clear()
            self._why = why
            self._changed()

    def heard(self, sample: AxisSample) -> None:
        """Hear where an axis is on its way."""
        self.disturbed(f"{sample.axis} was moved since source and heads were left")

    def of(self, test: str) -> tuple[Left | None, str]:
        """Return what was left for a test, and why nothing is."""
        return self._left.get(test), self._why

    def figures(self) -> list[dict[str, Any]]:
        """Return what is left, as plain data."""
        return [
            {"test": each.test, "source": each.source, "by": each.by, "at_utc": each.at_utc}
            for each in self._left.values()
        ]


@dataclass(frozen=True, slots=True)
class Room:
    """What the automatic test looks at: the protocol of a test, what is against it now, where axes stand."""

    protocol_of: Callable[[str], Awaitable[AcquisitionProtocol]]
    against: Callable[[], str | None]
    """Why the station is not free for it: under way, the bed, interlocks; None where it is."""
    places: Callable[[], Awaitable[dict[str, float]]]
    acquire: Callable[[str, str | None], Awaitable[None]]
    """Prepares and starts a test with a source; raises what is against it."""


class AutoQc:
    """Looks at the clock. `file` keeps on which day a test was tried, so that no restart does it twice."""

    def __init__(
        self, tests: Mapping[str, QcTest], leavings: Leavings, room: Room, ringing: Ringing, file: Path,
        *, zone: tzinfo, clock: Callable[[], datetime], files: StorageFiles | None = None,
    ) -> None:  # fmt: skip
        self.tests = {name: test for name, test in tests.items() if test.auto_at is not None}
        self._leavings, self._room, self._ringing, self._file = leavings, room, ringing, file
        self._zone, self._clock, self._files = zone, clock, files or StorageFiles()
        self._tried: dict[str, str] | None = None

    async def run(self) -> None:
        """Look at the clock until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        """Do what is to be done now."""
        now = self._clock()
        for name, test in self.tests.items():
            day = due_day(test.auto_at or "", now, self._zone)
            if day is not None and await self._is_first(name, day):
                await self._do(name, test)

    async def _do(self, name: str, test: QcTest) -> None:
        try:
            why, left = await self._why_not(name, test)
            if why is None and left is not None:
                await self._room.acquire(name, left.source)
                return
        except ScandaqError as refused:
            why = str(refused)
        _LOG.warning("automatic %s was not done: %s", name, why)
        self._ringing.not_done(name, why or "nothing was left in place")

    async def _why_not(self, name: str, test: QcTest) -> tuple[str | None, Left | None]:
        left, why_none = self._leavings.of(name)
        if left is None:
            return why_none, None
        if (why := self._room.against()) is not None:
            return why, left
        if (why := moving(await self._room.protocol_of(test.protocol or ""))) is not None:
            return why, left
        return not_there(left.places, await self._room.places()), left

    async def _is_first(self, name: str, day: date) -> bool:
        """Return True once for a test and a day; that it was tried is on the disk before it is."""
        if self._tried is None:
            self._tried = await asyncio.to_thread(self._read)
        if self._tried.get(name) == day.isoformat():
            return False
        self._tried[name] = day.isoformat()
        try:
            await asyncio.to_thread(self._files.rename_durably, json.dumps(self._tried).encode(), self._file)
        except OSError as why:
            self._ringing.not_done(name, f"{self._file}: {why.strerror}; after a restart it could be done twice")
            return False
        return True

    def _read(self) -> dict[str, str]:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            told = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as why:
            _LOG.warning("%s cannot be read: %s", self._file, why)
            return {}
        return {str(name): str(day) for name, day in told.items()} if isinstance(told, dict) else {}


def due_day(at: str, now: datetime, zone: tzinfo) -> date | None:
    """Return the day of the site whose automatic test is to be done at `now`; None where it is not the time.

    Once a day: where clocks go back the first of two hours counts, where they go forward and the hour is left out the
    moment that would have been it.
    """
    local = now.astimezone(zone)
    hour, minute = (int(part) for part in at.split(":"))
    for day in (local.date(), local.date() - timedelta(days=1)):
        moment = datetime.combine(day, time(hour, minute), tzinfo=zone)
        if timedelta(0) <= now - moment.astimezone(now.tzinfo) < LATE:
            return day
    return None


def moving(protocol: AcquisitionProtocol) -> str | None:
    """Return why a protocol is never done by itself: it moves an axis, or waits for a person in the middle."""
    moved = sorted({axis for step in protocol.steps for axis in step.positions})
    if moved:
        return f"its protocol {protocol.id} moves {', '.join(moved)}, and nothing moves by itself"
    if any(step.start == "manual" for step in protocol.steps[1:]) or protocol.hand_overs:
        return f"its protocol {protocol.id} waits for a person between its steps"
    return None


def not_there(left: Mapping[str, float], now: Mapping[str, float]) -> str | None:
    """Return which axes do not stand where they were left, or do not say where they stand."""
    silent = sorted(set(left) - set(now))
    if silent:
        return f"{', '.join(silent)} does not say where it stands"
    away = sorted(axis for axis, place in left.items() if abs(now[axis] - place) > _STANDS)
    return f"{', '.join(away)} does not stand where it was left" if away else None
