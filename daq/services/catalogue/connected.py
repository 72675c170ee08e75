"""Connections to the catalogue's database: made by URL, its tables made and renewed, what goes wrong said in words.

`daq.services.catalogue.database` has the acquisitions on it, `daq.services.qc.tables` the books of quality control.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from daq.errors import FormatError, MissingError, RefusedError, ScandaqError, StorageFailedError, UnreachableError
from daq.services.catalogue.engine import engine_of, file_failure, first_line, parsed_url, server_failure
from daq.services.catalogue.table import CATALOGUE_VERSION, version_table
from daq.services.catalogue.upgrade import can_upgrade, make_tables, upgrade

_BESIDE = ("", "-wal", "-shm", "-journal")
_LOCK = 0x5CA7DA9
"""Held in PostgreSQL by whoever makes the tables."""


class Connected:
    """One database, by URL or, of SQLite, by path. `wait_s` bounds every wait for the file's lock or the server.

    Raise `UsageError` for a URL that is none, or of a database that is not supported.
    """

    def __init__(self, url: str | Path, *, wait_s: float = 5.0) -> None:
        parsed = sa.URL.create("sqlite", database=str(url)) if isinstance(url, Path) else parsed_url(url)
        self.shown_url = parsed.render_as_string(hide_password=True)
        self.path = Path(parsed.database) if parsed.drivername.startswith("sqlite") and parsed.database else None
        self.is_damaged = False
        """True after the file turned out to be no database any more."""
        self._current = False
        self._engine = engine_of(parsed, wait_s)

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
            make_tables(connection)
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

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """Give a connection to read by; raise `MissingError` where there is no catalogue, and what reading raises."""
        return self._connected(reads=True)

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
            raise UnreachableError(f"catalogue {self.shown_url} does not answer: {first_line(why)}") from None

    def _told(self, why: DBAPIError) -> ScandaqError:
        """Return what a failure of the database means."""
        if self.path is None:
            return server_failure(self.shown_url, why)
        told = file_failure(self.path, why)
        self.is_damaged = self.is_damaged or isinstance(told, FormatError)
        return told
