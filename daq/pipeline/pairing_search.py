"""Find the windows that hold a partner, without a branch that depends on the data.

Most windows are empty, and a processor that has to guess which ones are loses more time by guessing wrong than all the
rest takes. So the openers whose window holds something are written down first, each on top of the one before it unless
that one was kept. For delayed windows the time of all possible partners of a block is laid out as bits, a bit for a
stretch of time, and an opener is kept when a bit of its window is set; what the bits cannot tell is looked up after.

Indices are unsigned throughout: a signed one costs a test for being negative.
"""

from __future__ import annotations

from typing import Any

from numba import int64, types, uint8, uint64

from daq.model.kernel import kernel, spliced

BLOCK = 1 << 11
"""Openers looked at together: what belongs to them stays in the cache next to the processor."""

_MAP_BITS = 16
"""The time of a block is laid out in at most 2 to the power of this many bits, and some 3 words more."""
MAP_WORDS = (1 << _MAP_BITS) // 64 + 3
_WINDOW_BITS = 5
"""A window covers at most 2 to the power of this many bits, and one more."""
_RUN = 1 << 12


@spliced
def falls(time: Any, begin: Any, end: Any) -> Any:
    """Return True when a time between `begin` and `end` is below that of the row before it."""
    before, here = time[begin : end - 1], time[begin + 1 : end]
    found = uint8(0)
    for number in range(len(here)):
        found |= uint8(here[number] < before[number])
    return found != 0


@kernel(int64(types.Array(int64, 1, "C", readonly=True), int64))
def first_fall(time: Any, begin: int) -> Any:
    """Return the first row after `begin` whose time is below that of the row before it; the end if there is none."""
    rows, row = len(time), begin + 1
    while row < rows:
        end = min(row + _RUN, rows)
        if falls(time, row - 1, end):
            break
        row = end
    while row < rows and time[row] >= time[row - 1]:
        row += 1
    return min(row, rows)


@spliced
def prompt_openers(time: Any, begin: Any, end: Any, window: Any, openers: Any) -> Any:
    """Write to `openers` the rows from `begin` to `end` that have the next row in their window; return how many."""
    count = uint64(0)
    for row in range(uint64(begin), uint64(min(end, len(time) - 1))):
        openers[count] = row
        count += uint64(uint64(time[row + uint64(1)] - time[row]) <= window)
    return int64(count)


@spliced
def _bits_of(span: Any) -> Any:
    """Return the length of a number in binary digits."""
    bits = uint64(0)
    while span >> bits:
        bits += uint64(1)
    return bits


@spliced
def _lay_out(time: Any, base: Any, first: Any, span: Any, shift: Any, bits: Any) -> None:
    """Set the bits of the rows from `first` on, as far as they lie within `span` of `base`."""
    rows, row = uint64(len(time)), uint64(first)
    last, word = uint64(0), uint64(0)
    while row < rows:
        offset = uint64(time[row]) - base
        if offset > span:
            break
        place = offset >> shift
        at = place >> uint64(6)
        word = (word if at == last else uint64(0)) | (uint64(1) << (place & uint64(63)))
        bits[at] = word
        last = at
        row += uint64(1)


@spliced
def _spread(bits: Any, words: Any, across: Any) -> None:
    """Set each bit below which a set one lies no more than `across` bits higher."""
    covered = uint64(0)
    while covered < across:
        step = min(covered + uint64(1), across - covered)
        for word in range(uint64(words)):
            bits[word] |= (bits[word] >> step) | (bits[word + uint64(1)] << (uint64(64) - step))
        covered += step


@spliced
def delayed_openers(time: Any, begin: Any, end: Any, pointer: Any, window: Any, delay: Any, bits: Any, openers: Any,
                    partners: Any) -> Any:  # fmt: skip
    """Write the rows from `begin` to `end` with a row in their delayed window, and the first such row; return how many.

    No partner of them lies before row `pointer`; nor does one of a later row before the row that is returned beside.
    """
    rows = uint64(len(time))
    opened = uint64(time[begin])
    base, across = opened + delay, uint64(time[end - 1]) - opened
    partner = uint64(max(pointer, begin + 1))
    while partner < rows and uint64(time[partner]) - opened < delay:
        partner += uint64(1)
    shift = max(_bits_of(across + window), uint64(_MAP_BITS)) - uint64(_MAP_BITS)
    shift = max(shift, max(_bits_of(window), uint64(_WINDOW_BITS)) - uint64(_WINDOW_BITS))
    words = ((across + window) >> shift) // uint64(64) + uint64(1)
    bits[: words + uint64(2)] = uint64(0)
    _lay_out(time, base, partner, across + window, shift, bits)
    _spread(bits, words, (window >> shift) + uint64(1))
    count = uint64(0)
    for row in range(uint64(begin), uint64(end)):
        place = (uint64(time[row]) - opened) >> shift
        openers[count] = row
        count += (bits[place >> uint64(6)] >> (place & uint64(63))) & uint64(1)
    found = uint64(0)
    for number in range(count):
        opener = uint64(openers[number])
        partner = max(partner, opener + uint64(1))
        while partner < rows and uint64(time[partner] - time[opener]) < delay:
            partner += uint64(1)
        openers[found] = opener
        partners[found] = partner
        found += uint64(partner < rows and uint64(time[partner] - time[opener]) - delay <= window)
    return int64(found), int64(partner)
