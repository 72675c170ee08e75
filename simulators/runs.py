"""One run over UDP or TCP: send the plans in time, tell the truth afterwards."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from daq.wire.native import Header, NativeFlag, encode
from simulators.batch import BATCH, BatchSender, PeerGoneError
from simulators.pacing import Pacer
from simulators.plan import Plan, Show
from simulators.truth import Tally

HEARTBEAT_NS = 100_000_000
END_COPIES = 3
END_PAUSE_S = 0.02
_SEND_WAIT_S = 0.1
_LINGER_S = 2.0


@dataclass(slots=True)
class Outcome:
    """What a run sent so far; `trouble` says why it ended before its end."""

    transport: str
    peer: str
    tallies: dict[int, Tally]
    packets: dict[int, int] = field(default_factory=dict)
    heartbeats: dict[int, int] = field(default_factory=dict)
    lateness_ns: int | None = None
    complete: bool = False
    trouble: str = ""

    def described(self, show: Show) -> dict[str, Any]:
        """Return the run's part of the truth file."""
        sources = [
            {
                "source": source,
                **tally.summary(show.supply.clock),
                "packets": self.packets.get(source, 0) if self.transport == "udp" else None,
                "heartbeats": self.heartbeats.get(source, 0),
            }
            for source, tally in sorted(self.tallies.items())
        ]
        totals = {
            key: sum(int(s[key] or 0) for s in sources) for key in ("words", "events", "bytes", "packets", "heartbeats")
        }
        return {
            "transport": self.transport,
            "peer": self.peer,
            "complete": self.complete,
            "trouble": self.trouble or None,
            **totals,
            **({} if self.transport == "udp" else {"packets": None}),
            "lateness_ms": None if self.lateness_ns is None else self.lateness_ns / 1e6,
            "sources": sources,
        }


class StoppedError(Exception):
    """The simulator was told to stop in the middle of a run."""


class _Run:
    """What runs over UDP and TCP share: the position in the plan, the pace and the account."""

    def __init__(self, show: Show, stop: threading.Event, outcome: Outcome) -> None:
        self.show = show
        self.stop = stop
        self.outcome = outcome
        self.plan: Plan | None = None
        self.sent = 0

    def perform(self) -> Outcome:
        """Send everything and return the account, also when the peer went away or a stop was asked for."""
        try:
            self.begin()
            with contextlib.closing(self.show.run()) as plans:
                self._send_plans(plans)
            self.end()
        except (PeerGoneError, StoppedError) as why:
            self.outcome.trouble = str(why)
            self._account_for_part()
        else:
            self.outcome.complete = True
        return self.outcome

    def _send_plans(self, plans: Iterator[Plan]) -> None:
        pacer: Pacer | None = None
        for plan in plans:
            pacer = pacer or Pacer(self.stop)  # the first plan may take a while to make
            self.plan, self.sent = plan, 0
            self.take(plan)
            self._send_plan(plan, pacer)
            self.outcome.tallies = plan.after
            self._count_packets(plan, len(plan.order.part))
            self.plan = None
            if self.show.paced:
                self.outcome.lateness_ns = pacer.lateness_ns

    def _send_plan(self, plan: Plan, pacer: Pacer) -> None:
        due_ns, count = plan.order.due_ns, len(plan.order.part)
        while self.sent < count:
            if self.stop.is_set():
                raise StoppedError("stopped by a signal")
            ready = min(self.sent + BATCH, count)
            if self.show.paced:
                first_due = int(due_ns[self.sent])
                if first_due > pacer.elapsed_ns():
                    self.rest(pacer, first_due)
                    continue
                pacer.left(first_due)
                ready = min(ready, int(np.searchsorted(due_ns, pacer.elapsed_ns(), "right")))
            self.sent += self.send(plan, self.sent, ready)
            self.beat(pacer)

    def progress(self) -> dict[int, int]:
        """Return the words sent per source."""
        words = {source: tally.words for source, tally in self.outcome.tallies.items()}
        if self.plan is not None:
            order = self.plan.order
            for index, part in enumerate(self.plan.parts):
                words[part.source] += int(order.words[: self.sent][order.part[: self.sent] == index].sum())
        return words

    def _count_packets(self, plan: Plan, sent: int) -> None:
        for index, part in enumerate(plan.parts):
            packets = int((plan.order.part[:sent] == index).sum())
            self.outcome.packets[part.source] = self.outcome.packets.get(part.source, 0) + packets

    def _account_for_part(self) -> None:
        """Count what was sent of a plan that was not finished."""
        if self.plan is None:
            return
        progress = self.progress()
        tallies = dict(self.outcome.tallies)
        for part in self.plan.parts:
            tallies[part.source] = part.tally_after(progress[part.source] - part.before.words)
        self._count_packets(self.plan, self.sent)
        self.outcome.tallies = tallies

    def begin(self) -> None:
        """Send what comes before the words."""
        raise NotImplementedError

    def take(self, plan: Plan) -> None:
        """Get ready to send the packets of `plan`."""

    def send(self, plan: Plan, begin: int, stop: int) -> int:
        """Send packets `begin` to `stop` of `plan`, return how many left."""
        raise NotImplementedError

    def rest(self, pacer: Pacer, due_ns: int) -> None:
        """Sleep until `due_ns`, or shorter."""
        pacer.wait_until(due_ns)

    def beat(self, pacer: Pacer) -> None:
        """Send heartbeats when it is time."""

    def end(self) -> None:
        """Send what comes after the words."""
        raise NotImplementedError


class UdpRun(_Run):
    """Datagrams in the native framing to one peer."""

    def __init__(
        self, show: Show, stop: threading.Event, outcome: Outcome, udp: socket.socket, peer: tuple[str, int]
    ) -> None:
        super().__init__(show, stop, outcome)
        self._udp = udp
        self._peer = peer
        self._sender: BatchSender | None = None
        self._next_beat_ns = HEARTBEAT_NS

    def begin(self) -> None:
        """Send an empty start packet per source: the first words carry the flag again, should this one be lost."""
        for source in self.outcome.tallies:
            self._send_empty(source, NativeFlag.START, 0)

    def take(self, plan: Plan) -> None:
        """Point the system call's tables at the plan's datagrams."""
        self._sender = BatchSender(self._udp, self._peer, plan)

    def send(self, plan: Plan, begin: int, stop: int) -> int:
        """Send datagrams by one system call."""
        return self._sender.send(begin, stop) if self._sender else 0

    def rest(self, pacer: Pacer, due_ns: int) -> None:
        """Sleep, but not longer than to the next heartbeat."""
        pacer.wait_until(min(due_ns, self._next_beat_ns))
        self.beat(pacer)

    def beat(self, pacer: Pacer) -> None:
        """Send a heartbeat per source every 100 ms."""
        if pacer.elapsed_ns() < self._next_beat_ns:
            return
        self._next_beat_ns = pacer.elapsed_ns() + HEARTBEAT_NS
        for source, words in self.progress().items():
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


class TcpRun(_Run):
    """The preamble, the words and nothing else to one connection."""

    def __init__(self, show: Show, stop: threading.Event, outcome: Outcome, connection: socket.socket) -> None:
        super().__init__(show, stop, outcome)
        self._connection = connection
        connection.settimeout(_SEND_WAIT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def begin(self) -> None:
        """Send the preamble."""
        self._send_all(memoryview(self.show.supply.preamble))

    def send(self, plan: Plan, begin: int, stop: int) -> int:
        """Send one piece of the stream; a second one may be due already and waits for the next call."""
        part = plan.parts[0]
        size = len(part.data) // part.words
        first = int(part.starts[begin])
        self._send_all(part.data.data[first * size : (first + int(plan.order.words[begin])) * size])
        return 1

    def end(self) -> None:
        """Send a cut word the file may end with, close our direction, wait for the peer to close its own.

        Closing at once would reset the connection, and lose words, if the peer had sent anything.
        """
        self._send_all(memoryview(self.show.supply.tail))
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
