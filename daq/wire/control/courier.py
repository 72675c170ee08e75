"""What carries requests over a wire that loses, doubles and reorders datagrams. Without IO, in the caller's time.

A request, and the answers to it, are a stream: each datagram after its length in four bytes, big-endian. The highest
bit of the length, `ONCE`, marks what is not to be said twice, because reading or writing it changes something. The next
one, `AGAIN`, marks what may be done again at any time: plain reading.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sized
from typing import Protocol

from daq.errors import BusyError, EncodeError, WireError

_LENGTH = struct.Struct(">I")
ONCE = 1 << 31
AGAIN = 1 << 30
MOST_WAITING = 8192
"""Datagrams that wait for their turn."""


class Courier(Protocol):
    """Says datagrams again where that is safe, and hands answers over in the order of the requests.

    `strays` counts datagrams that answered nothing; `resent` those that had to be said again; `answered` the answers.
    """

    answered: int
    strays: int
    resent: int

    def opened(self) -> None:
        """Begin on a wire that was just opened: nothing is known of the other side, nothing is under way."""

    def submit(self, request: bytes) -> None:
        """Take a request. Raises `EncodeError` for what is no stream of datagrams, `BusyError` where too many wait."""

    def outgoing(self, now_s: float) -> list[bytes]:
        """Return the datagrams that are to be sent now. Raises `UnreachableError` where there is no hope."""

    def incoming(self, datagram: bytes, now_s: float) -> None:
        """Take a datagram that came; what makes no sense is a stray."""

    def replies(self) -> bytes:
        """Return the answers that are there and whose turn it is, and take them away."""

    @property
    def under_way(self) -> bool:
        """Return True while an answer is waited for, or a request waits for its turn."""

    @property
    def wake_s(self) -> float | None:
        """Return when something is to be sent though nothing comes; None: not before something is submitted."""

    def abandon(self) -> None:
        """Give up what is under way; an answer that comes for it later is a stray."""


def framed(datagram: bytes, mark: int = 0) -> bytes:
    """Return a datagram as part of a stream; `mark`: 0, `ONCE` or `AGAIN`."""
    return _LENGTH.pack(len(datagram) | mark) + datagram


def unframed(stream: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield (datagram, its mark). Raises `EncodeError` for a stream that is cut."""
    at = 0
    while at < len(stream):
        (length,) = _LENGTH.unpack_from(stream, at)
        mark, length = length & (ONCE | AGAIN), length & ~(ONCE | AGAIN)
        at += _LENGTH.size
        if at + length > len(stream):
            raise EncodeError(f"a stream of datagrams ends after {len(stream) - at} of {length} bytes")
        yield stream[at : at + length], mark
        at += length


def next_framed(got: bytearray, possible: range) -> bytes | None:
    """Take the first datagram of a stream of answers that is whole, None where none is yet.

    `possible`: how long one can be, in bytes. Raises `WireError`.
    """
    if len(got) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack_from(got)
    if length not in possible:
        multiples = f", multiples of {possible.step}" if possible.step > 1 else ""
        raise WireError(f"an answer of {length} bytes; {possible[0]} to {possible[-1]} are possible{multiples}")
    if len(got) < _LENGTH.size + length:
        return None
    whole = bytes(got[_LENGTH.size : _LENGTH.size + length])
    del got[: _LENGTH.size + length]
    return whole


def require_room(waiting: Sized) -> None:
    """Raise `BusyError` where more datagrams wait than may."""
    if len(waiting) > MOST_WAITING:
        raise BusyError(f"{len(waiting)} datagrams wait for their turn, {MOST_WAITING} may")
