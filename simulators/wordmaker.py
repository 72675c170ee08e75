"""Words with random values for one layout: its kinds as tables for the compiled loops, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce
from operator import or_

import numpy as np
import numpy.typing as npt

from daq.errors import EncodeError, RefusedError
from daq.listmode.encoder import TimeWords
from daq.model.layout import Clock, DetectorNumber, Kind, Layout
from simulators.poissonkernels import ALL, CHANGES, KNOWN, LAST, NO_TIME_WORDS, WORST, arrivals, random_words
from simulators.timing import integers_as_words

Ints = npt.NDArray[np.int64]
_NO_MASK = (1 << 64) - 1


class Tables:
    """The kinds of a layout as `simulators.poissonkernels` takes them."""

    def __init__(self, layout: Layout) -> None:
        self._numbers: list[list[int]] = []
        self._digits: list[list[int]] = []
        self._table: list[int] = []
        self._valid: list[int] = []
        self.kinds = np.array([self._kind(kind) for kind in layout.kinds.values()], np.uint64)
        self.numbers = np.array(self._numbers, np.int64).reshape(-1, 5)
        self.digits = np.array(self._digits, np.int64).reshape(-1, 3)
        self.table, self.valid = np.array(self._table, np.int64), np.array(self._valid, np.int64)

    def _kind(self, kind: Kind) -> list[int]:
        """Return the row of a kind."""
        detectors = [n for n in (kind.detector, kind.detector_a, kind.detector_b) if n is not None]
        digits = {digit for number in detectors for digit in number.digits}
        random = 0
        for name, field in kind.fields.items():
            if field.to not in (None, "time") and name not in digits:
                random |= field.mask
        pair = kind.detector_a is not None and kind.detector_b is not None
        if pair and kind.detector_b is not None and _count(kind.detector_b) < 2:  # noqa: PLR2004
            raise RefusedError("the layout's detector_b has only one number: no pair of two detectors exists")
        plain = all(_plain(kind, number) for number in detectors) and (not pair or _alike(kind))
        same = len(self._digits)
        if plain:
            random |= reduce(or_, (kind.fields[digit].mask for digit in digits), 0)
            self._digits += _facing(kind) if pair else []
        same_end, first = len(self._digits), len(self._numbers)
        for number in () if plain else detectors:
            self._number(kind, number)
        return [kind.tag_value, random, *_time(kind), first, len(self._numbers), int(pair), same, same_end]

    def _number(self, kind: Kind, number: DetectorNumber) -> None:
        """Add the row of a detector number."""
        digits, valid = len(self._digits), len(self._valid)
        pairs = zip(number.digits, number.radix, strict=True)
        self._digits += [[kind.fields[digit].low, radix, 0] for digit, radix in pairs]
        lookup = -1
        if number.lookup is not None:
            lookup = len(self._table)
            entries = number.lookup[: number.count]
            self._table += entries
            self._valid += [index for index, entry in enumerate(entries) if entry >= 0]
        self._numbers.append([digits, len(self._digits), lookup, valid, len(self._valid)])


def _plain(kind: Kind, number: DetectorNumber) -> bool:
    """Tell whether any bits in the digits make a number, and each number once."""
    full = all(r == 1 << kind.fields[d].width for d, r in zip(number.digits, number.radix, strict=True))
    return full and number.lookup is None and len(set(number.digits)) == len(number.digits)


def _alike(kind: Kind) -> bool:
    """Tell whether the two numbers of a pair are the same when their digits are, one by one."""
    a, b = kind.detector_a, kind.detector_b
    return a is not None and b is not None and a.radix == b.radix and not set(a.digits) & set(b.digits)


def _facing(kind: Kind) -> list[list[int]]:
    """Return shift, other shift and bits of the digits of a pair that face each other."""
    a, b = kind.detector_a, kind.detector_b
    names = zip(a.digits, b.digits, strict=True) if a is not None and b is not None else ()
    fields = [(kind.fields[one], kind.fields[other]) for one, other in names]
    return [[one.low, other.low, (1 << one.width) - 1] for one, other in fields]


def _time(kind: Kind) -> list[int]:
    """Return shift, ticks, wrap and whether the wrap is a mask, of the time field of a kind."""
    field = kind.field_to("time")
    if field is None:
        return [0, 0, _NO_MASK, 1]
    wrap = field.wrap or 1 << field.width
    masked = wrap & (wrap - 1) == 0
    return [field.low, field.ticks, wrap - 1 if masked else wrap, int(masked)]


def _count(number: DetectorNumber) -> int:
    return number.count if number.lookup is None else len({entry for entry in number.lookup if entry >= 0})


def _check_fine(name: str, kind: Kind, unit: int) -> None:
    """Refuse a kind whose own time cannot express what is left after a time word."""
    field = kind.field_to("time")
    if field is not None and (unit - 1) // field.ticks >= (field.wrap or 1 << field.width):
        counts = (unit - 1) // field.ticks
        raise EncodeError(
            f"kind {name}: up to {counts} fine counts after a time word; the field holds {field.width} bits"
        )


class CompiledMaker:
    """Makes the words of one source by compiled loops: events with random values, and time words between them."""

    def __init__(self, layout: Layout, clock: Clock, tables: Tables, mix: Mapping[str, float], mode: TimeWords) -> None:
        self._layout = layout
        self._tables = tables
        kinds = list(layout.kinds.values())
        names = list(layout.kinds)
        used = [name for name, share in mix.items() if share > 0]
        self._codes = np.array([names.index(name) for name in used], np.int64)
        self._edges = np.cumsum([mix[name] for name in used])[:-1].astype(np.float64)
        time = next((code for code, kind in enumerate(kinds) if kind.yields == "time"), None)
        self._time_kind = time or 0
        self._mode = NO_TIME_WORDS if time is None else ALL if mode == "all" else CHANGES
        fields = [f for kind in (kinds if time is None else [kinds[time]]) if (f := kind.field_to("time")) is not None]
        self._unit = 1 if time is None else fields[0].ticks
        self._wrap = min(((f.wrap or 1 << f.width) * f.ticks // self._unit for f in fields), default=0)
        if time is not None:
            for name in used:
                _check_fine(name, layout.kinds[name], self._unit)
        self._carry = np.zeros(4, np.int64)
        if clock.start_ticks is not None:
            count, odd = divmod(clock.start_ticks, self._unit)
            self._carry[:3] = count, 1, odd == 0

    def ticks(self, rng: np.random.Generator, rate: float, begin: float, stop: float) -> Ints:
        """Return the ticks of a Poisson process of `rate` events per tick from `begin` to `stop`, ascending."""
        expected = rate * (stop - begin)
        whole = math.floor(begin)
        room = math.ceil(expected + 6 * math.sqrt(expected) + 6)
        seed = rng.integers(0, 1 << 64, dtype=np.uint64)
        while True:
            ticks = np.empty(room, np.int64)
            count = arrivals(seed, rate, stop - begin, begin - whole, whole, ticks)
            if count >= 0:
                return ticks[:count]
            room *= 2

    def make(self, rng: np.random.Generator, ticks: Ints) -> npt.NDArray[np.uint8]:
        """Return the words (uint8) of events at `ticks`, ascending; raise `EncodeError` if the clock cannot follow."""
        if not len(ticks):
            return np.zeros(0, np.uint8)
        self._check_first(int(ticks[0]) // self._unit)
        kind_of, words = np.empty(len(ticks), np.int64), np.empty(len(ticks), np.uint64)
        out = words if self._mode == NO_TIME_WORDS else np.empty(self._room(ticks), np.uint64)
        by = self._tables
        seed = rng.integers(0, 1 << 64, dtype=np.uint64)
        count = random_words(
            seed, ticks, self._edges, self._codes, by.kinds, by.numbers, by.digits, by.table, by.valid,
            self._time_kind, self._mode, self._carry, kind_of, words, out,
        )  # fmt: skip
        if self._wrap and 2 * int(self._carry[WORST]) >= self._wrap:
            raise EncodeError(f"a step of {self._carry[WORST]} counts of a clock that wraps after {self._wrap}")
        return integers_as_words(out[:count], self._layout)

    def _room(self, ticks: Ints) -> int:
        """Return how many words there can be at most, time words among them."""
        if self._mode == CHANGES:
            return 2 * len(ticks)
        begin = int(self._carry[LAST]) if self._carry[KNOWN] else int(ticks[0]) // self._unit
        return len(ticks) + max(int(ticks[-1]) // self._unit - begin, 0) + 1

    def _check_first(self, count: int) -> None:
        """Refuse a beginning that a receiver would take for another."""
        if self._wrap and not self._carry[KNOWN] and not 0 <= count < self._wrap:
            raise EncodeError(f"the first time is at count {count}; the clock begins at 0 of {self._wrap}")
