"""Turn the clock of words that are made already: add ticks to the times in them, around their wraps."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from daq.errors import UsageError
from daq.model.clock_rules import TIME_LIMIT_PS
from daq.model.layout import BitField, Clock, Layout
from simulators.supply import Chunk, Supply
from simulators.timing import KindFinder, integers_as_words, words_as_integers

Bytes = npt.NDArray[np.uint8]
MAX_TURN_PS = TIME_LIMIT_PS // 64
"""Twenty hours: a receiver refuses times beyond the largest one, and several turns may add up."""


class ClockTurner:
    """Adds ticks to the times in words. `unit`: ticks can only be added in multiples of it, 0 without any time."""

    def __init__(self, layout: Layout, clock: Clock) -> None:
        self._layout = layout
        self._tick_ps = clock.tick
        self._finder = KindFinder(layout)
        self._fields: list[tuple[int, BitField]] = []
        for code, kind in enumerate(layout.kinds.values()):
            field = kind.field_to("time")
            moves = kind.yields == "time" or (not layout.carries_time and kind.yields != "nothing")
            if field is not None and moves:
                self._fields.append((code, field))
        self.unit = math.lcm(*(field.ticks for _, field in self._fields)) if self._fields else 0

    def ticks_of(self, seconds: float) -> int:
        """Return a time in ticks, rounded to the unit, at least one unit away from zero."""
        units = round(seconds * 1e12 / float(self._tick_ps) / max(self.unit, 1))
        return (units or (1 if seconds > 0 else -1)) * self.unit

    def check(self, ticks: int, what: str) -> None:
        """Raise `UsageError` for ticks that cannot be added."""
        if self.unit == 0:
            raise UsageError(f"{what}: the layout's words bear no time")
        if ticks % self.unit:
            below = ticks // self.unit * self.unit
            raise UsageError(
                f"{what}: {ticks} ticks; times in words count {self.unit} ticks: take {below} or {below + self.unit}"
            )

    def check_jump(self, ticks: int, what: str) -> None:
        """Raise `UsageError` for ticks that no jump can have."""
        self.check(ticks, what)
        if abs(ticks) * self._tick_ps > MAX_TURN_PS:
            raise UsageError(f"{what}: {ticks} ticks are {float(ticks * self._tick_ps) / 1e12:.6g} s; at most"
                             f" {MAX_TURN_PS / 1e12:.6g} s")  # fmt: skip

    def turned(self, data: Bytes, ticks: int) -> Bytes:
        """Return a copy of whole words (uint8), `ticks` later. Values at or above their wrap stay as they are."""
        words = words_as_integers(data, self._layout).copy()
        codes = self._finder.find(words)
        for code, field in self._fields:
            rows = np.flatnonzero(codes == code)
            if len(rows):
                words[rows] = _turned(words[rows].astype(np.uint64), field, ticks // field.ticks).astype(words.dtype)
        return integers_as_words(words, self._layout)


def _turned(words: npt.NDArray[np.uint64], field: BitField, counts: int) -> npt.NDArray[np.uint64]:
    mask, low = np.uint64((1 << field.width) - 1), np.uint64(field.low)
    raw = (words >> low) & mask
    wrap = field.wrap or 1 << field.width
    step = np.uint64(counts % wrap)
    if wrap == 1 << field.width:
        later = (raw + step) & mask
    else:
        later = np.where(raw < np.uint64(wrap), (raw + step) % np.uint64(wrap), raw)
    cleared: npt.NDArray[np.uint64] = words & ~(mask << low)
    return cleared | (later << low)


class TurnedSupply:
    """A supply whose clock started earlier or later by `ticks`, for all sources alike."""

    def __init__(self, supply: Supply, ticks: int) -> None:
        """Raise `UsageError` for ticks that the words cannot express."""
        self.layout, self.clock, self.sources = supply.layout, supply.clock, supply.sources
        self.preamble, self.tail, self.size_bytes = supply.preamble, supply.tail, supply.size_bytes
        self._supply, self._ticks = supply, ticks
        self._turner = ClockTurner(supply.layout, supply.clock)
        self._turner.check(ticks, "--start-ticks")

    def slices(self) -> Iterator[list[Chunk]]:
        """Yield the chunks of the supply, later."""
        for chunks in self._supply.slices():
            yield [Chunk(c.source, self._turner.turned(c.words, self._ticks), c.rewinds) for c in chunks]

    def described(self) -> dict[str, object]:
        """Return what the supply says, and the ticks."""
        return {**self._supply.described(), "start_ticks": self._ticks}
