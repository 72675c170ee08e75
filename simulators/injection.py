"""The sending side of a run with faults: planned packets through the injector, each item out when it is due."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from simulators.faults.board import FaultBoard
from simulators.faults.injector import Injector
from simulators.faults.items import LOST, Items, Stores, What
from simulators.faults.queue import SendQueue
from simulators.faults.recorder import Framing
from simulators.pacing import Pacer, StoppedError
from simulators.plan import Plan, Show
from simulators.truth import Tally

HEARTBEAT_NS = 100_000_000
PIECE = 1024
MAX_WAITING = 1 << 16
"""Items held back, by a pause of one source, at which no source goes on: they are memory."""
LOOK_NS = 20_000_000
"""How long a change of the faults may go unnoticed."""
_PRUNE_AT = 64

Put = Callable[[Items, Stores], int]
"""Sends the first of some items, none of them lost, and returns how many."""


class Injection:
    """Sends a run, or the rest of one, with faults. `put` raises when the peer is gone."""

    def __init__(self, show: Show, board: FaultBoard, wire: str, put: Put, stop: threading.Event) -> None:
        framing: Framing = "native" if wire == "udp" else "stream"
        self.injector = Injector(show.supply, speed=show.speed, framing=framing, seed=board.seed)
        self.heartbeats: dict[int, int] = {}
        self.ended = False
        self._show, self._board, self._wire, self._put, self._stop = show, board, wire, put, stop
        self._queue = SendQueue()
        self._next_beat_ns = HEARTBEAT_NS if framing == "native" else None
        self._now_ns = 0

    def begin(self) -> None:
        """Send the start packets."""
        self._sync()
        self._queue.put(self.injector.begin())
        self._send_due(None)

    def send_plan(self, plan: Plan, begin: int, pacer: Pacer) -> None:
        """Send the packets of `plan` from number `begin` on. What is held back may stay for later."""
        at, count = begin, len(plan.order.part)
        while at < count and not self.injector.cut_at_end:
            stop = min(at + PIECE, self._ready(plan, at, pacer.elapsed_ns()))
            if stop > at:
                self._queue.put(self.injector.take(plan, at, stop, pacer.elapsed_ns()))
                at = stop
            self._step(pacer, self._next_ns(plan, at) if at < count else 0)

    def finish(self, pacer: Pacer) -> None:
        """Send what was held back or is on its way, then what comes at the end."""
        while len(self._queue):
            self._step(pacer, None)
        self._next_beat_ns = None
        self._queue.put(self.injector.finish(pacer.elapsed_ns()))
        while len(self._queue):
            self._step(pacer, None)

    def tallies(self, planned: dict[int, Tally]) -> dict[int, Tally]:
        """Return the account of the words that were made; `planned` holds where none were since."""
        return self.injector.tallies(planned)

    def described(self) -> dict[str, Any]:
        """Return what the truth file says of faults."""
        recorder = self.injector.recorder
        return {
            "faults": self.injector.applied,
            "fault_seed": self._board.seed,
            "injected": recorder.summary(),
            "expected": recorder.expected(),
        }

    def _sync(self) -> None:
        self.injector.sync(self._board.faults(self._wire))

    def _ready(self, plan: Plan, at: int, now_ns: int) -> int:
        """Return up to which packet of the plan the time has come."""
        if len(self._queue) > MAX_WAITING:
            return at
        shift_ns = self.injector.shift_ns
        if not self._show.paced:
            return len(plan.order.part) if shift_ns <= now_ns else at
        return int(np.searchsorted(plan.order.due_ns, now_ns - shift_ns, "right"))

    def _next_ns(self, plan: Plan, at: int) -> int | None:
        """Return when the next packet of the plan can be taken; None where that is for the queue to say."""
        if len(self._queue) > MAX_WAITING:
            return None
        return int(plan.order.due_ns[at]) + self.injector.shift_ns if self._show.paced else self.injector.shift_ns

    def _step(self, pacer: Pacer, next_ns: int | None) -> None:
        """Send what is due; with nothing to do, wait for what comes next, but not long."""
        if self._stop.is_set():
            raise StoppedError("stopped by a signal")
        self._sync()
        self._beat(pacer.elapsed_ns())
        self._send_due(pacer)
        if len(self.injector.stores) > _PRUNE_AT:
            self.injector.prune(self._queue.items)
        times = [t for t in (next_ns, self._queue.next_ns, self._next_beat_ns) if t is not None]
        now_ns = pacer.elapsed_ns()
        if times and min(times) > now_ns:
            pacer.wait_until(min(*times, now_ns + LOOK_NS))

    def _beat(self, now_ns: int) -> None:
        """Send a heartbeat per source every 100 ms."""
        if self._next_beat_ns is not None and now_ns >= self._next_beat_ns:
            self._next_beat_ns = now_ns + HEARTBEAT_NS
            self._queue.put(self.injector.heartbeats(now_ns))

    def _send_due(self, pacer: Pacer | None) -> None:
        """Send items whose time has come, in order, and account for them."""
        while len(due := self._queue.due(pacer.elapsed_ns() if pacer else 0)[:PIECE]):
            if self._stop.is_set():
                raise StoppedError("stopped by a signal")
            real = np.flatnonzero(due["length"] != LOST)
            sent = self._put(due[real], self.injector.stores) if len(real) else 0
            passed = due[: int(real[sent])] if sent < len(real) else due
            if pacer and self._show.paced and len(passed):
                pacer.left(int(passed["due_ns"][0]))
            self.injector.recorder.passed(passed)
            self._count(passed)
            self._queue.drop(len(passed))

    def _count(self, items: Items) -> None:
        counters = items[(items["what"] >= What.HEARTBEAT) & (items["length"] != LOST)]
        self.ended = self.ended or bool((counters["what"] == What.END).any())
        beats = counters[(counters["what"] == What.HEARTBEAT) & (counters["copy"] == 0)]
        for source in beats["source"].tolist():
            self.heartbeats[source] = self.heartbeats.get(source, 0) + 1
