"""The time that all boards of a process share."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from simulators.fers.signals import PS

BLOCK_PS = 5_000_000_000
"""Events are made for so much time at once."""
_MOST_APART_PS = 50_000_000_000
"""Flat out, a board waits for another that is so far behind."""


class Runs(Protocol):
    """A board: whether it makes events, and up to when it has."""

    running: bool
    done_ps: int
    limit_ps: int | None
    """How long there is light after the scene began; None: for ever."""


class World:
    """The one clock of all boards, in ps. `speed` None: as fast as hosts take what comes."""

    def __init__(self, speed: float | None) -> None:
        self.speed = speed
        self.lock = threading.RLock()
        self.boards: list[Runs] = []
        self.began_ps = 0
        self._epoch_ns = time.monotonic_ns()
        self._dark_s: float | None = None

    def wall_s(self) -> float:
        """Return the time of people since the start, for what does not go faster with the photons."""
        return (time.monotonic_ns() - self._epoch_ns) * 1e-9

    def now_ps(self) -> int:
        """Return the time; flat out it is that of the board that is furthest."""
        if self.speed is None:
            return max((board.done_ps for board in self.boards), default=0)
        return round((time.monotonic_ns() - self._epoch_ns) * 1000 * self.speed)

    def begin(self, now_ps: int) -> None:
        """Let the scene begin, unless a board sees it already."""
        if not any(board.running for board in self.boards):
            self.began_ps = now_ps
            self._dark_s = None

    def due_ps(self, board: Runs) -> int:
        """Return up to when a board may make events now; flat out time passes as usual when there is no more light."""
        if self.speed is not None:
            return self.now_ps()
        if board.limit_ps is not None and board.done_ps >= self.began_ps + board.limit_ps:
            self._dark_s = self.wall_s() if self._dark_s is None else self._dark_s
            return self.began_ps + board.limit_ps + round((self.wall_s() - self._dark_s) * PS)
        others = [other.done_ps for other in self.boards if other.running and other is not board]
        return min([board.done_ps + BLOCK_PS, *(done + _MOST_APART_PS for done in others)])
