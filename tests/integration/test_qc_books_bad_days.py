"""The books of quality control on bad days of their database: gone, changed, held by others."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from support_catalogue import PostgreSQL
from support_catalogue_running import until
from support_qc_books import DEADLINE_S, about, books_at, moment, result

from daq.errors import RefusedError
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.services.qc.books import QcBooks
from daq.services.qc.index import IndexBounds
from daq.services.qc.store import Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "qc"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    (tmp_path / "state").mkdir()
    return f"sqlite:///{tmp_path}/state/catalogue.sqlite"


@pytest.fixture
def alarms() -> Alarms:
    return Alarms(Bus())


@pytest.fixture
def broken_connections() -> Iterator[None]:
    """The client library leaves the socket of a connection that broke to the garbage collector, which says so."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def names(alarms: Alarms) -> list[str]:
    return sorted(alarm.name for alarm in alarms.active())


async def days(books: QcBooks) -> list[str]:
    return [kept.document.at_utc for kept in await books.results("daily-flood")]


def count(url: str, table: str = "qc_documents") -> int:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = connection.scalar(sa.select(sa.func.count()).select_from(sa.table(table)))
    engine.dispose()
    return int(found or 0)


@pytest.mark.system
@pytest.mark.usefixtures("broken_connections")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_quality_control_goes_on_while_the_server_is_gone(
    server: PostgreSQL, postgresql_url: str, folder: Path, alarms: Alarms
) -> None:
    async with books_at(postgresql_url, folder, alarms=alarms) as books:
        await books.put(first := result(1))
        assert await books.flush(DEADLINE_S)
        server.stop()
        try:
            await books.put(result(2))
            await books.put(about("signature", first, meaning="approved"))
            assert await days(books) == [moment(2), moment(1)]
            assert (await books.newest("daily-flood")).document.at_utc == moment(2)  # type: ignore[union-attr]
            assert len((await books.result(first.id)).signed("approved")) == 1
            assert (await books.series("daily-flood", "efficiency")).values[:, 0].tolist() == [1.1, 2.1]
            with pytest.raises(RefusedError, match="entered before"):
                await books.put(result(2, comment="again"))
            (alarm,) = alarms.active()
        finally:
            server.start()
        assert await books.flush(DEADLINE_S)
        assert await days(books) == [moment(2), moment(1)]

    assert (alarm.device, alarm.name) == ("qc", "database")
    assert "kept as files" in alarm.guidance
    assert alarms.active() == []
    assert count(postgresql_url) == 3


@pytest.mark.system
@pytest.mark.usefixtures("broken_connections")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_a_server_that_is_restarted_in_mid_write_loses_nothing_and_has_nothing_twice(
    server: PostgreSQL, postgresql_url: str, folder: Path
) -> None:
    async with books_at(postgresql_url, folder) as books:
        for day in range(24):
            await books.put(result(day))
            if day in (6, 15):
                server.stop()
            if day in (9, 18):
                server.start()
        assert await books.flush(DEADLINE_S)
        assert len(await days(books)) == 24

    assert books.index.failures > 0
    assert (count(postgresql_url), count(postgresql_url, "qc_figures")) == (24, 24)


@pytest.mark.system
@pytest.mark.usefixtures("broken_connections")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_a_server_that_stands_still_costs_its_deadline_once(
    server: PostgreSQL, postgresql_url: str, folder: Path
) -> None:
    bounds = IndexBounds(call_s=0.5, wait_s=0.5, settle_s=0.5, retry_s=0.1, retry_most_s=0.2, file_days=100_000)
    async with books_at(postgresql_url, folder, bounds=bounds) as books:
        await books.put(result(1))
        assert await books.flush(DEADLINE_S)
        server.freeze()
        try:
            async with asyncio.timeout(10.0):
                for day in (2, 3, 4):
                    await books.put(result(day))
                assert await days(books) == [moment(day) for day in (4, 3, 2, 1)]
        finally:
            server.thaw()
        assert await books.flush(DEADLINE_S)
        assert len(await days(books)) == 4

    assert count(postgresql_url) == 4


async def test_a_catalogue_that_another_process_holds_makes_documents_wait(
    sqlite_url: str, folder: Path, alarms: Alarms
) -> None:
    bounds = IndexBounds(call_s=2.0, wait_s=0.05, retry_s=0.05, retry_most_s=0.1, file_days=100_000)
    async with books_at(sqlite_url, folder, alarms=alarms, bounds=bounds) as books:
        await books.put(result(1))
        assert await books.flush(DEADLINE_S)
        holder = sqlite3.connect(folder.parent / "catalogue.sqlite", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        await books.put(result(2))
        await until(lambda: names(alarms) == ["database"])
        assert await days(books) == [moment(2), moment(1)]
        holder.execute("ROLLBACK")
        holder.close()
        assert await books.flush(DEADLINE_S)

    assert (names(alarms), count(sqlite_url)) == ([], 2)


@pytest.mark.parametrize("how", ["removed", "damaged"])
async def test_a_catalogue_file_that_is_lost_is_made_anew_from_the_documents(
    sqlite_url: str, folder: Path, alarms: Alarms, how: str
) -> None:
    file = folder.parent / "catalogue.sqlite"
    async with books_at(sqlite_url, folder, alarms=alarms) as books:
        for day in (1, 2):
            await books.put(result(day))
        assert await books.flush(DEADLINE_S)
        for beside in folder.parent.glob("catalogue.sqlite-*"):
            beside.unlink()
        if how == "damaged":
            file.write_bytes(file.read_bytes()[:100] + b"\xff" * 20_000)
            assert await days(books) == [moment(2), moment(1)]
            await until(lambda: names(alarms) == ["database"])
        file.unlink()
        assert await days(books) == [moment(2), moment(1)]
        await books.put(result(3))
        assert await books.flush(DEADLINE_S)
        assert await days(books) == [moment(3), moment(2), moment(1)]

    assert (names(alarms), count(sqlite_url)) == ([], 3)


async def test_a_row_that_was_changed_in_the_database_is_made_anew_from_the_file(
    sqlite_url: str, folder: Path, alarms: Alarms
) -> None:
    async with books_at(sqlite_url, folder, alarms=alarms) as books:
        await books.put(first := result(1, level="action"))
        assert await books.flush(DEADLINE_S)
        with sqlite3.connect(folder.parent / "catalogue.sqlite") as changed:
            changed.execute("UPDATE qc_documents SET content = replace(content, 'action', 'in limits')")
        changed.close()

        assert (await books.newest("daily-flood")).document == first  # type: ignore[union-attr]
        await until(lambda: names(alarms) == [])
        assert await books.flush(DEADLINE_S)
        assert books.index.failures == 1
        assert (await books.newest("daily-flood")).document == first  # type: ignore[union-attr]
        assert books.index.failures == 1


async def test_what_finds_no_room_to_wait_is_found_in_its_file(sqlite_url: str, folder: Path) -> None:
    bounds = IndexBounds(call_s=2.0, wait_s=0.05, pending=5, retry_s=0.05, retry_most_s=0.1, file_days=100_000)
    async with books_at(sqlite_url, folder, bounds=bounds) as books:
        assert await books.flush(DEADLINE_S)
        holder = sqlite3.connect(folder.parent / "catalogue.sqlite", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        for day in range(10):
            await books.put(result(day))
            assert books.index.waiting <= 5
        assert len(await days(books)) == 10
        holder.execute("ROLLBACK")
        holder.close()
        assert await books.flush(DEADLINE_S)

    assert count(sqlite_url) == 10


async def test_without_a_database_references_and_sources_of_all_years_are_found(tmp_path: Path, folder: Path) -> None:
    from daq.model.qc.documents import Document

    old = result(0, at="2001-02-03T07:00:00.000Z")
    source = Document("source-hc-1", "source", moment(0, 2001), moment(0, 2001), "a", {"serial": "HC"}, about="HC")
    store = Store(folder)
    reference = about("reference", old, test="daily-flood")
    for document in (old, reference, source, result(1, at="2001-02-04T07:00:00.000Z")):
        store.write(document)
    url = "postgresql://nobody@127.0.0.1:1/none"
    bounds = IndexBounds(call_s=5.0, wait_s=1.0, retry_s=0.05)
    async with books_at(url, folder, bounds=bounds) as books:
        assert (await books.reference("daily-flood")).document == old  # type: ignore[union-attr]
        assert await books.source("HC") == source


@pytest.mark.system
async def test_two_stations_of_one_name_on_one_database_keep_apart(
    postgresql_url: str, tmp_path: Path, alarms: Alarms
) -> None:
    Store(tmp_path / "2").write(result(2))
    async with (
        books_at(postgresql_url, tmp_path / "1", station="one") as one,
        books_at(postgresql_url, tmp_path / "2", station="one") as two,
    ):
        await one.put(result(1))
        assert await one.flush(DEADLINE_S)
        assert await two.flush(DEADLINE_S)
    async with (
        books_at(postgresql_url, tmp_path / "1", station="one", alarms=alarms) as one,
        books_at(postgresql_url, tmp_path / "2", station="one", alarms=alarms) as two,
    ):
        assert [await days(one), await days(two)] == [[moment(1)], [moment(2)]]
    assert names(alarms) == []
    async with books_at(postgresql_url, tmp_path / "3", station="one", alarms=alarms) as three:
        await until(lambda: names(alarms) == ["database"])
        await three.put(result(3))
        assert await days(three) == [moment(3)]
    assert "the folder is lost, or two stations have one name" in alarms.active()[0].text


@pytest.mark.system
async def test_a_document_whose_name_another_station_has_taken_is_not_overwritten(
    postgresql_url: str, tmp_path: Path, alarms: Alarms
) -> None:
    from dataclasses import replace

    first = result(1)
    async with (
        books_at(postgresql_url, tmp_path / "1", station="one") as one,
        books_at(postgresql_url, tmp_path / "2", station="two", alarms=alarms) as two,
    ):
        await one.put(first)
        assert await one.flush(DEADLINE_S)
        await two.put(replace(first, by="somebody else"))
        await until(lambda: names(alarms) == ["taken"])

        assert (await one.result(first.id)).document == first
