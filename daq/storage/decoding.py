"""Decoding for a derivation: into memory that is used again where rows are not kept; jumps that are told at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daq.model.events import MARKS
from daq.storage.derivedmarks import chosen

if TYPE_CHECKING:
    from daq.listmode.decoder import Carry, Decoded, Decoder
    from daq.model.events import StreamName
    from daq.model.packets import Packets


class Decoding:
    """A decoder and the memory for its rows. One thread uses it."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self._room = -1
        self._buffers: dict[StreamName, Any] = {}

    def fresh(self) -> Decoding:
        """Return one of the same decoder with memory of its own."""
        return Decoding(self.decoder)

    def __call__(self, words: Packets, carry: Carry, *, keep: bool) -> Decoded:
        """Return the rows of `words` and bring `carry` up to date.

        Unless `keep` they are good until the next call only: they lie in the same memory again and again.
        """
        if keep:
            return self.decoder.decode(words, carry)
        count = self.decoder.words_of(words)
        if count > self._room or not self._buffers:
            self._room = max(count, 2 * self._room)
            self._buffers = self.decoder.buffers(self._room)
        return self.decoder.decode_into(words, carry, self._buffers)


class Withheld:
    """Marks of jumping clocks, kept until the end once somebody says so: nobody sees them while rows are shed."""

    def __init__(self) -> None:
        self._jumps: list[dict[str, Any]] | None = None

    def begin(self) -> None:
        """Keep them from here on. Twice is once."""
        if self._jumps is None:
            self._jumps = []

    def without(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Return marks without those that are kept."""
        if self._jumps is None:
            return columns
        jumps = columns["kind"] == MARKS.index("jump")
        if jumps.any():
            self._jumps.append(chosen(columns, jumps))
        return chosen(columns, ~jumps)

    def take(self) -> list[dict[str, Any]]:
        """Return what was kept; keep nothing more."""
        kept, self._jumps = self._jumps or [], None
        return kept

    def copy(self) -> Withheld:
        """Return another that holds the same."""
        twin = Withheld()
        twin._jumps = self._jumps
        return twin
