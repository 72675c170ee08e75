"""Order as a function of the data: held against one event at a time in plain Python, and against what can be said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.model.events import StreamName
from daq.model.order import OrderRule
from daq.pipeline.order import Order

MS = 10**9
SINGLES: dict[str, np.dtype[Any]] = {
    "time_ps": np.dtype("i8"), "detector": np.dtype("u4"), "energy_adc": np.dtype("u2"), "head": np.dtype("u1"),
    "x_mm": np.dtype("f4"),
}  # fmt: skip
PAIRS: dict[str, np.dtype[Any]] = {"time_ps": np.dtype("i8"), "tof_ps": np.dtype("i4"), "stamp": np.dtype("u8")}
Event = tuple[str, int, int]
"""Stream, time, serial number."""
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
        d, j, w = self.rule.max_disorder_ps, self.rule.max_step_ps, 1 << self.rule.slice_bits
        if self.latest is None:
            self.latest, self.edge = time, (time - d) // w * w
        if source in self.aside and self.latest - d <= time <= self.latest + j:
            self.aside.remove(source)
        if source not in self.aside and time > self.latest + j:
            live = [o for o, last in self.last.items() if last >= self.latest - d and o not in {source, *self.aside}]
            if live:
                self.aside.add(source)
                self.jumps.append((index, source, time - self.latest))
            else:
                self.aside.clear()
        if source in self.aside:
            self.out.append((stream, time, serial, True))
            self.set_aside[source] = self.set_aside.get(source, 0) + 1
            return
        late = time < self.latest - d
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

    def release(self, edge: int) -> None:
        for begin in sorted(self.slices):
            if begin < edge:
                self.out += sorted(self.slices.pop(begin), key=lambda row: row[1])
        self.edge = max(self.edge, edge)

    def flush(self) -> None:
        for begin in sorted(self.slices):
            self.out += sorted(self.slices.pop(begin), key=lambda row: row[1])
        self.latest = None
        self.last.clear()
        self.aside.clear()


def columns(dtypes: dict[str, np.dtype[Any]], times: list[int], serials: list[int]) -> dict[str, np.ndarray[Any, Any]]:
    number = np.array(serials, np.int64)
    return {
        name: np.array(times, np.int64) if name == "time_ps" else (number + place).astype(kind)
        for place, (name, kind) in enumerate(dtypes.items())
    }


def pushed(order: Order, packets: list[tuple[Packet, tuple[list[int], list[int]]]]) -> Any:
    """Push packets in one call, with columns made from their serial numbers."""
    times = [[t for packet, _ in packets for t in packet[1 + i]] for i in (0, 1)]
    serials = [[n for _, numbers in packets for n in numbers[i]] for i in (0, 1)]
    streams: Any = {
        "singles": columns(SINGLES, times[0], serials[0]),
        "coincidences": columns(PAIRS, times[1], serials[1]),
    }
    ends: Any = {
        stream: np.cumsum([len(packet[1 + i]) for packet, _ in packets], dtype=np.int64)
        for i, stream in enumerate(("singles", "coincidences"))
    }
    return order.push(streams, ends, np.array([packet[0] for packet, _ in packets], np.uint16))


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


def agree(rule: OrderRule, packets: list[Packet], *, cuts: list[int], flushes: set[int], most: int = 1 << 20) -> None:
    """Push packets cut into calls of `cuts` packets, flushed where told; compare with the reference in everything."""
    order, reference = Order(rule, {"singles": SINGLES, "coincidences": PAIRS}, most_held=most), Reference(rule, most)
    got: dict[str, list[Any]] = {"singles": [], "coincidences": []}
    jumps: list[tuple[int, int, int]] = []
    waiting, place = numbered(packets), 0
    while place < len(waiting):
        size = cuts[place % len(cuts)]
        size = min([size, *(flush - place for flush in flushes if flush > place)])
        call = waiting[place : place + size]
        outs = [pushed(order, call)]
        for index, (packet, serials) in enumerate(call):
            reference.packet(place + index, packet, serials)
        jumps += [(place + jump.packet, jump.source, jump.step_ps) for jump in order.take_jumps()]
        assert order.held_rows == sum(map(len, reference.slices.values())) <= most
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


disorders = st.sampled_from([0, 1, 3 * MS, 10 * MS, 700 * MS])
steps = st.sampled_from([1, 5 * MS, 40 * MS, 1000 * MS])


@st.composite
def packet_lists(draw: st.DrawFn) -> list[Packet]:
    """Draw packets of a few sources that walk forwards, come out of order, jump, go back and repeat times."""
    origin = draw(st.sampled_from([0, -50 * MS, 1 << 61]))
    walk = st.sampled_from(
        [0, 0, 1, MS // 3, MS, 2 * MS, 9 * MS, -MS, -4 * MS, 60 * MS, 2000 * MS, -100 * MS, -3000 * MS]
    )
    now = dict.fromkeys(range(4), origin)
    packets: list[Packet] = []
    for _ in range(draw(st.integers(1, 14))):
        source = draw(st.sampled_from([0, 0, 1, 2, 3]))
        times: tuple[list[int], list[int]] = ([], [])
        for _ in range(draw(st.integers(0, 6))):
            now[source] += draw(walk)
            times[draw(st.sampled_from([0, 0, 1]))].append(now[source] + draw(st.integers(-2, 2)))
        packets.append((source, *times))
    return packets


@settings(max_examples=600, deadline=None)
@given(
    packets=packet_lists(), disorder=disorders, step=steps, cuts=st.lists(st.integers(1, 8), min_size=1, max_size=4),
    flushes=st.sets(st.integers(1, 13), max_size=3), most=st.sampled_from([1, 2, 5, 1 << 20]),
)  # fmt: skip
def test_order_is_that_of_the_rule_taken_one_event_at_a_time(
    packets: list[Packet], disorder: int, step: int, cuts: list[int], flushes: set[int], most: int
) -> None:
    rule = OrderRule(max_disorder_ps=disorder, max_step_ps=max(step, disorder))

    agree(rule, packets, cuts=cuts, flushes=flushes, most=most)
