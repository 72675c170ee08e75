"""The parent's side of a readout: start the process, ask it, stop it. It does not depend on its parent living."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from daq.errors import DeadlineError, ScandaqError, UnexpectedError, UnreachableError
from daq.readout.control import ask
from daq.readout.plan import CONTROL, LAST_STATUS, LOG, PLAN, Plan

_START_S = 60.0
_ANSWER_S = 0.5
_LOG_TAIL_LINES = 5
_MOST_SOCKET_PATH_BYTES = 107
"""What Linux takes as the path of a socket."""


def runtime_directory() -> Path:
    """Return a fresh directory for plan, control socket and log, this user's alone; short, for socket paths."""
    path = Path(tempfile.mkdtemp(prefix="scandaq-"))
    if len(bytes(path / CONTROL)) > _MOST_SOCKET_PATH_BYTES:
        path.rmdir()
        path = Path(tempfile.mkdtemp(prefix="scandaq-", dir="/tmp"))
    return path


class ReadoutProcess:
    """A readout running in its own session. It outlives this object; `stop()` and `result()` end it."""

    def __init__(self, plan: Plan, runtime: Path) -> None:
        self._runtime = runtime
        self._control = runtime / CONTROL
        path = runtime / PLAN
        path.write_text(plan.model_dump_json(), encoding="utf-8")
        # The child inherits the mask and unblocks SIGTERM when it can stop in order: one sent before waits until then.
        masked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            with (runtime / LOG).open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "daq.readout", str(path)],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=Path.cwd(),
                )  # fmt: skip
        except OSError as why:
            shutil.rmtree(runtime, ignore_errors=True)
            raise UnexpectedError(f"the readout cannot be started: {why.strerror}") from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, masked)
        self._started_s = time.monotonic()
        self._last: dict[str, Any] = {"state": "starting"}

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def status(self) -> dict[str, Any]:
        """Return the readout's status, the last one known where it does not answer just now.

        Raise `DeadlineError` when it has not answered for the first time within a minute.
        """
        try:
            self._last = ask(self._control, {"do": "status"}, deadline_s=_ANSWER_S)
        except (UnreachableError, DeadlineError):
            if self._last["state"] == "starting" and time.monotonic() - self._started_s > _START_S:
                raise DeadlineError(f"no readout after {_START_S:g} s; its log is in {self._runtime}") from None
        return self._last

    def stop(self) -> None:
        """Ask for an orderly stop. Comes through whatever the readout is doing."""
        self._process.send_signal(signal.SIGTERM)

    def running(self) -> bool:
        """Return True until the process has ended."""
        return self._process.poll() is None

    def result(self, *, deadline_s: float = 60.0) -> dict[str, Any]:
        """Wait for the end and return the last status; raise the error that the readout reported.

        Either way its runtime directory is gone afterwards; what its log says is in the error.
        """
        try:
            self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise DeadlineError(f"the readout (process {self.pid}) did not end within {deadline_s:g} s") from None
        try:
            self._last = self._left_behind()
        finally:
            shutil.rmtree(self._runtime, ignore_errors=True)
        if self._last["error"]:
            raise _error(int(self._last["exit_code"]), str(self._last["error"]))
        return self._last

    def _left_behind(self) -> dict[str, Any]:
        """Return the status that the readout wrote last of all."""
        try:
            return dict(json.loads((self._runtime / LAST_STATUS).read_bytes()))
        except (OSError, ValueError):
            raise self._died() from None

    def _died(self) -> ScandaqError:
        try:
            log = (self._runtime / LOG).read_text(encoding="utf-8", errors="replace")
        except OSError as why:
            log = str(why)
        lines = " | ".join(log.splitlines()[-_LOG_TAIL_LINES:]) or "its log is empty"
        return UnexpectedError(f"the readout ended with code {self._process.returncode}: {lines}")


def _error(code: int, text: str) -> ScandaqError:
    """Return an error of the tree with the readout's words and exit code."""
    error = ScandaqError(text)
    error.exit_code = code
    return error
