"""The books in the catalogue's database: documents in, documents and figures out. Calls may wait, so none in a loop."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa

from daq.errors import FormatError
from daq.model.qc.documents import Document, QcResult, canonical
from daq.model.qc.figures import Figure
from daq.services.catalogue.connected import Connected
from daq.services.catalogue.tableqc import qc_documents, qc_figures
from daq.services.qc.entries import Wanted, head_of

_AT_ONCE = 200
_EXACT = ("test", "level", "work")


class Known(NamedTuple):
    """What of a row tells whether it is still right."""

    sha256: str
    stamp: str
    problem: str


class FigureRow(NamedTuple):
    """A figure of one result, as the table has it."""

    result: str
    at_ms: int
    level: str
    unit: str
    subjects: str
    numbers: bytes
    noise: bytes | None


class QcTables(Connected):
    """Documents and figures that one folder keeps; a database may hold those of several stations.

    `keeper` names the folder (`Store.keeper`); until it is known, nothing is found.
    """

    def __init__(self, url: Any, station: str, *, keeper: str = "", wait_s: float = 5.0) -> None:
        super().__init__(url, wait_s=wait_s)
        self.station, self.keeper = station, keeper

    def enter(self, stamped: Sequence[tuple[Document, str]]) -> list[str]:
        """Enter documents with the stamps of their files, or renew their rows; return ids that others have taken.

        A document of the same id that another station keeps is not touched, where it says something else.
        """
        rows = [self._row(document, stamp) for document, stamp in stamped]
        if not rows:
            return []
        insert = self._insert(qc_documents)
        changed = {name: insert.excluded[name] for name in rows[0] if name != "id"}
        own = (qc_documents.c.keeper == insert.excluded.keeper) | (qc_documents.c.sha256 == insert.excluded.sha256)
        with self._connected() as connection:
            upsert = insert.on_conflict_do_update(index_elements=["id"], set_=changed, where=own)
            connection.execute(upsert, rows)
            taken = self._taken(connection, {row["id"]: row["sha256"] for row in rows})
            self._enter_figures(connection, [document for document, _ in stamped if document.id not in taken])
        return taken

    def _taken(self, connection: sa.Connection, hashes: Mapping[str, str]) -> list[str]:
        query = sa.select(qc_documents.c.id, qc_documents.c.sha256).where(qc_documents.c.id.in_(list(hashes)))
        return [identity for identity, sha256 in connection.execute(query).all() if hashes[identity] != sha256]

    def _enter_figures(self, connection: sa.Connection, documents: Sequence[Document]) -> None:
        results = [document for document in documents if document.kind == "result"]
        rows = [
            {"result": document.id, **figure_row(figure)}
            for document in results for figure in QcResult.from_body(document.body).figures
        ]  # fmt: skip
        ids = [document.id for document in results]
        connection.execute(sa.delete(qc_figures).where(qc_figures.c.result.in_(ids)))
        if rows:
            connection.execute(sa.insert(qc_figures), rows)

    def _row(self, document: Document, stamp: str) -> dict[str, Any]:
        head, content = head_of(document), canonical(document.content())
        return {
            "id": document.id, "kind": head.kind, "about": _clean(head.about), "test": _clean(head.test),
            "at_ms": head.at_ms, "entered_ms": head.entered_ms, "entered_by": _clean(document.by),
            "station": _clean(document.station), "scanner": _clean(document.scanner), "keeper": self.keeper,
            "level": head.level, "simulated": document.simulated, "sha256": hashlib.sha256(content).hexdigest(),
            "work": head.work, "stamp": stamp, "problem": "", "content": content.decode(),
        }  # fmt: skip

    def find(self, wanted: Wanted) -> list[Document]:
        """Return documents that are looked for, newest first; those that are left out are not among them.

        Raise `FormatError` for a row that was changed in the database; it is read anew with the next renewal.
        """
        column = qc_documents.c
        order = (column.at_ms.desc(), column.entered_ms.desc(), column.id.desc())
        query = sa.select(column.content, column.sha256).where(*self._conditions(wanted), column.problem == "")
        rows: list[Any] = []
        with self._connected(reads=True) as connection:
            for keys in _portions(wanted):
                rows += connection.execute(query.where(*keys).order_by(*order).limit(wanted.limit)).all()
        self._require_unchanged(rows)
        return [_document(content) for content, _ in rows]

    def _require_unchanged(self, rows: Sequence[tuple[str, str]]) -> None:
        changed = [sha256 for content, sha256 in rows if hashlib.sha256(content.encode()).hexdigest() != sha256]
        if changed:
            with self._connected() as connection:
                of_these = sa.update(qc_documents).where(qc_documents.c.sha256.in_(changed))
                connection.execute(of_these.values(stamp=""))
            raise FormatError(f"{self.shown_url}: {len(changed)} rows of qc_documents were changed in the database")

    def known(self) -> dict[str, Known]:
        """Return by id what tells whether a row is still right, of all that this folder keeps."""
        column = qc_documents.c
        query = sa.select(column.id, column.sha256, column.stamp, column.problem).where(column.keeper == self.keeper)
        with self._connected(reads=True) as connection:
            return {row[0]: Known(*row[1:]) for row in connection.execute(query)}

    def of_station(self) -> int:
        """Return how many documents the database has of folders of a station of this name."""
        own = qc_documents.c.keeper.startswith(f"{self.station}/", autoescape=True)
        with self._connected(reads=True) as connection:
            return int(connection.scalar(sa.select(sa.func.count()).select_from(qc_documents).where(own)) or 0)

    def leave_out(self, problems: Mapping[str, tuple[str, str]]) -> None:
        """Note why documents are left out: by id the problem, and the stamp of the file that has it."""
        column = qc_documents.c
        with self._connected() as connection:
            for identity, (problem, stamp) in problems.items():
                change = sa.update(qc_documents).where(column.id == identity, column.keeper == self.keeper)
                connection.execute(change.values(problem=problem[:1000], stamp=stamp))

    def figures(self, figure: str, wanted: Wanted) -> list[FigureRow]:
        """Return a figure of all results that are looked for, newest first; those struck out left aside."""
        column, strike = qc_documents.c, qc_documents.alias("strike")
        is_struck = sa.exists().where(strike.c.about == column.id, strike.c.kind == "strike", strike.c.problem == "")
        numbers = qc_figures.c
        query = (
            sa.select(column.id, column.at_ms, column.level, numbers.unit, numbers.subjects, numbers.numbers,
                      numbers.noise)
            .join(qc_figures, numbers.result == column.id)
            .where(*self._conditions(wanted))
            .where(numbers.name == figure, column.problem == "", ~is_struck)
            .order_by(column.at_ms.desc(), column.entered_ms.desc(), column.id.desc())
        )  # fmt: skip
        with self._connected(reads=True) as connection:
            return [FigureRow(*row) for row in connection.execute(query).all()]

    def file_number(self) -> int:
        """Return the number of the catalogue file, which changes where it is moved aside; 0 of a server."""
        try:
            return 0 if self.path is None else self.path.stat().st_ino
        except OSError:
            return -1

    def _conditions(self, wanted: Wanted) -> list[sa.ColumnElement[bool]]:
        column = qc_documents.c
        given: list[sa.ColumnElement[bool]] = [column.keeper == self.keeper]
        if wanted.kinds:
            given.append(column.kind.in_(wanted.kinds))
        given += [column[name] == getattr(wanted, name) for name in _EXACT if getattr(wanted, name) is not None]
        if wanted.since_ms is not None:
            given.append(column.at_ms >= wanted.since_ms)
        if wanted.until_ms is not None:
            given.append(column.at_ms < wanted.until_ms)
        if wanted.real:
            given.append(column.simulated.is_(False))
        return given


def _portions(wanted: Wanted) -> list[list[sa.ColumnElement[bool]]]:
    """Return conditions on ids and what documents are about, so many in one query as a database takes."""
    column = qc_documents.c
    for name, several in (("id", wanted.ids), ("about", wanted.abouts)):
        if several is not None:
            starts = range(0, len(several), _AT_ONCE)
            return [[column[name].in_(several[start : start + _AT_ONCE])] for start in starts]
    return [[]]


def _document(content: str) -> Document:
    told = json.loads(content)
    del told["schema"]
    return Document(**told)


def figure_row(figure: Figure) -> dict[str, Any]:
    """Return the columns of a figure."""
    return {
        "name": figure.name, "unit": figure.unit, "subjects": json.dumps(figure.subjects, separators=(",", ":")),
        "numbers": _numbers(figure.values), "noise": _numbers(figure.noise) if figure.noise else None,
    }  # fmt: skip


def _numbers(values: Sequence[float | None]) -> bytes:
    """Return values as little-endian float64, NaN for None."""
    return np.array([np.nan if value is None else value for value in values], "<f8").tobytes()


def _clean(text: str) -> str:
    """Return a text without what PostgreSQL cannot hold."""
    return text.replace("\0", "?")
