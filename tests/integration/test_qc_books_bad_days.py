"""The books of quality control on bad days: databases gone or changed, full disks, files that were edited, kills."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import os
import signal
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support_catalogue import PostgreSQL
from support_catalogue_running import until
from support_qc_books import DEADLINE_S, about, books_at, moment, result

from daq.errors import FormatError, RefusedError, StorageFailedError
from daq.model.qc.documents import document_bytes
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.services.qc.books import QcBooks
from daq.services.qc.index import IndexBounds
from daq.services.qc.store import Store
from daq.storage.files import StorageFiles


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


# The database


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


# The disk


class FullDisk(StorageFiles):
    """A disk that is full as long as it is said to be."""

    full = True

    def rename_durably(self, data: bytes, path: Path) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().rename_durably(data, path)


async def test_a_result_that_the_disk_does_not_take_is_kept_in_memory_and_written_when_it_does(
    sqlite_url: str, folder: Path, alarms: Alarms
) -> None:
    files = FullDisk()
    async with books_at(sqlite_url, folder, alarms=alarms, files=files) as books:
        with pytest.raises(StorageFailedError, match="the disk is full; it is kept in memory and written as soon"):
            await books.put(first := result(1))
        assert ("disk", "high") in [(alarm.name, alarm.priority) for alarm in alarms.active()]
        assert (await books.result(first.id)).document == first
        with pytest.raises(RefusedError, match="entered before"):
            await books.put(result(1, comment="entered again by somebody who saw the error"))
        with pytest.raises(StorageFailedError, match="the disk is full"):
            await books.put(first)
        files.full = False
        await until(lambda: not alarms.active())
        assert not await books.put(first)
        assert await books.flush(DEADLINE_S)

    assert (books.disk.unwritten(), count(sqlite_url)) == ([], 1)
    assert Store(folder).read(Store(folder).path_of(first.id, first.at_utc)) == first


async def test_a_document_that_was_edited_by_hand_is_left_out_and_named_and_comes_back_when_it_is_mended(
    sqlite_url: str, folder: Path, alarms: Alarms
) -> None:
    first, second = result(1, level="action"), result(2)
    path = Store(folder).path_of(first.id, first.at_utc)
    async with books_at(sqlite_url, folder) as books:
        for document in (first, second):
            await books.put(document)
        assert await books.flush(DEADLINE_S)
        whole = path.read_bytes()
        path.write_bytes(whole.replace(b'"action"', b'"in limits"'))
        with pytest.raises(FormatError, match=f"{first.id}.*it was changed after it was written"):
            await books.result(first.id)

    async with books_at(sqlite_url, folder, alarms=alarms) as books:
        assert await days(books) == [moment(2)]
        assert list(books.index.renewed.problems) == [first.id]
    (alarm,) = alarms.active()
    assert (alarm.name, first.id in alarm.text) == ("documents", True)

    path.write_bytes(whole)
    async with books_at(sqlite_url, folder, alarms=alarms) as books:
        assert await days(books) == [moment(2), moment(1)]
    assert not alarms.active()[0].active


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"schema":"qc-document/1"}', document_bytes(result(5))],
    ids=["empty", "torn", "a list", "no text", "deep", "without keys", "another one's"],
)
async def test_a_damaged_file_costs_nothing_but_itself(
    sqlite_url: str, folder: Path, alarms: Alarms, damage: bytes
) -> None:
    for day in (1, 2):
        Store(folder).write(result(day))
    (folder / "2025" / "01" / "20250101t0-x.json").write_bytes(damage)
    (folder / "2025" / "01" / "left.json.tmp").write_bytes(b"half")

    async with books_at(sqlite_url, folder, alarms=alarms) as books:
        assert await days(books) == [moment(2), moment(1)]
    assert names(alarms) == ["documents"]


async def test_a_document_whose_hash_was_made_anew_breaks_its_signatures_and_is_said(
    sqlite_url: str, folder: Path, alarms: Alarms
) -> None:
    from dataclasses import replace

    first = result(1, level="action")
    async with books_at(sqlite_url, folder) as books:
        await books.put(first)
        await books.put(about("signature", first, meaning="approved"))
        assert await books.flush(DEADLINE_S)
    forged = replace(first, body={**first.body, "level": "in limits"})
    Store(folder).path_of(first.id, first.at_utc).write_bytes(document_bytes(forged))

    async with books_at(sqlite_url, folder, alarms=alarms) as books:
        kept = await books.newest("daily-flood")

    assert kept is not None
    assert (kept.result.level, len(kept.signatures), kept.signed("approved")) == ("in limits", 1, ())
    assert names(alarms) == ["altered"]


def moved(old: Path, new: Path) -> None:
    old.rename(new)


async def test_a_folder_that_is_not_there_takes_no_document_out_of_the_database(
    sqlite_url: str, folder: Path, alarms: Alarms
) -> None:
    async with books_at(sqlite_url, folder) as books:
        await books.put(result(1))
        assert await books.flush(DEADLINE_S)
    moved(folder, folder.with_name("elsewhere"))

    async with books_at(sqlite_url, folder, alarms=alarms) as books:
        await until(lambda: names(alarms) == ["database"])
        moved(folder.with_name("elsewhere"), folder)
        assert await books.flush(DEADLINE_S)
        assert await days(books) == [moment(1)]
    assert alarms.active() == []


async def test_a_result_dated_in_the_future_is_kept_and_marked(sqlite_url: str, folder: Path, alarms: Alarms) -> None:
    async with books_at(sqlite_url, folder, alarms=alarms) as books:
        await books.put(result(1, at="2999-01-01T07:00:00.000Z"))
        kept = await books.newest("daily-flood")

    assert kept is not None
    assert kept.doubts == ("dated 2999-01-01T07:00:00.000Z, which is in the future: a clock is wrong",)
    assert names(alarms) == ["clock"]


WRITER = """
import asyncio, sys
from pathlib import Path
from support_qc_books import books_at, result
async def main():
    async with books_at(sys.argv[1], Path(sys.argv[2])) as books:
        for day in range(100000):
            await books.put(document := result(day))
            print(document.id, flush=True)
asyncio.run(main())
"""


@pytest.mark.parametrize("after", [1, 12])
async def test_what_was_put_is_there_after_the_process_was_killed(sqlite_url: str, folder: Path, after: int) -> None:
    said = _killed_after(after, sqlite_url, folder)

    async with books_at(sqlite_url, folder) as books:
        found = {kept.document.id for kept in await books.results("daily-flood", limit=10_000)}
        assert found >= set(said)
        assert await books.flush(DEADLINE_S)
        assert books.index.renewed.problems == {}
    assert count(sqlite_url) == len(found)


def _killed_after(after: int, *arguments: Any) -> list[str]:
    """Return the ids of documents that a process had put when it was killed."""
    command = [sys.executable, "-c", WRITER, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline().strip() for _ in range(after)]
        writer.send_signal(signal.SIGKILL)
        said += [line.strip() for line in writer.stdout if line.endswith("\n")]
    assert all(said)
    return said


def test_a_document_can_be_checked_with_the_tools_of_every_system(tmp_path: Path) -> None:
    first = result(1, comment='"sha256":"quoted", ä')
    path = tmp_path / "document.json"
    path.write_bytes(document_bytes(first))
    check = 'sed \'s/,"sha256":"[0-9a-f]*"}$/}/\' "$0" | head -c -1 | sha256sum'

    said = subprocess.run(["/bin/sh", "-c", check, str(path)], capture_output=True, text=True, check=True, timeout=10)

    assert said.stdout.split()[0] == first.sha256 == json.loads(path.read_bytes())["sha256"]
