"""The simulated room of `daq demo console`: whoever lies on the bed when a protocol is prepared, or a sheet source."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_ASK_S = 30.0
_LOOK_S = 0.2
_SECONDS = f"{24 * 3600}"
IDLE = ("ready", "completed", "interrupted", "aborted", "fault")


@dataclass(slots=True)
class Room:
    """One simulated front end, exchanged while nothing is recorded; its ports stay."""

    kind: str
    profile: str
    scanner: str
    shown: Callable[[str], Sequence[str]]
    """Options of the simulator for a protocol; for the empty name: an empty room."""
    say: Callable[[str], None]
    url: str = ""
    motion: str = ""
    _protocol: str = "?"
    _options: tuple[str, ...] = ()
    _there: ExitStack = field(default_factory=ExitStack)

    def enter(self, protocol: str) -> None:
        """Have the room as a protocol wants it."""
        from daq.cli.demostation import simulated

        options = tuple(self.shown(protocol))  # where a body lies, the simulator hears of the bed; else of nothing
        if options == self._options and self.url:
            return
        ports: list[str] = []
        for name, place in (("udp", self.url), ("motion", self.motion if "--body" in options else "")):
            ports += ["--port", f"{name}={urlsplit(place).port}"] if place else []
        self._there.close()
        ready = self._there.enter_context(
            simulated(self.kind, self.profile, (*options, *ports), self.scanner, seconds=_SECONDS)
        )
        self.url = str(ready["udp"])
        self.motion = str(ready["endpoints"].get("motion", self.motion))
        self._options = options

    def follow(self, socket: Path, ended: threading.Event) -> None:
        """Look at the station until told to end: when a protocol is prepared, its patient lies down."""
        from daq.errors import ScandaqError
        from daq.transports.localclient import LocalClient

        while not ended.wait(_LOOK_S):
            try:
                with LocalClient(socket) as client:
                    while not ended.wait(_LOOK_S):
                        self._look(client.ask("status", within_s=_ASK_S))
            except ScandaqError as why:
                self.say(f"the room does not hear the station: {why}")
                time.sleep(1.0)

    def _look(self, status: dict[str, Any]) -> None:
        if status["state"] not in ("configuring", "positioning", "armed") or not status["protocol"]:
            return
        if status["run"] != self._protocol:
            self._protocol = status["run"]
            self.enter(status["protocol"].split(" ")[0])

    def close(self) -> None:
        """Leave nothing running."""
        self._there.close()
