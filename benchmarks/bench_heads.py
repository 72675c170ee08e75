"""Two heads that send position and energy, 500,000 events/s each, to durable list mode with live images.

The simulator `poisson` sends over loopback; six tenths of its energies lie in a window, all positions in the image.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.beside import ThreadTimes
from benchmarks.common import Row
from benchmarks.readoutrun import storage_folder
from daq import composition
from daq.composition.processing import processing_of
from daq.model.headcalibration import Grid, HeadCorrections, steps_of
from daq.model.processing import Processing
from daq.model.windows import EnergyWindow
from daq.readout.liveview import LiveView
from daq.storage.info import describe
from device_profiles.load import load_profile

PROFILE = "head-xye64"
RATE = 1e6
SECONDS = float(os.environ.get("SCANDAQ_BENCH_SECONDS", "6"))
SHARE, AIM = 0.15, 0.05
_READY_S = 60.0
_SILENT_S = 0.5
_LEAST = 0.0005
_SEAL_S = 60.0


def processing() -> Processing:
    """Return two windows, and a uniformity map of each head for the first; the words can name four heads."""
    windows = (EnergyWindow(100.0, 300.0, "peak"), EnergyWindow(300.0, 400.0, "scatter"))
    random = np.random.default_rng(1)
    profile = load_profile(PROFILE)
    heads = []
    for head in range(4):
        weights = random.uniform(0.9, 1.1, (64, 64))
        maps = {"peak": Grid.of(weights, x0_mm=-300, y0_mm=-300, pitch_mm=9.5)}
        heads.append(HeadCorrections(head=head, uniformity=maps, steps=steps_of(profile.layout)))
    return processing_of(profile, windows=windows).model_copy(update={"heads": tuple(heads)})


def run() -> list[Row]:
    """Return the row of the table."""
    found = measured()
    lossless = found["recorded"] == found["sent"] and not found["skipped"]
    ratio = SHARE / found["share_at_1M_per_s"] if lossless else 0.0
    what = f"two heads, 2 x 500 kcps, live images, raw and singles durable: {SHARE} of a core / share used"
    return [Row(what, json.dumps(found), ratio, 1.0, SHARE / AIM)]


def measured() -> dict[str, Any]:
    """Do one run and return its figures; CPU as shares of a core while words came."""
    with tempfile.TemporaryDirectory(dir=storage_folder(), prefix="bench-heads-") as folder, sender() as url:
        plan, runtime = composition.plan_recording(
            load_profile(PROFILE), sources=[url], stop_texts=["end"], out=str(Path(folder) / "run"), storage=None,
            store_raw=True, stall_s=5.0, simulated=True,
        )  # fmt: skip
        wanted = plan.model_copy(update={"processing": processing(), "hash_segments": False})
        readout = composition.start_readout(wanted, runtime)
        try:
            spent, seconds, looked = watched(readout)
            readout.result(deadline_s=_SEAL_S)
        finally:
            if readout.running():
                readout.stop()
        ledger = describe(Path(plan.directory))["ledger"]["sources"]
    sent, recorded = (sum(source[name] or 0 for source in ledger) for name in ("sent", "recorded"))
    share = sum(spent.values()) / seconds
    return {
        "sent": sent, "recorded": recorded, "skipped": looked["singles_skipped"],
        "Mcps": round(sent / seconds / 1e6, 3),
        "share_at_1M_per_s": round(share * RATE * seconds / max(sent, 1), 4),
        "by_thread": {name: round(one / seconds, 4) for name, one in spent.items() if one / seconds > _LEAST},
    }  # fmt: skip


def watched(readout: Any) -> tuple[dict[str, float], float, dict[str, int]]:
    """Return the CPU seconds by thread while words came, for how long they came, and what was looked at."""
    deadline = time.monotonic() + _READY_S
    while not count(readout):
        if time.monotonic() > deadline or not readout.running():
            raise TimeoutError("nothing is recorded")
        time.sleep(0.01)
    times = ThreadTimes(readout.pid)
    times.begin()
    began = changed = time.monotonic()
    view = LiveView.attach(readout.control)
    before = 0
    while readout.running() and time.monotonic() - changed < _SILENT_S:
        time.sleep(0.05)
        now = count(readout)
        if now != before:
            before, changed = now, time.monotonic()
            times.look()
    looked = view.figures()["looked"]
    view.close()
    return times.by_name(), changed - began, looked


def count(readout: Any) -> int:
    """Return the events that have been counted."""
    return int(readout.status().get("counts_live", {}).get("events", 0))


@contextlib.contextmanager
def sender(*, rate: float = RATE, seconds: float = SECONDS) -> Iterator[str]:
    """Start the simulator, yield its address once it listens, and end it."""
    command = [
        sys.executable, "-m", "simulators", "poisson", "--profile", PROFILE, "--rate", str(rate), "--sources", "2",
        "--seconds", str(seconds), "--mix", "single=1", "--once",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield str(json.loads(process.stdout.readline())["udp"])
        finally:
            process.kill()
