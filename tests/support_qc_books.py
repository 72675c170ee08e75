"""Results, signatures and books of quality control for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from daq.model.qc.documents import Document, DocumentKind, QcResult, new_identity
from daq.model.qc.figures import Figure, Level
from daq.services.qc.books import QcBooks
from daq.services.qc.index import IndexBounds
from daq.storage.files import Handle, StorageFiles

DEADLINE_S = 30.0
QUICK = IndexBounds(call_s=5.0, wait_s=1.0, retry_s=0.05, retry_most_s=0.1, file_days=100_000)


def moment(day: int, year: int = 2025) -> str:
    return f"{year}-{1 + day // 28 % 12:02d}-{1 + day % 28:02d}T07:00:00.000Z"


def result(day: int = 0, *, test: str = "daily-flood", level: Level = Level.IN_LIMITS, **other: Any) -> Document:
    """Make a result of a test of one recording: the values are the day's number, one for each of three blocks."""
    at = other.pop("at", moment(day))
    figure = Figure("efficiency", "%", ("block 0", "block 1", "block 2"), (day + 0.1, None, day + 0.3), (0.5, 0.5, 0.5))
    told: dict[str, Any] = {
        "test": test, "title": "Daily flood", "analysis": "planar-uniformity", "analysis_version": 1, "level": level,
        "figures": (figure,), "judged": (), "limits": {}, "acquisitions": ({"id": f"a{day}"},), **other,
    }  # fmt: skip
    body = QcResult(**told).to_body()
    return Document(new_identity(test, at, body), "result", at, at, "anna", body, station="one", scanner="s")


def about(kind: DocumentKind, first: Document, by: str = "berta", at: str = "", **body: Any) -> Document:
    """Make a signature, a strike or a reference of a result."""
    at = at or first.entered_utc.replace("T07", "T08")
    told = {"sha256": first.sha256, **body}
    identity = new_identity(kind, at, {**told, "by": by, "about": first.id})
    return Document(identity, kind, at, at, by, told, about=first.id, station="one")


class Unsynced(StorageFiles):
    """Does not wait for the disk, which no test here pulls the plug of; that documents are synced has its own test."""

    def sync(self, handle: Handle) -> None:
        """Wait for nothing."""

    def sync_directory(self, path: Path) -> None:
        """Wait for nothing."""


@asynccontextmanager
async def books_at(url: str, folder: Path, **other: Any) -> AsyncIterator[QcBooks]:
    told = {"station": "one", "bounds": QUICK, "files": Unsynced(), **other}
    made = QcBooks(url, folder, **told)
    task = asyncio.create_task(made.run(), name="books")
    try:
        yield made
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        made.close()
        for worker in (made.index._writer, made.index._readers):
            for thread in worker._threads:
                thread.join(DEADLINE_S)
        made.index._tables.close()  # what a thread still had is idle now
