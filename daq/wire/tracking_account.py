"""The account of one source with numbered words: compiled helpers on `table` and `missing` as in `tracking_table`.

Runs of words go to `runs` int64 [3, room]: packet, byte offset, bytes. How many there are is `progress[RUNS]`.
"""

from __future__ import annotations

from typing import Any

from daq.model.kernel import spliced
from daq.wire.tracking_intervals import cut_out, first_after, insert, lose, make_room, regain, skip_to
from daq.wire.tracking_table import (
    BASELINE,
    BEGUN,
    BY_COUNTER,
    COUNT,
    DUPLICATES,
    END,
    ENDED,
    LOW,
    OPEN,
    OVER,
    PACKETS,
    RECEIVED,
    REORDER_PACKETS,
    REORDER_WORDS,
    RESTARTS,
    RUNS,
    STARTED,
    STATE,
    UNCOUNTED,
)


@spliced
def open_at(table: Any, at: Any, first: Any) -> None:
    """Begin an account at `first`; the account before has been closed."""
    table[at, BASELINE] = first
    table[at, END] = first
    table[at, PACKETS] = 0
    table[at, LOW] = 0
    table[at, COUNT] = 0
    table[at, STATE] = table[at, STATE] & (UNCOUNTED | STARTED | ENDED) | OPEN


@spliced
def _may_begin_at(table: Any, at: Any, first: Any) -> Any:
    """Tell whether the baseline may still move down to `first`."""
    young = not table[at, STATE] & BEGUN and table[at, PACKETS] < REORDER_PACKETS
    return young and 0 < table[at, BASELINE] - first <= REORDER_WORDS


@spliced
def _tolerates_start(table: Any, at: Any, first: Any) -> Any:
    """Tell whether a start packet is a second copy or was overtaken by its followers."""
    if table[at, STATE] & OVER or table[at, PACKETS] >= REORDER_PACKETS:
        return False
    return first == table[at, BASELINE] or _may_begin_at(table, at, first)


@spliced
def _lower_to(table: Any, missing: Any, at: Any, first: Any) -> None:
    """Move the baseline down to `first`; the words up to the old one are missing."""
    if table[at, COUNT] < missing.shape[1] // 2:
        make_room(table, missing, at)
        insert(table, missing, at, table[at, LOW], first, table[at, BASELINE])
    lose(table, at, table[at, BASELINE] - first)
    table[at, BASELINE] = first


@spliced
def admit(table: Any, missing: Any, at: Any, first: Any, start: Any) -> Any:
    """Make the open account the one that `first` belongs to; return whether the front end began again."""
    restarted = False
    if not table[at, STATE] & OPEN:
        open_at(table, at, first)
    elif start and not _tolerates_start(table, at, first):
        if not table[at, STATE] & BY_COUNTER:
            table[at, STATE] |= UNCOUNTED
        table[at, STATE] &= ~ENDED
        table[at, RESTARTS] += 1
        open_at(table, at, first)
        restarted = True
    elif _may_begin_at(table, at, first):
        _lower_to(table, missing, at, first)
    if start:
        table[at, STATE] |= BEGUN
    table[at, PACKETS] += 1
    return restarted


@spliced
def count_up(table: Any, missing: Any, at: Any, total: Any, end: Any) -> Any:
    """Account for a heartbeat or, with `end`, the front end's last word, that `total` words were sent.

    Return the words newly missing. A total behind what came already is an old packet and changes nothing.
    """
    if not table[at, STATE] & OPEN:
        open_at(table, at, total)
    lost = skip_to(table, missing, at, total)
    if total == table[at, END]:
        table[at, STATE] |= BY_COUNTER
    if end:
        table[at, STATE] |= OVER
    return lost


@spliced
def emit(runs: Any, count: Any, packet: Any, offset: Any, size: Any) -> Any:
    """Add a run of bytes to `runs`, to the run before where the two touch; return how many there are."""
    last = count - 1
    if count > 0 and runs[0, last] == packet and runs[1, last] + runs[2, last] == offset:
        runs[2, last] += size
        return count
    runs[0, count] = packet
    runs[1, count] = offset
    runs[2, count] = size
    return count + 1


@spliced
def _fill(
    table: Any,
    missing: Any,
    at: Any,
    first: Any,
    stop: Any,
    progress: Any,
    runs: Any,
    packet: Any,
    origin: Any,
    size: Any,
) -> Any:
    """Take the words `first` to `stop` out of the missing intervals, emit them as runs; return how many words.

    `origin` is the byte offset of word `first`, `size` the bytes of a word.
    """
    make_room(table, missing, at)
    top = table[at, LOW] + table[at, COUNT]
    low = first_after(table, missing, at, first)
    high = low
    filled = 0
    count = progress[RUNS]
    while high < top and missing[at, high, 0] < stop:
        begin = max(missing[at, high, 0], first)
        words = min(missing[at, high, 1], stop) - begin
        count = emit(runs, count, packet, origin + (begin - first) * size, words * size)
        filled += words
        high += 1
    progress[RUNS] = count
    if filled > 0:
        cut_out(table, missing, at, low, high, first, stop)
        regain(table, at, filled)
    return filled


@spliced
def take(
    table: Any,
    missing: Any,
    at: Any,
    first: Any,
    words: Any,
    progress: Any,
    runs: Any,
    packet: Any,
    origin: Any,
    size: Any,
) -> Any:
    """Take words from `first` on, emit those that had not come before as runs; return how many those are."""
    stop = first + words
    end = table[at, END]
    new = 0
    if words > 0 and first < end:
        new = _fill(table, missing, at, first, stop, progress, runs, packet, origin, size)
    if stop > end:
        begin = max(first, end)
        progress[RUNS] = emit(runs, progress[RUNS], packet, origin + (begin - first) * size, (stop - begin) * size)
        new += stop - begin
        table[at, END] = stop
        table[at, STATE] &= ~BY_COUNTER
    table[at, RECEIVED] += new
    table[at, DUPLICATES] += words - new
    return new
