"""Which words a layout gives no meaning: of no kind, or with a number out of range. By NumPy, not by the decoder."""

from __future__ import annotations

from functools import reduce
from operator import or_

import numpy as np
import numpy.typing as npt

from daq.model.layout import BitField, Clock, DetectorNumber, Kind, Layout
from simulators.timing import EVENTS, KindFinder, integers_as_words, words_as_integers

Words = npt.NDArray[np.unsignedinteger]
Mask = npt.NDArray[np.bool_]
SAMPLES = 16
_DRAWN = 512
_SEED = 20261122


class BadWords:
    """Finds words that a decoder must count as malformed.

    An event before the first time word is *untimed* whatever else it is; where that can be, samples are of no kind.
    """

    def __init__(self, layout: Layout, clock: Clock) -> None:
        self._layout = layout
        self._finder = KindFinder(layout)
        self._kinds = list(layout.kinds.values())
        words = _candidates(layout)
        codes = self._finder.find(words)
        bad = self._mask(words, codes)
        self.possible = bool(bad.any())
        """False: every word means something (as far as a search finds)."""
        usable = codes < 0 if layout.carries_time and clock.start_ticks is None else bad
        none_first = np.argsort(codes[usable] >= 0, kind="stable")
        chosen = words[usable][none_first][:SAMPLES]
        self.samples = integers_as_words(chosen, layout).reshape(len(chosen), layout.word_bytes)
        """Malformed words to put in the place of good ones, uint8 [up to 16, bytes of a word]."""

    def mask(self, data: npt.NDArray[np.uint8]) -> Mask:
        """Return which of whole words (uint8) are malformed."""
        words = words_as_integers(data, self._layout)
        return self._mask(words, self._finder.find(words))

    def _mask(self, words: Words, codes: npt.NDArray[np.int16]) -> Mask:
        bad = codes < 0
        for code, kind in enumerate(self._kinds):
            rows = np.flatnonzero(codes == code)
            if len(rows):
                bad[rows] = _out_of_range(words[rows], kind, self._layout)
        return bad


def _out_of_range(words: Words, kind: Kind, layout: Layout) -> Mask:
    bad = np.zeros(len(words), bool)
    time = kind.field_to("time")
    if (
        time is not None
        and time.wrap
        and kind.yields != "nothing"
        and (kind.yields == "time" or not layout.carries_time)
    ):
        bad |= _raw(words, time) >= time.wrap
    if kind.yields not in EVENTS:
        return bad
    numbers = {}
    for name in ("detector", "detector_a", "detector_b"):
        number: DetectorNumber | None = getattr(kind, name)
        if number is not None:
            wrong, numbers[name] = _number(words, kind, number)
            bad |= wrong
    if "detector_a" in numbers and "detector_b" in numbers:
        bad |= numbers["detector_a"] == numbers["detector_b"]
    return bad


def _number(words: Words, kind: Kind, number: DetectorNumber) -> tuple[Mask, npt.NDArray[np.int64]]:
    """Return which words have a digit or a looked-up number out of range, and the numbers."""
    wrong = np.zeros(len(words), bool)
    index = np.zeros(len(words), np.int64)
    for digit, radix in zip(number.digits, number.radix, strict=True):
        raw = _raw(words, kind.fields[digit])
        wrong |= raw >= radix
        index = index * radix + np.minimum(raw, radix - 1)
    if number.lookup is not None:
        index = np.array(number.lookup, np.int64)[index]
        wrong |= index < 0
    return wrong, index


def _raw(words: Words, field: BitField) -> npt.NDArray[np.int64]:
    shifted = words.astype(np.uint64) >> np.uint64(field.low)
    return (shifted & np.uint64((1 << field.width) - 1)).astype(np.int64)


def _candidates(layout: Layout) -> Words:
    """Return words among which malformed ones show if there are any: every tag turned over, every digit stretched."""
    rng = np.random.default_rng(_SEED)
    full = (1 << layout.word_bits) - 1
    drawn = rng.integers(0, full, _DRAWN, np.uint64, endpoint=True)
    found = [drawn]
    tags = 0
    for kind in layout.kinds.values():
        tags |= kind.tag_mask
    for kind in layout.kinds.values():
        loose = drawn & np.uint64(full & ~kind.tag_mask) | np.uint64(kind.tag_value)
        found += [loose, *_stretched(loose[:SAMPLES], kind)]
        found += [loose[:SAMPLES] ^ np.uint64(1 << bit) for bit in range(layout.word_bits) if tags >> bit & 1]
    dtype = words_as_integers(np.zeros(layout.word_bytes, np.uint8), layout).dtype
    words: Words = np.concatenate(found).astype(dtype)
    return words


def _stretched(words: npt.NDArray[np.uint64], kind: Kind) -> list[npt.NDArray[np.uint64]]:
    """Return words with each digit and time at its highest, and with the same number for both detectors."""
    names = [d for n in (kind.detector, kind.detector_a, kind.detector_b) if n is not None for d in n.digits]
    fields = [kind.fields[name] for name in names]
    time = kind.field_to("time")
    found = [words | np.uint64(field.mask) for field in [*fields, *([time] if time else [])]]
    if kind.detector_a is not None and kind.detector_b is not None:
        low = words & ~np.uint64(reduce(or_, (field.mask for field in fields), 0))
        found.append(low)
        for a, b in zip(kind.detector_a.digits, kind.detector_b.digits, strict=False):
            width = min(kind.fields[a].width, kind.fields[b].width)
            value = (words >> np.uint64(kind.fields[a].low)) & np.uint64((1 << width) - 1)
            low = low | (value << np.uint64(kind.fields[a].low)) | (value << np.uint64(kind.fields[b].low))
        found.append(low)
    return found
