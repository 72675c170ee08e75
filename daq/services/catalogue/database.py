"""The catalogue in a database: SQLite by default, PostgreSQL by URL. Calls may wait, so none belongs in a loop."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from daq.errors import (
    DeadlineError,
    FormatError,
    MissingError,
    RefusedError,
    ScandaqError,
    StorageFailedError,
    UnreachableError,
    UsageError,
)
from daq.services.catalogue.entry import ALL, Acquisition, Filter
from daq.services.catalogue.table import (
    CATALOGUE_VERSION,
    COLUMNS,
    acquisitions,
    conditions,
    from_row,
    key_of,
    newest_first,
    to_row,
    version_table,
)
from daq.services.catalogue.upgrade import can_upgrade, upgrade

CATALOGUE_FILE = "catalogue.sqlite"
"""Name of the default catalogue within the state folder of a station."""
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_BESIDE = ("", "-wal", "-shm", "-journal")
_KEYS_AT_ONCE = 500
_NO_TABLE = "42P01"
"""What PostgreSQL says of a table that is not there: `undefined_table`."""
_LOCK = 0x5CA7DA9
"""Held in PostgreSQL by whoever makes the tables."""
_BEST = ("sealed", "recovered", "open", "damaged", "missing")


class Stamp(NamedTuple):
    """What of a row tells whether it is still right."""

    stamp: str
    state: str
    id: str
    keeper: str


class Database:
    """One catalogue, by URL or, of SQLite, by path. `wait_s` bounds every wait for the file's lock or the server.

    Raise `UsageError` for a URL that is none, or of a database that is not supported.
    """

    def __init__(self, url: str | Path, *, wait_s: float = 5.0) -> None:
        parsed = sa.URL.create("sqlite", database=str(url)) if isinstance(url, Path) else _parsed(url)
        self.shown_url = parsed.render_as_string(hide_password=True)
        self.path = Path(parsed.database) if parsed.drivername.startswith("sqlite") and parsed.database else None
        self.is_damaged = False
        """True after the file turned out to be no database any more."""
        self._current = False
        self._engine = _engine(parsed, wait_s)

    def exists(self) -> bool:
        """Return False where a catalogue file is yet to be made."""
        return self.path is None or self.path.exists()

    def make(self) -> None:
        """Make the tables where there are none, renew older ones. Raise `FormatError` for those of a later version."""
        if self.path is not None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as why:
                raise StorageFailedError(f"{self.path.parent} cannot be made: {why.strerror}") from None
        if not self._version():
            self._make_tables()
        self._renew()

    def _renew(self) -> None:
        """Bring tables of an earlier version up to date. Raise `FormatError` for those of a later one."""
        versions = self._version()
        if can_upgrade(versions):
            with self._connected() as connection:
                if self.path is None:
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
                upgrade(connection)
            versions = self._version()
        if versions:
            self._require_version(versions)
        self._current = bool(versions)

    def _version(self) -> set[int]:
        """Return the version of the tables; nothing where there are none."""
        with self._connected() as connection:
            if not sa.inspect(connection).has_table(version_table.name):
                return set()
            return set(connection.scalars(sa.select(version_table.c.version)))

    def _make_tables(self) -> None:
        """Make them; two that do so at once make them once."""
        with self._connected() as connection:
            if self.path is None:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            for table in (version_table, acquisitions):
                connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
            for index in sorted(acquisitions.indexes, key=lambda index: str(index.name)):
                connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))
            unless_there = self._insert(version_table).on_conflict_do_nothing()
            connection.execute(unless_there, [{"version": CATALOGUE_VERSION}])

    def check(self) -> None:
        """Look for damage of a catalogue file. Raise `FormatError`, and `is_damaged` is True then."""
        if self.path is None:
            return
        with self._connected(reads=True) as connection:
            found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        if found != "ok":
            self.is_damaged = True
            raise FormatError(f"{self.path}: the catalogue is damaged: {found.splitlines()[0][:300]}")

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

    def move_aside(self) -> Path:
        """Rename a catalogue file that is damaged, with what belongs to it, and return its new name."""
        if self.path is None:
            raise RefusedError(f"{self.shown_url}: only a catalogue file can be moved aside")
        self._engine.dispose()
        end = f".damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
        for beside in _BESIDE:
            old = self.path.with_name(self.path.name + beside)
            try:
                old.rename(old.with_name(f"{self.path.name}{end}{beside}"))
            except FileNotFoundError:
                continue
            except OSError as why:
                raise StorageFailedError(f"{old} cannot be moved aside: {why.strerror}") from None
        self.is_damaged = False
        return self.path.with_name(self.path.name + end)

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    def _insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        return sqlite.insert(table) if self._engine.dialect.name == "sqlite" else postgresql.insert(table)

    def _require_version(self, versions: set[int]) -> None:
        if versions != {CATALOGUE_VERSION}:
            found = ", ".join(map(str, sorted(versions)))
            raise FormatError(f"{self.shown_url}: a catalogue of version {found}; this build knows {CATALOGUE_VERSION}")

    @contextmanager
    def _connected(self, *, reads: bool = False) -> Iterator[sa.Connection]:
        """Give a connection within a transaction; turn what goes wrong into words."""
        if reads and not self.exists():
            raise MissingError(f"{self.path}: no catalogue; `daq catalogue rebuild` makes one from the recordings")
        if reads and not self._current:
            self._renew()
        try:
            with self._engine.begin() as connection:
                yield connection
        except DBAPIError as why:
            raise self._told(why) from None
        except (SQLAlchemyError, OSError) as why:
            raise UnreachableError(f"catalogue {self.shown_url} does not answer: {_first_line(why)}") from None

    def _told(self, why: DBAPIError) -> ScandaqError:
        """Return what a failure of the database means."""
        text = _first_line(why.orig or why)
        if self.path is None:
            return self._told_by_server(why, text)
        code = getattr(why.orig, "sqlite_errorcode", 0) & 0xFF
        if code in _DAMAGED:
            self.is_damaged = True
            return FormatError(f"{self.path}: the catalogue is damaged: {text}; `daq catalogue rebuild` makes it anew")
        if code in _BUSY:
            return DeadlineError(f"{self.path}: another process holds the catalogue: {text}")
        if "no such table" in text:
            return MissingError(f"{self.path}: no catalogue in it; `daq catalogue rebuild` makes one")
        return StorageFailedError(f"{self.path}: {text}")

    def _told_by_server(self, why: DBAPIError, text: str) -> ScandaqError:
        """Return what PostgreSQL means; what it says itself comes as a table of fields, C is the code."""
        said = why.orig.args[0] if why.orig is not None and why.orig.args else None
        if not isinstance(said, dict):
            return UnreachableError(f"catalogue {self.shown_url} does not answer: {text}")
        if said.get("C") == _NO_TABLE:
            return MissingError(f"catalogue {self.shown_url}: none there; `daq catalogue rebuild` makes one")
        return RefusedError(f"catalogue {self.shown_url}: the server refuses: {text}")


def _parsed(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except ArgumentError:
        raise UsageError(
            "catalogue: not a database URL such as sqlite:////path/to/file or postgresql://host/name"
        ) from None
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+pg8000")
    if parsed.drivername == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise UsageError(f"catalogue {url}: needs a file, sqlite:////absolute/path")
    if parsed.drivername not in ("sqlite", "postgresql+pg8000"):
        raise UsageError(f"catalogue: {parsed.drivername} is not supported; possible are sqlite and postgresql")
    return parsed


def _engine(url: sa.URL, wait_s: float) -> sa.Engine:
    if url.drivername == "sqlite":
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool, connect_args={"timeout": wait_s})
        sa.event.listen(engine, "connect", _set_up_sqlite)
        return engine
    try:
        engine = sa.create_engine(
            url, pool_size=3, max_overflow=0, pool_timeout=wait_s, pool_pre_ping=True, connect_args={"timeout": wait_s}
        )
    except (NoSuchModuleError, ModuleNotFoundError):
        raise UsageError("a catalogue in PostgreSQL needs pg8000: pip install 'scandaq[postgresql]'") from None
    return engine


def _set_up_sqlite(connection: Any, _: Any) -> None:
    """Write ahead: readers do not wait for the writer. A loss of power takes the newest rows at most."""
    cursor = connection.cursor()
    for setting in ("journal_mode=WAL", "synchronous=NORMAL"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _first_line(why: BaseException) -> str:
    text = str(why.args[0]["M"]) if why.args and isinstance(why.args[0], dict) and "M" in why.args[0] else str(why)
    return (text.splitlines() or [type(why).__name__])[0][:300]
