"""Has reports, pictures and control charts made by processes of their own: what draws and calculates is slow.

Nothing of it is done in the daemon's process, at most two at a time, each with a deadline; charts that were made are
kept until the books change.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from daq.errors import BusyError, MissingError, RefusedError, StorageFailedError, UnexpectedError, UsageError
from daq.model.console.qc_verbs import QcPicture, QcReport, QcTable, QcTrend
from daq.model.qc.limits import QcTest
from daq.model.station import Actor
from daq.services.childprocess import ended
from daq.services.qc.abilities import Books
from daq.services.qc.handlers import Handlers

_AT_ONCE, _MOST_WAITING = 2, 8
_WITHIN_S = 120.0
_MOST_KEPT_CHARTS = 32
_MOST_FILES = 400
_MEDIA = {"html": "text/html; charset=utf-8", "pdf": "application/pdf", "png": "image/png",
          "csv": "text/csv; charset=utf-8"}  # fmt: skip
_USAGE, _REFUSED, _NOT_THERE = 2, 3, 4

Command = Callable[[Path, Path], Sequence[str]]
"""Gives the command that does the job of a file and writes what it makes into the other one."""


class Reading:
    """Answers what takes a process. `folder` holds jobs and what was made, the newest files only.

    `job_of` gives what every job needs to know of the station. `fail` counts what was not made.
    """

    def __init__(
        self, command: Command, job_of: Callable[[], Mapping[str, Any]], books: Books, tests: Mapping[str, QcTest],
        folder: Path, *, within_s: float = _WITHIN_S,
    ) -> None:  # fmt: skip
        self.made = self.failed = 0
        self._command, self._job_of, self._books, self._tests = command, job_of, books, tests
        self._folder, self._within_s = folder, within_s
        self._turn, self._waiting = asyncio.Semaphore(_AT_ONCE), 0
        self._drawing = asyncio.Lock()
        self._charts: OrderedDict[str, tuple[str, dict[str, Any]]] = OrderedDict()

    def handlers(self) -> Handlers:
        """Return who carries out which verb."""
        return {
            "qc-trend": self._trend, "qc-report": self._report, "qc-picture": self._picture, "qc-table": self._table
        }  # fmt: skip

    async def _trend(self, request: QcTrend, _: Actor) -> dict[str, Any]:
        if request.test not in self._tests:
            raise MissingError(f"this scanner has no test {request.test!r}; there are {', '.join(self._tests)}")
        asked = request.model_dump(mode="json", exclude={"reason"})
        key, state = json.dumps(asked, sort_keys=True), await self._state_of(request.test)
        kept = self._charts.get(key)
        if kept is not None and kept[0] == state:
            self._charts.move_to_end(key)
            return kept[1]
        file = await self._done({"do": "trend", **asked}, "json")
        told: dict[str, Any] = json.loads(await asyncio.to_thread(file.read_bytes))
        self._charts[key] = state, told
        while len(self._charts) > _MOST_KEPT_CHARTS:
            self._charts.popitem(last=False)
        return told

    async def _state_of(self, test: str) -> str:
        """Return what charts of a test hang on: its newest results, strikes among them, reference, events, the day."""
        newest = [f"{kept.document.id}{kept.struck is None}" for kept in await self._books.results(test, limit=50)]
        entry = await self._books.reference_entry(test)
        events = [each.id for each in await self._books.events(test)]
        told = [newest, "" if entry is None else entry.id, events, datetime.now(UTC).date().isoformat()]
        return json.dumps(told)

    async def _report(self, request: QcReport, _: Actor) -> dict[str, Any]:
        if (request.result is None) == (request.month is None):
            raise UsageError("qc-report: name a result, or a month")
        if request.result is not None:
            await self._books.result(request.result)  # says that there is none before a process is begun
        asked = {"do": "report", "result": request.result, "month": request.month, "kind": request.kind}
        file = await self._done(asked, request.kind)
        name = f"qc-{request.result or request.month}.{request.kind}"
        return {"file": str(file), "media_type": _MEDIA[request.kind], "name": name}

    async def _table(self, request: QcTable, _: Actor) -> dict[str, Any]:
        if request.test is not None and request.test not in self._tests:
            raise MissingError(f"this scanner has no test {request.test!r}; there are {', '.join(self._tests)}")
        file = await self._done({"do": "table", "test": request.test}, "csv")
        return {"file": str(file), "media_type": _MEDIA["csv"], "name": f"qc-{request.test or 'all'}.csv"}

    async def _picture(self, request: QcPicture, _: Actor) -> dict[str, Any]:
        kept = await self._books.result(request.result)
        if kept.result.evidence_sha256 is None:
            raise MissingError(f"{request.result} has no pictures")
        stem = kept.result.evidence_sha256[:32]
        file = self._folder / f"{stem}-{request.number}.png"
        async with self._drawing:  # all pictures of a result are drawn at once: who asks for the next finds it
            if not await asyncio.to_thread(file.is_file):
                await self._done({"do": "pictures", "result": request.result, "stem": stem}, "json")
        if not await asyncio.to_thread(file.is_file):
            raise MissingError(f"{request.result} has no picture of number {request.number}")
        return {"file": str(file), "media_type": _MEDIA["png"], "name": f"qc-{request.result}-{request.number}.png"}

    async def _done(self, asked: Mapping[str, Any], end: str) -> Path:
        """Return the file that a process made."""
        if self._waiting >= _MOST_WAITING:
            raise BusyError(f"{_MOST_WAITING} reports and charts wait already; ask again in a moment")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._made({**self._job_of(), **asked}, end)
        finally:
            self._waiting -= 1

    async def _made(self, job: Mapping[str, Any], end: str) -> Path:
        name = uuid.uuid4().hex
        file, made = self._folder / f"{name}.job", self._folder / f"{name}.{end}"
        try:
            await asyncio.to_thread(_prepare, self._folder, file, job)
            said = await ended(self._command(file, made), within_s=self._within_s, name=f"qc-{job['do']}")
        except OSError as why:
            raise StorageFailedError(f"{self._folder}: {why.strerror or why}") from None
        finally:
            with suppress(OSError):
                file.unlink(missing_ok=True)
        if said.code == 0:
            self.made += 1
            return made
        self.failed += 1
        kind = {_USAGE: UsageError, _REFUSED: RefusedError, _NOT_THERE: MissingError}.get(
            said.code or 1, UnexpectedError
        )
        raise kind(said.why)


def _prepare(folder: Path, file: Path, job: Mapping[str, Any]) -> None:
    """Write the job, for this user alone; leave the newest files that were made, for others had their time."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    old = sorted(folder.iterdir(), key=lambda each: each.stat().st_mtime, reverse=True)[_MOST_FILES:]
    for each in old:
        each.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(json.dumps(job), encoding="utf-8")
