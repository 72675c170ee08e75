"""What is asked of a board of registers, as the text that control profiles hold.

    read A [N]           N words from A on, where a word of RBCP is a byte
    take A [N]           the same of what reading changes; of IPbus N words of the one address A, as of a FIFO
    write A W...         words from A on
    put A W...           the same where it matters that it is said once; of IPbus all words to the one address A
    mask A AND OR        word = word & AND | OR, done by the board; answers what it was before
    add A W              word = word + W, done by the board; answers what it was before

Several stand in one request, apart by `;`, and are done in this order. Numbers are hexadecimal, with or without 0x; N
is decimal. Of RBCP `xN` before the words says how many bytes each of them takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from daq.errors import EncodeError

MOST_ACCESSES = 4096
_SHORT = 80
_SHOWN = 60
_LAST_ADDRESS = 0xFFFF_FFFF
_NUMBER = re.compile(r"(0x)?[0-9A-Fa-f]{1,8}")
_COUNT = re.compile(r"[1-9]\d{0,6}")


class Verb(Enum):
    """What is done."""

    READ = "read"
    TAKE = "take"
    WRITE = "write"
    PUT = "put"
    MASK = "mask"
    ADD = "add"

    @property
    def reads(self) -> bool:
        """Return True where the answer is words of the board."""
        return self not in (Verb.WRITE, Verb.PUT)

    @property
    def at_one(self) -> bool:
        """Return True where reading or writing changes more than one word: it is not to be done twice."""
        return self in (Verb.TAKE, Verb.PUT)


@dataclass(frozen=True, slots=True)
class Access:
    """One access. `words`: what is written, as hexadecimal texts. `count`: words that are read; `wide`: 0 not said."""

    verb: Verb
    address: int
    count: int = 1
    words: tuple[str, ...] = ()
    wide: int = 0


def accesses(text: str) -> tuple[Access, ...]:
    """Return what a request asks for. Raises `EncodeError`."""
    return _kept(text) if len(text) <= _SHORT else _parsed(text)


def _parsed(text: str) -> tuple[Access, ...]:
    found = tuple(_access(part) for part in text.split(";"))
    if len(found) > MOST_ACCESSES:
        raise EncodeError(f"{len(found)} accesses in one request, {MOST_ACCESSES} are possible")
    return found


_kept = lru_cache(maxsize=1024)(_parsed)


def _access(text: str) -> Access:
    said, *rest = text.split() or [""]
    try:
        verb = Verb(said)
    except ValueError:
        raise _wrong(text, f"begins with none of {', '.join(each.value for each in Verb)}") from None
    if not rest or not _NUMBER.fullmatch(rest[0]):
        raise _wrong(text, "has no hexadecimal address")
    address, rest = int(rest[0], 16), rest[1:]
    made = (
        _reading(verb, address, rest, text) if verb in (Verb.READ, Verb.TAKE) else _telling(verb, address, rest, text)
    )
    if address + max(made.count, 1) - 1 > _LAST_ADDRESS:
        raise _wrong(text, f"goes beyond 0x{_LAST_ADDRESS:x}")
    return made


def _reading(verb: Verb, address: int, rest: list[str], text: str) -> Access:
    if len(rest) > 1 or (rest and not _COUNT.fullmatch(rest[0])):
        raise _wrong(text, "has no count after the address")
    return Access(verb, address, int(rest[0]) if rest else 1)


def _telling(verb: Verb, address: int, rest: list[str], text: str) -> Access:
    wide = 0
    if rest and rest[0][:1] == "x" and _COUNT.fullmatch(rest[0][1:]):
        wide, rest = int(rest[0][1:]), rest[1:]
    words = tuple(word.removeprefix("0x") for word in rest)
    wanted = {Verb.MASK: 2, Verb.ADD: 1}.get(verb)
    if not words or (wanted is not None and len(words) != wanted):
        raise _wrong(text, f"needs {wanted or 'at least one'} hexadecimal word after the address")
    if not all(_NUMBER.fullmatch(word) for word in words):
        raise _wrong(text, "holds what is no hexadecimal word of 32 bits")
    return Access(verb, address, 1 if wanted else len(words), words, wide)


def _wrong(text: str, why: str) -> EncodeError:
    return EncodeError(f"access {text.strip()[:_SHOWN]!r} {why}")
