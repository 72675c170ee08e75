"""What `daq demo` is made of: a simulated front end, a station with daemon and broker, somebody who watches MQTT."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_READY_S = 60.0
_END_S = 10.0
_DAEMON_END_S = 25.0
_POLL_S = 0.05
_MOST_PLACE = 60
_SIMULATED_S = "600"
"""Longer than any demonstration; the simulator is ended with it."""
STATION = "demo"


@dataclass(frozen=True, slots=True)
class Station:
    """A running station: its socket, its broker's port, and the process of its daemon."""

    socket: Path
    broker_port: int
    daemon: subprocess.Popen[bytes]


@contextmanager
def simulator(kind: str, profile: str, options: Sequence[str], scanner: str | None) -> Iterator[str]:
    """Run a simulator as a process of its own and yield its UDP address; end it on every way out."""
    with simulated(kind, profile, options, scanner) as ready:
        yield str(ready["udp"])


@contextmanager
def simulated(
    kind: str, profile: str, options: Sequence[str], scanner: str | None, *, seconds: str = _SIMULATED_S
) -> Iterator[dict[str, Any]]:
    """Run a simulator as a process of its own and yield what it says when it is ready; end it on every way out."""
    named = [] if scanner is None else ["--scanner", scanner]
    with process_of([kind, "--profile", profile, "--seconds", seconds, *named, *options]) as ready:
        yield ready


@contextmanager
def process_of(what: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Run a simulator, by its kind and options, and yield what it says when it is ready; end it on every way out."""
    from daq.errors import DeadlineError, UnreachableError

    command = [sys.executable, "-m", "simulators", *what]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    watchdog = threading.Timer(_READY_S, process.kill)
    watchdog.start()
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not watchdog.is_alive():
            raise DeadlineError(f"the simulator was not ready within {_READY_S:g} s")
        watchdog.cancel()
        if not line:
            reason = process.stderr.read().strip() if process.stderr else ""
            raise UnreachableError(f"the simulator did not start: {reason}")
        ready: dict[str, Any] = json.loads(line)
        yield ready
    finally:
        watchdog.cancel()
        end(process, _END_S)


@contextmanager
def station(
    profile: str, url: str, storage: Path, scanner: str | None = None, more: str = "", protocols: Path | None = None,
    calibrations: Path | None = None, worklist: Path | None = None,
) -> Iterator[Station]:  # fmt: skip
    """Run a daemon of a station that records `url` below `storage`; end it and its broker on every way out.

    `more` is added to its site file; `protocols`, `calibrations`: folders of its own; `worklist`: its file.
    """
    from daq.services.broker import end_broker, ensure_broker

    with tempfile.TemporaryDirectory(prefix="scandaq-demo-", dir=short_place()) as name:
        folder = Path(name)
        state, site = folder / "state", folder / "site.toml"
        folders = {"protocols": protocols, "calibrations": calibrations, "worklist": worklist}
        site.write_text(_site(profile, url, storage, state, scanner, folders) + more, encoding="utf-8")
        log = folder / "daemon.log"
        try:
            broker = ensure_broker(state, 0)
            with log.open("wb") as said:
                command = [sys.executable, "-m", "daq", "serve", "--site", str(site)]
                daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=said, start_new_session=True)
            try:
                _await_socket(state / "control", daemon, log)
                yield Station(state / "control", broker.port, daemon)
            finally:
                end(daemon, _DAEMON_END_S)
        finally:
            end_broker(state)


@contextmanager
def watching(port: int, say: Any) -> Iterator[None]:
    """Say every state and every end of a message tree as an MQTT subscriber hears it, while the context lasts."""
    from paho.mqtt.client import Client, MQTTv311
    from paho.mqtt.enums import CallbackAPIVersion

    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv311)
    last: list[str] = []

    def heard(_: Any, __: Any, message: Any) -> None:
        with suppress(ValueError, KeyError):
            told = json.loads(message.payload)
            step = f", step {told['step']} of {told['steps']} ({told['step_name']})" if told["step"] else ""
            line = f"  MQTT  {message.topic}  {told['state']}{step}"
            if line not in last[-1:]:
                last.append(line)
                say(line)

    def connected(*_: Any) -> None:
        client.subscribe("nm/v1/+/state", 1)

    client.on_message = heard
    client.on_connect = connected
    client.connect("127.0.0.1", port, keepalive=10)
    client.loop_start()
    try:
        yield
        time.sleep(4 * _POLL_S)  # for what is still on its way
    finally:
        client.disconnect()
        client.loop_stop()


def short_place() -> str:
    """Return a folder for temporary files in which a socket can have a name: 107 bytes are all that Linux takes."""
    place = tempfile.gettempdir()
    return place if len(place) <= _MOST_PLACE else "/tmp"  # noqa: S108 - a folder of its own is made in it


def _site(
    profile: str, url: str, storage: Path, state: Path, scanner: str | None,
    folders: Mapping[str, Path | None],
) -> str:  # fmt: skip
    return "\n".join([
        'schema = "site/0"', f'station = "{STATION}"', f"storage = {json.dumps(str(storage))}",
        f"state = {json.dumps(str(state))}", "simulated = true",
        *([] if scanner is None else [f'scanner = "{scanner}"']),
        *(f"{name} = {json.dumps(str(folder))}" for name, folder in folders.items() if folder is not None),
        "[instruments.detector]", f'profile = "{profile}"', f'url = "{url}"', "[mqtt]", "own_port = 0", "",
    ])  # fmt: skip


def _await_socket(socket: Path, daemon: subprocess.Popen[bytes], log: Path) -> None:
    from daq.errors import DeadlineError, UnreachableError

    until_s = time.monotonic() + _READY_S
    while not socket.exists():
        if daemon.poll() is not None:
            raise UnreachableError(f"the daemon ended with code {daemon.returncode}: {_tail(log)}")
        if time.monotonic() > until_s:
            raise DeadlineError(f"the daemon was not ready within {_READY_S:g} s: {_tail(log)}")
        time.sleep(_POLL_S)


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return " | ".join(lines[-3:]) or "it said nothing"


def end(process: subprocess.Popen[Any], within_s: float) -> None:
    """End a process in order, or else without."""
    process.terminate()
    try:
        process.communicate(timeout=within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
