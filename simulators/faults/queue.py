"""Items that wait for their time, in the order of sending."""

from __future__ import annotations

import numpy as np

from simulators.faults.items import Items, no_items


class SendQueue:
    """Items by due time; equal times in the order in which they were put."""

    def __init__(self) -> None:
        self.items = no_items()

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self.items)

    def put(self, items: Items) -> None:
        """Add items."""
        if not len(items):
            return
        due_ns = np.concatenate([self.items["due_ns"], items["due_ns"]])
        joined = np.concatenate([self.items, items])
        in_order = bool((np.diff(due_ns) >= 0).all())
        self.items = joined if in_order else joined[np.argsort(due_ns, kind="stable")]

    def due(self, now_ns: int) -> Items:
        """Return the items whose time has come."""
        return self.items[: int(np.searchsorted(self.items["due_ns"], now_ns, "right"))]

    def drop(self, count: int) -> None:
        """Forget the first `count` items."""
        self.items = self.items[count:]

    @property
    def next_ns(self) -> int | None:
        """Return when the first item is due; None when none waits."""
        return int(self.items["due_ns"][0]) if len(self.items) else None
