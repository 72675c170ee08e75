"""Accesses to registers by RBCP, the bus control protocol of SiTCP, and their answers as text: `RbcpCodec`.

    0xFF | command | id | length | address, big-endian (4) | data (1 to 255 bytes)

Command: read 0xC0, write 0x80; an answer has bit 3 set, and bit 0 after a bus error, and repeats id, length, address
and data (SiTCP library manual of BeeBeans Technologies as others cite it; basil 3.3, transfer layer `SiTcp`; the manual
itself was not read). Addresses are of bytes. What comes back reads `00c0ffee; done`, or `refused bus error on read at
0x00000010`; several bytes are one number, the first byte its highest.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from daq.errors import EncodeError, WireError
from daq.wire.control.accesses import Access, Verb, accesses
from daq.wire.control.courier import ONCE, framed, next_framed

HEADER = struct.Struct(">BBBBI")
VERSION, READ, WRITE = 0xFF, 0xC0, 0x80
ANSWER, BUS_ERROR = 0x08, 0x01
MOST_BYTES = 255
_SHORT = 80
_LONGEST = HEADER.size + MOST_BYTES
_POSSIBLE = range(HEADER.size, _LONGEST + 1)


class Piece(NamedTuple):
    """One datagram of a request, and of which access it is a part."""

    access: int
    request: bytes
    mark: int

    def with_id(self, ident: int) -> Piece:
        """Return it with another id."""
        request = self.request
        return Piece(self.access, request[:2] + ident.to_bytes(1, "big") + request[3:], self.mark)


def answers(request: bytes, answer: bytes) -> bool:
    """Return True where an answer has the form of one to a request: command, id, length, address."""
    if len(answer) < HEADER.size or answer[0] != VERSION or answer[1] & 0xF8 != request[1] | ANSWER:
        return False
    return answer[2:8] == request[2:8] and (answer[1] & BUS_ERROR == BUS_ERROR or len(answer) == 8 + request[3])


class RbcpCodec:
    """One request is one or several datagrams. Their ids are for the courier, which has ids of its own on the wire."""

    tagged = True

    def __init__(self) -> None:
        self.strays = 0
        self._idents = 0
        self._got = bytearray()
        self._due: deque[Piece] = deque()
        self._asked: tuple[Access, ...] = ()
        self._told: list[bytes] = []
        self._refusal = ""

    @property
    def halfway(self) -> bool:
        """Return True where part of an answer, or some of several answers, is there."""
        return bool(self._got or self._due)

    def begin(self, request: str, *, raw: bool = False) -> bytes:
        """Return the datagrams of a request, each after its length. Raises `EncodeError`."""
        if raw:
            raise EncodeError(f"{request[:60]!r}: RBCP knows accesses alone, nothing raw")
        self.forget()
        self._asked = accesses(request)
        self._told = [b""] * len(self._asked)
        self._due.extend(self._pieces(request))
        return b"".join(framed(piece.request, piece.mark) for piece in self._due)

    def interject(self, request: str) -> bytes:
        """Return the datagrams of a request whose answer is for nobody."""
        return b"".join(framed(piece.request, piece.mark) for piece in self._pieces(request))

    def feed(self, data: bytes) -> list[str]:
        """Take answers, each after its length; return the text when the last one is there. Raises `WireError`."""
        self._got += data
        replies = []
        while (whole := next_framed(self._got, _POSSIBLE)) is not None:
            if self._due and answers(self._due[0].request, whole):
                self._take(self._due.popleft(), whole)
                if not self._due:
                    replies.append(self._text())
            else:
                self.strays += 1
        return replies

    def forget(self) -> None:
        """Forget what is there, and what was asked."""
        self._got.clear()
        self._due.clear()
        self._told, self._asked, self._refusal = [], (), ""

    def _take(self, piece: Piece, answer: bytes) -> None:
        request = piece.request
        reads = request[1] == READ
        if answer[1] & BUS_ERROR:
            said = f"refused bus error on {'read' if reads else 'write'} at 0x{request[4:8].hex()}"
            self._refusal = self._refusal or said
        elif reads:
            self._told[piece.access] += answer[HEADER.size :]
        elif answer[HEADER.size :] != request[HEADER.size :]:
            raise WireError(f"written at 0x{request[4:8].hex()}: {request[8:].hex()}, answered {answer[8:].hex()}")

    def _text(self) -> str:
        if self._refusal:
            return self._refusal
        return "; ".join(
            told.hex() if access.verb.reads else "done" for access, told in zip(self._asked, self._told, strict=True)
        )

    def _pieces(self, request: str) -> Iterator[Piece]:
        for piece in _kept(request) if len(request) <= _SHORT else _cut(request):
            self._idents = (self._idents + 1) & 0xFF
            yield piece.with_id(self._idents)


def _cut(request: str) -> tuple[Piece, ...]:
    """Cut accesses into datagrams of at most 255 bytes, with id 0."""
    return tuple(piece for number, access in enumerate(accesses(request)) for piece in _of_access(number, access))


_kept = lru_cache(maxsize=1024)(_cut)


def _of_access(number: int, access: Access) -> Iterator[Piece]:
    if access.verb in (Verb.MASK, Verb.ADD):
        raise EncodeError(f"{access.verb.value} 0x{access.address:x}: RBCP reads and writes, nothing else")
    reads = access.verb.reads
    data = bytes(access.count) if reads else b"".join(_bytes(word, access.wide) for word in access.words)
    for at in range(0, len(data), MOST_BYTES):
        part = data[at : at + MOST_BYTES]
        head = HEADER.pack(VERSION, READ if reads else WRITE, 0, len(part), access.address + at)
        yield Piece(number, head if reads else head + part, ONCE if access.verb.at_one else 0)


def _bytes(word: str, wide: int) -> bytes:
    """Return a hexadecimal word as bytes, the highest first; as many as it has digits for unless said otherwise."""
    wide = wide or (len(word) + 1) // 2
    try:
        return int(word, 16).to_bytes(wide, "big")
    except OverflowError:
        raise EncodeError(f"{word} has no room in {wide} bytes") from None
