"""Words that are made once, for a loop of time that is sent again and again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from daq.errors import UsageError
from daq.model.layout import Layout
from simulators.supply import Chunk, pieces_of

MAX_LOOP_BYTES = 64 << 20
"""Eight million singles, of which the truth takes 38 bytes each, several times while it is sorted."""


class Repeating(Protocol):
    """The words of one source in every repetition of a loop."""

    @property
    def first(self) -> npt.NDArray[np.uint8]:
        """The words of the first repetition."""
        ...

    def words(self, repetition: int) -> npt.NDArray[np.uint8]:
        """Return the words of a repetition."""
        ...


class Looping:
    """A supply whose words are made while they are sent, or once for a loop."""

    layout: Layout
    sources: tuple[int, ...]

    def __init__(self) -> None:
        """Begin without a loop."""
        self.repetitions, self.loop_ps = 1, 0
        self._loop: Sequence[Repeating] = ()

    def _repeated(self) -> Iterator[list[Chunk]]:
        """Yield the words of all repetitions of the loop."""
        for repetition in range(self.repetitions):
            words = [repeater.words(repetition) for repeater in self._loop]
            yield from pieces_of(self.sources, words, self.layout.word_bytes)

    def _how_made(self) -> str:
        """Return when the words are made."""
        if not self._loop:
            return "while they are sent"
        return f"once, for a loop of {self.loop_ps / 1e12:.9g} s that is sent {self.repetitions} times"

    def _repeat(self, seconds: float, loop_s: float, bytes_per_s: float) -> None:
        """Let the loop of `loop_ps` come as often as `seconds` hold it; refuse one that is too large for memory."""
        loop_bytes = bytes_per_s * self.loop_ps / 1e12
        if loop_bytes > MAX_LOOP_BYTES:
            raise UsageError(f"--loop {loop_s:g}: {loop_bytes:.3g} bytes of words; at most {MAX_LOOP_BYTES}")
        self.repetitions = max(round(seconds * 1e12 / self.loop_ps), 1)

    def _loop_bytes(self) -> int:
        """Return how many bytes of words all repetitions have, about."""
        return self.repetitions * sum(len(repeater.first) for repeater in self._loop)
