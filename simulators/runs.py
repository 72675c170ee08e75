"""One run over UDP or TCP: send the plans in time, tell the truth afterwards."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from daq.wire.native import Header, NativeFlag, encode
from simulators.batch import BatchSender, PeerGoneError, places_of
from simulators.faults.board import FaultBoard
from simulators.faults.items import Items, Stores
from simulators.injection import HEARTBEAT_NS, Injection
from simulators.outcome import Outcome
from simulators.pacing import Pacer, StoppedError
from simulators.plan import Plan, Show
from simulators.run import Run

END_COPIES = 3
END_PAUSE_S = 0.02
_SEND_WAIT_S = 0.1
_LINGER_S = 2.0


class UdpRun(Run):
    """Datagrams in the native framing to one peer."""

    wire = "udp"

    def __init__(
        self,
        show: Show,
        stop: threading.Event,
        outcome: Outcome,
        board: FaultBoard,
        udp: socket.socket,
        peer: tuple[str, int],
    ) -> None:
        super().__init__(show, stop, outcome, board)
        self._udp = udp
        self._peer = peer
        self._sender: BatchSender | None = None
        self._next_beat_ns = HEARTBEAT_NS
        self._beats: dict[int, int] = {}

    @property
    def last_counters(self) -> dict[int, int]:
        """Return the words that the last heartbeat of each source spoke of."""
        return self._beats

    def begin(self) -> None:
        """Send an empty start packet per source: the first words carry the flag again, should this one be lost."""
        if self.injection is not None:
            self.injection.begin()
            return
        for source in self.outcome.tallies:
            self._send_empty(source, NativeFlag.START, 0)

    def take(self, plan: Plan) -> None:
        """Point the system call's tables at the plan's datagrams."""
        self._sender = BatchSender(self._udp, self._peer, *places_of(plan))

    def send(self, plan: Plan, begin: int, stop: int) -> int:
        """Send datagrams by one system call."""
        return self._sender.send(begin, stop) if self._sender else 0

    def put(self, items: Items, stores: Stores) -> int:
        """Send datagrams by as many system calls as it takes; fewer when the kernel has no room for more."""
        sender = BatchSender(self._udp, self._peer, stores.addresses(items), items["length"])
        sent = 0
        while sent < len(items) and (left := sender.send(sent, len(items))):
            sent += left
        return sent

    def rest(self, pacer: Pacer, due_ns: int) -> None:
        """Sleep, but not longer than to the next heartbeat."""
        pacer.wait_until(min(due_ns, self._next_beat_ns))
        self.beat(pacer)

    def beat(self, pacer: Pacer) -> None:
        """Send a heartbeat per source every 100 ms."""
        if pacer.elapsed_ns() < self._next_beat_ns:
            return
        self._next_beat_ns = pacer.elapsed_ns() + HEARTBEAT_NS
        self._beats = self.progress()
        for source, words in self._beats.items():
            self._send_empty(source, NativeFlag.HEARTBEAT, words)
            self.outcome.heartbeats[source] = self.outcome.heartbeats.get(source, 0) + 1

    def end(self) -> None:
        """Send end packets: three copies, a little apart, since datagrams get lost."""
        for copy in range(END_COPIES):
            if copy and self.stop.wait(END_PAUSE_S):
                return
            try:
                for source, words in self.progress().items():
                    self._send_empty(source, NativeFlag.END, words)
            except PeerGoneError:
                if copy == 0:
                    raise
                return  # it has heard the first copy and left

    def _send_empty(self, source: int, flag: NativeFlag, words: int) -> None:
        try:
            self._udp.sendto(encode(Header(source, flag, 0, words)), self._peer)
        except OSError as why:
            raise PeerGoneError(why.strerror or str(why)) from None


class TcpRun(Run):
    """The preamble, the words and nothing else to one connection."""

    wire = "tcp"

    def __init__(
        self,
        show: Show,
        stop: threading.Event,
        outcome: Outcome,
        board: FaultBoard,
        connection: socket.socket,
    ) -> None:
        super().__init__(show, stop, outcome, board)
        self._connection = connection
        connection.settimeout(_SEND_WAIT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def begin(self) -> None:
        """Send the preamble."""
        self._send_all(memoryview(self.show.supply.preamble))
        if self.injection is not None:
            self.injection.begin()

    def send(self, plan: Plan, begin: int, stop: int) -> int:
        """Send one piece of the stream; a second one may be due already and waits for the next call."""
        part = plan.parts[0]
        size = len(part.data) // part.words
        first = int(part.starts[begin])
        self._send_all(part.data.data[first * size : (first + int(plan.order.words[begin])) * size])
        return 1

    def put(self, items: Items, stores: Stores) -> int:
        """Send one item."""
        self._send_all(stores.bytes_of(items[0]).data)
        return 1

    def _finish(self, injection: Injection) -> None:
        super()._finish(injection)
        if self.outcome.cut:
            self._close()
        else:
            self.end()
            injection.injector.recorder.tail(self.show.supply.tail)

    def end(self) -> None:
        """Send a cut word the file may end with and close."""
        self._send_all(memoryview(self.show.supply.tail))
        self._close()

    def _close(self) -> None:
        """Close our direction, wait for the peer to close its own.

        Closing at once would reset the connection, and lose words, if the peer had sent anything.
        """
        deadline = time.monotonic() + _LINGER_S
        try:
            self._connection.shutdown(socket.SHUT_WR)
            while time.monotonic() < deadline and not self.stop.is_set():
                with contextlib.suppress(TimeoutError):
                    if not self._connection.recv(4096):
                        return
        except OSError:
            return  # it has everything it will ever read

    def _send_all(self, data: memoryview) -> None:
        while data:
            try:
                data = data[self._connection.send(data) :]
            except TimeoutError:
                if self.stop.is_set():
                    raise StoppedError("stopped by a signal") from None
            except OSError as why:
                raise PeerGoneError(why.strerror or str(why)) from None
