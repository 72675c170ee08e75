"""What the books of quality control can do for others. `daq.services.qc.books` does it; tests may do it in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from daq.model.qc.documents import Document, QcResult
from daq.model.qc.figures import Curve, Findings, Picture


@dataclass(frozen=True, slots=True)
class Kept:
    """A result as the books have it: its document, its signatures in order, and whether it was struck out.

    `doubts`: what is wrong with its times. A signature whose hash is not that of the result is broken.
    """

    document: Document
    result: QcResult
    signatures: tuple[Document, ...] = ()
    struck: Document | None = None
    doubts: tuple[str, ...] = ()

    def signed(self, meaning: str) -> tuple[Document, ...]:
        """Return the signatures of a meaning (performed, reviewed, approved) that hold."""
        return tuple(each for each in self.signatures if each.body.get("meaning") == meaning and self.holds(each))

    def holds(self, signature: Document) -> bool:
        """Return True for a signature of just this result, as it is now."""
        return signature.about == self.document.id and signature.body.get("sha256") == self.document.sha256


@dataclass(frozen=True, slots=True, eq=False)
class FigureSeries:
    """A figure of all results of a test, oldest first; those struck out left aside.

    `values` and `noise`: float64 [results, subjects], NaN where there is none. `at_ms`: int64 [results], when they were
    performed, ms since 1970 UTC. `other_units`: results that have it in another unit than the newest, and are left out.
    """

    test: str
    figure: str
    unit: str
    results: tuple[str, ...]
    at_ms: npt.NDArray[np.int64]
    levels: tuple[str, ...]
    subjects: tuple[str, ...]
    values: npt.NDArray[np.float64]
    noise: npt.NDArray[np.float64]
    other_units: int = 0


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
        """Return results, newest first; those struck out among them say so.

        `since_utc` is included, `until_utc` is not. Raise `UsageError` for what is no time.
        """
        ...

    async def result(self, identity: str) -> Kept:
        """Return one result. Raise `MissingError`."""
        ...

    async def reference(self, test: str) -> Kept | None:
        """Return the result that a test is compared with now; None where nobody made one the reference."""
        ...

    async def reference_entry(self, test: str) -> Document | None:
        """Return the newest document that makes a result the reference of a test, be that struck out or not."""
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

    async def series(
        self, test: str, figure: str, *, since_utc: str | None = None, until_utc: str | None = None
    ) -> FigureSeries:
        """Return a figure of all results of a test within the times."""
        ...

    async def put_evidence(self, identity: str, at_utc: str, findings: Findings) -> str:
        """Keep pictures and curves beside a result that is yet to be put; return the SHA-256 that it is to hold."""
        ...

    async def evidence(self, kept: Kept) -> tuple[tuple[Picture, ...], tuple[Curve, ...]]:
        """Return pictures and curves of a result. Raise `MissingError`, `FormatError` where they were changed."""
        ...
