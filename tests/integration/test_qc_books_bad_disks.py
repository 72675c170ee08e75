"""The books of quality control on bad days of their files: full disks, files that were edited, kills."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support_catalogue_running import until
from support_qc_books import DEADLINE_S, about, books_at, moment, result

from daq.errors import FormatError, RefusedError, StorageFailedError
from daq.model.qc.documents import document_bytes
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.services.qc.books import QcBooks
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
