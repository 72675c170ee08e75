"""Documents read from their files alone, for as long as the database does not answer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from daq.errors import ScandaqError
from daq.model.qc.documents import Document
from daq.services.qc.entries import Head, Wanted, head_of
from daq.services.qc.store import Listed, Store

DAYS = 400
"""Results, signatures and strikes older than that are looked for only by their id: the others were read then, and
reading all documents of many years would take minutes."""


class FileShelf:
    """What can be found without a database. In memory are heads alone; a document is read when it is wanted.

    `problems`: by path, why a file is left out.
    """

    def __init__(self, store: Store, days: int = DAYS) -> None:
        self.problems: dict[str, str] = {}
        self._store = store
        since = datetime.now(UTC) - timedelta(days=days)
        found = store.listed()
        self._paths = {name: listed.path for name, listed in found.items()}
        self._heads: dict[str, Head] = {}
        for name, listed in found.items():
            if _is_wanted(name, listed, f"{since:%Y-%m}") and (document := self._read(listed.path)) is not None:
                self.add(document)

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

    def _documents(self, wanted: Wanted) -> Iterable[Document]:
        fit = sorted((head for head in self._heads.values() if head.fits(wanted)), key=lambda head: head.age)
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
