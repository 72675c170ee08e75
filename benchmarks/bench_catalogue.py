"""The catalogue with 10,000 acquisitions, and the audit log: what people and commands wait for.

SQLite; with `SCANDAQ_BENCH_DATABASE=URL` another database too, whose tables are dropped first.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.common import Row
from daq.model.station import DAEMON
from daq.services.audit import Audit
from daq.services.catalogue.database import Database
from daq.services.catalogue.directories import Walk, acquisition_directories
from daq.services.catalogue.entry import Filter, limits_ms
from daq.services.catalogue.rebuild import rebuild
from daq.services.catalogue.table import metadata
from daq.storage.auditverify import verify_audit
from daq.storage.manifest import MANIFEST, Manifest, Segment, dump_manifest

ACQUISITIONS = 10_000
LISTED_S = 0.5
"""What the list of all may take."""
LINES = 300
ROUNDS = 5


def run() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        storage = Path(folder) / "storage"
        _make(storage)
        rows = _catalogue("SQLite", Database(Path(folder) / "catalogue.sqlite"), storage)
        url = os.environ.get("SCANDAQ_BENCH_DATABASE")
        if url:
            engine = sa.create_engine(url)
            metadata.drop_all(engine)
            engine.dispose()
            rows += _catalogue(url.partition(":")[0], Database(url), storage)
        return rows + asyncio.run(_audit(Path(folder) / "audit"))


def _make(storage: Path) -> None:
    """Make directories with manifests as large as those of real recordings."""
    for number in range(ACQUISITIONS):
        day, minute, second = number // 400 + 1, number // 60 % 60, number % 60
        name = f"202611{day:02d}T10{minute:02d}{second:02d}Z-{number:06x}"
        directory = storage / f"2026-11-{day:02d}" / name
        directory.mkdir(parents=True)
        (directory / MANIFEST).write_bytes(dump_manifest(_manifest(name, number)))


def _manifest(name: str, number: int) -> Manifest:
    day = f"2026-11-{number // 400 + 1:02d}"
    made: dict[str, Any] = {
        "acquisition_id": name, "state": "sealed", "profile": {"id": "petlink", "layout": {"text": "x" * 6000}},
        "profile_sha256": "0" * 64, "created_utc": f"{day}T10:{number // 60 % 60:02d}:{number % 60:02d}.000+00:00",
        "sealed_utc": f"{day}T11:00:00.000000+00:00", "source": "udp://192.0.2.7:4000", "ended_by": "time",
        "duration_ps": 10**13, "station": "one",
        "protocol": {"id": f"p{number % 7}", "version": 1, "state": "signed", "steps": 2, "toml": "x" * 3000},
        "steps": [{"number": n, "name": "view", "begin_ps": n, "end_ps": n + 1, "completed": True} for n in (1, 2)],
        "segments": [
            Segment(file=f"{stream}-{index:05d}.arrows", stream=stream, index=index, schema_message="A" * 900,
                    rows=10**6, batches=40, size_bytes=10**7)
            for stream in ("raw", "singles", "marks") for index in range(4)
        ],
    }  # fmt: skip
    return Manifest.model_validate(made)


def _catalogue(name: str, database: Database, storage: Path) -> list[Row]:
    walked_s = _seconds(lambda: len(list(acquisition_directories(storage, Walk()))))
    begin = time.perf_counter()
    rebuild(database, storage, keeper="one")
    cold_s = time.perf_counter() - begin
    again_s = _seconds(lambda: rebuild(database, storage, keeper="one"), rounds=2)
    all_s = _seconds(lambda: database.find(limit=ACQUISITIONS))
    page_s = _seconds(lambda: (database.find(limit=50), database.count()))
    day_s = _seconds(lambda: database.find(Filter(protocol="p3", **limits_ms("2026-11-09", "2026-11-09"))))
    assert len(database.find(limit=ACQUISITIONS)) == ACQUISITIONS
    database.close()
    return [
        Row(f"catalogue, {name}: all {ACQUISITIONS:,} listed", f"{all_s * 1e3:.0f} ms", LISTED_S / all_s, 1.0, 2.0),
        Row(f"catalogue, {name}: newest 50, and the count", f"{page_s * 1e3:.1f} ms"),
        Row(f"catalogue, {name}: one day of one protocol", f"{day_s * 1e3:.1f} ms"),
        Row(f"catalogue, {name}: rebuilt from nothing", f"{cold_s:.1f} s, {cold_s / ACQUISITIONS * 1e3:.2f} ms each"),
        Row(f"catalogue, {name}: rebuilt, nothing new", f"{again_s:.2f} s; walking alone {walked_s:.2f} s"),
    ]


async def _audit(folder: Path) -> list[Row]:
    audit = Audit(folder, "boot", "0" * 64)
    spent = []
    for number in range(LINES):
        begin = time.perf_counter()
        await audit.write(DAEMON, "set", "benchmark", result="done", new=number, within_s=60.0)
        spent.append(time.perf_counter() - begin)
    begin = time.perf_counter()
    for number in range(LINES):
        audit.note(DAEMON, "set", "benchmark", result="done", new=number)
    noted_us = (time.perf_counter() - begin) / LINES * 1e6
    left = await audit.close(within_s=60.0)
    begin = time.perf_counter()
    report = verify_audit(folder)
    verified_s = time.perf_counter() - begin
    assert report.is_good
    assert left == 0
    spent.sort()
    return [
        Row(
            "audit: a line durable",
            f"median {spent[LINES // 2] * 1e3:.2f} ms, p99 {spent[int(LINES * 0.99)] * 1e3:.2f} ms",
        ),
        Row("audit: a line noted, in the loop", f"{noted_us:.0f} us"),
        Row("audit: verified", f"{report.lines / verified_s:,.0f} lines/s"),
    ]


def _seconds(work: Any, *, rounds: int = ROUNDS) -> float:
    """Return the shortest of a few rounds."""
    spent = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        spent.append(time.perf_counter() - begin)
    return min(spent)
