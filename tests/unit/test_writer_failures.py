"""A disk that fills up or breaks: said at once, what was acknowledged stays, the directory is sealed all the same."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import numpy as np
import pytest

from daq.errors import ScandaqError, StorageFailedError, StorageFullError
from daq.listmode.blocks import END_OF_STREAM, Message, read_message
from daq.model.events import StreamName
from daq.storage.disk import RESERVE, Acknowledged
from daq.storage.files import Handle, StorageFiles
from daq.storage.manifest import MANIFEST, Manifest, parse_manifest
from daq.storage.schemas import arrow_schema
from daq.storage.writer import ListModeWriter, WriterLimits

SINGLES = arrow_schema("singles", ["time_ps"])
LIMITS = WriterLimits(batch_bytes=8192, segment_bytes=1 << 20, batch_age_s=0.02, sync_period_s=0.02, stall_s=5)


def manifest() -> Manifest:
    return Manifest(
        acquisition_id="a", state="open", created_utc="", profile={}, profile_sha256="", source="", segments=[]
    )


class FailingFiles(StorageFiles):
    """Writes half of the block that crosses `limit` bytes, then raises `code`; `on_sync`: the sync does."""

    def __init__(
        self, limit: int, code: int = errno.ENOSPC, *, on_sync: bool = False, reserve_helps: bool = True
    ) -> None:
        self.limit = limit
        self.code = code
        self.on_sync = on_sync
        self.reserve_helps = reserve_helps
        self.failed_s: float | None = None

    def write_at(self, handle: Handle, offset: int, buffer: bytes | bytearray | memoryview) -> None:
        if not self.on_sync and offset + len(buffer) > self.limit:
            self.failed_s = self.failed_s or time.monotonic()
            if len(buffer) != len(END_OF_STREAM):
                super().write_at(handle, offset, memoryview(buffer)[: len(buffer) // 8192 * 4096])
            raise OSError(self.code, os.strerror(self.code))
        super().write_at(handle, offset, buffer)

    def datasync(self, handle: Handle) -> None:
        if self.on_sync and os.fstat(handle.fd).st_size > self.limit:
            raise OSError(self.code, os.strerror(self.code))
        super().datasync(handle)

    def remove(self, path: Path) -> None:
        super().remove(path)
        if path.name == RESERVE and self.reserve_helps:
            self.limit += 1 << 20


def write_until_it_fails(writer: ListModeWriter) -> tuple[int, ScandaqError]:
    first = 0
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            writer.write("singles", {"time_ps": np.arange(first, first + 300)})
        except ScandaqError as why:
            return first, why
        first += 300
    pytest.fail("the writer never noticed")


def whole_messages(path: Path) -> tuple[list[Message], bytes]:
    data = memoryview(path.read_bytes())
    found, at = [], 0
    while isinstance(message := read_message(data, at), Message):
        found.append(message)
        at = message.end
    return found, bytes(data[at:])


def test_a_full_disk_is_said_within_a_second_and_what_is_whole_is_sealed(tmp_path: Path) -> None:
    files = FailingFiles(limit=200_000)

    with ListModeWriter(tmp_path / "run", manifest(), {"singles": SINGLES}, files=files, limits=LIMITS) as writer:
        offered, why = write_until_it_fails(writer)
        noticed_s = time.monotonic() - (files.failed_s or 0)
        acknowledged = writer.acknowledged["singles"]
        result = writer.seal(ended_by="counter")

    found, tail = whole_messages(tmp_path / "run" / "singles-00000.arrows")
    rows = sum(m.facts.get("rows", 0) for m in found)
    assert isinstance(why, StorageFullError)
    assert f"{tmp_path / 'run'}: No space left on device" in str(why)
    assert "acknowledged and kept: singles" in str(why)
    assert noticed_s < 1
    assert tail == END_OF_STREAM
    assert acknowledged <= rows <= offered
    assert (result.state, result.ended_by, result.segments[0].rows) == ("sealed", "disk", rows)
    assert parse_manifest((tmp_path / "run" / MANIFEST).read_bytes(), "") == result


def test_counts_of_lost_batches_are_not_called_acknowledged(tmp_path: Path) -> None:
    files = FailingFiles(limit=100_000)

    with ListModeWriter(tmp_path / "run", manifest(), {"singles": SINGLES}, files=files, limits=LIMITS) as writer:
        for first in range(0, 30_000, 300):
            try:
                writer.write("singles", {"time_ps": np.arange(first, first + 300)}, counts={"word": 300})
            except StorageFullError:
                break
        result = writer.seal()

    counted = writer.acknowledged_counts["singles"]["word"]
    assert 0 <= result.segments[0].rows - counted < 300 + 8192 // 8
    assert counted < 30_000


def test_a_failed_sync_keeps_only_what_was_acknowledged_before_it(tmp_path: Path) -> None:
    files = FailingFiles(limit=150_000, code=errno.EIO, on_sync=True)

    with ListModeWriter(tmp_path / "run", manifest(), {"singles": SINGLES}, files=files, limits=LIMITS) as writer:
        _, why = write_until_it_fails(writer)
        acknowledged = writer.acknowledged["singles"]
        result = writer.seal()

    found, tail = whole_messages(tmp_path / "run" / "singles-00000.arrows")
    assert isinstance(why, StorageFailedError)
    assert "Input/output error" in str(why)
    assert tail == END_OF_STREAM
    assert sum(m.facts.get("rows", 0) for m in found) == acknowledged == result.segments[0].rows
    assert result.ended_by == "disk"


def test_a_disk_too_full_for_the_end_leaves_the_directory_open_for_recovery(tmp_path: Path) -> None:
    files = FailingFiles(limit=100_000, code=errno.EIO, reserve_helps=False)
    writer = ListModeWriter(tmp_path / "run", manifest(), {"singles": SINGLES}, files=files, limits=LIMITS).open()
    write_until_it_fails(writer)
    files.limit = 0

    with pytest.raises(StorageFailedError, match="Input/output error"):
        writer.seal()

    assert parse_manifest((tmp_path / "run" / MANIFEST).read_bytes(), "").state == "open"


def test_a_disk_that_is_full_at_the_start_is_refused_in_words(tmp_path: Path) -> None:
    files = FailingFiles(limit=0, reserve_helps=False)

    with pytest.raises(StorageFullError, match="acknowledged and kept: nothing"):
        ListModeWriter(tmp_path / "run", manifest(), {"singles": SINGLES}, files=files).open()


def test_an_error_inside_the_writer_reaches_the_caller_and_the_manifest(tmp_path: Path) -> None:
    def broken(news: dict[StreamName, Acknowledged]) -> None:
        if news["singles"].rows:
            raise ZeroDivisionError("on purpose")

    with ListModeWriter(
        tmp_path / "run", manifest(), {"singles": SINGLES}, limits=LIMITS, on_acknowledged=broken
    ) as writer:
        _, why = write_until_it_fails(writer)
        result = writer.seal()

    assert "ZeroDivisionError: on purpose" in str(why)
    assert isinstance(why.__cause__, ZeroDivisionError)
    assert (result.state, result.ended_by) == ("sealed", "fault")
