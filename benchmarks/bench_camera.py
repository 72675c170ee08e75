"""FERS boards end to end: events of 64 channels over TCP to positions, energies, windows, live images and durable list
mode. `floor`: as fast as one board sends, by the CPU seconds of the readout, which is head-room over many boards;
`ceiling`: one board at what its 100 Mb/s allow.

`SCANDAQ_BENCH_SECONDS` is about the length of a run (default 2), `SCANDAQ_BENCH_STORAGE` the disk.
"""  # fmt: skip

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.beside import ThreadTimes
from benchmarks.common import Row
from benchmarks.fersboard import ENERGY_KEV, SCANNER, light
from benchmarks.readoutrun import storage_folder
from daq import composition
from daq.composition.heads import camera_of
from daq.composition.processing import Asked, processing_of
from daq.composition.sorting import Said
from daq.model.headcalibration import Grid
from daq.model.processing import Processing
from daq.model.windows import EnergyWindow
from daq.storage.listing import load_manifest
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner

PROFILE = "caen-fers-a5202"
SECONDS = float(os.environ.get("SCANDAQ_BENCH_SECONDS", "2"))
FLOOR, AIM = 400e3, 1e6
LINK_BYTES_PER_S = 100e6 / 8
_READY_S = 90.0
_SEAL_S = 60.0
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a run."""

    events: int
    cpu_s: float
    seconds: float
    late_ms: float
    by_thread: dict[str, float]
    lossless: bool
    in_window: int

    @property
    def per_core(self) -> float:
        """Return events per CPU second, 0 where any was lost."""
        return self.events / self.cpu_s if self.lossless else 0.0

    @property
    def figure(self) -> str:
        """Return it in a line."""
        shares = ", ".join(f"{name} {spent:.2f}" for name, spent in list(self.by_thread.items())[:5])
        lost = "" if self.lossless else "LOSS, "
        return (
            f"{lost}{self.events} events in {self.seconds:.1f} s, {self.events / self.seconds / 1e3:.0f} k/s, "
            f"{self.cpu_s:.2f} CPU-s ({shares}), {self.in_window} in the window"
        )


def calibrated() -> dict[str, tuple[float, ...]]:
    """Return pedestals and gains of the light that is sent, by channel; the gains are all alike."""
    pedestal = light(energy_kev=0.0).mean(axis=0)
    kev_per_adc = ENERGY_KEV / float((light() - pedestal).sum(axis=1).mean())
    return {"pedestal_adc": tuple(pedestal.tolist()), "kev_per_adc": (kev_per_adc,) * len(pedestal)}


def processing() -> Processing:
    """Return all that is done to events of a calibrated head: both maps, two windows, a uniformity map."""
    profile = load_profile(PROFILE)
    windows = (EnergyWindow(126.0, 154.0, "Tc-99m"), EnergyWindow(90.0, 125.0, "scatter"))
    (head,) = camera_of(profile, load_scanner(SCANNER), None, windows=windows).heads
    random = np.random.default_rng(1)

    def grid(middle: float, spread: float) -> Grid:
        values = random.normal(middle, spread, (24, 24))
        return Grid.of(values, x0_mm=-115.0, y0_mm=-115.0, pitch_mm=10.0)

    corrected = head.model_copy(update={
        **calibrated(), "energy": grid(1.0, 0.02),
        "shift_x": grid(0.0, 1.0), "shift_y": grid(0.0, 1.0), "uniformity": {"Tc-99m": grid(1.0, 0.05)},
        "estimator": "anger",
    })  # fmt: skip
    return processing_of(profile, windows=windows, heads=(corrected,))


def run() -> list[Row]:
    """Return the rows of the table."""
    rows = []
    for size in (164, 292):
        done = performed(int(SECONDS * AIM), size)
        what = f"FERS events of {size} bytes to durable list mode with live images: k/s and core, floor 400"
        rows.append(Row(what, done.figure, done.per_core / FLOOR, 1.0, AIM / FLOOR))
    for size in (164, 292):
        rate = LINK_BYTES_PER_S / size
        done = performed(int(SECONDS * rate), size, rate)
        what = f"one board at the ceiling of its link, {rate / 1e3:.0f} k events/s of {size} bytes: lossless (1: yes)"
        rows.append(Row(what, f"{done.cpu_s / done.seconds:.2f} core, {done.figure}", float(done.lossless), 1.0, 1.0))
    return rows


def performed(events: int, size: int, rate: float | None = None) -> Done:
    """Record so many events of a board."""
    with (
        tempfile.TemporaryDirectory(dir=storage_folder(), prefix="bench-camera-") as folder,
        contextlib.ExitStack() as stack,
    ):
        board = stack.enter_context(_board(events, size, rate))
        assert board.stdout is not None
        url = json.loads(board.stdout.readline())["url"]
        profile = load_profile(PROFILE)
        plan, runtime = composition.plan_recording(
            profile, sources=[url], stop_texts=[f"events={events}"], out=str(Path(folder) / "run"), storage=None,
            store_raw=True, stall_s=5.0, simulated=True, asked=Asked(Said(scanner=SCANNER)),
        )  # fmt: skip
        front_end = profile.transport.front_end
        changes: dict[str, Any] = {"processing": processing(), "hash_segments": False,
                                   "front_end": front_end and front_end.model_copy(update={"board": None})}  # fmt: skip
        readout = composition.start_readout(plan.model_copy(update=changes), runtime)
        stack.callback(lambda: readout.stop() if readout.running() else None)
        times, seconds = _watched(readout)
        status = readout.result(deadline_s=_SEAL_S)
        sender = json.loads(board.communicate(timeout=_READY_S)[0].splitlines()[-1])
        manifest = load_manifest(Path(plan.directory))
    by_thread = times.by_name()
    ledger = manifest.ledger
    counted = status["counts_live"]["events"]
    lossless = bool(ledger and ledger.balanced and all(s.recorded == s.received for s in ledger.sources))
    windows = manifest.counters.get("windows", {})
    return Done(
        counted, sum(by_thread.values()), seconds, sender["late_ms"], by_thread, lossless and counted >= events,
        int(windows.get("Tc-99m", 0)),
    )  # fmt: skip


def _watched(readout: Any) -> tuple[ThreadTimes, float]:
    """Return the CPU times of the readout from its first event to its end, and how long that took."""
    times = ThreadTimes(readout.pid)
    deadline = time.monotonic() + _READY_S
    while readout.running() and readout.status()["state"] in ("starting", "arming", "armed"):
        if time.monotonic() > deadline:
            raise TimeoutError("the readout is not ready")
        time.sleep(0.01)
    times.begin()
    began = time.monotonic()
    while readout.running():
        time.sleep(_LOOK_S)
        times.look()
    return times, time.monotonic() - began


@contextlib.contextmanager
def _board(events: int, size: int, rate: float | None) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.fersboard", "--events", str(events), "--bytes", str(size)]
    command += ["--rate", str(rate)] if rate else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


if __name__ == "__main__":
    for row in run():
        print(f"{row.ratio} (floor {row.floor}, aim {row.aim}): {row.what}: {row.figure}")
