"""Wires from one simulated machine to others: what happens to it is done to them, over their side sockets.

So a safety controller cuts the power of drives that are other processes, as a contactor would.
"""

from __future__ import annotations

import json
import queue
import socket
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daq.errors import UsageError

_MOST_WAITING = 256
_ANSWER_S = 2.0


@dataclass(frozen=True, slots=True)
class WireTo:
    """When `event` happens, `say` is asked of the side socket at `path`."""

    event: str
    path: str
    say: Mapping[str, Any]


class Wires:
    """All wires that leave a machine. What is at their other end is told by a thread, in the order of what happened."""

    def __init__(self, events: tuple[str, ...]) -> None:
        self.events = events
        self.lost = 0
        """What could not be said: nobody listened, or too much was waiting."""
        self._wires: list[WireTo] = []
        self._due: queue.Queue[WireTo] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None

    def connect(self, event: str, path: str, say: Any) -> None:
        """Lay a wire. Raises `UsageError` for an event that never happens, and for what is no request."""
        if event not in self.events:
            raise UsageError(f"a wire for {event!r}: there are {', '.join(self.events)}")
        if not isinstance(say, Mapping):
            raise UsageError(f'a wire for {event}: {say!r} is nothing to say; e.g. {{"do": "cut-power"}}')
        self._wires.append(WireTo(event, path, dict(say)))

    def happened(self, event: str) -> None:
        """Tell all that are wired to an event; returns at once."""
        for wire in self._wires:
            if wire.event != event:
                continue
            if self._due.full():
                self.lost += 1
                continue
            self._due.put_nowait(wire)
            if self._thread is None:
                self._thread = threading.Thread(target=self._tell_all, name="wires", daemon=True)
                self._thread.start()

    def _tell_all(self) -> None:
        while True:
            wire = self._due.get()
            why = _told(wire)
            if why:
                self.lost += 1
                print(f"simulators: wire {wire.event} to {wire.path}: {why}", file=sys.stderr, flush=True)  # noqa: T201


def _told(wire: WireTo) -> str:
    """Say it, and return what went wrong, or nothing."""
    try:
        with socket.socket(socket.AF_UNIX) as side:
            side.settimeout(_ANSWER_S)
            side.connect(wire.path)
            side.sendall(json.dumps(wire.say).encode() + b"\n")
            answer = json.loads(side.makefile().readline())
    except (OSError, ValueError) as why:
        return str(why)
    return str(answer["error"]) if "error" in answer else ""
