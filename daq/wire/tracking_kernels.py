"""The compiled walk over packets that keeps the accounts of all sources. State in arrays, no Python per packet."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types

from daq.model.kernel import kernel, spliced
from daq.model.packets import Flag
from daq.wire.native import HEADER_BYTES, MAX_WORD_INDEX
from daq.wire.tracking_account import admit, count_up, emit, take
from daq.wire.tracking_intervals import skip_to
from daq.wire.tracking_table import (
    BY_COUNTER,
    DROPPED,
    END,
    ENDED,
    ENDS,
    FOREIGN,
    GAPS,
    NEXT,
    OPEN,
    PACKETS,
    RECEIVED,
    RUNS,
    SOURCES,
    STARTED,
    STARTS,
    STATE,
    TRUNCATED,
)

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


@spliced
def _announced(rows: Any, packet: Any) -> Any:
    """Return the words that the native header announces."""
    if rows.header.shape[1] < HEADER_BYTES:
        return np.int64(0)
    return np.int64(rows.header[packet, 6]) | np.int64(rows.header[packet, 7]) << 8


@spliced
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


@spliced
def _is_foreign(rows: Any, packet: Any, word_bytes: Any, numbered: Any) -> Any:
    """Tell whether a packet is of no source: it breaks its framing, or numbers words that cannot be."""
    flag = rows.flags[packet]
    if flag & _MALFORMED:
        return True
    if not numbered or flag & _PREAMBLE:
        return False
    _, should = _words(rows, packet, word_bytes)
    return rows.sequence[packet] > np.uint64(MAX_WORD_INDEX) - np.uint64(should)


@spliced
def _row_of(tracks: Any, source: Any, progress: Any) -> Any:
    """Return the row of a source, a new one for a new source, -1 where there are too many."""
    at = np.int64(tracks.index_of[source])
    if at < 0 and progress[SOURCES] < len(tracks.numbers):
        at = progress[SOURCES]
        tracks.numbers[at] = source
        tracks.index_of[source] = at
        progress[SOURCES] += 1
    return at


@spliced
def _numbered(rows: Any, packet: Any, word_bytes: Any, tracks: Any, at: Any, found: Any) -> None:
    """Account for a packet whose words are numbered."""
    flag = rows.flags[packet]
    if flag & _EMPTY and rows.length[packet] == 0:
        lost = count_up(tracks.table, tracks.missing, at, np.int64(rows.sequence[packet]), flag & _END)
    else:
        lost = _data(rows, packet, word_bytes, tracks, at, found)
    if lost > 0:
        count = found.progress[GAPS]
        found.gaps[0, count] = packet
        found.gaps[1, count] = lost
        found.progress[GAPS] = count + 1


@spliced
def _data(rows: Any, packet: Any, word_bytes: Any, tracks: Any, at: Any, found: Any) -> Any:
    """Account for a packet of numbered words; return the words found missing before it or cut off it."""
    table, missing = tracks.table, tracks.missing
    first = np.int64(rows.sequence[packet])
    words, should = _words(rows, packet, word_bytes)
    if admit(table, missing, at, first, rows.flags[packet] & _START):
        found.starts[found.progress[STARTS]] = packet
        found.progress[STARTS] += 1
    lost = skip_to(table, missing, at, first)
    runs = found.progress[RUNS]
    new = take(table, missing, at, first, words, found.progress, found.runs, packet, rows.offset[packet], word_bytes)
    lost += skip_to(table, missing, at, first + should)
    if rows.flags[packet] & _DROPPED:
        table[at, DROPPED] += new
        found.progress[RUNS] = runs
    if words > 0 and new == 0:
        rows.flags[packet] |= np.uint8(_DUPLICATE)
    return lost


@spliced
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
        found.progress[RUNS] = emit(found.runs, found.progress[RUNS], packet, rows.offset[packet], whole * word_bytes)


@spliced
def _account(rows: Any, packet: Any, word_bytes: Any, numbered: Any, tracks: Any, found: Any) -> None:
    """Account for any packet."""
    if numbered and rows.flags[packet] & (_PREAMBLE | _MALFORMED) == _PREAMBLE:  # a reply of the front end: no words
        return
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
