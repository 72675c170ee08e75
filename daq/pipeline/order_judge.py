"""Judge events as they arrive: what is late, whose clock is astray, when the clock of the detector has moved.

The rule is told in `docs/explanations/decisions/0012-order-watermark.md`, and in plain Python in the tests. All state
lies in arrays, so that it stays between calls: the fields named here.
"""

from __future__ import annotations

from typing import Any

from numba import int64

from daq.model.kernel import spliced

(
    KNOWN, LATEST, WITNESS, EDGE, HELD, ASIDE, FORCED, FREE, PLANNED, QUEUED, JUMPS, PACKET, SINGLE, COINCIDENCE, SLOT,
    IN_ORDER, BEFORE, AFTER, BEGINNINGS, RELEASED, CLOCK_FIELDS,
) = range(21)  # fmt: skip
"""Fields of `clock`. LATEST: the latest time; WITNESS: the source that set it, or one that was live later.
EDGE: up to here slices are released, SLOT: slot of the slice that begins there. HELD: rows in slices. ASIDE: sources
set aside. FORCED: rows released before their time. FREE: free chunks. PLANNED, QUEUED, JUMPS: rows in use of `plan`,
`queue`, `jumps`. PACKET, SINGLE, COINCIDENCE: the next packet, and of each stream the next row. IN_ORDER: events that
were not late. BEFORE, AFTER: the latest time before and after it last went further than NEAR at once. BEGINNINGS: how
often order began anew. RELEASED: rows of the first stream released since a call began.
"""

DISORDER, STEP, BITS, WIDTH, SLOTS, MOST, NEAR, FAR = range(8)
"""Fields of `rule`: the rule's two times, the length of a slice, 2 to the BITS, how many there are at a time, rows held
at most. What lies more than NEAR below the latest time has no slice; what lies more than FAR below it is astray."""

HEAD, TAIL, ROWS = range(3)
"""Fields of a slot."""

LAST, IS_ASIDE, LATE, SET_ASIDE, WALK_BEGAN, WALK_FROM, WALK_TOP, SOURCE_FIELDS = range(8)
"""Fields of a source: its latest time, whether its clock jumped, events late, events set aside. Of its latest events if
they are astray: IN_ORDER when they began, the first time, the latest."""

PRESENT, IS_STRAY, HAS_NO_TIME, NO_ROOM = range(4)
"""What an event is found to be: in order or late; of a source set aside; of a time that is none; not yet to be said,
because the queue is full."""

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
MOST_QUEUED = 6
"""Entries of `queue` that closing one slice may need, and what is set aside after it."""


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
            clock[RELEASED] += count if stream == 0 else 0
    return rows


@spliced
def close(rule: Any, clock: Any, slots: Any, queue: Any) -> Any:
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
def _is_live(other: int, source: int, floor: int, per_source: Any) -> bool:
    """Return whether `other`, which must not be `source` nor set aside, is at or above `floor`."""
    return bool(other != source and per_source[other, IS_ASIDE] == 0 and per_source[other, LAST] >= floor)


@spliced
def other_is_live(source: int, rule: Any, clock: Any, per_source: Any) -> bool:
    """Return whether a source other than `source` and than those set aside is within the disorder of the latest time.

    The one found is asked first the next time, for it may be asked at every event.
    """
    floor = clock[LATEST] - rule[DISORDER]
    if _is_live(clock[WITNESS], source, floor, per_source):
        return True
    for other in range(len(per_source)):
        if _is_live(other, source, floor, per_source):
            clock[WITNESS] = other
            return True
    return False


@spliced
def _went_on(time: int, source: int, rule: Any, clock: Any, per_source: Any) -> bool:
    """Return whether a source that is astray has gone on for more than a step while nothing came in order.

    It begins anew when it goes back behind its beginning or a step ahead of itself.
    """
    known = per_source[source, WALK_BEGAN] == clock[IN_ORDER]
    if not known or time < per_source[source, WALK_FROM] or time - per_source[source, WALK_TOP] > rule[STEP]:
        per_source[source, WALK_BEGAN], per_source[source, WALK_FROM] = clock[IN_ORDER], time
        per_source[source, WALK_TOP] = time
    per_source[source, WALK_TOP] = max(per_source[source, WALK_TOP], time)
    return bool(time - per_source[source, WALK_FROM] > rule[STEP])


@spliced
def _note_jump(packet: int, source: int, step: int, clock: Any, jumps: Any) -> None:
    """Keep the first jump of each packet."""
    count = clock[JUMPS]
    if count and jumps[count - 1, 0] == packet:
        return
    jumps[count, 0], jumps[count, 1], jumps[count, 2] = packet, source, step
    clock[JUMPS] += 1


@spliced
def _begin(time: int, source: int, rule: Any, clock: Any) -> None:
    """Take an event as the first one."""
    clock[KNOWN], clock[LATEST], clock[WITNESS] = 1, time, source
    clock[EDGE] = ((time - rule[DISORDER]) >> rule[BITS]) << rule[BITS]
    clock[BEFORE], clock[AFTER] = -FARTHEST_PS, time


@spliced
def _take_all_back(clock: Any, per_source: Any) -> None:
    """Set no source aside any more."""
    if clock[ASIDE]:
        for source in range(len(per_source)):
            per_source[source, IS_ASIDE] = 0
        clock[ASIDE] = 0


@spliced
def _begin_anew(time: int, source: int, packet: int, rule: Any, clock: Any, slots: Any, per_source: Any, queue: Any,
                jumps: Any) -> int:  # fmt: skip
    """Release all that is held and take an event, which lies far below, as the first one."""
    while clock[HELD]:
        if clock[QUEUED] + MOST_QUEUED > len(queue):
            return NO_ROOM
        close(rule, clock, slots, queue)
    _note_jump(packet, source, time - clock[LATEST], clock, jumps)
    _take_all_back(clock, per_source)
    for other in range(len(per_source)):
        per_source[other, LAST] = NEVER_PS
    _begin(time, source, rule, clock)
    clock[BEGINNINGS] += 1
    return PRESENT


@spliced
def is_astray(time: int, rule: Any, clock: Any) -> bool:
    """Return whether a time is further from the latest one than a step."""
    return bool(time > clock[LATEST] + rule[STEP] or time < clock[LATEST] - rule[FAR])


@spliced
def _is_short_of(time: int, rule: Any, clock: Any) -> bool:
    """Return whether the latest time was reached at once, a short while ago, and `time` is from before or meanwhile."""
    is_between = clock[BEFORE] - rule[DISORDER] <= time < clock[LATEST] - rule[NEAR]
    return bool(is_between and clock[LATEST] - clock[AFTER] <= rule[DISORDER])


@spliced
def _has_moved(time: int, source: int, rule: Any, clock: Any, per_source: Any) -> bool:
    """Return whether an event, which is astray or behind, shows that the clock of the detector as a whole has moved."""
    if is_astray(time, rule, clock):
        return not other_is_live(source, rule, clock, per_source) or _went_on(time, source, rule, clock, per_source)
    return _is_short_of(time, rule, clock) and not other_is_live(source, rule, clock, per_source)


@spliced
def _judge_other(time: int, source: int, packet: int, rule: Any, clock: Any, slots: Any, per_source: Any, queue: Any,
                 jumps: Any) -> int:  # fmt: skip
    """Say what an event is that is astray, far behind, or of a source set aside."""
    step = time - clock[LATEST]
    if -rule[DISORDER] <= step <= rule[STEP]:
        per_source[source, IS_ASIDE] = 0
        clock[ASIDE] -= 1
        return PRESENT
    if _has_moved(time, source, rule, clock, per_source):
        if step < 0:
            return _begin_anew(time, source, packet, rule, clock, slots, per_source, queue, jumps)
        _take_all_back(clock, per_source)
        return PRESENT
    if per_source[source, IS_ASIDE]:
        return IS_STRAY
    if step > 0:
        per_source[source, IS_ASIDE] = 1
        clock[ASIDE] += 1
        _note_jump(packet, source, step, clock, jumps)
        return IS_STRAY
    if step < -rule[FAR]:
        per_source[source, LAST] = NEVER_PS
    return PRESENT


@spliced
def judge(time: int, source: int, packet: int, rule: Any, clock: Any, slots: Any, per_source: Any, queue: Any,
          jumps: Any) -> int:  # fmt: skip
    """Say what an event is. If it is of the present, the clock has followed it."""
    if time >= FARTHEST_PS or time < -FARTHEST_PS:
        return HAS_NO_TIME
    if clock[KNOWN] == 0:
        _begin(time, source, rule, clock)
    step = time - clock[LATEST]
    if per_source[source, IS_ASIDE] or step > rule[STEP] or step < -rule[NEAR]:
        found = _judge_other(time, source, packet, rule, clock, slots, per_source, queue, jumps)
        if found != PRESENT:
            return found
    if time > clock[LATEST]:
        if step > rule[NEAR]:
            clock[BEFORE], clock[AFTER] = clock[LATEST], time
        clock[LATEST], clock[WITNESS] = time, source
    return PRESENT
