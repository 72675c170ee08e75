"""What a network does to the datagrams of a board: each fault takes the next `count` of them, after `after` others."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from simulators.instruments.wirefaults import Piece, WireFault, checked_fault

KINDS = {
    "unheard": "the request is lost on its way: the board never hears it",
    "missing": "the board does what it was told, and its answer is lost",
    "late": "the answer comes `seconds` later, after others",
    "duplicate": "the answer comes twice, the second time `seconds` later",
    "repeat": "the request comes twice, the second time `seconds` later",
    "reorder": "the answer comes after the next one",
    "garble": "one byte of the answer is another",
    "truncate": "the answer ends somewhere",
    "noise": "a datagram that nobody asked for comes before the answer",
}
_OF_REQUESTS = ("unheard", "repeat")


class DatagramFaults:
    """The faults of one network, by chance of one seed."""

    def __init__(self, seed: int = 0) -> None:
        self._waiting: list[WireFault] = []
        self._held: bytes | None = None
        self._random = random.Random(seed)  # noqa: S311 - not for secrets

    def add(self, said: Mapping[str, Any]) -> None:
        """Put one to work. Raises `UsageError`."""
        self._waiting.append(checked_fault(said, KINDS))

    def clear(self) -> None:
        """Take all away."""
        self._waiting.clear()

    @property
    def idle(self) -> bool:
        """Return True where datagrams pass as they are."""
        return not self._waiting and self._held is None

    def heard(self) -> list[float]:
        """Return after how long the board hears a request: once at once, twice, or never."""
        fault = self._next(requests=True)
        if fault is None:
            return [0.0]
        return [] if fault.kind == "unheard" else [0.0, fault.seconds]

    def apply(self, answer: bytes) -> list[Piece]:
        """Return what leaves in place of an answer."""
        held, self._held = self._held, None
        after = [Piece(0.0, held)] if held is not None else []
        fault = self._next(requests=False)
        if fault is None:
            return [Piece(0.0, answer), *after]
        if fault.kind == "reorder":
            self._held = answer
            return after
        return [*self._spoilt(fault, answer), *after]

    def _next(self, *, requests: bool) -> WireFault | None:
        for fault in self._waiting:
            if (fault.kind in _OF_REQUESTS) != requests:
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            fault.count -= 1
            if fault.count <= 0:
                self._waiting.remove(fault)
            return fault
        return None

    def _spoilt(self, fault: WireFault, answer: bytes) -> list[Piece]:
        at = self._random.randrange(len(answer))
        other = bytes([answer[at] ^ (1 << self._random.randrange(8))])
        made: dict[str, list[Piece]] = {
            "missing": [],
            "late": [Piece(fault.seconds, answer)],
            "duplicate": [Piece(0.0, answer), Piece(fault.seconds, answer)],
            "garble": [Piece(0.0, answer[:at] + other + answer[at + 1 :])],
            "truncate": [Piece(0.0, answer[:at])],
            "noise": [Piece(0.0, self._random.randbytes(1 + at % 40)), Piece(0.0, answer)],
        }
        return made[fault.kind]
