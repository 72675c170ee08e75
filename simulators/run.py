"""One run over any wire: the position in the plan, the pace, the account, and from when on faults have their way."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import numpy as np

from simulators.batch import BATCH, PeerGoneError
from simulators.faults.board import FaultBoard
from simulators.faults.items import Items, Stores
from simulators.injection import HEARTBEAT_NS, Injection
from simulators.outcome import Outcome
from simulators.pacing import Pacer, StoppedError
from simulators.plan import Plan, Show


class Run:
    """What runs over UDP and TCP share: the position in the plan, the pace and the account.

    While no fault is at work, packets leave as they are planned. From the first fault on, the `Injection` sends them.
    """

    wire = ""

    def __init__(self, show: Show, stop: threading.Event, outcome: Outcome, board: FaultBoard) -> None:
        self.show = show
        self.stop = stop
        self.outcome = outcome
        self.plan: Plan | None = None
        self.sent = 0
        self.injection: Injection | None = None
        self._board = board
        self._pacer: Pacer | None = None

    def perform(self) -> Outcome:
        """Send everything and return the account, also when the peer went away or a stop was asked for."""
        try:
            self._perform()
        except (PeerGoneError, StoppedError) as why:
            self.outcome.trouble = str(why)
            self._account_for_part()
        else:
            self.outcome.complete = not self.outcome.cut
        if self.injection is not None:
            self._account_for_faults(self.injection)
        return self.outcome

    def _perform(self) -> None:
        if self._board.active:
            self.injection = self._injection()
        self.begin()
        with contextlib.closing(self.show.run()) as plans:
            self._send_plans(plans)
        if self.injection is not None:
            self._finish(self.injection)
        else:
            self.end()

    def _send_plans(self, plans: Iterator[Plan]) -> None:
        for plan in plans:
            pacer = self._pacer = self._pacer or Pacer(self.stop)  # the first plan may take a while to make
            self.plan, self.sent = plan, 0
            if self.injection is None:
                self.take(plan)
                self._send_plan(plan, pacer)
            if self.injection is not None:
                self.injection.send_plan(plan, self.sent, pacer)
            else:
                self.outcome.tallies = plan.after
                self._count_packets(plan, len(plan.order.part))
            self.plan = None
            if self.show.paced:
                self.outcome.lateness_ns = pacer.lateness_ns

    def _injection(self) -> Injection:
        return Injection(self.show, self._board, self.wire, self.put, self.stop)

    def _finish(self, injection: Injection) -> None:
        pacer = self._pacer or Pacer(self.stop)
        try:
            injection.finish(pacer)
        except PeerGoneError:
            if not injection.ended:
                raise  # otherwise it has heard the first end packet and left
        self.outcome.cut = injection.injector.cut_at_end
        if self.outcome.cut:
            self.outcome.trouble = "a fault cut the connection"
        if self.show.paced:
            self.outcome.lateness_ns = pacer.lateness_ns

    def _join_faults(self) -> None:
        """Let the faults begin in the middle of the run."""
        words = self.progress()
        self._account_for_part()
        self.injection = self._injection()
        self.injection.injector.join(words, self.outcome.packets, self.last_counters)

    def _account_for_faults(self, injection: Injection) -> None:
        outcome = self.outcome
        outcome.tallies = injection.tallies(outcome.tallies)
        outcome.packets = {s: done.packets for s, done in injection.injector.recorder.injected.items()}
        for source, count in injection.heartbeats.items():
            outcome.heartbeats[source] = outcome.heartbeats.get(source, 0) + count
        outcome.faults = injection.described()

    @property
    def last_counters(self) -> dict[int, int]:
        """Return the words that the last heartbeat of each source spoke of."""
        return {}

    def _send_plan(self, plan: Plan, pacer: Pacer) -> None:
        due_ns, count = plan.order.due_ns, len(plan.order.part)
        while self.sent < count:
            if self._board.active:
                self._join_faults()
                return
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
        if self.stop.is_set():
            raise StoppedError("stopped by a signal")
        self.beat(pacer)  # also where a stretch of time had no words

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
        if self.plan is None or self.injection is not None:
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

    def put(self, items: Items, stores: Stores) -> int:
        """Send the first of some items with faults, none of them lost, return how many left."""
        raise NotImplementedError

    def rest(self, pacer: Pacer, due_ns: int) -> None:
        """Sleep until `due_ns`, or shorter: faults may come."""
        pacer.wait_until(min(due_ns, pacer.elapsed_ns() + HEARTBEAT_NS))

    def beat(self, pacer: Pacer) -> None:
        """Send heartbeats when it is time."""

    def end(self) -> None:
        """Send what comes after the words."""
        raise NotImplementedError
