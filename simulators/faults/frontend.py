"""One source under faults: its switch, its clock, its word numbers, and when its packets may go."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import numpy as np
import numpy.typing as npt

from daq.wire.native import HEADER, HEADER_BYTES, MAGIC, NativeFlag, packetise
from simulators.faults.bench import Bench, Event, Rows
from simulators.faults.items import LOST, ON_TIME, SLOTS, STARTING, Items, What, no_items
from simulators.faults.network import Fault
from simulators.plan import Part
from simulators.timing import WordClock
from simulators.truth import Tally

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
NEVER_NS = 1 << 62
RESTART_AFTER = 64
"""Datagrams of one start before a receiver can tell a new start from a second copy of the old one, by the framing."""
RESTART_STEP = 16
"""How often a restart that had to wait is tried again, in packets."""


class FrontEnd:
    """One source. `sent`: words it sent before there were faults, None before its start."""

    def __init__(self, bench: Bench, number: int, sent: int | None) -> None:
        self.number = number
        self.on = True
        self.started = sent is not None
        self.cut_at_end = False
        self.session = 0
        self.packets = 0
        self.words = sent or 0
        self._bench = bench
        self._word_bytes = bench.layout.word_bytes
        self._events: list[Event] = []
        self._corrupters: list[tuple[Fault, np.random.Generator]] = []
        self._base = 0
        self._turn = 0
        self._fresh = not sent
        self._unplugged = False
        self._shift_ns = 0
        self._hold_ns = 0
        self._mute_until_ns = 0
        self._tally: Tally | None = None
        self._clock: WordClock | None = None
        self._last: tuple[Part, int] | None = None
        self._actions: dict[str, Callable[[Fault, Rows], Items | None]] = {
            "pause": self._pause, "burst": self._burst, "jump": self._jump, "late": self._switch_on,
            "silent": self._switch_off, "outage": self._unplug, "outage over": self._plug_in,
            "restart": self._die, "restart over": self._come_back, "truncate": self._cut,
        }  # fmt: skip

    def add(self, fault: Fault) -> None:
        """Add a fault, if it is one of this source."""
        spec = fault.spec
        if spec.source not in (None, self.number):
            return
        if spec.kind == "corrupt":
            self._corrupters.append((fault, self._bench.wire.rng(fault, self.number)))
        elif spec.kind in self._actions and spec.share is None:
            at_ns = None if spec.at_s is None else spec.at_s * self._bench.wire.ns_per_s
            if spec.kind != "late" or not self.started:
                self._events.append(Event(spec.kind, fault, at_ns, spec.after))
            self.on = self.on and (spec.kind != "late" or self.started)

    def clear(self) -> None:
        """Remove all faults; who is off comes on again with its next packet. The clock stays where it is."""
        self._events = [event for event in self._events if event.action in ("late", "restart over", "outage over")]
        for event in self._events:
            event.at_ns = 0
        if self.started and not self.on and not self._events:
            self.on = True
        self._corrupters = []

    @property
    def shift_ns(self) -> int:
        """Return by how much everything goes later than planned; flat out, before when nothing goes."""
        return self._shift_ns if self._bench.paced else self._hold_ns

    def silent(self, now_ns: int) -> bool:
        """Tell whether nothing comes from the source, not even a heartbeat."""
        return not self.on or not self.started or self._unplugged or now_ns < self._mute_until_ns

    def restart_waits(self) -> bool:
        """Tell whether the source is to restart some time."""
        return any(event.action == "restart" for event in self._events)

    def restart_at(self, when_ns: Ints) -> int:
        """Return before which of the next packets a restart is to be looked at again; their number if before none."""
        found = len(when_ns)
        for event in self._events:
            if event.action == "restart":
                if event.due(int(when_ns[0]), self.packets):
                    return min(found, RESTART_STEP - self.packets % RESTART_STEP)
                found = min(found, self._next_of(event, when_ns))
        return found

    def take(self, rows: Rows, through: int) -> list[Items]:
        """Return the items of planned packets; `through` datagrams of this start went out."""
        made: list[Items] = []
        at, count = 0, rows.high - rows.low
        while at < count:
            rest = rows.between(at, count)
            made += self._fire(rest, through)
            when_ns = rest.when_ns
            until = min([len(when_ns), *(self._next_of(event, when_ns) for event in self._events)])
            now = rest.between(0, until)
            if self.on:
                made.append(self._items(now))
            else:
                self._skip(now)
            self.packets += until
            at += until
        return made

    def start_items(self, slot: int, due_ns: int, when_ns: int) -> Items:
        """Return the empty start packet, when the framing has one."""
        self.started = True
        if self._bench.framing != "native":
            return no_items()
        return self.control(What.START, NativeFlag.START, 0, slot=slot, due_ns=due_ns, when_ns=when_ns)

    def control(self, what: What, flag: NativeFlag, words: int, *, slot: int, due_ns: int, when_ns: int) -> Items:
        """Return a packet without words."""
        item = no_items(1)
        header = HEADER.pack(MAGIC, self.number, int(flag), 0, words)
        item["source"], item["session"], item["what"] = self.number, self.session, what
        item["start"], item["first"] = what == What.START, words
        item["store"] = self._bench.wire.stores.put(np.frombuffer(header, np.uint8))
        item["length"] = item["whole"] = HEADER_BYTES
        item["slot"], item["due_ns"], item["when_ns"] = slot, due_ns, when_ns
        return item

    def tally(self) -> Tally | None:
        """Return the account of the words so far; None before the first."""
        if self._tally is not None:
            return self._tally
        return self._last[0].tally_after(self._last[1]) if self._last else None

    def _next_of(self, event: Event, when_ns: Ints) -> int:
        """Return before which packet, after the first, an event happens."""
        if event.at_ns is not None:
            later = int(np.searchsorted(when_ns, event.at_ns, "left"))
        else:
            later = max((event.after or 0) - self.packets, 0)
        return later if 0 < later < len(when_ns) else len(when_ns)

    def _fire(self, rows: Rows, through: int) -> list[Items]:
        """Let happen what happens before the first of the packets."""
        made: list[Items] = []
        waiting: list[Event] = []
        when_ns = int(rows.when_ns[0])
        while due := [e for e in self._events if e not in waiting and e.due(when_ns, self.packets)]:
            event = due[0]
            if not self._may(event.action, through):
                waiting.append(event)
                continue
            self._events.remove(event)
            items = self._actions[event.action](event.fault, rows)
            made += [items] if items is not None else []
        return made

    def _may(self, action: str, through: int) -> bool:
        """Tell whether an event can happen now; a restart or an outage waits for the end of another."""
        if action not in ("restart", "outage", "truncate"):
            return True
        unseen = action == "restart" and self._bench.framing == "native" and through < RESTART_AFTER
        return self.on and self.started and not self._unplugged and not unseen

    def _due_ns(self, when_ns: Ints) -> Ints:
        later = when_ns + self._shift_ns if self._bench.paced else np.zeros(len(when_ns), np.int64)
        return np.maximum(later, self._hold_ns)

    def _pause(self, fault: Fault, rows: Rows) -> None:
        pause_ns = round((fault.spec.for_s or 0) * 1e9)
        if self._bench.paced:
            self._shift_ns += pause_ns
        else:
            self._hold_ns = max(self._hold_ns, rows.now_ns) + pause_ns
        self._mute_until_ns = int(self._due_ns(rows.when_ns[:1])[0])

    def _burst(self, fault: Fault, rows: Rows) -> None:
        stretch_ns = round((fault.spec.for_s or 0) * self._bench.wire.ns_per_s)
        self._hold_ns = max(self._hold_ns, int(rows.when_ns[0]) + self._shift_ns + stretch_ns)

    def _jump(self, fault: Fault, rows: Rows) -> None:
        spec = fault.spec
        self._touch(rows)
        self._turn += spec.ticks if spec.ticks is not None else self._bench.turner.ticks_of(spec.by_s or 0)

    def _switch_on(self, _: Fault, rows: Rows) -> Items | None:
        if any(event.action == "late" for event in self._events):
            return None  # the latest one counts
        self.on = True
        self._base = rows.part.before.words + int(rows.starts[0])
        return self._start_at(rows)

    def _switch_off(self, _: Fault, rows: Rows) -> None:
        self._touch(rows)
        self.on = False

    def _unplug(self, fault: Fault, rows: Rows) -> None:
        self._unplugged = True
        self._events.append(self._over("outage over", fault, rows))

    def _plug_in(self, _: Fault, __: Rows) -> None:
        self._unplugged = False

    def _die(self, fault: Fault, rows: Rows) -> None:
        self._switch_off(fault, rows)
        self._events.append(self._over("restart over", fault, rows))

    def _come_back(self, _: Fault, rows: Rows) -> Items:
        self.on = self._fresh = True
        self.session += 1
        self.words = 0
        self._base = rows.part.before.words + int(rows.starts[0])
        self._turn = self._turn_to_zero(rows)
        self._bench.recorder.injected[self.number].restarts += 1
        return self._start_at(rows)

    def _cut(self, fault: Fault, rows: Rows) -> Items:
        """End a stream in the middle of a word of the next packet."""
        tally, clock = self._touch(rows)
        tally, clock = tally.copy(), copy(clock)
        item = self._items(rows.between(0, 1))
        drawn = self._bench.wire.rng(fault).random(2)
        word = int(drawn[0] * int(item["words"][0]))
        item["length"] = word * self._word_bytes + 1 + int(drawn[1] * (self._word_bytes - 1))
        whole = self._bench.wire.stores.bytes_of(item[0])[: word * self._word_bytes]
        tally.add(whole, *clock.read(whole))
        self._tally = tally
        self.on, self.cut_at_end = False, True
        return item

    def _over(self, action: str, fault: Fault, rows: Rows) -> Event:
        return Event(action, fault, int(rows.when_ns[0]) + (fault.spec.for_s or 0) * self._bench.wire.ns_per_s, None)

    def _start_at(self, rows: Rows) -> Items:
        slot = int(rows.slots[0]) * SLOTS + STARTING
        when_ns = rows.when_ns[:1]
        return self.start_items(slot, int(self._due_ns(when_ns)[0]), int(when_ns[0]))

    def _turn_to_zero(self, rows: Rows) -> int:
        """Return what makes the clock begin where it begins at a start."""
        unit = self._bench.turner.unit
        if unit == 0:
            return 0
        _, ticks, timed = copy(rows.part.clock).read(rows.part.data)
        begin = int(rows.starts[0])
        place = begin + int(np.argmax(timed[begin:]))
        begun = (self._bench.clock.start_ticks or 0) // unit
        return (begun - int(ticks[place]) // unit) * unit

    def _touch(self, rows: Rows) -> tuple[Tally, WordClock]:
        """Return the account from here on, no longer the planned one: words change, or are missing."""
        if self._tally is None or self._clock is None:
            begin = int(rows.starts[0])
            self._tally = rows.part.tally_after(begin)
            self._clock = copy(rows.part.clock)
            self._clock.read(rows.part.data[: begin * self._word_bytes])
        return self._tally, self._clock

    def _skip(self, rows: Rows) -> None:
        """Pass over packets that are never made."""
        self._touch(rows)
        self._base += int(rows.starts[-1] - rows.starts[0])

    def _items(self, rows: Rows) -> Items:
        """Return the items of packets that are made and sent."""
        starts = rows.starts
        begin, stop = int(starts[0]), int(starts[-1])
        data = rows.part.data[begin * self._word_bytes : stop * self._word_bytes]
        if self._turn or self._corrupters:
            self._touch(rows)
            data = self._altered(data, rows)
        first = rows.part.before.words + begin - self._base
        self._account(rows, data, first)
        items = no_items(len(starts) - 1)
        items["source"], items["session"] = self.number, self.session
        items["first"], items["words"] = first + starts[:-1] - begin, np.diff(starts)
        items["when_ns"], items["due_ns"] = rows.when_ns, self._due_ns(rows.when_ns)
        items["slot"] = rows.slots * SLOTS + ON_TIME
        items["start"][:1] = self._fresh
        self._place(items, rows, data)
        self._fresh = False
        if self._unplugged:
            items["length"] = LOST
        return items

    def _place(self, items: Items, rows: Rows, data: Bytes) -> None:
        """Say where the bytes of the items are: those that were planned, or made anew where anything differs."""
        stores = self._bench.wire.stores
        planned = rows.part.datagrams
        if planned is None:
            items["store"] = stores.put(data)
            items["at"] = (rows.starts[:-1] - rows.starts[0]) * self._word_bytes
            items["length"] = items["whole"] = items["words"] * self._word_bytes
            return
        changed = self._tally is not None
        block = planned
        number = np.arange(rows.low, rows.high)
        if changed:
            flag = NativeFlag.START if self._fresh else 0
            block = packetise(
                data, self._word_bytes, self.number, int(items["first"][0]),
                starts=rows.starts[:-1] - rows.starts[0], first_flags=flag,
            )  # fmt: skip
            number -= rows.low
        bare = HEADER_BYTES - self._bench.recorder.header_bytes
        items["store"] = stores.put(block.buffer)
        items["at"] = number * block.buffer.shape[1] + bare
        items["length"] = items["whole"] = block.length[number] - bare

    def _altered(self, data: Bytes, rows: Rows) -> Bytes:
        if self._turn:
            data = self._bench.turner.turned(data, self._turn)
        samples = self._bench.bad.samples
        for fault, rng in self._corrupters:
            when_s = rows.when_ns / self._bench.wire.ns_per_s
            able = (when_s >= fault.spec.from_s) & (when_s < fault.spec.until_s)
            words = np.flatnonzero(np.repeat(able, np.diff(rows.starts)))
            drawn = rng.random(len(words)) / (fault.spec.share or 1)
            hit = drawn < 1
            data = data.reshape(-1, self._word_bytes).copy()
            data[words[hit]] = samples[(drawn[hit] * len(samples)).astype(np.intp)]
            data = data.reshape(-1)
            self._bench.recorder.injected[self.number].corrupted_words += int(hit.sum())
        return data

    def _account(self, rows: Rows, data: Bytes, first: int) -> None:
        """Count the words, as the front end knows them, and note which of them mean nothing."""
        self._last = (rows.part, int(rows.starts[-1]))
        self.words = first + int(rows.starts[-1] - rows.starts[0])
        if self._tally is not None and self._clock is not None:
            self._tally.add(data, *self._clock.read(data))
        bench = self._bench
        if bench.bad.possible and bench.framing == "native":
            bench.recorder.malformed(self.number, self.session, np.flatnonzero(bench.bad.mask(data)) + first)
