"""Fixtures of tests with processes, servers and disks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from support_catalogue import PostgreSQL
from support_disk import mounted

from daq.services.catalogue.database import Database

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from support_console import ConsoleStation


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


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleStation]:
    """Yield a simulated station with its console, one for a module; modules with stations of their own say so."""
    from support_console import console_station

    with console_station(tmp_path_factory.mktemp("console")) as served:
        yield served


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Yield a browser, one for a module; playwright is imported where one is wanted."""
    from support_console import browser

    with browser() as running:
        yield running
