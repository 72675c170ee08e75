"""Studies for people: pages of the catalogue, files by name, remarks, jobs; logs a page at a time."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from daq.composition.studyreading import listed_file
from daq.errors import FormatError, MissingError, RefusedError, ScandaqError, StorageFailedError, UsageError
from daq.model.console.service_verbs import LogLines as AskedLines
from daq.model.console.study_verbs import Studies, Study, StudyExport, StudyMark
from daq.model.station import Actor, Role
from daq.model.verbs import checked
from daq.services.catalogue.database import Database
from daq.services.catalogue.entry import Acquisition, Filter
from daq.services.catalogue.service import Catalogue
from daq.services.catalogue.studylist import study_page, study_rows
from daq.services.logbook import LogLines
from daq.services.revisions import Revisions
from daq.services.studies.desk import Readers, StudyDesk
from daq.services.studies.exported import BESIDE, Exports
from daq.services.studies.jobs import Job, Jobs
from daq.storage.auditchain import Head, chained, file_name
from daq.storage.auditpage import audit_page
from daq.storage.remarks import REMARKS_FILE, Remark, add_remark, read_remarks

ANNA = Actor("anna", "console", Role.TECHNOLOGIST)
HOSTILE = ("../manifest.json", "/etc/passwd", "..", ".hidden", "a/b", "a\\b", "", "x\x00y", "%2e%2e", "a" * 200)


def row(number: int, study: str | None = None, **more: Any) -> Acquisition:
    return Acquisition(
        id=f"run-{number:06d}", directory=f"/rec/run-{number:06d}", state="sealed", outcome="completed",
        created_ms=1_500_000_000_000 + number * 60_000, protocol="bone", study=study, **more,
    )  # fmt: skip


def key(number: int) -> str:
    return f"s-{number:026d}".replace("0", "a").replace("1", "b").replace("8", "c").replace("9", "d")


def test_a_study_is_one_row_with_all_its_acquisitions_and_as_new_as_the_newest(tmp_path: Path) -> None:
    database = Database(tmp_path / "c.sqlite")
    database.store([row(1, key(1)), row(2), row(3, key(2)), row(9, key(1), label="late")])
    page, total = study_page(database, Filter(), limit=2, offset=0)
    assert total == 3
    assert [(study.key, [one.id for one in study.acquisitions]) for study in page] == [
        (key(1), ["run-000009", "run-000001"]), (key(2), ["run-000003"]),
    ]  # fmt: skip
    assert study_page(database, Filter(), limit=2, offset=2)[0][0].key == "run-000002"
    assert [one.id for one in study_rows(database, "run-000001")] == ["run-000009", "run-000001"]
    found, _ = study_page(database, Filter(anywhere="LAT"), limit=5, offset=0)
    assert [len(study.acquisitions) for study in found] == [2]
    assert study_page(database, Filter(anywhere="%"), limit=5, offset=0)[1] == 0  # no pattern of the database
    database.close()


def test_ten_thousand_studies_are_listed_in_a_small_part_of_the_time_that_reading_them_all_takes(
    tmp_path: Path,
) -> None:
    database = Database(tmp_path / "c.sqlite")
    database.store([row(number, key(number)) for number in range(10_000)])
    study_page(database, Filter(), limit=50, offset=0)
    began = time.perf_counter()
    assert len(database.find(limit=10_000)) == 10_000
    whole_s = time.perf_counter() - began
    began = time.perf_counter()
    page, total = study_page(database, Filter(), limit=50, offset=5000)
    page_s = time.perf_counter() - began
    assert (len(page), total) == (50, 10_000)
    assert page_s < whole_s / 2, (page_s, whole_s)
    database.close()


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("verb", ["study-file", "study-export", "study"])
def test_names_that_lead_elsewhere_are_refused_before_anything_looks_at_them(verb: str, name: str) -> None:
    args: dict[str, object] = {
        "study-file": {"acquisition": "run", "name": name}, "study": {"study": name},
        "study-export": {"acquisition": "run", "to": "dicom", "name": name},
    }[verb]  # fmt: skip
    with pytest.raises(UsageError, match=verb):
        checked(verb, args, ANNA)


def test_only_files_that_the_list_of_sums_names_are_given_and_no_link(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "sheet.png").write_bytes(b"x")
    (images / "other.png").write_bytes(b"x")
    (images / "link.png").symlink_to("/etc/passwd")
    (images / "SHA256SUMS").write_text("0  sheet.png\n0  link.png\n0  ../manifest.json\n")
    assert listed_file(tmp_path, "sheet.png") == images / "sheet.png"
    for name in ("other.png", "link.png", "../manifest.json", "gone.png"):
        with pytest.raises(MissingError):
            listed_file(tmp_path, name)


def test_a_remark_is_appended_for_good_and_a_change_of_one_shows(tmp_path: Path) -> None:
    add_remark(tmp_path, Remark("not-for-diagnosis", "moved", "anna", "2020-01-01T00:00:00Z", step=1))
    add_remark(tmp_path, Remark("orientation", "lay prone", "anna", "2020-01-01T00:01:00Z", value="HFP", old="HFS"))
    assert [each.what for each in read_remarks(tmp_path)] == ["not-for-diagnosis", "orientation"]
    assert (tmp_path / REMARKS_FILE).stat().st_mode & 0o777 == 0o600
    with pytest.raises(RefusedError, match="already, by anna"):
        add_remark(tmp_path, Remark("orientation", "again", "bert", "2020-01-01T00:02:00Z", value="HFP"))
    lines = (tmp_path / REMARKS_FILE).read_bytes().splitlines(keepends=True)
    for changed in (lines[0].replace(b"moved", b"fine!") + lines[1], lines[1], lines[0] + lines[1][:-5]):
        (tmp_path / REMARKS_FILE).write_bytes(changed)
        with pytest.raises(FormatError, match="was changed"):
            read_remarks(tmp_path)


def test_a_remark_for_which_the_disk_has_no_room_is_refused_and_the_ones_before_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_remark(tmp_path, Remark("not-for-diagnosis", "moved", "anna", "2020-01-01T00:00:00Z", step=1))
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, line: write(descriptor, line[:20]))

    with pytest.raises(StorageFailedError, match="No space left"):
        add_remark(tmp_path, Remark("not-for-diagnosis", "again", "anna", "2020-01-01T00:01:00Z", step=2))
    monkeypatch.undo()
    add_remark(tmp_path, Remark("not-for-diagnosis", "later", "anna", "2020-01-01T00:02:00Z", step=2))

    assert [each.reason for each in read_remarks(tmp_path)] == ["moved", "later"]


# Jobs


def _python(text: str) -> Any:
    return lambda _: (sys.executable, "-c", text)


SAYS = """import json
print(json.dumps({"progress": 0.5, "text": "half"}))
print(json.dumps({"sentence": "Made.", "result": {"n": 1}}))"""
SLOW = "import time; time.sleep(60)"


@asynccontextmanager
async def running(jobs: Jobs) -> Any:
    task = asyncio.create_task(jobs.run())
    try:
        yield jobs
    finally:
        task.cancel()
        await asyncio.wait({task})


async def over(jobs: Jobs, *states: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while jobs.listed()[0]["state"] not in states:
            await asyncio.sleep(0.01)
    return jobs.listed()[0]


def job(**asked: object) -> Job:
    return Job("verify", "run-1", "anna", asked, {})


async def test_a_job_tells_what_it_is_at_and_what_became_of_it() -> None:
    heard: list[tuple[str, object]] = []
    jobs = Jobs(_python(SAYS), changed=lambda: heard.append((jobs.listed()[0]["state"], jobs.listed()[0]["progress"])))
    async with running(jobs):
        await jobs.put(job())
        told = await over(jobs, "done", "failed")
    assert (told["state"], told["text"], told["result"]) == ("done", "Made.", {"n": 1})
    assert ("running", 0.5) in heard


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import sys; sys.exit('no such thing')", "no such thing"),
        ("print('{')", "ended with code 0"),
        (SLOW, "not done within"),
    ],
)
async def test_a_job_that_fails_says_nothing_or_takes_too_long_is_failed_in_words(text: str, why: str) -> None:
    async with running(Jobs(_python(text), within_s=0.8)) as jobs:
        await jobs.put(job())
        told = await over(jobs, "done", "failed")
        assert told["state"] == "failed"
        assert why in told["text"]


async def test_jobs_are_cancelled_waiting_or_running_and_the_next_one_is_done() -> None:
    async with running(Jobs(lambda asked: (sys.executable, "-c", str(asked["text"])))) as jobs:
        first, second = await jobs.put(job(text=SLOW)), await jobs.put(job(text=SLOW, n=2))
        third = await jobs.put(job(text=SAYS))
        jobs.cancel(second.id)
        async with asyncio.timeout(10):
            while first.task is None:
                await asyncio.sleep(0.01)
        jobs.cancel(first.id)
        await over(jobs, "done")
    assert [each.state for each in (first, second, third)] == ["cancelled", "cancelled", "done"]
    with pytest.raises(RefusedError, match="has ended"):
        jobs.cancel(first.id)
    with pytest.raises(MissingError):
        jobs.cancel("j-x")


async def test_so_many_wait_and_no_more_and_the_same_is_not_asked_for_twice() -> None:
    jobs = Jobs(_python(SLOW))
    for number in range(16):
        await jobs.put(job(n=number))
    with pytest.raises(RefusedError, match="asked for the same already"):
        await jobs.put(job(n=3))
    with pytest.raises(RefusedError, match="16 jobs wait already"):
        await jobs.put(job(n=99))


# The desk


def _readers(told: Mapping[str, Any] | None = None) -> Readers:
    def brief(_: Sequence[Acquisition]) -> dict[str, Any]:
        return dict(told or {})

    return Readers(
        brief, brief, lambda folder, name: folder / name, lambda folder: folder, lambda *_: "HFS",
        lambda _: (None, "nobody"), lambda _: False, lambda folder, *_: (folder, {}),
    )  # fmt: skip


def test_exports_are_found_by_name_alone_and_survive_the_daemon(tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    made = Exports(folder, "the share", tmp_path / "exports.jsonl")
    assert made.told()["problem"] == ""
    (folder / "framed").mkdir()
    (folder / "framed" / "contact-sheet.png").write_bytes(b"x")
    (folder / "framed" / "link.png").symlink_to("/etc/passwd")
    (folder / "events.parquet").write_bytes(b"x")
    (folder / f"events.parquet{BESIDE}").write_text("NOT FOR DIAGNOSIS")
    (folder / "of-others.txt").write_bytes(b"x")
    for name in ("framed", "events.parquet", "gone"):
        made.note(name, {"acquisition": "run-1", "kind": "export"})
    made.note("other", {"acquisition": "run-2", "kind": "export"})
    with (tmp_path / "exports.jsonl").open("a") as torn:
        torn.write('{"name": "to')
    again = Exports(folder, "the share", tmp_path / "exports.jsonl")
    files = [(each["name"], [file["name"] for file in each["files"]]) for each in again.of("run-1")]
    assert files == [
        ("events.parquet", ["events.parquet", f"events.parquet{BESIDE}"]), ("framed", ["contact-sheet.png"]),
    ]  # fmt: skip
    assert again.file("framed", "contact-sheet.png") == folder / "framed" / "contact-sheet.png"
    assert again.file("events.parquet", f"events.parquet{BESIDE}").read_text() == "NOT FOR DIAGNOSIS"
    for name, file in (("framed", "link.png"), ("of-others.txt", "of-others.txt"), ("framed", ".."), ("gone", "gone")):
        with pytest.raises(MissingError):
            again.file(name, file)
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    bad = Exports(blocked / "exports", "the share", tmp_path / "none.jsonl")
    assert "cannot be made" in bad.told()["problem"]
    with pytest.raises(StorageFailedError, match="nothing can be exported to the share"):
        bad.free_place("x")


async def test_the_desk_lists_exports_once_under_a_name_and_keeps_remarks(tmp_path: Path) -> None:
    directory = tmp_path / "run-1"
    directory.mkdir()
    Database(tmp_path / "c.sqlite").store(
        [Acquisition(id="run-1", directory=str(directory), state="sealed", steps=[{"number": 1}], created_ms=1)]
    )
    catalogue = Catalogue(f"sqlite:///{tmp_path / 'c.sqlite'}")
    exports, revisions = tmp_path / "exports", Revisions()
    place = Exports(exports, "the share of the department", tmp_path / "exports.jsonl")
    desk = StudyDesk(catalogue, Jobs(_python(SAYS)), _readers({"grade": "good"}), place, revisions)
    do = desk.handlers
    listed = await do["studies"](Studies(), ANNA)
    assert (listed["total"], listed["studies"][0]["study"], listed["studies"][0]["grade"]) == (1, "run-1", "good")
    for day in ("2026-02-31", "9999-99-99"):
        with pytest.raises(UsageError, match="is no day"):
            await do["studies"](Studies(day=day), ANNA)
    put = await do["study-export"](StudyExport(acquisition="run-1", to="parquet", name="mine"), ANNA)
    assert put["asked"]["name"] == "mine.parquet"
    (exports / "taken").mkdir()
    with pytest.raises(RefusedError, match="taken is there already in the share of the department: nothing is written"):
        await do["study-export"](StudyExport(acquisition="run-1", to="dicom", name="taken"), ANNA)
    await do["study-mark"](StudyMark(acquisition="run-1", what="orientation", value="HFP", why="lay prone"), ANNA)
    assert read_remarks(directory)[0].old == "HFS"
    assert revisions.newest()["studies"] == 1
    wrong: list[tuple[type[ScandaqError], dict[str, Any]]] = [
        (UsageError, {"what": "orientation"}), (UsageError, {"what": "not-for-diagnosis", "value": "HFP"}),
        (MissingError, {"what": "not-for-diagnosis", "step": 2}),
        (RefusedError, {"what": "orientation", "value": "HFS"}), (UsageError, {"what": "orientation", "value": "HFX"}),
        (UsageError, {"what": "label", "value": "Left knee"}), (UsageError, {"what": "side", "value": "B", "step": 1}),
    ]  # fmt: skip
    for kind, args in wrong:
        with pytest.raises(kind):
            await do["study-mark"](StudyMark(acquisition="run-1", why="because", **args), ANNA)
    catalogue.close()
    desk.close()


async def test_a_share_that_hangs_keeps_nobody_from_studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Database(tmp_path / "c.sqlite").store([Acquisition(id="run-1", directory=str(tmp_path), state="sealed")])
    answers = threading.Event()
    monkeypatch.setattr(Exports, "told", lambda _: answers.wait(10))
    monkeypatch.setattr("daq.services.studies.desk._PLACE_S", 0.05)
    catalogue = Catalogue(f"sqlite:///{tmp_path / 'c.sqlite'}")
    place = Exports(tmp_path / "exports", "the share", tmp_path / "exports.jsonl")
    desk = StudyDesk(catalogue, Jobs(_python(SAYS)), _readers({"grade": "good"}), place, Revisions())
    for _ in range(4):  # more than there are threads for the share
        told = await desk.handlers["study"](Study(study="run-1"), ANNA)
        assert told["exports"] == {"title": "the share", "problem": "it does not answer", "free_bytes": None}
    answers.set()
    catalogue.close()
    desk.close()


# Logs


def test_the_audit_log_is_read_backwards_a_page_at_a_time(tmp_path: Path) -> None:
    head, lines = Head(), []
    for number in range(10):
        line, head = chained({"verb": "start" if number % 2 else "stop", "n": number}, head)
        lines.append(line)
    (tmp_path / file_name(1)).write_bytes(b"".join(lines[:4]))
    (tmp_path / file_name(2)).write_bytes(b"".join(lines[4:]))
    first = audit_page(tmp_path, limit=2, wanted=lambda line: line["verb"] == "start")
    assert [line["n"] for line in first.lines] == [9, 7]
    second = audit_page(tmp_path, limit=9, before=first.next_before, wanted=lambda line: line["verb"] == "start")
    assert [line["n"] for line in second.lines] == [5, 3, 1]
    assert second.next_before is None
    assert audit_page(tmp_path / "none", limit=1).lines == []


def test_the_log_keeps_the_newest_lines_and_says_which_level_they_are() -> None:
    lines = LogLines()
    for number, level in enumerate((logging.INFO, logging.WARNING, logging.ERROR)):
        lines.handle(logging.LogRecord("daq.x", level, "f", 1, "line %d\n\x1b[31m", (number,), None))
    assert [each["level"] for each in lines.page(AskedLines())["lines"]] == ["error", "warning", "info"]
    assert [each["number"] for each in lines.page(AskedLines(level="warning", limit=1))["lines"]] == [3]
    assert "\x1b" not in json.dumps(lines.page(AskedLines())["lines"], ensure_ascii=False)
    assert lines.page(AskedLines(limit=1))["next_before"] == 3
    assert lines.page(AskedLines(text="LINE 1"))["lines"][0]["number"] == 2
