"""How long `daq --help` takes, as a person waits for it: whole process, wall time."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.common import Row, interleaved


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
    return [Row("daq --help, limit / time taken", figure, 0.3 / took, 1.0, 2.0)]
