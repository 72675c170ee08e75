"""Snapshots across processes: a reader sees whole publications while the writer runs, and the last one when it died."""

from __future__ import annotations

import json
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daq.readout.snapshotreader import Reading, SnapshotReader

VICTIM = Path(__file__).with_name("snapshot_victim.py")
FOREVER = 1 << 40


@contextmanager
def victim(what: str, publications: int) -> Iterator[tuple[subprocess.Popen[bytes], SnapshotReader]]:
    """Start a writer and attach to its snapshot; it publishes from then on."""
    ours, its = socket.socketpair()
    with ours, its:
        process = subprocess.Popen(
            [sys.executable, str(VICTIM), str(its.fileno()), what, str(publications)], pass_fds=[its.fileno()]
        )
        try:
            ours.settimeout(30)
            line, descriptors, _, _ = socket.recv_fds(ours, 4096, 1)
            assert json.loads(line) == {}
            with SnapshotReader(descriptors[0]) as reader:
                ours.sendall(b"!")
                yield process, reader
        finally:
            process.kill()
            process.wait(30)


def check(reading: Reading) -> int:
    """Return the number of a publication of which every part bears it."""
    assert (
        {int(reading.arrays["a"].min()), int(reading.arrays["a"].max())}
        == set(reading.arrays["b"].tolist())
        == {reading.sequence}
    )
    assert reading.texts["t"] == f"number {reading.sequence}"
    return reading.sequence


def test_thousands_of_reads_beside_a_writer_at_full_speed_are_whole() -> None:
    with victim("runs", FOREVER) as (process, reader):
        numbers = [check(reader.read("g", deadline_s=20.0)) for _ in range(4000)]

        assert process.poll() is None
    assert numbers == sorted(numbers)
    assert numbers[-1] > numbers[0]


def test_a_reader_keeps_the_last_figures_of_a_writer_that_closed_and_ended() -> None:
    with victim("closes", 500) as (process, reader):
        assert process.wait(60) == 0

        assert reader.finished
        assert check(reader.read("g", deadline_s=0.1)) == 500
        assert reader.writer_pid == process.pid


def test_a_writer_killed_in_the_middle_of_writing_leaves_the_publication_before() -> None:
    with victim("dies in the middle", 6) as (process, reader):
        assert process.wait(60) == -signal.SIGKILL

        assert check(reader.read("g", deadline_s=0.1)) == 6
        assert not reader.finished


@pytest.mark.parametrize("seed", range(10))
def test_a_writer_killed_at_any_time_leaves_a_whole_publication(seed: int) -> None:
    with victim("runs", FOREVER) as (process, reader):
        time.sleep(random.Random(seed).uniform(0.0, 0.03))
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        last = check(reader.read("g", deadline_s=0.1))

        assert last >= 1
        assert check(reader.read("g", deadline_s=0.1)) == last
