"""What a wire can do to replies: each fault takes the next `count` of them, after `after` that are left alone."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from daq.errors import UsageError

KINDS = {
    "late": "the reply comes `seconds` later, and all after it wait for it",
    "duplicate": "the reply comes twice, the second time `seconds` later",
    "garble": "one byte of the reply is another",
    "missing": "the reply does not come",
    "truncate": "the reply ends somewhere",
    "noise": "bytes that nobody asked for come before the reply",
    "hang-up": "the connection breaks in place of the reply",
}
_LONGEST_S = 600.0


@dataclass(slots=True)
class WireFault:
    """One fault at work."""

    kind: str
    count: int = 1
    after: int = 0
    seconds: float = 0.0


def checked_fault(said: Mapping[str, Any], kinds: Collection[str]) -> WireFault:
    """Return a fault that somebody asked for. Raises `UsageError`, naming the kinds."""
    known = {"kind", "count", "after", "seconds"}
    if said.get("kind") not in kinds or set(said) - known:
        raise UsageError(f"fault {dict(said)}: kinds are {', '.join(kinds)}; keys {', '.join(sorted(known))}")
    fault = WireFault(**said)
    if not (fault.count >= 1 and fault.after >= 0 and 0 <= fault.seconds <= _LONGEST_S):
        raise UsageError(f"fault {dict(said)}: count from 1, after from 0, seconds from 0 to {_LONGEST_S:g}")
    return fault


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that leave `delay_s` after those before them; None: hang up."""

    delay_s: float
    data: bytes | None


class WireFaults:
    """The faults of one wire, by chance of one seed."""

    def __init__(self, seed: int = 0) -> None:
        self._waiting: list[WireFault] = []
        self._random = random.Random(seed)  # noqa: S311 - not for secrets

    def add(self, said: Mapping[str, Any]) -> None:
        """Put one to work. Raises `UsageError`."""
        self._waiting.append(checked_fault(said, KINDS))

    def clear(self) -> None:
        """Take all away."""
        self._waiting.clear()

    def apply(self, reply: bytes) -> list[Piece]:
        """Return what leaves in place of a reply."""
        for fault in self._waiting:
            if fault.after > 0:
                fault.after -= 1
                continue
            fault.count -= 1
            if fault.count <= 0:
                self._waiting.remove(fault)
            return self._spoilt(fault, reply)
        return [Piece(0.0, reply)]

    def _spoilt(self, fault: WireFault, reply: bytes) -> list[Piece]:
        at = self._random.randrange(len(reply))
        other = bytes([reply[at] ^ (1 << self._random.randrange(7))])
        made: dict[str, list[Piece]] = {
            "late": [Piece(fault.seconds, reply)],
            "duplicate": [Piece(0.0, reply), Piece(fault.seconds, reply)],
            "garble": [Piece(0.0, reply[:at] + other + reply[at + 1 :])],
            "missing": [],
            "truncate": [Piece(0.0, reply[:at])] if at else [],
            "noise": [Piece(0.0, self._random.randbytes(1 + at % 7) + reply)],
            "hang-up": [Piece(0.0, None)],
        }
        return made[fault.kind]
