"""What a recording must hold, worked out from the words that arrived: plain integers, one event at a time.

Words are decoded by the layout alone (`oracle`); the order is that of decision 0012, each event being given the place
where it belongs, and everything sorted at once. No kernel, no slab, no accounts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from oracle import Oracle, OutOfRangeError
from support_traffic import Piece

from daq.model.layout import Kind
from daq.model.order import OrderRule
from device_profiles.schema import InstrumentProfile

Row = dict[str, Any]
Event = tuple[int, int, Row]
"""Time, source, row."""


def offline_rows(
    pieces: Iterable[Piece], profile: InstrumentProfile, rule: OrderRule | None, flushes: Sequence[int] = ()
) -> dict[str, list[Row]]:
    """Return the rows of events that the pieces give. `flushes`: after how many datagrams the host flushed."""
    words = Words(profile)
    order = OfflineOrder(rule) if rule else None
    rows: dict[str, list[Row]] = {"singles": [], "coincidences": []}
    for number, piece in enumerate(pieces):
        if order is not None:
            for _ in range(sum(at == number for at in flushes)):
                order.begin_anew()
        for stream, event in words.of(piece):
            if order is None:
                rows[stream].append(event[2])
            else:
                order.take(stream, event)
    for stream, row in order.rows() if order is not None else ():
        rows[stream].append(row)
    return {stream: found for stream, found in rows.items() if found}


class Source(Oracle):
    """A source among others on one clock: until it has told a time itself, it goes by the newest that any has told."""

    told = False
    newest: int | None = None

    def _unfold(self, kind: Kind, word: int) -> None:
        own = self.ticks
        if not self.told and self.newest is not None:
            self.ticks = self.newest
        try:
            super()._unfold(kind, word)
        except OutOfRangeError:
            self.ticks = own
            raise
        self.told = True

    def go_by(self, newest: int | None) -> None:
        """Take note of the newest time that any source has told."""
        self.newest = newest
        if not self.told and self.ticks is not None and newest is not None:
            self.ticks = newest


class Words:
    """Decodes the words that come for the first time, source by source. All sources have one clock."""

    def __init__(self, profile: InstrumentProfile) -> None:
        assert profile.clock.shared
        self._profile = profile
        self._known: set[tuple[int, int, int]] = set()
        self._sources: dict[int, Source] = {}
        self._newest: int | None = None

    def of(self, piece: Piece) -> list[tuple[str, Event]]:
        """Return the events of a piece with their streams."""
        if piece.junk is not None:
            return []
        oracle = self._oracle(piece.source)
        size = self._profile.layout.word_bytes
        found: list[tuple[str, Event]] = []
        for index, word in enumerate(piece.words[: piece.arrived(size)]):
            name = (piece.source, piece.life, piece.first + index)
            if name in self._known:
                continue
            self._known.add(name)
            before = {stream: len(rows) for stream, rows in oracle.rows.items()}
            oracle.feed(word.to_bytes(size, self._profile.layout.byte_order))
            for stream in ("singles", "coincidences"):
                found += [
                    (stream, (row["time_ps"], piece.source, _stored(row)))
                    for row in oracle.rows[stream][before[stream] :]
                ]
            self._share_clock(oracle)
        return found

    def _oracle(self, source: int) -> Source:
        if source not in self._sources:
            fresh = Source(self._profile.layout, self._profile.clock, imported=False)
            fresh.zero = next((o.zero for o in self._sources.values() if o.zero is not None), fresh.zero)
            self._sources[source] = fresh
            fresh.go_by(self._newest)
        return self._sources[source]

    def _share_clock(self, oracle: Source) -> None:
        """Let all sources count from the first tick of any of them, and know the newest."""
        if oracle.told and oracle.ticks is not None:
            self._newest = oracle.ticks if self._newest is None else max(self._newest, oracle.ticks)
        for other in self._sources.values():
            other.zero = oracle.zero if other.zero is None else other.zero
            other.go_by(self._newest)


@dataclass
class OfflineOrder:
    """Gives every event its place: how often order began anew, its slice, its time, its number."""

    rule: OrderRule
    latest: int | None = None
    last: dict[int, int] = field(default_factory=dict)
    aside: set[int] = field(default_factory=set)
    placed: list[tuple[tuple[int, int, int, int, int], str, Row]] = field(default_factory=list)
    beginning: int = 0

    def take(self, stream: str, event: Event) -> None:
        """Place an event."""
        time, source, row = event
        width, disorder = 1 << self.rule.slice_bits, self.rule.max_disorder_ps
        is_aside = self._is_set_aside(time, source)
        before = latest = self.latest if self.latest is not None else time
        if not is_aside:
            self.latest = latest = max(before, time)
            self.last[source] = max(self.last.get(source, time), time)
        edge = (latest - disorder) // width
        number = len(self.placed)
        late = is_aside or time < before - disorder
        if is_aside or time // width < edge:
            place = (self.beginning, edge, 0, 0, number)
        else:
            place = (self.beginning, time // width, 1, time, number)
        self.placed.append((place, stream, {**row, "late": late} if stream == "singles" else row))

    def begin_anew(self) -> None:
        """Forget the clock, as at a flush: what comes next follows all that came before."""
        self.latest = None
        self.last.clear()
        self.aside.clear()
        self.beginning += 1

    def rows(self) -> list[tuple[str, Row]]:
        """Return all rows with their streams, in order."""
        return [(stream, row) for _, stream, row in sorted(self.placed, key=lambda found: found[0])]

    def _is_set_aside(self, time: int, source: int) -> bool:
        """Tell whether an event's clock has jumped ahead of all others."""
        if self.latest is None:
            self.latest = time
        floor, ceiling = self.latest - self.rule.max_disorder_ps, self.latest + self.rule.max_step_ps
        if source in self.aside and floor <= time <= ceiling:
            self.aside.remove(source)
        if source not in self.aside and time <= ceiling:
            return False
        if source in self.aside and time < floor:
            return True
        if any(last >= floor for other, last in self.last.items() if other != source and other not in self.aside):
            self.aside.add(source)
            return True
        self.aside.clear()
        return False


def _stored(row: Row) -> Row:
    """Return a row with its energies and positions as float32, as they are stored."""
    return {name: float(np.float32(value)) if name.endswith(("_kev", "_mm")) else value for name, value in row.items()}
