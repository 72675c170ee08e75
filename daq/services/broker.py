"""The station's own broker: a process of its own on loopback, which outlives the daemon and is found again.

    <state folder>/broker/
        lock            held (flock) as long as the broker lives; one line of JSON: kind, port, protocol, pid
        mosquitto.conf  what it was told
        broker.log      what it said

It is ours when the process holds our lock. Nothing else is ever asked or ended, whatever listens on the port.
`python -m daq.services.broker PORT` is the one that serves where mosquitto is not installed.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

from daq.errors import DeadlineError, MissingError, RefusedError, UnreachableError
from daq.readout.locks import EXCLUSIVE, SHARED, open_for_locking, try_lock
from daq.services.brokerproof import CONFIG, LOCK, MODULE, SHELL, holds, is_ours, listens, search, send
from daq.transports.mqtt_address import Protocol
from daq.transports.mqtt_probe import answers, free_port

HOST = "127.0.0.1"
LOG = "broker.log"
_START_S = 15.0
_END_S = 5.0
_ASK_S = 2.0
_POLL_S = 0.02
_ATTEMPTS = 5
_MOST_LOG_BYTES = 1 << 20
_TAIL_BYTES = 2000
_SBIN = "/usr/sbin:/usr/local/sbin"

Kind = Literal["mosquitto", "amqtt"]


@dataclass(frozen=True, slots=True)
class OwnBroker:
    """A broker on loopback that anybody on this host may use without a password."""

    host: str
    port: int
    protocol: Protocol
    kind: Kind
    pid: int | None = None

    def __str__(self) -> str:
        """Return a sentence."""
        return f"own broker: {self.kind} at mqtt://{self.host}:{self.port}, MQTT {self.protocol}, this host only"


def ensure_broker(state_folder: Path, port: int) -> OwnBroker:
    """Return the station's own broker, started if it does not run; blocks for seconds then. Port 0 takes a free one.

    Raise `UnreachableError` where the port is somebody else's or the broker cannot be started, `DeadlineError` where
    ours does not answer.
    """
    folder = _folder(state_folder)
    deadline = time.monotonic() + _START_S
    try:
        return _found_or_started(state_folder, folder, port, deadline)
    except (OSError, subprocess.SubprocessError) as why:
        raise RefusedError(f"the own broker in {folder} cannot be started: {why}") from None


def _found_or_started(state_folder: Path, folder: Path, port: int, deadline: float) -> OwnBroker:
    while time.monotonic() < deadline:
        with _locked(folder) as lock:
            if lock is not None:
                _launch(folder, lock, port)
        found = find_broker(state_folder)
        if found is None or found.pid is None or not found.port:
            pass  # somebody is starting it, or only looked whether it lives
        elif port not in (0, found.port):
            end_broker(state_folder)
        elif listens(found.pid, found.port):
            asked_s = time.monotonic()
            if answers(found.host, found.port, within_s=_ASK_S):
                return found
            if time.monotonic() - asked_s >= _ASK_S:  # not one that has just died
                text = f"the own broker (process {found.pid}) is there and does not answer within {_ASK_S:g} s"
                raise DeadlineError(f"{text}: frozen, or the host is overloaded")
        time.sleep(_POLL_S)
    raise DeadlineError(f"the own broker did not answer within {_START_S:g} s; {_last_words(folder)}")


def find_broker(state_folder: Path) -> OwnBroker | None:
    """Return the own broker that lives, None where none does. Its `pid` is None while it is being started."""
    folder = state_folder / "broker"
    if not _lives(folder):
        return None
    try:
        said = json.loads((folder / LOCK).read_bytes().partition(b"\n")[0])
        broker = OwnBroker(HOST, int(said["port"]), said["protocol"], said["kind"], said["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        broker = OwnBroker(HOST, 0, "3.1.1", "amqtt")
    if broker.pid is None or not is_ours(broker.pid, folder):
        broker = replace(broker, pid=search(folder))
    return broker


def end_broker(state_folder: Path) -> bool:
    """End the own broker and return True, or False when none runs; raise `DeadlineError` when it does not end."""
    folder = state_folder / "broker"
    deadline = time.monotonic() + 2 * _END_S
    signals = iter((signal.SIGTERM, signal.SIGKILL))
    found = find_broker(state_folder)
    if found is None:
        return False
    while time.monotonic() < deadline:
        if found is not None and found.pid is not None:
            send(found.pid, next(signals, signal.SIGKILL), folder)
        until = time.monotonic() + _END_S
        while time.monotonic() < until:
            if not _lives(folder):
                return True
            time.sleep(_POLL_S)
        found = find_broker(state_folder)
    raise DeadlineError(f"the own broker in {folder} did not end within {2 * _END_S:g} s")


# Starting


def _folder(state_folder: Path) -> Path:
    folder = state_folder / "broker"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as why:
        raise RefusedError(f"{folder}: {why.strerror}") from None
    return folder


def _launch(folder: Path, lock: BinaryIO, port: int) -> None:
    """Start a broker that inherits the lock, and wait until it serves or has ended."""
    wanted = port or _port_of_last_time(lock)
    for attempt in range(_ATTEMPTS):
        broker, command = _command(folder, wanted or free_port(HOST))
        _note(lock, broker)
        pid = _spawn(command, folder, lock)
        broker = replace(broker, pid=pid)
        _note(lock, broker)
        if _serves(broker, folder):
            return
        if port and attempt == 0 and _is_taken(folder):
            taken = (
                f"port {port} of {HOST} is taken by another program: set mqtt.own_port, or mqtt.broker to use that one"
            )
            raise UnreachableError(taken)
        wanted = port
    raise UnreachableError(f"the own broker cannot be started; {_last_words(folder)}")


def _command(folder: Path, port: int) -> tuple[OwnBroker, list[str]]:
    mosquitto = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:{_SBIN}")
    if mosquitto is None:
        return OwnBroker(HOST, port, "3.1.1", "amqtt"), [sys.executable, "-m", MODULE, str(port)]
    (folder / CONFIG).write_text(_mosquitto_conf(port), encoding="utf-8")
    return OwnBroker(HOST, port, "5", "mosquitto"), [mosquitto, "-c", str(folder / CONFIG)]


def _mosquitto_conf(port: int) -> str:
    lines = [
        f"listener {port} {HOST}", "max_connections 100", "allow_anonymous true", "set_tcp_nodelay true",
        "max_packet_size 1048576", "persistence false", "connection_messages false", "log_dest stderr",
        "log_type error", "log_type warning",
    ]  # fmt: skip
    if os.geteuid() == 0:
        lines.append(f"user {_least_user()}")
    return "\n".join(lines) + "\n"


def _least_user() -> str:
    """Return whom mosquitto becomes when root starts it."""
    users = {entry.pw_name for entry in pwd.getpwall()}
    return next((user for user in ("mosquitto", "nobody") if user in users), "root")


def _spawn(command: list[str], folder: Path, lock: BinaryIO) -> int:
    """Start it in a session of its own, as nobody's child, and return its process id."""
    log = folder / LOG
    with suppress(FileNotFoundError):
        if log.stat().st_size > _MOST_LOG_BYTES:
            log.unlink()
    started = subprocess.run(
        [SHELL, "-c", '"$@" >> "$0" 2>&1 < /dev/null & echo $!', str(log), *command],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        pass_fds=[lock.fileno()],
        start_new_session=True,
        timeout=_START_S,
        check=True,
    )
    return int(started.stdout)


def _serves(broker: OwnBroker, folder: Path) -> bool:
    """Wait until it answers; return False when its process has ended."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and broker.pid is not None:
        if not holds(broker.pid, folder / LOCK):
            return False
        if listens(broker.pid, broker.port) and answers(broker.host, broker.port, within_s=_ASK_S):
            return True
        time.sleep(_POLL_S)
    return False


def _port_of_last_time(lock: BinaryIO) -> int:
    """Return the port that others may know from before; 0 where there was none."""
    lock.seek(0)
    try:
        return int(json.loads(lock.readline())["port"])
    except (ValueError, KeyError, TypeError):
        return 0


def _note(lock: BinaryIO, broker: OwnBroker) -> None:
    """Write the first line, which is all that is read, at once."""
    lock.seek(0)
    lock.write(json.dumps(asdict(broker)).encode() + b"\n")
    lock.truncate()


def _is_taken(folder: Path) -> bool:
    return "in use" in _last_words(folder)


def _last_words(folder: Path) -> str:
    try:
        tail = (folder / LOG).read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip().splitlines()
    except OSError:
        tail = []
    return f"its last words in {folder / LOG}: {' / '.join(tail[-2:]) or 'none'}"


# Whose it is


@contextmanager
def _locked(folder: Path) -> Iterator[BinaryIO | None]:
    """Hold the lock, to be inherited; None where a broker, or whoever starts one, holds it."""
    with open_for_locking(folder / LOCK, os.O_CREAT) as file:
        yield file if try_lock(file, EXCLUSIVE) else None


def _lives(folder: Path) -> bool:
    try:
        with open_for_locking(folder / LOCK) as file:
            return not try_lock(file, SHARED)
    except MissingError:
        return False


async def _serve_amqtt(port: int) -> None:
    """Run amqtt until the process is told to end."""
    import asyncio

    from amqtt.broker import Broker  # type: ignore[import-untyped]

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}", "max_connections": 100}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    await stop.wait()
    await broker.shutdown()


if __name__ == "__main__":
    import asyncio

    asyncio.run(_serve_amqtt(int(sys.argv[1])))
