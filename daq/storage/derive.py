"""From packets to rows: the one path that readout, import and replay share.

account -> decode -> stages, with the host's marks put between the rows. What comes out is a function of the packets and
their arrival times alone, never of how the packets were cut into calls; only UTC is asked of the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from daq.listmode.decoder import Decoder
from daq.model.events import MARKS, NO_SOURCE, StreamName
from daq.model.ledger import Ledger
from daq.model.packets import Packets
from daq.model.stop import StopCondition
from daq.pipeline.stages import Stages, Streams
from daq.pipeline.stopping import StopCounter
from daq.storage.accounting import Accounted, Accounts

CLOCK_PERIOD_NS = 1_000_000_000

Rows = dict[StreamName, list[Any]]
"""Per stream the runs of columns in order; marks carry the extra column `text`."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """What ended the step: the limit's name and the time of the deciding event."""

    by: str
    time_ps: int


class Derivation:
    """One acquisition's path from packets to rows."""

    def __init__(
        self,
        decoder: Decoder,
        accounts: Accounts,
        *,
        imported: bool = False,
        stop: StopCondition | None = None,
        stages: Stages | None = None,
        utc_of: Callable[[int], int] = lambda _: 0,
    ) -> None:
        """Start before the first packet. `utc_of` gives UTC ns for a host monotonic time in ns, for `clock` marks."""
        self._decoder = decoder
        self.accounts = accounts
        self._carry = decoder.start(imported=imported)
        self._condition = stop or StopCondition()
        self._counter = StopCounter(self._condition)
        self._stages = stages or Stages()
        self._utc_of = utc_of
        self._imported = imported
        self._next_clock_ns: int | None = None
        self.packets_seen = 0
        self._first_index = 0
        self.stopped: Stopped | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Return the live counters a stop condition can name."""
        return dict(self._counter.counts)

    @property
    def words_by_kind(self) -> dict[str, int]:
        """Return decoded words per kind, over all sources, and undecodable ones per cause."""
        total = self._carry.counts.sum(axis=0)
        return {name: int(count) for name, count in zip(self._decoder.counters, total, strict=True)}

    @property
    def latest_ps(self) -> int:
        """Return the latest time seen, ps from time zero; 0 before any."""
        return int(self._carry.state[:, 2].max()) if len(self._carry.state) else 0

    @property
    def zero_ticks(self) -> list[int | None]:
        """Return the tick of time zero per clock domain; None where no timed word came."""
        return [int(ticks) if known else None for known, ticks in self._carry.zero.tolist()]

    def ledger(self, *, durable: dict[int, int] | None = None, kernel_drops: int = 0) -> Ledger:
        """Return the ledger so far; `durable` words per source as in `Accounts.ledger`."""
        return self.accounts.ledger(
            self._carry.counts, self._decoder.counters, durable=durable, kernel_drops=kernel_drops
        )

    def account(self, packets: Packets) -> Accounted:
        """Account for the packets; write `.packets` as raw rows, then hand the result to `rows`."""
        return self.accounts.account(packets)

    def rows(self, accounted: Accounted) -> Rows:
        """Return the rows of accounted packets, host marks between them."""
        rows: Rows = {}
        runs, done, before = accounted.decode, 0, self.packets_seen
        self._first_index = before
        for index, marks in sorted(self._marks_between(accounted).items()):
            end = done
            while end < len(runs) and runs[end][0] < index:
                end += 1
            self._decode(accounted.packets, runs[done:end], rows)
            done = end
            self.packets_seen = before + index
            for kind, source, value, value2 in marks:
                time_ps = self.latest_ps if source == NO_SOURCE else self._latest_of(source)
                _append_mark(rows, kind, time_ps, source, value, value2, "")
        self._decode(accounted.packets, runs[done:], rows)
        self.packets_seen = before + len(accounted.packets)
        return rows

    def mark(
        self, kind: str, *, value: int = 0, value2: float = np.nan, text: str = "", source: int = NO_SOURCE
    ) -> Rows:
        """Return a mark of the host at the present time, as rows."""
        rows: Rows = {}
        _append_mark(rows, kind, self.latest_ps, source, value, value2, text)
        return rows

    def stop_now(self, by: str) -> Rows:
        """Stop by something that is not in the data (operator, host time, stall, end) and return the mark."""
        if self.stopped is not None:
            return {}
        self.stopped = Stopped(by, self.latest_ps)
        return self.mark("stop", value=self.packets_seen, text=by)

    def _marks_between(self, accounted: Accounted) -> dict[int, list[_Mark]]:
        """Return the host's marks by the packet before which they belong."""
        marks: dict[int, list[_Mark]] = {}
        packets = accounted.packets
        for index in self._new_seconds(packets):
            arrival = int(packets.arrival_ns[index])
            marks.setdefault(index, []).append(("clock", NO_SOURCE, self._utc_of(arrival), float(arrival)))
        for kind, found in (("source_start", accounted.starts), ("source_end", accounted.ends)):
            for index in found:
                marks.setdefault(index, []).append((kind, int(packets.source[index]), 0, np.nan))
        for index, words in accounted.gaps.items():
            marks.setdefault(index, []).append(("gap", int(packets.source[index]), words, np.nan))
        return marks

    def _new_seconds(self, packets: Packets) -> list[int]:
        """Return the packets that arrived first in a new second of host time, the very first one included."""
        if self._imported:
            return []
        found: list[int] = []
        arrival = packets.arrival_ns
        while len(arrival):
            due = int(arrival[0]) if self._next_clock_ns is None else self._next_clock_ns
            late = np.flatnonzero(arrival >= due)
            if not len(late):
                break
            found.append(int(late[0]))
            self._next_clock_ns = int(arrival[late[0]]) + CLOCK_PERIOD_NS
        return found

    def _decode(self, packets: Packets, runs: list[tuple[int, int, int]], rows: Rows) -> None:
        """Decode runs of words into `rows`; where a stop condition is met, find its packet and mark it."""
        if not runs:
            return
        watching = self.stopped is None and bool(self._condition.counts or self._condition.duration_ps is not None)
        saved = (self._carry.copy(), self._counter.copy()) if watching and len(runs) > 1 else None
        streams = self._stages(self._decoder.decode(_part(packets, runs), self._carry).streams)
        hit = self._counter.seen(streams)
        if watching and hit is not None and saved is not None:
            self._carry, self._counter = saved
            half = len(runs) // 2
            self._decode(packets, runs[:half], rows)
            self._decode(packets, runs[half:], rows)
            return
        _append(rows, streams)
        if watching and hit is not None:
            self.stopped = Stopped(*hit)
            seen = self._first_index + runs[-1][0] + 1
            _append_mark(rows, "stop", hit[1], NO_SOURCE, seen, np.nan, hit[0])

    def _latest_of(self, source: int) -> int:
        return int(self._carry.state[source, 2]) if source < len(self._carry.state) else 0


_Mark = tuple[str, int, int, float]
"""Kind, source, value, value2."""


def _part(packets: Packets, runs: list[tuple[int, int, int]]) -> Packets:
    """Return the words that `runs` (packet, byte offset, bytes) select, as packets."""
    index, offset, length = (np.array(column, np.int64) for column in zip(*runs, strict=True))
    return Packets(
        packets.data, offset, length, packets.source[index], packets.sequence[index],
        packets.arrival_ns[index], np.zeros(len(index), np.uint8), packets.header[index],
    )  # fmt: skip


def _append(rows: Rows, streams: Streams) -> None:
    for stream, columns in streams.items():
        count = len(columns["time_ps"])
        if count:
            text = {"text": [""] * count} if stream == "marks" else {}
            rows.setdefault(stream, []).append({**columns, **text})


def _append_mark(rows: Rows, kind: str, time_ps: int, source: int, value: int, value2: float, text: str) -> None:
    mark: dict[str, Any] = {
        "time_ps": np.array([time_ps], np.int64),
        "kind": np.array([MARKS.index(kind)], np.uint8),
        "source": np.array([source], np.uint16),
        "value": np.array([value], np.int64),
        "value2": np.array([value2], np.float64),
        "text": [text],
    }
    rows.setdefault("marks", []).append(mark)
