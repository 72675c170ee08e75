"""Put events of many sources into one order of time, by the rule of `daq.model.order`.

What comes out, and in which order, is a function of the events and of the packets they came in; how packets are cut
into calls changes nothing but when it comes out. Rows released are in the order of time, equal times in the order of
arrival, except those flagged `late`, which are never paired. So it is until order begins anew: at a flush, and where
the clock of the detector has gone back, which the events themselves tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model.events import StreamName
from daq.model.order import MOST_HELD_ROWS, Moment, OrderRule
from daq.pipeline import order_judge as k
from daq.pipeline.order_kernels import arrive
from daq.pipeline.order_sort import MOST_BUCKETS, gather, release, store
from daq.pipeline.stages import Streams

ORDERED: tuple[StreamName, StreamName] = ("singles", "coincidences")
"""Streams that are ordered; within a packet, singles go first where times are equal."""

Columns = dict[str, npt.NDArray[Any]]
Counts = npt.NDArray[np.int64]

_PLAN_ROWS = 1 << 14
_QUEUE_ROWS = 1 << 10
_FIRST_CHUNKS = 256
_NO_TIMES = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Jump:
    """A source's clock that jumped: `packet` within its call, how far ahead of the latest event its event lies.

    Below zero: the clock of the detector went back to this event, and order began anew with it.
    """

    packet: int
    source: int
    step_ps: int


class Order:
    """Holds events until nothing within the disorder can precede them, then releases them sorted.

    An event is late when its time is below M - `max_disorder_ps`, M being the latest time before it. A source is live
    when it had an event at or above that, and has neither been set aside nor fallen far behind since. Far is more than
    `max_step_ps` above or below M, and no less below than M - `max_disorder_ps` less a slice.

    - An event far above M sets its source aside while another one is live: its events are flagged late and do not move
      M, until one of them lies within both limits. An event far below M is late while another source is live.
    - Where no other source is live, or a source has gone on for `max_step_ps` far from M while no event was in order,
      the clock as a whole has moved: M follows, and none is set aside any more. Back, it is as after a flush: all that
      is held is released, and the event is the first one.
    - The same for an event that is not far below M, if M had gone ahead all at once, by more than `max_disorder_ps` and
      a slice, and then by no more than `max_disorder_ps`, no other source is live, and the event is no further behind
      where M had been than `max_disorder_ps`.

    Events that come too late for their slice, or are set aside, follow what is released.
    """

    def __init__(
        self,
        rule: OrderRule,
        dtypes: Mapping[StreamName, Mapping[str, np.dtype[Any]]],
        *,
        most_held: int = MOST_HELD_ROWS,
    ) -> None:
        """Start empty. `dtypes` are the columns of each stream, `time_ps` among them; streams it lacks pass through.

        `most_held` bounds the rows held, over both streams: beyond it the oldest slices are released early (`forced`).
        """
        self._columns = {
            stream: {name: np.dtype(kind) for name, kind in dtypes[stream].items() if name not in ("time_ps", "late")}
            for stream in ORDERED
            if stream in dtypes
        }
        self._lane_of = {stream: _lanes(columns) for stream, columns in self._columns.items()}
        bits = rule.slice_bits
        slots = (rule.max_disorder_ps >> bits) + 3
        near = rule.max_disorder_ps + (1 << bits)
        self._rule = np.array(
            [
                rule.max_disorder_ps, rule.max_step_ps, bits, 1 << bits, slots, min(most_held, MOST_HELD_ROWS),
                near, max(near, rule.max_step_ps),
            ],
            np.int64,
        )  # fmt: skip
        self._clock = np.zeros(k.CLOCK_FIELDS, np.int64)
        self._clock[k.LATEST] = k.NEVER_PS
        self._slots = np.zeros((2, slots + 1, 3), np.int64)
        self._plan = np.empty((_PLAN_ROWS, 4), np.int64)
        self._queue = np.empty((_QUEUE_ROWS, 5), np.int64)
        self._sources = _fresh_sources(0)
        self._pool = np.empty((2, 0), np.int32)
        self._keys = np.empty(0, np.uint64)
        lanes = {lane for lanes in self._lane_of.values() for lane in lanes.values()}
        self._lanes = {lane: np.empty(0, f"u{lane[0]}") for lane in lanes}
        self._grow(_FIRST_CHUNKS)
        self._scratch = _Scratch()
        self._jumps: list[Jump] = []
        self.released_after: Counts = _NO_TIMES
        """Singles released after each packet of the last call; those that follow them in what it returned are late."""

    @property
    def held_rows(self) -> int:
        """Return the rows held."""
        return int(self._clock[k.HELD])

    @property
    def newest(self) -> Moment:
        """Return the latest moment so far, of sources whose clock has not jumped: what is held is no later."""
        return int(self._clock[k.BEGINNINGS]), int(self._clock[k.LATEST])

    @property
    def released(self) -> Moment:
        """Return the moment before which nothing is held."""
        return int(self._clock[k.BEGINNINGS]), int(self._clock[k.EDGE])

    @property
    def forced(self) -> int:
        """Return the rows released before their time, because too many were held."""
        return int(self._clock[k.FORCED])

    @property
    def late(self) -> Counts:
        """Return, by source number, the events that came late; sources set aside are not in it."""
        return self._sources[:, k.LATE].copy()

    @property
    def set_aside(self) -> Counts:
        """Return, by source number, the events of clocks that had jumped."""
        return self._sources[:, k.SET_ASIDE].copy()

    def reserve(self, rows: int) -> None:
        """Make room for as many rows held, and touch it, so that none has to be made while data flow."""
        missing = -(-rows // k.CHUNK) + 2 * self._slots.shape[1] - self._pool.shape[1]
        if missing > 0:
            self._grow(missing)

    def push(
        self, streams: Streams, ends: Mapping[StreamName, Counts], sources: npt.NDArray[np.uint16],
        told: Counts | None = None,
    ) -> Streams:  # fmt: skip
        """Take the rows of packets; return those released by them, as fresh arrays, singles with `late`.

        `ends[stream]` are the rows of that stream after each packet, `sources` the source of each packet. Streams that
        are not ordered come back as they are. `told` is the time that each packet tells without a row, after its rows:
        the clock goes by it as by an event.
        """
        times, until = self._joined(streams, ends, len(sources))
        second = len(times) - _rows(streams, "coincidences", self._columns)
        released = _Released(self._columns)
        sources = np.ascontiguousarray(sources, np.uint16)
        jumps = np.empty((len(sources), 3), np.int64)
        self._clock[[k.PACKET, k.SINGLE, k.COINCIDENCE, k.JUMPS, k.RELEASED]] = 0, 0, second, 0, 0
        self.released_after = np.zeros(len(sources), np.int64)
        self._know(sources)
        told = _NO_TIMES if told is None else told
        done = False
        while not done:
            if self._clock[k.FREE] == 0:
                self._grow(self._pool.shape[1])
            done = arrive(
                times, until, sources, self._rule, self._clock, self._slots, self._pool, self._keys, self._sources,
                self._plan, self._queue, jumps, self.released_after, told,
            )  # fmt: skip
            self._store(streams, (0, second))
            if done:
                self._queue_slot(self._late_slot, base=0, is_sorted=False)
            self._release(released)
        self._jumps += [Jump(*jump) for jump in jumps[: self._clock[k.JUMPS]].tolist()]
        return {
            **{name: columns for name, columns in streams.items() if name not in released.blocks},
            **released.rows(),
        }

    def flush(self) -> Streams:
        """Release everything in order and forget the clock: the next event is the first one again.

        No event is late against times before a flush, and sources set aside are taken back.
        """
        released = _Released(self._columns)
        edge, first = (int(value) for value in self._clock[[k.EDGE, k.SLOT]])
        width, slots = (int(value) for value in self._rule[[k.WIDTH, k.SLOTS]])
        self._queue_slot(self._late_slot, base=0, is_sorted=False)
        for number in range(slots):
            self._queue_slot((first + number) % slots, base=edge + number * width, is_sorted=True)
        self._release(released)
        self._clock[[k.KNOWN, k.HELD, k.ASIDE]] = 0
        self._clock[k.LATEST] = k.NEVER_PS
        self._clock[k.BEGINNINGS] += 1
        self._sources[:, k.LAST] = k.NEVER_PS
        self._sources[:, k.IS_ASIDE] = 0
        return released.rows()

    def take_jumps(self) -> list[Jump]:
        """Return the jumps found since they were last taken, at most one of a packet: take them after each call."""
        taken, self._jumps = self._jumps, []
        return taken

    @property
    def _late_slot(self) -> int:
        return self._slots.shape[1] - 1

    def _know(self, sources: npt.NDArray[np.uint16]) -> None:
        """Make room for the sources of a call."""
        missing = int(sources.max()) + 1 - len(self._sources) if len(sources) else 0
        if missing > 0:
            self._sources = np.concatenate([self._sources, _fresh_sources(missing)])

    def _grow(self, chunks: int) -> None:
        """Add free chunks."""
        before = self._pool.shape[1]
        pool = np.zeros((2, before + chunks), np.int32)
        pool[:, :before] = self._pool
        free = int(self._clock[k.FREE])
        pool[1, free : free + chunks] = np.arange(before + chunks - 1, before - 1, -1)
        self._clock[k.FREE] += chunks
        self._pool = pool
        self._keys = _longer(self._keys, chunks * k.CHUNK)
        self._lanes = {lane: _longer(rows, chunks * k.CHUNK) for lane, rows in self._lanes.items()}

    def _joined(self, streams: Streams, ends: Mapping[StreamName, Counts], packets: int) -> tuple[Counts, Counts]:
        """Return the times of both streams in one array, and per stream and packet the row after it there."""
        times = [np.ascontiguousarray(streams[name]["time_ps"], np.int64) for name in self._columns]
        until = np.zeros((2, packets), np.int64)
        for name in self._columns:
            until[ORDERED.index(name)] = ends[name]
        until[1] += len(times[0]) if len(times) == len(ORDERED) else 0
        return (times[0] if len(times) == 1 else np.concatenate([_NO_TIMES, *times])), until

    def _store(self, streams: Streams, first: tuple[int, int]) -> None:
        """Copy the columns of rows that arrived into their chunks."""
        plan = self._plan[: self._clock[k.PLANNED]]
        self._clock[k.PLANNED] = 0
        for number, stream in enumerate(ORDERED):
            for name, kind in self._columns.get(stream, {}).items():
                column = np.ascontiguousarray(streams[stream][name], kind)
                store(
                    number,
                    first[number],
                    plan,
                    column.view(f"u{kind.itemsize}"),
                    self._lanes[self._lane_of[stream][name]],
                )

    def _queue_slot(self, slot: int, *, base: int, is_sorted: bool) -> None:
        """Queue what a slot holds."""
        for number in range(len(ORDERED)):
            head, _, rows = self._slots[number, slot]
            if rows:
                self._queue[self._clock[k.QUEUED]] = number, head, rows, base, is_sorted
                self._clock[k.QUEUED] += 1
                self._slots[number, slot, k.ROWS] = 0

    def _release(self, released: _Released) -> None:
        """Sort what is queued and hand it out."""
        queue = self._queue[: self._clock[k.QUEUED]]
        self._clock[k.QUEUED] = 0
        if not len(queue):
            return
        self._scratch.hold(int(queue[:, k.Q_ROWS].max()))
        for number, stream in enumerate(ORDERED):
            if stream not in self._columns:
                continue
            rows = int(queue[queue[:, k.Q_STREAM] == number, k.Q_ROWS].sum())
            if rows:
                released.blocks[stream].append(self._sorted(number, stream, queue, rows))

    def _sorted(self, number: int, stream: StreamName, queue: Counts, rows: int) -> Columns:
        """Return the columns of what the queue holds of a stream."""
        scratch = self._scratch
        columns: Columns = {"time_ps": np.empty(rows, np.int64)}
        late, places = np.empty(rows, np.uint8), scratch.places_of(rows)
        release(
            number, int(self._rule[k.BITS]), queue, self._keys, self._pool, self._clock, scratch.ends, scratch.chunks,
            scratch.keys, scratch.other, columns["time_ps"], places, late,
        )  # fmt: skip
        for name, kind in self._columns[stream].items():
            columns[name] = np.empty(rows, kind)
            lane = self._lanes[self._lane_of[stream][name]]
            gather(number, queue, self._pool, lane, places, columns[name].view(f"u{kind.itemsize}"))
        if stream == "singles":
            columns["late"] = late.view(np.bool_)
        return columns


class _Scratch:
    """Arrays to sort in, which grow with the longest slice."""

    def __init__(self) -> None:
        self.ends = np.empty(MOST_BUCKETS, np.uint32)
        self.places = np.empty(0, np.int32)
        self.chunks = np.empty(0, np.int32)
        self.keys = np.empty(0, np.uint64)
        self.other = np.empty(0, np.uint64)

    def hold(self, rows: int) -> None:
        """Make room for slices of `rows` rows."""
        if rows > len(self.keys):
            rows += rows // 2
            self.chunks = np.empty(rows // k.CHUNK + 1, np.int32)
            self.keys = np.empty(rows, np.uint64)
            self.other = np.empty(rows, np.uint64)

    def places_of(self, rows: int) -> npt.NDArray[np.int32]:
        """Return room for the places of all rows of a call."""
        if rows > len(self.places):
            self.places = np.empty(rows + rows // 2, np.int32)
        return self.places[:rows]


class _Released:
    """Rows released in one call, in blocks."""

    def __init__(self, columns: Mapping[StreamName, Mapping[str, np.dtype[Any]]]) -> None:
        self._columns = columns
        self.blocks: dict[StreamName, list[Columns]] = {stream: [] for stream in columns}

    def rows(self) -> Streams:
        """Return the columns of each stream, of no rows where none were released."""
        return {stream: self._joined(stream, blocks) for stream, blocks in self.blocks.items()}

    def _joined(self, stream: StreamName, blocks: list[Columns]) -> Columns:
        if len(blocks) == 1:
            return blocks[0]
        if blocks:
            return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
        empty: Columns = {"time_ps": np.empty(0, np.int64)}
        empty |= {name: np.empty(0, kind) for name, kind in self._columns[stream].items()}
        return {**empty, "late": np.empty(0, np.bool_)} if stream == "singles" else empty


def _lanes(columns: Mapping[str, np.dtype[Any]]) -> dict[str, tuple[int, int]]:
    """Return which lane of the chunks holds each column: its size and a number among those of the same size.

    Chunks go from one stream to the other, so both use the same lanes.
    """
    used: dict[int, int] = {}
    lanes = {}
    for name, kind in columns.items():
        number = used.get(kind.itemsize, 0)
        used[kind.itemsize] = number + 1
        lanes[name] = (kind.itemsize, number)
    return lanes


def _rows(streams: Streams, stream: StreamName, ordered: Mapping[StreamName, object]) -> int:
    return len(streams[stream]["time_ps"]) if stream in ordered else 0


def _fresh_sources(count: int) -> Counts:
    sources = np.zeros((count, k.SOURCE_FIELDS), np.int64)
    sources[:, k.LAST] = k.NEVER_PS
    sources[:, k.WALK_BEGAN] = -1
    return sources


def _longer(array: npt.NDArray[Any], more: int) -> npt.NDArray[Any]:
    """Return an array with `more` rows after those of `array`, all of them touched."""
    longer = np.empty(len(array) + more, array.dtype)
    longer[: len(array)] = array
    longer[len(array) :] = 0
    return longer
