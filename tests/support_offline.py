"""What a recording must hold, worked out from the words that arrived: plain integers, one event at a time.

Words are decoded by the layout alone (`oracle`); the order is that of decision 0012, each event being given the place
where it belongs, and everything sorted at once. No kernel, no slab, no accounts.
"""

from __future__ import annotations

import math
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
    live: dict[int, int] = field(default_factory=dict)
    """Latest times of sources; those of sources that went astray below since are gone."""
    aside: set[int] = field(default_factory=set)
    excursion: tuple[float, int] = (0.0, 0)
    """Where the latest time was before and after one event took it far."""
    astray: dict[int, list[int]] = field(default_factory=dict)
    """Times of each source's astray events since the last event in order, since it last began again."""
    placed: list[tuple[tuple[int, int, int, int, int], str, Row]] = field(default_factory=list)
    beginning: int = 0

    def take(self, stream: str, event: Event) -> None:
        """Place an event."""
        time, source, row = event
        width, disorder = 1 << self.rule.slice_bits, self.rule.max_disorder_ps
        is_aside = self._is_set_aside(time, source)
        latest = before = self.latest if self.latest is not None else time
        if not is_aside:
            if time - before > disorder + width:
                self.excursion = before, time
            latest = self.latest = max(before, time)
            self.live[source] = max(self.live.get(source, time), time)
        late = is_aside or time < before - disorder
        if not late:
            self.astray.clear()
        number, edge = len(self.placed), (latest - disorder) // width
        if is_aside or time // width < edge:
            place = (self.beginning, edge, 0, 0, number)
        else:
            place = (self.beginning, time // width, 1, time, number)
        self.placed.append((place, stream, {**row, "late": late} if stream == "singles" else row))

    def begin_anew(self) -> None:
        """Forget the clock, as at a flush: what comes next follows all that came before."""
        self.latest = None
        self.live.clear()
        self.aside.clear()
        self.astray.clear()
        self.beginning += 1

    def rows(self) -> list[tuple[str, Row]]:
        """Return all rows with their streams, in order."""
        return [(stream, row) for _, stream, row in sorted(self.placed, key=lambda found: found[0])]

    def _is_set_aside(self, time: int, source: int) -> bool:
        """Judge an event, and move the clock of the detector as a whole where the event shows that it has moved."""
        if self.latest is None:
            self.latest, self.excursion = time, (-math.inf, time)
        below = self.latest - self.rule.max_disorder_ps
        if below <= time <= self.latest + self.rule.max_step_ps:
            self.aside.discard(source)
            return False
        above, is_astray = time > self.latest, self._is_astray(time)
        if self._has_moved(time, source, is_astray=is_astray):
            self.aside.clear()
            if not above:
                self.begin_anew()
                self.latest, self.excursion = time, (-math.inf, time)
            return False
        if is_astray and above:
            self.aside.add(source)
        elif is_astray and source not in self.aside:
            self.live.pop(source, None)
        return source in self.aside

    def _is_astray(self, time: int) -> bool:
        assert self.latest is not None
        step, far = time - self.latest, self.rule.max_disorder_ps + (1 << self.rule.slice_bits)
        return step > self.rule.max_step_ps or step < -max(self.rule.max_step_ps, far)

    def _has_moved(self, time: int, source: int, *, is_astray: bool) -> bool:
        assert self.latest is not None
        disorder, far = self.rule.max_disorder_ps, self.rule.max_disorder_ps + (1 << self.rule.slice_bits)
        alone = not any(
            last >= self.latest - disorder
            for other, last in self.live.items()
            if other != source and other not in self.aside
        )
        if is_astray:
            return alone or self._went_on(time, source)
        before, after = self.excursion
        return alone and time < self.latest - far and self.latest <= after + disorder and time >= before - disorder

    def _went_on(self, time: int, source: int) -> bool:
        """Tell whether a source that is astray has gone on for more than a step."""
        walk = self.astray.setdefault(source, [])
        if walk and (time < walk[0] or time > max(walk) + self.rule.max_step_ps):
            walk.clear()
        walk.append(time)
        return time - walk[0] > self.rule.max_step_ps


def _stored(row: Row) -> Row:
    """Return a row with its energies and positions as float32, as they are stored."""
    return {name: float(np.float32(value)) if name.endswith(("_kev", "_mm")) else value for name, value in row.items()}
