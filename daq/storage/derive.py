"""From packets to rows: the one path that readout, import and replay share.

account -> decode -> calibrate -> window -> order -> pair, with the host's marks put between the rows. What comes out is
a function of the packets, their arrival times and the host's commands alone, never of how the packets were cut into
calls; only UTC is asked of the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy, deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.listmode.columns import NUMPY_TYPES
from daq.listmode.decoder import Carry, Decoded, Decoder
from daq.model.events import MARKS, NO_SOURCE, STREAMS, StreamName
from daq.model.ledger import Ledger
from daq.model.order import Moment, OrderRule
from daq.model.packets import Packets
from daq.model.stop import StopCondition
from daq.pipeline.order import Order
from daq.pipeline.stages import Stages, Streams
from daq.pipeline.stopping import Hit, StopCounter
from daq.storage.accounts import Accounted, Accounts
from daq.storage.hostmarks import HostMarks, collected, merged, one_mark, times_of
from daq.storage.steps import MOTION_LOST, MOVING, WHOLE

CLOCK_PERIOD_NS = 1_000_000_000

Rows = dict[StreamName, list[Any]]
"""Per stream the runs of columns in order; marks carry the extra column `text`."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """What ended the step: the limit's name and the time of the deciding event."""

    by: str
    time_ps: int


class Derivation:
    """One acquisition's path from packets to rows, step after step."""

    def __init__(
        self,
        decoder: Decoder,
        accounts: Accounts,
        *,
        imported: bool = False,
        stop: StopCondition | None = None,
        stages: Stages | None = None,
        order: OrderRule | None = None,
        utc_of: Callable[[int], int] = lambda _: 0,
    ) -> None:
        """Start before the first packet, in the first step.

        Without an order rule rows stay as they came. `utc_of` gives UTC ns for a host monotonic time in ns.
        """
        self._decoder = decoder
        self.accounts = accounts
        self._carry = decoder.start(imported=imported)
        self._counter = StopCounter(stop or StopCondition(), rule=order)
        self._stages = stages or Stages()
        self._order = Order(order, dtypes_of(decoder)) if order else None
        self._utc_of = utc_of
        self._imported = imported
        self._next_clock_ns: int | None = None
        self._is_paused = False
        self.motion_was_lost = False
        self.packets_seen = 0
        self.stopped: Stopped | None = None
        self._withheld: list[Any] | None = None
        self._room = -1
        self._buffers: dict[StreamName, Any] = {}
        self.decoded: Streams = {}
        """The last call's rows as they came, calibrated and windowed: to be looked at before the next call."""

    @property
    def counts(self) -> dict[str, int]:
        """Return the live counters a stop condition can name, of the present step."""
        return dict(self._counter.counts)

    @property
    def words_by_kind(self) -> dict[str, int]:
        """Return decoded words per kind, over all sources, and undecodable ones per cause."""
        total = self._carry.counts.sum(axis=0)
        return {name: int(count) for name, count in zip(self._decoder.counters, total, strict=True)}

    @property
    def carry(self) -> Carry:
        """Return what decoding carries: counts per source and kind, times. To be looked at only."""
        return self._carry

    @property
    def held_rows(self) -> int:
        """Return the rows that wait for their turn in time."""
        order = self._order  # once: another thread may ask while shedding begins
        return order.held_rows if order else 0

    @property
    def newest(self) -> Moment:
        """Return the newest moment among the rows pushed into the order; those not yet released are no newer."""
        return self._order.newest if self._order else (0, 0)

    @property
    def released(self) -> Moment | None:
        """Return the moment before which every row has been released, None when there is none that waits."""
        return self._order.released if self._order and self._order.held_rows else None

    @property
    def latest_ps(self) -> int:
        """Return the latest time seen, ps from time zero; 0 before any."""
        return int(self._carry.state[:, 2].max()) if len(self._carry.state) else 0

    @property
    def zero_ticks(self) -> list[int | None]:
        """Return the tick of time zero per clock domain; None where no timed word came."""
        return [int(ticks) if known else None for known, ticks, *_ in self._carry.zero.tolist()]

    def ledger(self, *, durable: dict[int, int] | None = None, kernel_drops: int = 0) -> Ledger:
        """Return the ledger so far; `durable` words per source as in `Accounts.ledger`."""
        ledger = self.accounts.ledger(
            self._carry.counts, self._decoder.counters, durable=durable, kernel_drops=kernel_drops
        )
        if self._order is not None:
            late = self._order.late + self._order.set_aside
            for entry in ledger.sources:
                entry.beside.late = int(late[entry.source]) if entry.source < len(late) else 0
        return ledger

    def account(self, packets: Packets) -> Accounted:
        """Account for the packets; write `.packets` as raw rows, then hand the result to `rows`."""
        return self.accounts.account(packets)

    def rows(self, accounted: Accounted, *, shed: bool = False) -> Rows:
        """Return the rows of accounted packets, host marks between them.

        `shed`: decode for the counters, the marks and the stop alone; the events give no rows.
        """
        words = _words(accounted)
        latest_before = self._carry.state[:, 2].copy()
        decoded = self._decode(words, keep=self._order is None and not shed)
        streams = self.decoded = self._stages.window(self._stages.calibrate(decoded.streams))
        hit = self._decide(streams, decoded, words.source)
        rows: Rows = {}
        if not shed:
            _append(rows, self._ordered(streams, decoded, words))
        marks = self._host_marks(accounted, hit)
        if len(marks) or decoded.rows("marks"):
            times = times_of(marks, accounted.run_packet, words.source, decoded.ends[:, 3], latest_before)
            columns = merged(streams.get("marks"), marks, times, accounted.run_packet, decoded.ends[:, 2])
            rows["marks"] = [self._without_withheld(self._stop_noted(columns, hit))]
        self.packets_seen += len(accounted.packets)
        return rows

    def reserve(self, rows: int) -> None:
        """Make room for as many rows that wait for their turn, so that none has to be made while data flow."""
        if self._order is not None:
            self._order.reserve(rows)

    def skip(self, accounted: Accounted) -> None:
        """Pass over packets whose words count nowhere: all they do is to tell the time to those that follow."""
        counts = self._carry.counts.copy()
        self._decode(_words(accounted), keep=False)
        self._carry.counts[: len(counts)] = counts
        self._carry.counts[len(counts) :] = 0
        self.decoded = {}
        self.packets_seen += len(accounted.packets)

    def mark(
        self, kind: str, *, time_ps: int | None = None, value: int | None = None, value2: float = np.nan, text: str = ""
    ) -> Rows:
        """Return a mark of the host, at the present time unless given; its value is the packets seen unless given."""
        seen = self.packets_seen if value is None else value
        now_ps = self.latest_ps if time_ps is None else time_ps
        return {"marks": [one_mark(kind, now_ps, value=seen, value2=value2, text=text)]}

    def start(self, name: str = "", *, moving: bool = False) -> Rows:
        """Return the mark of the beginning, which is that of the first step, too."""
        return self.mark("start", value=0, value2=MOVING if moving else np.nan, text=name)

    def step(self, condition: StopCondition, text: str = "", *, moving: bool = False) -> Rows:
        """Begin another step: its counts begin at zero, its time now."""
        self._counter = self._counter.following(condition, since_ps=self.latest_ps)
        self.stopped = None
        self._is_paused = False
        self.motion_was_lost = False
        return self.mark("step", value2=MOVING if moving else np.nan, text=text)

    def pause(self) -> Rows:
        """Stop counting towards the limits; everything is recorded all the same. Twice is once."""
        if self._is_paused:
            return {}
        self._is_paused = True
        return self.mark("pause")

    def resume(self) -> Rows:
        """Count again; the detector time of the pause is not the step's."""
        if not self._is_paused:
            return {}
        self._is_paused = False
        return self.mark("resume")

    def motion_lost(self, text: str = "") -> Rows:
        """End the step, if it lasts: nothing counts any more. Twice is once."""
        if self.motion_was_lost:
            return {}
        self.motion_was_lost = True
        lost = self.mark("motion_lost", text=text)["marks"]
        return {"marks": [*lost, *self.stop_now(MOTION_LOST).get("marks", [])]}

    @property
    def paused(self) -> bool:
        """True between `pause` and `resume`."""
        return self._is_paused

    def flush(self) -> Rows:
        """Release what waits for its turn because every source is silent; the mark lets a replay do the same."""
        rows = self._released()
        rows["marks"] = self.mark("flush")["marks"]
        return rows

    def stop_now(self, by: str, *, whole: bool = False) -> Rows:
        """End the step by something that is not in the data (operator, host time, stall, end) and return the mark.

        `whole`: by the word of who ended it, nothing is missing.
        """
        if self.stopped is not None:
            return {}
        self.stopped = Stopped(by, self.latest_ps)
        return self.mark("stop", value2=WHOLE if whole else np.nan, text=by)

    def finish(self, by: str) -> Rows:
        """Release all that waits and stop, if nothing did; nothing comes after."""
        rows = self._released()
        marks = [*self.stop_now(by).get("marks", []), *(self._withheld or [])]
        self._withheld = None
        return {**rows, "marks": marks}

    def withhold_jumps(self) -> None:
        """Keep the marks of jumping clocks until the end from here on: while rows are shed nobody sees them live."""
        if self._withheld is None:
            self._withheld = []

    def _without_withheld(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Return the marks without those to be kept, which go to the others of their kind."""
        if self._withheld is None:
            return columns
        jumps = columns["kind"] == MARKS.index("jump")
        if jumps.any():
            self._withheld.append(_chosen(columns, jumps))
        return _chosen(columns, ~jumps)

    def fork(self) -> Derivation:
        """Return a twin that goes on from here with the events; this one is left with counters and marks."""
        twin = copy(self)
        twin.withhold_jumps()
        twin._room, twin._buffers = -1, {}  # noqa: SLF001 - another of our kind
        twin._counter, twin.stopped = StopCounter(StopCondition()), None  # noqa: SLF001 - another of our kind
        self._carry, self.accounts, self._order = self._carry.copy(), deepcopy(self.accounts), None
        return twin

    def join(self, twin: Derivation) -> None:
        """Take the order, and the marks it gave, back from a twin that has caught up."""
        self._withheld = twin._withheld
        self._order = twin._order

    def _decode(self, words: Packets, *, keep: bool) -> Decoded:
        """Decode, into the same memory again and again where the rows are not to be kept as they are."""
        if keep:
            return self._decoder.decode(words, self._carry)
        count = self._decoder.words_of(words)
        if count > self._room or not self._buffers:
            self._room = max(count, 2 * self._room)
            self._buffers = self._decoder.buffers(self._room)
        return self._decoder.decode_into(words, self._carry, self._buffers)

    def _released(self) -> Rows:
        rows: Rows = {}
        if self._order is not None:
            _append(rows, self._stages.frame(self._stages.pair(self._order.flush())))
        return rows

    def _ordered(self, streams: Streams, decoded: Decoded, words: Packets) -> Streams:
        events: Any = {stream: columns for stream, columns in streams.items() if stream != "marks"}
        if self._order is not None:
            ends: dict[StreamName, Any] = {"singles": decoded.ends[:, 0], "coincidences": decoded.ends[:, 1]}
            events = self._order.push(events, ends, words.source)
        return self._stages.frame(self._stages.pair(events))

    def _decide(self, streams: Streams, decoded: Decoded, sources: npt.NDArray[np.uint16]) -> Hit | None:
        """Count, and return the limit that these rows reach."""
        if self._is_paused or self.motion_was_lost:
            self._counter.passed(streams, decoded.ends, sources)
            return None
        hit = self._counter.seen(streams, decoded.ends, sources)
        if hit is None or self.stopped is not None:
            return None
        self.stopped = Stopped(hit.limit, hit.time_ps)
        return hit

    def _host_marks(self, accounted: Accounted, hit: Hit | None) -> HostMarks:
        packets = accounted.packets
        stop = np.array([accounted.run_packet[hit.run] + 1] if hit else [], np.int64)
        seconds = self._new_seconds(packets)
        jumps = self._order.take_jumps() if self._order else []
        jumped = np.array([accounted.run_packet[jump.packet] + 1 for jump in jumps], np.int64)
        arrivals = packets.arrival_ns[seconds]
        utc = np.array([self._utc_of(int(arrival)) for arrival in arrivals], np.int64)
        return collected(
            [
                ("stop", stop, _nowhere(stop), self.packets_seen + stop, _nan(stop)),
                (
                    "jump", jumped, np.array([jump.source for jump in jumps], np.uint16),
                    np.array([jump.step_ps for jump in jumps], np.int64), _nan(jumped),
                ),
                ("clock", seconds, _nowhere(seconds), utc, arrivals.astype(np.float64)),
                *(
                    (kind, found, packets.source[found], np.zeros(len(found), np.int64), _nan(found))
                    for kind, found in (("source_start", accounted.starts), ("source_end", accounted.ends))
                ),
                (
                    "gap", accounted.gap_packet, packets.source[accounted.gap_packet],
                    accounted.gap_words, _nan(accounted.gap_packet),
                ),
            ]
        )  # fmt: skip

    def _stop_noted(self, columns: dict[str, Any], hit: Hit | None) -> dict[str, Any]:
        if hit is not None:
            at = int(np.flatnonzero(columns["kind"] == MARKS.index("stop"))[0])
            columns["text"][at] = hit.limit
            columns["time_ps"] = np.array(columns["time_ps"])
            columns["time_ps"][at] = hit.time_ps
        return columns

    def _new_seconds(self, packets: Packets) -> npt.NDArray[np.int64]:
        """Return the packets that arrived first in a new second of host time, the very first one included."""
        found: list[int] = []
        arrival = packets.arrival_ns
        while len(arrival) and not self._imported:
            due = int(arrival[0]) if self._next_clock_ns is None else self._next_clock_ns
            late = np.flatnonzero(arrival >= due)
            if not len(late):
                break
            found.append(int(late[0]))
            self._next_clock_ns = int(arrival[late[0]]) + CLOCK_PERIOD_NS
        return np.array(found, np.int64)


def dtypes_of(decoder: Decoder) -> dict[StreamName, dict[str, np.dtype[Any]]]:
    """Return the NumPy types of the event columns that `decoder` fills, `late` not among them."""
    return {
        stream: {name: np.dtype(NUMPY_TYPES[STREAMS[stream][name].type]) for name in names if name != "late"}
        for stream, names in decoder.columns.items()
        if stream != "marks"
    }


def _chosen(columns: dict[str, Any], wanted: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return the rows that are wanted of columns, of which `text` is a list."""
    text = [text for text, want in zip(columns["text"], wanted.tolist(), strict=True) if want]
    return {**{name: values[wanted] for name, values in columns.items() if name != "text"}, "text": text}


def _words(accounted: Accounted) -> Packets:
    """Return the runs of new words as packets."""
    packets, index = accounted.packets, accounted.run_packet
    return Packets(
        packets.data, accounted.run_offset, accounted.run_length, packets.source[index], packets.sequence[index],
        packets.arrival_ns[index], np.zeros(len(index), np.uint8), packets.header[index],
    )  # fmt: skip


def _nan(like: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return np.full(len(like), np.nan)


def _nowhere(like: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    return np.full(len(like), NO_SOURCE, np.uint16)


def _append(rows: Rows, streams: Streams) -> None:
    for stream, columns in streams.items():
        if len(columns["time_ps"]):
            rows.setdefault(stream, []).append(columns)
