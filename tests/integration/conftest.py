"""Fixtures of tests with processes, servers and disks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from support_catalogue import PostgreSQL
from support_disk import mounted

from daq.services.catalogue.database import Database


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a freshly mounted file system of 24 MiB."""
    with mounted(tmp_path) as place:
        yield place


@pytest.fixture(scope="session")
def server() -> Iterator[PostgreSQL]:
    """Yield a PostgreSQL server, started once."""
    made = PostgreSQL()
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.system)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty catalogue, of either kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state/catalogue.sqlite"
    return emptied(request.getfixturevalue("server"))


@pytest.fixture
def postgresql_url(server: PostgreSQL) -> str:
    return emptied(server)


def emptied(server: PostgreSQL) -> str:
    engine = sa.create_engine(server.url)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS acquisitions, catalogue_version, qc_documents, qc_figures"))
    engine.dispose()
    return server.url


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    (tmp_path / "storage").mkdir()
    return tmp_path / "storage"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    made = Database(url)
    yield made
    made.close()
