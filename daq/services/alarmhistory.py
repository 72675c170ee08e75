"""What happened to alarms: came, became worse, were acknowledged, were over. Heard on the bus, kept over a restart.

Alarms themselves keep only what is shown now; who asks why somebody was called last night asks here.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from daq.errors import DeadlineError, RefusedError
from daq.model.console.room_verbs import AlarmHistory
from daq.model.station import Actor, Alarm, Announcement, utc_now
from daq.services.bus import Bus
from daq.services.worker import Worker
from daq.storage.happenings import append_happenings, load_happenings

_LOG = logging.getLogger(__name__)
MOST = 5000
"""So many are kept; the oldest go first."""
_MOST_WAITING = 2000
_WRITE_S = 0.5
_AGAIN_S = 5.0
_WITHIN_S = 10.0
_RANK = {"low": 0, "medium": 1, "high": 2}

What = Literal["came", "worse", "acknowledged", "over"]


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened to an alarm. `number` counts up; `by`: who acknowledged it, else empty."""

    number: int
    at_utc: str
    device: str
    name: str
    priority: str
    text: str
    guidance: str
    what: What
    by: str = ""
    details: str = ""


class AlarmLog:
    """Hears alarms and keeps what happened to them. For the loop's thread only; nothing waits but `run`.

    `unwritten` counts what the disk did not take in time and is in memory alone, `foreign` lines of the file that were
    none. What `dropped` returns is told with every page: how many alarms found no room among those that are shown.
    """

    def __init__(self, bus: Bus, file: Path, *, dropped: Callable[[], int] = int) -> None:
        self.unwritten = self.foreign = 0
        self._bus, self._file = bus, file
        self._dropped = dropped
        self._kept: deque[Happening] = deque(maxlen=MOST)
        self._waiting: deque[Happening] = deque()
        # what was rung already when this was made came in the run before
        self._known = {(each.device, each.name): each for each in bus.newest() if isinstance(each, Alarm)}
        self._number = 0
        self._changed = asyncio.Event()
        self._worker = Worker("alarm-history")

    @property
    def handlers(self) -> dict[str, Any]:
        """Return who carries out the verb."""
        return {"alarm-history": self._page}

    async def run(self) -> None:
        """Load what was kept, then hear and write until cancelled."""
        with self._bus.listening(self.hear, replay=True):
            try:
                await self._load()
                while True:
                    await self._changed.wait()
                    self._changed.clear()
                    await asyncio.sleep(_WRITE_S)  # what comes in a storm is written together
                    if not await self._write():
                        self._changed.set()
                        await asyncio.sleep(_AGAIN_S)
            finally:
                await self._write()
                self._worker.close()

    def hear(self, said: Announcement) -> None:
        """Note what became of an alarm."""
        if not isinstance(said, Alarm):
            return
        key = said.device, said.name
        before = self._known.get(key)
        for what in _between(before, said):
            self._note(said, what)
        if said.shown:
            self._known[key] = said
        else:
            self._known.pop(key, None)

    def page(self, asked: AlarmHistory) -> dict[str, Any]:
        """Return what happened, the newest first, and the number to go on `before`; null at the end."""
        before = asked.before or self._number + 1
        wanted = (each for each in reversed(self._kept) if each.number < before)
        found = [each for each in wanted if asked.priority is None or each.priority == asked.priority]
        shown = found[: asked.limit]
        return {
            "happened": [asdict(each) for each in shown],
            "before": shown[-1].number if len(found) > len(shown) else None,
            "kept": len(self._kept), "most": MOST, "unwritten": self.unwritten,
            "dropped": self._dropped(),
        }  # fmt: skip

    async def _page(self, asked: AlarmHistory, _: Actor) -> dict[str, Any]:
        return self.page(asked)

    def _note(self, alarm: Alarm, what: What) -> None:
        self._number += 1
        by = alarm.acknowledged_by or "" if what == "acknowledged" else ""
        noted = Happening(
            self._number,
            utc_now(),
            alarm.device,
            alarm.name,
            alarm.priority,
            alarm.text,
            alarm.guidance,
            what,
            by,
            alarm.details,
        )
        self._kept.append(noted)
        if len(self._waiting) >= _MOST_WAITING:
            self._waiting.popleft()
            self.unwritten += 1
        self._waiting.append(noted)
        self._changed.set()

    async def _load(self) -> None:
        """Put what the run before kept before what happened since this one began."""
        try:
            lines, self.foreign = await self._worker.call_within(_WITHIN_S, load_happenings, self._file, MOST)
        except (OSError, DeadlineError, RefusedError) as why:
            _LOG.warning("the history of alarms cannot be read: %s", why)
            return
        began = lines[-1]["number"] if lines else 0
        since = [_renumbered(each, began) for each in self._kept]
        self._waiting = deque(_renumbered(each, began) for each in self._waiting)
        self._kept = deque([*(Happening(**line) for line in lines), *since], maxlen=MOST)
        self._number += began

    async def _write(self) -> bool:
        """Append what waits; return False where the disk refuses."""
        lines: list[Mapping[str, Any]] = [asdict(each) for each in self._waiting]
        if not lines:
            return True
        try:
            await self._worker.call_within(_WITHIN_S, append_happenings, self._file, lines)
        except (OSError, DeadlineError, RefusedError) as why:
            _LOG.warning("the history of alarms cannot be written: %s", why)
            return False
        for _ in lines:
            self._waiting.popleft()
        return True


def _between(before: Alarm | None, now: Alarm) -> list[What]:
    """Return what happened from one announcement to the next of the same alarm."""
    found: list[What] = []
    if now.active and (before is None or not before.active):
        found.append("came")
    elif before is not None and _RANK[now.priority] > _RANK[before.priority]:
        found.append("worse")
    if now.acknowledged_by is not None and (before is None or before.acknowledged_by is None):
        found.append("acknowledged")
    if before is not None and before.active and not now.active:
        found.append("over")
    return found


def _renumbered(happening: Happening, began: int) -> Happening:
    return Happening(**{**asdict(happening), "number": happening.number + began})
