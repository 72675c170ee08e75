"""Packets and transactions of IPbus 2.0 (IPbus protocol, version 2.0; traffic of uHAL 2.8).

    packet header        [31:28] 2   [27:24] 0   [23:8] packet id   [7:4] 0xF   [3:0] 0 control, 1 status, 2 re-send
    transaction header   [31:28] 2   [27:16] transaction id   [15:8] words   [7:4] type   [3:0] 0xF request, else answer

Control packets are little-endian here, as uHAL says them; status and re-send are big-endian. On a stream a packet
follows its length in bytes, big-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from daq.errors import WireError

WORD = struct.Struct("<I")
LENGTH = struct.Struct(">I")
_STATUS = struct.Struct(">16I")
CONTROL, STATUS, RESEND = 0, 1, 2
REQUEST = 0xF
MOST_PACKET_WORDS = 368
"""What one Ethernet frame of 1500 bytes carries after the headers of IP and UDP."""
MOST_WORDS = 255
"""Of one transaction: its header has eight bits for them."""
LAST_ID = 0xFFFF
_VERSION = 0x2000_0000


class Kind(IntEnum):
    """Types of transactions."""

    READ = 0
    WRITE = 1
    READ_ONE = 2
    """Again and again at one address."""
    WRITE_ONE = 3
    MASK = 4
    ADD = 5
    READ_SETTINGS = 6
    WRITE_SETTINGS = 7


READS = (Kind.READ, Kind.READ_ONE, Kind.READ_SETTINGS)
ANSWERS = {
    1: "bad header", 4: "bus error on read", 5: "bus error on write", 6: "bus time-out on read",
    7: "bus time-out on write",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction: `words` are read, or are those of `body` that are written."""

    ident: int
    kind: Kind
    address: int
    words: int
    body: bytes = b""
    """Little-endian."""

    @property
    def asked_words(self) -> int:
        """Return how long the request is."""
        return 2 + len(self.body) // WORD.size

    @property
    def told_words(self) -> int:
        """Return how long the answer is when all goes well."""
        return 1 + (1 if self.kind in (Kind.MASK, Kind.ADD) else self.words if self.kind in READS else 0)

    def bytes(self) -> bytes:
        """Return the request."""
        return struct.pack("<II", transaction_header(self.ident, self.words, self.kind), self.address) + self.body


def packet_header(ident: int, kind: int = CONTROL) -> int:
    """Return the header of a packet; `ident` 0: it has no place in an order."""
    return _VERSION | ident << 8 | 0xF0 | kind


def transaction_header(ident: int, words: int, kind: int, info: int = REQUEST) -> int:
    """Return the header of a transaction."""
    return _VERSION | (ident & 0xFFF) << 16 | words << 8 | kind << 4 | info


def packet(transactions: list[Transaction], ident: int = 0) -> bytes:
    """Return a control packet."""
    return WORD.pack(packet_header(ident)) + b"".join(each.bytes() for each in transactions)


def with_id(control: bytes, ident: int) -> bytes:
    """Return a control packet with another packet id."""
    return WORD.pack(packet_header(ident)) + control[WORD.size :]


def status_request() -> bytes:
    """Return the question for the state of a target."""
    return _STATUS.pack(packet_header(0, STATUS), *[0] * 15)


def resend_request(ident: int) -> bytes:
    """Return the demand to say the answer to a packet once more."""
    return LENGTH.pack(packet_header(ident, RESEND))


def header_of(data: bytes) -> tuple[int, int]:
    """Return (packet id, kind) of a packet of either byte order. Raises `WireError`."""
    if len(data) < WORD.size:
        raise WireError(f"a packet of {len(data)} bytes, the header alone has {WORD.size}")
    for order in (WORD, LENGTH):
        (word,) = order.unpack_from(data)
        if word >> 24 == 0x20 and word & 0xF0 == 0xF0 and word & 0xF <= RESEND:  # noqa: PLR2004
            return word >> 8 & LAST_ID, word & 0xF
    raise WireError(f"{data[:4].hex()} begins no packet of IPbus 2.0")


@dataclass(frozen=True, slots=True)
class Status:
    """What a target says of itself: answers it keeps, and the packet id that it takes next."""

    buffer_bytes: int
    buffers: int
    next_id: int


def status_of(data: bytes) -> Status:
    """Return what a status packet says. Raises `WireError`."""
    if len(data) != _STATUS.size:
        raise WireError(f"a status packet of {len(data)} bytes, not {_STATUS.size}")
    _, buffer_bytes, buffers, header, *_ = _STATUS.unpack(data)
    ident, kind = header >> 8 & LAST_ID, header & 0xFF
    if kind != 0xF0 or header >> 24 != 0x20 or ident == 0:  # noqa: PLR2004
        raise WireError(f"a status packet expects a packet with the header 0x{header:08x}")
    return Status(buffer_bytes, buffers, ident)


def after(ident: int) -> int:
    """Return the packet id after one: 1 follows on 0xFFFF."""
    return ident % LAST_ID + 1


def steps(first: int, last: int) -> int:
    """Return how many packet ids lie from the first to the last."""
    return (last - first) % LAST_ID


class Answers:
    """The answers of one packet, cut apart as the requests demand."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, WORD.size

    def begins_with(self, transaction: Transaction) -> bool:
        """Return True where the first answer bears the number and type of a transaction."""
        if len(self._data) < 2 * WORD.size:
            return False
        (header,) = WORD.unpack_from(self._data, WORD.size)
        return (header >> 16 & 0xFFF, header >> 4 & 0xF) == (transaction.ident & 0xFFF, transaction.kind)

    def next(self, transaction: Transaction) -> tuple[int, bytes]:
        """Return (0, words) or (why not, b""); the words little-endian. Raises `WireError`."""
        if self._at + WORD.size > len(self._data):
            raise WireError(f"an answer ends before that to transaction {transaction.ident}")
        (header,) = WORD.unpack_from(self._data, self._at)
        wanted = transaction_header(transaction.ident, transaction.words, transaction.kind, 0)
        if header & 0xFFFF_00F0 != wanted & 0xFFFF_00F0:
            raise WireError(f"an answer 0x{header:08x} in place of 0x{wanted:08x}")
        self._at += WORD.size
        if info := header & 0xF:
            self._at = len(self._data)
            return info, b""
        if header != wanted:
            raise WireError(f"an answer of {header >> 8 & 0xFF} words, {transaction.words} were asked for")
        many = (transaction.told_words - 1) * WORD.size
        words = self._data[self._at : self._at + many]
        if len(words) != many:
            raise WireError(f"an answer of {len(words)} bytes, not {many}")
        self._at += many
        return 0, words

    def end(self) -> None:
        """Demand that nothing more is there. Raises `WireError`."""
        if self._at != len(self._data):
            raise WireError(f"{len(self._data) - self._at} bytes more than was asked for")
