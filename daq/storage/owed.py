"""Which words are durable: each waits for the rows that hold it, or what became of it, to be acknowledged."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from daq.model.events import StreamName
from daq.model.order import Moment

Words = dict[int, int]
"""Words per source."""


class Owed:
    """Words handed over, until the disk has acknowledged the rows that they became.

    Used by the recording's thread; `durable` may be asked by the disk's thread while the recording waits for its seal.
    """

    def __init__(self) -> None:
        self._held: deque[tuple[Moment, Words]] = deque()
        self._owed: deque[tuple[dict[StreamName, int], Words]] = deque()
        self._durable: Words = {}

    def hold(self, words: Words, newest: Moment) -> None:
        """Remember `words` whose rows wait for their turn in time, none of them later than `newest`."""
        self._held.append((newest, words))

    def released(self, handed: dict[StreamName, int], until: Moment | None) -> None:
        """Note that all rows before `until` (None: all there are) are among the rows `handed` to the writer."""
        while self._held and (until is None or self._held[0][0] < until):
            self.owe(self._held.popleft()[1], handed)

    def owe(self, words: Words, handed: dict[StreamName, int]) -> None:
        """Remember that `words` are durable when so many rows of each stream are."""
        if words:
            self._owed.append((dict(handed), words))

    def settle(self, acknowledged: Mapping[StreamName, int]) -> None:
        """Note the rows that are durable."""
        while self._owed and all(acknowledged.get(stream, 0) >= rows for stream, rows in self._owed[0][0].items()):
            for source, words in self._owed.popleft()[1].items():
                self._durable[source] = self._durable.get(source, 0) + words

    @property
    def durable(self) -> Words:
        """Return the durable words per source."""
        return dict(self._durable)

    @property
    def durable_words(self) -> int:
        """Return the durable words of all sources."""
        return sum(self._durable.values())


def grown(
    numbers: npt.NDArray[np.uint16], before: npt.NDArray[np.int64], after: npt.NDArray[np.int64]
) -> dict[int, int]:
    """Return by source number what has changed; sources that are new come last."""
    change = after.copy()
    change[: len(before)] -= before
    changed = np.flatnonzero(change)
    return dict(zip(numbers[changed].tolist(), change[changed].tolist(), strict=True))
