"""What goes onto the wire when faults are at work: a table of items, and the memory their bytes are in."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Items = npt.NDArray[np.void]
"""Rows of `ITEM`, in the order of sending."""

LOST = -1
"""`length` of an item that is not sent: the front end thinks it was."""
NOBODY = -1
"""`source` of garbage."""


class What(IntEnum):
    """What an item is. Words and starts have a position in the order of their source, the others have none."""

    WORDS = 0
    START = 1
    HEARTBEAT = 2
    END = 3
    GARBAGE = 4


ITEM = np.dtype(
    [
        ("source", "i4"),
        ("session", "i4"),  # starts of this source before this item
        ("what", "u1"),
        ("start", "?"),  # bears the start flag
        ("first", "i8"),  # number of its first word; of a heartbeat or end: words sent so far
        ("words", "i8"),  # words announced
        ("store", "i8"),
        ("at", "i8"),  # its first byte in the store
        ("length", "i8"),  # bytes to send, or LOST
        ("whole", "i8"),  # bytes before it was cut
        ("due_ns", "i8"),  # not before, in ns from the beginning of the run
        ("when_ns", "i8"),  # the recording's own time, in the ns of the plan
        ("slot", "i8"),  # place in the order of all sources, 8 to a planned packet
        ("position", "i8"),  # place in the order of its source
        ("delay", "i8"),  # packets of its source that overtake it
        ("copy", "u1"),  # 0: the original
    ]
)
SLOTS = 8
FLUSHED, STARTING, ON_TIME, DELAYED, INSERTED = 0, 1, 4, 5, 6
"""Places within the slot of a planned packet."""


def no_items(count: int = 0) -> Items:
    """Return `count` items that are all zero."""
    return np.zeros(count, ITEM)


class Stores:
    """Arrays of bytes by number, kept as long as items need them."""

    def __init__(self) -> None:
        self._arrays: dict[int, Bytes] = {}
        self._next = 0

    def __len__(self) -> int:
        """Return how many arrays are kept."""
        return len(self._arrays)

    def put(self, array: Bytes) -> int:
        """Keep a contiguous array of bytes, return its number."""
        self._next += 1
        self._arrays[self._next] = array.reshape(-1)
        return self._next

    def prune(self, *used: Items) -> None:
        """Forget what none of the items needs."""
        needed = {number for items in used for number in np.unique(items["store"]).tolist()}
        self._arrays = {number: array for number, array in self._arrays.items() if number in needed}

    def bytes_of(self, item: Items) -> Bytes:
        """Return what is to be sent for one item, a view."""
        at = int(item["at"])
        return self._arrays[int(item["store"])][at : at + int(item["length"])]

    def addresses(self, items: Items) -> npt.NDArray[np.uint64]:
        """Return where in memory the bytes of each item begin."""
        numbers, inverse = np.unique(items["store"], return_inverse=True)
        bases = np.array([self._arrays[number].ctypes.data for number in numbers.tolist()], np.uint64)
        addresses: npt.NDArray[np.uint64] = bases[inverse] + items["at"].astype(np.uint64)
        return addresses
