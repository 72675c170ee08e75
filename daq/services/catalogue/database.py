"""The catalogue in a database: SQLite by default, PostgreSQL by URL. Calls may wait, so none belongs in a loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import sqlalchemy as sa

from daq.errors import MissingError
from daq.services.catalogue.connected import Connected
from daq.services.catalogue.entry import ALL, Acquisition, Filter
from daq.services.catalogue.table import COLUMNS, acquisitions, conditions, from_row, key_of, newest_first, to_row

CATALOGUE_FILE = "catalogue.sqlite"
"""Name of the default catalogue within the state folder of a station."""
_KEYS_AT_ONCE = 500
_BEST = ("sealed", "recovered", "open", "damaged", "missing")


class Stamp(NamedTuple):
    """What of a row tells whether it is still right."""

    stamp: str
    state: str
    id: str
    keeper: str


class Database(Connected):
    """The acquisitions of one catalogue."""

    def store(self, rows: Sequence[Acquisition]) -> None:
        """Add the rows, or replace those of the same directory, all or none of them."""
        if not rows:
            return
        self.make()
        insert = self._insert(acquisitions)
        changed = {name: insert.excluded[name] for name in (column.name for column in COLUMNS)}
        with self._connected() as connection:
            connection.execute(
                insert.on_conflict_do_update(index_elements=["key"], set_=changed), list(map(to_row, rows))
            )

    def find(self, wanted: Filter = ALL, *, limit: int = 100, offset: int = 0) -> list[Acquisition]:
        """Return the rows that fulfil the filter, newest first."""
        query = sa.select(*COLUMNS).where(*conditions(wanted)).order_by(*newest_first()).limit(limit).offset(offset)
        with self._connected(reads=True) as connection:
            return [from_row(row) for row in connection.execute(query).all()]

    def count(self, wanted: Filter = ALL) -> int:
        """Return how many rows fulfil the filter."""
        query = sa.select(sa.func.count()).select_from(acquisitions).where(*conditions(wanted))
        with self._connected(reads=True) as connection:
            return int(connection.scalar(query) or 0)

    def get(self, identity: str) -> Acquisition:
        """Return the row of an acquisition; of several directories the best one. Raise `MissingError`."""
        found = self.find(Filter(id=identity), limit=100)
        if not found:
            raise MissingError(f"acquisition {identity!r} is not in the catalogue")
        return min(found, key=lambda row: _BEST.index(row.state))

    def of_directories(self, directories: Sequence[str]) -> dict[str, Acquisition]:
        """Return the rows that there are, by directory."""
        found: dict[str, Acquisition] = {}
        for start in range(0, len(directories), _KEYS_AT_ONCE):
            keys = list(map(key_of, directories[start : start + _KEYS_AT_ONCE]))
            with self._connected(reads=True) as connection:
                rows = connection.execute(sa.select(*COLUMNS).where(acquisitions.c.key.in_(keys))).all()
            found |= {row.directory: row for row in map(from_row, rows)}
        return found

    def stamps(self) -> dict[str, Stamp]:
        """Return by directory what tells whether a row is still right."""
        column = acquisitions.c
        query = sa.select(column.directory, column.stamp, column.state, column.id, column.keeper)
        with self._connected(reads=True) as connection:
            return {row[0]: Stamp(*row[1:]) for row in connection.execute(query)}

    def set_verified(self, row: Acquisition, verdict: str, moment_ms: int) -> None:
        """Note the verdict of a verification."""
        change = sa.update(acquisitions).where(acquisitions.c.key == key_of(row.directory))
        with self._connected() as connection:
            connection.execute(change.values(verified=verdict, verified_ms=moment_ms))

    def remove(self, row: Acquisition) -> None:
        """Take a row out: its directory is elsewhere now, and has a row of its own."""
        with self._connected() as connection:
            connection.execute(sa.delete(acquisitions).where(acquisitions.c.key == key_of(row.directory)))

    def mark_missing(self, row: Acquisition) -> None:
        """Note that the directory is not there."""
        self.store([replace(row, state="missing", stamp="")])
