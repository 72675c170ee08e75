"""The writer's smaller parts: joined checksums, space estimate, hashing, queue."""

from __future__ import annotations

import errno
import hashlib
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import MissingError, RefusedError, StorageFullError, VerificationError
from daq.listmode.crc import checksum, combine
from daq.storage.files import Handle, StorageFiles, aligned_buffer
from daq.storage.flow import BoundedQueue, Ended
from daq.storage.hashing import hash_segments
from daq.storage.manifest import MANIFEST, Manifest, parse_manifest
from daq.storage.schemas import arrow_schema
from daq.storage.space import estimate_bytes, require_space
from daq.storage.writer import ListModeWriter

SINGLES = arrow_schema("singles", ["time_ps", "detector"])
RAW = arrow_schema("raw", ["source", "sequence", "arrival_ns", "flags", "header", "data"])


def manifest() -> Manifest:
    return Manifest(
        acquisition_id="a", state="open", created_utc="", profile={}, profile_sha256="", source="", segments=[]
    )


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_joined_checksums_are_those_of_zlib(first: bytes, second: bytes) -> None:
    assert combine(checksum(first), checksum(second), len(second)) == zlib.crc32(first + second)


@given(st.integers(0, 1 << 31), st.binary(min_size=1, max_size=9))
def test_checksums_join_over_any_length(zeros: int, tail: bytes) -> None:
    """Joining in two steps is joining in one: CRC of tail after `zeros` bytes more."""
    once = combine(combine(checksum(tail), 0, zeros), 0, 17)

    assert once == combine(checksum(tail), 0, zeros + 17)


def test_the_estimate_counts_words_and_the_widest_row() -> None:
    raw_only = estimate_bytes(1e6, word_bytes=8, schemas={"raw": RAW})
    both = estimate_bytes(1e6, word_bytes=8, schemas={"raw": RAW, "singles": SINGLES})

    assert 8e6 < raw_only < 9e6
    assert 12e6 <= both - raw_only < 12.1e6


def test_space_is_refused_in_words_even_where_the_folder_is_yet_to_be_made(tmp_path: Path) -> None:
    free = StorageFiles().free_bytes(tmp_path)

    require_space(tmp_path / "not" / "there", 1000, 1000)
    with pytest.raises(StorageFullError, match=r"needs about .* GB and 64\.0 MB must stay free, but .* GB are free"):
        require_space(tmp_path / "not" / "there", free, 64_000_000)


def record(directory: Path) -> Manifest:
    with ListModeWriter(directory, manifest(), {"singles": SINGLES}) as writer:
        writer.write("singles", {"time_ps": np.arange(100_000), "detector": np.zeros(100_000, np.uint32)})
        return writer.seal()


def test_hashing_writes_the_second_revision_and_changes_nothing_else(tmp_path: Path) -> None:
    first = record(tmp_path / "run")

    second = hash_segments(tmp_path / "run")

    content = (tmp_path / "run" / "singles-00000.arrows").read_bytes()
    assert second == parse_manifest((tmp_path / "run" / MANIFEST).read_bytes(), "")
    assert (first.hashed, second.hashed) == (False, True)
    assert second.segments[0].sha256 == hashlib.sha256(content).hexdigest()
    assert second.model_copy(update={"hashed": False, "segments": first.segments}) == first


def test_hashing_refuses_what_is_open_cut_or_missing(tmp_path: Path) -> None:
    record(tmp_path / "run")
    segment = tmp_path / "run" / "singles-00000.arrows"
    with segment.open("ab") as file:
        file.write(b"x")

    with pytest.raises(VerificationError, match="the manifest says"):
        hash_segments(tmp_path / "run")
    segment.unlink()
    with pytest.raises(MissingError, match="not there"):
        hash_segments(tmp_path / "run")
    with pytest.raises(MissingError, match=r"no manifest\.json"):
        hash_segments(tmp_path)
    with ListModeWriter(tmp_path / "open", manifest(), {"singles": SINGLES}), pytest.raises(RefusedError, match="open"):
        hash_segments(tmp_path / "open")


def test_a_file_system_without_direct_writes_is_written_through_the_page_cache(tmp_path: Path) -> None:
    files = StorageFiles()
    handle = files.create(tmp_path / "file")
    unaligned = memoryview(bytearray(b"ab" * 50))

    files.write_at(handle, 0, aligned_buffer(4096))
    direct_before = handle.direct
    files.write_at(handle, 4096, unaligned)
    files.truncate(handle, 4196)
    files.close(handle)

    assert (tmp_path / "file").read_bytes() == bytes(4096) + b"ab" * 50
    assert direct_before in (True, False)
    assert not handle.direct


class NoPreallocation(StorageFiles):
    """A file system that knows nothing of fallocate."""

    def preallocate(self, handle: Handle, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "no room for so much ahead")


def test_writing_goes_on_without_preallocation(tmp_path: Path) -> None:
    with ListModeWriter(tmp_path / "run", manifest(), {"singles": SINGLES}, files=NoPreallocation()) as writer:
        writer.write("singles", {"time_ps": np.arange(1000), "detector": np.zeros(1000, np.uint32)})
        assert writer.seal().segments[0].rows == 1000


def test_sealing_leaves_no_preallocated_blocks(tmp_path: Path) -> None:
    record(tmp_path / "run")

    state = (tmp_path / "run" / "singles-00000.arrows").stat()

    assert state.st_blocks * 512 - state.st_size <= 16384


def test_the_queue_is_bounded_in_bytes_and_lets_one_large_item_pass_alone() -> None:
    queue: BoundedQueue[str] = BoundedQueue(10)

    assert queue.put("large", 50, within_s=0)
    assert not queue.put("next", 1, within_s=0.01)
    assert queue.get(0) == "large"
    assert queue.put("next", 1, within_s=0)
    queue.close()
    assert not queue.put("late", 1, within_s=0)
    assert [queue.get(0), queue.get(0)] == ["next", Ended.CLOSED]


def test_a_waiting_put_goes_on_when_there_is_room() -> None:
    queue: BoundedQueue[int] = BoundedQueue(1)
    queue.put(1, 1, within_s=0)
    threading.Timer(0.05, queue.get, [0]).start()

    begin = time.monotonic()
    assert queue.put(2, 1, within_s=5)

    assert time.monotonic() - begin < 4
