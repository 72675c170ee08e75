"""The station's alarms: raised by whoever knows, announced to everybody, kept until their cause is gone and seen.

An alarm is *active* while its cause lasts. One that latches stays shown after that until somebody acknowledges it; an
acknowledged one stays shown until the cause is gone. Every alarm has a priority, and says what to do.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from daq.errors import DeadlineError, MissingError, RefusedError, UsageError
from daq.model.cleantext import clean_text
from daq.model.station import Actor, Alarm, Priority, utc_now
from daq.services.bus import Bus
from daq.services.worker import Worker
from daq.storage.alarmfile import dump_alarms, load_alarms
from daq.storage.files import StorageFiles

_LOG = logging.getLogger(__name__)
_RANK: dict[Priority, int] = {"low": 0, "medium": 1, "high": 2}
_MOST_TEXT = 300
_MOST_DETAILS = 1000
_MOST_NAME = 80
_SAVE_WITHIN_S = 10.0
_SAVE_AGAIN_S = 5.0
_LAST_SAVE_S = 2.0
_IDLE_S = 30.0
_DEVICE = "alarms"

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class AlarmBounds:
    """What is kept and how often something is said, in seconds.

    At most `most` alarms are kept. One alarm is announced at most once in `quiet_s`, its newest state at the end of
    that time. `flapping` comings within `flapping_s` are said in its text. One that was loaded and that nobody raises
    for `confirm_s` counts as gone. The file is written at most once in `save_s`.
    """

    most: int = 500
    quiet_s: float = 1.0
    flapping: int = 3
    flapping_s: float = 60.0
    confirm_s: float = 60.0
    save_s: float = 0.5


@dataclass(slots=True)
class _Kept:
    """An alarm with its history; it is kept for a while when it is over, so that flapping is noticed."""

    alarm: Alarm
    came: deque[float] = field(default_factory=lambda: deque(maxlen=1000))
    announced_s: float | None = None
    is_due: bool = False
    is_confirmed: bool = True


class Alarms:
    """All alarms of a station. For the loop's thread only; nothing waits but `run`.

    `file` keeps them over a restart. `dropped` counts alarms that found no room, `deferred` announcements that were
    joined with a later one, `save_failures` attempts to write the file that failed.
    """

    def __init__(
        self,
        bus: Bus,
        file: Path | None = None,
        *,
        bounds: AlarmBounds | None = None,
        clock: Callable[[], float] = time.monotonic,
        files: StorageFiles | None = None,
    ) -> None:
        self.dropped = self.deferred = self.save_failures = 0
        self._bus, self._file = bus, file
        self._bounds = bounds or AlarmBounds()
        self._clock = clock
        self._files = files or StorageFiles()
        self._worker = Worker("alarms")
        self._kept: dict[Key, _Kept] = {}
        self._changed = asyncio.Event()
        self._is_unsaved = False
        self._loaded_s = self._next_save_s = clock()
        if file is not None:
            self._load(file)

    def active(self) -> list[Alarm]:
        """Return what is shown: the most important first, then what nobody has acknowledged, then the newest."""
        shown = [kept.alarm for kept in self._kept.values() if kept.alarm.shown]
        shown.sort(key=lambda alarm: alarm.since_utc, reverse=True)
        return sorted(shown, key=lambda alarm: (-_RANK[alarm.priority], alarm.acknowledged_by is not None))

    def raise_(
        self, device: str, name: str, *, priority: Priority, text: str, guidance: str, latched: bool = True,
        details: str = "",
    ) -> Alarm:  # fmt: skip
        """Say that there is cause for an alarm. Said again, the newest text, priority and guidance hold.

        `text` says what is wrong, with value and limit, `guidance` what to do now, `details` what only an engineer
        needs: paths, commands. They are shortened to 300 characters, `details` to 1000. A higher priority needs a new
        acknowledgement. Raise `UsageError` where something is missing.
        """
        _require(device, name, priority, text, guidance)
        new = Alarm(
            clean_text(device, _MOST_NAME), clean_text(name, _MOST_NAME), priority, clean_text(text, _MOST_TEXT),
            clean_text(guidance, _MOST_TEXT), utc_now(), latched=latched, details=clean_text(details, _MOST_DETAILS),
        )  # fmt: skip
        kept = self._kept.get((new.device, new.name)) or self._admit(new)
        if kept is None:
            return new
        before, comes = kept.alarm, not (kept.came and kept.alarm.active)
        if comes:
            kept.came.append(self._clock())
        worse = _RANK[priority] > _RANK[before.priority]
        goes_on = before.active and kept.announced_s is not None
        kept.is_confirmed = True
        kept.alarm = replace(
            new,
            text=self._with_count(kept, new.text),
            since_utc=before.since_utc if goes_on else new.since_utc,
            acknowledged_by=before.acknowledged_by if goes_on and not worse else None,
        )
        if kept.alarm != before or kept.announced_s is None:
            self._tell(kept, at_once=worse)
        return kept.alarm

    def clear(self, device: str, name: str) -> None:
        """Say that the cause is gone. What latches and nobody has acknowledged stays shown."""
        kept = self._kept.get((device, name))
        if kept is not None and kept.alarm.active:
            kept.alarm = replace(kept.alarm, active=False)
            self._tell(kept)

    def acknowledge(self, device: str, name: str, actor: Actor) -> Alarm:
        """Note that somebody has seen it, and return it. Raise `MissingError` where no such alarm is shown."""
        kept = self._kept.get((device, name))
        if kept is None or not kept.alarm.shown:
            raise MissingError(f"no alarm {name!r} of {device!r} is shown")
        if kept.alarm.acknowledged_by is None:
            kept.alarm = replace(kept.alarm, acknowledged_by=clean_text(actor.user, _MOST_NAME) or "?")
            self._tell(kept, at_once=True)
        return kept.alarm

    def came(self, device: str, name: str) -> int:
        """Return how often this alarm came within the last `flapping_s`."""
        kept = self._kept.get((device, name))
        return 0 if kept is None else self._recent(kept)

    async def run(self) -> None:
        """Announce what was deferred, give up loaded alarms that nobody confirms, keep the file; until cancelled."""
        try:
            while True:
                wait_s = min(self.flush(), await self._save())
                try:
                    async with asyncio.timeout(wait_s):
                        await self._changed.wait()
                except TimeoutError:
                    continue
                self._changed.clear()
        finally:
            try:
                with suppress(TimeoutError):  # a disk that does not answer: the file has the alarms of a moment ago
                    async with asyncio.timeout(_LAST_SAVE_S):
                        await self.save_now()
            finally:
                self._worker.close()

    def flush(self) -> float:
        """Announce what is due, forget what is over, and return the seconds after which to do so again."""
        now = self._clock()
        confirm_left_s = self._loaded_s + self._bounds.confirm_s - now
        if confirm_left_s <= 0:
            self._give_up_unconfirmed()
        wait_s = _IDLE_S if confirm_left_s <= 0 else min(confirm_left_s, _IDLE_S)
        for key, kept in list(self._kept.items()):
            if kept.is_due:
                left_s = self._quiet_left_s(kept)
                if left_s <= 0:
                    self._announce(kept)
                else:
                    wait_s = min(wait_s, left_s)
            elif not kept.alarm.shown and not self._recent(kept):
                del self._kept[key]
        return wait_s

    async def save_now(self) -> bool:
        """Write the file, if there is one and something has changed; return False where that failed."""
        if self._file is None or not self._is_unsaved:
            return True
        self._is_unsaved, self._next_save_s = False, self._clock() + self._bounds.save_s
        try:
            data = dump_alarms(self.active())
            await self._worker.call_within(_SAVE_WITHIN_S, self._files.rename_durably, data, self._file)
        except (OSError, DeadlineError, RefusedError) as why:
            self._is_unsaved, self._next_save_s = True, self._clock() + _SAVE_AGAIN_S
            self.save_failures += 1
            self.raise_(
                _DEVICE, "file", priority="low", latched=False,
                text=f"alarms cannot be kept over a restart: {getattr(why, 'strerror', None) or why}",
                guidance="tell whoever services the scanner", details="look at the disk of the station's state folder",
            )  # fmt: skip
            return False
        self.clear(_DEVICE, "file")
        return True

    async def _save(self) -> float:
        """Write the file unless that was just done; return the seconds until it should be written."""
        if self._file is None or not self._is_unsaved:
            return _IDLE_S
        left_s = self._next_save_s - self._clock()
        if left_s > 0:
            return left_s
        return _IDLE_S if await self.save_now() else _SAVE_AGAIN_S

    def _load(self, file: Path) -> None:
        """Take over the alarms of the run before; what cannot be read is put aside and said."""
        try:
            alarms, foreign = load_alarms(file, self._bounds.most)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as why:
            self._put_aside(file, why)
            return
        self.dropped += foreign
        for alarm in alarms:
            kept = self._kept[alarm.device, alarm.name] = _Kept(alarm, is_confirmed=not alarm.active)
            if alarm.active:
                kept.came.append(self._clock())
            self._announce(kept)

    def _put_aside(self, file: Path, why: Exception) -> None:
        aside = file.with_name(f"{file.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}")
        said = getattr(why, "strerror", None) or str(why)
        try:
            file.rename(aside)
        except OSError as error:
            said = f"{said}; it cannot be put aside: {error.strerror}"
        self.raise_(
            _DEVICE, "file", priority="medium", text=f"the alarms from before the restart cannot be read: {said}",
            guidance="look whether something still needs attention; tell whoever services the scanner",
            details=f"what was wrong is in {aside.name}",
        )  # fmt: skip
        self.clear(_DEVICE, "file")

    def _give_up_unconfirmed(self) -> None:
        for kept in self._kept.values():
            if not kept.is_confirmed:
                kept.is_confirmed = True
                kept.alarm = replace(kept.alarm, active=False)
                self._tell(kept)

    def _admit(self, new: Alarm) -> _Kept | None:
        """Return a place for a new alarm, if need be that of the least important one; None where there is none."""
        if len(self._kept) >= self._bounds.most:
            least = min(self._kept.values(), key=lambda kept: (*_importance(kept.alarm), kept.alarm.since_utc))
            if _importance(least.alarm) >= _importance(new):
                self.dropped += 1
                _LOG.error("no room for alarm %s of %s: %s", new.name, new.device, new.text)
                return None
            self.dropped += least.alarm.shown
            del self._kept[least.alarm.device, least.alarm.name]
            self._bus.announce(replace(least.alarm, active=False, latched=False))
        kept = self._kept[new.device, new.name] = _Kept(new)
        return kept

    def _with_count(self, kept: _Kept, text: str) -> str:
        count = self._recent(kept)
        return (
            f"{text} (came {count} times in {self._bounds.flapping_s:g} s)" if count >= self._bounds.flapping else text
        )

    def _recent(self, kept: _Kept) -> int:
        since = self._clock() - self._bounds.flapping_s
        return sum(1 for moment in kept.came if moment > since)

    def _tell(self, kept: _Kept, *, at_once: bool = False) -> None:
        """Announce now, or leave it to `run` where the last announcement is too recent."""
        self._is_unsaved = True
        if at_once or self._quiet_left_s(kept) <= 0:
            self._announce(kept)
        else:
            self.deferred += kept.is_due
            kept.is_due = True
        self._changed.set()

    def _quiet_left_s(self, kept: _Kept) -> float:
        return 0.0 if kept.announced_s is None else kept.announced_s + self._bounds.quiet_s - self._clock()

    def _announce(self, kept: _Kept) -> None:
        kept.is_due, kept.announced_s = False, self._clock()
        self._bus.announce(kept.alarm)


def _importance(alarm: Alarm) -> tuple[bool, int, bool]:
    return alarm.shown, _RANK[alarm.priority], alarm.active


def _require(device: str, name: str, priority: str, text: str, guidance: str) -> None:
    """Demand what every alarm has. Raise `UsageError`."""
    if priority not in get_args(Priority):
        raise UsageError(f"alarm {name!r} of {device!r}: priority {priority!r}; possible: {', '.join(_RANK)}")
    for what, value in {"device": device, "name": name, "text": text, "guidance": guidance}.items():
        if not value.strip():
            raise UsageError(f"alarm {name!r} of {device!r}: its {what} is empty")
