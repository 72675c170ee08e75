"""Faults of the readout itself and sources that hang: said, and what came is sealed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support_readout import (
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

from daq.model.packets import Packets
from daq.readout import process as process_module
from daq.readout.sources import DatagramSource
from daq.storage.reader import open_listmode
from daq.storage.recording import Recording
from daq.storage.replaying import compare
from daq.storage.slab import Slab
from daq.storage.verify import verify


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processing fail at the first words after 500."""
    take = Recording.take

    def faulty(recording: Recording, slab: Slab, begin: int, end: int) -> Packets:
        if recording.figures()["words_received"] >= 500:
            raise ZeroDivisionError("made up by a test")
        return take(recording, slab, begin, end)

    monkeypatch.setattr(Recording, "take", faulty)


@contextmanager
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """Yield a readout of 500 words whose source then hangs; asked to stop when the context ends, and waited for."""
    hang = threading.Event()
    monkeypatch.setattr(process_module, "_JOIN_S", 0.3)
    with pushing(tmp_path) as (run, front_end):
        front_end.words(packets=10)
        received(run, 500)
        assert isinstance(run.readout.source, DatagramSource)
        monkeypatch.setattr(run.readout.source.receiver, "receive", lambda *_: hang.wait(60.0))
        time.sleep(0.1)
        yield run
        run.readout.request_stop()
        run.finish()
        hang.set()


def nothing_processed_is_lost(run: Running) -> None:
    """Demand that the 500 words are recorded and derived."""
    ledger = manifest_of(run).ledger
    assert ledger is not None
    assert (ledger.sources[0].recorded, ledger.sources[0].disk) == (500, 0)
    with open_listmode(run.folder / "run") as recorded:
        assert compare(recorded).differences == []


@pytest.mark.slow
@pytest.mark.usefixtures("faulty")
def test_a_fault_in_the_processing_is_in_the_status_and_what_came_is_sealed(tmp_path: Path) -> None:
    with pushing(tmp_path) as (run, front_end):
        front_end.words(packets=10)
        until(lambda: rows_recorded(run, raw=11), "raw rows durable")
        front_end.words(packets=1)
        code = run.finish()

    manifest = manifest_of(run)
    assert manifest.ledger is not None
    assert code == 1
    assert run.last_status["error"] == "unexpected ZeroDivisionError in the readout: made up by a test"
    assert (manifest.state, manifest.ended_by, manifest.ledger.balanced) == ("sealed", "fault", True)
    assert manifest.ledger.sources[0].recorded == 500
    assert verify(run.folder / "run").verdict == "ok"


@pytest.mark.usefixtures("faulty")
def test_a_fault_in_the_processing_costs_nothing_that_was_processed_before(tmp_path: Path) -> None:
    with pushing(tmp_path) as (run, front_end):
        front_end.words(packets=10)
        received(run, 500)
        front_end.words(packets=1)
        run.finish()

    nothing_processed_is_lost(run)


def test_a_fault_in_the_receiving_does_not_pass_for_the_end_of_the_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pushing(tmp_path) as (run, front_end):
        front_end.words(packets=10)
        received(run, 500)
        assert isinstance(run.readout.source, DatagramSource)
        monkeypatch.setattr(run.readout.source.receiver, "receive", lambda *_: 1 / 0)
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


@pytest.mark.slow
def test_a_source_that_hangs_does_not_keep_the_recording_from_being_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hanging(tmp_path, monkeypatch) as run:
        began = time.monotonic()

    assert time.monotonic() - began < 5.0
    assert run.finish() == 0
    assert manifest_of(run).ended_by == "operator"


@pytest.mark.slow
def test_a_source_that_hangs_costs_nothing_that_was_processed_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hanging(tmp_path, monkeypatch) as run:
        pass

    nothing_processed_is_lost(run)
