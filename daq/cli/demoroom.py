"""The simulated room of `daq demo console`: whoever lies on the bed when a protocol is prepared, or a sheet source."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_ASK_S = 30.0
_LOOK_S = 0.2
_AGAIN_S = 1.0


@dataclass(slots=True)
class Room:
    """Follows a station: when a protocol is prepared, its patient lies down; when it starts, a bolus is injected."""

    motion: str
    """The endpoint of the simulator that hears of it."""
    boluses: frozenset[str]
    """Protocols whose patient is injected when the first step begins."""
    say: Any
    _run: str = ""
    _injected: str = ""
    _ended: threading.Event = field(default_factory=threading.Event)

    def follow(self, socket: Path) -> None:
        """Look at the station until told to end."""
        from daq.errors import ScandaqError
        from daq.transports.localclient import LocalClient

        while not self._ended.wait(_LOOK_S):
            try:
                with LocalClient(socket) as client:
                    while not self._ended.wait(_LOOK_S):
                        self.look(client.ask("status", within_s=_ASK_S))
            except ScandaqError as why:
                self.say(f"the room does not hear the station: {why}")
                self._ended.wait(_AGAIN_S)

    def look(self, status: Mapping[str, Any]) -> None:
        """Do what a state of the station calls for."""
        run, protocol = status["run"], str(status["protocol"] or "")
        if status["state"] == "preparing" and run and run != self._run:
            self._run = run
            self._tell({"scene": protocol})
        if status["state"] == "acquiring" and run and run != self._injected and protocol in self.boluses:
            self._injected = run
            now_ns = time.monotonic_ns()
            self._tell({"axis": "injection", "monotonic_ns": now_ns, "position": 0.0, "target": 1e9, "speed": 1.0})

    def end(self) -> None:
        """Follow no more."""
        self._ended.set()

    def _tell(self, message: Mapping[str, Any]) -> None:
        from daq.transports.datagram import send_datagram

        place = urlsplit(self.motion)
        send_datagram(str(place.hostname), int(place.port or 0), json.dumps(message).encode())
