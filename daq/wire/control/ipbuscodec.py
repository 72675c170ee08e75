"""Accesses to registers as IPbus packets, and their answers as text: `IpbusCodec`.

Requests and answers are a stream of packets, each after its length; on UDP a courier makes datagrams of them. What
comes back reads `0000beef 0000cafe; done`: words as eight hexadecimal digits, `done` for what was written, accesses
apart by `; `; or `refused bus error on read at 0x00000002` where an access went wrong, and nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from daq.errors import EncodeError
from daq.wire.control.accesses import Access, Verb, accesses
from daq.wire.control.courier import AGAIN, ONCE, framed, next_framed
from daq.wire.control.ipbus import (
    ANSWERS,
    MOST_PACKET_WORDS,
    MOST_WORDS,
    READS,
    WORD,
    Answers,
    Kind,
    Transaction,
    packet,
    packet_header,
)

_KINDS = {
    Verb.READ: Kind.READ, Verb.TAKE: Kind.READ_ONE, Verb.WRITE: Kind.WRITE, Verb.PUT: Kind.WRITE_ONE,
    Verb.MASK: Kind.MASK, Verb.ADD: Kind.ADD,
}  # fmt: skip
_LONGEST = 4 * MOST_PACKET_WORDS
_POSSIBLE = range(WORD.size, _LONGEST + 1, WORD.size)
_HEADER = WORD.pack(packet_header(0))
_Packet = list[tuple[int, Transaction]]
"""Transactions with the number of the access they are of."""


class IpbusCodec:
    """One request is one or several packets. Answers bear the numbers of the transactions: late ones are known.

    `datagrams`: a courier is there, which is told what has no place in the order of packets, and what is plain reading.
    `seed`: of those numbers, another for each program, so that none takes an answer to another for its own.
    """

    tagged = True

    def __init__(self, *, datagrams: bool, seed: int = 0) -> None:
        self.strays = 0
        self._datagrams = datagrams
        self._numbers, self._step = seed & 0xFFF, (seed >> 12 << 1) + 1
        self._got = bytearray()
        self._due: deque[_Packet] = deque()
        self._told: list[bytes] = []
        self._asked: tuple[Access, ...] = ()
        self._refusal = ""

    @property
    def halfway(self) -> bool:
        """Return True where part of a packet, or some of several packets, is there."""
        return bool(self._got or self._due)

    def begin(self, request: str, *, raw: bool = False) -> bytes:
        """Return the packets of a request. Raises `EncodeError`."""
        if raw:
            raise EncodeError(f"{request[:60]!r}: IPbus knows accesses alone, nothing raw")
        self.forget()
        self._asked = accesses(request)
        self._told = [b""] * len(self._asked)
        made = list(self._packets(self._asked))
        self._due.extend(made)
        return b"".join(framed(_whole(each), self._mark(each)) for each in made)

    def interject(self, request: str) -> bytes:
        """Return the packets of a request whose answer is for nobody, and which waits for no other."""
        return b"".join(
            framed(_whole(made), ONCE if self._datagrams else 0) for made in self._packets(accesses(request))
        )

    def feed(self, data: bytes) -> list[str]:
        """Take bytes; return the answer when its last packet is there. Raises `WireError`."""
        self._got += data
        replies = []
        while (whole := next_framed(self._got, _POSSIBLE)) is not None:
            if self._due and whole.startswith(_HEADER) and Answers(whole).begins_with(self._due[0][0][1]):
                self._take(Answers(whole), self._due.popleft())
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

    def _mark(self, made: _Packet) -> int:
        plain = self._datagrams and all(self._asked[number].verb == Verb.READ for number, _ in made)
        return AGAIN if plain else 0

    def _take(self, answers: Answers, asked: _Packet) -> None:
        for number, transaction in asked:
            why, words = answers.next(transaction)
            if why:
                said = ANSWERS.get(why, f"answer {why}")
                self._refusal = self._refusal or f"refused {said} at 0x{transaction.address:08x}"
                break
            self._told[number] += words
        answers.end()

    def _text(self) -> str:
        if self._refusal:
            return self._refusal
        return "; ".join(
            _words(told) if access.verb.reads else "done" for access, told in zip(self._asked, self._told, strict=True)
        )

    def _packets(self, asked: tuple[Access, ...]) -> Iterator[_Packet]:
        made: _Packet = []
        asked_words = told_words = 1
        for number, access in enumerate(asked):
            for transaction in self._transactions(access):
                asked_words += transaction.asked_words
                told_words += transaction.told_words
                if max(asked_words, told_words) > MOST_PACKET_WORDS:
                    yield made
                    made, asked_words, told_words = [], 1 + transaction.asked_words, 1 + transaction.told_words
                made.append((number, transaction))
        yield made

    def _transactions(self, access: Access) -> Iterator[Transaction]:
        """Cut an access into transactions of at most 255 words."""
        kind = _KINDS[access.verb]
        if access.wide:
            raise EncodeError(
                f"{access.verb.value} 0x{access.address:x}: words of IPbus have 32 bits, xN is not for them"
            )
        if kind in (Kind.MASK, Kind.ADD):
            yield self._numbered(kind, access.address, 1, _bytes(access.words))
            return
        body = _bytes(access.words)
        moves = kind in (Kind.READ, Kind.WRITE)
        for at in range(0, access.count, MOST_WORDS):
            many = min(MOST_WORDS, access.count - at)
            part = b"" if kind in READS else body[at * WORD.size : (at + many) * WORD.size]
            yield self._numbered(kind, access.address + (at if moves else 0), many, part)

    def _numbered(self, kind: Kind, address: int, words: int, body: bytes) -> Transaction:
        self._numbers = (self._numbers + self._step) & 0xFFF
        return Transaction(self._numbers, kind, address, words, body)


def _whole(made: _Packet) -> bytes:
    return packet([transaction for _, transaction in made])


def _bytes(words: tuple[str, ...]) -> bytes:
    """Return hexadecimal words as the wire has them."""
    return b"".join(int(word, 16).to_bytes(WORD.size, "little") for word in words)


def _words(told: bytes) -> str:
    """Return words of the wire as hexadecimal texts."""
    if len(told) == WORD.size:
        return f"{int.from_bytes(told, 'little'):08x}"
    return " ".join(reversed(told[::-1].hex(" ", WORD.size).split(" ")))  # the last word comes first, bytes in order
