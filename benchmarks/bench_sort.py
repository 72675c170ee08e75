"""From a file of singles to a file of coincidences: `daq listmode sort`, against GATE 10's sorter from ROOT to ROOT.

Two million singles at 10 Mcps of 304 blocks, a fifth of them in pairs, window 4.5 ns, takeAllGoods, every two blocks
may pair. Ours opens and verifies a list-mode directory, makes prompts and delayeds (100 ns) and seals another one; GATE
makes prompts alone, from and to ROOT files with the branches it asks for, in chunks of 500,000 singles. CPU time of all
threads, interleaved; both read from the page cache. Prompts, and the sums of their times and of their time differences,
must be equal before any time is printed. Threads are judged by wall time on ten times the singles: two on two cores
against one that has one core, writer included.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import Row, load
from benchmarks.gate import Gate, gate_python
from daq.model.coincidence import PairingRule
from daq.model.order import OrderRule
from daq.model.scanner import Ring
from daq.storage.manifest import Manifest
from daq.storage.reader import open_listmode
from daq.storage.schemas import arrow_schema
from daq.storage.sorting import Sorted, Wanted, sort
from daq.storage.writer import ListModeWriter

BLOCKS = 304
RATE_CPS = 10e6
IN_PAIRS = 0.2
SINGLES = 2_000_000
MANY_SINGLES = 10 * SINGLES
ROUNDS = 5
RING = Ring(
    radius_mm=400.0, rings=1, detectors_per_ring=BLOCKS, axial_pitch_mm=50.0, module_detectors=1, module_rings=1,
    sectors=BLOCKS, minimum_sector_difference=0,
)  # fmt: skip
RULE = PairingRule(half_window_ps=4500, delay_ps=100_000, ring=RING)
GATE_WINDOW_NS = 4.5005
"""Half a ps above ours: GATE's times are floating-point ns, whose differences are not exact."""


def singles_of(rows: int, seed: int) -> dict[str, Any]:
    """Return singles in the order of time; the partners of pairs come within 0.5 ns, a third of the ring away."""
    rng = np.random.default_rng(seed)
    pairs = int(rows * IN_PAIRS / 2)
    first = rng.integers(0, int(rows / RATE_CPS * 1e12), rows - pairs)
    detector = rng.integers(0, BLOCKS, rows - pairs)
    opposite = (detector[:pairs] + rng.integers(BLOCKS // 3, 2 * BLOCKS // 3, pairs)) % BLOCKS
    time_ps = np.concatenate([first, first[:pairs] + rng.integers(0, 500, pairs)])
    order = np.argsort(time_ps, kind="stable")
    return {
        "time_ps": time_ps[order], "detector": np.concatenate([detector, opposite])[order].astype(np.uint32),
        "energy_kev": rng.normal(480, 60, rows).astype(np.float32), "late": np.zeros(rows, np.bool_),
    }  # fmt: skip


def recorded(directory: Path, rows: int, block: int = SINGLES) -> Path:
    """Write a sealed directory of `rows` singles."""
    manifest = Manifest(
        acquisition_id="bench", state="open", created_utc="2026-11-22T10:00:00Z", segments=[], source="benchmark",
        profile={"id": "singles64"}, profile_sha256="0" * 64, time={"order": OrderRule().model_dump(mode="json")},
    )  # fmt: skip
    schema = arrow_schema("singles", ["time_ps", "detector", "energy_kev", "late"])
    since_ps = 0
    with ListModeWriter(directory, manifest, {"singles": schema}) as writer:
        for number, start in enumerate(range(0, rows, block)):
            part = singles_of(min(block, rows - start), number)
            part["time_ps"] += since_ps
            since_ps = int(part["time_ps"][-1]) + 1
            writer.write("singles", part)
    return directory


class Ours:
    """Sorts a recording again and again, opened anew each time, each time into a new directory."""

    def __init__(self, directory: Path, folder: Path, threads: int = 1) -> None:
        self.directory, self.folder, self.threads = directory, folder, threads
        self.numbers = count()
        self.out = folder

    def __call__(self) -> Sorted:
        self.out = self.folder / f"{self.directory.name}-{self.threads}-{next(self.numbers)}"
        with open_listmode(self.directory) as recording:
            return sort(recording, self.out, Wanted(RULE, threads=self.threads), identity="sorted", software={})

    def clear(self) -> None:
        """Remove what was written last."""
        shutil.rmtree(self.out)


@contextmanager
def timed(spent: list[float], clock: Any) -> Iterator[None]:
    begin = clock()
    yield
    spent.append(clock() - begin)


def run() -> list[Row]:
    """Return the rows of the table."""
    with tempfile.TemporaryDirectory(prefix="bench-sort-") as name:
        folder = Path(name)
        return [*against_gate(folder), *by_threads(folder)]


def against_gate(folder: Path) -> list[Row]:
    what = "singles file -> coincidence file, prompts + delayeds / GATE, ROOT -> ROOT, prompts"
    ours = Ours(recorded(folder / "small", SINGLES), folder)
    python = gate_python()
    if isinstance(python, str):
        mine = [cpu_of(ours) for _ in range(ROUNDS)]
        return [Row(what, f"{rate(SINGLES, mine)} Msingles/s; the peer is absent: {python}")]
    np.savez(folder / "singles.npz", **singles_of(SINGLES, 0))
    gate = Gate(python)
    try:
        gate.ask(do="write", root=str(folder / "in.root"), singles=str(folder / "singles.npz"))
        return [_interleaved(what, ours, gate, folder)]
    finally:
        gate.close()


def _interleaved(what: str, ours: Ours, gate: Gate, folder: Path) -> Row:
    request: dict[str, Any] = {
        "do": "sort", "root": str(folder / "in.root"), "out": str(folder / "out.root"), "window_ns": GATE_WINDOW_NS,
        "policy": "TakeAllGoods",
    }  # fmt: skip
    made = ours()
    compare(made, ours.out, gate.ask(**request))
    ours.clear()
    mine, theirs = [], []
    for _ in range(ROUNDS):
        mine.append(cpu_of(ours))
        theirs.append(float(gate.ask(**request)["cpu_s"]))
    ratio = statistics.median(theirs) / statistics.median(mine)
    figure = f"{rate(SINGLES, mine)} / {rate(SINGLES, theirs)} Msingles/s CPU, {made.counts['prompts']:,} prompts equal"
    return Row(what, f"{figure}, {made.counts['delayeds']:,} delayeds of ours", ratio, 15.0, 40.0)


def compare(made: Sorted, out: Path, theirs: dict[str, Any]) -> None:
    """Raise unless prompts, the sum of their times and that of their time differences are equal."""
    with open_listmode(out) as recording:
        table = recording.table("coincidences")
    columns = {name: table.column(name).to_numpy() for name in ("kind", "time_ps", "tof_ps")}
    prompt = columns["kind"] == 0
    ours = {
        "pairs": int(np.count_nonzero(prompt)), "sum_ps": int(columns["time_ps"][prompt].sum()),
        "tof_ps": int(np.abs(columns["tof_ps"][prompt].astype(np.int64)).sum()),
    }  # fmt: skip
    if ours != {name: theirs[name] for name in ours} or ours["pairs"] != made.counts["prompts"]:
        raise AssertionError(f"the sorters disagree: {ours} here, {theirs} there")


def by_threads(folder: Path) -> list[Row]:
    directory = recorded(folder / "large", MANY_SINGLES)
    one, two = Ours(directory, folder), Ours(directory, folder, threads=2)
    if one().counts != two().counts:
        raise AssertionError("one thread and two do not count the same")
    one.clear()
    two.clear()
    spent: dict[str, list[float]] = {"one": [], "two": []}
    for _ in range(ROUNDS):
        for name, ours in (("one", one), ("two", two)):
            with on_cores(ours.threads), timed(spent[name], time.perf_counter):
                ours()
            ours.clear()
    ratio = statistics.median(spent["one"]) / statistics.median(spent["two"])
    figure = f"{rate(MANY_SINGLES, spent['two'])} / {rate(MANY_SINGLES, spent['one'])} Msingles/s wall, load {load()}"
    return [Row("the same with two threads on two cores / with one on one", figure, ratio, 1.5, 1.8)]


@contextmanager
def on_cores(number: int) -> Iterator[None]:
    """Let this thread, and those it starts meanwhile, have so many cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:number])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_of(ours: Ours) -> float:
    spent: list[float] = []
    with timed(spent, time.process_time):
        ours()
    ours.clear()
    return spent[0]


def rate(singles: int, spent: list[float]) -> str:
    return f"{singles / statistics.median(spent) / 1e6:.3g}"


if __name__ == "__main__":
    for row in run():
        print(row)
