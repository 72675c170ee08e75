"""Documents read from their files alone, for as long as the database does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from daq.errors import ScandaqError, StorageFailedError
from daq.model.qc.documents import Document
from daq.services.qc.entries import Head, Wanted, head_of
from daq.services.qc.store import Listed, Store

DAYS = 400
"""Results, signatures and strikes older than that are looked for only by their id: the others were read then, and
reading all documents of many years would take minutes."""


class FileShelf:
    """What can be found without a database. In memory are heads alone; a document is read when it is wanted.

    `fill` and `find` are for threads; the loop may `add` meanwhile, also before the shelf `is_filled`. `problems`: by
    path, why a file is left out.
    """

    def __init__(self, store: Store, days: int = DAYS) -> None:
        self.problems: dict[str, str] = {}
        self.is_filled = False
        self._store, self._days = store, days
        self._paths: dict[str, Path] = {}
        self._heads: dict[str, Head] = {}

    def fill(self) -> None:
        """Look through the folder. Raise `StorageFailedError` where it cannot be read."""
        since = datetime.now(UTC) - timedelta(days=self._days)
        try:
            found = self._store.listed()
        except OSError as why:
            raise StorageFailedError(f"{self._store.folder} cannot be read: {why.strerror}") from None
        for name, listed in found.items():
            self._paths.setdefault(name, listed.path)
            if _is_wanted(name, listed, f"{since:%Y-%m}") and (document := self._read(listed.path)) is not None:
                self._heads.setdefault(name, head_of(document))
        self.is_filled = True

    def add(self, document: Document) -> None:
        """Let a document be found, whose file was just written."""
        self._heads[document.id] = head_of(document)
        self._paths[document.id] = self._store.path_of(document.id, document.at_utc)

    def find(self, wanted: Wanted) -> list[Document]:
        """Return documents that are looked for, newest first."""
        for name in wanted.ids or ():
            if name not in self._heads and name in self._paths and (found := self._read(self._paths[name])) is not None:
                self.add(found)
        return list(self._documents(wanted))

    def _documents(self, wanted: Wanted) -> Iterator[Document]:
        heads = list(self._heads.values())  # at once: others add to it meanwhile
        fit = sorted((head for head in heads if head.fits(wanted)), key=lambda head: head.age)
        left = wanted.limit
        while fit and left:
            if (document := self._read(self._paths[fit.pop().id])) is not None:
                left -= 1
                yield document

    def _read(self, path: Path) -> Document | None:
        try:
            document = self._store.read(path)
            head_of(document)
        except (ScandaqError, OSError) as why:
            self.problems[str(path)] = str(why)
            return None
        return document


def _is_wanted(name: str, listed: Listed, since: str) -> bool:
    """Return True for what is recent, and for references, events and sources of all years: their names say so."""
    is_old_kind = name[:1].isdigit() or name.startswith(("signature-", "strike-"))
    return listed.folder >= since or not is_old_kind
