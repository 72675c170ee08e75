"""Serve runs over UDP and TCP until told to stop, after one line that says where."""

from __future__ import annotations

import contextlib
import json
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from daq.errors import RefusedError, UsageError, WireError
from daq.wire.native import NativeFlag, decode
from simulators.batch import forget_errors, report_errors
from simulators.faults.board import FaultBoard
from simulators.faults.clock import TurnedSupply
from simulators.faults.control import FaultControl
from simulators.faults.rules import Rules
from simulators.options import Service
from simulators.outcome import Outcome
from simulators.plan import AHEAD_BYTES, Show
from simulators.runs import TcpRun, UdpRun
from simulators.supply import Instrument, KeptSupply, Supply
from simulators.truth import Tally, write_truth

_IDLE_S = 0.1
_SEND_BUFFER_BYTES = 8 << 20
_MAX_REQUEST_BYTES = 2048


class Server:
    """The endpoints of one simulator. One thread per endpoint; each serves one run at a time."""

    def __init__(
        self, instrument: Instrument, supply: Supply, service: Service, *, also: Mapping[str, str] | None = None,
        live: bool = False,
    ) -> None:  # fmt: skip
        """Take what to serve. `also`: other endpoints of the same process; `live`: words are made when they are due."""
        if service.start_ticks is not None:
            supply = TurnedSupply(supply, service.start_ticks)
        self._service = service
        self._also = dict(also or {})
        self._supply = supply
        self._profile = instrument.profile
        self._board, wires = self._faults(supply, service, instrument.transports)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._runs = 0
        self._ignored = 0
        self._trouble: BaseException | None = None
        self._udp = self._tcp = None
        if "udp" in wires:
            self._udp = _bound(socket.SOCK_DGRAM, service.host, service.ports["udp"])
            self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
            report_errors(self._udp)
        if "tcp" in wires:
            self._tcp = _bound(socket.SOCK_STREAM, service.host, service.ports["tcp"])
            self._tcp.listen()
            self._tcp.settimeout(0.0)
        kept = KeptSupply(supply) if supply.size_bytes <= AHEAD_BYTES else supply
        self._shows = {
            name: Show(
                kept, speed=None if live else service.speed, datagrams=name == "udp", age_ms=service.packet_age_ms
            )
            for name, endpoint in (("udp", self._udp), ("tcp", self._tcp))
            if endpoint
        }

    def _faults(
        self, supply: Supply, service: Service, transports: tuple[str, ...]
    ) -> tuple[FaultBoard, tuple[str, ...]]:
        """Return the faults and the wires to serve: those that can have all faults given at the start."""
        if service.to and "udp" not in transports:
            raise UsageError(f"--to: profile {self._profile} has no datagrams in the native framing")
        wires = tuple(wire for wire in transports if wire == "udp" or len(supply.sources) == 1)
        if not wires:
            raise RefusedError(f"{len(supply.sources)} sources need udp, which profile {self._profile} does not have")
        board = FaultBoard(
            Rules(supply, paced=service.speed is not None, wires=wires), service.faults, seed=service.fault_seed
        )
        able = tuple(wire for wire in wires if not board.refusals(wire))
        if not able or (service.to and "udp" not in able):
            raise UsageError("; ".join(why for wire in wires for why in board.refusals(wire)))
        return board, able

    def serve(self) -> int:
        """Print the ready line and serve; return 0 after SIGTERM, SIGINT or, with `--once`, one complete run."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        jobs: list[tuple[str, Callable[[], None]]] = []
        if self._udp:
            jobs.append(("udp", self._serve_udp))
        if self._tcp:
            jobs.append(("tcp", self._serve_tcp))
        with _fault_control(self._board) as faults:
            print(json.dumps(self._ready(faults)), flush=True)  # noqa: T201 - the ready line is the contract
            threads = [threading.Thread(target=self._guarded, args=(job,), name=name) for name, job in jobs]
            for thread in threads:
                thread.start()
            while not self._stop.wait(_IDLE_S):
                pass
            for thread in threads:
                thread.join()
        if self._trouble is not None:
            raise self._trouble
        return 0

    def _ready(self, faults: str | None) -> dict[str, Any]:
        places = {"tcp": self._tcp, "udp": self._udp}
        urls = {
            name: f"{name}://{place.getsockname()[0]}:{place.getsockname()[1]}"
            for name, place in places.items()
            if place
        }
        one_each = {name: urls.get(name) for name in places}
        return {"ready": True, "kind": self._service.kind, "endpoints": urls | self._also, "faults": faults, **one_each}

    def _guarded(self, job: Callable[[], None]) -> None:
        """Run an endpoint; a failure of one ends the whole simulator with its message."""
        try:
            job()
        except BaseException as why:  # noqa: BLE001 - raised again by the main thread
            self._trouble = why
        finally:
            self._stop.set()

    def _serve_udp(self) -> None:
        udp, show = self._udp, self._shows["udp"]
        if udp is None:
            return
        peer = self._service.to
        with udp:
            while not self._stop.is_set():
                peer = peer or self._request(udp)
                if peer is None:
                    continue
                forget_errors(udp)
                outcome = self._outcome("udp", peer)
                self._tell(UdpRun(show, self._stop, outcome, self._board, udp, peer).perform())
                peer = self._next_waiting(udp, peer)

    def _serve_tcp(self) -> None:
        tcp, show = self._tcp, self._shows["tcp"]
        if tcp is None:
            return
        with tcp:
            while not self._stop.is_set():
                if not select.select([tcp], [], [], _IDLE_S)[0]:
                    continue
                try:
                    connection, peer = tcp.accept()
                except OSError:  # the client left again, or there are too many open files: it may come back
                    self._stop.wait(_IDLE_S)
                    continue
                with connection:
                    if self._refuses(peer):
                        continue
                    outcome = self._outcome("tcp", peer)
                    self._tell(TcpRun(show, self._stop, outcome, self._board, connection).perform())

    def _refuses(self, peer: tuple[str, int]) -> bool:
        """Tell whether a connection cannot have the faults that are at work, and say so."""
        refusals = self._board.refusals("tcp")
        if refusals:
            self._complain(f"tcp://{peer[0]}:{peer[1]} refused: {'; '.join(refusals)}")
        return bool(refusals)

    @staticmethod
    def _complain(text: str) -> None:
        print(f"simulators: {text}", file=sys.stderr, flush=True)  # noqa: T201

    def _request(self, udp: socket.socket) -> tuple[str, int] | None:
        """Return who asks for a run; None after a while, or when what came is no request."""
        if not select.select([udp], [], [], _IDLE_S)[0]:
            return None
        try:
            datagram, peer = udp.recvfrom(_MAX_REQUEST_BYTES, socket.MSG_DONTWAIT)
        except OSError:  # an error that waits makes a socket "readable" too
            forget_errors(udp)
            return None
        if self._is_request(datagram):
            return str(peer[0]), int(peer[1])
        self._ignored += 1
        return None

    def _next_waiting(self, udp: socket.socket, served: tuple[str, int]) -> tuple[str, int] | None:
        """Return who else asked during a run, first come, first served; drop what the peer just served repeated.

        Receivers repeat a request until they are served, so of several that wait the others come again.
        """
        following: tuple[str, int] | None = None
        while select.select([udp], [], [], 0)[0]:
            peer = self._request(udp)
            following = following or (peer if peer != served else None)
        return following

    def _is_request(self, datagram: bytes) -> bool:
        try:
            return bool(decode(datagram, self._supply.layout.word_bytes).header.flags & NativeFlag.REQUEST)
        except WireError:
            return False

    def _outcome(self, transport: str, peer: tuple[str, int]) -> Outcome:
        tallies = {source: Tally(self._supply.layout) for source in self._supply.sources}
        return Outcome(transport, f"{peer[0]}:{peer[1]}", tallies)

    def _tell(self, outcome: Outcome) -> None:
        """Write the truth of a run; say what cut it short; end when one complete run was asked for."""
        with self._lock:
            self._runs += 1
            if self._service.truth is not None:
                write_truth(self._service.truth, self._truth(outcome))
        if outcome.trouble and not self._stop.is_set():
            sent = sum(tally.words for tally in outcome.tallies.values())
            self._complain(f"run to {outcome.transport}://{outcome.peer} ended after {sent} words: {outcome.trouble}")
        if (outcome.complete or outcome.cut) and self._service.once:
            self._stop.set()

    def _truth(self, outcome: Outcome) -> dict[str, Any]:
        return {
            "kind": self._service.kind,
            "profile": self._profile,
            **self._supply.described(),
            "speed": self._service.speed or "max",
            "run": self._runs,
            "ignored_datagrams": self._ignored,
            **outcome.described(self._shows[outcome.transport]),
        }


@contextlib.contextmanager
def _fault_control(board: FaultBoard) -> Iterator[str | None]:
    """Serve changes of the faults and yield the socket's path; None where no folder can be made for it."""
    try:
        control = FaultControl(board.handle)
    except OSError:
        yield None
        return
    with contextlib.closing(control):
        yield str(control.path)


def _bound(kind: socket.SocketKind, host: str, port: int) -> socket.socket:
    endpoint = socket.socket(socket.AF_INET, kind)
    if kind is socket.SOCK_STREAM:
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        endpoint.bind((host, port))
    except OSError as why:
        endpoint.close()
        raise RefusedError(f"cannot serve on {host}:{port}: {why.strerror}") from None
    return endpoint
