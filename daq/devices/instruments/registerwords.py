"""How words of registers stand in the texts of the codecs: whole words of IPbus, bytes of RBCP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from daq.errors import WireError
from daq.model.control import Register


class Words(Protocol):
    """Texts of accesses to a register, and its words from texts."""

    def read(self, register: Register, first: int, count: int) -> str:
        """Return the access that reads words."""

    def take(self, register: Register, count: int) -> str:
        """Return the access that reads words which reading takes away."""

    def write(self, register: Register, first: int, words: Sequence[int], *, once: bool) -> str:
        """Return the access that writes words; `once`: it matters that it is done once."""

    def change(self, register: Register, mask: int, bits: int) -> str | None:
        """Return the access by which the board sets bits under a mask; None where it cannot."""

    def said(self, register: Register, text: str) -> list[int]:
        """Return the words of an answer. Raises `WireError`."""


class WholeWords:
    """Words of 32 bits, each with an address."""

    def read(self, register: Register, first: int, count: int) -> str:
        """Return the access that reads words."""
        return f"read {register.address + first:x} {count}"

    def take(self, register: Register, count: int) -> str:
        """Return the access that reads words of one address, or of several that reading clears."""
        if register.fifo:
            return f"take {register.address:x} {count}"
        return "; ".join(f"take {register.address + number:x}" for number in range(count))

    def write(self, register: Register, first: int, words: Sequence[int], *, once: bool) -> str:
        """Return the access that writes words. Packets in order are done once in any case."""
        del once
        verb = "put" if register.fifo else "write"
        return f"{verb} {register.address + first:x} {' '.join(f'{word:08x}' for word in words)}"

    def change(self, register: Register, mask: int, bits: int) -> str | None:
        """Return the access by which the board sets bits under a mask."""
        return f"mask {register.address:x} {~mask & 0xFFFF_FFFF:x} {bits:x}"

    def said(self, register: Register, text: str) -> list[int]:
        """Return the words of an answer."""
        del register
        return [int(word, 16) for word in text.replace(";", " ").split()]


class ByteWords:
    """Words of one to four bytes, each byte with an address."""

    def read(self, register: Register, first: int, count: int) -> str:
        """Return the access that reads words."""
        return f"read {self._place(register, first):x} {count * register.bits // 8}"

    def take(self, register: Register, count: int) -> str:
        """Return the access that reads words which reading clears."""
        return f"take {register.address:x} {count * register.bits // 8}"

    def write(self, register: Register, first: int, words: Sequence[int], *, once: bool) -> str:
        """Return the access that writes words; what is not `once` may be said again."""
        wide = register.bits // 8
        texts = [word.to_bytes(wide, register.order).hex() for word in words]
        return f"{'put' if once else 'write'} {self._place(register, first):x} x{wide} {' '.join(texts)}"

    def change(self, register: Register, mask: int, bits: int) -> str | None:
        """Return None: RBCP reads and writes, nothing else."""
        del register, mask, bits
        return None

    def said(self, register: Register, text: str) -> list[int]:
        """Return the words of an answer. Raises `WireError` for one of another length."""
        data, wide = bytes.fromhex(text), register.bits // 8
        if len(data) % wide:
            raise WireError(f"{len(data)} bytes are no words of {wide}")
        return [int.from_bytes(data[at : at + wide], register.order) for at in range(0, len(data), wide)]

    def _place(self, register: Register, first: int) -> int:
        return register.address + first * register.bits // 8


def words_of(codec: str) -> Words:
    """Return how a codec has words."""
    return ByteWords() if codec == "rbcp" else WholeWords()
