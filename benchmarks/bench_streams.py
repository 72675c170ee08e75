"""Import, verify, replay and export of a long stream: rates, and peak memory at two lengths, each in a fresh process.

SCANDAQ_BENCH_GB is the size of the directory that the longer stream makes, in GB: 1 by default, 10 for `make soak`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np

from benchmarks.common import Row
from daq.listmode.encoder import Encoder
from device_profiles.load import load_profile

PROFILE = "siemens-petlink32"
EVENTS = 400_000
MOST_MB = 700
"""What a command may hold resident, mapped pages of files included, however long the recording is."""
BYTES_PER_WORD = 17.3
"""What a PETLINK word takes in a directory with raw and coincidences."""


def make_file(path: Path, words: int) -> None:
    """Write about `words` words: a second of 400,000 events over and over, its time words going on."""
    profile = load_profile(PROFILE)
    rng = np.random.default_rng(1)
    names = list(profile.layout.kinds)
    codes = np.where(rng.random(EVENTS) < 0.86, names.index("prompt"), names.index("delayed"))
    bins = rng.integers(0, 3 * 10**8, EVENTS)
    encoder = Encoder(profile.layout, profile.clock, time_words="all")
    second = encoder.encode(codes, np.sort(rng.integers(0, 1000, EVENTS)), {"bin": bins}).view("<u4").copy()
    is_time = (second >> 29) == 4
    with path.open("wb") as file:
        for _ in range(max(1, words // len(second))):
            file.write(second.tobytes())
            second[is_time] += 1000


_LAUNCHER = """
import json, os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
code = os.waitstatus_to_exitcode(status)
print(json.dumps([code, time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
"""
"""A process begins with its parent's peak memory, so a small one stands between this one and what is measured."""


def measured(*arguments: str) -> tuple[float, float, float]:
    """Run `daq` with the arguments; return wall seconds, CPU seconds and peak resident MB."""
    command = [sys.executable, "-c", _LAUNCHER, sys.executable, "-m", "daq", *arguments]
    code, wall, cpu, peak = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    if code:
        raise RuntimeError(f"daq {' '.join(arguments)} ended with {code}")
    return wall, cpu, peak


def run() -> list[Row]:
    """Return the rows of the table."""
    gigabytes = float(os.environ.get("SCANDAQ_BENCH_GB", "1"))
    place = Path(tempfile.mkdtemp(prefix="scandaq-bench-", dir=os.environ.get("SCANDAQ_BENCH_DIR", ".")))
    try:
        short = one(place / "short", gigabytes / 10)
        long = one(place / "long", gigabytes)
        return [row for verb in long for row in rows_of(verb, short[verb], long[verb])] + [
            crc_row(place / "long", long)
        ]
    finally:
        shutil.rmtree(place)


def one(place: Path, gigabytes: float) -> dict[str, tuple[float, float, float, int]]:
    """Measure every verb on a directory of about `gigabytes`; the last figure is the directory's bytes."""
    place.mkdir()
    wire, made = place / "wire.l", place / "listmode"
    make_file(wire, int(gigabytes * 1e9 / BYTES_PER_WORD))
    figures = {"import": measured("listmode", "import", str(wire), "--profile", PROFILE, "--out", str(made))}
    size = sum(file.stat().st_size for file in made.iterdir())
    wire.unlink()
    figures["verify"] = measured("listmode", "verify", str(made))
    figures["replay"] = measured("listmode", "replay", str(made))
    for target in ("raw", "arrow", "parquet"):
        out = place / f"out.{target}"
        figures[f"export to {target}"] = measured("listmode", "export", str(made), "--to", target, "--out", str(out))
        out.unlink()
    return {verb: (*figure, size) for verb, figure in figures.items()}


def rows_of(verb: str, short: tuple[float, float, float, int], long: tuple[float, float, float, int]) -> list[Row]:
    """Return the row of a verb: what it may hold resident over what it held at most, at a tenth and at the whole."""
    wall, cpu, peak, size = long
    figure = f"{size / 1e9:.2f} GB in {wall:.1f} s ({cpu:.1f} CPU-s); peak {short[2]:.0f} MB at a tenth, {peak:.0f} MB"
    return [Row(f"listmode {verb}, {MOST_MB} MB / peak", figure, MOST_MB / max(short[2], peak), 1.0)]


def crc_row(place: Path, long: dict[str, tuple[float, float, float, int]]) -> Row:
    """Compare `verify` with the bare CRC-32 of the same bytes from the page cache."""
    start, total = time.perf_counter(), 0
    for file in sorted((place / "listmode").glob("*.arrows")):
        crc = 0
        with file.open("rb") as segment:
            while block := segment.read(4 << 20):
                crc = zlib.crc32(block, crc)
                total += len(block)
    bare = time.perf_counter() - start
    wall = long["verify"][0]
    figure = f"{total / wall / 1e9:.2f} GB/s with start-up; reading and zlib.crc32 alone {total / bare / 1e9:.2f} GB/s"
    return Row("listmode verify / bare CRC-32 of the file", figure, bare / wall)
