"""The engine of the catalogue's database, SQLite by default, PostgreSQL by URL; and what its failures mean."""

from __future__ import annotations

import sqlite3
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

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

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_NO_TABLE = "42P01"
"""What PostgreSQL says of a table that is not there: `undefined_table`."""


def parsed_url(url: str) -> sa.URL:
    """Return the URL, its driver named. Raise `UsageError` for one that is none, or of another database."""
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


def engine_of(url: sa.URL, wait_s: float) -> sa.Engine:
    """Return an engine whose every wait is bounded by `wait_s`. Raise `UsageError` where the driver is missing."""
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


def first_line(why: BaseException) -> str:
    """Return what an exception says first."""
    text = str(why.args[0]["M"]) if why.args and isinstance(why.args[0], dict) and "M" in why.args[0] else str(why)
    return (text.splitlines() or [type(why).__name__])[0][:300]


def file_failure(path: object, why: DBAPIError) -> ScandaqError:
    """Return what a failure of a catalogue file means; a `FormatError` is one of damage."""
    text = first_line(why.orig or why)
    code = getattr(why.orig, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGED:
        return FormatError(f"{path}: the catalogue is damaged: {text}; `daq catalogue rebuild` makes it anew")
    if code in _BUSY:
        return DeadlineError(f"{path}: another process holds the catalogue: {text}")
    if "no such table" in text:
        return MissingError(f"{path}: no catalogue in it; `daq catalogue rebuild` makes one")
    return StorageFailedError(f"{path}: {text}")


def server_failure(shown_url: str, why: DBAPIError) -> ScandaqError:
    """Return what PostgreSQL means; what it says itself comes as a table of fields, C is the code."""
    text = first_line(why.orig or why)
    said = why.orig.args[0] if why.orig is not None and why.orig.args else None
    if not isinstance(said, dict):
        return UnreachableError(f"catalogue {shown_url} does not answer: {text}")
    if said.get("C") == _NO_TABLE:
        return MissingError(f"catalogue {shown_url}: none there; `daq catalogue rebuild` makes one")
    return RefusedError(f"catalogue {shown_url}: the server refuses: {text}")
