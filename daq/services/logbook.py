"""What is logged and what is in the audit log, for people who look something up; neither holds a patient's data."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from daq.model.cleantext import clean_text
from daq.model.console.service_verbs import AuditLines
from daq.model.console.service_verbs import LogLines as AskedLines
from daq.model.station import Actor
from daq.services.worker import Worker
from daq.storage.auditpage import audit_page

_MOST_KEPT = 5000
_MOST_TEXT = 600
_READ_S = 20.0
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_TOLD = ("seq", "ts_utc", "user", "origin", "verb", "object", "old", "new", "reason", "result", "error")
_SEARCHED = ("object", "verb", "user", "error", "reason")
Handlers = Mapping[str, Callable[[Any, Actor], Awaitable[dict[str, Any]]]]


class LogLines(logging.Handler):
    """Keeps the newest 5000 lines that are logged, from INFO on. `dropped` counts those that gave way."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.dropped = 0
        self._lines: deque[dict[str, Any]] = deque(maxlen=_MOST_KEPT)
        self._number = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line; called with the handler's lock held, from any thread."""
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - what is logged wrongly must not stop who logs it
            self.handleError(record)
            return
        if record.exc_info and record.exc_info[0] is not None:
            text = f"{text} ({record.exc_info[0].__name__})"
        self.dropped += len(self._lines) == _MOST_KEPT
        self._number += 1
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        level = "error" if record.levelno >= logging.ERROR else record.levelname.lower()
        self._lines.append({
            "number": self._number, "at_utc": at, "level": level, "levelno": record.levelno, "from": record.name,
            "text": clean_text(text, _MOST_TEXT),
        })  # fmt: skip

    def page(self, asked: AskedLines) -> dict[str, Any]:
        """Return lines, newest first."""
        self.acquire()
        try:
            lines = list(self._lines)
        finally:
            self.release()
        least, text = _LEVELS[asked.level], asked.text.strip().lower()
        found = [
            line for line in reversed(lines)
            if (asked.before is None or line["number"] < asked.before) and line["levelno"] >= least
            and text in f"{line['from']} {line['text']}".lower()
        ]  # fmt: skip
        shown = [{key: value for key, value in line.items() if key != "levelno"} for line in found[: asked.limit]]
        more = len(found) > asked.limit
        return {"lines": shown, "next_before": shown[-1]["number"] if more else None, "dropped": self.dropped}


class LogBook:
    """Answers. `audit` is the folder of the audit log. It listens from `open` to `close`."""

    def __init__(self, audit: Path) -> None:
        self._audit, self._lines = audit, LogLines()
        self._worker = Worker("logbook", waiting=16)

    def open(self) -> None:
        """Begin to keep what is logged."""
        logging.getLogger().addHandler(self._lines)

    def close(self) -> None:
        """Keep nothing more."""
        logging.getLogger().removeHandler(self._lines)
        self._worker.close()

    @property
    def handlers(self) -> Handlers:
        """Return who carries out which verb."""
        return {"audit-lines": self._audit_lines, "log-lines": self._log_lines}

    async def _log_lines(self, asked: AskedLines, _: Actor) -> dict[str, Any]:
        return self._lines.page(asked)

    async def _audit_lines(self, asked: AuditLines, _: Actor) -> dict[str, Any]:
        page = await self._worker.call_within(
            _READ_S,
            audit_page,
            self._audit,
            limit=asked.limit,
            before=asked.before,
            wanted=lambda line: _is(line, asked),
        )
        lines = [{key: line.get(key) for key in _TOLD} for line in page.lines]
        return {"lines": lines, "next_before": page.next_before, "looked_at": page.looked_at}


def _is(line: Mapping[str, Any], asked: AuditLines) -> bool:
    """Return True for a line that fulfils every condition."""
    exact = {"user": asked.user, "verb": asked.verb, "result": asked.result}
    if any(wanted and line.get(key) != wanted for key, wanted in exact.items()):
        return False
    text = asked.text.strip().lower()
    return not text or any(text in str(line.get(key) or "").lower() for key in _SEARCHED)
