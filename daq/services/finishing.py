"""Has the pictures and the verdict of an acquisition made after it is sealed, by a process of its own, one at a time.

Nothing here can cost a recording anything: it is sealed, and the process has the lowest priority, a deadline and a
bounded answer. What fails is an alarm that says what to do by hand.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from daq.errors import ScandaqError
from daq.model.station import DAEMON, Alarm, Priority
from daq.services.alarms import Alarms
from daq.services.audit import Audit
from daq.services.childprocess import Ended, ended

_LOG = logging.getLogger(__name__)
_DEVICE = "study"
_MOST_WAITING = 32
_MOST_SHOWN = 32
_MOST_NAME = 80
_COUNTED = re.compile(r"([0-9]+) earlier acquisitions")
_SHOWN = 2
_FAILED = 6
_URGENCY: dict[str, Priority] = {"doubtful": "low", "bad": "medium"}
_BY_HAND: dict[str, Priority] = {"doubtful": "low", "bad": "low"}
"""Who ended an acquisition by hand knows that something is missing."""

Command = Callable[[Path], Sequence[str]]
"""Gives the command that finishes a recording and prints what it made as one JSON object."""


class Finishing:
    """Finishes recordings in the order in which they ended. `finished` and `failed` count them.

    At most 32 wait; one beyond is an alarm at once. A process that takes longer than `within_s` is killed.
    """

    def __init__(self, command: Command, alarms: Alarms, audit: Audit, *, within_s: float = 900.0) -> None:
        self.finished = self.failed = 0
        self.changed: Callable[[], None] = lambda: None
        """Called when pictures and verdict of a recording are there."""
        self._command, self._alarms, self._audit, self._within_s = command, alarms, audit, within_s
        self._waiting: asyncio.Queue[tuple[Path, bool]] = asyncio.Queue(_MOST_WAITING)

    def put(self, directory: Path, *, by_hand: bool = False) -> None:
        """Have a recording finished when its turn comes; return at once. `by_hand`: a person has ended it."""
        try:
            self._waiting.put_nowait((directory, by_hand))
        except asyncio.QueueFull:
            self._fail(directory, f"{_MOST_WAITING} others wait for theirs already")

    async def run(self) -> None:
        """Finish one recording after the other until cancelled; then end the process under way, which loses nothing."""
        while True:
            directory, by_hand = await self._waiting.get()
            await self._finish(directory, _BY_HAND if by_hand else _URGENCY)

    async def _finish(self, directory: Path, urgency: Mapping[str, Priority]) -> None:
        try:
            told = await ended(self._command(directory), within_s=self._within_s, name=f"finishing-{directory.name}")
        except ScandaqError as why:
            self._fail(directory, str(why))
        else:
            self._heard(directory, told, urgency)

    def _heard(self, directory: Path, said: Ended, urgency: Mapping[str, Priority] = _URGENCY) -> None:
        """Take what the process said: what was made and the verdict, or why nothing was."""
        if said.errors:
            _LOG.warning("finishing %s: %s", directory, said.errors)
        try:
            told = json.loads(said.answer) if said.code in (0, _FAILED) else None
        except ValueError:
            told = None
        if not isinstance(told, dict):
            self._fail(directory, said.why)
            return
        self.finished += 1
        self.changed()
        verdict: dict[str, Any] = told.get("verdict") or {}
        grade = str(verdict.get("grade") or "none")
        files, problems = told.get("files") or {}, told.get("problems") or []
        made = f"{len(files)} files, verdict {grade}, SHA256SUMS {told.get('sums_sha256')}"
        self._audit.note(DAEMON, "finish", directory.name, result="done", new=made)
        _LOG.info("finished %s: %s", directory, made)
        if problems:
            self._ring("not-finished", directory, *_not_finished(directory, str(problems[0])))
        if grade in urgency:
            self._judged(directory, grade, verdict.get("sentences") or [], urgency[grade])

    def _judged(self, directory: Path, grade: str, sentences: Sequence[str], priority: Priority) -> None:
        more = len(sentences) - _SHOWN
        found = "; ".join([*sentences[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])
        text = f"{_called(directory)} is {grade}: {found}"
        guidance = "look at its pictures under Studies before the patient leaves; repeat what is not worth reading"
        details = f"daq study show {directory}"
        self._ring("verdict", directory, text, guidance, details, priority)

    def _fail(self, directory: Path, why: str) -> None:
        self.failed += 1
        self._audit.note(DAEMON, "finish", directory.name, result="failed", error=why)
        self._ring("not-finished", directory, *_not_finished(directory, why))

    def _ring(
        self, kind: str, directory: Path, text: str, guidance: str, details: str, priority: Priority = "medium"
    ) -> None:  # fmt: skip
        """Show it until somebody has seen it, each acquisition by itself; of more than 32 the oldest become one."""
        name = f"{kind}-{directory.name}"[:_MOST_NAME]
        shown = [alarm for alarm in self._alarms.active() if alarm.device == _DEVICE]
        unseen = [alarm for alarm in shown if alarm.name.startswith(f"{kind}-") and alarm.name != name]
        if len(unseen) >= _MOST_SHOWN:
            self._merge(kind, min(unseen, key=lambda alarm: (alarm.since_utc, alarm.name)), shown)
        self._show(name, text, guidance, priority, details)

    def _merge(self, kind: str, oldest: Alarm, shown: Sequence[Alarm]) -> None:
        """Put an alarm that nobody has seen into the one of its kind that counts."""
        earlier = next((alarm for alarm in shown if alarm.name == kind), None)
        counted = None if earlier is None else _COUNTED.match(earlier.text)
        before = int(counted[1]) if counted is not None else int(earlier is not None)
        urgent = "medium" in (oldest.priority, None if earlier is None else earlier.priority)
        text = f"{before + 1} earlier acquisitions that nobody has looked at, the newest of them: {oldest.text}"
        guidance = "look at each of them under Studies"
        self._show(kind, text, guidance, "medium" if urgent else "low", "daq study list, then daq study show")
        self._alarms.acknowledge(_DEVICE, oldest.name, DAEMON)

    def _show(self, name: str, text: str, guidance: str, priority: Priority, details: str) -> None:
        self._alarms.raise_(_DEVICE, name, priority=priority, text=text, guidance=guidance, details=details)
        self._alarms.clear(_DEVICE, name)


def _not_finished(directory: Path, why: str) -> tuple[str, str, str]:
    """Return text, guidance and details."""
    return (
        f"pictures or verdict of {_called(directory)} could not be made; the recording itself is safe",
        "tell whoever services the scanner, who makes them by hand",
        f"{directory.name}: {why}; daq study finish {directory} --again",
    )


def _called(directory: Path) -> str:
    """Return what people call an acquisition: when it began; its name where that does not say so."""
    try:
        begun = datetime.strptime(directory.name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return f"the acquisition {directory.name}"
    return f"the acquisition of {begun.astimezone():%Y-%m-%d %H:%M}"
