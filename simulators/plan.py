"""Turn a supply of words into packets with a time to send each, ahead of sending."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator, Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from daq.wire.native import DatagramBlock, NativeFlag, packetise, words_per_datagram
from simulators.pacing import PACKET_AGE_MS, age_ticks, cut_words
from simulators.supply import Chunk, Supply
from simulators.timing import KindFinder, WordClock
from simulators.truth import Tally

Ints = npt.NDArray[np.int64]
AHEAD_BYTES = 128 << 20
"""Runs up to this size are prepared before *ready*; longer ones while they are sent."""
AHEAD_SLICES = 4
STREAM_PIECE_BYTES = 64 * 1024
_PUT_WAIT_S = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One source's share of a plan.

    `starts` are the words of `data` that packets begin with, `due_ns` when each packet is due. `before` and `clock` are
    the account and the time before the first word of the part.
    """

    source: int
    data: npt.NDArray[np.uint8]
    words: int
    starts: Ints
    due_ns: Ints
    before: Tally
    clock: WordClock
    datagrams: DatagramBlock | None

    def tally_after(self, words: int) -> Tally:
        """Return the account when only the first `words` words of this part were sent."""
        tally = self.before.copy()
        data = self.data[: words * (len(self.data) // self.words)]
        tally.add(data, *copy(self.clock).read(data))
        return tally


class Order(NamedTuple):
    """All packets of a plan in the order of sending: which part, which packet of it, words in it, when."""

    part: Ints
    packet: Ints
    words: Ints
    due_ns: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The packets of one slice. `after` are the accounts of all sources when everything was sent."""

    parts: list[Part]
    order: Order
    after: dict[int, Tally] = field(default_factory=dict)


class Planner:
    """Makes the plans of one run. `speed` None: flat out. `datagrams`: UDP packets, else pieces of a stream.

    `age_ms`: detector time that a packet may span; a stream that is not paced has none.
    """

    def __init__(self, supply: Supply, *, speed: float | None, datagrams: bool, age_ms: float = PACKET_AGE_MS) -> None:
        self._supply = supply
        self._layout, self._clock = supply.layout, supply.clock
        self._datagrams = datagrams
        self._age = age_ticks(self._clock.tick, speed, age_ms) if datagrams or speed is not None else None
        self._ns_per_tick = float(self._clock.tick) / 1000 / (speed or 1.0)
        size = self._layout.word_bytes
        self._capacity = words_per_datagram(size) if datagrams else STREAM_PIECE_BYTES // size
        self._finder = KindFinder(self._layout)
        self._clocks: dict[int, WordClock] = {}
        self._zero: dict[int, int] = {}
        self._passed_ns: dict[int, int] = {}
        self._latest_ns: dict[int, int] = {}
        self._tallies = {source: Tally(self._layout) for source in supply.sources}

    def plans(self) -> Iterator[Plan]:
        """Yield the plans of the whole run."""
        for chunks in self._supply.slices():
            parts = [self._part(chunk) for chunk in chunks if len(chunk.words)]
            yield Plan(parts, _order(parts), {source: tally.copy() for source, tally in self._tallies.items()})

    def _part(self, chunk: Chunk) -> Part:
        source = chunk.source
        if chunk.rewinds or source not in self._clocks:
            self._clocks[source] = WordClock(self._layout, self._clock, self._finder)
            self._passed_ns[source] = self._latest_ns.get(source, 0)
        clock = copy(self._clocks[source])
        codes, ticks, timed = self._clocks[source].read(chunk.words)
        starts = cut_words(ticks, self._capacity, self._age)
        due_ns = self._due_ns(source, ticks, timed, starts)
        before = self._tallies[source].copy()
        self._tallies[source].add(chunk.words, codes, ticks, timed)
        block = None
        if self._datagrams:
            flags = 0 if before.words else NativeFlag.START
            block = packetise(
                chunk.words, self._layout.word_bytes, source, before.words, starts=starts, first_flags=flags
            )
        return Part(source, chunk.words, len(codes), starts, due_ns, before, clock, block)

    def _due_ns(self, source: int, ticks: Ints, timed: npt.NDArray[np.bool_], starts: Ints) -> Ints:
        """Return when each packet is complete: the time of its last word, from the first time of the run."""
        domain = 0 if self._clock.shared else source
        if domain not in self._zero and timed.any():
            self._zero[domain] = int(ticks[np.argmax(timed)])
        lasts = np.append(starts[1:], len(ticks)) - 1
        elapsed = np.where(timed[lasts], ticks[lasts] - self._zero.get(domain, 0), 0) * self._ns_per_tick
        due_ns = np.maximum.accumulate(elapsed.astype(np.int64) + self._passed_ns[source])
        due_ns = np.maximum(due_ns, self._latest_ns.get(source, 0))
        self._latest_ns[source] = int(due_ns[-1])
        return due_ns


def _order(parts: list[Part]) -> Order:
    """Return the packets of all parts by due time; equal times in the order of the parts."""
    counts = [len(part.starts) for part in parts]
    empty = np.zeros(0, np.int64)
    due_ns = np.concatenate([empty, *(part.due_ns for part in parts)])
    words = [np.diff(part.starts, append=part.words) for part in parts]
    order = Order(
        np.repeat(np.arange(len(parts)), counts),
        np.concatenate([empty, *(np.arange(count) for count in counts)]),
        np.concatenate([empty, *words]),
        due_ns,
    )
    if len(parts) < 2:  # noqa: PLR2004
        return order
    sort = np.argsort(due_ns, kind="stable")
    return Order(*(column[sort] for column in order))


class Show:
    """The runs of a simulator over one transport: prepared once when small, otherwise a little ahead of sending."""

    def __init__(self, supply: Supply, *, speed: float | None, datagrams: bool, age_ms: float = PACKET_AGE_MS) -> None:
        self.supply = supply
        self._age_ms = age_ms
        self.speed = speed
        self.paced = speed is not None
        self._datagrams = datagrams
        self._ready = list(self._planner().plans()) if supply.size_bytes <= AHEAD_BYTES else None

    def run(self) -> Generator[Plan]:
        """Yield the plans of one run."""
        yield from self._ready if self._ready is not None else _Ahead(self._planner().plans()).taken()

    def _planner(self) -> Planner:
        return Planner(self.supply, speed=self.speed, datagrams=self._datagrams, age_ms=self._age_ms)


class _Ahead:
    """A thread that makes plans, at most `AHEAD_SLICES` before the one who takes them."""

    def __init__(self, plans: Iterator[Plan]) -> None:
        self._plans = plans
        self._made: queue.Queue[Plan | Exception | None] = queue.Queue(AHEAD_SLICES)
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._make, name="plan ahead")

    def taken(self) -> Generator[Plan]:
        """Yield the plans; closing the generator ends the thread."""
        self._thread.start()
        try:
            while (item := self._made.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self._abandoned.set()
            self._thread.join()

    def _make(self) -> None:
        try:
            for plan in self._plans:
                if not self._put(plan):
                    return
        except Exception as why:  # noqa: BLE001 - raised again where the plans are taken
            self._put(why)
        else:
            self._put(None)

    def _put(self, item: Plan | Exception | None) -> bool:
        while not self._abandoned.is_set():
            with contextlib.suppress(queue.Full):
                self._made.put(item, timeout=_PUT_WAIT_S)
                return True
        return False
