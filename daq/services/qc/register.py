"""Events and sources: requests to enter them into the books."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from daq.errors import MissingError, RefusedError, UsageError
from daq.model.qc.documents import Document
from daq.model.qc.sources import SourceEntry
from daq.model.qc.verbs import QcEvent, QcSource
from daq.model.station import Actor
from daq.model.tables import close_names
from daq.qc.sources import source_entry
from daq.services.qc.abilities import Books
from daq.services.qc.handlers import Handlers
from daq.services.qc.signing import Where

_AHEAD = timedelta(minutes=5)


class Register:
    """Carries out requests about events and sources. `tests`: those that the scanner has; None: any may be named."""

    def __init__(self, books: Books, where: Where, tests: Collection[str] | None = None) -> None:
        self._books, self._where, self._tests = books, where, tests
        self._turn = asyncio.Lock()

    def handlers(self) -> Handlers:
        """Return who carries out which verb."""
        return {"qc-event": self._event, "qc-source": self._source}

    async def _event(self, request: QcEvent, actor: Actor) -> dict[str, Any]:
        for test in request.tests:
            if self._tests is not None and test not in self._tests:
                raise MissingError(f"this scanner has no test {test!r}; {close_names(test, tuple(self._tests))}")
        at_utc = None if request.at is None else past_time(request.at, "at")
        body = {"what": request.what, "text": request.text, "tests": list(request.tests)}
        event = self._where.document("event", actor, body, name=request.what, at_utc=at_utc)
        await self._books.put(event)
        return {"event": event.id, "at_utc": event.at_utc, **body}

    async def _source(self, request: QcSource, actor: Actor) -> dict[str, Any]:
        if not request.fields and not request.note:
            raise UsageError("qc-source: fields or a note is needed")
        async with self._turn:
            before = await self._books.source(request.serial)
            if before is None and not request.fields:
                raise MissingError(f"no source {request.serial!r} in the register")
            told = dict(before.body) if before is not None else {}
            if request.fields:
                entry = source_entry(request.serial, request.fields, told or None)
                told = await self._enter(entry, before, actor)
            if request.note:
                body = {"serial": request.serial, "note": request.note}
                note = self._where.document("source-note", actor, body, name=request.serial, about=request.serial)
                await self._books.put(note)
        return {"source": told, "is_new": before is None, "note": request.note}

    async def _enter(self, entry: SourceEntry, before: Document | None, actor: Actor) -> dict[str, Any]:
        told = entry.model_dump(mode="json", exclude_none=True)
        if before is not None and told == dict(before.body):
            raise RefusedError(f"source {entry.serial}: the register says just that already")
        made = self._where.document("source", actor, told, name=entry.serial, about=entry.serial, after=before)
        await self._books.put(made)
        return told


def past_time(text: str, what: str) -> str:
    """Return a time, which has its zone and is not ahead, in UTC with milliseconds. Raise `UsageError`."""
    try:
        found = datetime.fromisoformat(text)
        has_zone = found.tzinfo is not None
        at = found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{what}: {text!r} is no time of RFC 3339, such as 2026-01-23T14:30:00+01:00") from None
    if not has_zone:
        raise UsageError(f"{what}: {text!r} has no time zone; UTC ends in Z")
    if at > datetime.now(UTC) + _AHEAD:
        raise UsageError(f"{what}: {text} lies in the future")
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
