"""What people look at in the books: results, one result, the calendar, sources, events, limits. Changes nothing.

Documents of a ring are megabytes: what makes answers of them is done in threads, never in the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from daq.errors import MissingError, UsageError
from daq.model.console.qc_verbs import QcCalendar, QcEvents, QcLimits, QcResultAsk, QcResults, QcSources
from daq.model.qc.documents import Document
from daq.model.qc.limits import QcTest
from daq.model.qc.sources import SourceEntry
from daq.model.station import Actor
from daq.qc.sources import source_in_use
from daq.services.qc.abilities import FigureSeries, Kept
from daq.services.qc.books import QcBooks
from daq.services.qc.calendar import Span, calendar_of
from daq.services.qc.duetable import due_table
from daq.services.qc.handlers import Handlers
from daq.services.qc.standing import Standing
from daq.services.qc.telling import row_of, whole_of

_BEFORE_TODAY, _LATEST = 20, 1000
_SPARK_DAYS = 30
LimitRows = Callable[[str | None], Awaitable[list[dict[str, Any]]]]
"""Gives the limits in force, of one test or all."""
Against = Callable[[Kept, Actor], Awaitable[dict[str, str]]]
"""Says why somebody may not do what can be done with a result, by what it is; empty where it may be done."""


class Looking:
    """Answers what is asked of the books."""

    def __init__(self, books: QcBooks, standing: Standing, limits: LimitRows, against: Against) -> None:
        self._books, self._standing, self._limits, self._against = books, standing, limits, against

    def handlers(self) -> Handlers:
        """Return who carries out which verb."""
        return {
            "qc-results": self._results, "qc-result": self._result, "qc-sources": self._sources,
            "qc-calendar": self._calendar, "qc-limits": self._limits_in_force, "qc-events": self._events,
        }  # fmt: skip

    async def _results(self, request: QcResults, _: Actor) -> dict[str, Any]:
        wanted = request.offset + request.limit + 1
        found = await self._books.results(
            request.test, since_utc=request.since, until_utc=request.until, level=request.level, limit=wanted
        )
        page = found[request.offset : request.offset + request.limit]
        rows = await asyncio.to_thread(lambda: list(map(row_of, page)))
        return {"results": rows, "more": len(found) == wanted, "offset": request.offset}

    async def _result(self, request: QcResultAsk, actor: Actor) -> dict[str, Any]:
        kept = await self._books.result(request.result)
        told = await asyncio.to_thread(whole_of, kept, *await self._books.evidence(kept))
        reference = await self._books.reference(kept.result.test)
        first = None if kept.result.reference is None else await self._there(kept.result.reference)
        compared = first or reference
        if compared is not None and compared.document.id != kept.document.id:
            told["compared"] = await asyncio.to_thread(whole_of, compared, *await self._books.evidence(compared))
        told["is_reference"] = reference is not None and reference.document.id == kept.document.id
        test = self._standing.tests.get(kept.result.test)
        told["against"] = await self._against(kept, actor)
        told["repeatable"] = test is not None and test.protocol is not None
        return told

    async def _there(self, identity: str) -> Kept | None:
        try:
            return await self._books.result(identity)
        except MissingError:
            return None

    async def _sources(self, request: QcSources, _: Actor) -> dict[str, Any]:
        if request.serial is None:
            return {"sources": [self._source(each) for each in await self._books.sources()], "log": []}
        entry = await self._books.source(request.serial)
        if entry is None:
            raise MissingError(f"no source {request.serial!r} in the register")
        notes = await self._books.source_notes(request.serial)
        log = [{"at_utc": each.at_utc, "by": each.by, "note": each.body.get("note", "")} for each in notes]
        return {"sources": [self._source(entry)], "log": log}

    def _source(self, entry: Document) -> dict[str, Any]:
        told = SourceEntry.model_validate(dict(entry.body))
        now = self._standing.clock()
        gone = told.disposed is not None and told.disposed <= now.astimezone(self._standing.zone).date().isoformat()
        used = None if gone else source_in_use(told, at=now, zone=self._standing.zone)
        return {
            **dict(entry.body), "entered_utc": entry.entered_utc, "by": entry.by, "simulated": entry.simulated,
            "now_mbq": None if used is None else used.activity_mbq, "remarks": [] if used is None else used.remarks,
            "gone": gone,
        }  # fmt: skip

    async def _calendar(self, request: QcCalendar, _: Actor) -> dict[str, Any]:
        standing, tests = self._standing, self._standing.tests
        now = standing.clock()
        today = now.astimezone(standing.zone).date()
        first = _day(request.first) if request.first is not None else today - timedelta(days=_BEFORE_TODAY)
        span = Span(first, request.days, today, standing.zone)
        since, until = _utc(span.moment(first)), _utc(span.moment(first + timedelta(days=request.days)))
        due = await standing.due()
        results = await self._books.results(since_utc=since, until_utc=until, limit=_LATEST)
        events = [each for each in await self._books.events(since_utc=since) if each.at_utc < until]
        begun = {name: day for name in tests if (day := await self._begun(name, since, span, results)) is not None}
        newest = {name: kept for name in tests if (kept := await self._books.newest(name)) is not None}
        sparks = {name: told for name, test in tests.items() if (told := await self._spark(name, test, now))}
        told = await asyncio.to_thread(calendar_of, span, tests, results, due, events, begun)
        rows = await asyncio.to_thread(lambda: {name: row_of(kept) for name, kept in newest.items()})
        return {**told, "due": due_table(due, tests, {}), "newest": rows, "sparks": sparks, "now_utc": _utc(now)}

    async def _begun(self, name: str, since: str, span: Span, results: Sequence[Kept]) -> date | None:
        """Return the first day on which a test is known to have been done."""
        if await self._books.results(name, until_utc=since, limit=1):
            return span.first
        days = [span.of(kept.document.at_utc) for kept in results if kept.result.test == name]
        return min(days, default=None)

    async def _spark(self, name: str, test: QcTest, now: datetime) -> dict[str, Any] | None:
        """Return the last days of the first figure with a limit: of each result the largest value of all subjects."""
        figure = next(iter(test.limits), None)
        if figure is None:
            return None
        limit = test.limits[figure]
        since = _utc(now - timedelta(days=_SPARK_DAYS))
        series = await self._books.series(name, figure, since_utc=since)
        bounds = limit.model_dump(mode="json", include={"action", "suspension"}) if limit.of == "value" else {}
        return {"figure": figure, "unit": series.unit or limit.unit, **bounds, "points": _farthest(series)}

    async def _limits_in_force(self, request: QcLimits, _: Actor) -> dict[str, Any]:
        return {"limits": await self._limits(request.test)}

    async def _events(self, request: QcEvents, _: Actor) -> dict[str, Any]:
        found = (await self._books.events(request.test))[: request.limit]
        return {"events": [{"id": each.id, "at_utc": each.at_utc, "by": each.by, **dict(each.body)} for each in found]}


def _farthest(series: FigureSeries) -> list[tuple[int, float, str]]:
    """Return of each result when it was (ms since 1970), the value that is largest in size, and its level."""
    points = []
    for at_ms, values, level in zip(series.at_ms.tolist(), series.values, series.levels, strict=True):
        known = values[np.isfinite(values)]
        if known.size:
            points.append((int(at_ms), float(known[np.argmax(np.abs(known))]), str(level)))
    return points


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"first = {text!r} is no day, such as 2026-01-31") from None


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
