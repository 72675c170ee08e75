"""The compiled walk over packets that keeps the accounts of all sources. State in arrays, no Python per packet.

Each source has a row of int64 in `table`, its columns named below, and a window of `missing` int64 [sources, 2 K, 2]:
the missing intervals (begin, stop), ascending, at places LOW to LOW + COUNT. No more than K are kept; the oldest is
forgotten. The window slides upwards through the 2 K places, so that appending and forgetting move nothing.

All words are numbered below 2**63; what is not is taken for garbage. A gap alone can exceed 63 bits, by restarts that
each lose nearly as much: it is GAP + 2**62 * GAP_HIGH.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types

from daq.model.kernel import inlined, kernel
from daq.model.packets import Flag
from daq.wire.native import HEADER_BYTES, MAX_PAYLOAD_BYTES, MAX_WORD_INDEX

REORDER_PACKETS = 64
"""How far packets may overtake each other at a start."""
REORDER_WORDS = REORDER_PACKETS * MAX_PAYLOAD_BYTES

# Columns of `table`.
END = 0
"""One above the highest word known to have been sent in the open account."""
RECEIVED = 1
"""Words received over all accounts, each counted once."""
PACKETS = 2
"""Packets with words in the open account."""
STATE = 3
BASELINE = 4
"""The first word of the open account that concerns us."""
GAP = 5
GAP_HIGH = 6
LOW = 7
COUNT = 8
DUPLICATES = 9
RESTARTS = 10
TRUNCATED = 11
"""Words cut in the middle, of sources without numbers."""
DROPPED = 12
"""Words received that found no room, each counted once."""
COLUMNS = 16

# Bits of STATE.
OPEN = 1
BEGUN = 2
"""The open account began with a start packet."""
OVER = 4
"""The front end said the end of the open account."""
BY_COUNTER = 8
"""A counter of the front end itself confirmed END."""
UNCOUNTED = 16
"""An account was closed without such a confirmation."""
STARTED = 32
"""The source was seen."""
ENDED = 64
"""It said that it ended, and did not begin again."""

# Places of `progress`.
NEXT = 0
"""The packet to go on with."""
RUNS = 1
GAPS = 2
STARTS = 3
ENDS = 4
SOURCES = 5
FOREIGN = 6
PLACES = 7

_LOW_62 = (1 << 62) - 1
_START = int(Flag.START)
_END = int(Flag.END)
_EMPTY = int(Flag.HEARTBEAT | Flag.END)
_PREAMBLE = int(Flag.PREAMBLE)
_MALFORMED = int(Flag.MALFORMED)
_DUPLICATE = int(Flag.DUPLICATE)
_TRUNCATED = int(Flag.TRUNCATED)
_DROPPED = int(Flag.DROPPED)


class Rows(NamedTuple):
    """The packets: columns of `Packets`; `flags` is written to."""

    source: Any
    sequence: Any
    offset: Any
    length: Any
    flags: Any
    header: Any


class Tracks(NamedTuple):
    """What is known of all sources."""

    index_of: Any
    """int32 [65536]: the row of a source number, -1 when it is not known."""
    numbers: Any
    """uint16 [sources]: the source number of a row."""
    table: Any
    missing: Any


class Found(NamedTuple):
    """Where results go. The counts of what is in them are in `progress`."""

    progress: Any
    runs: Any
    """int64 [3, room]: packet, byte offset, bytes."""
    gaps: Any
    """int64 [2, packets]: packet, words."""
    starts: Any
    ends: Any


def _frozen(kind: Any) -> Any:
    return types.Array(kind, 1, "C", readonly=True)


@inlined
def _lose(table: Any, at: Any, words: Any) -> None:
    """Add `words` to the gap; a sum beyond 62 bits goes to GAP_HIGH."""
    table[at, GAP] += words & _LOW_62
    table[at, GAP_HIGH] += (words >> 62) + (table[at, GAP] >> 62)
    table[at, GAP] &= _LOW_62


@inlined
def _regain(table: Any, at: Any, words: Any) -> None:
    """Take `words` out of the gap."""
    table[at, GAP] -= words
    if table[at, GAP] < 0:
        table[at, GAP] += 1 << 62
        table[at, GAP_HIGH] -= 1


@inlined
def _slide_down(table: Any, missing: Any, at: Any) -> None:
    """Move the window of intervals to the bottom of its places."""
    low = table[at, LOW]
    for place in range(table[at, COUNT]):
        missing[at, place, 0] = missing[at, low + place, 0]
        missing[at, place, 1] = missing[at, low + place, 1]
    table[at, LOW] = 0


@inlined
def _make_room(table: Any, missing: Any, at: Any) -> None:
    """See to it that there is a place above the window."""
    if table[at, LOW] + table[at, COUNT] == missing.shape[1]:
        _slide_down(table, missing, at)


@inlined
def _forget(table: Any, missing: Any, at: Any) -> None:
    """Forget the oldest intervals beyond the limit."""
    excess = table[at, COUNT] - missing.shape[1] // 2
    if excess > 0:
        table[at, LOW] += excess
        table[at, COUNT] -= excess


@inlined
def _append(table: Any, missing: Any, at: Any, begin: Any, stop: Any) -> None:
    _make_room(table, missing, at)
    place = table[at, LOW] + table[at, COUNT]
    missing[at, place, 0] = begin
    missing[at, place, 1] = stop
    table[at, COUNT] += 1
    _forget(table, missing, at)


@inlined
def _insert(table: Any, missing: Any, at: Any, place: Any, begin: Any, stop: Any) -> None:
    """Put an interval at `place`, those from there on one place higher; there is room."""
    for above in range(table[at, LOW] + table[at, COUNT], place, -1):
        missing[at, above, 0] = missing[at, above - 1, 0]
        missing[at, above, 1] = missing[at, above - 1, 1]
    missing[at, place, 0] = begin
    missing[at, place, 1] = stop
    table[at, COUNT] += 1
    _forget(table, missing, at)


@inlined
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


@inlined
def _first_after(table: Any, missing: Any, at: Any, word: Any) -> Any:
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


@inlined
def _skip_to(table: Any, missing: Any, at: Any, end: Any) -> Any:
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
    _lose(table, at, end - present)
    return end - present


@inlined
def _open(table: Any, at: Any, first: Any) -> None:
    """Begin an account at `first`; the account before has been closed."""
    table[at, BASELINE] = first
    table[at, END] = first
    table[at, PACKETS] = 0
    table[at, LOW] = 0
    table[at, COUNT] = 0
    table[at, STATE] = table[at, STATE] & (UNCOUNTED | STARTED | ENDED) | OPEN


@inlined
def _may_begin_at(table: Any, at: Any, first: Any) -> Any:
    """Tell whether the baseline may still move down to `first`."""
    young = not table[at, STATE] & BEGUN and table[at, PACKETS] < REORDER_PACKETS
    return young and 0 < table[at, BASELINE] - first <= REORDER_WORDS


@inlined
def _tolerates_start(table: Any, at: Any, first: Any) -> Any:
    """Tell whether a start packet is a second copy or was overtaken by its followers."""
    if table[at, STATE] & OVER or table[at, PACKETS] >= REORDER_PACKETS:
        return False
    return first == table[at, BASELINE] or _may_begin_at(table, at, first)


@inlined
def _lower_to(table: Any, missing: Any, at: Any, first: Any) -> None:
    """Move the baseline down to `first`; the words up to the old one are missing."""
    if table[at, COUNT] < missing.shape[1] // 2:
        _make_room(table, missing, at)
        _insert(table, missing, at, table[at, LOW], first, table[at, BASELINE])
    _lose(table, at, table[at, BASELINE] - first)
    table[at, BASELINE] = first


@inlined
def _admit(table: Any, missing: Any, at: Any, first: Any, start: Any) -> Any:
    """Make the open account the one that `first` belongs to; return whether the front end began again."""
    restarted = False
    if not table[at, STATE] & OPEN:
        _open(table, at, first)
    elif start and not _tolerates_start(table, at, first):
        if not table[at, STATE] & BY_COUNTER:
            table[at, STATE] |= UNCOUNTED
        table[at, STATE] &= ~ENDED
        table[at, RESTARTS] += 1
        _open(table, at, first)
        restarted = True
    elif _may_begin_at(table, at, first):
        _lower_to(table, missing, at, first)
    if start:
        table[at, STATE] |= BEGUN
    table[at, PACKETS] += 1
    return restarted


@inlined
def _emit(runs: Any, count: Any, packet: Any, offset: Any, size: Any) -> Any:
    """Add a run of bytes to `runs`, to the run before where the two touch; return how many there are."""
    last = count - 1
    if count > 0 and runs[0, last] == packet and runs[1, last] + runs[2, last] == offset:
        runs[2, last] += size
        return count
    runs[0, count] = packet
    runs[1, count] = offset
    runs[2, count] = size
    return count + 1


@inlined
def _fill(
    table: Any, missing: Any, at: Any, first: Any, stop: Any, found: Any, packet: Any, origin: Any, size: Any
) -> Any:
    """Take the words `first` to `stop` out of the missing intervals, emit them as runs; return how many words.

    `origin` is the byte offset of word `first`, `size` the bytes of a word.
    """
    _make_room(table, missing, at)
    top = table[at, LOW] + table[at, COUNT]
    low = _first_after(table, missing, at, first)
    high = low
    filled = 0
    runs = found.progress[RUNS]
    while high < top and missing[at, high, 0] < stop:
        begin = max(missing[at, high, 0], first)
        words = min(missing[at, high, 1], stop) - begin
        runs = _emit(found.runs, runs, packet, origin + (begin - first) * size, words * size)
        filled += words
        high += 1
    found.progress[RUNS] = runs
    if filled > 0:
        _cut_out(table, missing, at, low, high, first, stop)
        _regain(table, at, filled)
    return filled


@inlined
def _cut_out(table: Any, missing: Any, at: Any, low: Any, high: Any, first: Any, stop: Any) -> None:
    """Remove `first` to `stop` from the intervals at `low` to `high`, which all overlap it."""
    tail = missing[at, high - 1, 1]
    if missing[at, low, 0] < first:
        missing[at, low, 1] = first
        low += 1
    if tail > stop and low == high:
        _insert(table, missing, at, low, stop, tail)
        return
    if tail > stop:
        high -= 1
        missing[at, high, 0] = stop
    _remove(table, missing, at, low, high)


@inlined
def _take(
    table: Any, missing: Any, at: Any, first: Any, words: Any, found: Any, packet: Any, origin: Any, size: Any
) -> Any:
    """Take words from `first` on, emit those that had not come before as runs; return how many those are."""
    stop = first + words
    end = table[at, END]
    new = 0
    if words > 0 and first < end:
        new = _fill(table, missing, at, first, stop, found, packet, origin, size)
    if stop > end:
        begin = max(first, end)
        found.progress[RUNS] = _emit(
            found.runs, found.progress[RUNS], packet, origin + (begin - first) * size, (stop - begin) * size
        )
        new += stop - begin
        table[at, END] = stop
        table[at, STATE] &= ~BY_COUNTER
    table[at, RECEIVED] += new
    table[at, DUPLICATES] += words - new
    return new


@inlined
def _announced(rows: Any, packet: Any) -> Any:
    """Return the words that the native header announces."""
    if rows.header.shape[1] < HEADER_BYTES:
        return np.int64(0)
    return np.int64(rows.header[packet, 6]) | np.int64(rows.header[packet, 7]) << 8


@inlined
def _words(rows: Any, packet: Any, word_bytes: Any) -> Any:
    """Return the words a packet brings to account, and the words it should have had.

    Of a packet that found no room raw keeps the header alone: what it announced counts, so that a replay agrees.
    """
    whole = rows.length[packet] // word_bytes
    flag = rows.flags[packet]
    if flag & _DROPPED:
        whole = _announced(rows, packet)
    elif flag & _TRUNCATED:
        return whole, max(_announced(rows, packet), whole)
    return whole, whole


@inlined
def _is_foreign(rows: Any, packet: Any, word_bytes: Any, numbered: Any) -> Any:
    """Tell whether a packet is of no source: it breaks its framing, or numbers words that cannot be."""
    flag = rows.flags[packet]
    if flag & _MALFORMED:
        return True
    if not numbered or flag & _PREAMBLE:
        return False
    _, should = _words(rows, packet, word_bytes)
    return rows.sequence[packet] > np.uint64(MAX_WORD_INDEX) - np.uint64(should)


@inlined
def _row_of(tracks: Any, source: Any, progress: Any) -> Any:
    """Return the row of a source, a new one for a new source, -1 where there are too many."""
    at = np.int64(tracks.index_of[source])
    if at < 0 and progress[SOURCES] < len(tracks.numbers):
        at = progress[SOURCES]
        tracks.numbers[at] = source
        tracks.index_of[source] = at
        progress[SOURCES] += 1
    return at


@inlined
def _numbered(rows: Any, packet: Any, word_bytes: Any, tracks: Any, at: Any, found: Any) -> None:
    """Account for a packet whose words are numbered."""
    table, missing = tracks.table, tracks.missing
    flag = rows.flags[packet]
    number = np.int64(rows.sequence[packet])
    if flag & _EMPTY and rows.length[packet] == 0:
        if not table[at, STATE] & OPEN:
            _open(table, at, number)
        lost = _skip_to(table, missing, at, number)
        if number == table[at, END]:
            table[at, STATE] |= BY_COUNTER
        if flag & _END:
            table[at, STATE] |= OVER
    else:
        lost = _data(rows, packet, word_bytes, tracks, at, found)
    if lost > 0:
        count = found.progress[GAPS]
        found.gaps[0, count] = packet
        found.gaps[1, count] = lost
        found.progress[GAPS] = count + 1


@inlined
def _data(rows: Any, packet: Any, word_bytes: Any, tracks: Any, at: Any, found: Any) -> Any:
    """Account for a packet of numbered words; return the words found missing before it or cut off it."""
    table, missing = tracks.table, tracks.missing
    first = np.int64(rows.sequence[packet])
    words, should = _words(rows, packet, word_bytes)
    if _admit(table, missing, at, first, rows.flags[packet] & _START):
        found.starts[found.progress[STARTS]] = packet
        found.progress[STARTS] += 1
    lost = _skip_to(table, missing, at, first)
    runs = found.progress[RUNS]
    new = _take(table, missing, at, first, words, found, packet, rows.offset[packet], word_bytes)
    lost += _skip_to(table, missing, at, first + should)
    if rows.flags[packet] & _DROPPED:
        table[at, DROPPED] += new
        found.progress[RUNS] = runs
    if words > 0 and new == 0:
        rows.flags[packet] |= np.uint8(_DUPLICATE)
    return lost


@inlined
def _unnumbered(rows: Any, packet: Any, word_bytes: Any, table: Any, at: Any, found: Any) -> None:
    """Account for a packet whose words have no numbers."""
    whole = rows.length[packet] // word_bytes
    cut = 1 if rows.length[packet] % word_bytes else 0
    table[at, RECEIVED] += whole + cut
    if rows.flags[packet] & _DROPPED:
        table[at, DROPPED] += whole + cut
        return
    if cut:
        table[at, TRUNCATED] += 1
        rows.flags[packet] |= np.uint8(_TRUNCATED)
    if whole:
        found.progress[RUNS] = _emit(found.runs, found.progress[RUNS], packet, rows.offset[packet], whole * word_bytes)


@inlined
def _account(rows: Any, packet: Any, word_bytes: Any, numbered: Any, tracks: Any, found: Any) -> None:
    """Account for any packet."""
    progress = found.progress
    at = np.int64(-1)
    if not _is_foreign(rows, packet, word_bytes, numbered):
        at = _row_of(tracks, rows.source[packet], progress)
    if at < 0:
        rows.flags[packet] |= np.uint8(_MALFORMED)
        progress[FOREIGN] += 1
        return
    if rows.flags[packet] & _PREAMBLE:
        return
    table = tracks.table
    if not table[at, STATE] & STARTED:
        table[at, STATE] |= STARTED
        found.starts[progress[STARTS]] = packet
        progress[STARTS] += 1
    if numbered:
        _numbered(rows, packet, word_bytes, tracks, at, found)
    else:
        _unnumbered(rows, packet, word_bytes, table, at, found)
    if rows.flags[packet] & _END and not table[at, STATE] & ENDED:
        table[at, STATE] |= ENDED
        found.ends[progress[ENDS]] = packet
        progress[ENDS] += 1


@kernel(
    types.void(
        _frozen(types.uint16), _frozen(types.uint64), _frozen(types.int64), _frozen(types.int64), types.uint8[::1],
        types.Array(types.uint8, 2, "A", readonly=True), types.int64, types.boolean,
        types.int32[::1], types.uint16[::1], types.int64[:, ::1], types.int64[:, :, ::1],
        types.int64[::1], types.int64[:, ::1], types.int64[:, ::1], types.int64[::1], types.int64[::1],
    )
)  # fmt: skip
def account_packets(
    source: Any, sequence: Any, offset: Any, length: Any, flags: Any, header: Any, word_bytes: Any, numbered: Any,
    index_of: Any, numbers: Any, table: Any, missing: Any,
    progress: Any, runs: Any, gaps: Any, starts: Any, ends: Any,
) -> None:  # fmt: skip
    """Account for the packets from `progress[NEXT]` on, until all are done or `runs` might not hold the next one's."""
    rows = Rows(source, sequence, offset, length, flags, header)
    tracks = Tracks(index_of, numbers, table, missing)
    found = Found(progress, runs, gaps, starts, ends)
    room = np.int64(runs.shape[1]) - np.int64(missing.shape[1]) - 2
    for packet in range(progress[NEXT], len(source)):
        count = progress[RUNS]
        if count > room:
            progress[NEXT] = packet
            return
        row = index_of[source[packet]]
        at = np.uint64(row)
        if numbered and flags[packet] == 0 and row >= 0 and table[at, STATE] & (OPEN | BY_COUNTER) == OPEN:
            end = table[at, END]
            words = length[packet] // word_bytes
            if np.uint64(end) == sequence[packet] and 0 < words <= MAX_WORD_INDEX - end:
                table[at, END] = end + words
                table[at, RECEIVED] += words
                table[at, PACKETS] += 1
                runs[0, count] = packet
                runs[1, count] = offset[packet]
                runs[2, count] = words * word_bytes
                progress[RUNS] = count + 1
                continue
        _account(rows, packet, word_bytes, numbered, tracks, found)
    progress[NEXT] = len(source)
