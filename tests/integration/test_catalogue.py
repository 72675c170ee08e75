"""The catalogue, the same tests on SQLite and on PostgreSQL: found fast, right after crashes, in nobody's way."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support_catalogue import identity, recording

from daq.errors import FormatError, MissingError
from daq.services.catalogue.database import Database
from daq.services.catalogue.entry import Acquisition, Filter, limits_ms
from daq.services.catalogue.rebuild import rebuild


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


def test_a_catalogue_of_version_2_gets_the_tables_of_quality_control_and_keeps_its_rows_as_they_are(
    database: Database, url: str,
) -> None:  # fmt: skip
    database.store([Acquisition(id="old", directory="/old", state="sealed", stamp="1:2:3", operator="anna")])
    with database._connected() as connection:
        for table in ("qc_figures", "qc_documents"):
            connection.execute(sa.text(f"DROP TABLE {table}"))
        connection.execute(sa.text("UPDATE catalogue_version SET version = 2"))

    again = Database(url)
    try:
        (row,) = again.find()
        assert (row.id, row.operator, row.stamp) == ("old", "anna", "1:2:3")
        with again._connected() as connection:
            assert set(sa.inspect(connection).get_table_names()) >= {"qc_documents", "qc_figures"}
            assert connection.scalar(sa.text("SELECT count(*) FROM qc_documents")) == 0
            assert connection.scalar(sa.text("SELECT version FROM catalogue_version")) == 3
    finally:
        again.close()


def test_a_catalogue_of_another_version_is_refused(database: Database) -> None:
    database.make()
    with database._connected() as connection:
        connection.execute(sa.text("UPDATE catalogue_version SET version = 7"))

    with pytest.raises(FormatError, match="of version 7; this build knows 3"):
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
