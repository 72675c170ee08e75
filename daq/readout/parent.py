"""The parent's side of a readout: start the process, ask it, stop it. It does not depend on its parent living."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from daq.errors import DeadlineError, ScandaqError, UnreachableError
from daq.readout.control import ask
from daq.readout.plan import Plan

_START_S = 60.0
_POLL_S = 0.05
_LOG_TAIL_LINES = 5


def runtime_directory() -> Path:
    """Return a fresh directory for plan, control socket and log, this user's alone; short, for socket paths."""
    return Path(tempfile.mkdtemp(prefix="scandaq-"))


class ReadoutProcess:
    """A readout running in its own session. Leaving the `with` does not end it; `stop()` and `wait()` do."""

    def __init__(self, plan: Plan, runtime: Path) -> None:
        self._runtime = runtime
        self._control = Path(plan.control)
        self._log = runtime / "readout.log"
        path = runtime / "plan.json"
        path.write_text(plan.model_dump_json(), encoding="utf-8")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "daq.readout", str(path)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=Path.cwd(),
            )  # fmt: skip
        self._last: dict[str, Any] = {"state": "starting"}

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def wait_ready(self) -> dict[str, Any]:
        """Return the first status, once the control socket answers; raise what ended the process before."""
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self._control.exists():
                return self.status()
            if self._process.poll() is not None:
                raise self._died()
            time.sleep(_POLL_S)
        raise DeadlineError(f"the readout was not ready within {_START_S:g} s; its log is {self._log}")

    def status(self) -> dict[str, Any]:
        """Return the readout's status; after its end the last one."""
        try:
            self._last = ask(self._control, {"do": "status"})
        except UnreachableError:
            if self._process.poll() is None and self._control.exists():
                raise
        return self._last

    def stop(self) -> None:
        """Ask for an orderly stop."""
        self._last = ask(self._control, {"do": "stop"})

    def running(self) -> bool:
        """Return True until the process has ended."""
        return self._process.poll() is None

    def result(self, *, deadline_s: float = 60.0) -> dict[str, Any]:
        """Wait for the end and return the last status; raise the error that the readout reported."""
        try:
            code = self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise DeadlineError(f"the readout (process {self.pid}) did not end within {deadline_s:g} s") from None
        if self._last.get("error"):
            raise _error(int(self._last["exit_code"]), str(self._last["error"]))
        if code:
            raise self._died()
        shutil.rmtree(self._runtime, ignore_errors=True)
        return self._last

    def _died(self) -> ScandaqError:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        return UnreachableError(
            f"the readout ended with code {self._process.returncode}: {' | '.join(lines) or 'no log'}"
        )


def _error(code: int, text: str) -> ScandaqError:
    """Return an error of the tree with the readout's words and exit code."""
    error = ScandaqError(text)
    error.exit_code = code
    return error
