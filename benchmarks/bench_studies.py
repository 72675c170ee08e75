"""What live pictures of a study cost the readout: a sweep over the whole body at 2 x 300 kcps, with them and without.

The simulator `poisson` sends over loopback; both runs record the same, and both are told twenty times a second where
the bed is. Without a protocol in the manifest nothing of the study is shown; all other live figures are.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.bench_heads import PROFILE, count, sender
from benchmarks.beside import ThreadTimes
from benchmarks.common import Row
from benchmarks.readoutrun import storage_folder
from daq import composition
from daq.composition.processing import processing_of
from daq.errors import RefusedError, UnreachableError
from daq.model.axissample import AxisSample
from daq.model.windows import EnergyWindow
from daq.readout.liveview import LiveView
from daq.storage.info import describe
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner

RATE = 6e5
SECONDS = float(os.environ.get("SCANDAQ_BENCH_SECONDS", "8"))
ROUNDS = int(os.environ.get("SCANDAQ_BENCH_ROUNDS", "3"))
MOST = 0.10
SPEED_MM_PER_S = 5.0
_READY_S = 60.0
_SILENT_S = 0.5
_SAMPLE_S = 0.05
_SEAL_S = 60.0
PROTOCOL = """
schema = "acquisition-protocol/1"
id = "bench"
version = 1
title = "A sweep"
kind = "whole_body"
modality = "gamma_camera"
instrument.heads = 2
sources."*" = "this benchmark"
[windows.peak]
lower = "100 keV"
upper = "300 keV"
[windows.scatter]
lower = "300 keV"
upper = "400 keV"
[[steps]]
name = "body"
sweep = { axis = "bed", from = "0 mm", to = "2000 mm", speed = "30 cm/min" }
image.matrix = [256, 1024]
"""


def run() -> list[Row]:
    """Return the row of the table."""
    spent: dict[bool, list[float]] = {True: [], False: []}
    shown = 0
    for number in range(ROUNDS):
        for with_pictures in (True, False) if number % 2 else (False, True):
            found = measured(with_pictures=with_pictures)
            spent[with_pictures].append(found["ns_per_event"])
            shown += found["shown"]
    with_, without = (statistics.median(spent[key]) for key in (True, False))
    added = with_ / without - 1
    figures = {"ns_per_event": {"with": spent[True], "without": spent[False]}, "added": round(added, 4), "shown": shown}
    ratio = MOST / added if added > 0 else 10.0
    what = f"live pictures of a sweep, 2 x 300 kcps: {MOST} of the readout's CPU / share added"
    return [Row(what, json.dumps(figures), ratio if shown else 0.0, 1.0)]


def measured(*, with_pictures: bool) -> dict[str, Any]:
    """Do one run; return the CPU time of the whole readout by event, and how many are in the strip at its end."""
    with tempfile.TemporaryDirectory(dir=storage_folder(), prefix="bench-studies-") as folder, sender(
        rate=RATE, seconds=SECONDS
    ) as url:  # fmt: skip
        plan, runtime = composition.plan_recording(
            load_profile(PROFILE), sources=[url], stop_texts=["end"], out=str(Path(folder) / "run"), storage=None,
            store_raw=True, stall_s=5.0, simulated=True,
        )  # fmt: skip
        windows = (EnergyWindow(100.0, 300.0, "peak"), EnergyWindow(300.0, 400.0, "scatter"))
        wanted = plan.model_copy(update={
            "processing": processing_of(load_profile(PROFILE), windows=windows), "hash_segments": False,
            "step_name": "body", "moving": True, "attend_s": 60.0,
        })  # fmt: skip
        wanted.manifest.scanner = load_scanner("dual-head").model_dump(mode="json")
        wanted.manifest.protocol = {"toml": PROTOCOL} if with_pictures else None
        readout = composition.start_readout(wanted, runtime)
        try:
            spent_s, shown = swept(readout)
            readout.result(deadline_s=_SEAL_S)
        finally:
            if readout.running():
                readout.stop()
        ledger = describe(Path(plan.directory))["ledger"]["sources"]
    recorded = sum(source["recorded"] or 0 for source in ledger)
    return {"ns_per_event": round(1e9 * spent_s / max(recorded, 1), 1), "shown": shown}


def swept(readout: Any) -> tuple[float, int]:
    """Tell where the bed is while words come; return the CPU seconds used meanwhile and the counts of the strip."""
    deadline = time.monotonic() + _READY_S
    while not count(readout):
        if time.monotonic() > deadline or not readout.running():
            raise TimeoutError("nothing is recorded")
        time.sleep(0.01)
    times = ThreadTimes(readout.pid)
    times.begin()
    view = LiveView.attach(readout.control)
    began = changed = time.monotonic()
    before = looked_s = 0.0
    while readout.running() and time.monotonic() - changed < _SILENT_S:
        now = time.monotonic()
        place = SPEED_MM_PER_S * (now - began)
        with contextlib.suppress(RefusedError, UnreachableError):  # it seals
            readout.positions([AxisSample("bed", time.monotonic_ns(), place, moving=True)])
        if now - looked_s > 0.2:
            looked_s, counted = now, float(view.figures()["counts"].sum())
            if counted != before:
                before, changed = counted, now
                times.look()
        time.sleep(_SAMPLE_S)
    study = view.study()
    view.close()
    return sum(times.by_name().values()), 0 if study is None else int(study["counts"].sum())
