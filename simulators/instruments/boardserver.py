"""Serve a board of registers on UDP, and on TCP what it has there, until told to stop; do to it what is asked for.

A thread reads datagrams and answers at once: a thousandth of a second of an event loop would be most of the time that
an access takes.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from daq.errors import ScandaqError, UsageError
from simulators.faults.control import FaultControl
from simulators.instruments.datagramfaults import KINDS, DatagramFaults
from simulators.instruments.machine import Done

_POLL_S = 0.1
_MOST_BYTES = 65535
_POSSIBLE = (
    'possible are {"wire": {"kind": "missing"}}, {"do": NAME, ...}, {"told": true}, {"clear": true}, {"list": true}'
)

Serves = Callable[[socket.socket, "BoardServer"], None]


class Board(Protocol):
    """What answers datagrams. All its methods are called by one thread at a time."""

    def answer(self, data: bytes) -> bytes | None:
        """Return the answer to a datagram; None where there is none."""

    def deeds(self) -> Mapping[str, Done]:
        """Return what can be done to it by name."""

    def told(self) -> dict[str, Any]:
        """Return what is the case."""


class BoardServer:
    """The wires of one board. `client`: serves one client of TCP in a thread of its own."""

    def __init__(
        self, kind: str, board: Board, *, host: str, ports: Mapping[str, int], client: Serves, seed: int
    ) -> None:
        self.board = board
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self._kind, self._client = kind, client
        self._faults, self._deaf = DatagramFaults(seed), False
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((host, ports.get("udp", 0)))
        self._udp.settimeout(_POLL_S)
        self._tcp = socket.create_server((host, ports.get("tcp", 0)))
        self._tcp.settimeout(_POLL_S)

    def serve(self) -> int:
        """Print the ready line and serve until SIGTERM or SIGINT; return 0."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())
        control = FaultControl(self._asked)
        threads = [
            threading.Thread(target=work, name=work.__name__, daemon=True) for work in (self._datagrams, self._clients)
        ]
        for thread in threads:
            thread.start()
        endpoints = {name: _place(name, wire) for name, wire in (("udp", self._udp), ("tcp", self._tcp))}
        ready = {"ready": True, "kind": self._kind, "endpoints": endpoints, "faults": str(control.path)}
        print(json.dumps(ready | endpoints), flush=True)  # noqa: T201 - the ready line is the contract
        self.stopping.wait()
        for thread in threads:
            thread.join(2 * _POLL_S)
        control.close()
        self._udp.close()
        self._tcp.close()
        return 0

    def _datagrams(self) -> None:
        while not self.stopping.is_set():
            try:
                data, peer = self._udp.recvfrom(_MOST_BYTES)
            except TimeoutError:
                continue
            except OSError:  # the peer of an answer is gone: nothing to do with the next request
                continue
            with self.lock:
                if self._faults.idle and not self._deaf:
                    self._answered(data, peer)
                elif not self._deaf:
                    for delay_s in self._faults.heard():
                        self._later(delay_s, partial(self._spoilt, data, peer))

    def _answered(self, data: bytes, peer: Any) -> None:
        answer = self.board.answer(data)
        if answer is not None:
            self._sent(answer, peer)

    def _spoilt(self, data: bytes, peer: Any) -> None:
        answer = self.board.answer(data)
        for piece in self._faults.apply(answer) if answer is not None else ():
            self._later(piece.delay_s, partial(self._sent, piece.data or b"", peer))

    def _later(self, delay_s: float, work: Callable[[], None]) -> None:
        """Do something now, or later with the lock held; it is held now."""
        if delay_s <= 0:
            work()
            return

        def due() -> None:
            with self.lock:
                work()

        timer = threading.Timer(delay_s, due)
        timer.daemon = True
        timer.start()

    def _sent(self, data: bytes, peer: Any) -> None:
        with contextlib.suppress(OSError):  # nobody is there any more, or the server ends
            self._udp.sendto(data, peer)

    def _clients(self) -> None:
        while not self.stopping.is_set():
            try:
                client, _ = self._tcp.accept()
            except OSError:
                continue
            client.settimeout(_POLL_S)
            threading.Thread(target=self._served, args=(client,), name="client", daemon=True).start()

    def _served(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._client(client, self)

    def _asked(self, asked: Any) -> dict[str, Any]:
        try:
            with self.lock:
                return self._done(asked)
        except ScandaqError as why:
            return {"error": str(why)}

    def _done(self, asked: Any) -> dict[str, Any]:
        match asked:
            case {"wire": dict() as fault}:
                self._faults.add(fault)
            case {"do": "silent"}:
                self._deaf = True
            case {"do": str() as name}:
                self._do(name, {key: value for key, value in asked.items() if key != "do"})
            case {"told": True}:
                return {"told": self.board.told()}
            case {"clear": True}:
                self._faults.clear()
                self._deaf = False
            case {"list": True}:
                return {"wire": KINDS, "do": ["silent", *self.board.deeds()]}
            case _:
                raise UsageError(_POSSIBLE)
        return {"done": True}

    def _do(self, name: str, said: Mapping[str, Any]) -> None:
        deeds = self.board.deeds()
        if name not in deeds:
            raise UsageError(f"nobody can {name!r}: possible are silent, {', '.join(deeds)}")
        deeds[name](said)

    @property
    def deaf(self) -> bool:
        """Return True where it hears nothing any more."""
        return self._deaf


def _place(scheme: str, wire: socket.socket) -> str:
    host, port = wire.getsockname()[:2]
    return f"{scheme}://{host}:{port}"
