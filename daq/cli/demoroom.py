"""The simulated room of `daq demo console`: whoever lies on the bed when a protocol is prepared, or a sheet source."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_ASK_S = 30.0
_LOOK_S = 0.2
_AGAIN_S = 1.0
_BEFORE = ("preparing", "positioning", "armed", "waiting")
"""States in which what comes next is the step after the one that the station names."""


@dataclass(slots=True)
class Room:
    """Follows a station: when a protocol is prepared, its patient lies down, or a syringe where its step counts one.

    A bolus is injected when the first step begins that is of the patient.
    """

    motion: str
    """The endpoint of the simulator that hears of it."""
    boluses: frozenset[str]
    """Protocols whose patient is injected when his first step begins."""
    say: Any
    of_steps: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The scene of each step, of protocols that do not show the patient alone; a patient's is named by the protocol."""
    _run: str = ""
    _shown: str = ""
    _injected_ns: int | None = None
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
        run, protocol, state = status["run"], str(status["protocol"] or ""), status["state"]
        if not run or state not in (*_BEFORE, "acquiring"):
            return
        if run != self._run:
            self._run, self._shown, self._injected_ns = run, "", None
        self._show(self._scene(protocol, status["step"] + (state in _BEFORE)))
        if state == "acquiring" and self._injected_ns is None and protocol in self.boluses and self._shown == protocol:
            self._injected_ns = time.monotonic_ns()
            self._inject()

    def _scene(self, protocol: str, number: int) -> str:
        """Return what lies there for a step, counted from 1."""
        scenes = self.of_steps.get(protocol, ())
        return scenes[min(number, len(scenes)) - 1] if scenes and number > 0 else protocol

    def _show(self, scene: str) -> None:
        """Bring what is wanted, where it is not there: who comes again was injected when he was."""
        if scene == self._shown:
            return
        self._shown = scene
        self._tell({"scene": scene})
        if self._injected_ns is not None and scene in self.boluses:
            self._inject()

    def _inject(self) -> None:
        said = {"axis": "injection", "monotonic_ns": self._injected_ns, "position": 0.0, "target": 1e9, "speed": 1.0}
        self._tell(said)

    def end(self) -> None:
        """Follow no more."""
        self._ended.set()

    def _tell(self, message: Mapping[str, Any]) -> None:
        from daq.transports.datagram import send_datagram

        place = urlsplit(self.motion)
        send_datagram(str(place.hostname), int(place.port or 0), json.dumps(message).encode())
