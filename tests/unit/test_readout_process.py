"""The readout on bad days: full buffers, failing disks, faults of its own, sources that hang, stall or never speak."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support_readout import Running, free_port, plan_of, running, until

from daq.model.packets import Flag, Packets
from daq.readout import process as process_module
from daq.readout.control import ask
from daq.readout.plan import CONTROL
from daq.readout.process import Readout
from daq.storage import recording as recording_module
from daq.storage.files import Buffer, Handle, StorageFiles
from daq.storage.listing import load_manifest
from daq.storage.manifest import Manifest
from daq.storage.reader import open_listmode
from daq.storage.recording import Recording
from daq.storage.recover import recover
from daq.storage.replaying import compare
from daq.storage.verify import verify
from daq.storage.writer import ListModeWriter, WriterLimits
from daq.wire.native import Header, NativeFlag, encode


class FrontEnd:
    """Pushes datagrams of prompts to a readout that listens."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._to = ("127.0.0.1", port)
        self.sent = 0

    def start(self) -> None:
        self._socket.sendto(encode(Header(0, NativeFlag.START, 0, 0)), self._to)

    def words(self, *, packets: int = 1, each: int = 50) -> None:
        for _ in range(packets):
            payload = b"".join((0x4000_0000 | n).to_bytes(4, "little") for n in range(self.sent, self.sent + each))
            self._socket.sendto(encode(Header(0, 0, each, self.sent), payload), self._to)
            self.sent += each

    def end(self) -> None:
        self._socket.sendto(encode(Header(0, NativeFlag.END, 0, self.sent)), self._to)

    def close(self) -> None:
        self._socket.close()


@contextmanager
def pushing(folder: Path, **changes: Any) -> Iterator[tuple[Running, FrontEnd]]:
    """Yield a readout that has heard the start of a front end, and the front end."""
    port = free_port()
    with running(plan_of(folder, f"udp://@127.0.0.1:{port}", **changes)) as run:
        until(lambda: run.readout.status()["state"] == "recording" or bool(run.code), "recording")
        front_end = FrontEnd(port)
        front_end.start()
        try:
            yield run, front_end
        finally:
            front_end.close()


def manifest_of(run: Running) -> Manifest:
    return load_manifest(run.folder / "run")


def received(run: Running, words: int) -> None:
    until(lambda: run.readout.status()["words_received"] >= words, f"{words} words received")


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
        front_end._socket.sendto(encode(Header(0, 0, 5, 6), payload), front_end._to)
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
        self.fed: list[Packets] = []
        feed = Recording.feed

        def slow(recording: Recording, packets: Packets) -> None:
            assert self.open.wait(20.0)
            self.fed.append(packets)
            feed(recording, packets)

        monkeypatch.setattr(Recording, "feed", slow)


def test_what_finds_no_room_is_counted_kept_as_headers_and_replayed_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    with pushing(tmp_path, buffer_bytes=40_000) as (run, front_end):
        for _ in range(60):
            front_end.words(packets=5, each=300)
            time.sleep(0.002)
        until(lambda: run.readout.status()["buffer_high_water_bytes"] > 30_000, "a full buffer")
        gate.open.set()
        received(run, 30 * 1500)
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
    assert run.readout._buffer.high_water_bytes <= 60_000
    with open_listmode(run.folder / "run") as recorded:
        raw = [row for batch in recorded.batches("raw") for row in batch.to_pylist()]
        bare = [row for row in raw if row["flags"] & Flag.DROPPED]
        assert sum(int.from_bytes(row["header"][6:8], "little") for row in bare) == source.ring_full
        assert {row["data"] for row in bare} == {b""}
        comparison = compare(recorded)
    assert comparison.differences == []
    assert comparison.rows["coincidences"] == source.recorded


def test_a_lossless_source_waits_for_room_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    path = tmp_path / "words.l"
    path.write_bytes((0x4000_0001).to_bytes(4, "little") * 1_000_000)

    with running(plan_of(tmp_path, path.as_uri(), buffer_bytes=1_100_000)) as run:
        until(lambda: run.readout.status()["buffer_high_water_bytes"] > 1_000_000, "a full buffer")
        gate.open.set()
        code = run.finish()

    manifest = manifest_of(run)
    assert manifest.ledger is not None
    assert code == 0
    assert manifest.ledger.sources[0].recorded == 1_000_000
    assert run.readout._buffer.high_water_bytes <= 1_100_000


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


@pytest.mark.parametrize(("code", "exit_code"), [(errno.ENOSPC, 3), (errno.EIO, 1)])
@pytest.mark.parametrize("store_raw", [True, False])
def test_a_disk_that_fails_is_said_within_a_second_and_what_was_durable_is_sealed(
    tmp_path: Path, failing: Callable[[FailingFiles], FailingFiles], code: int, exit_code: int, store_raw: bool
) -> None:
    files = failing(FailingFiles(code))
    with pushing(tmp_path, store_raw=store_raw) as (run, front_end):
        front_end.words(packets=20)
        until(lambda: run.readout.status().get("rows_recorded", {}).get("coincidences", 0) == 1000, "durable rows")
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


def test_a_disk_that_takes_nothing_more_leaves_a_directory_that_recovers(
    tmp_path: Path, failing: Callable[[FailingFiles], FailingFiles]
) -> None:
    files = failing(FailingFiles(errno.EIO, everything=True))
    with pushing(tmp_path) as (run, front_end):
        front_end.words(packets=20)
        until(lambda: run.readout.status().get("rows_recorded", {}).get("coincidences", 0) == 1000, "durable rows")
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


def test_a_fault_in_the_processing_is_in_the_status_and_what_came_is_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Recording.feed

    def faulty(recording: Recording, packets: Packets) -> None:
        if recording.figures()["words_received"] >= 500:
            raise ZeroDivisionError("made up by a test")
        feed(recording, packets)

    monkeypatch.setattr(Recording, "feed", faulty)
    with pushing(tmp_path) as (run, front_end):
        front_end.words(packets=10)
        received(run, 500)
        front_end.words(packets=1)
        code = run.finish()

    manifest = manifest_of(run)
    assert manifest.ledger is not None
    assert code == 1
    assert run.last_status["error"] == "unexpected ZeroDivisionError in the readout: made up by a test"
    assert (manifest.state, manifest.ended_by, manifest.ledger.balanced) == ("sealed", "fault", True)
    assert manifest.ledger.sources[0].recorded == 500
    assert verify(run.folder / "run").verdict == "ok"


def test_a_fault_in_the_receiving_does_not_pass_for_the_end_of_the_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pushing(tmp_path) as (run, front_end):
        front_end.words(packets=10)
        received(run, 500)
        monkeypatch.setattr(run.readout._source, "read", lambda: 1 / 0)
        code = run.finish()

    assert code == 1
    assert run.last_status["error"] == "unexpected ZeroDivisionError in the readout: division by zero"
    assert manifest_of(run).ended_by == "fault"


def test_a_fault_before_the_recording_is_an_error_not_a_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recording, "start", lambda *_, **__: 1 / 0)

    with running(plan_of(tmp_path, f"udp://@127.0.0.1:{free_port()}")) as run:
        code = run.finish()

    assert code == 1
    assert (run.last_status["state"], run.last_status["ended_by"]) == ("failed", "fault")


def test_a_source_that_hangs_does_not_keep_the_recording_from_being_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang = threading.Event()
    monkeypatch.setattr(process_module, "_JOIN_S", 0.3)
    with pushing(tmp_path) as (run, front_end):
        front_end.words(packets=10)
        received(run, 500)
        monkeypatch.setattr(run.readout._source, "read", lambda: hang.wait(60.0))
        time.sleep(0.1)
        began = time.monotonic()
        run.readout.request_stop()
        code = run.finish()
        hang.set()

    assert time.monotonic() - began < 5.0
    assert code == 0
    assert manifest_of(run).ended_by == "operator"


def test_marks_of_the_operator_are_in_the_file_and_replayed_alike(tmp_path: Path) -> None:
    with pushing(tmp_path) as (run, front_end):
        control = run.folder / CONTROL
        front_end.words(packets=4)
        received(run, 200)
        ask(control, {"do": "mark", "text": "patient moved"})
        ask(control, {"do": "mark", "text": "\ud800 no text"})
        until(lambda: not run.readout._marks, "the marks taken")
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
    readout = Readout(plan_of(tmp_path, "udp://@127.0.0.1:9"))

    assert "nothing to put a mark in" in readout._handle({"do": "mark", "text": "x"})["error"]


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
