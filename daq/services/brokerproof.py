"""Which process is the station's own broker: told by who holds its lock, not by a number that was written down."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

LOCK = "lock"
CONFIG = "mosquitto.conf"
MODULE = "daq.services.broker"
SHELL = "/bin/sh"
_LOOPBACK = "0100007F"
_LISTENING = "0A"
"""As the kernel writes them in /proc/net/tcp."""


def is_ours(pid: int, folder: Path) -> bool:
    """Return True when a process is a broker that holds our lock; whoever starts one holds it, too, for a moment."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        told = {os.fsencode(folder / CONFIG), MODULE.encode()}
        return words[0] != SHELL.encode() and bool(told & set(words)) and holds(pid, folder / LOCK)
    return False


def holds(pid: int, file: Path) -> bool:
    """Return True when a process has the file open, and locked through that."""
    with suppress(OSError):
        wanted = file.stat()
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if os.path.samestat(descriptor.stat(), wanted):
                    return "FLOCK" in Path(f"/proc/{pid}/fdinfo/{descriptor.name}").read_text(encoding="ascii")
    return False


def listens(pid: int | None, port: int) -> bool:
    """Return True when it is this process that listens on the port."""
    with suppress(OSError):
        rows = [row.split() for row in Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
        ours = {f"socket:[{row[9]}]" for row in rows if row[1] == f"{_LOOPBACK}:{port:04X}" and row[3] == _LISTENING}
        return any(str(descriptor.readlink()) in ours for descriptor in Path(f"/proc/{pid}/fd").iterdir())
    return False


def search(folder: Path) -> int | None:
    """Return the broker that holds our lock, whatever the lock says."""
    everybody = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return next((pid for pid in everybody if is_ours(pid, folder)), None)


def send(pid: int, number: signal.Signals, folder: Path) -> None:
    """Send a signal to the process if it still is our broker."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            if is_ours(pid, folder):
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)
