"""Slows whoever tries passwords: after some wrong ones each further try has to wait, longer and longer.

Counted for each user and each address apart. The longest wait is bounded: nobody locks somebody else out for long.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from daq.errors import BusyError

_FREE = {"user": 4, "address": 10}
"""Wrong passwords before one has to wait."""
_LONGEST_S = 60.0
_FORGET_S = 900.0
_MOST = 2000


@dataclass(slots=True)
class _Tries:
    wrong: int
    last_s: float


class Throttle:
    """Counts them. `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tries: dict[tuple[str, str], _Tries] = {}

    def check(self, user: str, address: str) -> None:
        """Raise `BusyError` where it is too early for another try."""
        wait_s = max(self._wait_s("user", user), self._wait_s("address", address))
        if wait_s > 0:
            raise BusyError(f"too many wrong passwords: try again in {math.ceil(wait_s)} s")

    def wrong(self, user: str, address: str) -> None:
        """Count a wrong one."""
        now_s = self._clock()
        for key in (("user", user), ("address", address)):
            tries = self._tries.pop(key, None) or _Tries(0, now_s)
            self._tries[key] = _Tries(tries.wrong + 1, now_s)  # the newest stand last
        while len(self._tries) > _MOST:
            del self._tries[next(iter(self._tries))]

    def right(self, user: str, address: str) -> None:
        """Forget the wrong ones of this user, and of this address."""
        self._tries.pop(("user", user), None)
        self._tries.pop(("address", address), None)

    def _wait_s(self, kind: str, name: str) -> float:
        tries = self._tries.get((kind, name))
        if tries is None:
            return 0.0
        since_s = self._clock() - tries.last_s
        over = tries.wrong - _FREE[kind]
        if since_s > _FORGET_S:
            del self._tries[kind, name]
            return 0.0
        return min(_LONGEST_S, 2.0 ** min(over, 10)) - since_s if over >= 0 else 0.0
