"""What rows are made of: real manifests, half ones, garbage. Nothing found in a storage stops a rebuild."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_catalogue import identity, recording

from daq.errors import MissingError, UsageError
from daq.services.catalogue.database import Database
from daq.services.catalogue.directories import Walk, acquisition_directories, describe
from daq.services.catalogue.entry import Acquisition, Filter, limits_ms, moment_ms, utc_text
from daq.services.catalogue.rebuild import rebuild
from daq.storage.manifest import MANIFEST, Manifest, dump_manifest
from daq.storage.runrecord import RUN_FILE, dump_line


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    (tmp_path / "storage").mkdir()
    return tmp_path / "storage"


def found(storage: Path) -> list[str]:
    return sorted(os.path.relpath(directory, storage) for directory, _ in acquisition_directories(storage, Walk()))


def test_a_directory_with_a_manifest_or_a_segment_is_an_acquisition(storage: Path) -> None:
    recording(storage, 1)
    (storage / "lost").mkdir()
    (storage / "lost" / "raw-00000.arrows").write_bytes(b"")
    (storage / "2026-11-01" / identity(1) / "images").mkdir()
    (storage / "2026-11-01" / identity(1) / "images" / MANIFEST).write_text("{}")
    for empty in ("station", "a/b/c", ".hidden/x", "x.partial"):
        (storage / empty).mkdir(parents=True)
    (storage / ".hidden" / "x" / MANIFEST).write_text("{}")
    (storage / "x.partial" / MANIFEST).write_text("{}")
    (storage / "notes.txt").write_text("of a person")

    assert found(storage) == [f"2026-11-01/{identity(1)}", "lost"]


def test_links_are_not_followed_and_nothing_is_looked_for_very_deep(storage: Path, tmp_path: Path) -> None:
    recording(tmp_path / "elsewhere", 1)
    (storage / "link").symlink_to(tmp_path / "elsewhere")
    (storage / "round").symlink_to(storage)
    deep = storage / "a/b/c/d/e"
    deep.mkdir(parents=True)
    (deep / MANIFEST).write_text("{}")

    assert found(storage) == []


def test_a_name_that_is_not_utf8_is_a_problem_and_no_traceback(storage: Path) -> None:
    (storage / "\udcff\udcfe").mkdir()
    recording(storage, 1)
    walk = Walk()

    assert len(list(acquisition_directories(storage, walk))) == 1
    assert walk.unreadable == 1
    assert "not UTF-8" in walk.problems[0]


def test_a_storage_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such storage folder"):
        list(acquisition_directories(tmp_path / "none", Walk()))


GARBAGE: dict[str, bytes] = {
    "empty": b"",
    "no json": b"\xff\xfe\x00",
    "list": b"[1, 2]",
    "nested": b"[" * 100_000,
    "version": b'{"format": "9.0"}',
    "no crc": b'{"format": "1.0", "acquisition_id": "x"}',
}


@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_a_row_that_says_so(storage: Path, content: bytes) -> None:
    directory = storage / identity(5)
    directory.mkdir()
    (directory / MANIFEST).write_bytes(content)
    (directory / "raw-00000.arrows").write_bytes(b"x" * 100)

    row = describe(directory)

    assert (row.state, row.outcome, row.id, row.size_bytes) == ("damaged", None, identity(5), 100)
    assert row.problem
    assert utc_text(row.created_ms) == "2026-11-01T00:00:05.000Z"


def test_a_manifest_that_is_a_folder_or_cannot_be_read_is_a_row_too(storage: Path) -> None:
    (storage / "folder" / MANIFEST).mkdir(parents=True)

    assert describe(storage / "folder").state == "damaged"
    assert describe(storage / "none").state == "missing"


HOSTILE: dict[str, Any] = {
    "acquisition_id": "a\x00b\ud800\x1b[2J" + "x" * 1000, "created_utc": "soon", "sealed_utc": "9999-99-99",
    "ended_by": "e" * 5000, "duration_ps": 10**30, "continues": "\u202eabc", "station": "", "operator": "\n",
    "protocol": {"id": {"a": 1}, "version": 10**400, "state": ["x"], "steps": "many"},
    "patient_reference": "Doe^Jane", "administration_reference": "p-" + "A" * 26,
    "segments": [
        {"file": "x", "stream": f"s{n}\x00", "index": 0, "schema_message": "", "rows": 2**70, "size_bytes": 2**70}
        for n in range(200)
    ],
    "steps": [
        {"number": 10**30, "name": "\x00" * 999, "begin_ps": -(10**30), "end_ps": 10**30, "ended_by": "\ud800"}
    ] * 3000,
}  # fmt: skip


def test_a_hostile_manifest_becomes_a_row_that_any_database_takes(storage: Path) -> None:
    directory = recording(storage, 1, **HOSTILE)
    database = Database(f"sqlite:///{storage}/c.sqlite")

    result = rebuild(database, storage)

    (row,) = database.find()
    assert (result.stored, row.directory) == (1, str(directory))
    assert "\x00" not in json.dumps(row.to_json(), ensure_ascii=False)
    json.dumps(row.to_json(), ensure_ascii=False).encode()
    assert "Doe" not in json.dumps(row.to_json())
    assert len(row.steps) <= 1000


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_for_a_manifest_give_a_row(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    directory = tmp_path_factory.mktemp("any")
    (directory / MANIFEST).write_bytes(content)

    assert describe(directory).state == "damaged"


TEXTS = st.text(max_size=30)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "acquisition_id": TEXTS, "created_utc": TEXTS, "sealed_utc": st.none() | TEXTS, "ended_by": TEXTS,
            "state": st.sampled_from(["open", "sealed", "recovered"]), "operator": TEXTS, "station": TEXTS,
            "duration_ps": st.none() | st.integers(), "continues": TEXTS, "patient_reference": TEXTS,
            "protocol": st.none() | st.dictionaries(st.sampled_from(["id", "version", "state", "steps"]), TEXTS),
            "scanner": st.none() | st.dictionaries(st.just("id"), TEXTS | st.integers()),
        },
    )
)  # fmt: skip
def test_any_manifest_gives_a_row_that_is_stored_and_found(
    tmp_path_factory: pytest.TempPathFactory, other: dict[str, Any]
) -> None:
    storage = tmp_path_factory.mktemp("storage")
    directory = storage / "x"
    directory.mkdir()
    made = {
        "acquisition_id": "x", "state": "sealed", "created_utc": "", "profile": {}, "profile_sha256": "", "source": "",
        "segments": [], **other,
    }  # fmt: skip
    (directory / MANIFEST).write_bytes(dump_manifest(Manifest.model_validate(made)))
    database = Database(f"sqlite:///{storage}/c.sqlite")

    rebuild(database, storage, keeper="one")

    row = describe(directory)
    assert database.find() == [Acquisition(**{**{name: getattr(row, name) for name in row.__slots__}, "keeper": "one"})]


# How it ended


def ended(storage: Path, documents: list[tuple[str, dict[str, Any]]], **other: Any) -> str | None:
    directory = recording(storage, 1, **other)
    if documents:
        (directory / RUN_FILE).write_bytes(b"".join(dump_line(name, document) for name, document in documents))
    return describe(directory).outcome


STEP_ENDS = {"data": {"ended_by": "interrupted", "number": 1}}


@pytest.mark.parametrize(
    ("documents", "outcome"),
    [
        ([("stop", {"exit_status": "success"})], "completed"),
        ([("stop", {"exit_status": "abort"})], "aborted"),
        ([("stop", {"exit_status": "fail"})], "interrupted"),
        ([("event", STEP_ENDS), ("stop", {"exit_status": "fail"})], "interrupted"),
        ([("event", {"data": {"ended_by": "fault"}}), ("stop", {"exit_status": "fail"})], "fault"),
        ([("event", STEP_ENDS)], "completed"),
        ([("stop", {"exit_status": 5})], "completed"),
        ([("stop", {})], "completed"),
    ],
)
def test_the_run_documents_tell_how_it_ended(
    storage: Path, documents: list[tuple[str, dict[str, Any]]], outcome: str
) -> None:
    assert ended(storage, documents) == outcome


@pytest.mark.parametrize(
    ("other", "outcome"),
    [
        ({"state": "open"}, None),
        ({"ended_by": "fault"}, "fault"),
        ({"ended_by": "motion lost"}, "interrupted"),
        ({"ended_by": "stalled"}, "interrupted"),
        ({"ended_by": "operator"}, "completed"),
        ({"protocol": {"id": "x", "steps": 2}}, "interrupted"),
        ({"protocol": None, "steps": None}, "completed"),
        ({"state": "recovered"}, "interrupted"),
    ],
)
def test_without_them_the_manifest_tells(storage: Path, other: dict[str, Any], outcome: str | None) -> None:
    assert ended(storage, [], **other) == outcome


def test_a_recovered_recording_ended_when_its_data_do(storage: Path) -> None:
    row = describe(recording(storage, 1, state="recovered", sealed_utc="2027-05-05T00:00:00+00:00"))

    assert utc_text(row.ended_ms) == "2026-11-01T00:00:11.000Z"


# Times


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-22T14:05:07.123+00:00", "2026-11-22T14:05:07.123Z"),
        ("2026-11-22T14:05:07Z", "2026-11-22T14:05:07.000Z"), ("2026-11-22T15:05+01:00", "2026-11-22T14:05:00.000Z"),
        ("2026-11-22", "2026-11-22T00:00:00.000Z"),
        ("0001-01-01T00:00:00+14:00", "0000"), ("", None), ("soon", None), (5, None), (None, None),
    ],
)  # fmt: skip
def test_times_are_read_as_manifests_write_them(text: object, utc: str | None) -> None:
    found = moment_ms(text)

    assert (utc_text(found) == utc) or utc == "0000"


@pytest.mark.parametrize("moment", [10**17, -(10**17)])
def test_a_time_that_no_calendar_has_is_none(moment: int) -> None:
    assert utc_text(moment) is None


def test_the_day_of_until_is_included() -> None:
    assert limits_ms("2026-11-22", "2026-11-22") == {"since_ms": 1_795_305_600_000, "until_ms": 1_795_392_000_000}
    assert limits_ms(None, "2026-11-22T12:00Z")["until_ms"] == 1_795_348_800_000
    with pytest.raises(UsageError, match="--since yesterday: must be a date"):
        limits_ms("yesterday", None)


def test_an_outcome_that_is_none_cannot_be_looked_for() -> None:
    with pytest.raises(UsageError, match="possible are completed, interrupted, aborted, fault"):
        Filter(outcomes=("good",))  # type: ignore[arg-type]
