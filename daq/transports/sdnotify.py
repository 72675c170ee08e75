"""Tell systemd how the daemon is: ready, stopping, alive. Without systemd nothing is sent.

A message is a datagram of lines `KEY=value` to the socket that `$NOTIFY_SOCKET` names, a path or, with a leading `@`,
an abstract name (sd_notify(3)). Sending never waits; what the socket does not take is counted in `lost`.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import MutableMapping

_LOG = logging.getLogger(__name__)
SOCKET = "NOTIFY_SOCKET"
WATCHDOG_USEC = "WATCHDOG_USEC"
WATCHDOG_PID = "WATCHDOG_PID"
_MOST_STATUS = 300


class Notify:
    """Sends to the socket at `address`; None sends nothing.

    `watchdog_s`: within this time systemd wants to hear `alive`; None where it does not watch.
    """

    def __init__(self, address: str | None, watchdog_s: float | None = None) -> None:
        self._address = _native(address) if address else None
        self._socket: socket.socket | None = None
        self.watchdog_s = watchdog_s if address else None
        self.lost = 0

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] = os.environ) -> Notify:
        """Return what the environment says, and take it out: processes that we start are not watched instead of us."""
        address = environment.pop(SOCKET, None)
        usec, pid = environment.pop(WATCHDOG_USEC, ""), environment.pop(WATCHDOG_PID, "")
        ours = not pid or pid == str(os.getpid())
        watchdog_s = int(usec) / 1e6 if usec.isdigit() and int(usec) and ours else None
        if address is not None and address[:1] not in ("/", "@"):
            _LOG.warning(
                "%s is %r: only paths and abstract names (@...) are known; systemd is told nothing", SOCKET, address
            )
            address = None
        return cls(address, watchdog_s)

    @property
    def heard(self) -> bool:
        """Return True where there is somebody to tell."""
        return self._address is not None

    def ready(self, status: str = "") -> None:
        """Say that the daemon serves."""
        self._send("READY=1", _status(status))

    def status(self, text: str) -> None:
        """Say in one line what the daemon does; no patient's data, `systemctl status` shows it to everybody."""
        self._send(_status(text))

    def reloading(self) -> None:
        """Say that the configuration is read again; `ready` says that this is done."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str = "") -> None:
        """Say that the daemon ends."""
        self._send("STOPPING=1", _status(status))

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def extend(self, seconds: float) -> None:
        """Ask for so much more time to start or to stop."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def close(self) -> None:
        """Send nothing more."""
        self._address = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._socket.setblocking(False)  # noqa: FBT003 - a positional argument of the library's
            self._socket.sendto("\n".join(filter(None, lines)).encode(), self._address)
        except OSError as why:
            self.lost += 1
            if self.lost == 1:
                _LOG.warning("systemd cannot be told %s: %s", lines[0], why.strerror)


def _status(text: str) -> str:
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return f"STATUS={line[:_MOST_STATUS]}" if text else ""


def _native(address: str) -> str:
    return "\0" + address[1:] if address.startswith("@") else address
