"""The missing intervals of a source, and its gap: compiled helpers on `table` and `missing` as in `tracking_table`."""

from __future__ import annotations

from typing import Any

from daq.model.kernel import spliced
from daq.wire.tracking_table import BY_COUNTER, COUNT, END, GAP, GAP_HIGH, LOW, STATE

_LOW_62 = (1 << 62) - 1


@spliced
def lose(table: Any, at: Any, words: Any) -> None:
    """Add `words` to the gap; a sum beyond 62 bits goes to GAP_HIGH."""
    table[at, GAP] += words & _LOW_62
    table[at, GAP_HIGH] += (words >> 62) + (table[at, GAP] >> 62)
    table[at, GAP] &= _LOW_62


@spliced
def regain(table: Any, at: Any, words: Any) -> None:
    """Take `words` out of the gap."""
    table[at, GAP] -= words
    if table[at, GAP] < 0:
        table[at, GAP] += 1 << 62
        table[at, GAP_HIGH] -= 1


@spliced
def _slide_down(table: Any, missing: Any, at: Any) -> None:
    """Move the window of intervals to the bottom of its places."""
    low = table[at, LOW]
    for place in range(table[at, COUNT]):
        missing[at, place, 0] = missing[at, low + place, 0]
        missing[at, place, 1] = missing[at, low + place, 1]
    table[at, LOW] = 0


@spliced
def make_room(table: Any, missing: Any, at: Any) -> None:
    """See to it that there is a place above the window."""
    if table[at, LOW] + table[at, COUNT] == missing.shape[1]:
        _slide_down(table, missing, at)


@spliced
def _forget(table: Any, missing: Any, at: Any) -> None:
    """Forget the oldest intervals beyond the limit."""
    excess = table[at, COUNT] - missing.shape[1] // 2
    if excess > 0:
        table[at, LOW] += excess
        table[at, COUNT] -= excess


@spliced
def _append(table: Any, missing: Any, at: Any, begin: Any, stop: Any) -> None:
    make_room(table, missing, at)
    place = table[at, LOW] + table[at, COUNT]
    missing[at, place, 0] = begin
    missing[at, place, 1] = stop
    table[at, COUNT] += 1
    _forget(table, missing, at)


@spliced
def insert(table: Any, missing: Any, at: Any, place: Any, begin: Any, stop: Any) -> None:
    """Put an interval at `place`, those from there on one place higher; there is room."""
    for above in range(table[at, LOW] + table[at, COUNT], place, -1):
        missing[at, above, 0] = missing[at, above - 1, 0]
        missing[at, above, 1] = missing[at, above - 1, 1]
    missing[at, place, 0] = begin
    missing[at, place, 1] = stop
    table[at, COUNT] += 1
    _forget(table, missing, at)


@spliced
def _remove(table: Any, missing: Any, at: Any, place: Any, stop: Any) -> None:
    """Take out the intervals at `place` to `stop`."""
    count = stop - place
    top = table[at, LOW] + table[at, COUNT]
    if place == table[at, LOW]:
        table[at, LOW] += count
    elif count > 0:
        for above in range(stop, top):
            missing[at, above - count, 0] = missing[at, above, 0]
            missing[at, above - count, 1] = missing[at, above, 1]
    table[at, COUNT] -= count
    if table[at, COUNT] == 0:
        table[at, LOW] = 0


@spliced
def first_after(table: Any, missing: Any, at: Any, word: Any) -> Any:
    """Return the place of the first interval that stops after `word`; looked for from the top, where most are found."""
    low = table[at, LOW]
    after = low + table[at, COUNT]
    before = after - 1
    step = 1
    while before >= low and missing[at, before, 1] > word:
        after = before
        before -= step
        step *= 2
    before = max(before, low - 1)
    while after - before > 1:
        middle = (before + after) >> 1
        if missing[at, middle, 1] > word:
            after = middle
        else:
            before = middle
    return after


@spliced
def skip_to(table: Any, missing: Any, at: Any, end: Any) -> Any:
    """Make everything from the present end to `end` missing; return how many words."""
    present = table[at, END]
    if end <= present:
        return 0
    last = table[at, LOW] + table[at, COUNT] - 1
    if table[at, COUNT] > 0 and missing[at, last, 1] == present:
        missing[at, last, 1] = end
    else:
        _append(table, missing, at, present, end)
    table[at, END] = end
    table[at, STATE] &= ~BY_COUNTER
    lose(table, at, end - present)
    return end - present


@spliced
def cut_out(table: Any, missing: Any, at: Any, low: Any, high: Any, first: Any, stop: Any) -> None:
    """Remove `first` to `stop` from the intervals at `low` to `high`, which all overlap it."""
    tail = missing[at, high - 1, 1]
    if missing[at, low, 0] < first:
        missing[at, low, 1] = first
        low += 1
    if tail > stop and low == high:
        insert(table, missing, at, low, stop, tail)
        return
    if tail > stop:
        high -= 1
        missing[at, high, 0] = stop
    _remove(table, missing, at, low, high)
