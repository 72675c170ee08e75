"""Memory for rows that are made all the time: used again as soon as nobody has the rows any more.

Fresh memory comes from the operating system page by page, which costs as much as making the rows themselves.
"""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt

LARGEST_BYTES = 16 << 20
"""A larger piece is not kept."""
MOST_PIECES = 32
"""Pieces kept; with more in use, which a slow disk brings about, further ones are fresh."""
_LEAST_BYTES = 1 << 16
_NOBODYS = 3
"""References to a piece that only this list knows: the list's, that of the loop, that of the question."""


class Memory:
    """Pieces of memory. One thread asks; arrays made on a piece keep it, and may be let go of in any thread."""

    def __init__(self) -> None:
        self._pieces: list[npt.NDArray[np.uint8]] = []

    def piece(self, size: int) -> npt.NDArray[np.uint8]:
        """Return at least `size` bytes that nobody uses; what is in them is undefined."""
        for piece in self._pieces:
            if len(piece) >= size and sys.getrefcount(piece) == _NOBODYS:
                return piece
        fresh = np.empty(max(size + size // 2, _LEAST_BYTES), np.uint8)
        if len(fresh) <= LARGEST_BYTES:
            if len(self._pieces) == MOST_PIECES:
                self._pieces.pop(0)
            self._pieces.append(fresh)
        return fresh
