"""The order's rule in plain Python, one event at a time, and what is needed to hold `Order` against it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from daq.model.events import StreamName
from daq.model.order import OrderRule
from daq.pipeline.order import Order

MS = 10**9
RULE = OrderRule(max_disorder_ps=100 * MS, max_step_ps=1000 * MS)
SINGLES: dict[str, np.dtype[Any]] = {
    "time_ps": np.dtype("i8"), "detector": np.dtype("u4"), "energy_adc": np.dtype("u2"), "head": np.dtype("u1"),
    "x_mm": np.dtype("f4"),
}  # fmt: skip
PAIRS: dict[str, np.dtype[Any]] = {"time_ps": np.dtype("i8"), "tof_ps": np.dtype("i4"), "stamp": np.dtype("u8")}
Packet = tuple[int, list[int], list[int]]
"""Source, times of singles, times of coincidences."""


@dataclass
class Reference:
    """The rule, one event at a time: slices are lists in a dictionary, sorted by `sorted`."""

    rule: OrderRule
    most: int
    latest: int | None = None
    edge: int = 0
    slices: dict[int, list[tuple[str, int, int, bool]]] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)
    aside: set[int] = field(default_factory=set)
    out: list[tuple[str, int, int, bool]] = field(default_factory=list)
    late: dict[int, int] = field(default_factory=dict)
    set_aside: dict[int, int] = field(default_factory=dict)
    forced: int = 0
    in_order: int = 0
    stepped: tuple[int, int] = 0, 0
    walks: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    beginnings: int = 0
    jumps: list[tuple[int, int, int]] = field(default_factory=list)

    def packet(self, index: int, packet: Packet, serials: tuple[list[int], list[int]]) -> None:
        source, *times = packet
        queues = [list(zip(times[i], serials[i], strict=True)) for i in (0, 1)]
        seen = len(self.jumps)
        while queues[0] or queues[1]:
            stream = 0 if not queues[1] or (queues[0] and queues[0][0][0] <= queues[1][0][0]) else 1
            time, serial = queues[stream].pop(0)
            self.event(("singles", "coincidences")[stream], time, serial, source, index)
        del self.jumps[seen + 1 :]

    def event(self, stream: str, time: int, serial: int, source: int, index: int) -> None:
        if self.is_set_aside(time, source, index):
            self.out.append((stream, time, serial, True))
            self.set_aside[source] = self.set_aside.get(source, 0) + 1
            return
        d, w = self.rule.max_disorder_ps, 1 << self.rule.slice_bits
        assert self.latest is not None
        late = time < self.latest - d
        if time > self.latest + d + w:
            self.stepped = self.latest, time
        self.latest = max(self.latest, time)
        self.last[source] = max(self.last.get(source, time), time)
        self.release((self.latest - d) // w * w)
        while time >= self.edge and sum(map(len, self.slices.values())) >= self.most:
            oldest = min(self.slices)
            self.forced += len(self.slices[oldest])
            self.release(oldest + w)
        if time < self.edge:
            late = True
            self.out.append((stream, time, serial, True))
        else:
            self.slices.setdefault(time // w * w, []).append((stream, time, serial, late))
        self.late[source] = self.late.get(source, 0) + late
        self.in_order += not late

    def is_set_aside(self, time: int, source: int, index: int) -> bool:
        d, j, w = self.rule.max_disorder_ps, self.rule.max_step_ps, 1 << self.rule.slice_bits
        if not -(1 << 62) <= time < 1 << 62:
            return True
        if self.latest is None:
            self.latest = self.begin(time)
        ahead, behind = time > self.latest + j, time < self.latest - max(j, d + w)
        if source in self.aside and self.latest - d <= time <= self.latest + j:
            self.aside.remove(source)
        live = {other for other, last in self.last.items() if last >= self.latest - d} - {source, *self.aside}
        astray = ahead or behind
        if (astray and (not live or self.went_on(time, source))) or (not live and self.returns(time)):
            self.move(time, source, index)
        elif ahead and source not in self.aside:
            self.aside.add(source)
            self.jumps.append((index, source, time - self.latest))
        elif behind and source not in self.aside:
            self.last.pop(source, None)
        return source in self.aside

    def move(self, time: int, source: int, index: int) -> None:
        assert self.latest is not None
        self.aside.clear()
        if time < self.latest:
            self.jumps.append((index, source, time - self.latest))
            self.flush()
            self.begin(time)

    def begin(self, time: int) -> int:
        d, w = self.rule.max_disorder_ps, 1 << self.rule.slice_bits
        self.latest, self.edge, self.stepped = time, (time - d) // w * w, (-(1 << 62), time)
        return time

    def went_on(self, time: int, source: int) -> bool:
        j = self.rule.max_step_ps
        since, first, top = self.walks.get(source, (-1, 0, 0))
        if since != self.in_order or time < first or time > top + j:
            first = top = time
        self.walks[source] = self.in_order, first, max(top, time)
        return time > first + j

    def returns(self, time: int) -> bool:
        d, w = self.rule.max_disorder_ps, 1 << self.rule.slice_bits
        assert self.latest is not None
        before, after = self.stepped
        return before - d <= time < self.latest - d - w and self.latest <= after + d

    def release(self, edge: int) -> None:
        for begin in sorted(self.slices):
            if begin < edge:
                self.out += sorted(self.slices.pop(begin), key=lambda row: row[1])
        self.edge = max(self.edge, edge)

    def flush(self) -> None:
        for begin in sorted(self.slices):
            self.out += sorted(self.slices.pop(begin), key=lambda row: row[1])
        self.beginnings += 1
        self.latest = None
        self.last.clear()
        self.aside.clear()


def columns(dtypes: dict[str, np.dtype[Any]], times: list[int], serials: list[int]) -> dict[str, np.ndarray[Any, Any]]:
    number = np.array(serials, np.int64)
    return {
        name: np.array(times, np.int64) if name == "time_ps" else (number + place).astype(kind)
        for place, (name, kind) in enumerate(dtypes.items())
    }


def call(packets: list[Packet]) -> Any:
    return arguments(numbered(packets))


def pushed(order: Order, packets: list[tuple[Packet, tuple[list[int], list[int]]]]) -> Any:
    return order.push(*arguments(packets))


def arguments(packets: list[tuple[Packet, tuple[list[int], list[int]]]]) -> Any:
    """Return packets as the arguments of one call, with columns made from their serial numbers."""
    times = [[t for packet, _ in packets for t in packet[1:][i]] for i in (0, 1)]
    serials = [[n for _, numbers in packets for n in numbers[i]] for i in (0, 1)]
    streams: Any = {
        "singles": columns(SINGLES, times[0], serials[0]),
        "coincidences": columns(PAIRS, times[1], serials[1]),
    }
    ends: Any = {
        stream: np.cumsum([len(packet[1:][i]) for packet, _ in packets], dtype=np.int64)
        for i, stream in enumerate(("singles", "coincidences"))
    }
    return streams, ends, np.array([packet[0] for packet, _ in packets], np.uint16)


def rows(streams: Any, stream: StreamName) -> list[tuple[int, int, bool]]:
    """Return (time, serial number, late) of released rows after every other column was found to have moved along."""
    got = streams[stream]
    dtypes = SINGLES if stream == "singles" else PAIRS
    serial = got["detector"].astype(np.int64) - 1 if stream == "singles" else got["stamp"].astype(np.int64) - 2
    for name, expected in columns(dtypes, got["time_ps"].tolist(), serial.tolist()).items():
        assert got[name].dtype == dtypes[name]
        assert np.array_equal(got[name], expected), name
    late = got["late"].tolist() if stream == "singles" else [False] * len(serial)
    return list(zip(got["time_ps"].tolist(), serial.tolist(), late, strict=True))


def numbered(packets: list[Packet]) -> list[tuple[Packet, tuple[list[int], list[int]]]]:
    """Return packets with the serial numbers of their events."""
    serial, out = 0, []
    for packet in packets:
        first = list(range(serial, serial + len(packet[1])))
        second = list(range(serial + len(first), serial + len(first) + len(packet[2])))
        serial += len(first) + len(second)
        out.append((packet, (first, second)))
    return out


def agree(
    rule: OrderRule, packets: list[Packet], *, cuts: list[int], flushes: set[int], most: int = 1 << 20,
    has_room: bool = True,
) -> None:  # fmt: skip
    """Push packets cut into calls of `cuts` packets, flushed where told; compare with the reference in everything."""
    order, reference = Order(rule, {"singles": SINGLES, "coincidences": PAIRS}, most_held=most), Reference(rule, most)
    queue = order._queue
    if not has_room:
        order._plan = order._plan[:2]
    got: dict[str, list[Any]] = {"singles": [], "coincidences": []}
    jumps: list[tuple[int, int, int]] = []
    waiting, place = numbered(packets), 0
    while place < len(waiting):
        size = cuts[place % len(cuts)]
        size = min([size, *(flush - place for flush in flushes if flush > place)])
        call = waiting[place : place + size]
        order._queue = queue if has_room else queue[:7]
        outs = [pushed(order, call)]
        order._queue = queue
        for index, (packet, serials) in enumerate(call):
            reference.packet(place + index, packet, serials)
        jumps += [(place + jump.packet, jump.source, jump.step_ps) for jump in order.take_jumps()]
        assert order.held_rows == sum(map(len, reference.slices.values())) <= most
        assert order.newest == (reference.beginnings, -(1 << 63) if reference.latest is None else reference.latest)
        place += len(call)
        if place in flushes or place == len(waiting):
            outs.append(order.flush())
            reference.flush()
            assert order.held_rows == 0
        for out in outs:
            for stream in ("singles", "coincidences"):
                got[stream] += rows(out, stream)
    expected = {
        stream: [(time, serial, late and stream == "singles") for s, time, serial, late in reference.out if s == stream]
        for stream in got
    }
    assert got == expected
    assert jumps == reference.jumps
    assert order.forced == reference.forced
    assert {s: n for s, n in enumerate(order.late.tolist()) if n} == {s: n for s, n in reference.late.items() if n}
    assert {s: n for s, n in enumerate(order.set_aside.tolist()) if n} == reference.set_aside


def released(order: Order, packets: list[Packet]) -> list[tuple[int, bool]]:
    """Return (time, late) of the singles released by packets in one call, the flush after them included."""
    ready = rows(pushed(order, numbered(packets)), "singles") + rows(order.flush(), "singles")
    return [(time, late) for time, _, late in ready]


def order_of(rule: OrderRule, **limits: int) -> Order:
    return Order(rule, {"singles": SINGLES, "coincidences": PAIRS}, **limits)


def flagged(order: Order, packets: list[Packet]) -> list[int]:
    """Return which events are late, by their numbers in the order of arrival; there are singles alone."""
    found = rows(pushed(order, numbered(packets)), "singles") + rows(order.flush(), "singles")
    return sorted(serial for _, serial, late in found if late)


def late_ms(order: Order, packets: list[Packet]) -> list[int]:
    """Return the times in ms of the events that are late, in the order of arrival."""
    times = [time // MS for _, singles, _ in packets for time in singles]
    return [times[number] for number in flagged(order, packets)]


def every_ms(source: int, begin: int, end: int) -> list[Packet]:
    return [(source, [time * MS], []) for time in range(begin, end)]


def in_turn(sources: list[int], begin: int, end: int) -> list[Packet]:
    return [(sources[time % len(sources)], [time * MS], []) for time in range(begin, end)]
