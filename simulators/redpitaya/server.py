"""The two servers of the board, `mcpha-server` and `pha-server`: each serves one client after the other, as they do."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from daq.errors import RefusedError
from daq.wire.mcpha import COMMAND_BYTES, Code, EventLayout, command, encode_events
from simulators.faults.board import FaultBoard
from simulators.faults.control import FaultControl
from simulators.faults.spec import FaultSpec
from simulators.redpitaya.board import Board
from simulators.redpitaya.scene import Codes, Component, noise
from simulators.truth import write_truth

_POLL_S = 0.02
_SEND_S = 5.0
_NOISE_BINS = 64


class Setup(NamedTuple):
    """Where and how the board serves. `source`: pulse heights of what `hot` faults add."""

    host: str
    ports: dict[str, int]
    events: EventLayout
    once: bool
    truth: Path | None
    described: dict[str, Any]
    source: Codes
    seed: int


class Servers:
    """Both servers of one board, until told to stop, or with `once` until a client of either has left."""

    def __init__(self, setup: Setup, board: Board, faults: FaultBoard) -> None:
        self._setup, self.board, self._faults = setup, board, faults
        self._stop = threading.Event()
        self._done: set[int] = set()
        self._away_until_s = 0.0
        self._silent_until_s = 0.0
        self._clients = 0
        self._sockets = {name: _bound(setup.host, setup.ports.get(name, 0)) for name in ("mcpha", "pha")}
        self._places = {name: each.getsockname()[:2] for name, each in self._sockets.items()}

    def serve(self) -> int:
        """Print the ready line and serve; return 0."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        with contextlib.ExitStack() as stack:
            control = None
            with contextlib.suppress(OSError):  # no folder can be made for the socket: then there is none
                control = stack.enter_context(contextlib.closing(FaultControl(self._faults.handle)))
            urls = {name: f"tcp://{host}:{port}" for name, (host, port) in self._places.items()}
            ready = {"ready": True, "kind": "redpitaya-mcpha", "endpoints": urls}
            print(json.dumps(ready | {"faults": str(control.path) if control else None}), flush=True)  # noqa: T201
            jobs = {"mcpha": self._mcpha, "pha": self._pha}
            threads = [threading.Thread(target=self._accept, args=each, name=each[0]) for each in jobs.items()]
            for thread in threads:
                thread.start()
            while not self._stop.wait(_POLL_S):
                self._break()
            for thread in threads:
                thread.join()
        self._tell()
        return 0

    def _accept(self, name: str, client: Callable[[socket.socket], None]) -> None:
        """Serve one client after the other; none while the board is away."""
        while not self._stop.is_set():
            if self._away():
                self._sockets[name].close()
                self._stop.wait(max(0.0, self._away_until_s - time.monotonic()))
                self._sockets[name] = _bound(*self._places[name])
                continue
            self._sockets[name].settimeout(_POLL_S)
            with contextlib.suppress(TimeoutError):
                connection, _ = self._sockets[name].accept()
                with connection:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    with contextlib.suppress(OSError):  # it has left
                        client(connection)
                self._left()
        self._sockets[name].close()

    def _mcpha(self, connection: socket.socket) -> None:
        kept = bytearray()
        while not self._stop.is_set() and not self._away():
            if not self._hear(connection, kept):
                return
            if time.monotonic() < self._silent_until_s:
                continue
            while len(kept) >= COMMAND_BYTES:
                answer = self.board.command(bytes(kept[:COMMAND_BYTES]))
                del kept[:COMMAND_BYTES]
                if answer:
                    connection.settimeout(_SEND_S)
                    connection.sendall(answer)

    def _pha(self, connection: socket.socket) -> None:
        kept = bytearray()
        sending = False
        while not self._stop.is_set() and not self._away():
            if not self._hear(connection, kept):
                break
            while len(kept) >= COMMAND_BYTES:
                sending |= self.board.pha_command(bytes(kept[:COMMAND_BYTES]))
                del kept[:COMMAND_BYTES]
            if sending:
                connection.settimeout(_SEND_S)
                connection.sendall(encode_events(self.board.take_events(), self._setup.events))
        self.board.stop_lists()

    @staticmethod
    def _hear(connection: socket.socket, kept: bytearray) -> bool:
        """Add what the client says to `kept`, after a short wait at most; return False when it has left."""
        connection.settimeout(_POLL_S)
        try:
            chunk = connection.recv(4096)
        except TimeoutError:
            return True
        kept += chunk
        return bool(chunk)

    def _left(self) -> None:
        self._clients += 1
        self._tell()
        if self._setup.once and not self._away():
            self._stop.set()

    def _away(self) -> bool:
        return time.monotonic() < self._away_until_s

    def _break(self) -> None:
        """Do what faults ask for at this time."""
        now_s = self.board.scene_s
        if not self._faults.active or now_s is None:
            return
        for fault in self._faults.faults("tcp"):
            if fault.number not in self._done and now_s >= (fault.spec.at_s or 0.0):
                self._done.add(fault.number)
                self._suffer(fault.spec, now_s)

    def _suffer(self, spec: FaultSpec, now_s: float) -> None:
        for_s = spec.for_s or 0.0
        if spec.kind in ("cut", "reboot"):
            self._away_until_s = time.monotonic() + for_s
            if spec.kind == "reboot":
                self.board.switch_on()
        elif spec.kind == "stall":
            self._silent_until_s = time.monotonic() + for_s
        elif spec.kind in ("reset", "stop"):
            self.board.command(command(Code.RESET_HISTOGRAM if spec.kind == "reset" else Code.RUN))
        else:
            codes = self._setup.source if spec.kind == "hot" else noise(_NOISE_BINS, self._setup.seed)
            self.board.disturb(Component(codes, spec.cps or 0.0, from_s=now_s, until_s=now_s + for_s))

    def _tell(self) -> None:
        """Write the truth."""
        if self._setup.truth is not None:
            truth = {
                "kind": "redpitaya-mcpha", **self._setup.described, **self.board.described(), "clients": self._clients,
                "faults": self._faults.texts, "faults_done": len(self._done),
            }  # fmt: skip
            write_truth(self._setup.truth, truth)


def _bound(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(8)
    except OSError as why:
        listener.close()
        raise RefusedError(f"cannot serve on {host}:{port}: {why.strerror}") from None
    return listener
