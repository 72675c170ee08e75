"""What a network does to datagrams: lose, copy, cut, delay, and bring others. Values in, values out.

Every fault draws a fixed number of random numbers for each packet it may hit, from a generator of its own, so what
happens does not depend on how the packets are cut into calls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from daq.wire.native import HEADER, HEADER_BYTES, MAGIC, MAX_PAYLOAD_BYTES, MAX_WORD_INDEX, NativeFlag
from simulators.faults.items import DELAYED, FLUSHED, INSERTED, ITEM, LOST, NOBODY, SLOTS, STARTING, Items, Stores, What
from simulators.faults.items import no_items as nothing
from simulators.faults.spec import MAX_BY, FaultSpec

MAX_GARBAGE_BYTES = 1472
KEPT_YOUNG = 60
"""Datagrams within which a receiver can still put a start where it belongs (64 by the framing, with some to spare)."""
_HEADER_CUTS = 0.25
_IN_SOURCE = 1 << 40


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault with its number, which chooses its random numbers."""

    number: int
    spec: FaultSpec


class Stage(Protocol):
    """One fault of the network."""

    def apply(self, items: Items) -> Items:
        """Return what becomes of the items; those of one packet stay together."""
        ...


@dataclass(frozen=True, slots=True)
class Wire:
    """What the stages need to know. `header_bytes`: 16, or 0 where datagrams are words and nothing else."""

    seed: int
    ns_per_s: float
    header_bytes: int
    word_bytes: int
    stores: Stores

    def rng(self, fault: Fault, *more: int) -> np.random.Generator:
        """Return the generator of a fault."""
        return np.random.default_rng([self.seed, fault.number, *more])


class _Base:
    moves_starts = False
    """Whether the fault would make a start flag arrive late: data that bear it are then taken for control packets."""

    def __init__(self, fault: Fault, wire: Wire) -> None:
        self.spec = fault.spec
        self._wire = wire
        self._rng = wire.rng(fault)

    def _hit_by(self, items: Items) -> npt.NDArray[np.intp]:
        """Return the rows that the fault may hit."""
        spec = self.spec
        when = items["when_ns"] / self._wire.ns_per_s
        able = (items["length"] != LOST) & (when >= spec.from_s) & (when < spec.until_s)
        able &= items["what"] != What.GARBAGE if spec.control else items["what"] == What.WORDS
        if self.moves_starts and not spec.control:
            able &= ~items["start"]
        if spec.source is not None:
            able &= items["source"] == spec.source
        return np.flatnonzero(able)


class Loss(_Base):
    """Packets that never arrive: a share, or so many in a row out of every so many."""

    def __init__(self, fault: Fault, wire: Wire) -> None:
        super().__init__(fault, wire)
        self._passed = 0
        self._begins = np.zeros(0, np.int64)

    def apply(self, items: Items) -> Items:
        """Mark items as lost."""
        rows = self._hit_by(items)
        if self.spec.share is not None:
            lost = self._rng.random(len(rows)) < self.spec.share
        else:
            lost = self._in_burst(len(rows))
        items["length"][rows[lost]] = LOST
        return items

    def _in_burst(self, count: int) -> npt.NDArray[np.bool_]:
        every, burst = self.spec.every or 1, self.spec.burst or 0
        number = self._passed + np.arange(count)
        self._passed += count
        missing = self._passed // every + 1 - len(self._begins)
        drawn = (self._rng.random(max(missing, 0)) * (every - burst + 1)).astype(np.int64)
        self._begins = np.concatenate([self._begins, drawn])
        within = number % every - self._begins[number // every]
        lost: npt.NDArray[np.bool_] = (within >= 0) & (within < burst)
        return lost


class Duplicate(_Base):
    """Packets that arrive again, the copies up to `within` packets later."""

    moves_starts = True

    def apply(self, items: Items) -> Items:
        """Put copies behind their originals."""
        spec = self.spec
        rows = self._hit_by(items)
        drawn = self._rng.random((len(rows), 1 + spec.copies))
        hit = drawn[:, 0] < (spec.share or 0)
        again = np.ones(len(items), np.int64)
        again[rows[hit]] += spec.copies
        out = np.repeat(items, again)
        places = (np.cumsum(again) - again)[rows[hit], None] + 1 + np.arange(spec.copies)
        out["delay"][places] += (drawn[hit, 1:] * (spec.within + 1)).astype(np.int64)
        out["copy"][places] = 1
        return out


class Truncate(_Base):
    """Packets cut at any byte, every fourth of them within its header."""

    def apply(self, items: Items) -> Items:
        """Shorten items."""
        rows = self._hit_by(items)
        drawn = self._rng.random((len(rows), 3))
        hit = drawn[:, 0] < (self.spec.share or 0)
        rows, drawn = rows[hit], drawn[hit]
        length = items["length"][rows]
        head = np.minimum(self._wire.header_bytes, length)
        early = (drawn[:, 1] < _HEADER_CUTS) | (head == length)
        low, high = np.where(early, 0, head), np.where(early & (head > 0), head, length)
        items["length"][rows] = low + (drawn[:, 2] * (high - low)).astype(np.int64)
        return items


class Reorder(_Base):
    """Packets that up to `by` packets of their source overtake."""

    moves_starts = True

    def apply(self, items: Items) -> Items:
        """Note by how many packets each is delayed."""
        rows = self._hit_by(items)
        drawn = self._rng.random((len(rows), 2))
        hit = drawn[:, 0] < (self.spec.share or 0)
        items["delay"][rows[hit]] += 1 + (drawn[hit, 1] * (self.spec.by or 1)).astype(np.int64)
        return items


class Garbage(_Base):
    """Datagrams that are none: random bytes, or a plausible header that breaks the framing."""

    def __init__(self, fault: Fault, wire: Wire) -> None:
        super().__init__(fault, wire)
        self._content = wire.rng(fault, 1)
        plain = fault.spec.of == "bytes" or not wire.header_bytes
        self._makers = [self._bytes] if plain else [self._header] if fault.spec.of == "header" else [
            self._bytes, self._header]  # fmt: skip

    def apply(self, items: Items) -> Items:
        """Put garbage behind some packets."""
        rows = self._hit_by(items)
        rows = rows[items["copy"][rows] == 0]
        hit = rows[self._rng.random(len(rows)) < (self.spec.share or 0)]
        if not len(hit):
            return items
        made = [self._made(int(items["source"][row]), int(items["first"][row])) for row in hit.tolist()]
        lengths = np.array([len(data) for data in made], np.int64)
        extra = nothing(len(hit))
        extra["source"], extra["what"] = NOBODY, What.GARBAGE
        extra["store"] = self._wire.stores.put(np.frombuffer(b"".join(made) + b"\0", np.uint8))
        extra["at"], extra["length"], extra["whole"] = np.cumsum(lengths) - lengths, lengths, lengths
        extra["due_ns"], extra["when_ns"] = items["due_ns"][hit], items["when_ns"][hit]
        extra["slot"] = items["slot"][hit] // SLOTS * SLOTS + INSERTED
        joined: Items = np.insert(items, hit + 1, extra)
        return joined

    def _made(self, source: int, first: int) -> bytes:
        rng = self._content
        return self._makers[int(rng.integers(len(self._makers)))](rng, source, first)

    @staticmethod
    def _bytes(rng: np.random.Generator, _source: int, _first: int) -> bytes:
        data = bytearray(rng.bytes(int(rng.integers(0, MAX_GARBAGE_BYTES, endpoint=True))))
        if data[:2] == MAGIC.to_bytes(2, "little"):
            data[0] ^= 1
        return bytes(data)

    def _header(self, rng: np.random.Generator, source: int, first: int) -> bytes:
        """Return a datagram that looks like the next one of `source`, but for one field."""
        most = MAX_PAYLOAD_BYTES // self._wire.word_bytes
        words = int(rng.integers(1, most, endpoint=True))
        size = words * self._wire.word_bytes
        magic, who, flags, announced, number = MAGIC, source, 0, words, first
        what = int(rng.integers(7))
        if what == 0:
            magic ^= 1 << int(rng.integers(16))
        elif what == 1:
            flags = 1 << int(rng.integers(3, 16))  # request, which no front end sends, and what is not defined
        elif what == 2:  # noqa: PLR2004
            who = 0xFFFF
        elif what == 3:  # noqa: PLR2004
            announced = most + int(rng.integers(1, 1000))
        elif what == 4:  # noqa: PLR2004
            announced = int(rng.integers(0, words))
        elif what == 5:  # noqa: PLR2004
            flags = int(rng.choice([NativeFlag.HEARTBEAT, NativeFlag.END]))
        else:
            number = MAX_WORD_INDEX + 1 + int(rng.integers(1 << 20))
        return HEADER.pack(magic, who, flags, announced, number) + rng.bytes(size)


STAGES: dict[str, type[_Base]] = {
    "loss": Loss, "duplicate": Duplicate, "truncate": Truncate, "reorder": Reorder, "garbage": Garbage,
}  # fmt: skip
"""In the order in which they work on a packet."""


class Network:
    """All faults of the network, and the packets that are on their way longer than others."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._stages: list[_Base] = []
        self._next_position = np.zeros(0x10001, np.int64)
        self.waiting = nothing()

    def add(self, fault: Fault) -> None:
        """Add a fault, if it is one of the network."""
        if fault.spec.kind in STAGES:
            made = STAGES[fault.spec.kind](fault, self._wire)
            ranks = list(STAGES.values())
            self._stages = sorted([*self._stages, made], key=lambda stage: ranks.index(type(stage)))

    def clear(self) -> None:
        """Remove all faults; what is delayed is still on its way."""
        self._stages = []

    def carry(self, items: Items) -> Items:
        """Return what arrives now of new items and of those still on their way, in order."""
        items["position"] = self._positions(items)
        marks = items[items["what"] <= What.START]
        for stage in self._stages:
            items = stage.apply(items)  # type: ignore[attr-defined]
        items["delay"] = np.minimum(items["delay"], self._longest_delay())
        items = np.concatenate([self.waiting, items])
        arrived = self._placed(items, marks)
        self.waiting = items[~arrived]
        ready = items[arrived]
        return ready[np.argsort(ready["slot"], kind="stable")]

    def flush(self, now_ns: int) -> Items:
        """Return everything that is still on its way."""
        ready, self.waiting = self.waiting, nothing()
        ready["due_ns"] = np.maximum(ready["due_ns"], now_ns)
        return ready

    def _longest_delay(self) -> int:
        """Return how far packets may be delayed where starts may be lost and late as well.

        A receiver that has seen no start takes the lowest number among its first packets for the first word.
        """
        if not any(stage.spec.control for stage in self._stages):
            return MAX_BY
        copies = math.prod(1 + stage.spec.copies for stage in self._stages if isinstance(stage, Duplicate))
        return KEPT_YOUNG // copies

    def _positions(self, items: Items) -> npt.NDArray[np.int64]:
        """Return the places of new items in the order of their sources; those of no words share the last one."""
        counts = (items["what"] <= What.START).astype(np.int64)
        order = np.argsort(items["source"], kind="stable")
        sources, sums = items["source"][order], np.cumsum(counts[order])
        begins = np.flatnonzero(np.diff(sources, prepend=sources[:1] - 1))
        sizes = np.diff(begins, append=len(sources))
        before = sums[begins] - counts[order][begins]
        positions = np.empty(len(items), np.int64)
        positions[order] = sums - np.repeat(before, sizes) - 1 + self._next_position[sources]
        self._next_position[sources[begins]] += np.add.reduceat(counts[order], begins) if len(begins) else 0
        return positions

    def _placed(self, items: Items, marks: Items) -> npt.NDArray[np.bool_]:
        """Give delayed items the place behind the packet that overtakes them last; return which can go."""
        self._flush_before_starts(items, marks)
        late = np.flatnonzero(items["delay"] > 0)
        arrived = np.ones(len(items), bool)
        if not len(late):
            return arrived
        marks = marks[np.argsort(_key(marks["source"], marks["position"]), kind="stable")]
        keys = _key(marks["source"], marks["position"])
        wanted = _key(items["source"][late], items["position"][late] + items["delay"][late])
        found = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        here = keys[found] == wanted if len(keys) else np.zeros(len(late), bool)
        arrived[late[~here]] = False
        rows, behind = late[here], marks[found[here]]
        items["slot"][rows] = behind["slot"] // SLOTS * SLOTS + DELAYED
        items["due_ns"][rows] = np.maximum(items["due_ns"][rows], behind["due_ns"])
        return arrived

    @staticmethod
    def _flush_before_starts(items: Items, marks: Items) -> None:
        """Let nothing of before a restart arrive after it: no receiver could tell the two apart."""
        for start in marks[(marks["what"] == What.START)]:
            rows = items["source"] == start["source"]
            rows &= (items["position"] < start["position"]) & (items["delay"] > 0)
            rows &= items["position"] + items["delay"] >= start["position"]
            items["slot"][rows] = start["slot"] // SLOTS * SLOTS + FLUSHED
            items["due_ns"][rows] = np.maximum(items["due_ns"][rows], start["due_ns"])
            items["delay"][rows] = 0


def _key(source: npt.NDArray[np.int32], position: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    key: npt.NDArray[np.int64] = source.astype(np.int64) * _IN_SOURCE + position
    return key


__all__ = ["HEADER_BYTES", "ITEM", "STARTING", "Fault", "Network", "Wire"]
