"""Sort the slices that are released: count into about one bucket per row, then insert.

That costs the same whatever number of sources the rows came from. Slices that are in order already are left so; a
bucket in which many rows lie close together is merged.
"""

from __future__ import annotations

from typing import Any

from numba import int32, int64, types, uint8, uint16, uint32, uint64, void

from daq.model.kernel import kernel, spliced
from daq.pipeline.order_judge import (
    CHUNK,
    CHUNK_BITS,
    CHUNK_ROW,
    COUNT,
    FREE,
    PLACE_BITS,
    Q_BASE,
    Q_HEAD,
    Q_ROWS,
    Q_SORTED,
    Q_STREAM,
    SOURCE_ROW,
    STREAM,
)  # fmt: skip

_TIME_SHIFT = PLACE_BITS + 1
_PLACE_MASK = (1 << PLACE_BITS) - 1
_MOST_BUCKET_BITS = 18
MOST_BUCKETS = 1 << _MOST_BUCKET_BITS
_CROWDED = 64
"""Rows in a bucket from which on inserting, of quadratic cost, is left to merging."""


@spliced
def _chunks_of(head: int, rows: int, pool: Any, chunks: Any) -> int:
    """List the chunks of a slice in order; return how many."""
    count = (rows + CHUNK - 1) >> CHUNK_BITS
    chunk = head
    for index in range(count):
        chunks[index] = chunk
        chunk = pool[0, chunk]
    return count


@spliced
def _count(rows: int, shift: Any, keys: Any, chunks: Any, ends: Any) -> bool:
    """Count rows per bucket; return whether they are in order already."""
    in_order, before = True, uint64(0)
    for first in range(0, rows, CHUNK):
        at = int64(chunks[first >> CHUNK_BITS]) << CHUNK_BITS
        for row in range(at, at + min(CHUNK, rows - first)):
            key = keys[uint64(row)]
            in_order &= key >= before
            before = key
            ends[key >> shift] += uint32(1)
    return in_order


@spliced
def _scatter(rows: int, shift: Any, keys: Any, chunks: Any, ends: Any, sorted_keys: Any) -> None:
    """Put rows into their buckets, in the order of arrival."""
    for first in range(0, rows, CHUNK):
        at = int64(chunks[first >> CHUNK_BITS]) << CHUNK_BITS
        for row in range(at, at + min(CHUNK, rows - first)):
            key = keys[uint64(row)]
            bucket = key >> shift
            place = ends[bucket]
            sorted_keys[place] = key
            ends[bucket] = place + uint32(1)


@spliced
def _copy(rows: int, keys: Any, chunks: Any, sorted_keys: Any) -> None:
    """Take rows in the order of arrival."""
    for first in range(0, rows, CHUNK):
        at = int64(chunks[first >> CHUNK_BITS]) << CHUNK_BITS
        for row in range(min(CHUNK, rows - first)):
            sorted_keys[uint64(first + row)] = keys[uint64(at + row)]


@spliced
def _swap_neighbours(rows: int, sorted_keys: Any) -> None:
    """Carry the greater key on from row to row: without branches, it leaves little to insert."""
    carried = sorted_keys[0]
    for row in range(1, rows):
        key = sorted_keys[uint64(row)]
        sorted_keys[uint64(row - 1)] = min(carried, key)
        carried = max(carried, key)
    sorted_keys[uint64(rows - 1)] = carried


@spliced
def _insert(rows: int, sorted_keys: Any) -> None:
    """Sort rows that lie near their places."""
    for row in range(1, rows):
        key = sorted_keys[uint64(row)]
        place = row
        while place > 0 and sorted_keys[uint64(place - 1)] > key:
            sorted_keys[uint64(place)] = sorted_keys[uint64(place - 1)]
            place -= 1
        if place < row:
            sorted_keys[uint64(place)] = key


@spliced
def _merge(keys: Any, other: Any) -> None:
    """Sort `keys` by merging runs of 1, 2, 4 ... rows, with `other` of the same length to work in."""
    rows, run = len(keys), 1
    while run < rows:
        for low in range(0, rows, 2 * run):
            middle, high = min(low + run, rows), min(low + 2 * run, rows)
            left, right = low, middle
            for place in range(low, high):
                if right >= high or (left < middle and keys[left] <= keys[right]):
                    other[place] = keys[left]
                    left += 1
                else:
                    other[place] = keys[right]
                    right += 1
        for place in range(rows):
            keys[place] = other[place]
        run *= 2


@spliced
def _begin_buckets(buckets: int, ends: Any) -> Any:
    """Turn counts into where each bucket begins; return the largest count."""
    before, most = uint32(0), uint32(0)
    for bucket in range(buckets):
        count = ends[bucket]
        ends[bucket] = before
        before += count
        most = max(most, count)
    return int64(most)


@spliced
def _merge_crowded(buckets: int, ends: Any, sorted_keys: Any, other: Any) -> None:
    """Sort the buckets that hold many rows."""
    begin = int64(0)
    for bucket in range(buckets):
        end = int64(ends[bucket])
        if end - begin > _CROWDED:
            _merge(sorted_keys[begin:end], other[begin:end])
        begin = end


@spliced
def _sort(rows: int, bits: int, keys: Any, chunks: Any, ends: Any, sorted_keys: Any, other: Any) -> None:
    """Bring the keys of a slice into order."""
    bucket_bits = 0
    while bucket_bits < min(bits, _MOST_BUCKET_BITS) and (1 << bucket_bits) < rows:
        bucket_bits += 1
    buckets = 1 << bucket_bits
    shift = uint64(_TIME_SHIFT + bits - bucket_bits)
    for bucket in range(buckets):
        ends[bucket] = 0
    if _count(rows, shift, keys, chunks, ends):
        _copy(rows, keys, chunks, sorted_keys)
        return
    most = _begin_buckets(buckets, ends)
    _scatter(rows, shift, keys, chunks, ends, sorted_keys)
    if most > _CROWDED:
        _merge_crowded(buckets, ends, sorted_keys, other)
    _swap_neighbours(rows, sorted_keys)
    _insert(rows, sorted_keys)


@spliced
def _write_sorted(rows: int, base: int, sorted_keys: Any, chunks: Any, time_ps: Any, places: Any, late: Any) -> None:
    """Write times, late flags and where the other columns lie, of a sorted slice."""
    for row in range(rows):
        key = sorted_keys[uint64(row)]
        time_ps[uint64(row)] = base + int64(key >> uint64(_TIME_SHIFT))
        late[uint64(row)] = key & uint64(1)
    for row in range(rows):  # by itself, for so it becomes vector instructions
        place = uint32(sorted_keys[uint64(row)] >> uint64(1)) & uint32(_PLACE_MASK)
        places[uint64(row)] = (chunks[uint64(place >> uint32(CHUNK_BITS))] << CHUNK_BITS) | int64(
            place & uint32(CHUNK - 1)
        )


@spliced
def _write_aside(rows: int, keys: Any, chunks: Any, time_ps: Any, places: Any, late: Any) -> None:
    """Write the same of rows set aside, in the order of arrival."""
    for row in range(rows):
        place = (int64(chunks[row >> CHUNK_BITS]) << CHUNK_BITS) | (row & (CHUNK - 1))
        time_ps[row] = int64(keys[place])
        late[row] = 1
        places[row] = place


@kernel(
    void(
        int64, int64, int64[:, ::1], uint64[::1], int32[:, ::1], int64[::1],
        uint32[::1], int32[::1], uint64[::1], uint64[::1], int64[::1], int32[::1], uint8[::1],
    )
)  # fmt: skip
def release(stream: int, bits: int, queue: Any, keys: Any, pool: Any, clock: Any, ends: Any, chunks: Any,
            sorted_keys: Any, other: Any, time_ps: Any, places: Any, late: Any) -> None:  # fmt: skip
    """Write what the queue has of one stream, sorted, and give its chunks back.

    `places` are the rows of chunks in which the other columns lie: gather them before anything else arrives.
    """
    done = 0
    for index in range(len(queue)):
        if queue[index, Q_STREAM] != stream:
            continue
        rows = queue[index, Q_ROWS]
        count = _chunks_of(queue[index, Q_HEAD], rows, pool, chunks)
        if queue[index, Q_SORTED]:
            _sort(rows, bits, keys, chunks, ends, sorted_keys, other)
            _write_sorted(rows, queue[index, Q_BASE], sorted_keys, chunks, time_ps[done:], places[done:], late[done:])
        else:
            _write_aside(rows, keys, chunks, time_ps[done:], places[done:], late[done:])
        for chunk in range(count):
            pool[1, clock[FREE]] = chunks[chunk]
            clock[FREE] += 1
        done += rows


def _typed(kinds: tuple[Any, ...]) -> list[Any]:
    """Return the signatures of `store` for columns of these types."""
    return [void(int64, int64, int64[:, ::1], types.Array(kind, 1, "C", readonly=True), kind[::1]) for kind in kinds]


SIZES = (uint8, uint16, uint32, uint64)


@kernel(*_typed(SIZES))
def store(stream: int, first: int, plan: Any, column: Any, chunked: Any) -> None:
    """Copy the runs that a plan has of one stream, whose source rows begin at `first`, from a column into chunks."""
    for index in range(len(plan)):
        if plan[index, STREAM] == stream:
            source, target = plan[index, SOURCE_ROW] - first, plan[index, CHUNK_ROW]
            for row in range(plan[index, COUNT]):
                chunked[uint64(target + row)] = column[uint64(source + row)]


@spliced
def _fetch(head: int, rows: int, pool: Any, chunked: Any, stride: int) -> Any:
    """Read a column's chunks in order, one row of each cache line, so that they are near when rows are picked."""
    chunk, last = head, chunked[0]
    for first in range(0, rows, CHUNK):
        at = int64(chunk) << CHUNK_BITS
        for row in range(0, min(CHUNK, rows - first), stride):
            last ^= chunked[uint64(at + row)]
        chunk = pool[0, chunk]
    return last


@kernel(*[kind(int64, int64[:, ::1], int32[:, ::1], kind[::1], int32[::1], kind[::1]) for kind in SIZES])
def gather(stream: int, queue: Any, pool: Any, chunked: Any, places: Any, column: Any) -> Any:
    """Fill a column, slice after slice, from the places in chunks. What it returns says nothing."""
    begin, fetched = 0, chunked[0]
    for index in range(len(queue)):
        if queue[index, Q_STREAM] == stream:
            rows = queue[index, Q_ROWS]
            fetched ^= _fetch(queue[index, Q_HEAD], rows, pool, chunked, 64 // chunked.itemsize)
            for row in range(begin, begin + rows):
                column[uint64(row)] = chunked[uint64(places[uint64(row)])]
            begin += rows
    return fetched
