"""Judge events as they arrive and put each into the slice of its time: a calendar of chunks.

All state lies in arrays, so that it stays between calls. `clock` is the clock that all streams share and the counts of
what is in use; `slots` int64 [streams, slots + 1, 3] says what each slice holds: its first chunk, its last chunk, its
rows. Slices are used in turn, as on a dial; the last slot takes what is set aside: events so late that their slice is
released, and those of sources whose clock jumped. A chunk is `CHUNK` rows of `keys` and of every column; `pool` int32
[2, chunks] says which chunk follows and which are free.

A key holds, from the top, the time since the beginning of its slice, the place within the slice (24 bits), whether it
is late (1 bit). So whole keys are all different, and their order is the order of time, stable.
"""

from __future__ import annotations

from typing import Any

from numba import boolean, int32, int64, types, uint16, uint64

from daq.model.kernel import kernel, spliced

KNOWN, LATEST, LEADER, EDGE, HELD, ASIDE, FORCED, FREE, PLANNED, QUEUED, JUMPS, PACKET, SINGLE, COINCIDENCE, SLOT = (
    range(15)
)
"""Fields of `clock`. LATEST: the latest time, of source LEADER. EDGE: up to here slices are released, SLOT: slot of
the slice that begins there. HELD: rows in
slices. ASIDE: sources set aside. FORCED: rows released before their time. FREE: free chunks. PLANNED, QUEUED, JUMPS:
rows in use of `plan`, `queue`, `jumps`. PACKET, SINGLE, COINCIDENCE: the next packet, and of each stream the next row.
"""

DISORDER, STEP, BITS, WIDTH, SLOTS, MOST = range(6)
"""Fields of `rule`: the rule's two times, the length of a slice, 2 to the BITS, how many there are at a time, rows held
at most."""

HEAD, TAIL, ROWS = range(3)
"""Fields of a slot."""

LAST, IS_ASIDE, LATE, SET_ASIDE = range(4)
"""Fields of a source: its latest time, whether its clock jumped, events late, events set aside."""

STREAM, SOURCE_ROW, CHUNK_ROW, COUNT = range(4)
"""Fields of `plan`, runs of rows to be copied into chunks; a source row counts the rows of both streams."""

Q_STREAM, Q_HEAD, Q_ROWS, Q_BASE, Q_SORTED = range(5)
"""Fields of `queue`, what is to be released, in order. Rows set aside have no base; their keys are whole times."""

CHUNK_BITS = 11
CHUNK = 1 << CHUNK_BITS
PLACE_BITS = 24
FARTHEST_PS = 1 << 62
"""Times from here on, and those below its negative, are none of the present, whatever the present is: so no sum or
difference of times overflows."""

NEVER_PS = -(1 << 63)
MOST_QUEUED = 4
"""Entries of `queue` that closing one slice may need."""

_FOREVER = (1 << 63) - 1
_NOT_NOW = -1


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
def _hand_over(clock: Any, slots: Any, queue: Any, slot: int, base: int, sorts: int) -> Any:
    """Queue what a slot holds and empty it; return its rows."""
    rows = int64(0)
    for stream in range(2):
        count = slots[stream, slot, ROWS]
        if count:
            entry = clock[QUEUED]
            queue[entry, Q_STREAM], queue[entry, Q_HEAD], queue[entry, Q_ROWS] = (
                stream,
                slots[stream, slot, HEAD],
                count,
            )
            queue[entry, Q_BASE], queue[entry, Q_SORTED] = base, sorts
            clock[QUEUED] = entry + 1
            slots[stream, slot, ROWS] = 0
            rows += count
    return rows


@spliced
def _close(rule: Any, clock: Any, slots: Any, queue: Any) -> Any:
    """Release the slice at the edge, what was set aside before it; return its rows."""
    slot = clock[SLOT]
    rows = int64(0)
    if slots[0, slot, ROWS] + slots[1, slot, ROWS]:
        _hand_over(clock, slots, queue, rule[SLOTS], 0, 0)
        rows = _hand_over(clock, slots, queue, slot, clock[EDGE], 1)
        clock[HELD] -= rows
    clock[EDGE] += rule[WIDTH]
    clock[SLOT] = slot + 1 if slot + 1 < rule[SLOTS] else 0
    return rows


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
            _close(rule, clock, slots, queue)
    return True


@spliced
def _make_room(rule: Any, clock: Any, slots: Any, queue: Any) -> bool:
    """Release the oldest slices until a row more can be held; return False when the queue is full before."""
    while clock[HELD] >= rule[MOST]:
        if clock[QUEUED] + MOST_QUEUED > len(queue):
            return False
        clock[FORCED] += _close(rule, clock, slots, queue)
    return True


@spliced
def _other_is_live(source: int, floor: int, clock: Any, per_source: Any) -> bool:
    """Return whether a source other than `source` and than those set aside had an event at or after `floor`."""
    leader = clock[LEADER]
    if leader != source and per_source[leader, IS_ASIDE] == 0:
        return True
    for other in range(len(per_source)):
        if other != source and per_source[other, IS_ASIDE] == 0 and per_source[other, LAST] >= floor:
            return True
    return False


@spliced
def _note_jump(packet: int, source: int, step: int, clock: Any, jumps: Any) -> None:
    """Keep the first jump of each packet."""
    count = clock[JUMPS]
    if count and jumps[count - 1, 0] == packet:
        return
    jumps[count, 0], jumps[count, 1], jumps[count, 2] = packet, source, step
    clock[JUMPS] += 1


@spliced
def _jumped(time: int, source: int, packet: int, rule: Any, clock: Any, per_source: Any, jumps: Any) -> bool:
    """Judge a step too far forward: True when the source is set aside, False when the clock as a whole has moved."""
    if _other_is_live(source, clock[LATEST] - rule[DISORDER], clock, per_source):
        per_source[source, IS_ASIDE] = 1
        clock[ASIDE] += 1
        _note_jump(packet, source, time - clock[LATEST], clock, jumps)
        return True
    if clock[ASIDE]:
        for other in range(len(per_source)):
            per_source[other, IS_ASIDE] = 0
        clock[ASIDE] = 0
    return False


@spliced
def _stays_aside(time: int, source: int, rule: Any, clock: Any, per_source: Any) -> bool:
    """Return whether a source set aside stays so: its time is still not one of the present."""
    if clock[LATEST] - rule[DISORDER] <= time <= clock[LATEST] + rule[STEP]:
        per_source[source, IS_ASIDE] = 0
        clock[ASIDE] -= 1
        return False
    return True


@spliced
def _begin(time: int, source: int, rule: Any, clock: Any) -> None:
    """Take an event as the first one."""
    clock[KNOWN], clock[LATEST], clock[LEADER] = 1, time, source
    clock[EDGE] = ((time - rule[DISORDER]) >> rule[BITS]) << rule[BITS]


@spliced
def _is_set_aside(time: int, source: int, packet: int, rule: Any, clock: Any, per_source: Any, jumps: Any) -> bool:
    """Return whether an event has no time of the present; where it has, the clock has followed it."""
    if time >= FARTHEST_PS or time < -FARTHEST_PS:
        return True
    if clock[KNOWN] == 0:
        _begin(time, source, rule, clock)
    if per_source[source, IS_ASIDE] and _stays_aside(time, source, rule, clock, per_source):
        return True
    if time > clock[LATEST] + rule[STEP] and _jumped(time, source, packet, rule, clock, per_source, jumps):
        return True
    if time > clock[LATEST]:
        clock[LATEST], clock[LEADER] = time, source
    return False


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
def _lay_aside(times: Any, row: int, end: int, high: int, keys: Any, at: int) -> Any:
    """Write whole times of rows with `time < high`; return the row after them and the latest time."""
    top = int64(NEVER_PS)
    while row < end:
        time = times[uint64(row)]
        if time >= high or time < -FARTHEST_PS:
            break
        keys[uint64(at)] = uint64(time)
        top = max(top, time)
        row, at = row + 1, at + 1
    return row, top


@spliced
def _follow(top: int, source: int, clock: Any, per_source: Any) -> None:
    """Let the clock follow events that were put into a slice, or came too late for theirs."""
    per_source[source, LAST] = max(per_source[source, LAST], top)
    if top > clock[LATEST]:
        clock[LATEST], clock[LEADER] = top, source


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
    is_aside = _is_set_aside(time, source, packet, rule, clock, per_source, jumps)
    if not is_aside and not _settle(time, rule, clock, slots, queue):
        return row
    slot, offset = rule[SLOTS], time - clock[EDGE]
    is_late = offset < 0
    if not is_aside and not is_late:
        slot = clock[SLOT] + (offset >> rule[BITS])
        slot -= rule[SLOTS] if slot >= rule[SLOTS] else 0
    held = slots[stream, slot, ROWS]
    used = held & (CHUNK - 1)
    if clock[PLANNED] == len(plan) or (used == 0 and not _attach(clock, slots, pool, stream, slot)):
        return row
    at = slots[stream, slot, TAIL] * CHUNK + used
    end = min(end, row + CHUNK - used)
    high = min(high, clock[LATEST] + rule[STEP] + 1, FARTHEST_PS)
    if is_aside:
        keys[at] = uint64(time)
        per_source[source, SET_ASIDE] += 1
        after = row + 1
    elif is_late:
        after, top = _lay_aside(times, row, end, min(high, clock[EDGE]), keys, at)
        per_source[source, LATE] += after - row
        _follow(top, source, clock, per_source)
    else:
        low = (time >> rule[BITS]) << rule[BITS]
        high = min(high, min(low, clock[EDGE] + rule[DISORDER]) + rule[WIDTH])
        end = min(end, row + rule[MOST] - clock[HELD])
        after, late, top = _place(times, row, end, high, low, clock[LATEST], rule[DISORDER], keys, at, held)
        per_source[source, LATE] += late
        clock[HELD] += after - row
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
        int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1],
    )
)  # fmt: skip
def arrive(times: Any, ends: Any, sources: Any, rule: Any, clock: Any, slots: Any, pool: Any, keys: Any,
           per_source: Any, plan: Any, queue: Any, jumps: Any) -> bool:  # fmt: skip
    """Take the rows of packets, from where `clock` says; return False when `plan`, `queue` or chunks are used up first.

    `times` are those of the first stream, then those of the second; `ends` [2, packets] count accordingly. Of each
    packet, the rows of both streams are taken in the order of their times, singles first where these are equal; those
    of one stream stay in the order in which they came.
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
        clock[PACKET] = packet + 1
    return True
