"""Framing: events of every kind of study into pictures, in memory and from a recording, against NumPy and its memory.

Counts agree with NumPy's before any time is printed. Events are of two heads and one window, in order of time.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.bench_streams import measured
from benchmarks.common import Row, interleaved
from benchmarks.readoutrun import storage_folder
from daq import composition
from daq.model.framed import Pixels
from daq.model.gating import Gate
from daq.model.processing import Processing
from daq.model.protocol import Image, Phase, ProtocolKind, Step, Sweep
from daq.model.windows import EnergyWindow
from daq.pipeline.binning import Bins
from daq.pipeline.seriesrule import HeadFacts, Setup, rules_of
from daq.pipeline.timetable import TimeTable, frames_table
from daq.storage.framed import framed_in
from daq.storage.manifest import RecordedStep
from daq.storage.reader import open_listmode
from daq.storage.recordedprocessing import note_processing
from daq.storage.schemas import arrow_schema
from daq.storage.writer import ListModeWriter
from device_profiles.load import load_profile

FLOOR, AIM = 50e6, 100e6
"""Events of a second of one core."""
CLINICAL_S = 1.0
CLINICAL, LARGE = 10_000_000, int(float(os.environ.get("SCANDAQ_BENCH_EVENTS", "1e8")))
EVENTS = 2_000_000
S, MS = 10**12, 10**9
LASTS_S = 60
HEADS = (HeadFacts(0, "front", 180.0, 540.0, 400.0), HeadFacts(1, "back", 0.0, 540.0, 400.0))
WINDOWS = (EnergyWindow(126.0, 154.0, "photopeak"),)
FIELD = Pixels.centred(540.0, 400.0, 2.1)
WINDOWED = 0.6
PARTS, SLICE = 20, 1 << 17
MARK_COLUMNS = ["time_ps", "kind", "source", "value", "value2", "text"]
MARKS = [(0, "start", 0xFFFF, 0, 0.0, ""), (LASTS_S * S, "stop", 0xFFFF, 0, 0.0, "time")]
Rows = dict[str, npt.NDArray[Any]]


def run() -> list[Row]:
    """Return the rows of the table."""
    return [*in_memory(), *recorded()]


def rows_of(count: int, begin_ps: int = 0, end_ps: int = LASTS_S * S, seed: int = 1) -> Rows:
    random = np.random.default_rng(seed)
    return {
        "time_ps": np.sort(random.integers(begin_ps, end_ps, count)),
        "x_mm": random.uniform(-270, 270, count).astype("f4"), "y_mm": random.uniform(-200, 200, count).astype("f4"),
        "head": random.integers(0, 2, count).astype("u1"),
        "windows": (random.random(count) < WINDOWED).astype("u2"),
    }  # fmt: skip


def studies() -> dict[str, tuple[Step, TimeTable]]:
    """Return a step of each kind, and the table of a minute of it."""
    plain: dict[str, Any] = {"name": "a", "key": "steps[0]"}
    gate = Gate("ecg", 16, "percent", "forward", 20.0)
    samples = np.arange(0, LASTS_S * S, 50 * MS)
    beats = np.arange(0, LASTS_S * S, 50 * MS)
    views = np.arange(LASTS_S)
    return {
        "static 256 x 256": (Step(**plain, kind=ProtocolKind.STATIC, image=Image(256, 256, 1.0)),
                             TimeTable.of(0, LASTS_S * S, 0)),
        "60 frames of 128 x 128": (
            Step(**plain, kind=ProtocolKind.DYNAMIC, image=Image(128, 128, 1.0), phases=(Phase(60, S),)),
            frames_table(0, [(60, S)]),
        ),
        "strip 256 x 1024": (
            Step(**plain, kind=ProtocolKind.WHOLE_BODY, image=Image(256, 1024, 1.0),
                 sweep=Sweep("bed", 0.0, 1200.0, 20.0, "mm")),
            TimeTable.of(samples, samples + 50 * MS, 0, -samples / S * 20.0, -20.0 / S),
        ),
        "gated, 16 slots of 64 x 64": (
            Step(**plain, kind=ProtocolKind.GATED, image=Image(64, 64, 1.0), gate=gate),
            TimeTable.of(beats, beats + 50 * MS, np.arange(len(beats)) % 16),
        ),
        "60 views of 128 x 128": (
            Step(**plain, kind=ProtocolKind.SPECT, image=Image(128, 128, 1.0),
                 sweep=Sweep("gantry", 0.0, 360.0, 6.0, "deg", views=60)),
            TimeTable.of(views * S, views * S + S, views),
        ),
    }  # fmt: skip


def in_memory() -> list[Row]:
    """Return how many events a second of one core each kind takes, and how many NumPy does of the plainest."""
    rows = rows_of(EVENTS)
    made: dict[str, Bins] = {}
    runs: dict[str, Any] = {}
    for name, (step, table) in studies().items():
        bins = Bins(rules_of(Setup(heads=HEADS, field_pixels=FIELD, steps=(step,), windows=WINDOWS), step, "a")[0])
        bins.add(rows, table)
        made[name] = bins
        runs[name] = lambda bins=bins, table=table: bins.add(rows, table)
    plain = "60 frames of 128 x 128"
    wanted = by_numpy(rows)
    if not np.array_equal(made[plain].counts.ravel(), wanted):
        raise AssertionError("framing and NumPy count differently")
    spent = interleaved({"NumPy": lambda: by_numpy(rows), **runs})
    per_s = {name: EVENTS / seconds for name, seconds in spent.items()}
    found = [
        Row(f"framing, {name}: events a CPU second / {FLOOR / 1e6:.0f} M", f"{per_s[name] / 1e6:.0f} M/s",
            per_s[name] / FLOOR, 1.0, AIM / FLOOR)
        for name in runs
    ]  # fmt: skip
    against = per_s[plain] / per_s["NumPy"]
    return [*found, Row(f"framing, {plain} / NumPy", f"NumPy {per_s['NumPy'] / 1e6:.0f} M/s", against, 1.5, 3.0)]


def by_numpy(rows: Rows) -> npt.NDArray[np.uint32]:
    """Return the counts of the frames [2 * 60 * 128 * 128] as NumPy makes them."""
    pixel = 540.0 / 128
    column = np.floor((rows["x_mm"].astype(float) + 270.0) / pixel).astype(np.int64)
    row = np.floor((rows["y_mm"].astype(float) + 270.0) / pixel).astype(np.int64)
    frame = np.searchsorted(np.arange(LASTS_S) * S, rows["time_ps"], "right") - 1
    at = ((rows["head"].astype(np.int64) * LASTS_S + frame) * 128 + row) * 128 + column
    counted: npt.NDArray[np.uint32] = np.bincount(at[rows["windows"] > 0], minlength=2 * LASTS_S << 14).astype("u4")
    return counted


def recorded() -> list[Row]:
    """Return how long a clinical recording and a large one take from the disk, and how much memory."""
    with tempfile.TemporaryDirectory(prefix="bench-framing-", dir=storage_folder()) as folder:
        clinical, large = (write(Path(folder) / f"{count}", count) for count in (CLINICAL, LARGE))
        small_s, large_s = framed(clinical, CLINICAL), framed(large, LARGE)
        peaks = [measured("listmode", "frame", str(one), "--frames", "60x1s")[2] for one in (clinical, large)]
    rate = LARGE / large_s
    return [
        Row(f"recording of {CLINICAL / 1e6:.0f} M events into 60 frames: {CLINICAL_S:g} s / CPU time",
            f"{small_s:.2f} s", CLINICAL_S / small_s, 1.0, 4.0),
        Row(f"recording of {LARGE / 1e6:.0f} M events into 60 frames: events a CPU second / {FLOOR / 1e6:.0f} M",
            f"{rate / 1e6:.0f} M/s with checksums, {large_s:.2f} s", rate / FLOOR, 1.0, 1.5),
        Row("peak memory of the small recording / of the large one", f"{peaks[0]:.0f} / {peaks[1]:.0f} MB",
            peaks[0] / peaks[1], 0.8, 1.0),
    ]  # fmt: skip


def write(directory: Path, count: int) -> Path:
    """Write a sealed recording of so many events in one step of a minute."""
    profile = load_profile("head-xye64")
    manifest = composition.new_manifest(profile, identity=directory.name, source="bench", stop="end", simulated=True)
    note_processing(manifest, Processing(windows=WINDOWS))
    manifest.scanner = {"heads": [
        {"id": one.name, "number": one.number, "angle_deg": one.angle_deg, "width_mm": one.width_mm,
         "height_mm": one.height_mm} for one in HEADS
    ]}  # fmt: skip
    manifest.steps = [RecordedStep(number=1, begin_ps=0, end_ps=LASTS_S * S, ended_by="time", completed=True)]
    schemas = {"singles": arrow_schema("singles", list(rows_of(1))), "marks": arrow_schema("marks", MARK_COLUMNS)}
    with ListModeWriter(directory, manifest, schemas) as writer:
        writer.write("marks", {name: [mark[at] for mark in MARKS] for at, name in enumerate(MARK_COLUMNS)})
        part = count // PARTS
        rows = rows_of(part, 0, LASTS_S * S // PARTS)
        for number in range(PARTS):
            since_ps = number * (LASTS_S * S // PARTS)
            for begin in range(0, part, SLICE):
                sliced = {name: column[begin : begin + SLICE] for name, column in rows.items()}
                writer.write("singles", {**sliced, "time_ps": sliced["time_ps"] + since_ps})
        writer.seal()
    return directory


def framed(directory: Path, count: int) -> float:
    """Return the least CPU seconds of three that framing the recording takes; every event has to be in a pixel."""
    spent = []
    for _ in range(3):
        begun = time.process_time()
        with open_listmode(directory) as recording:
            (found,) = framed_in(recording, frames=[Phase(LASTS_S, S)], most_pixels=128)
        spent.append(time.process_time() - begun)
    inside = int(found.counts.sum()) + int(found.outside.sum())
    if abs(inside - WINDOWED * count) > 0.01 * count:
        raise AssertionError(f"{inside:,} events are in the window, of {count:,} there are {WINDOWED:.0%}")
    return min(spent)
