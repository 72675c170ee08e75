"""The books of quality control: what was found, signed, struck, compared with. Files first, the database behind.

A document is durable before `put` returns. The database is an index that is made from the files: where it is locked,
gone or damaged, documents wait, reading goes on from the files, and an alarm says so.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import replace
from pathlib import Path

from daq.errors import FormatError, MissingError, RefusedError, UsageError
from daq.model.qc.documents import Document, document_bytes
from daq.model.qc.figures import Findings
from daq.services.alarms import Alarms
from daq.services.catalogue.entry import moment_ms
from daq.services.qc.abilities import FigureSeries, Kept
from daq.services.qc.disk import Disk
from daq.services.qc.entries import FEW, Wanted, assembled, chosen, doubts_of, head_of
from daq.services.qc.evidence import Evidence, evidence_bytes, evidence_from
from daq.services.qc.index import Index, IndexBounds
from daq.services.qc.series import rows_of, series_of
from daq.services.qc.store import MOST_BYTES, Store
from daq.services.qc.tables import QcTables
from daq.services.qc.troubles import Troubles
from daq.storage.files import StorageFiles

FOLDER = "qc"
"""Name of the folder of documents within the state folder of a station."""
_NEWEST = (1, 8, 64, 1000)
"""So many results are looked at until one is not struck out."""
_ALL = 100_000


class QcBooks:
    """The books of a station: `folder` is that of the documents, `url` the database of the catalogue.

    `simulated` False: this is a real machine. Results, references, sources and events of a simulated one, which an
    earlier life of the folder left, count for nothing; only `result` returns them.
    """

    def __init__(
        self,
        url: str,
        folder: Path,
        *,
        station: str = "",
        simulated: bool = True,
        alarms: Alarms | None = None,
        bounds: IndexBounds | None = None,
        files: StorageFiles | None = None,
    ) -> None:
        bounds = bounds or IndexBounds()
        troubles = Troubles(alarms)
        store = Store(folder, files=files)
        self.index = Index(QcTables(url, station, wait_s=bounds.wait_s), store, troubles, bounds)
        self.disk = Disk(store, troubles, self.index.add, retry_s=bounds.retry_s, retry_most_s=bounds.retry_most_s)
        self._troubles, self._simulated = troubles, simulated
        self._putting = asyncio.Lock()

    async def run(self) -> None:
        """Enter documents into the database, and write those that the disk refused, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.index.run(), name="qc-index")
            tasks.create_task(self.disk.run(), name="qc-disk")

    async def flush(self, within_s: float = 10.0) -> bool:
        """Return True once everything is in the database, False where that took longer."""
        return await self.index.flush(within_s)

    def close(self) -> None:
        """End the threads after what they are at; wait for nothing."""
        self.index.close()
        self.disk.close()

    # In

    async def put(self, document: Document) -> bool:
        """Keep a document: it is durable when this returns. Return False where just this one was there already.

        Raise `RefusedError` for another one of the same id, and for a result that was entered before (same test,
        analysis and recordings) and is not struck out; `StorageFailedError` where the disk does not take it: it is
        in memory then, and written when the disk does.
        """
        head = head_of(document)
        if len(document_bytes(document)) > MOST_BYTES:
            raise FormatError(f"document {document.id}: larger than the {MOST_BYTES} bytes that one may have")
        async with self._putting:
            before = await self._find(Wanted(ids=(document.id,)))
            if before:
                self._require_same(before[0], document)
                if self.disk.holds(document.id):
                    await self.disk.write(document)
                return False
            if head.work:
                await self._require_new(document, head.work)
            for doubt in doubts_of(document, _now_ms()):
                self._troubles.clock(doubt)
            await self.disk.write(document)
        return True

    def _require_same(self, before: Document, document: Document) -> None:
        if before.sha256 != document.sha256:
            raise RefusedError(f"document {document.id}: another one of this name was entered {before.entered_utc}")

    async def _require_new(self, document: Document, work: str) -> None:
        """Refuse a result that is there already, unless it was struck out."""
        for kept in await self._assembled(await self._find(Wanted(kinds=("result",), work=work))):
            if kept.struck is None:
                first = kept.document
                raise RefusedError(
                    f"{document.id}: this result of {kept.result.test} was entered before, as {first.id} of "
                    f"{first.at_utc} by {first.by}; strike that one out first if this one is to stand in its place"
                )

    async def put_evidence(self, identity: str, at_utc: str, findings: Findings) -> str:
        """Keep pictures and curves beside a result that is yet to be put; return the SHA-256 that it is to hold.

        Raise `StorageFailedError`, `FormatError` where they are too large.
        """
        data = await asyncio.to_thread(evidence_bytes, findings.pictures, findings.curves)
        await self.disk.write_evidence(identity, at_utc, data)
        return hashlib.sha256(data).hexdigest()

    # Out

    async def newest(self, test: str) -> Kept | None:
        """Return the newest result of a test by when it was performed, those struck out left aside."""
        for limit in _NEWEST:
            results = await self._seen(Wanted(kinds=("result",), test=test, limit=limit))
            for kept in await self._assembled(results):
                if kept.struck is None:
                    return kept
            if len(results) < limit:
                break
        return None

    async def results(
        self, test: str | None = None, *, since_utc: str | None = None, until_utc: str | None = None, limit: int = 1000,
        level: str | None = None,
    ) -> list[Kept]:  # fmt: skip
        """Return results, newest first; those struck out among them say so. Raise `UsageError` for what is no time."""
        wanted = Wanted(
            kinds=("result",), test=test, level=level, since_ms=_moment(since_utc), until_ms=_moment(until_utc),
            limit=limit,
        )  # fmt: skip
        return await self._assembled(await self._seen(wanted))

    async def result(self, identity: str) -> Kept:
        """Return one result as its file has it now. Raise `MissingError`; `FormatError` for a file that was changed."""
        found = await self._find(Wanted(ids=(identity,), kinds=("result",)))
        if not found:
            raise MissingError(f"no result {identity!r} in the books of quality control")
        document = await self.disk.read(found[0])
        if document.sha256 != found[0].sha256:  # its hash was made anew: whoever renews the index says so
            self.index.renew()
        (kept,) = await self._assembled([document])
        return kept

    async def reference(self, test: str) -> Kept | None:
        """Return the result that a test is compared with now; None where nobody made one the reference.

        Nor is there one after the newest reference was struck out: an earlier one does not come back by itself.
        """
        said = await self.reference_entry(test)
        if said is None:
            return None
        found = await self._assembled(await self._seen(Wanted(ids=(said.about,), kinds=("result",))))
        return next((kept for kept in found if kept.struck is None), None)

    async def reference_entry(self, test: str) -> Document | None:
        """Return the newest document that makes a result the reference of a test, be that struck out or not."""
        return next(iter(await self._seen(Wanted(kinds=("reference",), test=test, limit=1))), None)

    async def events(self, test: str | None = None, *, since_utc: str | None = None) -> list[Document]:
        """Return events that touch a test, or all, newest first."""
        found = await self._seen(Wanted(kinds=("event",), since_ms=_moment(since_utc), limit=_ALL))
        return [each for each in found if test is None or test in (each.body.get("tests") or [test])]

    async def source(self, serial: str) -> Document | None:
        """Return the newest entry of a source of the register."""
        found = await self._seen(Wanted(kinds=("source",), abouts=(serial,), limit=_ALL))
        return max(found, key=lambda each: (each.entered_utc, each.id), default=None)

    async def sources(self) -> list[Document]:
        """Return the newest entry of each source, by serial."""
        found = await self._seen(Wanted(kinds=("source",), limit=_ALL))
        newest = {each.about: each for each in sorted(found, key=lambda each: (each.entered_utc, each.id))}
        return [newest[serial] for serial in sorted(newest)]

    async def source_notes(self, serial: str) -> list[Document]:
        """Return the log of a source, newest first."""
        return await self._seen(Wanted(kinds=("source-note",), abouts=(serial,), limit=_ALL))

    async def others(self, test: str | None = None) -> list[Document]:
        """Return references and events (those that touch a test, or all), sources and their log."""
        references = await self._seen(Wanted(kinds=("reference",), test=test, limit=_ALL))
        return [
            *references, *await self.events(test),
            *await self._seen(Wanted(kinds=("source", "source-note"), limit=_ALL)),
        ]  # fmt: skip

    async def series(
        self, test: str, figure: str, *, since_utc: str | None = None, until_utc: str | None = None
    ) -> FigureSeries:
        """Return a figure of all results of a test within the times."""
        wanted = Wanted(
            kinds=("result",), test=test, since_ms=_moment(since_utc), until_ms=_moment(until_utc),
            real=not self._simulated, limit=_ALL,
        )  # fmt: skip
        rows = await self.index.figures(figure, wanted)
        if rows is None:
            kept = await self._assembled(await self._find(wanted))
            rows = rows_of([each.document for each in kept if each.struck is None], figure)
        return series_of(test, figure, rows)

    async def evidence(self, kept: Kept) -> Evidence:
        """Return pictures and curves of a result. Raise `MissingError`, `FormatError` where they were changed."""
        if kept.result.evidence_sha256 is None:
            return (), ()
        data = await self.disk.read_evidence(kept.document)
        return await asyncio.to_thread(evidence_from, data, kept.result.evidence_sha256)

    async def _seen(self, wanted: Wanted) -> list[Document]:
        """Return what is looked for, of what counts at this station."""
        return await self._find(replace(wanted, real=not self._simulated))

    async def _find(self, wanted: Wanted) -> list[Document]:
        unwritten = self.disk.unwritten()  # before the others: they may be written meanwhile
        found = await self.index.find(wanted)
        return chosen([*found, *unwritten], wanted) if unwritten else found

    async def _assembled(self, results: list[Document]) -> list[Kept]:
        ids = tuple(each.id for each in results)
        others = await self._find(Wanted(kinds=("signature", "strike"), abouts=ids, limit=_ALL)) if ids else []
        if len(results) <= FEW:
            return assembled(results, others, now_ms=_now_ms())
        return await asyncio.to_thread(assembled, results, others, now_ms=_now_ms())  # a ring's are megabytes each


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _moment(text: str | None) -> int | None:
    """Return a time in ms since 1970. Raise `UsageError` for a text that is none."""
    found = moment_ms(text)
    if text is not None and found is None:
        raise UsageError(f"{text!r} is no time, such as 2026-11-22 or 2026-11-22T14:05:00Z")
    return found
