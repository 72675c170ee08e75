"""Plays systemd for one service: obeys the unit file where PID 1 is something else.

What is played: `Type=notify` with `NotifyAccess=main` (messages of other processes are not believed), `WatchdogSec`
with SIGABRT, `KillMode=process`, `TimeoutStopSec`, `ExecStopPost` with its variables, `Restart=on-failure` with
`RestartPreventExitStatus`, `LimitCORE`, `UMask`, `Environment`. What confines a service (`ProtectSystem=` and the like)
is not.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

_CREDENTIALS = struct.Struct("=iII")
_POLL_S = 0.02
_AS_MAIN = 'ulimit -c "$0"; export WATCHDOG_PID=$$; exec "$@"'

Result = Literal["success", "exit-code", "signal", "watchdog", "timeout", "start-timeout"]


@dataclass(frozen=True)
class Unit:
    """The settings of a `[Service]` section; each name with all its values, in their order."""

    settings: Mapping[str, Sequence[str]]

    @classmethod
    def read(cls, path: Path) -> Unit:
        settings: dict[str, list[str]] = defaultdict(list)
        section = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("["):
                section = line
            elif section == "[Service]" and "=" in line and not line.startswith("#"):
                name, _, value = line.partition("=")
                settings[name].append(value)
        return cls(dict(settings))

    def one(self, name: str) -> str:
        """Return the one value of a setting that must be there."""
        (value,) = self.settings[name]
        return value

    def seconds(self, name: str) -> float:
        return float(self.one(name))

    def numbers(self, name: str) -> set[int]:
        return {int(number) for number in self.one(name).split()}

    def environment(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for pair in self.settings.get("Environment", ()))


@dataclass(frozen=True)
class Ended:
    """How a start of the service ended, as `systemctl status` would say it."""

    result: Result
    status: int
    """Exit code, or the number of the signal."""
    took_s: float


@dataclass
class PlayedSystemd:
    """Runs `command` as the unit says; `faster` divides all times, so that tests do not take minutes."""

    command: Sequence[str]
    unit: Unit
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_post: Sequence[str] | None = None
    faster: float = 1.0
    messages: list[tuple[int, str]] = field(default_factory=list)
    """Lines of messages with the process that sent them, main process or not."""
    restarts: int = 0

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.settimeout(_POLL_S)
        self.address = self.folder / "notify"
        self._socket.bind(str(self.address))
        self._closing = threading.Event()
        self._fed_s = 0.0
        self.process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._listen, name="notify", daemon=True)
        self._thread.start()

    @property
    def log(self) -> str:
        """Return what the service has said, of all its starts."""
        return (self.folder / "journal").read_text(encoding="utf-8", errors="replace")

    @property
    def main_pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def said(self, *, by: int | None = None) -> list[str]:
        """Return the lines of messages of the main process."""
        wanted = self.main_pid if by is None else by
        return [line for pid, line in self.messages if pid == wanted]

    def start(self) -> None:
        """Start the main process and wait until it says that it is ready."""
        self._spawn()
        deadline_s = time.monotonic() + self.unit.seconds("TimeoutStartSec") / self.faster
        while "READY=1" not in self.said():
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode} before it was ready: {self.log[-2000:]}")
            if time.monotonic() > deadline_s:
                self.process.kill()
                raise AssertionError(f"not ready in time: {self.log[-2000:]}")
            time.sleep(_POLL_S)

    def stop(self) -> Ended:
        """Stop the service as `systemctl stop`: SIGTERM to the main process alone, SIGKILL when it takes too long."""
        assert self.unit.one("KillMode") == "process"
        os.kill(self.main_pid, signal.SIGTERM)
        return self.wait(stopping=True)

    def wait(self, *, stopping: bool = False, most_s: float = 60.0) -> Ended:
        """Wait for the end of the main process, watching over it; run what comes after it."""
        assert self.process is not None
        began_s, timed_out, starved = time.monotonic(), False, False
        stop_s = self.unit.seconds("TimeoutStopSec") / self.faster if stopping else most_s
        while self.process.poll() is None:
            now_s = time.monotonic()
            if not starved and now_s - self._fed_s > self.unit.seconds("WatchdogSec") / self.faster:
                starved = True
                self.process.send_signal(signal.SIGABRT)
            if now_s - began_s > stop_s:
                timed_out = True
                self.process.kill()
            time.sleep(_POLL_S)
        ended = self._ended(time.monotonic() - began_s, starved=starved, timed_out=timed_out)
        self._after(ended)
        return ended

    def restart_if_due(self, ended: Ended) -> bool:
        """Start the service again where its unit says so; return whether it did."""
        assert self.unit.one("Restart") == "on-failure"
        clean = ended.result == "success"
        prevented = ended.result == "exit-code" and ended.status in self.unit.numbers("RestartPreventExitStatus")
        if clean or prevented:
            return False
        time.sleep(self.unit.seconds("RestartSec") / self.faster)
        self.restarts += 1
        self.start()
        return True

    def close(self) -> None:
        """End the main process and the playing. Other processes of the service are the test's to end."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10.0)
        self._closing.set()
        self._thread.join(10.0)
        self._socket.close()

    def _spawn(self) -> None:
        watchdog_usec = int(self.unit.seconds("WatchdogSec") / self.faster * 1e6)
        environment = {
            **os.environ, **self.unit.environment(), **self.environment,
            "NOTIFY_SOCKET": str(self.address), "WATCHDOG_USEC": str(watchdog_usec),
        }  # fmt: skip
        core = self.unit.one("LimitCORE")
        self._fed_s = time.monotonic()
        with (self.folder / "journal").open("ab") as journal:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", _AS_MAIN, core, *self.command],
                env=environment, stdin=subprocess.DEVNULL, stdout=journal, stderr=journal, start_new_session=True,
                umask=int(self.unit.one("UMask"), 8),
            )  # fmt: skip

    def _listen(self) -> None:
        while not self._closing.is_set():
            try:
                data, ancillary, *_ = self._socket.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
            except TimeoutError:
                continue
            pid = int(_CREDENTIALS.unpack(ancillary[0][2][: _CREDENTIALS.size])[0])
            lines = data.decode().split("\n")
            if self.process is not None and pid == self.process.pid and "WATCHDOG=1" in lines:
                self._fed_s = time.monotonic()
            self.messages += [(pid, line) for line in lines]

    def _ended(self, took_s: float, *, starved: bool, timed_out: bool) -> Ended:
        assert self.process is not None
        code = self.process.returncode
        if timed_out:
            return Ended("timeout", -code, took_s)
        if starved and code == -signal.SIGABRT:
            return Ended("watchdog", -code, took_s)
        if code < 0:
            return Ended("success" if -code == signal.SIGTERM else "signal", -code, took_s)
        return Ended("exit-code" if code else "success", code, took_s)

    def _after(self, ended: Ended) -> None:
        if self.stop_post is None:
            return
        environment = {
            **os.environ, **self.unit.environment(), **self.environment, "SERVICE_RESULT": ended.result,
            "EXIT_STATUS": str(ended.status),
        }  # fmt: skip
        with (self.folder / "journal").open("ab") as journal:
            subprocess.run(self.stop_post, env=environment, stdout=journal, stderr=journal, check=False, timeout=60.0)
