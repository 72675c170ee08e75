"""A whole simulated camera with consoles: how late the daemon's loop turns, and how long a stop takes under a flood.

Four consoles look at two heads while a daily flood's worth of events is acquired; then browsers ask without end, and
somebody stops all motion. Daemon, readout, simulator, consoles and browsers share the cores of one machine.
`SCANDAQ_BENCH_SECONDS` is how long, 2 by default; here 10 times. Alone, it names what held the loop.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.common import Row
from daq.errors import RefusedError
from daq.transports.localclient import LocalClient

SECONDS = int(10 * float(os.environ.get("SCANDAQ_BENCH_SECONDS", "2")))
MOST_LAG_MS, MOST_STOP_MS = 50.0, 250.0
STOPS, CONSOLES, BROWSERS = 40, 4, 2
_PROBE = Path(__file__).parent / "loopprobe"
_ROOT = Path(__file__).parent.parent
_READY_S = 90.0


def run() -> list[Row]:
    """Return the rows of the table."""
    with tempfile.TemporaryDirectory(prefix="bench-consoles-") as folder, ExitStack() as stack:
        probe = Path(folder) / "loop.json"
        served = stack.enter_context(_station(Path(folder) / "recorded", probe))
        _acquire(served["socket"])
        looking = [stack.enter_context(_load(served, "look", 3 * SECONDS + 60)) for _ in range(CONSOLES)]
        for each in looking:
            _said(each)
        lags = _lags(probe, SECONDS)
        rows = [_lag_row(f"{CONSOLES} consoles look", lags)]
        quiet = _stops(stack, served)
        flood = stack.enter_context(_load(served, "flood", SECONDS, BROWSERS, links=BROWSERS))
        _said(flood)
        probe.unlink()
        stopped = _stops(stack, served)
        time.sleep(1.0)
        flooded = _read(probe)
        answers = _said(flood)["answers"]
        rows.append(_stop_row(quiet, stopped, answers))
        return [*rows, _lag_row("the same, two browsers ask without end", flooded, judged=False)]


def _lag_row(what: str, found: dict[str, Any], *, judged: bool = True) -> Row:
    lags = sorted(found["lags_ms"])
    p50, p99, most = (lags[min(len(lags) - 1, int(part * len(lags)))] for part in (0.5, 0.99, 1.0))
    held = "; ".join(f"{cpu:.0f} ms of processor ({wall:.0f} ms) {name}" for wall, cpu, name in found["holds"][:4])
    figure = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, most {most:.0f} ms; callbacks: {held or 'none above 10 ms'}"
    title = f"the daemon's loop, {what}: 50 ms / p99 of its lag"
    return Row(title, figure, MOST_LAG_MS / max(p99, 0.1), 1.0, 5.0) if judged else Row(title, figure)


def _stop_row(quiet: Sequence[float], flooded: Sequence[float], answers: dict[str, int]) -> Row:
    before, during = (sorted(each) for each in (quiet, flooded))
    worst = during[int(0.95 * len(during))]
    figure = (
        f"median {statistics.median(during):.0f}, 95 % {worst:.0f}, most {during[-1]:.0f} ms; alone {_spread(before)}; "
        f"answers {', '.join(f'{count} of {status}' for status, count in sorted(answers.items()))}"
    )
    return Row("stop-motion under a flood of requests: 250 ms / 95 %", figure, MOST_STOP_MS / worst, 1.0, 2.0)


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.0f}, 95 % {values[int(0.95 * len(values))]:.0f} ms"


def _stops(stack: ExitStack, served: dict[str, Any]) -> list[float]:
    stopping = stack.enter_context(_load(served, "stop", STOPS))
    took: list[float] = _said(stopping)["took_ms"]
    return took


def _lags(probe: Path, seconds: float) -> dict[str, Any]:
    """Have the probe begin anew; return what it has after so long."""
    probe.unlink(missing_ok=True)
    time.sleep(seconds)
    return _read(probe)


def _read(probe: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(probe.read_text())
    return told


@contextmanager
def _station(out: Path, probe: Path) -> Iterator[dict[str, Any]]:
    """Run the demonstration, its daemon looked at from within."""
    command = [sys.executable, "-m", "daq", "demo", "console", "--port", "0", "--json", "--out", str(out)]
    more = {"PYTHONPATH": os.pathsep.join([str(_PROBE), str(_ROOT)]), "SCANDAQ_LOOP_PROBE": str(probe)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | more) as made:
        try:
            assert made.stdout is not None
            said = ""
            while not said.endswith("\n}\n"):  # that of the whole object begins its line
                line = made.stdout.readline()
                assert line, "the demonstration ended before it was ready"
                said += line
            yield json.loads(said)
        finally:
            made.terminate()
            made.wait(_READY_S)


def _acquire(socket: str) -> None:
    """Have a static view of a simulated patient under way."""
    with LocalClient(Path(socket)) as client:
        asked: dict[str, Any] = {"protocol": "demo-planar-static", "draft_reason": "a benchmark", "overrides": {}}
        asked["patient"] = {"name": "SIM^Bench", "patient_id": "SIM-1"}
        try:
            client.ask("prepare", asked, within_s=_READY_S)
        except RefusedError as why:
            names = [part.split(": ")[0].split(" ")[-1] for part in str(why).split("; ")]
            client.ask("prepare", asked | {"overrides": dict.fromkeys(names, "a benchmark")}, within_s=_READY_S)
        until_s = time.monotonic() + _READY_S
        while client.ask("status", within_s=_READY_S)["state"] != "armed":
            assert time.monotonic() < until_s, "not armed"
            client.ask("simulate", {"device": "enable", "action": "hold", "value": 30.0}, within_s=_READY_S)
            time.sleep(0.2)
        client.ask("start", within_s=_READY_S)


@contextmanager
def _load(served: dict[str, Any], what: str, *numbers: int, links: int = 1) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.consoleload", what, served["url"], *map(str, numbers)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT) as made:
        try:
            assert made.stdin is not None
            with LocalClient(Path(served["socket"])) as client:
                for _ in range(links):
                    made.stdin.write(str(client.ask("console-link", within_s=_READY_S)["url"]) + "\n")
            made.stdin.close()
            yield made
        finally:
            if made.poll() is None:
                made.terminate()


def _said(made: subprocess.Popen[str]) -> dict[str, Any]:
    assert made.stdout is not None
    told: dict[str, Any] = json.loads(made.stdout.readline())
    return told


if __name__ == "__main__":
    for row in run():
        print(f"{row.ratio} (floor {row.floor}, aim {row.aim}): {row.what}: {row.figure}")
