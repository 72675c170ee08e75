"""A whole run with faults without sockets or waiting: what would arrive, in order, and the truth about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from simulators.faults.injector import Injector
from simulators.faults.items import LOST, NOBODY, Items, no_items
from simulators.faults.network import Fault
from simulators.faults.queue import SendQueue
from simulators.faults.recorder import Framing
from simulators.faults.rules import Rules
from simulators.faults.spec import parse_fault
from simulators.plan import Plan, Planner
from simulators.supply import Supply

PIECE = 4096
HEARTBEAT_S = 0.1
_PRUNE_AT = 256
_ENDED_NS = 10**9


class Transmission(NamedTuple):
    """What a receiver gets: a datagram, or a piece of a stream. `source` None: garbage, of nobody."""

    data: bytes
    source: int | None
    due_ns: int


class Rehearsal:
    """One run of `supply` with `faults`, `speed` None for flat out. Iterate once, then ask `truth`.

    `framing`: `native` datagrams, the same without their headers (`none`), or the pieces of a TCP `stream`. Raises
    `UsageError` for faults that the supply or the framing cannot have.
    """

    def __init__(
        self,
        supply: Supply,
        faults: Sequence[str] = (),
        *,
        seed: int = 0,
        speed: float | None = 1.0,
        framing: Framing = "native",
        heartbeat_s: float = HEARTBEAT_S,
        piece: int = PIECE,
    ) -> None:
        wire = {"native": "udp", "stream": "tcp", "none": "bare"}[framing]
        rules = Rules(supply, paced=speed is not None, wires=(wire,))
        specs = [parse_fault(text) for text in faults]
        for spec in specs:
            rules.check(spec)
        self._planner = Planner(supply, speed=speed, datagrams=framing != "stream")
        self._injector = Injector(supply, speed=speed, framing=framing, seed=seed)
        self._injector.sync(Fault(number, spec) for number, spec in enumerate(specs))
        self._supply, self._speed, self._framing = supply, speed, framing
        self._beat_ns = round(heartbeat_s * 1e9)
        self._piece = piece
        self._queue = SendQueue()
        self._now_ns = 0

    def __iter__(self) -> Iterator[Transmission]:
        """Yield what arrives, in order."""
        next_beat_ns = self._beat_ns
        yield from self._arriving(self._injector.begin(), 0)
        for plan in self._planner.plans():
            due_ns, at = plan.order.due_ns, 0
            while at < len(due_ns) and not self._injector.cut_at_end:
                stop = min(at + self._piece, int(np.searchsorted(due_ns, next_beat_ns, "left")))
                if stop <= at:
                    yield from self._arriving(self._injector.heartbeats(next_beat_ns), next_beat_ns)
                    next_beat_ns += self._beat_ns
                    continue
                yield from self._pieces(plan, at, stop)
                at = stop
        yield from self._arriving(no_items(), self._last_ns())
        yield from self._arriving(self._injector.finish(self._now_ns), self._now_ns + _ENDED_NS)
        if self._framing == "stream" and not self._injector.cut_at_end and self._supply.tail:
            self._injector.recorder.tail(self._supply.tail)
            yield Transmission(self._supply.tail, self._supply.sources[0], self._now_ns)

    def truth(self) -> dict[str, Any]:
        """Return what the faults did and what a receiver must find."""
        recorder = self._injector.recorder
        return {"injected": recorder.summary(), "expected": recorder.expected()}

    def _pieces(self, plan: Plan, begin: int, stop: int) -> Iterator[Transmission]:
        """Take planned packets; what is due by then arrives."""
        now_ns = int(plan.order.due_ns[stop - 1]) if self._speed is not None else 0
        yield from self._arriving(self._injector.take(plan, begin, stop, now_ns), now_ns)

    def _arriving(self, items: Items, now_ns: int) -> Iterator[Transmission]:
        self._now_ns = max(now_ns, self._now_ns)
        self._queue.put(items)
        due = self._queue.due(now_ns)
        self._injector.recorder.passed(due)
        self._queue.drop(len(due))
        for item in due[due["length"] != LOST]:
            source = int(item["source"])
            data = self._injector.stores.bytes_of(item).tobytes()
            yield Transmission(data, None if source == NOBODY else source, int(item["due_ns"]))
        if len(self._injector.stores) > _PRUNE_AT:
            self._injector.prune(self._queue.items)

    def _last_ns(self) -> int:
        """Return when the last item is due."""
        return int(self._queue.items["due_ns"][-1]) if len(self._queue) else 0


def transmissions(
    supply: Supply, faults: Sequence[str] = (), *, seed: int = 0, speed: float | None = 1.0, framing: Framing = "native"
) -> tuple[list[bytes], dict[str, Any]]:
    """Return all datagrams of a run in the order of their arrival, and the truth about them."""
    rehearsal = Rehearsal(supply, faults, seed=seed, speed=speed, framing=framing)
    return [transmission.data for transmission in rehearsal], rehearsal.truth()
