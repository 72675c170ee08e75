"""Carries RBCP datagrams over a wire that loses, doubles and delays them.

RBCP has eight bits of id and nothing that says how often a board did something. So an id is not used again before any
answer to it can have come (`late_s`); what changes something by being read or written (`ONCE`) is never said twice; and
after another write had to be said again nothing is said until its first telling cannot arrive any more.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass

from daq.errors import DeadlineError
from daq.wire.control import rbcp
from daq.wire.control.courier import ONCE, framed, require_room, unframed

_IDS = 256
_MOST_TRIES = 4


@dataclass(slots=True)
class _Flight:
    data: bytes
    once: bool
    asked_ident: int
    said_s: float
    tries: int = 1
    answer: bytes | None = None


class RbcpCourier:
    """A `Courier` of RBCP requests. `resend_s`: wait for an answer; None: nothing is said twice.

    A board may do one access at a time, and drop what comes meanwhile: so many as `window` are under way.
    """

    def __init__(self, resend_s: float | None, late_s: float, window: int = 1) -> None:
        self.strays = self.resent = self.answered = 0
        self._resend_s, self._late_s, self._window = resend_s, late_s, window
        self._queue: deque[tuple[bytes, int]] = deque()
        self._urgent: deque[tuple[bytes, int]] = deque()
        self._flights: dict[int, _Flight] = {}
        self._free = [(0.0, ident) for ident in range(_IDS)]
        self._ready: list[bytes] = []
        self._quiet_s = 0.0
        self._now_s = 0.0

    def opened(self) -> None:
        """Begin anew. Ids rest on: the other side may hear what was said before."""
        self.abandon()

    def submit(self, request: bytes) -> None:
        """Take requests, each after its length. What comes while others are under way is said at once, e.g. a stop."""
        (self._urgent if self._flights else self._queue).extend(unframed(request))
        require_room(self._queue)

    def outgoing(self, now_s: float) -> list[bytes]:
        """Return what is to be sent now. Raises `DeadlineError` for what was said often enough."""
        self._now_s = now_s
        made: list[bytes] = []
        for flight in self._flights.values():
            if flight.answer is None and self._resend_s is not None and now_s >= flight.said_s + self._resend_s:
                self._again(flight, now_s, made)
        while self._may_begin(now_s):
            _, ident = heapq.heappop(self._free)
            data, mark = (self._urgent or self._queue).popleft()
            self._flights[ident] = _Flight(data[:2] + bytes((ident,)) + data[3:], mark == ONCE, data[2], now_s)
            made.append(self._flights[ident].data)
        return made

    def incoming(self, datagram: bytes, now_s: float) -> None:
        """Take an answer."""
        flight = self._flights.get(datagram[2]) if len(datagram) >= rbcp.HEADER.size else None
        if flight is None or flight.answer is not None or not rbcp.answers(flight.data, datagram):
            self.strays += 1
            return
        flight.answer = datagram[:2] + bytes((flight.asked_ident,)) + datagram[3:]
        self.answered += 1
        if flight.tries > 1 and flight.data[1] == rbcp.WRITE:
            self._quiet_s = max(self._quiet_s, flight.said_s + self._late_s)
        self._now_s = now_s
        self._hand_over()

    def replies(self) -> bytes:
        """Return what is there, with the ids of the requests, each after its length."""
        if not self._ready:
            return b""
        made, self._ready = b"".join(map(framed, self._ready)), []
        return made

    @property
    def under_way(self) -> bool:
        """Return True while an answer is waited for, or a request waits for its turn."""
        return bool(self._queue or self._urgent or self._flights)

    @property
    def wake_s(self) -> float | None:
        """Return when something is to be said though nothing comes."""
        due = [flight.said_s + self._resend_s for flight in self._flights.values()
               if flight.answer is None and self._resend_s is not None]  # fmt: skip
        if self._urgent or (self._queue and self._has_room()):
            due.append(max(self._quiet_s, self._free[0][0]))
        return min(due) if due else None

    def abandon(self) -> None:
        """Give up what is under way; its ids rest for as long as an answer can be late."""
        for ident in self._flights:
            heapq.heappush(self._free, (self._now_s + self._late_s, ident))
        if any(flight.data[1] == rbcp.WRITE for flight in self._flights.values()):
            self._quiet_s = self._now_s + self._late_s
        self._flights.clear()
        self._queue.clear()
        self._urgent.clear()
        self._ready.clear()

    def _has_room(self) -> bool:
        """Return whether one more may be under way; what is said once is so alone, that no busy board drops it."""
        if len(self._flights) >= self._window:
            return False
        alone = self._queue[0][1] == ONCE or any(flight.once for flight in self._flights.values())
        return not (alone and self._flights)

    def _may_begin(self, now_s: float) -> bool:
        if self._urgent:
            return bool(self._free)
        if not self._queue or not self._has_room() or now_s < self._quiet_s:
            return False
        return bool(self._free) and self._free[0][0] <= now_s

    def _again(self, flight: _Flight, now_s: float, made: list[bytes]) -> None:
        if flight.once or flight.tries >= _MOST_TRIES:
            what = "read" if flight.data[1] == rbcp.READ else "write"
            address = int.from_bytes(flight.data[4:8], "big")
            said = "which is not said twice" if flight.once else f"said {flight.tries} times"
            self.abandon()
            raise DeadlineError(f"no answer to a {what} of 0x{address:08x}, {said}")
        flight.said_s, flight.tries = now_s, flight.tries + 1
        self.resent += 1
        made.append(flight.data)

    def _hand_over(self) -> None:
        while self._flights:
            ident = next(iter(self._flights))
            answer = self._flights[ident].answer
            if answer is None:
                return
            del self._flights[ident]
            heapq.heappush(self._free, (self._now_s + self._late_s, ident))
            self._ready.append(answer)
