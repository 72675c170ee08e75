"""Sorting again takes no more memory for a longer recording."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support_sorting import ORDERED, RING, many_singles

from daq.storage.manifest import Manifest
from daq.storage.schemas import arrow_schema
from daq.storage.writer import ListModeWriter

BLOCK = 500_000
BYTES_PER_SINGLE = 17
CHILD = """
import json, sys
from pathlib import Path
from daq.model.coincidence import PairingRule
from daq.model.scanner import Ring
from daq.storage.reader import open_listmode
from daq.storage.sorting import Wanted, sort

def peak() -> int:
    # Not ru_maxrss: a process begins with its parent's, and the tests' own is large by now.
    status = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

ring, slice_rows, *directories = sys.argv[1:]
rule = PairingRule(half_window_ps=500, delay_ps=50_000, ring=Ring.model_validate_json(ring))
peaks = []
for name in directories:
    with open_listmode(name) as recording:
        made = sort(recording, Path(name + "-out"), Wanted(rule, threads=2, slice_rows=int(slice_rows)),
                    identity="out", software={})
    peaks.append([made.singles, made.counts["prompts"], peak()])
print(json.dumps(peaks))
"""


def recorded(directory: Path, rows: int) -> Path:
    manifest = Manifest(
        acquisition_id="long", state="open", created_utc="2026-11-22T10:00:00Z", segments=[], source="test",
        profile={"id": "singles64"}, profile_sha256="0" * 64, time=ORDERED,
    )  # fmt: skip
    part = many_singles(BLOCK)
    with ListModeWriter(directory, manifest, {"singles": arrow_schema("singles", list(part))}) as writer:
        for number in range(rows // BLOCK):
            writer.write("singles", {**part, "time_ps": part["time_ps"] + number * 10**10})
    return directory


def peaks(tmp_path: Path, rows: tuple[int, int], slice_rows: int, within_s: float) -> list[list[int]]:
    directories = [recorded(tmp_path / str(count), count) for count in rows]
    compiling = [sys.executable, "-c", "import daq.storage.sorting"]  # which takes memory that is not the sort's
    subprocess.run(compiling, check=True, timeout=100.0)
    command = [sys.executable, "-c", CHILD, RING.model_dump_json(), str(slice_rows), *map(str, directories)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=within_s, check=True)
    return list(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("rows", "slice_rows", "within_s"),
    [
        ((1_000_000, 10_000_000), 1 << 16, 60.0),
        pytest.param((6_000_000, 60_000_000), 1 << 20, 600.0, marks=pytest.mark.soak, id="0.1 and 1 GB"),
    ],
)
def test_ten_times_the_singles_take_at_most_a_tenth_more_memory(
    tmp_path: Path, rows: tuple[int, int], slice_rows: int, within_s: float
) -> None:
    (few, few_pairs, small), (many, many_pairs, large) = peaks(tmp_path, rows, slice_rows, within_s)

    print(f"{few:,} singles: {small / 1e6:.0f} MB; {many:,}: {large / 1e6:.0f} MB")
    assert (few, many) == rows
    assert many_pairs == 10 * few_pairs > 10_000
    assert large <= 1.1 * small, f"{small / 1e6:.0f} and {large / 1e6:.0f} MB"
    assert rows[1] * BYTES_PER_SINGLE > 0.15 * small, "so that it would show if the recording were held"
