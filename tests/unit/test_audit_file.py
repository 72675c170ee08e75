"""The audit log on the disk: durable, append-only, right after crashes and after disks that refuse for a while."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support_audit import RefusingFiles, fields, log_of, own

from daq.listmode.blocks import PAGE
from daq.storage.auditchain import OPEN, Line, parse_line, split_lines
from daq.storage.auditfile import AuditFile
from daq.storage.auditlook import audit_files, look
from daq.storage.auditverify import verify_audit
from daq.storage.files import Buffer, Handle, StorageFiles

CUTS = int(os.environ.get("SCANDAQ_POWER_CUTS", "250"))


def contents(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(raw) for path in audit_files(folder) for raw in split_lines(path.read_bytes())[0]]


def objects(folder: Path) -> list[str]:
    """What the lines that were asked for are about, in order."""
    return [line["object"] for line in contents(folder) if line["verb"] == "start"]


def test_a_new_log_begins_with_the_line_that_opens_it(tmp_path: Path) -> None:
    log_of(tmp_path / "state" / "audit", 2)

    assert [line["verb"] for line in contents(tmp_path / "state" / "audit")] == [OPEN, "start", "start"]


def test_the_file_is_not_for_everybody_to_read(tmp_path: Path) -> None:
    log_of(tmp_path / "audit", 1)

    assert audit_files(tmp_path / "audit")[0].stat().st_mode & 0o007 == 0


def test_a_daemon_that_starts_again_goes_on_in_the_same_file(tmp_path: Path) -> None:
    for _ in range(3):
        log_of(tmp_path / "audit", 2)

    assert [path.name for path in audit_files(tmp_path / "audit")] == ["audit-00001.jsonl"]
    assert verify_audit(tmp_path / "audit").lines == 7


def test_a_file_grows_to_its_bound_and_no_further(tmp_path: Path) -> None:
    log_of(tmp_path / "audit", 40, max_bytes=5000)

    assert len(audit_files(tmp_path / "audit")) > 3
    assert all(path.stat().st_size <= 5000 for path in audit_files(tmp_path / "audit"))
    assert verify_audit(tmp_path / "audit").is_good


@pytest.mark.parametrize("tail", [b"{", b'{"seq":4,"verb":"sta', bytes(300), b"\n\n", b'{"seq":9}\n'])
def test_what_a_crash_left_stays_as_it_is_and_the_chain_goes_on(tmp_path: Path, tail: bytes) -> None:
    folder = tmp_path / "audit"
    log_of(folder, 2)
    first = audit_files(folder)[0]
    left = first.read_bytes() + tail
    first.write_bytes(left)

    audit = AuditFile(folder, own)
    audit.append(fields("start", "after"))
    audit.close()

    assert first.read_bytes() == left
    opening, line = contents_of(audit_files(folder)[1])
    assert (opening["verb"], opening["object"], line["object"]) == (OPEN, first.name, "after")
    assert opening["old"] == audit.condition != "whole"
    assert line["seq"] == 5


def contents_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(raw) for raw in split_lines(path.read_bytes())[0]]


def test_a_log_that_was_tampered_with_is_not_gone_on_with_in_the_same_file(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    log_of(folder, 5)
    first = audit_files(folder)[0]
    first.write_bytes(first.read_bytes().replace(b"run-1", b"run-9"))

    log_of(folder, 1)

    assert contents_of(audit_files(folder)[1])[0]["old"] == "damaged in line 3"
    broken = verify_audit(folder).broken
    assert broken is not None
    assert (broken.file, broken.line) == (first.name, 3)


def test_files_without_a_single_line_do_not_end_the_chain(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    log_of(folder, 2)
    (folder / "audit-00002.jsonl").write_bytes(b"garbage")
    (folder / "audit-00003.jsonl").write_bytes(b"")

    log_of(folder, 1)

    found = look(folder)
    assert found.head.seq == 5
    assert contents_of(folder / "audit-00003.jsonl")[0]["object"] == "audit-00002.jsonl"


def test_a_folder_of_garbage_alone_begins_a_chain(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    folder.mkdir()
    (folder / "audit-00001.jsonl").write_bytes(b"\xff\x00 garbage")
    (folder / "notes.txt").write_text("of a person")

    log_of(folder, 1)

    assert [line["seq"] for line in contents_of(folder / "audit-00002.jsonl")] == [1, 2]


def test_a_second_writer_is_kept_out(tmp_path: Path) -> None:
    one, other = AuditFile(tmp_path / "audit", own), AuditFile(tmp_path / "audit", own)
    one.append(fields("start", "one"))

    with pytest.raises(BlockingIOError, match="another process"):
        other.append(fields("start", "other"))
    one.close()
    other.append(fields("start", "other"))
    other.close()

    assert objects(tmp_path / "audit") == ["one", "other"]
    assert verify_audit(tmp_path / "audit").is_good


@pytest.mark.parametrize("partly", [0, 1, 100])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_after_a_disk_that_refused_the_chain_goes_on(tmp_path: Path, code: int, partly: int) -> None:
    files = RefusingFiles()
    audit = AuditFile(tmp_path / "audit", own, files=files)
    audit.append(fields("start", "before"))
    files.why, files.partly = code, partly
    for _ in range(5):
        with pytest.raises(OSError, match=errno.errorcode[code]):
            audit.append(fields("start", "refused"))
    files.why = None

    audit.append(fields("start", "refused"))
    audit.append(fields("start", "after"))
    audit.close()

    assert objects(tmp_path / "audit") == ["before", "refused", "after"]
    assert verify_audit(tmp_path / "audit").is_good
    assert len(audit_files(tmp_path / "audit")) <= 7


def test_a_line_that_is_there_after_a_failed_sync_is_not_written_twice_but_synced(tmp_path: Path) -> None:
    files = RefusingFiles()
    audit = AuditFile(tmp_path / "audit", own, files=files)
    audit.append(fields("start", "before"))
    files.why, files.refuses_sync = errno.EIO, True
    for _ in range(3):
        with pytest.raises(OSError, match="EIO"):
            audit.append(fields("start", "doubtful"))
    files.why, synced = None, files.synced

    audit.append(fields("start", "doubtful"))
    assert files.synced == synced + 1
    audit.append(fields("start", "after"))
    audit.close()

    assert objects(tmp_path / "audit") == ["before", "doubtful", "after"]
    assert verify_audit(tmp_path / "audit").is_good


@pytest.mark.parametrize("refuses_sync", [False, True])
def test_a_disk_that_refuses_while_a_file_is_closed_does_not_break_the_chain(
    tmp_path: Path, *, refuses_sync: bool
) -> None:
    files = RefusingFiles()
    audit = AuditFile(tmp_path / "audit", own, files=files, max_bytes=5000)
    number = 0
    while len(audit_files(tmp_path / "audit")) < 3 if number else True:
        files.why, files.refuses_sync, files.partly = errno.EIO, refuses_sync, 50 * (number % 3)
        with pytest.raises(OSError, match="EIO"):
            audit.append(fields("start", f"run-{number}"))
        files.why = None
        audit.append(fields("start", f"run-{number}"))
        number += 1
    audit.close()

    assert objects(tmp_path / "audit") == [f"run-{n}" for n in range(number)]
    assert verify_audit(tmp_path / "audit").is_good


def test_a_file_that_was_moved_away_is_missed_and_said(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    audit = AuditFile(folder, own)
    audit.append(fields("start", "one"))
    audit_files(folder)[0].rename(tmp_path / "elsewhere.jsonl")

    audit.append(fields("start", "two"))
    audit.close()

    assert audit.condition == "ends with 0, was written up to 2"
    assert [line["seq"] for line in contents(folder)] == [3, 4]
    broken = verify_audit(folder).broken
    assert broken is not None
    assert (broken.kind, broken.reason) == ("removed", "lines 1 to 2 before it missing")


def test_a_file_that_somebody_else_wrote_to_is_left_to_them(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    audit = AuditFile(folder, own)
    audit.append(fields("start", "one"))
    with audit_files(folder)[0].open("ab") as file:
        file.write(b"a remark\n")

    audit.append(fields("start", "two"))
    audit.close()

    assert audit.condition == "damaged in line 3"
    assert contents_of(audit_files(folder)[1])[1]["object"] == "two"


def test_a_storage_that_is_gone_is_not_made_anew_under_its_mount_point(tmp_path: Path) -> None:
    folder = tmp_path / "storage" / "audit"
    audit = AuditFile(folder, own)
    audit.append(fields("start", "one"))
    (tmp_path / "storage").rename(tmp_path / "away")

    with pytest.raises(FileNotFoundError):
        audit.append(fields("start", "two"))
    assert not folder.exists()
    (tmp_path / "away").rename(tmp_path / "storage")
    audit.append(fields("start", "two"))
    audit.close()

    assert objects(folder) == ["one", "two"]
    assert verify_audit(folder).is_good


def test_many_restarts_on_a_full_disk_leave_few_files(tmp_path: Path) -> None:
    files = RefusingFiles()
    log_of(tmp_path / "audit", 1)
    with audit_files(tmp_path / "audit")[0].open("ab") as file:
        file.write(b"torn")
    files.why = errno.ENOSPC
    for _ in range(20):
        audit = AuditFile(tmp_path / "audit", own, files=files)
        with pytest.raises(OSError, match="ENOSPC"):
            audit.append(fields("start", "two"))

    assert len(audit_files(tmp_path / "audit")) == 2


class Trace(StorageFiles):
    """Real files, and a note of every write, sync and name, in order: what a loss of power can take back."""

    def __init__(self, *, without_sync: bool = False, without_names: bool = False) -> None:
        self.steps: list[tuple[str, str, int, bytes]] = []
        self._without_sync, self._without_names = without_sync, without_names

    def create(self, path: Path) -> Handle:
        handle = super().create(path)
        self.steps.append(("create", path.name, 0, b""))
        return handle

    def write_at(self, handle: Handle, offset: int, buffer: Buffer) -> None:
        self.steps.append(("write", handle.path.name, offset, bytes(buffer)))
        super().write_at(handle, offset, buffer)

    def datasync(self, handle: Handle) -> None:
        super().datasync(handle)
        if not self._without_sync:
            self.steps.append(("sync", handle.path.name, 0, b""))

    def sync_directory(self, path: Path) -> None:
        super().sync_directory(path)
        if not self._without_names:
            self.steps.append(("names", "", 0, b""))

    def acknowledged(self) -> None:
        self.steps.append(("acknowledged", "", 0, b""))


def after_power_cut(trace: Trace, cut: int, rng: np.random.Generator) -> tuple[dict[str, bytes], int]:
    """Return the files after a cut, any subset of unsynced pages and names having reached the disk, and how many
    lines had been acknowledged."""
    share = float(rng.choice([0.0, 0.3, 0.7, 1.0]))
    steps = trace.steps[:cut]
    synced = {name: at for at, (kind, name, _, _) in enumerate(steps) if kind == "sync"}
    named = max((at for at, step in enumerate(steps) if step[0] == "names"), default=-1)
    files: dict[str, bytearray] = {}
    lost = set()
    for at, (kind, name, offset, data) in enumerate(steps):
        if kind == "create":
            files[name] = bytearray()
            if at > named and rng.random() >= share:
                lost.add(name)
        elif kind == "write":
            _write(files[name], offset, data, is_safe=at < synced.get(name, -1), share=share, rng=rng)
    promised = sum(1 for step in steps if step[0] == "acknowledged")
    return {name: bytes(data) for name, data in files.items() if name not in lost}, promised


def _write(file: bytearray, offset: int, data: bytes, *, is_safe: bool, share: float, rng: np.random.Generator) -> None:
    end = offset + len(data)
    if is_safe:
        file.extend(bytes(max(0, end - len(file))))
        file[offset:end] = data
        return
    reached = end if rng.random() < share else offset + int(rng.integers(0, len(data) + 1))
    if rng.random() < share:
        file.extend(bytes(max(0, reached - len(file))))
    for start in range(offset - offset % PAGE, end, PAGE):
        first, stop = max(start, offset), min(start + PAGE, end, len(file))
        if first < stop and rng.random() < share:
            file[first:stop] = data[first - offset : stop - offset]


def problems_after_cuts(folder: Path, trace: Trace) -> list[str]:
    """Cut the power often; each time start again on what is left, and tell what is wrong."""
    rng = np.random.default_rng(5)
    problems = []
    for number, cut in enumerate(rng.integers(0, len(trace.steps) + 1, CUTS).tolist()):
        image, promised = after_power_cut(trace, cut, rng)
        place = folder / str(number)
        place.mkdir()
        for name, data in image.items():
            (place / name).write_bytes(data)
        kept = [parse_line(raw) for path in audit_files(place) for raw in split_lines(path.read_bytes())[0]]
        there = sum(1 for line in kept if isinstance(line, Line) and line.content["verb"] == "start")
        if there < promised:
            problems.append(f"cut at {cut}: {there} of {promised} acknowledged lines")
        log_of(place, 1)
        report = verify_audit(place)
        if report.broken is not None:
            problems.append(f"cut at {cut}: {report.broken}")
    return problems


def traced(folder: Path, trace: Trace) -> Trace:
    audit = AuditFile(folder, own, files=trace, max_bytes=9000)
    for number in range(60):
        audit.append(fields("start", f"run-{number}", reason="x" * (number * 37 % 500)))
        trace.acknowledged()
    audit.close()
    return trace


def test_no_acknowledged_line_is_lost_by_a_power_cut_and_the_chain_goes_on(tmp_path: Path) -> None:
    trace = traced(tmp_path / "audit", Trace())

    assert len(audit_files(tmp_path / "audit")) > 2
    assert problems_after_cuts(tmp_path, trace) == []


@pytest.mark.slow
@pytest.mark.parametrize("without", ["without_sync", "without_names"])
def test_the_power_cut_finds_losses_when_a_sync_is_missing(tmp_path: Path, without: str) -> None:
    trace = traced(tmp_path / "audit", Trace(**{without: True}))

    assert problems_after_cuts(tmp_path, trace)
