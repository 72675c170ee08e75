"""Attacks on the readout: requests, signals and senders that mean no good, or that nobody thought of."""

from __future__ import annotations

import errno
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support_readout import FrontEnd, Running, free_port, manifest_of, plan_of, pushing, received, running, until
from support_recording import MS, Script, content, packet, record, recorder, replayed_alike, single

from daq.errors import RefusedError, ScandaqError
from daq.model.order import OrderRule
from daq.model.packets import Packets
from daq.readout.control import MOST_CLIENTS, ask
from daq.readout.plan import CONTROL, Receive
from daq.storage import rebuild as rebuild_module
from daq.storage.derive import Derivation
from daq.storage.files import StorageFiles
from daq.storage.rawpackets import cut_packets, raw_packets
from daq.storage.reader import open_listmode
from daq.storage.recording import Recording
from daq.storage.slab import Slab
from daq.storage.verify import verify


@pytest.mark.parametrize("monotonic_ns", [0, 2**53, 2**62, 2**63 - 1])
def test_a_mark_at_an_impossible_moment_is_refused_or_noted_and_ends_nothing(tmp_path: Path, monotonic_ns: int) -> None:
    with pushing(tmp_path) as (run, front_end):
        front_end.words()
        received(run, 50)
        with suppress(RefusedError):
            ask(run.folder / CONTROL, {"do": "mark", "text": "then", "monotonic_ns": monotonic_ns})
        front_end.words()
        received(run, 100)
        ask(run.folder / CONTROL, {"do": "stop"})
        code = run.finish()

    assert (code, manifest_of(run).ended_by) == (0, "operator")
    assert verify(run.folder / "run").verdict == "ok"
    replayed_alike(run.folder / "run")


SIGNALLED = """
import signal, sys
from pathlib import Path
sys.path.insert(0, "tests")
from support_readout import plan_of
from daq.readout.process import Readout

readout = Readout(plan_of(Path("."), "udp://@127.0.0.1:1"))
signals = 0
def handle(*_):
    global signals
    signals += 1
    readout.request_stop()
signal.signal(signal.SIGALRM, handle)
for attempt in range(20000):
    signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + attempt % 30))
    while signals <= attempt:
        readout.stop_by("end")
print("through")
"""


def test_a_signal_that_comes_while_the_readout_stops_by_itself_does_not_hang_it() -> None:
    root = Path(__file__).parent.parent.parent
    ended = subprocess.run(
        [sys.executable, "-c", SIGNALLED], cwd=root, timeout=20.0, capture_output=True, text=True, check=False
    )

    assert (ended.stdout, ended.stderr) == ("through\n", "")


@pytest.fixture
def small_socket(tmp_path: Path) -> Iterator[tuple[Running, FrontEnd]]:
    """Yield a readout of a small socket buffer, armed, and a front end."""
    port = free_port()
    plan = plan_of(
        tmp_path, f"udp://@127.0.0.1:{port}", start_at_once=False, receive=Receive(socket_buffer_bytes=16 << 10)
    )  # fmt: skip
    with running(plan) as run:
        until(lambda: run.readout.status()["state"] == "armed", "armed")
        front_end = FrontEnd(port)
        try:
            yield run, front_end
        finally:
            front_end.close()


def begin(run: Running, front_end: FrontEnd) -> None:
    ask(run.folder / CONTROL, {"do": "start"})
    until(lambda: run.readout.status()["state"] == "recording", "recording")
    front_end.sent = 0
    front_end.start()


def drops(run: Running) -> int:
    ledger = manifest_of(run).ledger
    assert ledger is not None
    return ledger.socket.kernel_drops


def test_what_the_kernel_dropped_before_the_start_is_no_loss_of_the_recording(
    small_socket: tuple[Running, FrontEnd],
) -> None:
    run, front_end = small_socket
    front_end.words(packets=500)
    begin(run, front_end)
    front_end.words(packets=2)
    front_end.end()
    run.finish()

    assert drops(run) == 0


def test_what_the_kernel_drops_after_the_stop_is_no_loss_of_the_recording(
    small_socket: tuple[Running, FrontEnd], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, front_end = small_socket
    slowly, go_on = Recording.take, threading.Event()

    def take(recording: Recording, slab: Slab, begin: int, end: int) -> Packets:
        assert go_on.wait(20.0)
        return slowly(recording, slab, begin, end)

    monkeypatch.setattr(Recording, "take", take)
    begin(run, front_end)
    until(lambda: "receive" in names(), "the receiving thread")
    front_end.words(packets=2)
    time.sleep(0.2)
    ask(run.folder / CONTROL, {"do": "stop"})
    until(lambda: "receive" not in names(), "the end of the receiving")
    front_end.words(packets=500)
    go_on.set()
    run.finish()

    assert drops(run) == 0


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def test_words_shed_without_raw_still_tell_the_time_to_those_that_follow(tmp_path: Path) -> None:
    early, later = single(1 * MS, 1), single(5000 * MS, 2)
    datagrams = [packet(0, 0, early), packet(0, 2, later), packet(0, 4, later[1:])]
    script = Script(datagrams, [10**15, 10**15 + 1, 10**15 + 2], store_raw=False, order=None)

    manifest = record(tmp_path / "run", script, shed_at=[1, 2])

    first, second = (row["time_ps"] for row in content(tmp_path / "run")["singles"])
    assert second - first == pytest.approx(4999 * MS, rel=1e-6)
    assert manifest.ledger is not None
    (source,) = manifest.ledger.sources
    assert (source.received, source.recorded, source.shed, source.balanced) == (5, 3, 2, True)
    assert manifest.words_by_kind["single"] == 2


def test_words_whose_rows_could_not_be_derived_are_recorded_only_if_they_are_in_raw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Derivation.rows

    def failing(derivation: Derivation, *arguments: Any, **more: Any) -> Any:
        if derivation.packets_seen > 1:
            raise ValueError("a fault")
        return rows(derivation, *arguments, **more)

    with pushing(tmp_path) as (run, front_end):
        received(run, 0)
        front_end.words(packets=1)
        received(run, 50)
        monkeypatch.setattr(Derivation, "rows", failing)
        front_end.words(packets=1)
        run.finish()

    with open_listmode(run.folder / "run") as recorded:
        stored = sum(len(row["data"]) // 4 for batch in recorded.batches("raw") for row in batch.to_pylist())
    ledger = manifest_of(run).ledger
    assert ledger is not None
    assert ledger.sources[0].recorded == stored


def test_an_exchange_over_datagrams_without_framing_is_refused(tmp_path: Path) -> None:
    match = {"offset": 0, "mask": "ff", "value": "aa"}
    with pushing(tmp_path, datagram_framing="none") as (run, _), pytest.raises(RefusedError, match="framing"):
        ask(run.folder / CONTROL, {"do": "exchange", "bytes": "00", "match": match, "deadline_s": 1.0})


def test_exchanges_without_an_answer_keep_nobody_from_stopping(tmp_path: Path) -> None:
    def wait() -> None:
        match = {"offset": 0, "mask": "ff", "value": "aa"}
        with suppress(ScandaqError):
            ask(
                run.folder / CONTROL,
                {"do": "exchange", "bytes": "00", "match": match, "deadline_s": 3.0},
                deadline_s=8.0,
            )

    with pushing(tmp_path) as (run, _):
        waiting = [threading.Thread(target=wait) for _ in range(MOST_CLIENTS + 4)]
        for thread in waiting:
            thread.start()
        time.sleep(0.5)
        began = time.monotonic()
        ask(run.folder / CONTROL, {"do": "stop"})
        run.thread.join(20.0)
        took_s = time.monotonic() - began
        for thread in waiting:
            thread.join()

    assert took_s < 5.0


def test_rows_do_not_pile_up_in_memory_once_the_disk_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    script = Script([packet(0, n * 180, single(n * MS, 1) * 90) for n in range(300)], list(range(300)), order=None)
    packets = script.packets()
    with recorder(tmp_path / "run", script) as recording:
        monkeypatch.setattr(StorageFiles, "write_at", full)
        recording.feed(cut_packets(packets, 0, 1))
        until(lambda: recording.failure is not None, "the failure")
        tracemalloc.start()
        for n in range(1, len(packets)):
            recording.feed(cut_packets(packets, n, n + 1))
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        monkeypatch.undo()

    assert grown < 300_000


@pytest.fixture
def shedding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Running, FrontEnd]]:
    """Yield a readout that sheds from the first packet on and rebuilds slowly, up to 10000 prompts, and a front end."""
    shed_when = Recording.shed_when

    def slowly(*arguments: Any) -> Iterator[Packets]:
        for packets in raw_packets(*arguments):
            for n in range(len(packets)):
                time.sleep(0.01)
                yield cut_packets(packets, n, n + 1)

    monkeypatch.setattr(Recording, "shed_when", lambda recording, _, **__: shed_when(recording, lambda: True))
    monkeypatch.setattr(rebuild_module, "raw_packets", slowly)
    with pushing(tmp_path, order=OrderRule(), stop="prompts=10000") as started:
        yield started


def completing(run: Running) -> None:
    until(lambda: run.readout.status()["state"] == "completing", "rows to be rebuilt")


def test_who_stops_a_readout_that_rebuilds_rows_has_it_sealed_though_it_ended_by_itself(
    shedding: tuple[Running, FrontEnd],
) -> None:
    run, front_end = shedding
    front_end.words(packets=400)
    completing(run)
    began = time.monotonic()
    ask(run.folder / CONTROL, {"do": "stop"})
    run.finish()
    took_s = time.monotonic() - began

    assert took_s < 2.0
    assert (manifest_of(run).state, manifest_of(run).ended_by) == ("sealed", "prompts=10000")


def test_who_stops_twice_before_anything_is_rebuilt_does_not_give_the_rows_up(
    shedding: tuple[Running, FrontEnd],
) -> None:
    run, front_end = shedding
    front_end.words(packets=100)
    received(run, 5000)
    run.readout.request_stop()
    run.readout.request_stop()
    run.finish()

    assert len(content(run.folder / "run")["coincidences"]) == 5000
