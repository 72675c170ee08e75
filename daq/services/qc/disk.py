"""Documents to the disk and from it, beside the loop. What the disk refuses stays in memory, and is tried again."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from daq.errors import DeadlineError, FormatError, MissingError, ScandaqError, StorageFailedError
from daq.model.qc.documents import Document
from daq.services.qc.evidence import END, MOST_BYTES
from daq.services.qc.store import Store
from daq.services.qc.troubles import Troubles
from daq.services.worker import Worker

_DISK_S = 30.0
_MOST_UNWRITTEN = 200

T = TypeVar("T")


class Disk:
    """Writes documents durably. `written` hears of each, with the stamp of its file."""

    def __init__(
        self, store: Store, troubles: Troubles, written: Callable[[Document, str], None], *, retry_s: float,
        retry_most_s: float,
    ) -> None:  # fmt: skip
        self._store, self._troubles, self._written = store, troubles, written
        self._retry_s, self._retry_most_s = retry_s, retry_most_s
        self._writer, self._reader = Worker("qc-files"), Worker("qc-files-read")
        self._unwritten: dict[str, Document] = {}
        self._refused = asyncio.Event()

    def unwritten(self) -> list[Document]:
        """Return the documents that are in memory alone."""
        return list(self._unwritten.values())

    def holds(self, identity: str) -> bool:
        """Return True for a document that is in memory alone."""
        return identity in self._unwritten

    async def write(self, document: Document) -> None:
        """Write a document. Raise `StorageFailedError` where the disk does not take it; it stays in memory then."""
        try:
            await self._write(document)
            self._unwritten.pop(document.id, None)
        except (StorageFailedError, DeadlineError) as why:
            kept = document.id in self._unwritten or len(self._unwritten) < _MOST_UNWRITTEN
            if kept:
                self._unwritten[document.id] = document
                self._refused.set()
            self._troubles.disk(str(why), len(self._unwritten))
            fate = "it is kept in memory and written as soon as the disk takes it" if kept else "it is NOT kept"
            raise StorageFailedError(f"{why}; {fate}") from None

    async def write_evidence(self, identity: str, at_utc: str, data: bytes) -> None:
        """Write what lies beside a document. Raise `StorageFailedError`."""
        path = self._store.path_of(identity, at_utc, END)
        await self._put(path, lambda: self._store.write_bytes(path, data))

    async def read(self, document: Document) -> Document:
        """Return a document as its file has it now; one in memory alone as it is. Raise `MissingError`, `FormatError`.

        The file must be there: the database is only an index.
        """
        if document.id in self._unwritten:
            return document
        path = self._store.path_of(document.id, document.at_utc)
        try:
            return await self._reader.call_within(_DISK_S, self._store.read, path)
        except FormatError as why:
            self._troubles.changed(str(why))
            raise
        except OSError as why:
            raise StorageFailedError(f"{path} cannot be read: {why.strerror}") from None

    async def read_evidence(self, document: Document) -> bytes:
        """Return what lies beside a document. Raise `MissingError`, `FormatError` where it is too large."""
        path = self._store.path_of(document.id, document.at_utc, END)
        return await self._reader.call_within(_DISK_S, evidence_at, path)

    async def run(self) -> None:
        """Write what the disk refused as soon as it takes it, until cancelled."""
        pause_s = self._retry_s
        while True:
            await self._refused.wait()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._retry_most_s)
            try:
                for document in list(self._unwritten.values()):
                    await self._write(document)
                    self._unwritten.pop(document.id, None)
            except ScandaqError as why:
                self._troubles.disk(str(why), len(self._unwritten))
                continue
            pause_s = self._retry_s
            self._refused.clear()
            self._troubles.disk_takes()

    def close(self) -> None:
        """End the threads after what they are at; wait for nothing."""
        for worker in (self._writer, self._reader):
            worker.close()

    async def _write(self, document: Document) -> None:
        path = self._store.path_of(document.id, document.at_utc)
        self._written(document, await self._put(path, lambda: self._store.write(document)))

    async def _put(self, path: Path, work: Callable[[], T]) -> T:
        try:
            return await self._writer.call_within(_DISK_S, work)
        except OSError as why:
            full = "the disk is full" if why.errno in (errno.ENOSPC, errno.EDQUOT) else why.strerror or str(why)
            raise StorageFailedError(f"{path} cannot be written: {full}") from None


def evidence_at(path: Path) -> bytes:
    """Return the bytes of an evidence file. Raise `MissingError`, `FormatError`."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise FormatError(f"{path}: larger than the {MOST_BYTES} bytes that evidence may have")
        return path.read_bytes()
    except FileNotFoundError:
        raise MissingError(f"{path}: the pictures and curves of the result are not there") from None
    except OSError as why:
        raise FormatError(f"{path} cannot be read: {why.strerror}") from None
