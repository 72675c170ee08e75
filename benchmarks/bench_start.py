"""How long `daq --help` takes, and `daq stop-motion` until it has asked: whole process, wall time."""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import ROUNDS, Row, interleaved


def run() -> list[Row]:
    """Return the rows of the table; the ratio is the limit divided by what it took."""
    commands = {
        "daq --help": [sys.executable, "-m", "daq", "--help"],
        "bare interpreter": [sys.executable, "-c", "pass"],
    }
    median = interleaved(
        {
            name: lambda c=command: subprocess.run(c, check=True, capture_output=True)
            for name, command in commands.items()
        },
        clock=time.perf_counter,
    )
    took = median["daq --help"]
    figure = f"{took * 1000:.0f} ms (bare interpreter {median['bare interpreter'] * 1000:.0f} ms), limit 300, aim 150"
    return [Row("daq --help, limit / time taken", figure, 0.3 / took, 1.0, 2.0), _stop_motion()]


def _stop_motion() -> Row:
    """Measure from the start of the process to its request at the other end of the local socket."""
    took = []
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as daemon:
        control, site = Path(folder) / "control", Path(folder) / "site.toml"
        site.write_text(f'schema = "site/0"\nstation = "bench"\nstorage = "."\nsocket = "{control}"\n')
        daemon.bind(str(control))
        daemon.listen()
        for _ in range(ROUNDS):
            start = time.perf_counter()
            command = [sys.executable, "-m", "daq", "stop-motion", "--site", str(site)]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
                client, _ = daemon.accept()
                with client:
                    client.recv(1)
                    took.append(time.perf_counter() - start)
    median = statistics.median(took)
    figure = f"{median * 1000:.0f} ms, worst {max(took) * 1000:.0f} ms, limit 150"
    return Row("daq stop-motion to the wire, limit / time taken", figure, 0.15 / median, 1.0, 2.0)
