"""Put each event into the slice of its time: a calendar of chunks.

`clock` is the clock that all streams share and the counts of what is in use; `slots` int64 [streams, slots + 1, 3] says
what each slice holds: its first chunk, its last chunk, its rows. Slices are used in turn, as on a dial; the last slot
takes what is set aside: events so late that their slice is released, and those of sources whose clock jumped. A chunk
is `CHUNK` rows of `keys` and of every column; `pool` int32 [2, chunks] says which chunk follows and which are free.

A key holds, from the top, the time since the beginning of its slice, the place within the slice (24 bits), whether it
is late (1 bit). So whole keys are all different, and their order is the order of time, stable.
"""

from __future__ import annotations

from typing import Any

from numba import boolean, int32, int64, types, uint16, uint64

from daq.model.kernel import kernel, spliced
from daq.pipeline.order_judge import (
    AFTER,
    BITS,
    CHUNK,
    CHUNK_ROW,
    COINCIDENCE,
    COUNT,
    DISORDER,
    EDGE,
    FAR,
    FARTHEST_PS,
    FORCED,
    FREE,
    HAS_NO_TIME,
    HEAD,
    HELD,
    IN_ORDER,
    IS_ASIDE,
    IS_STRAY,
    LAST,
    LATE,
    LATEST,
    MOST,
    MOST_QUEUED,
    NEVER_PS,
    NO_ROOM,
    PACKET,
    PLACE_BITS,
    PLANNED,
    PRESENT,
    QUEUED,
    RELEASED,
    ROWS,
    SET_ASIDE,
    SINGLE,
    SLOT,
    SLOTS,
    SOURCE_ROW,
    STEP,
    STREAM,
    TAIL,
    WALK_FROM,
    WALK_TOP,
    WIDTH,
    WITNESS,
    close,
    is_astray,
    judge,
    other_is_live,
)

_FOREVER = (1 << 63) - 1


@spliced
def _attach(clock: Any, slots: Any, pool: Any, stream: int, slot: int) -> bool:
    """Give a slot one more chunk, if there is one."""
    if clock[FREE] == 0:
        return False
    clock[FREE] -= 1
    chunk = pool[1, clock[FREE]]
    if slots[stream, slot, ROWS] == 0:
        slots[stream, slot, HEAD] = chunk
    else:
        pool[0, slots[stream, slot, TAIL]] = chunk
    slots[stream, slot, TAIL] = chunk
    return True


@spliced
def _advance(rule: Any, clock: Any, slots: Any, queue: Any) -> bool:
    """Release all slices below the watermark; return False when the queue is full before."""
    watermark = clock[LATEST] - rule[DISORDER]
    while watermark >= clock[EDGE] + rule[WIDTH]:
        if clock[HELD] == 0:
            clock[EDGE] = (watermark >> rule[BITS]) << rule[BITS]
        elif clock[QUEUED] + MOST_QUEUED > len(queue):
            return False
        else:
            close(rule, clock, slots, queue)
    return True


@spliced
def _make_room(rule: Any, clock: Any, slots: Any, queue: Any) -> bool:
    """Release the oldest slices until a row more can be held; return False when the queue is full before."""
    while clock[HELD] >= rule[MOST]:
        if clock[QUEUED] + MOST_QUEUED > len(queue):
            return False
        clock[FORCED] += close(rule, clock, slots, queue)
    return True


@spliced
def _settle(time: int, rule: Any, clock: Any, slots: Any, queue: Any) -> bool:
    """Release what the clock has passed, more where there is no room; return False when the queue is full before."""
    if not _advance(rule, clock, slots, queue):
        return False
    return time < clock[EDGE] or clock[HELD] < rule[MOST] or _make_room(rule, clock, slots, queue)


@spliced
def _place(times: Any, row: int, end: int, high: int, low: int, latest: int, disorder: int, keys: Any, at: int,
           place: int) -> Any:  # fmt: skip
    """Write keys of rows of one slice, `low <= time < high`; return the row after them, late ones, the latest time."""
    late, top = int64(0), int64(NEVER_PS)
    while row < end:
        time = times[uint64(row)]
        if time < low or time >= high:
            break
        is_late = int64(time < latest - disorder)
        keys[uint64(at)] = (uint64(time - low) << uint64(PLACE_BITS + 1)) | uint64((place << 1) | is_late)
        late += is_late
        top = max(top, time)
        latest = max(latest, time)
        row, at, place = row + 1, at + 1, place + 1
    return row, late, top


@spliced
def _lay_aside(times: Any, row: int, end: int, low: int, high: int, keys: Any, at: int) -> Any:
    """Write whole times of a row and of those after it with `low <= time < high`; return the row after, the latest."""
    top = int64(NEVER_PS)
    while True:
        time = times[uint64(row)]
        keys[uint64(at)] = uint64(time)
        top = max(top, time)
        row, at = row + 1, at + 1
        if row >= end or times[uint64(row)] < low or times[uint64(row)] >= high:
            return row, top


@spliced
def _alike(time: int, source: int, rule: Any, clock: Any, per_source: Any) -> Any:
    """Return from which time to below which one events are what this one is, which is late or of a source set aside.

    Those of its source that follow at once, that is.
    """
    latest, far = clock[LATEST], clock[LATEST] - rule[FAR]
    if is_astray(time, rule, clock):
        begin, end = per_source[source, WALK_FROM], per_source[source, WALK_FROM] + rule[STEP] + 1
        if time < far:
            return begin, min(end, far)
        return max(begin, latest + rule[STEP] + 1), end
    if per_source[source, IS_ASIDE]:
        return max(far, -FARTHEST_PS), latest - rule[DISORDER]
    if latest - clock[AFTER] <= rule[DISORDER] and not other_is_live(source, rule, clock, per_source):
        return time, time
    return max(far, -FARTHEST_PS), min(clock[EDGE], latest + 1)


@spliced
def _follow(top: int, source: int, clock: Any, per_source: Any) -> None:
    """Let the clock follow events that were put into a slice."""
    per_source[source, LAST] = max(per_source[source, LAST], top)
    if top > clock[LATEST]:
        clock[LATEST], clock[WITNESS] = top, source


@spliced
def _plan(stream: int, row: int, after: int, at: int, clock: Any, plan: Any) -> None:
    """Note that rows `row` to `after` belong to the rows of chunks from `at` on."""
    count = clock[PLANNED]
    plan[count, STREAM], plan[count, SOURCE_ROW], plan[count, CHUNK_ROW], plan[count, COUNT] = (
        stream, row, at, after - row,
    )  # fmt: skip
    clock[PLANNED] = count + 1


@spliced
def _segment(stream: int, times: Any, row: int, end: int, high: int, source: int, packet: int, rule: Any, clock: Any,
             slots: Any, pool: Any, keys: Any, per_source: Any, plan: Any, queue: Any, jumps: Any) -> Any:  # fmt: skip
    """Put rows from `row` on, as far as they share a slot, there; return the row after them, or `row` for lack of room.

    Rows are taken below `end` and while their time is below `high`, but one in any case.
    """
    time = times[row]
    found = judge(time, source, packet, rule, clock, slots, per_source, queue, jumps)
    if found == NO_ROOM or (found == PRESENT and not _settle(time, rule, clock, slots, queue)):
        return row
    slot, offset = rule[SLOTS], time - clock[EDGE]
    has_slice = found == PRESENT and offset >= 0
    if has_slice:
        slot = clock[SLOT] + (offset >> rule[BITS])
        slot -= rule[SLOTS] if slot >= rule[SLOTS] else 0
    held = slots[stream, slot, ROWS]
    used = held & (CHUNK - 1)
    if clock[PLANNED] == len(plan) or (used == 0 and not _attach(clock, slots, pool, stream, slot)):
        return row
    at = slots[stream, slot, TAIL] * CHUNK + used
    end = min(end, row + CHUNK - used)
    high = min(high, FARTHEST_PS)
    if found == HAS_NO_TIME:
        after, _ = _lay_aside(times, row, row + 1, time, time, keys, at)
        per_source[source, SET_ASIDE] += 1
    elif not has_slice:
        begin, after_them = _alike(time, source, rule, clock, per_source)
        after, top = _lay_aside(times, row, end, begin, min(high, after_them), keys, at)
        if is_astray(time, rule, clock):
            per_source[source, WALK_TOP] = max(per_source[source, WALK_TOP], top)
        if found == IS_STRAY:
            per_source[source, SET_ASIDE] += after - row
        else:
            per_source[source, LATE] += after - row
            per_source[source, LAST] = max(per_source[source, LAST], top)
    else:
        low = (time >> rule[BITS]) << rule[BITS]
        high = min(high, clock[LATEST] + rule[STEP] + 1, min(low, clock[EDGE] + rule[DISORDER]) + rule[WIDTH])
        end = min(end, row + rule[MOST] - clock[HELD])
        after, late, top = _place(times, row, end, high, low, clock[LATEST], rule[DISORDER], keys, at, held)
        per_source[source, LATE] += late
        clock[HELD] += after - row
        clock[IN_ORDER] += after - row - late
        _follow(top, source, clock, per_source)
    _plan(stream, row, after, at, clock, plan)
    slots[stream, slot, ROWS] = held + after - row
    return after


@spliced
def _segments(stream: int, times: Any, row: int, end: int, high: int, source: int, packet: int, rule: Any, clock: Any,
              slots: Any, pool: Any, keys: Any, per_source: Any, plan: Any, queue: Any, jumps: Any) -> Any:  # fmt: skip
    """Put rows where they belong: one, and then all with a time below `high`. False: there is no more room."""
    while True:
        after = _segment(
            stream,
            times,
            row,
            end,
            high,
            source,
            packet,
            rule,
            clock,
            slots,
            pool,
            keys,
            per_source,
            plan,
            queue,
            jumps,
        )
        if after == row:
            return row, False
        row = after
        if row >= end or times[row] >= high:
            return row, True


@spliced
def _tick(time: int, source: int, packet: int, rule: Any, clock: Any, slots: Any, per_source: Any, queue: Any,
          jumps: Any) -> bool:  # fmt: skip
    """Let the clock go by a time without a row as it goes by an event; return False when the queue is full before."""
    found = judge(time, source, packet, rule, clock, slots, per_source, queue, jumps)
    if found != PRESENT:
        return found != NO_ROOM
    if not _advance(rule, clock, slots, queue):
        return False
    clock[IN_ORDER] += int64(time >= clock[LATEST] - rule[DISORDER])
    _follow(time, source, clock, per_source)
    return True


@spliced
def _next_stream(times: Any, clock: Any, end_0: int, end_1: int) -> Any:
    """Return which stream comes next, the end of its rows, and the time up to which it stays ahead of the other."""
    row_0, row_1 = clock[SINGLE], clock[COINCIDENCE]
    if row_1 >= end_1:
        return 0, end_0, int64(_FOREVER)
    if row_0 >= end_0:
        return 1, end_1, int64(_FOREVER)
    time_0, time_1 = times[row_0], times[row_1]
    if time_0 <= time_1:
        return 0, end_0, time_1 + int64(time_1 < _FOREVER)
    return 1, end_1, time_0


@kernel(
    boolean(
        types.Array(int64, 1, "C", readonly=True), int64[:, ::1], types.Array(uint16, 1, "C", readonly=True),
        int64[::1], int64[::1], int64[:, :, ::1], int32[:, ::1], uint64[::1],
        int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[::1], int64[::1],
    )
)  # fmt: skip
def arrive(times: Any, ends: Any, sources: Any, rule: Any, clock: Any, slots: Any, pool: Any, keys: Any,
           per_source: Any, plan: Any, queue: Any, jumps: Any, released: Any, told: Any) -> bool:  # fmt: skip
    """Take the rows of packets, from where `clock` says; return False when `plan`, `queue` or chunks are used up first.

    `times` are those of the first stream, then those of the second; `ends` [2, packets] count accordingly. Of each
    packet, the rows of both streams are taken in the order of their times, singles first where these are equal; those
    of one stream stay in the order in which they came. `released` are the rows of the first stream that are released
    after each packet. `told` [packets], or of no length, is the time that a packet tells after its rows.
    """
    for packet in range(clock[PACKET], len(sources)):
        source = int64(sources[packet])
        end_0, end_1 = ends[0, packet], ends[1, packet]
        while clock[SINGLE] < end_0 or clock[COINCIDENCE] < end_1:
            stream, end, high = _next_stream(times, clock, end_0, end_1)
            clock[SINGLE + stream], has_room = _segments(
                stream, times, clock[SINGLE + stream], end, high, source, packet, rule, clock, slots, pool, keys,
                per_source, plan, queue, jumps,
            )  # fmt: skip
            if not has_room:
                return False
        if len(told) and not _tick(told[packet], source, packet, rule, clock, slots, per_source, queue, jumps):
            return False
        clock[PACKET] = packet + 1
        released[packet] = clock[RELEASED]
    return True
