"""Make the database's index right from the documents as they lie on the disk, in small batches."""

from __future__ import annotations

from dataclasses import dataclass, field

from daq.errors import FormatError, MissingError, ScandaqError, StorageFailedError
from daq.model.qc.documents import Document
from daq.services.qc.entries import head_of
from daq.services.qc.store import Listed, Store
from daq.services.qc.tables import Known, QcTables

BATCH = 50
_NO_FILE = "its file is not there any more"


@dataclass(slots=True)
class Renewed:
    """What a renewal did. `problems`: by id, why a document is left out; `taken`: ids that another station has.

    `altered`: ids whose file says something else than it did before, with a hash made anew.
    """

    documents: int = 0
    entered: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    altered: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)


class Renewal:
    """A renewal in steps, for whoever must not hold others up."""

    def __init__(self, tables: QcTables, store: Store) -> None:
        self.result = Renewed()
        self._tables, self._store = tables, store
        self._listed: dict[str, Listed] = {}
        self._known: dict[str, Known] = {}
        self._left: list[str] | None = None

    def step(self) -> bool:
        """Do the next batch; return False when all is done. Raise what the database does, `StorageFailedError`."""
        if self._left is None:
            self._left = self._begun()
        batch = self._left[:BATCH]
        if batch:
            self._take(batch)
        self._left = self._left[BATCH:]
        return bool(self._left)

    def _begun(self) -> list[str]:
        self._tables.make()
        _name_keeper(self._tables, self._store)
        self._known, self._listed = _both(self._tables, self._store)
        self.result.documents = len(self._listed)
        missing = {identity: (_NO_FILE, "") for identity in self._known if identity not in self._listed}
        self._tables.leave_out(missing)
        self.result.problems = dict.fromkeys(missing, _NO_FILE)
        return [identity for identity in self._listed if not self._is_right(identity)]

    def _is_right(self, identity: str) -> bool:
        known = self._known.get(identity)
        if known is None or known.stamp != self._listed[identity].stamp:
            return False
        if known.problem:
            self.result.problems[identity] = known.problem
        return True

    def _take(self, batch: list[str]) -> None:
        whole: dict[str, Document] = {}
        problems: dict[str, tuple[str, str]] = {}
        for identity in batch:
            try:
                whole[identity] = _read(self._store, self._listed[identity])
            except (ScandaqError, OSError) as why:
                problems[identity] = (str(why), self._listed[identity].stamp)
        self.result.taken += self._tables.enter([(whole[name], self._listed[name].stamp) for name in whole])
        self._tables.leave_out(problems)
        self.result.entered += len(whole)
        self.result.problems |= {identity: problem for identity, (problem, _) in problems.items()}
        self.result.altered += [
            name for name in whole if name in self._known and self._known[name].sha256 != whole[name].sha256
        ]


@dataclass(frozen=True, slots=True)
class Difference:
    """What the database does not have as the files do: documents with their stamps, and ids that are left out."""

    entries: list[tuple[Document, str]]
    left_out: frozenset[str]


def difference(tables: QcTables, store: Store, most: int) -> Difference | None:
    """Return what of the files the database lacks, and change nothing; None where that is more than `most`.

    Raise what the database does, `StorageFailedError`.
    """
    try:
        tables.keeper = store.keeper() or ""
    except OSError as why:
        raise StorageFailedError(f"{store.folder}: {why.strerror}") from None
    known, listed = _both(tables, store)
    changed = [name for name in listed if name not in known or known[name].stamp != listed[name].stamp]
    if len(changed) > most:
        return None
    entries: list[tuple[Document, str]] = []
    left_out = {name for name in known if name not in listed}
    for name in changed:
        try:
            entries.append((_read(store, listed[name]), listed[name].stamp))
        except (ScandaqError, OSError):  # whoever renews the database says so
            left_out.add(name)
    return Difference(entries, frozenset(left_out))


def _name_keeper(tables: QcTables, store: Store) -> None:
    """Let the folder have a name in the database. Raise `StorageFailedError` where it seems to be lost."""
    try:
        keeper = store.keeper()
        if keeper is None:
            there = tables.of_station()
            if there and not store.listed():
                raise StorageFailedError(
                    f"{store.folder} is empty, but the database has {there} documents of a station {tables.station!r}: "
                    "the folder is lost, or two stations have one name"
                )
            keeper = store.make_keeper(tables.station)
    except OSError as why:
        raise StorageFailedError(f"{store.folder}: {why.strerror}") from None
    tables.keeper = keeper


def _both(tables: QcTables, store: Store) -> tuple[dict[str, Known], dict[str, Listed]]:
    """Return what the database knows, and what files there are."""
    known = tables.known()
    try:
        listed = store.listed()
    except OSError as why:
        raise StorageFailedError(f"{store.folder} cannot be read: {why.strerror}") from None
    if known and not listed:
        raise StorageFailedError(f"{store.folder}: no documents, but the database has {len(known)}")
    return known, listed


def _read(store: Store, listed: Listed) -> Document:
    try:
        document = store.read(listed.path)
    except MissingError:
        raise FormatError(_NO_FILE) from None
    head_of(document)  # whole, or left out
    return document
