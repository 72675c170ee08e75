"""Odd names, strange files under a segment's name, hostile manifests, two writers: refused in words, nothing harmed."""

import json
import os
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support_listmode import coincidences, make_directory, marks, segment, six_batches

from daq.errors import FormatError, RefusedError, StorageFailedError
from daq.listmode.blocks import PAGE
from daq.storage.disk import RESERVE
from daq.storage.export import export
from daq.storage.files import StorageFiles
from daq.storage.hashing import hash_segments
from daq.storage.manifest import MANIFEST, Manifest, dump_manifest
from daq.storage.reader import open_listmode
from daq.storage.recover import recover
from daq.storage.schemas import arrow_schema
from daq.storage.verify import verify
from daq.storage.writer import ListModeWriter

SINGLES = {"singles": arrow_schema("singles", ["time_ps"])}


def manifest(identity: str = "a") -> Manifest:
    return Manifest(
        acquisition_id=identity, state="open", created_utc="", profile={}, profile_sha256="", source="", segments=[]
    )


def damaged(tmp_path: Path) -> Path:
    made = six_batches()
    directory = make_directory(tmp_path / "run", [made, segment("marks", [marks(0, 3)])])
    data = bytearray(made.data)
    data[made.messages[2][1] - PAGE] ^= 1
    (directory / made.entry.file).write_bytes(data)
    return directory


@pytest.mark.parametrize("out", ["", ".", "/", "no/such/file"])
def test_a_place_that_cannot_be_written_to_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    directory = damaged(tmp_path)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(RefusedError, match=r"exists: |no such directory"):
        export(directory, Path(out), to="arrow")
    with pytest.raises(RefusedError, match=r"exists: |no such directory"):
        recover(directory, Path(out))


def test_a_recovery_is_not_written_into_the_original(tmp_path: Path) -> None:
    directory = damaged(tmp_path)
    (tmp_path / "link").symlink_to(directory)

    for out in (directory / "saved", tmp_path / "link" / "saved"):
        with pytest.raises(RefusedError, match="stays as it is"):
            recover(directory, out)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(path.name)])
@pytest.mark.parametrize("with_manifest", [True, False])
def test_something_strange_under_a_segments_name_costs_that_segment_alone(
    tmp_path: Path, make: Any, with_manifest: bool
) -> None:
    directory = damaged(tmp_path)
    (directory / "marks-00000.arrows").unlink()
    make(directory / "marks-00000.arrows")
    if not with_manifest:
        (directory / MANIFEST).unlink()

    assert verify(directory).verdict == "damaged"
    recover(directory, tmp_path / "saved")

    assert verify(tmp_path / "saved").rows["coincidences"] == 50


def rewritten(directory: Path, change: Any) -> None:
    """Replace the manifest by its text after `change`, with a right checksum."""
    text = change(json.dumps({**json.loads((directory / MANIFEST).read_text()), "crc32": "00000000"})).encode()
    (directory / MANIFEST).write_bytes(text.replace(b'"00000000"}', b'"%08x"}' % zlib.crc32(text)))


@pytest.mark.parametrize("depth", [300, 900])
def test_a_manifest_too_deep_to_be_written_again_is_not_believed(tmp_path: Path, depth: int) -> None:
    directory = damaged(tmp_path)
    rewritten(directory, lambda text: text.replace('"crc32"', f'"deep": {"[" * depth}{"]" * depth}, "crc32"'))

    with pytest.raises(FormatError, match="cannot be written again"):
        hash_segments(directory)
    recover(directory, tmp_path / "saved")
    assert verify(tmp_path / "saved").rows["coincidences"] == 50


@pytest.mark.parametrize("name", ["/etc/hostname", "../secret", "a\\u0000b"])
def test_hashing_never_follows_a_name_out_of_the_directory(tmp_path: Path, name: str) -> None:
    directory = make_directory(tmp_path / "run", [six_batches()])
    rewritten(directory, lambda text: text.replace("coincidences-00000.arrows", name))

    with pytest.raises(FormatError, match="cannot be named"):
        hash_segments(directory)


def test_an_unexpected_error_while_hashing_is_not_kept_in_its_thread(tmp_path: Path) -> None:
    class Broken(StorageFiles):
        def rename_durably(self, data: bytes, path: Path) -> None:
            raise ZeroDivisionError("on purpose")

    with pytest.raises(ZeroDivisionError, match="on purpose"):
        hash_segments(make_directory(tmp_path / "run", [six_batches()]), files=Broken())


def test_counts_with_names_that_are_no_source_do_not_stop_a_recovery(tmp_path: Path) -> None:
    counts = {"source:\ud800": 5, "source:1": 10, "source:": 1, "source:999999999": 1}
    made = segment("coincidences", [coincidences(0, 10)], counts=lambda _: counts)
    directory = make_directory(tmp_path / "run", [made], state="open")

    saved = recover(directory, tmp_path / "saved")

    assert (saved.model_extra or {})["recorded_units"] == {"1": 10}


def test_a_batch_whose_header_could_not_be_read_back_is_never_acknowledged(tmp_path: Path) -> None:
    with ListModeWriter(tmp_path / "run", manifest(), SINGLES) as writer:
        writer.write("singles", {"time_ps": np.arange(5)})
        writer.flush()
        writer.write("singles", {"time_ps": np.arange(5)}, counts={f"counter {i}": i for i in range(60_000)})
        with pytest.raises(StorageFailedError, match=r"a header of \d+ bytes .*limits"):
            writer.flush()

    assert writer.acknowledged == {"singles": 5}
    report = verify(tmp_path / "run")
    assert (report.verdict, report.rows) == ("ok", {"singles": 5})


class SecondWriter(StorageFiles):
    """Lets another writer begin between this one's look at the directory and its first file."""

    def __init__(self, directory: Path) -> None:
        self.other = ListModeWriter(directory, manifest("first"), SINGLES)

    def reserve(self, path: Path, size: int) -> None:
        self.other.open()
        super().reserve(path, size)


def test_of_two_writers_that_begin_at_once_one_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    directory.mkdir()
    files = SecondWriter(directory)

    with pytest.raises(RefusedError, match="never written over"):
        ListModeWriter(directory, manifest("second"), SINGLES, files=files).open()

    assert (directory / RESERVE).exists()
    files.other.write("singles", {"time_ps": np.arange(5)})
    files.other.flush()
    files.other.abandon()
    assert open_listmode(directory).manifest.acquisition_id == "first"
    assert open_listmode(directory).rows("singles") == 5
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("listmode")]


def test_a_file_in_the_place_of_the_directory_is_said(tmp_path: Path) -> None:
    (tmp_path / "run").write_bytes(dump_manifest(manifest()))

    with pytest.raises(StorageFailedError, match="Not a directory"):
        ListModeWriter(tmp_path / "run", manifest(), SINGLES).open()
