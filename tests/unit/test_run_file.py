"""The file of a run: written by a thread, through full and failing disks; read back in whatever state."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_documents import Recorder, begun, check_run, fields, manifest, progress, reading, status

from daq.errors import DeadlineError, MissingError, StorageFailedError
from daq.services import rundocuments
from daq.services.runfile import RunFile
from daq.storage.runrecord import RUN_FILE, dump_line, read_run

DEADLINE_S = 20.0


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Disk:
    """What `os.write` and `os.fdatasync` do; `room` bytes are left, `broken` fails everything, `hangs` waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 1 << 40
        self.broken = False
        self.go_on = threading.Event()
        self.go_on.set()
        self._write, self._sync = os.write, os.fdatasync
        monkeypatch.setattr(os, "write", self.write)
        monkeypatch.setattr(os, "fdatasync", self.sync)

    def write(self, fd: int, data: Any) -> int:
        assert self.go_on.wait(DEADLINE_S)
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = self._write(fd, data[: self.room])
        self.room -= taken
        return taken

    def sync(self, fd: int) -> None:
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._sync(fd)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def line(number: int) -> bytes:
    return dump_line("event", {"n": number})


def numbers(path: Path) -> list[int]:
    return [document["n"] for _, document in read_run(path).documents]


def test_nothing_is_in_the_directory_before_the_recording_is(tmp_path: Path) -> None:
    file = RunFile(tmp_path / "run" / RUN_FILE, trouble=lambda _: None)
    file.start()
    file.append(line(1))
    (tmp_path / "run").mkdir()
    time.sleep(0.2)

    assert list((tmp_path / "run").iterdir()) == []

    begun(tmp_path / "run")
    wait_until(lambda: file.written == 1)
    assert file.join(DEADLINE_S)
    assert numbers(tmp_path / "run") == [1]


def test_a_disk_that_is_full_tells_once_and_loses_nothing_when_room_is_made(tmp_path: Path, disk: Disk) -> None:
    said: list[str | None] = []
    file = RunFile(begun(tmp_path) / RUN_FILE, trouble=said.append)
    file.start()
    disk.room = 30

    for number in range(5):
        file.append(line(number))
    wait_until(lambda: said != [])
    disk.room = 1 << 30
    wait_until(lambda: file.written == 5)

    assert file.join(DEADLINE_S)
    assert numbers(tmp_path) == [0, 1, 2, 3, 4]
    assert [text is None for text in said] == [False, True]
    assert "No space left" in (said[0] or "")
    assert read_run(tmp_path).skipped == 0


def test_a_disk_that_stays_full_ends_with_a_count_of_what_was_lost(tmp_path: Path, disk: Disk) -> None:
    file = RunFile(begun(tmp_path) / RUN_FILE, trouble=lambda _: None)
    file.start()
    file.append(line(1))
    wait_until(lambda: file.written == 1)
    disk.room = 0

    file.append(line(2))
    file.append(line(3))

    assert file.join(DEADLINE_S)
    assert (file.lost, numbers(tmp_path)) == (2, [1])


def test_what_finds_no_room_in_memory_is_refused_and_counted(tmp_path: Path, disk: Disk) -> None:
    disk.room = 0
    file = RunFile(begun(tmp_path) / RUN_FILE, trouble=lambda _: None, most_bytes=100)
    file.start()

    taken = [file.append(line(number)) for number in range(6)]

    assert taken == [True] * 3 + [False] * 3
    assert file.dropped == 3
    assert file.pressed
    assert file.waiting_bytes <= 100
    disk.room = 1 << 30
    assert file.join(DEADLINE_S)
    assert numbers(tmp_path) == [0, 1, 2]


def test_a_file_that_was_taken_away_and_came_back_torn_goes_on_with_a_whole_line(tmp_path: Path, disk: Disk) -> None:
    """The storage was gone: what is there afterwards is not what this process left."""
    file = RunFile(begun(tmp_path) / RUN_FILE, trouble=lambda _: None)
    file.start()
    file.append(line(1))
    wait_until(lambda: file.written == 1)
    disk.broken = True
    file.append(line(2))
    wait_until(lambda: file.waiting_s > 0.05)
    (tmp_path / RUN_FILE).write_bytes(line(1) + line(2)[:9])

    disk.broken = False

    assert file.join(DEADLINE_S)
    assert numbers(tmp_path) == [1, 2]
    assert read_run(tmp_path).skipped == 1


def test_lines_are_synced_every_so_often_and_at_once_where_asked(tmp_path: Path, disk: Disk) -> None:
    file = RunFile(begun(tmp_path) / RUN_FILE, trouble=lambda _: None, sync_s=1000.0)
    file.start()
    file.append(line(1))
    wait_until(lambda: file.syncs == 1)  # the first line is, so that the file is there after a power cut
    file.append(line(2))
    wait_until(lambda: file.written == 2)

    assert file.syncs == 1
    file.append(line(3), sync=True)
    wait_until(lambda: file.syncs == 2)
    assert file.join(DEADLINE_S)


async def test_a_run_goes_on_under_the_same_uids_after_the_daemon_was_killed(tmp_path: Path) -> None:
    recorder = Recorder()
    begun(tmp_path)
    with recorder.run(tmp_path) as before:
        before.open()
        recorder.say(status("acquiring"), reading(812.0), progress(1.0))
        await before.detach()
    path = tmp_path / RUN_FILE
    path.write_bytes(path.read_bytes() + dump_line("event", {"torn": "x" * 50})[:40])

    with recorder.run(tmp_path, start_fields=fields(boot="boot-2")) as after:
        record = await after.resume()
        recorder.say(reading(813.0), progress(5.0))
        await after.close("success", "events")

    documents = read_run(path).documents
    assert (record.torn, record.skipped, read_run(path).skipped) == (True, 1, 1)
    assert after.run_uid == before.run_uid == documents[0][1]["uid"]
    check_run(documents)
    assert [name for name, _ in documents].count("descriptor") == 3


async def test_a_run_whose_start_was_lost_is_started_again(tmp_path: Path) -> None:
    begun(tmp_path)
    (tmp_path / RUN_FILE).write_bytes(b'{"name": "start", "doc": {"uid"')
    recorder = Recorder()

    with recorder.run(tmp_path) as run:
        await run.resume()
        await run.close("abort", "operator")

    check_run(read_run(tmp_path).documents)


async def test_a_run_that_had_ended_is_only_hashed(tmp_path: Path) -> None:
    begun(tmp_path)
    with Recorder().run(tmp_path) as run:
        run.open()
        sha256 = await run.close("success", "events")
    content = (tmp_path / RUN_FILE).read_bytes()

    with Recorder().run(tmp_path) as again:
        await again.resume()
        again.heard(progress(3.0))

        assert await again.close("fail", "found after a restart") == sha256

    assert (tmp_path / RUN_FILE).read_bytes() == content


async def test_a_run_that_cannot_be_read_back_is_left_alone(tmp_path: Path) -> None:
    (begun(tmp_path) / RUN_FILE).symlink_to(RUN_FILE)
    recorder = Recorder()
    with recorder.run(tmp_path) as run:
        with pytest.raises(StorageFailedError, match="cannot be read"):
            await run.resume()
        recorder.say(progress(1.0))
        run.step(1, "ANT", "begin")
        run.files(manifest(singles=1))

        assert await run.close("fail", "found after a restart") is None

    assert recorder.documents == []
    assert run.dropped == 1


async def test_a_run_resumed_without_a_file_is_started(tmp_path: Path) -> None:
    begun(tmp_path)
    recorder = Recorder()
    with recorder.run(tmp_path) as run:
        await run.resume()
        await run.close("success", "events")

    check_run(recorder.documents)


async def test_a_full_disk_is_told_in_the_loop_and_the_end_says_what_is_missing(tmp_path: Path, disk: Disk) -> None:
    recorder = Recorder()
    begun(tmp_path)
    with recorder.run(tmp_path) as run:
        run.open()
        disk.room = 0
        recorder.say(progress(1.0))
        async with asyncio.timeout(DEADLINE_S):
            while not recorder.troubles:
                await asyncio.sleep(0.01)

        with pytest.raises(StorageFailedError, match=r"documents could not be written"):
            await run.close("success", "events")

    assert recorder.documents[-1][0] == "stop"


async def test_a_disk_that_hangs_is_told_and_does_not_keep_the_end_waiting(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rundocuments, "_LATE_S", 0.05)
    monkeypatch.setattr(rundocuments, "_DISK_S", 0.2)
    recorder = Recorder()
    begun(tmp_path)
    with recorder.run(tmp_path) as run:
        run.open()
        await asyncio.to_thread(wait_until, lambda: run.file.written == 1)
        disk.go_on.clear()
        recorder.say(reading(1.0))
        await asyncio.sleep(0.1)
        recorder.say(progress(1.0))

        with pytest.raises(DeadlineError, match=r"within 0\.2 s"):
            await run.close("success", "events")

    disk.go_on.set()
    assert "taken nothing" in (recorder.troubles[0] or "")


def test_a_missing_file_and_an_unreadable_one_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such file"):
        read_run(tmp_path / RUN_FILE)
    (tmp_path / RUN_FILE).mkdir()
    with pytest.raises(StorageFailedError, match="cannot be read"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    "hostile", [b"\0" * 5000, b"[1, 2]\n", b'{"name": 5, "doc": {}}\n', b"[" * 100_000, b"\xff\xfe\n"]
)
def test_what_is_no_document_is_skipped(tmp_path: Path, hostile: bytes) -> None:
    (tmp_path / RUN_FILE).write_bytes(line(1) + hostile + b"\n" + line(2))

    assert numbers(tmp_path) == [1, 2]
    assert read_run(tmp_path).skipped == 1


def test_a_line_longer_than_any_document_costs_no_memory_and_one_count(tmp_path: Path) -> None:
    (tmp_path / RUN_FILE).write_bytes(line(1) + b'{"name": "' + b"x" * (9 << 20) + b'"}\n' + line(2))

    assert numbers(tmp_path) == [1, 2]
    assert read_run(tmp_path).skipped == 1


@pytest.mark.slow
@given(contents=st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.none())), data=st.data())
def test_a_file_cut_anywhere_keeps_every_whole_line(
    tmp_path_factory: pytest.TempPathFactory, contents: list[dict[str, Any]], data: st.DataObject
) -> None:
    lines = [dump_line("event", content) for content in contents]
    whole = b"".join(lines)
    cut = data.draw(st.integers(0, len(whole)))
    path = tmp_path_factory.mktemp("cut") / RUN_FILE
    path.write_bytes(whole[:cut])

    kept = [document for _, document in read_run(path).documents]

    ends = [sum(map(len, lines[: n + 1])) - 1 for n in range(len(lines))]  # without its line end it is whole
    assert kept == [json.loads(json.dumps(c)) for c, end in zip(contents, ends, strict=True) if end <= cut]
