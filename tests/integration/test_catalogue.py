"""The catalogue, the same tests on SQLite and on PostgreSQL: found fast, right after crashes, in nobody's way."""

from __future__ import annotations

import asyncio
import gc
import shutil
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support_catalogue import PostgreSQL, golden, identity, recording

from daq.errors import DeadlineError, FormatError, MissingError, UnreachableError, UsageError
from daq.model.station import Alarm
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.services.catalogue.database import Database
from daq.services.catalogue.entry import Acquisition, Filter, limits_ms
from daq.services.catalogue.rebuild import rebuild
from daq.services.catalogue.service import Catalogue, CatalogueBounds

DEADLINE_S = 30.0
QUICK = CatalogueBounds(call_s=5.0, wait_s=2.0, retry_s=0.05, retry_most_s=0.1)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgreSQL]:
    made = PostgreSQL()
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.system)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state/catalogue.sqlite"
    return emptied(request.getfixturevalue("server"))


@pytest.fixture
def postgresql_url(server: PostgreSQL) -> str:
    return emptied(server)


def emptied(server: PostgreSQL) -> str:
    engine = sa.create_engine(server.url)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS acquisitions, catalogue_version"))
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


@asynccontextmanager
async def catalogue_at(url: str, storage: Path | None = None, **other: Any) -> AsyncIterator[Catalogue]:
    made = Catalogue(url, storage=storage, station="one", bounds=other.pop("bounds", QUICK), **other)
    task = asyncio.create_task(made.run(), name="catalogue")
    try:
        yield made
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        made._database.close()


async def until(is_so: Any) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not is_so():
            await asyncio.sleep(0.02)


def names(rows: list[Acquisition]) -> list[str]:
    return [row.id for row in rows]


# Rows in and out


def test_a_row_is_read_as_it_was_written(database: Database) -> None:
    row = Acquisition(
        id="ä 'quoted' 名", directory="/storage/a b", state="recovered", outcome="interrupted", created_ms=2**45,
        ended_ms=-5, ended_by="prompts=500", operator="anna", protocol="flood", protocol_version="3",
        protocol_state="signed", profile="p", scanner="s", station="one", keeper="one",
        steps=[{"number": 1, "name": "x"}], counts={"singles": 2**62}, duration_ps=2**63 - 1,
        size_bytes=2**63 - 1, simulated=True, continues="before",
        recovered_from="/other", patient_key="p-" + "a" * 26, administration_key="a-" + "b" * 26, verified="damaged",
        verified_ms=17, problem="why", stamp="1:2:3",
    )  # fmt: skip

    database.store([row])

    assert database.find() == [row]
    assert database.get(row.id) == row


def test_storing_again_replaces_the_row_of_the_same_directory(database: Database) -> None:
    row = Acquisition(id="a", directory="/storage/a", state="open")
    database.store([row])

    database.store([Acquisition(id="a", directory="/storage/a", state="sealed", outcome="completed")])

    assert [(found.state, found.outcome) for found in database.find()] == [("sealed", "completed")]


def test_an_empty_catalogue_has_no_rows(database: Database) -> None:
    database.make()

    assert (database.find(), database.count()) == ([], 0)
    with pytest.raises(MissingError, match="'x' is not in the catalogue"):
        database.get("x")


def test_a_path_may_be_longer_than_an_index_takes(database: Database) -> None:
    directory = "/" + "/".join(["d" * 200] * 20)

    database.store([Acquisition(id="a", directory=directory, state="open")])

    assert database.find()[0].directory == directory


def _as_version_1(database: Database) -> None:
    with database._connected() as connection:
        connection.execute(sa.text("DROP INDEX acquisitions_by_study"))
        for column in ("study", "session", "label"):
            connection.execute(sa.text(f"ALTER TABLE acquisitions DROP COLUMN {column}"))
        connection.execute(sa.text("UPDATE catalogue_version SET version = 1"))


def test_a_catalogue_of_version_1_gets_its_new_columns_when_it_is_read_and_its_rows_are_read_anew(
    database: Database, url: str,
) -> None:  # fmt: skip
    database.store([Acquisition(id="old", directory="/old", state="sealed", stamp="1:2:3", operator="anna")])
    _as_version_1(database)

    again = Database(url)
    try:
        (row,) = again.find()
        assert (row.id, row.operator, row.study, row.stamp) == ("old", "anna", None, "")
        again.store([Acquisition(id="new", directory="/new", state="sealed", study="s-" + "a" * 26, session=2)])
        assert [row.id for row in database.find(Filter(study="s-" + "a" * 26))] == ["new"]
    finally:
        again.close()


def test_a_catalogue_of_another_version_is_refused(database: Database) -> None:
    database.make()
    with database._connected() as connection:
        connection.execute(sa.text("UPDATE catalogue_version SET version = 7"))

    with pytest.raises(FormatError, match="of version 7; this build knows 2"):
        database.make()


def test_two_that_make_the_catalogue_at_once_make_one(url: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    databases = [Database(url) for _ in range(4)]
    rows = [Acquisition(id=f"{n}", directory=f"/d{n}", state="open") for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pair: pair[0].store([pair[1]]), zip(databases, rows, strict=True)))

    assert sorted(names(databases[0].find())) == ["0", "1", "2", "3"]
    for database in databases:
        database.close()


# Finding


@pytest.fixture
def three_days(storage: Path, database: Database) -> Database:
    for day in (1, 2, 3):
        for number in range(4):
            recording(
                storage, number, day, simulated=number == 3, state="open" if number == 0 else "sealed",
                ended_by=None if number == 0 else "fault" if number == 2 else "time",
                protocol={"id": f"bone-{number % 2}", "state": "draft", "version": day, "steps": 1},
                patient_reference="p-" + "abcd"[number] * 26, scanner={"id": f"scanner-{day}"},
                continues=identity(0, 1) if number == 1 else None,
            )  # fmt: skip
    rebuild(database, storage, keeper="one")
    return database


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, 12), ({"states": ("open",)}, 3), ({"states": ("open", "sealed")}, 12), ({"states": ("missing",)}, 0),
        ({"outcomes": ("fault",)}, 3), ({"outcomes": ("completed",)}, 6), ({"protocol": "bone-1"}, 6),
        ({"profile": "siemens-petlink32"}, 12), ({"profile": "%"}, 0), ({"scanner": "scanner-2"}, 4),
        ({"station": "one"}, 12), ({"station": "two"}, 0), ({"simulated": True}, 3), ({"simulated": False}, 9),
        ({"patient_key": "p-" + "b" * 26}, 3), ({"continues": identity(0, 1)}, 3), ({"id": identity(2, 3)}, 1),
        ({"text": "20261102"}, 4), ({"text": "2026%"}, 0), ({"text": "2026_1"}, 0),
        (limits_ms("2026-11-02", None), 8), (limits_ms(None, "2026-11-02"), 8),
        (limits_ms("2026-11-02", "2026-11-02"), 4), (limits_ms("2026-11-03T00:00:02Z", None), 2),
        ({"protocol": "bone-1", "outcomes": ("completed",), **limits_ms("2026-11-03", None)}, 2),
    ],
    ids=str,
)  # fmt: skip
def test_rows_are_found_by_every_condition(three_days: Database, wanted: dict[str, Any], count: int) -> None:
    found = three_days.find(Filter(**wanted))

    assert len(found) == three_days.count(Filter(**wanted)) == count


def test_lists_are_newest_first_and_come_in_pages(three_days: Database) -> None:
    whole = three_days.find()
    pages = [three_days.find(limit=5, offset=offset) for offset in (0, 5, 10, 15)]

    assert names(whole) == sorted(names(whole), reverse=True)
    assert names(whole)[0] == identity(3, 3)
    assert [row for page in pages for row in page] == whole
    assert [len(page) for page in pages] == [5, 5, 2, 0]


def test_what_has_no_time_comes_last(three_days: Database) -> None:
    three_days.store([Acquisition(id="zz", directory="/d", state="damaged")])

    assert names(three_days.find())[-1] == "zz"


# Rebuilding


def test_a_rebuild_finds_what_the_directories_hold(database: Database, storage: Path) -> None:
    recording(storage, 5, patient_reference="Doe^Jane", administration_reference="a-" + "c" * 26)

    result = rebuild(database, storage, keeper="one")

    (row,) = database.find()
    assert (result.directories, result.stored, result.damaged) == (1, 1, 0)
    assert (row.id, row.state, row.outcome, row.ended_by) == (identity(5), "sealed", "completed", "time")
    assert row.created_ms == int(datetime(2026, 11, 1, 0, 0, 5, tzinfo=UTC).timestamp() * 1000)
    assert (row.protocol, row.protocol_version, row.protocol_state) == ("flood", "3", "signed")
    assert row.counts == {"singles": 1005, "marks": 7}
    assert [(step["name"], step["completed"]) for step in row.steps] == [("flood", True)]
    assert (row.duration_ps, row.size_bytes) == (10**13, 1012 * 20)
    assert (row.patient_key, row.administration_key) == (None, "a-" + "c" * 26)


def test_a_rebuild_reads_what_is_new_and_nothing_else(database: Database, storage: Path) -> None:
    for number in range(5):
        recording(storage, number)
    assert rebuild(database, storage).stored == 5
    recording(storage, 5)
    recording(storage, 2, ended_by="operator")

    results = [rebuild(database, storage) for _ in range(2)]

    assert [result.stored for result in results] == [2, 0]
    assert database.get(identity(2)).ended_by == "operator"
    assert rebuild(database, storage, everything=True).stored == 6


def test_what_only_the_catalogue_knows_outlasts_a_rebuild(database: Database, storage: Path) -> None:
    recording(storage, 1)
    rebuild(database, storage)
    row = database.get(identity(1))
    database.store([Acquisition(**{**{name: getattr(row, name) for name in row.__slots__}, "outcome": "aborted"})])
    database.set_verified(row, "ok", 17)

    rebuild(database, storage, everything=True)

    after = database.get(identity(1))
    assert (after.outcome, after.verified, after.verified_ms) == ("aborted", "ok", 17)


def test_a_directory_that_is_gone_is_marked_and_comes_back(database: Database, storage: Path, tmp_path: Path) -> None:
    directory = recording(storage, 1)
    recording(storage, 2)
    rebuild(database, storage, keeper="one")
    directory.rename(tmp_path / "away")

    results = [rebuild(database, storage, keeper="one") for _ in range(2)]

    assert [result.missing for result in results] == [1, 0]
    assert database.get(identity(1)).state == "missing"
    (tmp_path / "away").rename(directory)
    assert rebuild(database, storage, keeper="one").stored == 1
    assert database.get(identity(1)).state == "sealed"


def test_a_directory_that_was_moved_keeps_its_verdict(database: Database, storage: Path) -> None:
    directory = recording(storage, 1)
    rebuild(database, storage)
    database.set_verified(database.get(identity(1)), "ok", 17)
    (storage / "archive").mkdir()
    directory.rename(storage / "archive" / directory.name)

    result = rebuild(database, storage)

    (row,) = database.find()
    assert result.moved == 1
    assert (row.directory, row.verified) == (str(storage / "archive" / directory.name), "ok")


def test_a_storage_that_is_not_there_changes_nothing(database: Database, storage: Path) -> None:
    recording(storage, 1)
    rebuild(database, storage)
    shutil.rmtree(storage)

    with pytest.raises(MissingError, match="no such storage"):
        rebuild(database, storage)
    assert database.get(identity(1)).state == "sealed"


@pytest.mark.system
def test_another_storage_and_another_station_are_left_alone(postgresql_url: str, storage: Path, tmp_path: Path) -> None:
    database = Database(postgresql_url)
    database.store([
        Acquisition(id="elsewhere", directory="/nowhere/else", state="sealed", keeper="one"),
        Acquisition(id="other", directory=str(storage / "gone"), state="sealed", keeper="two"),
        Acquisition(id="mine", directory=str(storage / "lost"), state="sealed", keeper="one"),
    ])  # fmt: skip

    rebuild(database, storage, keeper="one")

    assert {row.id: row.state for row in database.find()} == {
        "elsewhere": "sealed",
        "other": "sealed",
        "mine": "missing",
    }
    database.close()


# The service


async def test_what_the_daemon_notes_is_found(url: str, storage: Path) -> None:
    async with catalogue_at(url, storage) as catalogue:
        directory = recording(storage, 1, state="open", ended_by=None, sealed_utc=None)
        catalogue.note(directory)
        assert await catalogue.flush(DEADLINE_S)
        first = await catalogue.get(identity(1))

        recording(storage, 1, ended_by="operator")
        catalogue.note(directory, outcome="interrupted")
        assert await catalogue.flush(DEADLINE_S)
        second = await catalogue.get(identity(1))

    assert (first.state, first.outcome) == ("open", None)
    assert (second.state, second.outcome, second.ended_by) == ("sealed", "interrupted", "operator")


async def test_it_is_right_by_itself_when_it_starts(url: str, storage: Path) -> None:
    for number in range(250):
        recording(storage, number)

    async with catalogue_at(url, storage) as catalogue:
        assert await catalogue.flush(DEADLINE_S)

        assert await catalogue.count() == 250


async def test_what_was_noted_last_is_written_when_the_service_ends(url: str, storage: Path) -> None:
    async with catalogue_at(url, storage) as catalogue:
        assert await catalogue.flush(DEADLINE_S)
        catalogue.note(recording(storage, 1), outcome="aborted")

    database = Database(url)
    assert database.get(identity(1)).outcome == "aborted"
    database.close()


async def test_an_acquisition_without_a_manifest_can_be_added(url: str, tmp_path: Path) -> None:
    row = Acquisition(id="planned", directory=str(tmp_path / "not-yet"), state="open", outcome="aborted", protocol="p")
    async with catalogue_at(url) as catalogue:
        catalogue.add(row)
        assert await catalogue.flush(DEADLINE_S)
        found = await catalogue.get("planned")

    assert (found.state, found.outcome, found.protocol, found.keeper) == ("open", "aborted", "p", "one")


async def test_nothing_is_noted_of_a_directory_that_never_was(url: str, tmp_path: Path) -> None:
    async with catalogue_at(url) as catalogue:
        catalogue.note(tmp_path / "nothing")
        assert await catalogue.flush(DEADLINE_S)

        assert await catalogue.count() == 0


@pytest.mark.parametrize("wrong", [{"directory": "x"}, {"colour": "red"}, {"stamp": ""}, {"id": "x"}])
async def test_only_fields_that_are_known_can_be_noted(url: str, tmp_path: Path, wrong: dict[str, Any]) -> None:
    catalogue = Catalogue(url)

    with pytest.raises(UsageError, match="cannot be noted"):
        catalogue.note(tmp_path, **wrong)
    with pytest.raises(UsageError, match="not UTF-8"):
        catalogue.note(tmp_path / "\udcff")


async def test_a_directory_is_opened_by_the_name_of_its_acquisition(url: str, storage: Path) -> None:
    directory = recording(storage, 1)
    async with catalogue_at(url, storage) as catalogue:
        await catalogue.rebuild()
        assert await catalogue.open_directory(identity(1)) == directory

        shutil.rmtree(directory)
        with pytest.raises(MissingError, match="is not there"):
            await catalogue.open_directory(identity(1))
        with pytest.raises(MissingError, match="not in the catalogue"):
            await catalogue.open_directory("none")


async def test_a_verification_is_kept_in_the_catalogue(url: str, storage: Path) -> None:
    directory = golden(storage / "recording")
    async with catalogue_at(url, storage) as catalogue:
        await catalogue.rebuild()
        (row,) = await catalogue.find()
        good = await catalogue.verify(row.id)
        segment = next(directory.glob("raw-*.arrows"))
        segment.write_bytes(segment.read_bytes()[:-5000])
        bad = await catalogue.verify(row.id)

    assert (row.verified, good.verified, bad.verified) == (None, "ok", "damaged")
    assert good.verified_ms is not None


async def test_of_two_directories_of_one_acquisition_the_whole_one_is_found(url: str, storage: Path) -> None:
    recording(storage, 1, state="open")
    recovered = recording(storage / "recovered", 1, state="recovered", recovered_from=str(storage))
    async with catalogue_at(url, storage) as catalogue:
        await catalogue.rebuild()

        assert await catalogue.open_directory(identity(1)) == recovered
        assert await catalogue.count(Filter(id=identity(1))) == 2


async def test_a_list_is_bounded(url: str) -> None:
    async with catalogue_at(url) as catalogue:
        for wrong in ({"limit": 0}, {"limit": 10**9}, {"offset": -1}):
            with pytest.raises(UsageError, match="rows from"):
                await catalogue.find(**wrong)


@pytest.mark.parametrize("wrong", ["gone", ("gone",)])
def test_a_state_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(UsageError, match="possible are open, sealed"):
        Filter(states=(wrong,) if isinstance(wrong, str) else wrong)


# Bad days


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
    assert "scandaq@" in alarm.text
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
    assert "state cannot be made" in said[0].text


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
