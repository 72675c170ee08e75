"""What flows between the writer's threads, and the two bounds that keep its memory small: queue and buffer pool."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Generic, TypeVar

from daq.listmode.blocks import PAGE
from daq.storage.files import aligned_buffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pyarrow as pa

    from daq.listmode.blocks import BatchPlan
    from daq.model.events import StreamName

Item = TypeVar("Item")
Counts = dict[str, int]


def total(parts: Iterable[Counts]) -> Counts:
    """Return the sum of `parts`, name by name."""
    result: Counts = {}
    for part in parts:
        for name, count in part.items():
            result[name] = result.get(name, 0) + count
    return result


class Ended(Enum):
    """What `BoundedQueue.get` returns in place of an item."""

    TIMED_OUT = auto()
    CLOSED = auto()


@dataclass(slots=True)
class Rows:
    """Rows on their way into a batch."""

    stream: StreamName
    batch: pa.RecordBatch
    counts: Counts
    losses: Counts


@dataclass(slots=True)
class Whole:
    """A batch whose body lies ready in `buffer` from byte `HEADROOM` on; `release` is called when it is written."""

    stream: StreamName
    plan: BatchPlan
    buffer: memoryview
    counts: Counts
    losses: Counts
    release: Callable[[], None]


@dataclass(slots=True)
class Body:
    """A closed batch whose body lies in `buffer` from byte `HEADROOM` on, summed; the header is still to come."""

    stream: StreamName
    plan: BatchPlan
    buffer: memoryview
    crc32: int
    time_ps: tuple[int, int] | None
    counts: Counts
    losses: Counts
    release: Callable[[], None]


@dataclass(slots=True)
class Block:
    """A whole message, checksum included, ready to be written to segment `index` of its stream."""

    stream: StreamName
    index: int
    message: memoryview
    crc32: int
    rows: int
    counts: Counts
    release: Callable[[], None]
    """Gives the memory back, once written or given up."""


@dataclass(slots=True)
class Start:
    """A new segment begins with this schema message."""

    stream: StreamName
    index: int
    message: bytes
    crc32: int


@dataclass(slots=True)
class Flush:
    """Close every batch, sync, then set `done`."""

    done: threading.Event = field(default_factory=threading.Event)


class BoundedQueue(Generic[Item]):
    """First in, first out, bounded by the sum of the sizes given. One oversized item passes when alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: deque[tuple[Item, int]] = deque()
        self._held = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def held(self) -> int:
        """Sum of the sizes of the items waiting."""
        return self._held

    def put(self, item: Item, size: int, *, within_s: float) -> bool:
        """Append `item` and return True, or False when there was no room within `within_s` or the queue is closed.

        There is always room for what has no size: something else bounds it.
        """
        end = time.monotonic() + within_s
        with self._changed:
            while size and self._held and self._held + size > self._limit and not self._closed:
                left = end - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return False
            if self._closed:
                return False
            self._items.append((item, size))
            self._held += size
            self._changed.notify_all()
            return True

    def get(self, within_s: float) -> Item | Ended:
        """Return the next item, `TIMED_OUT` when none came in time, `CLOSED` when none ever will."""
        with self._changed:
            if not self._items and not self._closed:
                self._changed.wait(within_s)
            if self._items:
                item, size = self._items.popleft()
                self._held -= size
                self._changed.notify_all()
                return item
            return Ended.CLOSED if self._closed else Ended.TIMED_OUT

    def close(self) -> None:
        """Refuse further items. Those inside still come out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class BufferPool:
    """Page-aligned buffers of one size, touched at once. A larger one is made when a single row needs it."""

    def __init__(self, count: int, size: int) -> None:
        self._size = -(-size // PAGE) * PAGE
        arena = aligned_buffer(count * self._size)
        self._free = [arena[start : start + self._size] for start in range(0, len(arena), self._size)]
        self._changed = threading.Condition()

    def take(self, size: int) -> memoryview:
        """Return a buffer of at least `size` bytes, waiting until one is given back."""
        if size > self._size:
            return aligned_buffer(size)
        with self._changed:
            while not self._free:
                self._changed.wait(1.0)
            return self._free.pop()

    def give(self, buffer: memoryview) -> None:
        """Give `buffer` back; nobody may look at it any more."""
        if len(buffer) == self._size:
            with self._changed:
                self._free.append(buffer)
                self._changed.notify()
