"""Durable, checked Arrow writing against a plain write of the same bytes. `python -m benchmarks.bench_write [folder]`.

Both use O_DIRECT, preallocation and the same sync cadence, take turns in one process, and end with an fsync. Judged is
the ratio of the medians of wall time; CPU time and rates are printed, not judged.
"""

from __future__ import annotations

import itertools
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daq.listmode.blocks import BatchPlan, batch_header
from daq.storage.files import StorageFiles, aligned_buffer
from daq.storage.manifest import Manifest
from daq.storage.schemas import arrow_schema, record_batch
from daq.storage.writer import ListModeWriter, WriterLimits

ROUNDS = 5
ROWS = 1 << 16
WRITES = 1800
COLUMNS = ["time_ps", "detector", "energy_kev", "windows"]
SCHEMA = arrow_schema("singles", COLUMNS)


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: name, value, unit, and the target where there is one."""

    name: str
    value: float
    unit: str
    target: str = ""


def singles() -> list[dict[str, np.ndarray]]:
    """Return a few different slices of singles, used in turn so that no cache holds them all."""
    rng = np.random.default_rng(1)
    return [
        {
            "time_ps": np.sort(rng.integers(0, 10**10, ROWS)),
            "detector": rng.integers(0, 60_000, ROWS).astype(np.uint32),
            "energy_kev": rng.normal(511, 40, ROWS).astype(np.float32),
            "windows": rng.integers(0, 4, ROWS).astype(np.uint16),
        }
        for _ in range(32)
    ]


def arrow_round(folder: Path, slices: list[dict[str, np.ndarray]]) -> int:
    """Write WRITES slices as list mode up to the sealed manifest; return the bytes of the segments."""
    manifest = Manifest(
        acquisition_id="bench", state="open", created_utc="", profile={}, profile_sha256="", source="", segments=[]
    )
    with ListModeWriter(folder / "listmode", manifest, {"singles": SCHEMA}) as writer:
        for number in range(WRITES):
            writer.write("singles", slices[number % len(slices)])
        sealed = writer.seal()
    return sum(segment.size_bytes for segment in sealed.segments)


def blocks_of(size: int) -> list[memoryview]:
    """Return aligned blocks as long as a batch, `size` bytes or more in all: what the plain side writes in turn."""
    rng = np.random.default_rng(2)
    blocks = [aligned_buffer((4 << 20) + 4096) for _ in range(-(-size // (4 << 20)))]
    for block in blocks:
        block[:] = rng.integers(0, 256, len(block), np.uint8).tobytes()
    return blocks


def plain_round(folder: Path, size: int, blocks: list[memoryview]) -> None:
    """Write `size` bytes from `blocks` in turn, preallocated and synced at the writer's cadence."""
    files, limits = StorageFiles(), WriterLimits()
    files.make_directory(folder / "plain")
    handle = files.create(folder / "plain" / "data")
    step, reserved, at = 4 << 20, 0, 0
    last = time.monotonic()
    for block in itertools.cycle(blocks):
        if at >= size:
            break
        if at + len(block) > reserved:
            files.preallocate(handle, reserved, step)
            reserved, step = reserved + step, min(2 * step, 256 << 20)
        files.write_at(handle, at, block)
        at += len(block)
        if time.monotonic() - last >= limits.sync_period_s:
            files.datasync(handle)
            last = time.monotonic()
    files.truncate(handle, at)
    files.sync(handle)
    files.close(handle)
    files.sync_directory(folder / "plain")


def timed(step: object, *arguments: object) -> tuple[float, float, object]:
    """Return wall seconds, CPU seconds of all threads, and the result of the call."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = step(*arguments)  # type: ignore[operator]
    return time.perf_counter() - wall, time.process_time() - cpu, result


def per_batch_us(rows: int) -> float:
    """Return microseconds of planning, header and checksum for one batch of `rows` rows."""
    columns = {name: values[:rows] for name, values in singles()[0].items()}
    best = []
    for number in range(200):
        begin = time.perf_counter()
        plan = BatchPlan.of(record_batch("singles", columns, SCHEMA))
        body = bytearray(plan.body_bytes)
        plan.copy_body(memoryview(body))
        batch_header(plan, {"stream": "singles", "seq": number, "rows": rows, "counts": {"single": rows}}, body)
        best.append(time.perf_counter() - begin)
    return statistics.median(best) * 1e6


def run(folder: Path | None = None) -> list[Row]:
    """Return the figures. Needs about 2.2 GB of free disk in `folder` (a temporary one by default)."""
    slices = singles()
    blocks = blocks_of(sum(column.nbytes for columns in slices for column in columns.values()))
    arrow, plain = [], []
    size = 0
    for _ in range(ROUNDS + 1):
        place = Path(tempfile.mkdtemp(prefix="bench-write-", dir=folder))
        try:
            wall, cpu, written = timed(arrow_round, place, slices)
            size = int(str(written))
            arrow.append((wall, cpu))
            plain.append(timed(plain_round, place, size, blocks)[:2])
        finally:
            shutil.rmtree(place)
    walls = [statistics.median(wall for wall, _ in side[1:]) for side in (arrow, plain)]
    cpus = [statistics.median(cpu for _, cpu in side[1:]) / size * 1e9 for side in (arrow, plain)]
    ratios = sorted(p[0] / a[0] for a, p in zip(arrow[1:], plain[1:], strict=True))
    return [
        Row("durable Arrow write / plain write, wall", walls[1] / walls[0], "", ">= 0.8"),
        Row("  lowest and highest round", ratios[0], ""),
        Row("", ratios[-1], ""),
        Row("  Arrow, durable", size / walls[0] / 1e6, "MB/s"),
        Row("  plain, durable", size / walls[1] / 1e6, "MB/s"),
        Row("  Arrow, CPU", cpus[0], "s/GB"),
        Row("  plain, CPU", cpus[1], "s/GB"),
        Row("batch of 100 rows: plan, copy, header, checksum", per_batch_us(100), "us"),
        Row("batch of 65536 rows: the same", per_batch_us(ROWS), "us"),
    ]


def main() -> None:
    """Print the figures."""
    for row in run(Path(sys.argv[1]) if len(sys.argv) > 1 else None):
        print(f"{row.name:50} {row.value:10.3f} {row.unit:6} {row.target}")


if __name__ == "__main__":
    main()
