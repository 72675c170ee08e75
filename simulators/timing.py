"""Kinds and times of words, by NumPy alone: on purpose not the decoder, so that each checks the other."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from daq.model.layout import BitField, Clock, Kind, Layout

Ints = npt.NDArray[np.int64]
Tags = tuple[tuple[int, int], ...]
"""Mask and value of the tag bits of each kind."""
EVENTS = ("single", "prompt", "delayed")
_TABLE_BITS = 20
_NEVER_WRAPS = 1 << 62
"""A clock that wraps after so many ticks is not unfolded."""


def words_as_integers(data: npt.NDArray[np.uint8], layout: Layout) -> npt.NDArray[np.unsignedinteger]:
    """Return whole words (uint8) as unsigned integers, byte order applied; a view where the size allows."""
    size = layout.word_bytes
    order = "<" if layout.byte_order == "little" else ">"
    if size in (1, 2, 4, 8):
        return data.view(f"{order}u{size}")
    wide = np.zeros((len(data) // size, 8), np.uint8)
    if order == "<":
        wide[:, :size] = data.reshape(-1, size)
    else:
        wide[:, 8 - size :] = data.reshape(-1, size)
    return wide.view(f"{order}u8").reshape(-1)


def integers_as_words(words: npt.NDArray[np.unsignedinteger], layout: Layout) -> npt.NDArray[np.uint8]:
    """Return unsigned integers as whole words (uint8): what `words_as_integers` undoes."""
    size = layout.word_bytes
    order = "<" if layout.byte_order == "little" else ">"
    if size in (1, 2, 4, 8):
        return np.ascontiguousarray(words.astype(f"{order}u{size}", copy=False)).view(np.uint8)
    wide = words.astype(f"{order}u8").view(np.uint8).reshape(-1, 8)
    return np.ascontiguousarray(wide[:, :size] if order == "<" else wide[:, 8 - size :]).reshape(-1)


class KindFinder:
    """Finds the index of a word's kind in `layout.kinds`, -1 where none fits; the first kind that fits wins.

    Where all tag bits lie within 20 bits, as they mostly do, one table look-up says it.
    """

    def __init__(self, layout: Layout) -> None:
        self._tags = tuple((kind.tag_mask, kind.tag_value) for kind in layout.kinds.values())
        tags = 0
        for mask, _ in self._tags:
            tags |= mask
        self._low = (tags & -tags).bit_length() - 1 if tags else 0
        span = tags.bit_length() - self._low
        self._table = None
        if span <= _TABLE_BITS:
            self._mask = (1 << max(span, 0)) - 1
            self._table = _table(self._tags, self._low, self._mask)

    def find(self, words: npt.NDArray[np.unsignedinteger]) -> npt.NDArray[np.int16]:
        """Return the index of each word's kind."""
        if self._table is None:
            return _scan(words, self._tags)
        shifted = words >> words.dtype.type(self._low)
        codes: npt.NDArray[np.int16] = self._table[shifted & words.dtype.type(self._mask)]
        return codes


@lru_cache(maxsize=8)
def _table(tags: Tags, low: int, mask: int) -> npt.NDArray[np.int16]:
    return _scan(np.arange(mask + 1, dtype=np.uint64) << np.uint64(low), tags)


def _scan(words: npt.NDArray[np.unsignedinteger], tags: Tags) -> npt.NDArray[np.int16]:
    codes = np.full(len(words), -1, np.int16)
    for code, (mask, value) in reversed(list(enumerate(tags))):
        codes[(words & words.dtype.type(mask)) == words.dtype.type(value)] = code
    return codes


class WordClock:
    """Gives every word of one source its time in ticks, over consecutive runs of words. `copy.copy` forks it."""

    def __init__(self, layout: Layout, clock: Clock, finder: KindFinder | None = None) -> None:
        self._layout = layout
        self._finder = finder or KindFinder(layout)
        self._kinds = list(layout.kinds.values())
        self._carries = layout.carries_time
        self._known = clock.start_ticks is not None
        self._ticks = clock.start_ticks or 0

    def read(self, data: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int16], Ints, npt.NDArray[np.bool_]]:
        """Return, of whole words, the indices of their kinds, their ticks, and whether their time is known."""
        words = words_as_integers(data, self._layout)
        codes = self._finder.find(words)
        return codes, *self.advance(words, codes)

    def advance(
        self, words: npt.NDArray[np.unsignedinteger], codes: npt.NDArray[np.int16]
    ) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Return ticks [n] of the words and whether their time is known; words without time have the last one."""
        field = self._only_field(codes)
        if field is not None:
            size = field.ticks << field.width
            unfolded = self._unfold_by(_raw(words, field) * field.ticks, size if size < _NEVER_WRAPS else 0)
            self._ticks, self._known = int(unfolded[-1]), True
            return unfolded, np.ones(len(words), bool)
        sets_time = np.zeros(len(words), bool)
        value = np.zeros(len(words), np.int64)
        wrap = np.ones(len(words), np.int64)
        own = np.zeros(len(words), np.int64)
        for code, kind in enumerate(self._kinds):
            field = kind.field_to("time")
            if field is None or kind.yields == "nothing":
                continue
            hit = codes == code
            if self._carries and kind.yields != "time":
                own = _own_times(words, hit, field, own)
                continue
            rows = np.flatnonzero(hit)
            raw = _raw(words[rows], field)
            limit = field.wrap or 1 << field.width
            sets_time[rows] = raw < limit
            size = limit * field.ticks
            value[rows], wrap[rows] = raw * field.ticks, size if size < _NEVER_WRAPS else 0
        unfolded = self._unfold(value[sets_time], wrap[sets_time])
        passed = np.cumsum(sets_time)
        ticks = np.concatenate([[self._ticks], unfolded])[passed] + own
        timed = (passed > 0) | self._known
        if len(unfolded):
            self._ticks, self._known = int(unfolded[-1]), True
        return ticks, timed

    def _only_field(self, codes: npt.NDArray[np.int16]) -> BitField | None:
        """Return the field that gives every word its time, where all are of one kind: the quick way for most words."""
        if not len(codes) or codes[0] < 0 or not (codes == codes[0]).all():
            return None
        kind = self._kinds[int(codes[0])]
        field: BitField | None = kind.field_to("time")
        if field is None or field.wrap or kind.yields == "nothing" or (self._carries and kind.yields != "time"):
            return None
        return field

    def _unfold_by(self, value: Ints, size: int) -> Ints:
        """Return the times of counts that all wrap after `size` ticks, 0 never."""
        if not size:
            return value
        reference = self._ticks if self._known else int(value[0])
        steps = np.diff(value, prepend=reference)
        steps += size // 2
        within = steps & (size - 1) if size & (size - 1) == 0 else steps % size
        within -= size // 2
        unfolded: Ints = np.cumsum(within)
        unfolded += reference
        return unfolded

    def _unfold(self, value: Ints, wrap: Ints) -> Ints:
        if len(value) == 0:
            return value
        if (wrap == wrap[0]).all():
            return self._unfold_by(value, int(wrap[0]))
        reference = self._ticks if self._known else int(value[0])
        unfolded = np.empty(len(value), np.int64)
        for i, (counted, size) in enumerate(zip(value.tolist(), wrap.tolist(), strict=True)):
            reference = reference + (counted - reference + size // 2) % size - size // 2 if size else counted
            unfolded[i] = reference
        return unfolded


def word_times_ps(data: npt.NDArray[np.uint8], layout: Layout, clock: Clock) -> Ints:
    """Return the time of each word of one source from tick zero, in ps; 0 before the first known time."""
    _, ticks, timed = WordClock(layout, clock).read(data)
    return np.array([ps_of(int(t), clock.tick) for t in np.where(timed, ticks, 0)], np.int64)


def ps_of(ticks: int, tick_ps: Fraction) -> int:
    """Return ticks in ps, rounded half to even."""
    return round(ticks * tick_ps)


def is_event(kinds: list[Kind]) -> npt.NDArray[np.bool_]:
    """Return which kinds are events, with one more entry, False, that index -1 finds."""
    return np.array([kind.yields in EVENTS for kind in kinds] + [False])


def _own_times(words: npt.NDArray[np.unsignedinteger], hit: npt.NDArray[np.bool_], field: BitField, own: Ints) -> Ints:
    """Return `own` with the ticks that the words `hit` have themselves; where these are most, in one go."""
    if 2 * np.count_nonzero(hit) > len(hit):
        return np.where(hit, _raw(words, field) * field.ticks, own)
    own[hit] = _raw(words[hit], field) * field.ticks
    return own


def _raw(words: npt.NDArray[np.unsignedinteger], field: BitField) -> Ints:
    shifted = words.astype(np.uint64) >> np.uint64(field.low)
    shifted &= np.uint64((1 << field.width) - 1)
    return shifted.view(np.int64)
