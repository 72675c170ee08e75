"""What the books of quality control can do for others. `daq.services.qc.books` does it; tests may do it in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from daq.model.qc.documents import Document, QcResult


@dataclass(frozen=True, slots=True)
class Kept:
    """A result as the books have it: its document, its signatures in order, and whether it was struck out."""

    document: Document
    result: QcResult
    signatures: tuple[Document, ...] = ()
    struck: Document | None = None


class Books(Protocol):
    """The books: documents on the disk first, in the database as soon as that answers."""

    async def put(self, document: Document) -> bool:
        """Keep a document: it is durable when this returns. Return False where just this one was there already.

        Raise `RefusedError` for another document of the same id, `StorageFailedError` where the disk does not take it.
        """
        ...

    async def newest(self, test: str) -> Kept | None:
        """Return the newest result of a test by when it was performed, those struck out left aside."""
        ...

    async def results(
        self, test: str | None = None, *, since_utc: str | None = None, until_utc: str | None = None, limit: int = 1000
    ) -> list[Kept]:
        """Return results, newest first."""
        ...

    async def result(self, identity: str) -> Kept:
        """Return one result. Raise `MissingError`."""
        ...

    async def reference(self, test: str) -> Kept | None:
        """Return the result that a test is compared with now; None where nobody made one the reference."""
        ...

    async def events(self, test: str | None = None, *, since_utc: str | None = None) -> list[Document]:
        """Return events that touch a test, or all, newest first."""
        ...

    async def source(self, serial: str) -> Document | None:
        """Return the newest entry of a source of the register."""
        ...

    async def sources(self) -> list[Document]:
        """Return the newest entry of each source."""
        ...
