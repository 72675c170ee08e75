"""The loops of `poisson`, compiled: times of a Poisson process, and words with random values.

Random numbers are those of splitmix64 (G. Steele et al., OOPSLA 2014): a counter and a mix, 64 bits each.

A kind of word is a row of `kinds` (uint64): its tag, the bits that are simply random, its time, its detector numbers.
Numbers whose digits use all their bits are among the simply random ones; the others are rows of `numbers` (int64), made
of digits, rows of `digits` (int64). Words are made in several simple passes, which compilers like better than one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from daq.model.kernel import inlined, kernel

TAG, RANDOM, TIME_SHIFT, TIME_TICKS, TIME_WRAP, TIME_MASKED, NUMBERS, NUMBERS_END, PAIR, FACING, FACING_END = range(11)
"""Columns of `kinds`. TIME_TICKS 0: no time. TIME_MASKED 1: TIME_WRAP is a mask, otherwise the counts of a wrap.

PAIR 1: the last two numbers must differ. FACING to FACING_END: rows of `digits` that are not all equal to the digits
that face them, whose shifts stand in the place of the radix.
"""
DIGITS, DIGITS_END, LOOKUP, VALID, VALID_END = range(5)
"""Columns of `numbers`. LOOKUP -1: none, otherwise where its table begins in `table`; VALID, VALID_END: in `valid`."""
SHIFT, RADIX, MASK = range(3)
"""Columns of `digits`; MASK: the bits of a digit, not in place."""
LAST, KNOWN, BEGUN, WORST = range(4)
"""Places in `carry`: the last count or tick, whether there is one, whether its time word is out, the longest step."""
NO_TIME_WORDS, CHANGES, ALL = range(3)
"""Modes of time words."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_TO_UNIT = 2.0**-53
_TWO_32 = 1 << 32
_PASSES = (np.uint64(0x1), np.uint64(0x2), np.uint64(0x3))
"""What tells the random numbers of the passes apart: each begins elsewhere on the cycle of 2^64."""


@inlined
def _mixed(state: Any) -> Any:
    """Return the random 64 bits of a state; the next state is `_GOLDEN` more."""
    z = (state ^ (state >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


@inlined
def _below(bits: Any, limit: Any) -> Any:
    """Return a number from 0 to before `limit` (int64 above 0) from random 64 bits."""
    if limit <= _TWO_32:
        return np.int64(((bits >> np.uint64(32)) * np.uint64(limit)) >> np.uint64(32))
    return np.int64(bits % np.uint64(limit))


@kernel("int64(uint64, float64, float64, float64, int64, int64[::1])")
def arrivals(seed: Any, rate: Any, length: Any, part: Any, whole: Any, ticks: Any) -> Any:
    """Fill `ticks` with the whole ticks of a Poisson process that begins at `whole + part`; return how many.

    `rate` events per tick, during `length` ticks. Minus one: there are more than `ticks` has room for.
    """
    state = np.uint64(seed)
    mean = -1.0 / rate
    time = 0.0
    count = np.int64(0)
    while True:
        state += _GOLDEN
        unit = (np.float64(_mixed(state) >> np.uint64(11)) + 0.5) * _TO_UNIT
        time += mean * math.log(unit)
        if time >= length:
            return count
        if count == ticks.size:
            return np.int64(-1)
        ticks[count] = whole + np.int64(time + part)
        count += np.int64(1)


@inlined
def _choose(seed: Any, edges: Any, codes: Any, kind_of: Any) -> None:
    """Draw the kind of every event: `edges` are the sums of the shares of `codes`, but the last."""
    state = _mixed(seed ^ _PASSES[0])
    for place in range(kind_of.size):
        state += _GOLDEN
        chance = np.float64(_mixed(state) >> np.uint64(11)) * _TO_UNIT
        choice = np.int64(0)
        for edge in edges:
            choice += np.int64(chance >= edge)
        kind_of[place] = codes[choice]


@inlined
def _draw_bits(seed: Any, kinds: Any, kind_of: Any, words: Any) -> None:
    """Give every word its tag and its simply random bits."""
    state = _mixed(seed ^ _PASSES[1])
    for place in range(words.size):
        state += _GOLDEN
        kind = kind_of[place]
        words[place] = kinds[kind, TAG] | (_mixed(state) & kinds[kind, RANDOM])


@inlined
def _alike(word: Any, kind: Any, kinds: Any, digits: Any) -> Any:
    """Tell whether all digits of a word are equal to those that face them; False where none face each other."""
    begin, end = np.int64(kinds[kind, FACING]), np.int64(kinds[kind, FACING_END])
    for place in range(begin, end):
        one, other = np.uint64(digits[place, SHIFT]), np.uint64(digits[place, RADIX])
        if ((word >> one) ^ (word >> other)) & np.uint64(digits[place, MASK]):
            return False
    return begin < end


@inlined
def _part_pairs(state: Any, kinds: Any, kind_of: Any, digits: Any, words: Any) -> Any:
    """Draw the simply random bits again where a detector would coincide with itself."""
    for place in range(words.size):
        kind = kind_of[place]
        while _alike(words[place], kind, kinds, digits):
            state += _GOLDEN
            words[place] = kinds[kind, TAG] | (_mixed(state) & kinds[kind, RANDOM])
    return state


@inlined
def _number(state: Any, row: Any, numbers: Any, digits: Any, table: Any, valid: Any) -> Any:
    """Return a random detector number, the bits of its digits, and the random state after it."""
    bits = np.uint64(0)
    begin, end = numbers[row, DIGITS], numbers[row, DIGITS_END]
    value = np.int64(0)
    if numbers[row, LOOKUP] < 0:
        for place in range(begin, end):
            state += _GOLDEN
            digit = _below(_mixed(state), digits[place, RADIX])
            value = value * digits[place, RADIX] + digit
            bits |= np.uint64(digit) << np.uint64(digits[place, SHIFT])
        return value, bits, state
    state += _GOLDEN
    count = numbers[row, VALID_END] - numbers[row, VALID]
    index = valid[numbers[row, VALID] + _below(_mixed(state), count)]
    value = table[numbers[row, LOOKUP] + index]
    for back in range(end - begin):
        place = end - 1 - back
        bits |= np.uint64(index % digits[place, RADIX]) << np.uint64(digits[place, SHIFT])
        index //= digits[place, RADIX]
    return value, bits, state


@inlined
def _draw_numbers(
    state: Any, kinds: Any, kind_of: Any, numbers: Any, digits: Any, table: Any, valid: Any, words: Any
) -> None:
    """Give every word its detector numbers."""
    for place in range(words.size):
        kind = kind_of[place]
        last = np.int64(kinds[kind, NUMBERS_END]) - 1
        value = np.int64(-1)
        for row in range(np.int64(kinds[kind, NUMBERS]), last + 1):
            other, bits, state = _number(state, row, numbers, digits, table, valid)
            while row == last and kinds[kind, PAIR] and other == value:
                other, bits, state = _number(state, row, numbers, digits, table, valid)
            value = other
            words[place] |= bits


@inlined
def _time_bits(kinds: Any, kind: Any, tick: Any) -> Any:
    """Return the time field of a word of `kind` at `tick`, in place."""
    per_count = np.int64(kinds[kind, TIME_TICKS])
    if per_count == 0:
        return np.uint64(0)
    count = tick if per_count == 1 else tick // per_count
    if kinds[kind, TIME_MASKED]:
        raw = np.uint64(count) & kinds[kind, TIME_WRAP]
    else:
        raw = np.uint64(count % np.int64(kinds[kind, TIME_WRAP]))
    return raw << kinds[kind, TIME_SHIFT]


@inlined
def _put_own_times(ticks: Any, kinds: Any, kind_of: Any, carry: Any, words: Any) -> None:
    """Give every word that has one its own time."""
    last, known, worst = carry[LAST], carry[KNOWN], carry[WORST]
    for place in range(words.size):
        kind = kind_of[place]
        if kinds[kind, TIME_TICKS]:
            tick = ticks[place]
            step = tick - last if known else np.int64(0)
            worst = max(worst, abs(step))
            last, known = tick, np.int64(1)
            words[place] |= _time_bits(kinds, kind, tick)
    carry[LAST], carry[KNOWN], carry[WORST] = last, known, worst


@inlined
def _write_time_words(count: Any, mode: Any, kinds: Any, kind: Any, carry: Any, out: Any, at: Any) -> Any:
    """Write the time words that an event at `count` needs before it; return where the next word goes."""
    step = count - carry[LAST] if carry[KNOWN] else np.int64(1)
    if carry[KNOWN]:
        carry[WORST] = max(carry[WORST], abs(step) if mode == CHANGES else -step)
    needed = step if mode == ALL and step > 0 else np.int64(step != 0)
    if not carry[BEGUN]:
        needed = max(needed, np.int64(1))
    carry[LAST], carry[KNOWN], carry[BEGUN] = count, np.int64(1), np.int64(1)
    for back in range(needed):
        ticks = (count - (needed - 1 - back)) * np.int64(kinds[kind, TIME_TICKS])
        out[at] = kinds[kind, TAG] | _time_bits(kinds, kind, ticks)
        at += 1
    return at


@inlined
def _between_time_words(
    ticks: Any, kinds: Any, kind_of: Any, time_kind: Any, mode: Any, carry: Any, words: Any, out: Any
) -> Any:
    """Write words with time words between them; times of events are what is left after those. Return how many."""
    at = np.int64(0)
    coarse = np.int64(kinds[time_kind, TIME_TICKS])
    count = carry[LAST]
    pending = not carry[KNOWN] or not carry[BEGUN]
    for place in range(words.size):
        tick = ticks[place]
        if pending or tick < count * coarse or tick >= (count + 1) * coarse:
            count = tick // coarse
            at = _write_time_words(count, mode, kinds, time_kind, carry, out, at)
            pending = False
        out[at] = words[place] | _time_bits(kinds, kind_of[place], tick - count * coarse)
        at += 1
    return at


@kernel(
    "int64(uint64, int64[::1], float64[::1], int64[::1], uint64[:, ::1], int64[:, ::1], int64[:, ::1], int64[::1],"
    "int64[::1], int64, int64, int64[::1], int64[::1], uint64[::1], uint64[::1])"
)
def random_words(
    seed: Any, ticks: Any, edges: Any, codes: Any, kinds: Any, numbers: Any, digits: Any, table: Any, valid: Any,
    time_kind: Any, mode: Any, carry: Any, kind_of: Any, words: Any, out: Any,
) -> Any:  # fmt: skip
    """Make a word for each of `ticks`, ascending, and time words where needed; return how many words are in `out`.

    `edges`: sums of the shares of the kinds `codes`, but the last. `time_kind`: the kind of time words in mode
    `CHANGES` or `ALL`; without time words the result is in `words`. `kind_of` and `words` are as long as `ticks`.
    `carry` goes from call to call.
    """
    seed = np.uint64(seed)
    if codes.size == 1:
        kind_of[:] = codes[0]
    else:
        _choose(seed, edges, codes, kind_of)
    _draw_bits(seed, kinds, kind_of, words)
    if digits.size:
        state = _part_pairs(_mixed(seed ^ _PASSES[2]), kinds, kind_of, digits, words)
        if numbers.size:
            _draw_numbers(state, kinds, kind_of, numbers, digits, table, valid, words)
    if mode != NO_TIME_WORDS:
        return _between_time_words(ticks, kinds, kind_of, time_kind, mode, carry, words, out)
    _put_own_times(ticks, kinds, kind_of, carry, words)
    return np.int64(words.size)
