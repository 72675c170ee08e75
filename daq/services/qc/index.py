"""The database behind the books: what waits for it, what is read from it, and what is read in its place.

Where it does not answer that is tried again and again, an alarm says so, and reading goes on from the files. Before
`run` is called nothing is written to it: who only reads compares it with the files, and reads what it lacks from those.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from daq.errors import ScandaqError
from daq.model.qc.documents import Document
from daq.services.qc.entries import FEW, Wanted, chosen
from daq.services.qc.fileshelf import DAYS, FileShelf
from daq.services.qc.renewal import Renewal, Renewed, difference
from daq.services.qc.store import Store
from daq.services.qc.tables import FigureRow, QcTables
from daq.services.qc.troubles import Troubles
from daq.services.worker import Worker

_LOG = logging.getLogger(__name__)
_BATCH = 50
_LONG_S = 300.0
"""For what reads many files; each wait for the database within it has its own bound."""
_LAST_WRITE_S = 2.0

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class IndexBounds:
    """`call_s` bounds every call to the database, `wait_s` what it waits for a lock or a server within.

    At most `pending` documents wait in memory; others are found in their files. A read waits `settle_s` for a renewal
    under way, then reads files, those of the last `file_days`. After a failure the database is tried again after
    `retry_s`, doubling up to `retry_most_s`.
    """

    call_s: float = 10.0
    wait_s: float = 5.0
    pending: int = 2000
    settle_s: float = 5.0
    retry_s: float = 1.0
    retry_most_s: float = 30.0
    file_days: int = DAYS


class Index:
    """The index of a station's documents. `failures` counts calls to the database that failed.

    `renewed`: what the newest renewal found.
    """

    def __init__(self, tables: QcTables, store: Store, troubles: Troubles, bounds: IndexBounds | None = None) -> None:
        self.failures = 0
        self.renewed = Renewed()
        self.bounds = bounds or IndexBounds()
        self._tables, self._store, self._troubles = tables, store, troubles
        self._writer = Worker("qc-write")
        self._readers = Worker("qc-read", threads=2, waiting=64)
        self._waiting: dict[str, tuple[Document, str]] = {}
        self._changed, self._idle = asyncio.Event(), asyncio.Event()
        self._owes_renewal, self._renewal = True, Renewal(tables, store)
        self._settling, self._shelving = asyncio.Lock(), asyncio.Lock()
        self._gone = self._runs = self._is_compared = self._lacks = False
        self._left_out: frozenset[str] = frozenset()
        self._shelf: FileShelf | None = None
        self._file_number = tables.file_number()

    @property
    def waiting(self) -> int:
        """Return how many documents wait in memory to be entered."""
        return len(self._waiting)

    @property
    def reads_files(self) -> bool:
        """Return True while documents are read from the files alone, those of the last `file_days`."""
        return self._gone or self._lacks

    def add(self, document: Document, stamp: str) -> None:
        """Have a document entered whose file was written; return at once."""
        if self._shelf is not None:
            self._shelf.add(document)
        if len(self._waiting) < self.bounds.pending:
            self._waiting[document.id] = (document, stamp)
        else:
            self._owe()
        self._idle.clear()
        self._changed.set()

    async def find(self, wanted: Wanted) -> list[Document]:
        """Return documents that are looked for, newest first: from the database, and from what waits for it."""
        away = await self._is_away()
        waiting = [
            document for document, _ in self._waiting.values()
        ]  # before the query: they may be entered during it
        found = None if away else await self._from_tables(self._tables.find, wanted)
        if found is None:
            shelf = await self._open_shelf()
            found = await self._readers.call_within(_LONG_S, shelf.find, wanted)
        whole = [document for document in found if document.id not in self._left_out]
        found = [*whole, *waiting]
        return chosen(found, wanted) if len(found) <= FEW else await asyncio.to_thread(chosen, found, wanted)

    async def figures(self, figure: str, wanted: Wanted) -> list[FigureRow] | None:
        """Return a figure of all results looked for; None where the database does not answer, or lacks some."""
        if await self._is_away() or self._waiting or self._left_out:
            return None
        return await self._from_tables(self._tables.figures, figure, wanted)

    def renew(self) -> None:
        """Have database and files compared anew: a file is not what the database has."""
        self._owe()
        self._idle.clear()
        self._changed.set()

    async def flush(self, within_s: float = 10.0) -> bool:
        """Return True once everything is entered, False where that took longer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._idle.wait()
        return self._idle.is_set()

    async def run(self) -> None:
        """Bring the index up to date, then enter what comes, until cancelled."""
        pause_s, self._runs = self.bounds.retry_s, True
        try:
            while True:
                try:
                    await self._work()
                except ScandaqError as why:
                    self._failed(why)
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, self.bounds.retry_most_s)
                    continue
                pause_s = self.bounds.retry_s
                if self._waiting or self._owes_renewal:
                    continue
                self._idle.set()
                self._changed.clear()
                await self._changed.wait()
        finally:
            with suppress(ScandaqError, TimeoutError):  # what is left comes with the renewal of the next start
                async with asyncio.timeout(_LAST_WRITE_S):
                    await self._enter_all()

    def close(self) -> None:
        """End the threads after what they are at, and let go of connections that are idle; wait for nothing."""
        for worker in (self._writer, self._readers):
            worker.close()
        self._tables.close()

    async def _work(self) -> None:
        """Enter what waits, and do the renewal that is owed."""
        await self._settle()
        self._left_out = frozenset()
        await self._enter_all()
        self._gone, self._shelf = False, None
        self._troubles.database_answers()

    async def _enter_all(self) -> None:
        while self._waiting:
            batch = list(self._waiting.values())[:_BATCH]
            taken = await self._writer.call_within(self.bounds.call_s, self._enter, batch)
            for written in batch:
                if self._waiting.get(written[0].id) is written:
                    del self._waiting[written[0].id]
            if taken:
                self._troubles.taken(taken)

    def _enter(self, batch: list[tuple[Document, str]]) -> list[str]:
        """Enter a batch; in the writer's thread."""
        self._tables.make()
        return self._tables.enter(batch)

    async def _settle(self) -> None:
        """Do the renewal that is owed; whoever comes second finds it done."""
        async with self._settling:
            if self._tables.file_number() != self._file_number:
                self._owe()
            while self._owes_renewal:
                renewal = self._renewal
                while await self._writer.call_within(_LONG_S, renewal.step):
                    pass
                if renewal is self._renewal:  # else another one is owed since
                    self._owes_renewal, self.renewed = False, renewal.result
                    self._file_number = self._tables.file_number()
                    self._troubles.renewed(renewal.result)

    def _owe(self) -> None:
        self._owes_renewal, self._renewal = True, Renewal(self._tables, self._store)

    async def _is_away(self) -> bool:
        """Return True where the database cannot be asked now, or does not have all that the files have."""
        if self._gone:
            return True
        if not self._runs:
            return await self._differs()
        if not self._owes_renewal and self._tables.file_number() == self._file_number:
            return False
        try:
            async with asyncio.timeout(self.bounds.settle_s):
                await self._settle()
        except TimeoutError:
            return True
        except ScandaqError as why:
            self._failed(why)
        return self._gone

    async def _differs(self) -> bool:
        """Compare database and files once; return True where the database cannot be read, or lacks too much."""
        async with self._settling:
            if not self._is_compared:
                self._is_compared, self._lacks = True, True
                call = self._readers.call_within
                try:
                    found = await call(_LONG_S, difference, self._tables, self._store, self.bounds.pending)
                except ScandaqError as why:
                    _LOG.debug("quality control is read from its files: %s", str(why))
                    return True
                if found is not None:
                    self._lacks, self._left_out = False, found.left_out
                    self._waiting |= {document.id: (document, stamp) for document, stamp in found.entries}
        return self._lacks

    async def _from_tables(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Return what the database says; None where it does not answer, which is said."""
        try:
            return await self._readers.call_within(self.bounds.call_s, work, *args, **kwargs)
        except ScandaqError as why:
            self._failed(why)
            return None

    async def _open_shelf(self) -> FileShelf:
        async with self._shelving:
            shelf = self._shelf
            if shelf is None:  # it hears of what is written from now on, also while it is filled
                shelf = self._shelf = FileShelf(self._store, self.bounds.file_days)
            if not shelf.is_filled:
                await self._readers.call_within(_LONG_S, shelf.fill)
            return shelf

    def _failed(self, why: ScandaqError) -> None:
        """Say that the database does not answer; read files until it does."""
        self.failures += 1
        self._gone = True
        self.renew()
        _LOG.warning("quality control: %s", str(why))  # its text alone: the failure holds on to a broken connection
        self._troubles.database(why, len(self._waiting))
