"""The catalogue as the daemon uses it: never in the loop's way, and never in the way of an acquisition.

What is to be written waits in memory, bounded, the newest of each directory. Where the database is gone that is tried
again and again, and an alarm says so. A damaged catalogue file is moved aside, and made anew from the directories.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from daq.errors import MissingError, ScandaqError, UsageError
from daq.services.alarms import Alarms
from daq.services.catalogue.database import Database
from daq.services.catalogue.entry import ALL, Acquisition, Filter
from daq.services.catalogue.rebuild import Rebuild, Rebuilt, refreshed
from daq.services.catalogue.studylist import StudyRows, study_page, study_rows
from daq.services.catalogue.table import NAMES
from daq.services.worker import Worker
from daq.storage.verify import verify

_LOG = logging.getLogger(__name__)
_DEVICE = "catalogue"
_BATCH = 100
_LAST_WRITE_S = 2.0
_FROM_THE_DIRECTORY = ("directory", "keeper", "stamp")

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CatalogueBounds:
    """`call_s` bounds every call to the database, `wait_s` what it waits for a lock or a server within.

    At most `pending` directories wait to be written; after a failure that is tried again after `retry_s`, doubling up
    to `retry_most_s`. One list has at most `most_rows` rows.
    """

    call_s: float = 10.0
    wait_s: float = 5.0
    pending: int = 1000
    retry_s: float = 1.0
    retry_most_s: float = 30.0
    most_rows: int = 100_000


class Catalogue:
    """The catalogue of a station. `storage` is where lost or dropped rows are made again from.

    `failures` counts attempts to write that failed, `dropped` directories that found no room to wait; they come back
    with the rebuild that follows.
    """

    def __init__(
        self,
        url: str,
        *,
        storage: Path | None = None,
        station: str = "",
        alarms: Alarms | None = None,
        bounds: CatalogueBounds | None = None,
    ) -> None:
        self.failures = self.dropped = 0
        self.bounds = bounds or CatalogueBounds()
        self._database = Database(url, wait_s=self.bounds.wait_s)
        self.changed: Callable[[], None] = lambda: None
        """Called when rows were written."""
        self._storage, self._station, self._alarms = storage, station, alarms
        self._writer = Worker("catalogue-write")
        self._readers = Worker("catalogue-read", threads=2, waiting=32)
        self._verifier = Worker("catalogue-verify", waiting=16)
        self._pending: dict[str, dict[str, Any]] = {}
        self._changed, self._idle = asyncio.Event(), asyncio.Event()
        self._owes_rebuild = storage is not None
        if not self._owes_rebuild:
            self._idle.set()

    @property
    def pending(self) -> int:
        """Return how many directories wait to be written."""
        return len(self._pending)

    def add(self, acquisition: Acquisition) -> None:
        """Have a row written as it is given, and return at once: for what no manifest tells yet."""
        told = {name: getattr(acquisition, name) for name in NAMES if name not in _FROM_THE_DIRECTORY}
        self._put(Path(acquisition.directory), told)

    def note(self, directory: Path, /, **known: Any) -> None:
        """Have the row of a directory made anew from its manifest, with what is known beside; return at once.

        `known` are fields of `Acquisition`, such as `outcome="interrupted"`, which outlasts later rebuilds. Raise
        `UsageError` for others, and for a path that is not UTF-8.
        """
        wrong = [name for name in known if name not in NAMES or name in (*_FROM_THE_DIRECTORY, "id")]
        if wrong:
            raise UsageError(f"catalogue: {', '.join(wrong)} cannot be noted")
        self._put(directory, known)

    async def find(self, wanted: Filter = ALL, *, limit: int = 100, offset: int = 0) -> list[Acquisition]:
        """Return the rows that fulfil the filter, newest first. Raise `UsageError` beyond the bounds.

        This and all that reads or writes may raise `DeadlineError`, `UnreachableError`, `StorageFailedError`,
        `FormatError`.
        """
        if not 0 < limit <= self.bounds.most_rows or offset < 0:
            raise UsageError(f"catalogue: {limit} rows from {offset}: from 1 to {self.bounds.most_rows}, from 0 on")
        return await self._read(self._database.find, wanted, limit=limit, offset=offset)

    async def count(self, wanted: Filter = ALL) -> int:
        """Return how many rows fulfil the filter."""
        return await self._read(self._database.count, wanted)

    async def get(self, identity: str) -> Acquisition:
        """Return the row of an acquisition; where it has several directories, the best. Raise `MissingError`."""
        return await self._read(self._database.get, identity)

    async def study_page(
        self, wanted: Filter = ALL, *, limit: int = 50, offset: int = 0
    ) -> tuple[list[StudyRows], int]:
        """Return studies with an acquisition that fulfils the filter, newest first, and how many there are."""
        return await self._read(study_page, self._database, wanted, limit=limit, offset=offset)

    async def study(self, key: str) -> list[Acquisition]:
        """Return the acquisitions of a study, or of that of an acquisition, newest first. Raise `MissingError`."""
        found = await self._read(study_rows, self._database, key)
        if not found:
            raise MissingError(f"there is no study or acquisition {key!r} in the catalogue")
        return found

    async def note_verified(self, row: Acquisition, verdict: str) -> None:
        """Note the verdict of a verification that another process did."""
        now_ms = time.time_ns() // 1_000_000
        await self._writer.call_within(self.bounds.call_s, self._database.set_verified, row, verdict, now_ms)

    async def open_directory(self, identity: str) -> Path:
        """Return the directory of an acquisition, which is there. Raise `MissingError`."""
        directory = Path((await self.get(identity)).directory)
        if not await self._read(directory.is_dir):
            raise MissingError(f"acquisition {identity}: its directory {directory} is not there")
        return directory

    async def verify(self, identity: str, *, sha256: bool = False, within_s: float = 3600.0) -> Acquisition:
        """Read every byte of an acquisition, note the verdict and return the row with it. Raise `MissingError`."""
        directory = await self.open_directory(identity)
        row = await self.get(identity)
        report = await self._verifier.call_within(within_s, verify, directory, sha256=sha256)
        verdict, now_ms = report.verdict, time.time_ns() // 1_000_000
        await self._writer.call_within(self.bounds.call_s, self._database.set_verified, row, verdict, now_ms)
        return await self.get(identity)

    async def rebuild(self, storage: Path | None = None, *, everything: bool = False) -> Rebuilt:
        """Make all rows right from the directories, a batch at a time. Raise `MissingError` without a storage."""
        place = storage or self._storage
        if place is None:
            raise UsageError("catalogue: no storage folder to rebuild from")
        work = Rebuild(self._database, place, keeper=self._station, everything=everything)
        while await self._writer.call_within(self.bounds.call_s, work.step):
            pass
        return work.result

    async def flush(self, within_s: float = 10.0) -> bool:
        """Return True once everything is written and rebuilt, False where that took longer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._idle.wait()
        return self._idle.is_set()

    async def run(self) -> None:
        """Bring the catalogue up to date, then write what comes, until cancelled."""
        pause_s = self.bounds.retry_s
        try:
            while True:
                try:
                    await self._work()
                except ScandaqError as why:
                    await self._failed(why)
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, self.bounds.retry_most_s)
                    continue
                pause_s = self.bounds.retry_s
                if self._pending or self._owes_rebuild:
                    continue
                self._idle.set()
                self._changed.clear()
                await self._changed.wait()
        finally:
            try:
                await self._write_the_last()
            finally:
                self.close()

    def close(self) -> None:
        """End the threads after what they are at; wait for nothing."""
        for worker in (self._writer, self._readers, self._verifier):
            worker.close()

    async def _work(self) -> None:
        """Write what waits, then do the rebuild that is owed."""
        while self._pending:
            await self._write(dict(list(self._pending.items())[:_BATCH]))
        if self._owes_rebuild:
            self._owes_rebuild = False
            try:
                done = await self.rebuild()
            except BaseException:
                self._owes_rebuild = True
                raise
            _LOG.info("catalogue: %d acquisitions, %d rows renewed", done.directories, done.stored)
        self._clear()

    async def _write_the_last(self) -> None:
        """Write what still waits, if that is quickly done; what is left comes with the rebuild of the next start."""
        try:
            async with asyncio.timeout(_LAST_WRITE_S):
                while self._pending:
                    await self._write(dict(list(self._pending.items())[:_BATCH]))
        except (ScandaqError, TimeoutError) as why:
            _LOG.warning("catalogue: %d entries are left to the next start: %s", len(self._pending), why)

    async def _write(self, batch: dict[str, dict[str, Any]]) -> None:
        await self._writer.call_within(self.bounds.call_s, self._store, batch)
        for directory, written in batch.items():
            if self._pending.get(directory) is written:
                del self._pending[directory]
        self.changed()

    def _store(self, batch: dict[str, dict[str, Any]]) -> None:
        """Write a batch; in the writer's thread."""
        self._database.make()
        self._database.store(refreshed(self._database, batch, self._station))

    def _put(self, place: Path, known: dict[str, Any]) -> None:
        """Let a directory wait to be written; what is known newly wins."""
        directory = str(place.absolute())
        try:
            directory.encode()
        except UnicodeEncodeError:
            raise UsageError(f"catalogue: {directory!a} is not UTF-8") from None
        before = self._pending.pop(directory, None)
        if before is None and len(self._pending) >= self.bounds.pending:
            oldest = next(iter(self._pending))
            del self._pending[oldest]
            self.dropped += 1
            self._owes_rebuild = self._storage is not None
            _LOG.warning("catalogue: too many directories wait; %s comes with the next rebuild", oldest)
        self._pending[directory] = {**(before or {}), **known}
        self._idle.clear()
        self._changed.set()

    async def _read(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._readers.call_within(self.bounds.call_s, work, *args, **kwargs)

    async def _failed(self, why: ScandaqError) -> None:
        """Say that the catalogue cannot be written; put a damaged one aside."""
        self.failures += 1
        _LOG.warning("catalogue: %s", why)
        if self._database.is_damaged:
            await self._move_aside(why)
            return
        self._raise(
            "database", f"the list of studies cannot be written; {len(self._pending)} entries wait",
            "go on: acquisitions are recorded, the list may miss the newest. Tell whoever services the scanner",
            latched=False, details=f"{why}; look at the database of the catalogue",
        )  # fmt: skip

    async def _move_aside(self, why: ScandaqError) -> None:
        try:
            aside = await self._writer.call_within(self.bounds.call_s, self._database.move_aside)
        except ScandaqError as error:
            self._raise(
                "database", "the list of studies is damaged", "go on; tell whoever services the scanner",
                latched=False, details=f"{why}; {error}; move the file of the catalogue away by hand",
            )  # fmt: skip
            return
        self._owes_rebuild = self._storage is not None
        self._raise(
            "damaged", "the list of studies was damaged and is made anew",
            "acquisitions themselves are not touched; have the disk looked at, and acknowledge",
            details=f"the old file of the catalogue is {aside.name}",
        )  # fmt: skip
        if self._alarms is not None:
            self._alarms.clear(_DEVICE, "damaged")

    def _raise(self, name: str, text: str, guidance: str, *, details: str, latched: bool = True) -> None:
        if self._alarms is not None:
            self._alarms.raise_(
                _DEVICE, name, priority="low", text=text, guidance=guidance, latched=latched, details=details
            )  # fmt: skip

    def _clear(self) -> None:
        if self._alarms is not None:
            self._alarms.clear(_DEVICE, "database")
