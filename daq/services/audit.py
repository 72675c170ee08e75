"""The audit log of a station: who did what, asked for what, was refused what. Durable before it is acknowledged.

A thread of its own writes, so that no disk makes the loop wait. What a disk refuses stays in memory, bounded and in
order, until it can be written; an alarm says so, and the station goes on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from daq.model.cleantext import clean_text
from daq.model.station import DAEMON, Actor, utc_now
from daq.storage.auditchain import Fields, Head, Value
from daq.storage.auditfile import MAX_FILE_BYTES, AuditFile
from daq.storage.auditlook import WHOLE
from daq.storage.hostclock import clock_health

if TYPE_CHECKING:
    from daq.services.alarms import Alarms
    from daq.storage.files import StorageFiles

_LOG = logging.getLogger(__name__)
_MOST_VERB = 40
_MOST_NAME = 200
_MOST_TEXT = 500
_MOST_INTEGER = 2**63
_DEVICE = "audit"

Result = Literal["asked", "done", "refused", "failed"]


class Redacts(Protocol):
    """Takes what identifies a patient out of a text."""

    def redact(self, text: str) -> str:
        """Return the text without it."""


@dataclass(frozen=True, slots=True)
class AuditBounds:
    """`waiting_lines` may wait for a disk that refuses; `retry_s` apart at first, doubling up to `retry_most_s`."""

    waiting_lines: int = 1000
    file_bytes: int = MAX_FILE_BYTES
    retry_s: float = 0.5
    retry_most_s: float = 15.0


@dataclass(slots=True, eq=False)
class _Entry:
    fields: Fields
    tell: Callable[[bool], None] | None = None


class Audit:
    """Writes the audit log in `folder`. `boot` names this run of the daemon, `config_sha256` what it is set up with.

    Make it in the loop's thread. `written` lines are on the disk, `waiting` wait, `lost` found no room and are counted
    in a line of their own; `failures` counts attempts that the disk refused.
    """

    def __init__(
        self,
        folder: Path,
        boot: str,
        config_sha256: str,
        *,
        alarms: Alarms | None = None,
        bounds: AuditBounds | None = None,
        files: StorageFiles | None = None,
    ) -> None:
        self.written = self.failures = 0
        self._boot, self._config_sha256 = clean_text(boot, _MOST_NAME), clean_text(config_sha256, _MOST_NAME)
        self._alarms = alarms
        self._bounds = bounds or AuditBounds()
        self._file = AuditFile(folder, self._own, files=files, max_bytes=self._bounds.file_bytes)
        self._waiting: deque[_Entry] = deque()
        self._not_kept = self._lost = 0
        self._in_trouble = self._closing = self._alarmed = False
        self._secrets: Redacts | None = None
        self._changed = threading.Condition()
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._work, name="audit", daemon=True)
        self._thread.start()

    @property
    def head(self) -> Head:
        """Return the end of the chain: `SEQ:HASH` for `daq audit verify --expect`."""
        return self._file.head

    @property
    def waiting(self) -> int:
        """Return how many lines are not on the disk yet."""
        return len(self._waiting)

    @property
    def lost(self) -> int:
        """Return how many lines found no room in memory while the disk refused."""
        return self._lost

    def keep_out(self, identity: Redacts | None) -> None:
        """Take the identity of this patient, and of no other, out of the texts that people and errors give."""
        self._secrets = identity

    async def write(
        self,
        actor: Actor,
        verb: str,
        what: str,
        *,
        result: Result,
        old: Value = None,
        new: Value = None,
        reason: str = "",
        error: str = "",
        within_s: float = 2.0,
    ) -> bool:
        """Return True once the line is on the disk; False where the disk refuses or takes longer: the line is kept.

        `what` names what was acted on, without a patient's name; `old` and `new` are plain values with their unit in
        `what` or the verb.
        """
        durable: asyncio.Future[bool] = self._loop.create_future()

        def tell(is_durable: bool) -> None:  # noqa: FBT001 - the one thing that is told
            self._in_loop(lambda: None if durable.done() else durable.set_result(is_durable))

        fields = self._fields(actor, verb, what, result=result, old=old, new=new, reason=reason, error=error)
        if not self._queue(_Entry(fields, tell)):
            return False
        try:
            async with asyncio.timeout(within_s):
                return await durable
        except TimeoutError:
            self._alarm(f"the disk has not taken a line of the audit log within {within_s:g} s")
            return False

    def note(
        self,
        actor: Actor,
        verb: str,
        what: str,
        *,
        result: Result,
        old: Value = None,
        new: Value = None,
        reason: str = "",
        error: str = "",
    ) -> None:
        """Queue the line and return at once, from any thread: for commands that must not wait."""
        self._queue(
            _Entry(self._fields(actor, verb, what, result=result, old=old, new=new, reason=reason, error=error))
        )

    async def close(self, within_s: float = 5.0) -> int:
        """Write what waits, end, and return how many lines the disk did not take; those go to the journal."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._ended.wait()
        with self._changed:
            left = list(self._waiting)
        for entry in left:
            _LOG.error("audit line that could not be written: %s", json.dumps(entry.fields, default=str))
        return len(left) + self._not_kept

    def _fields(self, actor: Actor, verb: str, what: str, *, result: Result, **said: Any) -> Fields:
        """Return the fields of a line, each bounded and free of what does not belong into it."""
        clock = clock_health()
        return {
            "ts_utc": utc_now(),
            "monotonic_ns": time.monotonic_ns(),
            "boot": self._boot,
            "user": clean_text(actor.user, _MOST_NAME),
            "uid": actor.uid,
            "certificate": clean_text(actor.certificate, _MOST_NAME),
            "origin": actor.origin,
            "verb": clean_text(verb, _MOST_VERB),
            "object": self._text(what, _MOST_NAME),
            "old": self._plain(said["old"]),
            "new": self._plain(said["new"]),
            "reason": self._text(said["reason"], _MOST_TEXT),
            "result": result,
            "error": self._text(said["error"], _MOST_TEXT),
            "config_sha256": self._config_sha256,
            "clock_synchronised": clock["synchronised"],
            "clock_offset_us": clock["offset_us"],
        }

    def _own(self, verb: str, what: str, *, old: Value = None, new: Value = None, reason: str = "") -> Fields:
        return self._fields(DAEMON, verb, what, result="done", old=old, new=new, reason=reason, error="")

    def _text(self, text: object, most: int) -> str:
        said = text if isinstance(text, str) else f"<{type(text).__name__}>"
        secrets = self._secrets
        return clean_text(said if secrets is None else secrets.redact(said[: 8 * most]), most)

    def _plain(self, value: object) -> Value:
        """Return a value that JSON has; of anything but a plain value only the kind."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return int(value) if abs(value) < _MOST_INTEGER else f"<int of {value.bit_length()} bits>"
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else str(value)
        return self._text(value, _MOST_TEXT)

    def _queue(self, entry: _Entry) -> bool:
        """Let the line wait for the thread; return False where it will not be durable soon, or there is no room."""
        with self._changed:
            if self._closing or len(self._waiting) >= self._bounds.waiting_lines:
                self._not_kept += 1
                self._lost += 1
                return False
            if self._not_kept:
                self._waiting.append(self._about_lost())
            self._waiting.append(entry)
            self._changed.notify_all()
            return not self._in_trouble

    def _about_lost(self) -> _Entry:
        lost, self._not_kept = self._not_kept, 0
        return _Entry(
            self._own(
                "audit-lost",
                "lines",
                new=lost,
                reason="they found no room while the disk refused, or could not be put into words",
            )
        )

    def _work(self) -> None:
        """Write line after line until told to close; what is then left has had one more attempt."""
        pause_s = self._bounds.retry_s
        while (entry := self._next()) is not None:
            try:
                self._file.append(entry.fields)
            except OSError as why:
                self._failed(why)
                if self._pause(pause_s):
                    break
                pause_s = min(2 * pause_s, self._bounds.retry_most_s)
            except Exception:  # noqa: BLE001 - whatever it is, it is a fault of this one line
                _LOG.exception("a line that cannot be put into the audit log is left out and counted")
                self._leave_out()
            else:
                pause_s = self._bounds.retry_s
                self._done(entry)
        with suppress(OSError):  # a disk that fails while a file is closed; every line is synced already
            self._file.close()
        self._in_loop(self._ended.set)

    def _leave_out(self) -> None:
        """Drop the line that waits first: a fault of this program must not keep the others out."""
        with self._changed:
            entry = self._waiting.popleft()
            self._not_kept += 1
            self._lost += 1
        self._answer(entry, is_durable=False)

    def _next(self) -> _Entry | None:
        """Wait for a line; return None once closed and empty."""
        with self._changed:
            while not self._waiting:
                if self._closing and not self._not_kept:
                    return None
                if self._not_kept:
                    self._waiting.append(self._about_lost())
                else:
                    self._changed.wait()
            return self._waiting[0]

    def _pause(self, pause_s: float) -> bool:
        """Wait before the next attempt; return True where the log is being closed, so that this was the last one."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closing, pause_s)

    def _failed(self, why: OSError) -> None:
        self.failures += 1
        with self._changed:
            self._in_trouble = True
            waiting = list(self._waiting)
        text = f"the audit log cannot be written: {why.strerror or why}; {len(waiting)} lines wait"
        self._in_loop(lambda: self._alarm(text))
        for entry in waiting:
            self._answer(entry, is_durable=False)

    def _done(self, entry: _Entry) -> None:
        with self._changed:
            self._waiting.popleft()
            was_in_trouble, self._in_trouble = self._in_trouble, False
        self.written += 1
        self._answer(entry, is_durable=True)
        if was_in_trouble or self.written == 1 or self._alarmed:
            self._in_loop(self._clear)
        if self._file.condition != WHOLE:
            found, self._file.condition = self._file.condition, WHOLE
            self._in_loop(lambda: self._tell_condition(found))

    def _answer(self, entry: _Entry, *, is_durable: bool) -> None:
        tell, entry.tell = entry.tell, None
        if tell is not None:
            tell(is_durable)

    def _in_loop(self, call: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop has ended, so nobody waits for it
            self._loop.call_soon_threadsafe(call)

    def _alarm(self, text: str) -> None:
        self._alarmed = True
        _LOG.error("%s", text)
        if self._alarms is not None:
            self._alarms.raise_(
                _DEVICE,
                "storage",
                priority="medium",
                text=text,
                guidance="go on, nothing is lost yet; do not switch the station off; tell whoever services the scanner",
                details="look at the disk of the station's state folder: is it full, read-only or gone?",
            )

    def _clear(self) -> None:
        self._alarmed = False
        if self._alarms is not None:
            self._alarms.clear(_DEVICE, "storage")

    def _tell_condition(self, condition: str) -> None:
        """Say what was found wrong with the log when it was opened."""
        _LOG.warning("the audit log was found %s; a new file goes on", condition)
        if self._alarms is None or condition.startswith("torn"):
            return
        self._alarms.raise_(
            _DEVICE,
            "chain",
            priority="medium",
            text=f"the audit log was found {condition}",
            guidance="tell whoever services the scanner: somebody, or a fault of the disk, changed it",
            details="run `daq audit verify`, keep a copy of the folder, and find out who changed it",
        )
        self._alarms.clear(_DEVICE, "chain")
