"""From planned packets to what really goes out: front ends with faults, then a network with faults. No sockets.

The same seed and the same faults give the same items, however the packets are cut into calls.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from daq.wire.native import NativeFlag
from simulators.faults.badwords import BadWords
from simulators.faults.bench import Bench, Rows
from simulators.faults.clock import ClockTurner
from simulators.faults.frontend import NEVER_NS, FrontEnd
from simulators.faults.items import SLOTS, STARTING, Items, Stores, What, no_items
from simulators.faults.network import Fault, Network, Wire
from simulators.faults.recorder import Framing, Recorder
from simulators.plan import Plan
from simulators.supply import Supply
from simulators.truth import Tally

END_COPIES = 3
END_PAUSE_NS = 20_000_000


class Injector:
    """The faults of one run, whose packets it takes in their planned order.

    `speed`: as of the plans, None flat out. Items it returns become real with `recorder.passed`, which the sender calls
    when they have gone out.
    """

    def __init__(self, supply: Supply, *, speed: float | None, framing: Framing, seed: int) -> None:
        self.stores = Stores()
        bad = BadWords(supply.layout, supply.clock)
        self.recorder = Recorder(supply, framing, self.stores, bad)
        self._wire = Wire(
            seed, 1e9 / (speed or 1.0), self.recorder.header_bytes, supply.layout.word_bytes, self.stores
        )  # fmt: skip
        self._bench = Bench(
            supply.layout, supply.clock, framing, speed is not None, self._wire,
            ClockTurner(supply.layout, supply.clock), bad, self.recorder,
        )  # fmt: skip
        self._framing = framing
        self._front_ends = {source: FrontEnd(self._bench, source, None) for source in supply.sources}
        self._network = Network(self._wire)
        self._known: dict[int, Fault] = {}
        self._through = dict.fromkeys(supply.sources, 0)
        self._row = 0
        self._when_ns = 0
        self.applied: list[str] = []

    def join(self, words: dict[int, int], packets: dict[int, int], counters: dict[int, int]) -> None:
        """Take over a run in its middle: words and packets that went out whole, the last counter sent, by source."""
        for source, count in words.items():
            front_end = self._front_ends[source] = FrontEnd(self._bench, source, count)
            front_end.packets = packets.get(source, 0)
            self._through[source] = packets.get(source, 0) + 1
        self.recorder.before(words, packets, counters)

    def sync(self, faults: Iterable[Fault]) -> None:
        """Make `faults` the ones that are at work: new ones begin now, and if one is gone, all are cleared first."""
        wanted = {fault.number: fault for fault in faults}
        if self._known.keys() - wanted.keys():
            self._network.clear()
            for front_end in self._front_ends.values():
                front_end.clear()
            self._known = {}
        for number, fault in wanted.items():
            if number not in self._known:
                self._network.add(fault)
                for front_end in self._front_ends.values():
                    front_end.add(fault)
                self.applied.append(fault.spec.text)
        self._known = wanted

    def begin(self) -> Items:
        """Return the start packets."""
        starts = [f.start_items(STARTING, 0, 0) for f in self._front_ends.values() if f.on and not f.started]
        return self._carried(np.concatenate([no_items(), *starts]))

    def take(self, plan: Plan, begin: int, stop: int, now_ns: int) -> Items:
        """Return what becomes of packets `begin` to `stop` of the plan's order; `now_ns` since the run began."""
        made = [no_items()]
        while begin < stop:
            end = self._piece_end(plan, begin, stop)
            made.append(self._piece(plan, begin, end, now_ns))
            begin = end
        return np.concatenate(made)

    def heartbeats(self, now_ns: int) -> Items:
        """Return a heartbeat of every source that is alive."""
        return self._carried(self._counters(What.HEARTBEAT, NativeFlag.HEARTBEAT, now_ns))

    def finish(self, now_ns: int) -> Items:
        """Return what is still on its way, then the end packets."""
        last = [self._network.flush(now_ns)]
        if self._framing == "native":
            for copy in range(END_COPIES):
                ends = self._counters(What.END, NativeFlag.END, now_ns)
                ends["due_ns"] = now_ns + copy * END_PAUSE_NS
                last += [self._carried(ends), self._network.flush(now_ns + copy * END_PAUSE_NS)]
        return np.concatenate(last)

    @property
    def shift_ns(self) -> int:
        """Return by how much every source is behind its plan, at least; flat out, before when none sends anything."""
        return min(front_end.shift_ns for front_end in self._front_ends.values())

    @property
    def cut_at_end(self) -> bool:
        """Tell whether the stream ends here, in the middle of a word."""
        return any(front_end.cut_at_end for front_end in self._front_ends.values())

    def tallies(self, planned: dict[int, Tally]) -> dict[int, Tally]:
        """Return the accounts of the words that the front ends have made; `planned` where one has made none yet."""
        return {source: self._front_ends[source].tally() or tally for source, tally in planned.items()}

    def prune(self, *used: Items) -> None:
        """Forget bytes that neither `used` nor what is on its way needs."""
        self.stores.prune(*used, self._network.waiting)

    def _piece_end(self, plan: Plan, begin: int, stop: int) -> int:
        """Return up to where packets can be taken at once: a restart depends on what went out before it."""
        waiting = {s for s, front_end in self._front_ends.items() if front_end.restart_waits()}
        end = stop
        for index, part in enumerate(plan.parts) if waiting else ():
            if part.source in waiting:
                rows = np.flatnonzero(plan.order.part[begin:stop] == index)
                if len(rows):
                    when_ns = part.due_ns[plan.order.packet[begin + rows]]
                    place = self._front_ends[part.source].restart_at(when_ns)
                    end = min(end, begin + int(rows[place])) if place < len(rows) else end
        return end

    def _piece(self, plan: Plan, begin: int, end: int, now_ns: int) -> Items:
        order, made = plan.order, [no_items()]
        for index in np.unique(order.part[begin:end]).tolist():
            part = plan.parts[index]
            rows = np.flatnonzero(order.part[begin:end] == index)
            packets = order.packet[begin + rows]
            taken = Rows(part, int(packets[0]), int(packets[-1]) + 1, self._row + rows, now_ns)
            made += self._front_ends[part.source].take(taken, self._through[part.source])
        self._row += end - begin
        self._when_ns = int(order.due_ns[end - 1])
        items = np.concatenate(made)
        return self._carried(items[np.argsort(items["slot"], kind="stable")])

    def _carried(self, items: Items) -> Items:
        """Return what the network makes of items, and count what gets through."""
        if self._framing == "stream" or not (len(items) or len(self._network.waiting)):
            return items
        starts = items[items["what"] == What.START]
        ready = self._network.carry(items)
        for start in starts:
            self._through[int(start["source"])] = 0
        framed = ready[(ready["what"] <= What.START) & (ready["length"] >= self._wire.header_bytes)]
        for start in starts:
            old = (framed["source"] == start["source"]) & (framed["session"] < start["session"])
            framed = framed[~old]
        sources, counts = np.unique(framed["source"], return_counts=True)
        for source, count in zip(sources.tolist(), counts.tolist(), strict=True):
            self._through[source] += count
        return ready

    def _counters(self, what: What, flag: NativeFlag, now_ns: int) -> Items:
        """Return a counter packet of every source that is alive."""
        made = [no_items()]
        for source, front_end in self._front_ends.items() if self._framing == "native" else ():
            beat = what == What.HEARTBEAT
            if not front_end.silent(now_ns if beat else NEVER_NS):
                words = self.recorder.offered(source) if beat else front_end.words
                made.append(
                    front_end.control(
                        what, flag, words, slot=self._row * SLOTS + STARTING, due_ns=now_ns, when_ns=self._when_ns
                    )
                )
        return np.concatenate(made)
