"""The readout on bad days: full buffers, failing disks, faults of its own, sources that hang, stall or never speak."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support_readout import (
    PETLINK,
    FrontEnd,
    Running,
    free_port,
    manifest_of,
    plan_of,
    pushing,
    received,
    rows_recorded,
    running,
    until,
)

from daq.errors import RefusedError
from daq.model.packets import Flag, Packets
from daq.readout import filling as filling_module
from daq.readout.control import ask
from daq.readout.plan import CONTROL
from daq.readout.process import Readout
from daq.readout.ring import MIN_SLABS
from daq.readout.sources import DatagramSource
from daq.storage import recording as recording_module
from daq.storage import slab as slab_module
from daq.storage.files import Buffer, Handle, StorageFiles
from daq.storage.listing import load_manifest
from daq.storage.reader import open_listmode
from daq.storage.recording import Recording
from daq.storage.recover import recover
from daq.storage.replaying import compare
from daq.storage.slab import SLAB_BYTES, Slab
from daq.storage.verify import verify
from daq.storage.writer import ListModeWriter, WriterLimits
from daq.wire.native import Header, encode


def test_a_recording_from_start_to_end_packet_is_whole(tmp_path: Path) -> None:
    with pushing(tmp_path) as (run, front_end):
        front_end.words(packets=20)
        front_end.end()
        code = run.finish()

    manifest = manifest_of(run)
    assert manifest.ledger is not None
    (source,) = manifest.ledger.sources
    assert (code, manifest.state, manifest.ended_by) == (0, "sealed", "end")
    assert (source.basis, source.sent, source.recorded, source.balanced) == ("counter", 1000, 1000, True)
    assert verify(run.folder / "run").verdict == "ok"
    assert run.last_status["counts_live"]["prompts"] == 1000
    assert run.last_status["state"] == "sealed"
    assert run.last_status["rows_recorded"]["coincidences"] == 1000
    assert not (run.folder / CONTROL).exists()


def test_words_that_give_no_row_are_recorded_all_the_same_without_raw(tmp_path: Path) -> None:
    with pushing(tmp_path, store_raw=False) as (run, front_end):
        front_end.words(packets=2, each=3)
        payload = (0xDFFF_FFFF).to_bytes(4, "little") * 5  # a kind that yields nothing
        front_end.send(encode(Header(0, 0, 5, 6), payload))
        front_end.sent += 5
        front_end.end()
        run.finish()

    manifest = manifest_of(run)
    assert manifest.ledger is not None
    (source,) = manifest.ledger.sources
    assert (source.sent, source.recorded, source.disk, source.balanced) == (11, 11, 0, True)
    assert "raw" not in {segment.stream for segment in manifest.segments}


class Gate:
    """Lets processing through only when open."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        take = Recording.take

        def slow(recording: Recording, slab: Slab, begin: int, end: int) -> Packets:
            assert self.open.wait(20.0)
            return take(recording, slab, begin, end)

        monkeypatch.setattr(Recording, "take", slow)


def small_slabs(monkeypatch: pytest.MonkeyPatch, packets: int) -> None:
    """Make every slab full after a few packets, and never too old."""
    monkeypatch.setattr(slab_module, "MAX_PACKETS", packets)
    monkeypatch.setattr(filling_module, "MOST_AGE_NS", 60 * 10**9)


def fill(run: Running, front_end: FrontEnd, datagrams: int, *, each: int = 300) -> None:
    """Send datagrams and wait until the ring is full and all are in it or among the headers kept beside it."""
    front_end.words(packets=datagrams, each=each)
    until(lambda: run.readout.status()["buffer_used"] == 1.0, "a full ring")
    source = run.readout.source
    assert isinstance(source, DatagramSource)
    until(lambda: source.receiver.datagrams == datagrams + 1, "all datagrams taken from the socket")


def test_what_finds_no_room_is_counted_kept_as_headers_and_replayed_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    small_slabs(monkeypatch, 64)
    with pushing(tmp_path) as (run, front_end):
        fill(run, front_end, 320)
        gate.open.set()
        received(run, 320 * 300)
        front_end.words(packets=3)
        front_end.end()
        code = run.finish()

    manifest = manifest_of(run)
    assert manifest.ledger is not None
    (source,) = manifest.ledger.sources
    assert code == 0
    assert source.sent == front_end.sent
    assert source.ring_full > 0
    assert source.recorded > 0
    assert source.received == source.recorded + source.ring_full
    assert source.balanced is True
    assert run.last_status["buffer_high_water_bytes"] == run.last_status["buffer_bytes"] == MIN_SLABS * SLAB_BYTES
    with open_listmode(run.folder / "run") as recorded:
        raw = [row for batch in recorded.batches("raw") for row in batch.to_pylist()]
        bare = [row for row in raw if row["flags"] & Flag.DROPPED]
        assert sum(int.from_bytes(row["header"][6:8], "little") for row in bare) == source.ring_full
        assert {row["data"] for row in bare} == {b""}
        comparison = compare(recorded)
    assert comparison.differences == []
    assert comparison.rows["coincidences"] == source.recorded


def test_rows_shed_by_a_full_ring_are_there_when_the_recording_is_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    small_slabs(monkeypatch, 64)
    with pushing(tmp_path) as (run, front_end):
        fill(run, front_end, 200)  # 201 datagrams: three slabs full, the fourth not
        gate.open.set()
        received(run, 200 * 300)
        front_end.end()
        run.finish()

    manifest = manifest_of(run)
    assert manifest.ledger is not None
    (source,) = manifest.ledger.sources
    with open_listmode(run.folder / "run") as recorded:
        marks = [row for batch in recorded.batches("marks") for row in batch.to_pylist()]
        comparison = compare(recorded)
    assert [(row["value"], row["text"]) for row in marks if row["kind"] == "shed"] == [(0, "begin")]
    assert (source.recorded, source.shed, source.ring_full) == (60_000, 0, 0)
    assert comparison.differences == []
    assert comparison.rows["coincidences"] == 60_000


def test_what_is_neither_decoded_nor_kept_raw_under_overload_is_counted_as_shed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    small_slabs(monkeypatch, 64)
    with pushing(tmp_path, store_raw=False) as (run, front_end):
        fill(run, front_end, 200)
        gate.open.set()
        received(run, 200 * 300)
        until(lambda: run.readout.status()["buffer_used"] == 0.25, "an empty ring")
        front_end.words(packets=2)
        front_end.end()
        run.finish()

    manifest = manifest_of(run)
    assert manifest.ledger is not None
    (source,) = manifest.ledger.sources
    with open_listmode(run.folder / "run") as recorded:
        marks = [row for batch in recorded.batches("marks") for row in batch.to_pylist()]
        rows = recorded.rows("coincidences")
    assert [row["text"] for row in marks if row["kind"] == "shed"] == ["begin", "end"]
    assert source.shed > 0
    assert source.recorded == rows > 0
    assert (source.shed + source.recorded, source.ring_full, source.disk) == (60_100, 0, 0)
    assert source.balanced is True


@pytest.mark.slow
def test_a_lossless_source_waits_for_room_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    small_slabs(monkeypatch, 4)
    path = tmp_path / "words.l"
    path.write_bytes((0x4000_0001).to_bytes(4, "little") * 1_000_000)

    with running(plan_of(tmp_path, path.as_uri())) as run:
        until(lambda: run.readout.status()["buffer_used"] == 1.0, "a full ring")
        time.sleep(0.2)
        waiting = run.readout.status()["words_received"]
        gate.open.set()
        code = run.finish()

    manifest = manifest_of(run)
    assert manifest.ledger is not None
    (source,) = manifest.ledger.sources
    assert (code, waiting) == (0, 0)
    assert (source.recorded, source.ring_full, source.balanced) == (1_000_000, 0, True)
    with open_listmode(run.folder / "run") as recorded:
        assert compare(recorded).differences == []


class FailingFiles(StorageFiles):
    """Fails to write segments as soon as it is told to."""

    def __init__(self, code: int, *, everything: bool = False) -> None:
        self.broken = threading.Event()
        self._code = code
        self._everything = everything

    def _fail(self, path: Path) -> None:
        if self.broken.is_set() and (self._everything or path.suffix == ".arrows"):
            raise OSError(self._code, "made up by a test")

    def write_at(self, handle: Handle, offset: int, buffer: Buffer) -> None:
        if len(buffer) > 8:  # the end-of-stream marker fits into what is reserved
            self._fail(handle.path)
        super().write_at(handle, offset, buffer)

    def truncate(self, handle: Handle, size: int) -> None:
        if self._everything:
            self._fail(handle.path)
        super().truncate(handle, size)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[FailingFiles], FailingFiles]:
    def install(files: FailingFiles) -> FailingFiles:
        limits = WriterLimits(batch_age_s=0.05, sync_period_s=0.05)
        monkeypatch.setattr(recording_module, "ListModeWriter", partial(ListModeWriter, files=files, limits=limits))
        return files

    return install


@pytest.mark.slow
@pytest.mark.parametrize(("code", "exit_code"), [(errno.ENOSPC, 3), (errno.EIO, 1)])
@pytest.mark.parametrize("store_raw", [True, False])
def test_a_disk_that_fails_is_said_within_a_second_and_what_was_durable_is_sealed(
    tmp_path: Path, failing: Callable[[FailingFiles], FailingFiles], code: int, exit_code: int, store_raw: bool
) -> None:
    files = failing(FailingFiles(code))
    with pushing(tmp_path, store_raw=store_raw) as (run, front_end):
        front_end.words(packets=20)
        until(lambda: rows_recorded(run, raw=21 if store_raw else 0, coincidences=1000), "durable rows")
        files.broken.set()
        front_end.words(packets=10)
        began = time.monotonic()
        until(lambda: run.readout.status()["ended_by"] == "disk", "the failure in the status")
        said_after_s = time.monotonic() - began
        returned = run.finish()

    manifest = manifest_of(run)
    assert manifest.ledger is not None
    (source,) = manifest.ledger.sources
    assert said_after_s < 1.0
    assert returned == exit_code
    assert "made up by a test" in run.last_status["error"] or "No space left" in run.last_status["error"]
    assert (manifest.state, manifest.ended_by) == ("sealed", "disk")
    assert (source.recorded, source.disk, source.received) == (1000, 500, 1500)
    assert source.balanced is True
    assert verify(run.folder / "run").verdict == "ok"


@pytest.mark.slow
def test_a_disk_that_takes_nothing_more_leaves_a_directory_that_recovers(
    tmp_path: Path, failing: Callable[[FailingFiles], FailingFiles]
) -> None:
    files = failing(FailingFiles(errno.EIO, everything=True))
    with pushing(tmp_path) as (run, front_end):
        front_end.words(packets=20)
        until(lambda: rows_recorded(run, raw=21, coincidences=1000), "durable rows")
        files.broken.set()
        front_end.words(packets=10)
        returned = run.finish()

    assert returned == 1
    assert run.last_status["state"] == "failed"
    assert manifest_of(run).state == "open"
    recover(run.folder / "run", tmp_path / "recovered")
    assert load_manifest(tmp_path / "recovered").state == "recovered"
    with open_listmode(tmp_path / "recovered") as recovered:
        assert recovered.rows("coincidences") == 1000


def test_a_preamble_larger_than_a_slab_is_recorded_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "words.l"
    preamble = bytes(range(256)) * ((5 << 20) // 256)
    path.write_bytes(preamble + (0x4000_0001).to_bytes(4, "little") * 100)
    layout = PETLINK.layout.model_copy(update={"preamble_bytes": len(preamble)})

    with running(plan_of(tmp_path, path.as_uri()).model_copy(update={"layout": layout})) as run:
        code = run.finish()

    assert code == 0
    with open_listmode(run.folder / "run") as recorded:
        raw = [row for batch in recorded.batches("raw") for row in batch.to_pylist()]
    assert b"".join(row["data"] for row in raw if row["flags"] & Flag.PREAMBLE) == preamble
    assert manifest_of(run).words_by_kind["prompt"] == 100


@pytest.mark.slow
def test_marks_of_the_operator_are_in_the_file_and_replayed_alike(tmp_path: Path) -> None:
    with pushing(tmp_path) as (run, front_end):
        control = run.folder / CONTROL
        front_end.words(packets=4)
        received(run, 200)
        ask(control, {"do": "mark", "text": "patient moved"})
        ask(control, {"do": "mark", "text": "\ud800 no text"})
        front_end.words(packets=4)
        received(run, 400)
        status = ask(control, {"do": "stop"})
        code = run.finish()

    with open_listmode(run.folder / "run") as recorded:
        marks = [row for batch in recorded.batches("marks") for row in batch.to_pylist()]
        comparison = compare(recorded)
    operator = [(row["value"], row["text"]) for row in marks if row["kind"] == "operator"]
    assert operator == [(5, "patient moved"), (5, "? no text")]
    assert [row["text"] for row in marks if row["kind"] == "stop"] == ["operator"]
    assert comparison.differences == []
    assert (code, status["ended_by"], manifest_of(run).ended_by) == (0, "operator", "operator")


def test_a_mark_without_a_recording_is_refused(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, f"udp://@127.0.0.1:{free_port()}", start_at_once=False)
    with running(plan) as run:
        until(lambda: run.readout.status()["state"] == "armed", "armed")

        with pytest.raises(RefusedError, match="not recording yet"):
            ask(run.folder / CONTROL, {"do": "mark", "text": "x"})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoke", "changes", "ended_by"),
    [
        (False, {"connect_s": 0.3}, "silent"),
        (True, {"stall_s": 0.3}, "stalled"),
        (True, {"stop": "host=300ms"}, "host"),
        (True, {"stop": "prompts=120"}, "prompts=120"),
    ],
)
def test_what_ended_a_recording_is_in_its_manifest(
    tmp_path: Path, spoke: bool, changes: dict[str, Any], ended_by: str
) -> None:
    port = free_port()
    with running(plan_of(tmp_path, f"udp://@127.0.0.1:{port}", **changes)) as run:
        until(lambda: run.readout.status()["state"] == "recording", "recording")
        front_end = FrontEnd(port)
        front_end.words(packets=3 if spoke else 0)
        code = run.finish()
        front_end.close()

    assert (code, manifest_of(run).state, manifest_of(run).ended_by) == (0, "sealed", ended_by)
    with open_listmode(run.folder / "run") as recorded:
        assert compare(recorded).differences == []


def test_a_stop_before_anything_came_seals_an_empty_recording(tmp_path: Path) -> None:
    readout = Readout(plan_of(tmp_path, f"udp://@127.0.0.1:{free_port()}"))
    readout.request_stop()

    assert readout.run() == 0
    manifest = load_manifest(tmp_path / "run")
    assert (manifest.state, manifest.ended_by) == ("sealed", "operator")


def test_a_control_path_that_no_socket_can_have_is_an_error_in_words(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    readout = Readout(plan_of(folder, f"udp://@127.0.0.1:{free_port()}"))

    assert readout.run() == 1
    assert "AF_UNIX path too long" in str(readout.status()["error"])
