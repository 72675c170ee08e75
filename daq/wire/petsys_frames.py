"""The walk over PETsys datagrams that accounts for their frames; compiled. State in arrays, no Python per frame."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types

from daq.model import tofpet2 as t
from daq.model.kernel import kernel, spliced
from daq.model.packets import Flag
from daq.wire import tracking_table as columns
from daq.wire.native_kernel import little_endian_u64
from daq.wire.petsys import REPLY_MARK
from daq.wire.petsys_account import (
    ALL_LOST,
    ARRIVED_NS,
    CANDIDATE,
    EVENTS,
    IDLE,
    LOSSY,
    MALFORMED,
    REPLIES,
    SOME_LOST,
)  # fmt: skip
from daq.wire.petsys_parsing import SUCCESSOR_FRAMES, behind_lie, consistent
from daq.wire.tracking_account import admit, open_at, take
from daq.wire.tracking_intervals import skip_to

REORDER_FRAMES = 1 << 14
"""A frame that is further back than this (84 ms) is one of a front end that began again."""
PLAUSIBLE_FRAMES = 1 << 16
"""How far (0.34 s) frames may run ahead whatever the host's clock says."""
MOST_DROPPED_FRAMES = 4096
"""More frames than a datagram can hold: what a dropped packet's header says beyond that is not believed."""
_SLACK_NS = 1_000_000_000

_SIZE_SHIFT, _SIZE = np.uint64(t.SIZE_SHIFT), np.uint64(t.SIZE_MASK)
_ADDRESS_SHIFT, _ADDRESS = np.uint64(t.ADDRESS_SHIFT), np.uint64(t.ADDRESS_MASK)
_ID, _EVENTS = np.uint64(t.FRAME_ID_MASK), np.uint64(t.EVENTS_MASK)
_LOST = np.uint64(t.LOST_MASK << t.LOST_SHIFT)
_HALF, _MASK = 1 << t.FRAME_ID_BITS - 1, t.FRAME_ID_MASK
_ABOVE = 1 << t.FRAME_ID_BITS
"""Frames are numbered from their id plus this on, so that a number is never below zero."""
_PREAMBLE = int(Flag.PREAMBLE)
_FLAG_MALFORMED = np.uint8(Flag.MALFORMED)
_FLAG_TRUNCATED = np.uint8(Flag.TRUNCATED)
_FLAG_DUPLICATE = np.uint8(Flag.DUPLICATE)
_DROPPED = int(Flag.DROPPED)


class Rows(NamedTuple):
    """The packets: columns of `Packets`; `flags` is written to."""

    data: Any
    offset: Any
    length: Any
    arrival_ns: Any
    flags: Any
    header: Any


class Tracks(NamedTuple):
    """What is known of all sources; `known` uint8 [1024]: 1 for units that the profile names."""

    known: Any
    index_of: Any
    numbers: Any
    table: Any
    missing: Any
    frames: Any


class Found(NamedTuple):
    """Where results go: as in `tracking_kernels`, with the source of each."""

    progress: Any
    runs: Any
    run_source: Any
    gaps: Any
    """int64 [3, room]: packet, frames, source."""
    starts: Any
    """int64 [2, room]: packet, source."""
    lossy: Any
    """int64 [4, room]: packet, source, frames that say that they lost something, those that lost all."""


@spliced
def _note_start(found: Any, packet: Any, source: Any) -> None:
    count = found.progress[columns.STARTS]
    if count < found.starts.shape[1]:
        found.starts[0, count] = packet
        found.starts[1, count] = source
        found.progress[columns.STARTS] = count + 1


@spliced
def _row_of(tracks: Any, unit: Any, found: Any, packet: Any) -> Any:
    """Return the row of a source, a new one for one that had not come."""
    at = np.int64(tracks.index_of[unit])
    if at < 0:
        at = found.progress[columns.SOURCES]
        tracks.numbers[at] = unit
        tracks.index_of[unit] = at
        found.progress[columns.SOURCES] += 1
        _note_start(found, packet, unit)
    return at


@spliced
def _note_gap(found: Any, packet: Any, lost: Any, unit: Any) -> None:
    """Note frames found missing; those of one source before one packet as one gap."""
    count = found.progress[columns.GAPS]
    if count and found.gaps[0, count - 1] == packet and found.gaps[2, count - 1] == unit:
        found.gaps[1, count - 1] += lost
        return
    found.gaps[0, count] = packet
    found.gaps[1, count] = lost
    found.gaps[2, count] = unit
    found.progress[columns.GAPS] = count + 1


@spliced
def _note_lossy(found: Any, packet: Any, unit: Any, events: Any) -> None:
    """Note a frame that says that events were lost; those of one source in one packet together."""
    count = found.progress[LOSSY]
    if not (count and found.lossy[0, count - 1] == packet and found.lossy[1, count - 1] == unit):
        found.lossy[0, count], found.lossy[1, count] = packet, unit
        found.lossy[2, count], found.lossy[3, count] = 0, 0
        count += 1
        found.progress[LOSSY] = count
    found.lossy[2, count - 1] += 1
    found.lossy[3, count - 1] += events == 0


@spliced
def _take(tracks: Any, found: Any, packet: Any, at: Any, unit: Any, place: Any, size: Any) -> Any:
    """Take the frames `place[0]` to `place[1]`, whose bytes begin at `place[2]`; return how many are new.

    Runs of bytes of different sources are kept apart.
    """
    before = found.progress[columns.RUNS]
    last = max(before - 1, 0)
    bytes_before = found.runs[2, last]
    new = take(tracks.table, tracks.missing, at, place[0], place[1], found.progress, found.runs, packet, place[2], size)
    now = found.progress[columns.RUNS]
    if now > before:
        found.run_source[now - 1] = unit
    elif new and size and found.run_source[last] != unit:
        found.runs[2, last] = bytes_before
        found.runs[0, now], found.runs[1, now], found.runs[2, now] = packet, place[2], size
        found.run_source[now] = unit
        found.progress[columns.RUNS] = now + 1
    return new


@spliced
def _sequence(rows: Any, tracks: Any, found: Any, packet: Any, at: Any, unit: Any, frame_id: Any) -> Any:
    """Return the unfolded number of a frame, -1 for one that jumped and is not believed yet: that is foreign.

    When another one follows it closely it is the first of a new account, received and not decoded.
    """
    table, frames = tracks.table, tracks.frames
    if not table[at, columns.STATE] & columns.OPEN:
        return frame_id + _ABOVE
    end = table[at, columns.END]
    ahead = (frame_id - end + _HALF & _MASK) - _HALF
    elapsed_ns = rows.arrival_ns[packet] - frames[at, ARRIVED_NS]
    too_fast = ahead * t.FRAME_PS // 1000 > 2 * elapsed_ns + _SLACK_NS
    if ahead >= -REORDER_FRAMES and not (ahead > PLAUSIBLE_FRAMES and too_fast):
        frames[at, CANDIDATE] = 0
        return end + ahead
    before = frames[at, CANDIDATE] - 1
    frames[at, CANDIDATE] = frame_id + 1
    ahead = frame_id - before & _MASK
    if before < 0 or not 0 < ahead <= SUCCESSOR_FRAMES:
        found.progress[columns.FOREIGN] += 1
        return np.int64(-1)
    frames[at, CANDIDATE] = 0
    table[at, columns.RESTARTS] += 1
    open_at(table, at, before + _ABOVE)
    _note_start(found, packet, unit)
    found.progress[columns.FOREIGN] -= 1
    frames[at, MALFORMED] += _take(
        tracks, found, packet, at, unit, (before + _ABOVE, np.int64(1), rows.offset[packet]), np.int64(0)
    )
    return before + _ABOVE + ahead


@spliced
def _frame(rows: Any, tracks: Any, found: Any, packet: Any, origin: Any, size: Any) -> Any:
    """Account for the frame at byte `origin`, of `size` bytes; 0 where it cannot be decoded. Return 1 if it is new."""
    word = little_endian_u64(rows.data, origin)
    unit = np.int64(word >> _ADDRESS_SHIFT & _ADDRESS)
    if not tracks.known[unit]:
        found.progress[columns.FOREIGN] += 1
        return 1
    at = _row_of(tracks, unit, found, packet)
    table, frames = tracks.table, tracks.frames
    number = _sequence(rows, tracks, found, packet, at, unit, np.int64(word & _ID))
    if number < 0:
        return 1
    frames[at, ARRIVED_NS] = rows.arrival_ns[packet]
    admit(table, tracks.missing, at, number, False)  # noqa: FBT003 - no start packet
    lost = skip_to(table, tracks.missing, at, number)
    if lost > 0:
        _note_gap(found, packet, lost, unit)
    new = _take(tracks, found, packet, at, unit, (number, np.int64(1), origin), size)
    if new and not size:
        frames[at, MALFORMED] += 1
    elif new:
        second = little_endian_u64(rows.data, origin + t.WORD_BYTES)
        events = np.int64(second & _EVENTS)
        frames[at, EVENTS] += events
        if second & _LOST:
            frames[at, SOME_LOST if events else ALL_LOST] += 1
            _note_lossy(found, packet, unit, events)
        elif not events:
            frames[at, IDLE] += 1
    return new


@spliced
def _data(rows: Any, tracks: Any, found: Any, packet: Any) -> None:
    """Account for the frames of a data datagram."""
    at = rows.offset[packet] + 1
    end = rows.offset[packet] + rows.length[packet]
    new = 0
    while at + t.WORD_BYTES <= end:
        if at + t.HEADER_BYTES > end:
            new += _frame(rows, tracks, found, packet, at, np.int64(0))
            break
        size = t.WORD_BYTES * np.int64(little_endian_u64(rows.data, at) >> _SIZE_SHIFT & _SIZE)
        if not consistent(rows.data, at):
            new += _frame(rows, tracks, found, packet, at, np.int64(0))
            at = behind_lie(rows.data, at, end)
            if at < 0:
                break
            continue
        whole = at + size <= end
        new += _frame(rows, tracks, found, packet, at, size if whole else np.int64(0))
        if not whole:
            break
        at += size
    if at >= 0 and at != end:
        rows.flags[packet] |= _FLAG_TRUNCATED
    if new == 0 and at == end:
        rows.flags[packet] |= _FLAG_DUPLICATE


@spliced
def _no_room(rows: Any, tracks: Any, found: Any, packet: Any) -> None:
    """Account for a datagram of which there are the first words of the first and the last frame alone."""
    first = np.uint64(0)
    last = np.uint64(0)
    for k in range(t.WORD_BYTES):
        first |= np.uint64(rows.header[packet, k]) << np.uint64(8 * k)
        last |= np.uint64(rows.header[packet, t.WORD_BYTES + k]) << np.uint64(8 * k)
    unit = np.int64(first >> _ADDRESS_SHIFT & _ADDRESS)
    if not tracks.known[unit]:
        found.progress[columns.FOREIGN] += 1
        return
    count = (np.int64(last & _ID) - np.int64(first & _ID) & _MASK) + 1
    if count > MOST_DROPPED_FRAMES or last >> _ADDRESS_SHIFT != first >> _ADDRESS_SHIFT:
        count = np.int64(1)
    at = _row_of(tracks, unit, found, packet)
    number = _sequence(rows, tracks, found, packet, at, unit, np.int64(first & _ID))
    if number < 0:
        return
    tracks.frames[at, ARRIVED_NS] = rows.arrival_ns[packet]
    admit(tracks.table, tracks.missing, at, number, False)  # noqa: FBT003 - no start packet
    lost = skip_to(tracks.table, tracks.missing, at, number)
    if lost > 0:
        _note_gap(found, packet, lost, unit)
    runs = found.progress[columns.RUNS]
    tracks.table[at, columns.DROPPED] += _take(
        tracks, found, packet, at, unit, (number, count, rows.offset[packet]), np.int64(0)
    )
    found.progress[columns.RUNS] = runs


def _frozen(kind: Any, dimensions: int = 1) -> Any:
    return types.Array(kind, dimensions, "C" if dimensions == 1 else "A", readonly=True)


@kernel(
    types.void(
        _frozen(types.uint8), _frozen(types.int64), _frozen(types.int64), _frozen(types.int64), types.uint8[::1],
        _frozen(types.uint8, 2), types.uint8[::1], types.int32[::1], types.uint16[::1], types.int64[:, ::1],
        types.int64[:, :, ::1], types.int64[:, ::1], types.int64[::1], types.int64[:, ::1], types.int64[::1],
        types.int64[:, ::1], types.int64[:, ::1], types.int64[:, ::1],
    )
)  # fmt: skip
def account_frames(
    data: Any, offset: Any, length: Any, arrival_ns: Any, flags: Any, header: Any, known: Any,
    index_of: Any, numbers: Any, table: Any, missing: Any, frames: Any,
    progress: Any, runs: Any, run_source: Any, gaps: Any, starts: Any, lossy: Any,
) -> None:  # fmt: skip
    """Account for all packets.

    `runs`, `gaps`, `starts` and `lossy` have room for each frame, and for the missing intervals.
    """
    rows = Rows(data, offset, length, arrival_ns, flags, header)
    tracks = Tracks(known, index_of, numbers, table, missing, frames)
    found = Found(progress, runs, run_source, gaps, starts, lossy)
    for packet in range(len(offset)):
        flag = flags[packet]
        if flag & _FLAG_MALFORMED:
            kept = length[packet] > 0 and not flag & _DROPPED
            progress[REPLIES if kept and data[offset[packet]] == REPLY_MARK else columns.FOREIGN] += 1
        elif flag & _DROPPED:
            _no_room(rows, tracks, found, packet)
        elif not flag & _PREAMBLE:
            _data(rows, tracks, found, packet)
