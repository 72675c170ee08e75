"""The catalogue on bad days: servers gone or standing still, damaged files, full disks, wrong addresses."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support_catalogue import PostgreSQL, identity, recording
from support_catalogue_running import DEADLINE_S, catalogue_at, until

from daq.errors import DeadlineError, FormatError, MissingError, UnreachableError, UsageError
from daq.model.station import Alarm
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.services.catalogue.database import Database
from daq.services.catalogue.entry import Acquisition
from daq.services.catalogue.rebuild import rebuild
from daq.services.catalogue.service import Catalogue, CatalogueBounds


@pytest.fixture
def broken_connections() -> Iterator[None]:
    """The client library leaves the socket of a connection that broke to the garbage collector, which says so."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.system
@pytest.mark.usefixtures("broken_connections")
async def test_acquisitions_go_on_while_the_server_is_gone(
    server: PostgreSQL, postgresql_url: str, storage: Path
) -> None:
    bus, said = Bus(), list[Any]()
    alarms = Alarms(bus)
    with bus.listening(said.append):
        async with catalogue_at(postgresql_url, storage, alarms=alarms) as catalogue:
            catalogue.note(recording(storage, 1))
            assert await catalogue.flush(DEADLINE_S)
            server.stop()
            try:
                for number in range(2, 6):
                    catalogue.note(recording(storage, number, state="open"))
                    catalogue.note(recording(storage, number), outcome="completed")
                await until(lambda: bool(alarms.active()))
                (alarm,) = alarms.active()
                with pytest.raises(UnreachableError, match="does not answer"):
                    await catalogue.find()
                assert not await catalogue.flush(0.2)
                assert catalogue.pending == 4
            finally:
                server.start()
            assert await catalogue.flush(DEADLINE_S)
            rows = await catalogue.find()

    assert (alarm.device, alarm.name, alarm.priority) == ("catalogue", "database", "low")
    assert "scandaq@" in alarm.details
    assert catalogue.failures >= 1
    assert [(row.id, row.outcome) for row in rows] == [(identity(n), "completed") for n in (5, 4, 3, 2, 1)]
    assert alarms.active() == []


@pytest.mark.system
@pytest.mark.usefixtures("broken_connections")
async def test_a_server_that_stands_still_costs_the_deadline(
    server: PostgreSQL, postgresql_url: str, storage: Path
) -> None:
    bounds = CatalogueBounds(call_s=0.5, wait_s=1.0, retry_s=0.05, retry_most_s=0.1)
    async with catalogue_at(postgresql_url, storage, bounds=bounds) as catalogue:
        catalogue.note(recording(storage, 1))
        assert await catalogue.flush(DEADLINE_S)
        server.freeze()
        try:
            catalogue.note(recording(storage, 2))
            with pytest.raises((DeadlineError, UnreachableError)):
                await catalogue.find()
            await until(lambda: catalogue.failures > 0)
        finally:
            server.thaw()
        assert await catalogue.flush(DEADLINE_S)

        assert await catalogue.count() == 2


async def test_what_found_no_room_to_wait_comes_with_a_rebuild(tmp_path: Path, storage: Path) -> None:
    bounds = CatalogueBounds(pending=10, retry_s=0.05, retry_most_s=0.1)
    catalogue = Catalogue(f"sqlite:///{tmp_path}/c.sqlite", storage=storage, bounds=bounds)
    catalogue._owes_rebuild = False
    for number in range(25):
        catalogue.note(recording(storage, number))
    assert (catalogue.pending, catalogue.dropped) == (10, 15)

    task = asyncio.create_task(catalogue.run(), name="catalogue")
    assert await catalogue.flush(DEADLINE_S)
    count = await catalogue.count()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert count == 25


@pytest.mark.parametrize("how", ["foreign", "header", "cut", "zeros"])
async def test_a_damaged_catalogue_is_put_aside_and_made_anew(tmp_path: Path, storage: Path, how: str) -> None:
    path = tmp_path / "state" / "catalogue.sqlite"
    for number in range(3):
        recording(storage, number)
    rebuild(Database(f"sqlite:///{path}"), storage)
    whole = path.read_bytes()
    damage = {
        "foreign": b"not a database at all" * 100,
        "header": b"SQLite format 3\x00" + b"\xff" * 8000,
        "cut": whole[: len(whole) // 2],
        "zeros": whole[:100] + bytes(len(whole) - 100),
    }[how]
    path.write_bytes(damage)
    alarms = Alarms(Bus())

    async with catalogue_at(f"sqlite:///{path}", storage, alarms=alarms) as catalogue:
        assert await catalogue.flush(DEADLINE_S)
        assert await catalogue.count() == 3

    (aside,) = path.parent.glob("catalogue.sqlite.damaged-*")
    assert aside.read_bytes() == damage
    assert [(alarm.name, alarm.active) for alarm in alarms.active()] == [("damaged", False)]


def overwrite(path: Path) -> None:
    """Let a catalogue keep its first bytes, and nothing else that is right."""
    for beside in path.parent.glob("catalogue.sqlite-*"):
        beside.unlink()
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 20_000)


async def test_damage_while_the_daemon_runs_is_noticed(tmp_path: Path, storage: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    async with catalogue_at(f"sqlite:///{path}", storage) as catalogue:
        catalogue.note(recording(storage, 1))
        assert await catalogue.flush(DEADLINE_S)
        overwrite(path)
        with pytest.raises(FormatError, match="rebuild"):
            await catalogue.find()

        catalogue.note(recording(storage, 2))
        assert await catalogue.flush(DEADLINE_S)

        assert await catalogue.count() == 2


async def test_a_disk_that_refuses_the_catalogue_is_said(tmp_path: Path, storage: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    bus, said = Bus(), list[Any]()
    with bus.listening(said.append):
        async with catalogue_at(
            f"sqlite:///{tmp_path}/state/catalogue.sqlite", storage, alarms=Alarms(bus)
        ) as catalogue:
            catalogue.note(recording(storage, 1))
            await until(lambda: bool(said))
            (tmp_path / "state").unlink()
            assert await catalogue.flush(DEADLINE_S)

    assert isinstance(said[0], Alarm)
    assert "state cannot be made" in said[0].details


def test_a_catalogue_that_another_process_holds_is_said_after_the_wait(tmp_path: Path) -> None:
    import sqlite3

    database = Database(f"sqlite:///{tmp_path}/c.sqlite", wait_s=0.1)
    database.make()
    holder = sqlite3.connect(tmp_path / "c.sqlite", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    with pytest.raises(DeadlineError, match="another process holds"):
        database.store([Acquisition(id="a", directory="/a", state="open")])
    holder.close()


def test_reading_does_not_make_a_catalogue(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/c.sqlite")

    with pytest.raises(MissingError, match="no catalogue; `daq catalogue rebuild`"):
        database.find()
    assert not (tmp_path / "c.sqlite").exists()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "not a database URL"), ("nonsense", "not a database URL"), ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"), ("mysql://user:secret@example.org/x", "not supported"),
        ("postgresql+psycopg2://example.org/x", "not supported"),
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_one_is_refused_without_its_password(url: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        Database(url)
    assert "secret" not in str(refused.value)


def test_a_server_that_is_not_there_is_said_without_the_password() -> None:
    database = Database("postgresql://user:secret@127.0.0.1:1/catalogue", wait_s=1.0)

    with pytest.raises(UnreachableError, match="does not answer") as refused:
        database.find()
    assert "secret" not in str(refused.value)


def test_a_row_whose_json_is_damaged_says_so_and_is_made_anew(database: Database, storage: Path) -> None:
    recording(storage, 1)
    rebuild(database, storage)
    with database._connected() as connection:
        connection.execute(sa.text("UPDATE acquisitions SET steps = '[{'"))

    (row,) = database.find()
    assert row.problem == "its row in the catalogue is damaged"
    rebuild(database, storage, everything=True)
    assert database.find()[0].problem is None
