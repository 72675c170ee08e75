"""What a simulated front end has to say: chunks of words per source, whatever they come from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from daq.model.layout import Clock, Layout


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Whole words (uint8) of one source. `rewinds`: the times in the words begin again here."""

    source: int
    words: npt.NDArray[np.uint8]
    rewinds: bool = False


PIECE_BYTES = 1 << 20


def pieces_of(sources: Sequence[int], words: Sequence[npt.NDArray[np.uint8]], word_bytes: int) -> Iterator[list[Chunk]]:
    """Yield the words of all sources, of one stretch of time, in pieces that a plan can hold."""
    pieces = max(math.ceil(max(len(w) for w in words) / PIECE_BYTES), 1)
    for piece in range(pieces):
        cuts = [[len(w) // word_bytes * part // pieces * word_bytes for part in (piece, piece + 1)] for w in words]
        yield [Chunk(source, w[begin:end]) for source, w, (begin, end) in zip(sources, words, cuts, strict=True)]


class Supply(Protocol):
    """The words of one run. `slices` may be called for every run anew and gives the same words each time."""

    layout: Layout
    clock: Clock
    sources: tuple[int, ...]
    preamble: bytes
    """What a TCP stream begins with."""
    tail: bytes
    """Less than a word, at the end of a file that was cut; TCP alone can carry it."""
    size_bytes: int
    """About how many bytes of words a run has."""

    def slices(self) -> Iterator[list[Chunk]]:
        """Yield chunks; those of one list belong to the same stretch of time, at most one per source."""
        ...

    def described(self) -> dict[str, Any]:
        """Return what the truth file says about where the words come from."""
        ...


class KeptSupply:
    """A supply whose words are made once and kept, for several endpoints and runs."""

    def __init__(self, supply: Supply) -> None:
        self.layout, self.clock, self.sources = supply.layout, supply.clock, supply.sources
        self.preamble, self.tail, self.size_bytes = supply.preamble, supply.tail, supply.size_bytes
        self.described = supply.described
        self._slices = list(supply.slices())

    def slices(self) -> Iterator[list[Chunk]]:
        """Yield the chunks that were kept."""
        yield from self._slices


@dataclass(frozen=True, slots=True)
class Instrument:
    """What a simulator needs of an instrument profile."""

    profile: str
    layout: Layout
    clock: Clock
    transports: tuple[str, ...] = field(default=("tcp", "udp"))
