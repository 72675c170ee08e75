"""GATE 10's own coincidence sorter as a peer: in an environment of its own, its heavy imports stubbed.

The wheel of `opengate` is installed without what it depends on; the sorter needs uproot, awkward and pandas alone. The
environment is made on demand under `build/`, which takes a minute; where it cannot be had the peer is absent.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

VERSION = "10.1.1"
ENVIRONMENT = Path(__file__).parents[1] / "build" / f"gate-{VERSION}"
PACKAGES = ("uproot", "awkward", "pandas", "numpy")
_MAKE_S = 600


class Gate:
    """A process that runs GATE's sorter when it is told to."""

    def __init__(self, python: Path) -> None:
        script = Path(__file__).with_name("gatesorter.py")
        self._process = subprocess.Popen(
            [python, "-P", str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """Return the answer to a request: see `gatesorter`."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise RuntimeError(f"GATE's sorter ended with code {self._process.wait()}")
        return dict(json.loads(line))

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=60)


@cache
def gate_python() -> Path | str:
    """Return the interpreter of the peer's environment, or why it cannot be had."""
    python = ENVIRONMENT / "bin" / "python"
    done = ENVIRONMENT / ".done"
    if done.exists():
        return python
    commands = [
        [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)],
        [str(python), "-m", "pip", "install", "--quiet", *PACKAGES],
        [str(python), "-m", "pip", "install", "--quiet", "--no-deps", f"opengate=={VERSION}"],
    ]
    for command in commands:
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=_MAKE_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as why:
            return str(why)
        if ran.returncode:
            return ran.stderr.strip().splitlines()[-1] if ran.stderr.strip() else f"exit code {ran.returncode}"
    done.touch()
    return python
