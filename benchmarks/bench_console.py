"""Live pictures in the console: two heads of 256 x 256 pixels and spectra, 20 times a second, to 0, 1 and 4 browsers.

The server's part alone, in a process of its own; browsers here paint nothing, and one of them is slow. Then 10 million
words a second are recorded while four consoles look. `SCANDAQ_BENCH_SECONDS` is how long, 2 by default; here 5 times.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.beside import ThreadTimes, resident_bytes
from benchmarks.common import Row
from benchmarks.readoutrun import Case, Run, perform, storage_folder

SECONDS = 5 * float(os.environ.get("SCANDAQ_BENCH_SECONDS", "2"))
MOST_CORE, MOST_MS, MOST_OLD_MS, MOST_GROWN = 0.05, 50.0, 3000.0, 4 << 20
CAMERA = ("scope", "spectrum", "rates")
BATCH_MS, PUBLISHED_MS = 10, 50
"""So often events come in, and are published: those that came just after a publication wait for the next."""
ALL = (*CAMERA, "counts", "energy", "ring", "study")
_MODULE = "benchmarks.liveserver"
_READY_S = 60.0
_SINGLES = Case("four consoles attached", 10e6, SECONDS, rows=False, buffer_bytes=4 << 20)


def run() -> list[Row]:
    """Return the rows of the table."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-console-") as folder, ExitStack() as stack:
        shown = stack.enter_context(process("benchmarks.livereadout", str(Path(folder) / "run")))
        readout = ThreadTimes(shown.pid)
        served = stack.enter_context(process(_MODULE, "serve", said(shown)["control"]))
        port = said(served)["port"]
        for clients in (0, 1, 4):
            readout.begin()
            cpu, found = watched(served, port, clients)
            rows += _rows(clients, cpu, found)
        rows += _slow(served, port)
    rows.append(_beside_recording())
    return rows


def watched(served: subprocess.Popen[str], port: int, clients: int) -> tuple[float, list[dict[str, Any]]]:
    """Let so many browsers look; return the share of a core that the server took, and what they say."""
    with ExitStack() as stack:
        browsers = [stack.enter_context(browser(port, SECONDS + 3)) for _ in range(clients)]
        time.sleep(1.0)  # what is made but once is made by then
        times = ThreadTimes(served.pid)
        times.begin()
        began = time.monotonic()
        time.sleep(SECONDS)
        times.look()
        cpu = sum(times.by_name().values()) / (time.monotonic() - began)
        return cpu, [said(each) for each in browsers]


def _rows(clients: int, cpu: float, found: list[dict[str, Any]]) -> list[Row]:
    what = f"two heads of 256 x 256 and spectra at 20 Hz, {clients} browsers"
    rate = statistics.mean(each["frames"] / each["seconds"] for each in found) if found else 0.0
    figure = f"{100 * cpu:.1f} % of a core, {rate:.1f} frames/s each"
    rows = [Row(f"{what}: limit / server's share of a core", figure, MOST_CORE / max(cpu, 1e-4), 1.0, 2.0)]
    if clients != 1:
        return [Row(f"{what}: server's share of a core", figure)]
    ages = sorted(found[0]["ages_ms"])
    photons = sorted(each + wait for each in found[0]["photons_ms"] for wait in range(0, PUBLISHED_MS, BATCH_MS))
    figure = f"published to decoded {_spread(ages)} ms; photon batch to decoded {_spread(photons)} ms"
    worst = photons[int(0.5 * len(photons))]
    return [*rows, Row(f"{what}: 50 ms / median photon batch to decoded", figure, MOST_MS / worst, 1.0, 1.5)]


def _slow(served: subprocess.Popen[str], port: int) -> list[Row]:
    """Return what a browser sees that paints one frame a second, and what it costs."""
    before = resident_bytes(served.pid)[0]
    with browser(port, SECONDS, paint_ms=1000) as slow:
        found = said(slow)
    grown = resident_bytes(served.pid)[0] - before
    oldest = max(found["ages_ms"])
    figure = f"{found['frames']} frames in {SECONDS:g} s, oldest {oldest:.0f} ms, memory +{max(grown, 0) >> 10} KiB"
    flat = grown <= MOST_GROWN
    return [
        Row("a browser that paints one frame a second: 3 s / oldest", figure, flat * MOST_OLD_MS / oldest, 1.0, 1.5)
    ]


def _beside_recording() -> Row:
    """Return whether 10 M words a second are recorded without loss while four consoles look."""
    held: list[Any] = []

    def attach(control: Path, stack: ExitStack) -> None:
        served = stack.enter_context(process(_MODULE, "serve", str(control)))
        port = said(served)["port"]
        held.extend(stack.enter_context(browser(port, _READY_S, what=ALL)) for _ in range(4))

    what = "10 M words/s without loss, four consoles attached (1: yes)"
    for _ in range(3):
        held.clear()
        done: Run = perform(_SINGLES, storage_folder(), beside=attach)
        if not done.void:
            break
    else:
        return Row(what, f"not judged: {done.void}")
    lost = done.offered - done.ledger.get("recorded", 0)
    figure = f"{done.offered} words, {lost} lost; {done.trouble}".rstrip("; ")
    return Row(what, figure, float(done.clean), 1.0, 1.0)


@contextmanager
def browser(port: int, seconds: float, *, paint_ms: float = 0, what: tuple[str, ...] = CAMERA) -> Iterator[Any]:
    """Have somebody look for so long."""
    with process(_MODULE, "watch", str(port), str(seconds), str(paint_ms), *what) as made:
        said(made)  # that it is connected
        yield made


@contextmanager
def process(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Have a process of the benchmark."""
    with subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True) as made:
        try:
            yield made
        finally:
            if made.poll() is None:
                made.terminate()


def said(made: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what a process says in its next line."""
    assert made.stdout is not None
    told: dict[str, Any] = json.loads(made.stdout.readline())
    return told


def _spread(values: list[float]) -> str:
    return f"median {statistics.median(values):.0f}, 95 % {values[int(0.95 * len(values))]:.0f}"


if __name__ == "__main__":
    for row in run():
        print(f"{row.ratio} (floor {row.floor}, aim {row.aim}): {row.what}: {row.figure}")
