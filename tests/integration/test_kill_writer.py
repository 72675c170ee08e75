"""`kill -9` at random instants: every acknowledged batch reads back, whole and in order.

20 kills by default; SCANDAQ_KILLS=200, or `-m soak`, for more. Loss of power is another matter: `test_power_cut.py`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from daq.listmode.blocks import Message, read_message
from daq.storage.manifest import MANIFEST, parse_manifest

KILLS = int(os.environ.get("SCANDAQ_KILLS", "20"))
KILLS_SOAK = max(200, KILLS)
LONGEST_LIFE_S = 0.35


@pytest.fixture
def victims() -> Iterator[subprocess.Popen[str]]:
    script = Path(__file__).with_name("writer_victim.py")
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        yield server
        server.kill()


def live_and_die(server: subprocess.Popen[str], directory: Path, seed: int, life_s: float) -> None:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(f"{directory} {seed}\n")
    server.stdin.flush()
    process = int(server.stdout.readline())
    time.sleep(life_s)
    os.kill(process, signal.SIGKILL)
    assert server.stdout.readline() == "dead\n"


def acknowledged(directory: Path) -> dict[str, list[int]]:
    """Return per stream the last (segment, batches, rows, bytes) told, without a line cut short by the kill."""
    path = Path(f"{directory}.acknowledged")
    promised: dict[str, list[int]] = {}
    for line in path.read_bytes().split(b"\n")[:-1] if path.exists() else []:
        promised |= json.loads(line)
    return promised


def facts_of(path: Path) -> tuple[list[dict[str, Any]], int]:
    data = memoryview(path.read_bytes())
    found, at = [], 0
    while isinstance(message := read_message(data, at), Message):
        found.append(message.facts)
        at = message.end
    return found[1:], at


def check(directory: Path, stream: str, promised: list[int]) -> int:
    """Assert that everything promised of `stream` is there; return the rows that are."""
    segment, batches, rows, size = promised
    found = [facts_of(directory / f"{stream}-{index:05d}.arrows") for index in range(segment + 1)]
    facts = [fact for batch_facts, _ in found for fact in batch_facts]
    starts = np.cumsum([0] + [fact["rows"] for fact in facts])
    assert [fact["first_row"] for fact in facts] == starts[:-1].tolist()
    assert starts[-1] >= rows
    assert len(found[-1][0]) >= batches
    assert found[-1][1] >= size
    return int(starts[-1])


def first_values(path: Path, column: str) -> list[int]:
    """Return the first value of each whole batch, as pyarrow reads the file up to where it was torn."""
    values: list[int] = []
    with pa.ipc.open_stream(path.read_bytes()) as reader, suppress(pa.ArrowInvalid, OSError):
        values.extend(batch.column(column)[0].as_py() for batch in reader)
    return values


def run_kills(server: subprocess.Popen[str], place: Path, kills: int) -> list[int]:
    rng = np.random.default_rng(int(os.environ.get("SCANDAQ_SEED", "5")))
    rows = []
    for number in range(kills):
        directory = place / f"run-{number}"
        live_and_die(server, directory, number, float(rng.uniform(0.0, LONGEST_LIFE_S)))
        promised = acknowledged(directory)
        if promised:
            assert parse_manifest((directory / MANIFEST).read_bytes(), "").state == "open"
        rows.append(sum(check(directory, stream, state) for stream, state in promised.items()))
    return rows


@pytest.mark.timeout(60)
def test_every_acknowledged_batch_survives_kill_9(victims: subprocess.Popen[str], tmp_path: Path) -> None:
    rows = run_kills(victims, tmp_path, KILLS)

    assert sum(count > 0 for count in rows) >= KILLS // 3


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_every_acknowledged_batch_survives_200_kills(victims: subprocess.Popen[str], tmp_path: Path) -> None:
    rows = run_kills(victims, tmp_path, KILLS_SOAK)

    assert sum(count > 0 for count in rows) >= KILLS_SOAK // 3


def test_the_columns_of_a_killed_recording_are_those_written(victims: subprocess.Popen[str], tmp_path: Path) -> None:
    live_and_die(victims, tmp_path / "run", 1, 0.6)

    facts, _ = facts_of(tmp_path / "run" / "singles-00000.arrows")
    packet_facts, _ = facts_of(tmp_path / "run" / "raw-00000.arrows")

    times = first_values(tmp_path / "run" / "singles-00000.arrows", "time_ps")
    numbers = first_values(tmp_path / "run" / "raw-00000.arrows", "sequence")
    assert facts
    assert times[: len(facts)] == [fact["first_row"] for fact in facts]
    assert numbers[: len(packet_facts)] == [fact["first_row"] for fact in packet_facts]
