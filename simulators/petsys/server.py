"""One front end on one UDP socket: it hears, answers, and sends frames, all in one thread."""

from __future__ import annotations

import contextlib
import heapq
import json
import select
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from daq.errors import RefusedError, WireError
from daq.wire.petsys import REPLY_MARK, Reply, decode_command, is_hello
from daq.wire.petsys_config import Register
from simulators.batch import PeerGoneError, forget_errors, refused_by, report_errors
from simulators.faults.board import FaultBoard
from simulators.faults.control import FaultControl
from simulators.petsys.loop import Content, State
from simulators.petsys.replyfaults import ReplyFaults
from simulators.petsys.stream import Pace, Peer, Stream
from simulators.petsys.unit import Unit
from simulators.truth import write_truth

_STEP_S = 0.002
_IDLE_S = 0.1
_LINGER_NS = 500_000_000
"""With all ASICs disabled, idle frames go on for so long after the last command: the host sees that nothing is left."""
_SEND_BUFFER_BYTES = 8 << 20
_MOST_COMMANDS = 32
_MAX_COMMAND_BYTES = 2048
_CLOCK_NS = 5


class Setup(NamedTuple):
    """Where and how a front end serves. `free_run`: frames, with events, from the hello on."""

    host: str
    port: int
    asics: int
    pace: Pace
    datagram_words: int
    free_run: bool
    once: bool
    truth: Path | None
    described: dict[str, Any]


class FrontEnd:
    """Serves until told to stop, or with `once` until one run is over."""

    def __init__(self, setup: Setup, content: Content, board: FaultBoard) -> None:
        self._setup, self._content, self._board = setup, content, board
        self._stop = threading.Event()
        self._replies = ReplyFaults(board)
        self._began_ns = time.monotonic_ns()
        self.unit = Unit(setup.asics, self._replies, self._time_tag, self._uptime)
        self._peer: Peer | None = None
        self._stream: Stream | None = None
        self._clock: Stream | None = None
        self._synced = 0
        self._disabled_ns: int | None = None
        self._deaf_until_ns = 0
        self._rebooted: set[int] = set()
        self._waiting: list[tuple[int, int, bytes, Peer]] = []
        self._put = 0
        self._faults: tuple[Any, ...] = ()
        self._runs = 0
        if setup.free_run:
            self.unit.registers.put(Register.ASIC_ENABLE, self.unit.bus.present)
        for enabled in (0, self.unit.bus.present):
            content.loop(State(enabled))
        self._udp = _bound(setup.host, setup.port)

    def serve(self) -> int:
        """Print the ready line and serve; return 0 after SIGTERM or SIGINT or, with `once`, a run."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        with self._udp, contextlib.ExitStack() as stack:
            faults = None
            with contextlib.suppress(OSError):  # no folder can be made for the socket: then there is none
                faults = stack.enter_context(contextlib.closing(FaultControl(self._board.handle)))
            host, port = self._udp.getsockname()
            url = f"udp://{host}:{port}"
            ready = {"ready": True, "kind": "petsys-gbe", "endpoints": {"udp": url}, "udp": url}
            print(json.dumps(ready | {"faults": str(faults.path) if faults else None}), flush=True)  # noqa: T201
            while not self._stop.is_set():
                self.turn()
            self._end("stopped by a signal")
        return 0

    def turn(self) -> None:
        """Hear what there is, send what is due, then wait a little where there is nothing to do."""
        now_ns = time.monotonic_ns()
        self._reboot(now_ns)
        more = self._send(now_ns)
        wait_s = 0.0 if more else _STEP_S if self._stream or self._waiting else _IDLE_S
        if select.select([self._udp], [], [], wait_s)[0]:
            self._hear()
        self._send_replies()

    def _hear(self) -> None:
        if self._peer in refused_by(self._udp):
            self._leave("nobody listens at its port any more")
        for _ in range(_MOST_COMMANDS):
            try:
                datagram, (host, port) = self._udp.recvfrom(_MAX_COMMAND_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:  # an error of before, of which the list above has told all
                continue
            if time.monotonic_ns() >= self._deaf_until_ns:
                self._take(datagram, (str(host), int(port)))

    def _take(self, datagram: bytes, peer: Peer) -> None:
        if is_hello(datagram):
            self.unit.counts["hello"] += 1
            self._peer = peer
            self._later(0.0, bytes([REPLY_MARK]) + datagram, peer)
            if self._setup.free_run and self._stream is None:
                self._begin()
            return
        try:
            command = decode_command(datagram)
        except WireError:
            self.unit.counts["not understood"] += 1
            return
        self._peer = peer
        payload = self.unit.answer(command.function, command.payload)
        if payload is not None:
            for after_s, reply in self._replies.sent(Reply(command.serial, command.function, payload)):
                self._later(after_s, reply, peer)
            self._send_replies()  # what follows may take a while, and nothing else is heard meanwhile
        self._obey()

    def _obey(self) -> None:
        """Do what registers say since the last command."""
        if self.unit.syncs != self._synced:
            self._synced = self.unit.syncs
            self._begin()
        elif self._stream:
            self._stream.enable(self.unit.enabled)
        over = self._stream is not None and self._stream.had_events and not self.unit.enabled
        self._disabled_ns = time.monotonic_ns() if over else None

    def _begin(self) -> None:
        self._end("")
        forget_errors(self._udp)
        self._disabled_ns = None
        setup = self._setup
        self._stream = self._clock = Stream(
            self._content, setup.pace, self._board, self._udp, time.monotonic_ns(), setup.datagram_words
        )
        self._stream.enable(self.unit.enabled)

    def _send(self, now_ns: int) -> bool:
        """Send a batch of frames; return whether more are due."""
        stream = self._stream
        if stream is None or self._peer is None:
            return False
        if self._disabled_ns is not None and now_ns > self._disabled_ns + _LINGER_NS:
            self._end("")
            return False
        faults = self._board.faults("udp")
        if faults != self._faults:
            self._faults = faults
            stream.changed()
        try:
            return stream.step(now_ns, self._peer)
        except PeerGoneError as why:
            gone = refused_by(self._udp)
            if not gone or self._peer in gone:  # otherwise it was one of before
                self._leave(str(why))
            return False

    def _leave(self, why: str) -> None:
        self._peer = None
        self._end("" if self._stream and self._stream.complete else why)

    def _reboot(self, now_ns: int) -> None:
        """Die where a fault says so: no run, no memory, no answer for a while."""
        stream = self._stream
        if stream is None or not self._board.active:
            return
        for fault in self._board.faults("udp"):
            spec = fault.spec
            due = spec.kind == "reboot" and fault.number not in self._rebooted
            if due and stream.seconds(now_ns) >= (spec.at_s or 0.0):
                self._rebooted.add(fault.number)
                self._end("rebooted")
                self._waiting.clear()
                self._peer = self._clock = None
                self.unit.reset()
                self._deaf_until_ns = now_ns + round((spec.for_s or 0.0) * 1e9)
                self._began_ns = self._deaf_until_ns
                return

    def _later(self, after_s: float, datagram: bytes, peer: Peer) -> None:
        self._put += 1
        heapq.heappush(self._waiting, (time.monotonic_ns() + round(after_s * 1e9), self._put, datagram, peer))

    def _send_replies(self) -> None:
        while self._waiting and self._waiting[0][0] <= time.monotonic_ns():
            _, _, datagram, peer = heapq.heappop(self._waiting)
            with contextlib.suppress(OSError):  # it has left: the next frames will tell
                self._udp.sendto(datagram, peer)

    def _end(self, trouble: str) -> None:
        """End the run, if there is one, and write the truth about it."""
        stream, self._stream = self._stream, None
        self._disabled_ns = None
        if stream is None:
            return
        stream.close()
        self._runs += 1
        if trouble:
            print(f"simulators: run ended after {stream.number} frames: {trouble}", file=sys.stderr)  # noqa: T201
        if self._setup.truth is not None:
            write_truth(self._setup.truth, self._truth(stream, trouble))
        if self._setup.once and stream.had_events:
            self._stop.set()

    def _truth(self, stream: Stream, trouble: str) -> dict[str, Any]:
        return {
            "kind": "petsys-gbe",
            **self._setup.described,
            "run": self._runs,
            "peer": f"{self._peer[0]}:{self._peer[1]}" if self._peer else None,
            "complete": stream.complete,
            "trouble": trouble or None,
            **stream.described(),
            "commands": dict(self.unit.counts),
            "faults": self._board.texts,
            "fault_seed": self._board.seed,
            "injected": {**stream.faults.counts, **self._replies.counts, "restarts": stream.restarts},
        }

    def _time_tag(self) -> int:
        now_ns = time.monotonic_ns()
        return self._clock.clocks(now_ns) if self._clock else (now_ns - self._began_ns) // _CLOCK_NS

    def _uptime(self) -> int:
        return (time.monotonic_ns() - self._began_ns) // _CLOCK_NS


def _bound(host: str, port: int) -> socket.socket:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        udp.bind((host, port))
    except OSError as why:
        udp.close()
        raise RefusedError(f"cannot serve on {host}:{port}: {why.strerror}") from None
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    report_errors(udp)
    return udp
