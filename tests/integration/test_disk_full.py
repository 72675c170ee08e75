"""A real file system that is really full: ext4 in a file, mounted on a loop device. Needs root.

Without root the tests are skipped with the reason, except in CI, where a missing tool is a failure.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support_disk import run

from daq.errors import StorageFullError
from daq.storage.disk import RESERVE
from daq.storage.files import Handle, StorageFiles
from daq.storage.hashing import hash_segments
from daq.storage.manifest import MANIFEST, Manifest, parse_manifest
from daq.storage.schemas import arrow_schema
from daq.storage.space import estimate_bytes, require_space
from daq.storage.writer import ListModeWriter, WriterLimits

pytestmark = pytest.mark.system

SCHEMAS = {
    "singles": arrow_schema("singles", ["time_ps", "detector"]),
    "coincidences": arrow_schema("coincidences", ["time_ps", "kind"]),
}
LIMITS = WriterLimits(batch_bytes=256 << 10, batch_age_s=0.02, sync_period_s=0.05)


class WatchedFiles(StorageFiles):
    """Real files; remembers when the disk first refused."""

    refused_s: float | None = None

    def write_at(self, handle: Handle, offset: int, buffer: bytes | bytearray | memoryview) -> None:
        try:
            super().write_at(handle, offset, buffer)
        except OSError:
            self.refused_s = self.refused_s or time.monotonic()
            raise


def manifest() -> Manifest:
    return Manifest(
        acquisition_id="full", state="open", created_utc="", profile={}, profile_sha256="", source="", segments=[]
    )


def fill(writer: ListModeWriter) -> tuple[int, StorageFullError]:
    """Write until it is refused; return the rows offered and the refusal. Something is safe before the disk is full."""
    first = 0
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if first == 5000 and not all(writer.acknowledged.values()):
            time.sleep(0.01)
            continue
        times = np.arange(first, first + 5000)
        try:
            writer.write("singles", {"time_ps": times, "detector": times.astype(np.uint32)})
            writer.write("coincidences", {"time_ps": times, "kind": np.zeros(5000, np.uint8)})
        except StorageFullError as why:
            return first, why
        first += 5000
    pytest.fail("24 MiB never filled up")


def test_a_recording_that_does_not_fit_is_refused_before_it_starts(small_disk: Path) -> None:
    estimate = estimate_bytes(5e6, word_bytes=8, schemas=SCHEMAS)

    with pytest.raises(StorageFullError, match=rf"{small_disk}: the recording needs about 60\.\d MB and 1\.0 MB must"):
        require_space(small_disk / "2026-11-22" / "run", estimate, 1_000_000)
    require_space(small_disk / "2026-11-22" / "run", estimate // 10, 1_000_000)


def test_a_disk_that_fills_up_is_said_within_a_second_and_keeps_what_was_acknowledged(small_disk: Path) -> None:
    files = WatchedFiles()
    directory = small_disk / "full"

    with ListModeWriter(directory, manifest(), SCHEMAS, files=files, limits=LIMITS) as writer:
        offered, why = fill(writer)
        said_s = time.monotonic() - (files.refused_s or 0.0)
        acknowledged = writer.acknowledged
        begin = time.monotonic()
        result = writer.seal(ended_by="counter")
        sealing_s = time.monotonic() - begin

    frames = {segment.stream: pl.read_ipc_stream(directory / segment.file) for segment in result.segments}
    rows = {stream: len(frame) for stream, frame in frames.items()}
    assert said_s < 1
    assert sealing_s < 2
    assert str(directory) in str(why)
    assert "acknowledged and kept: singles" in str(why)
    assert all(0 < acknowledged[stream] <= rows[stream] <= offered for stream in SCHEMAS)
    assert all(np.array_equal(frame["time_ps"].to_numpy(), np.arange(len(frame))) for frame in frames.values())
    assert (result.state, result.ended_by) == ("sealed", "disk")
    assert result == parse_manifest((directory / MANIFEST).read_bytes(), "")


def test_a_full_disk_recording_is_unmounted_and_read_again_as_it_was(small_disk: Path, tmp_path: Path) -> None:
    directory = small_disk / "full"
    with ListModeWriter(directory, manifest(), SCHEMAS, limits=LIMITS) as writer:
        fill(writer)
        sealed = writer.seal()

    run("umount", str(small_disk))
    run("mount", "-o", "loop", str(tmp_path / "disk.img"), str(small_disk))

    assert parse_manifest((directory / MANIFEST).read_bytes(), "") == sealed
    assert hash_segments(directory).hashed
    assert sorted(path.name for path in directory.iterdir()) == [
        "coincidences-00000.arrows",
        "manifest.json",
        "singles-00000.arrows",
    ]


def test_a_disk_without_room_for_the_reserve_is_refused_at_opening(small_disk: Path) -> None:
    filler = small_disk / "filler"
    StorageFiles().reserve(filler, StorageFiles().free_bytes(small_disk) - (200 << 10))

    with pytest.raises(StorageFullError, match="acknowledged and kept: nothing"):
        ListModeWriter(small_disk / "run", manifest(), SCHEMAS).open()

    assert not (small_disk / "run" / RESERVE).exists()
