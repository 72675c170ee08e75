"""The reliable mode of IPbus 2.0 over UDP: a packet is done once, and its answer comes, whatever the wire loses.

A target does a packet only when its id is the next one, and keeps its last answers. So a packet whose answer is not
there in time is not said again blindly: the target is asked which id it takes next. Where that is the packet's own id,
it never heard it, and is told again; where it is a later one the answer was lost, and is asked for, or what only reads
is done again. A packet that reads and changes a word (RMW) is never done twice. Stale states do no harm: the target
drops packets whose turn is over, and answers bear ids.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from daq.errors import UnreachableError, WireError
from daq.wire.control import ipbus
from daq.wire.control.courier import AGAIN, ONCE, framed, require_room, unframed

MOST_UNDER_WAY = 16
_ODD = 3
"""States in a row that do not fit; one alone may have come late."""


@dataclass(slots=True)
class _Flight:
    """A packet that was sent, and its answer when it is there. `again`: it may be done again."""

    data: bytes
    again: bool
    said_s: float
    answer: bytes | None = None


class IpbusCourier:
    """A `Courier` of IPbus packets with id 0, which it gives ids and takes them away again."""

    def __init__(self, resend_s: float, most_under_way: int = MOST_UNDER_WAY) -> None:
        self.strays = self.resent = self.answered = 0
        self._resend_s, self._most = resend_s, most_under_way
        self._queue: deque[tuple[bytes, bool]] = deque()
        self._turns: deque[_Flight] = deque()
        self._flights: dict[int, _Flight] = {}
        self._next: int | None = None
        self._window = 1
        self._asked_s: float | None = None
        self._again: list[bytes] = []
        self._ready: list[bytes] = []
        self._lost, self._odd = "", 0

    def opened(self) -> None:
        """Begin anew: the target says which packet id it takes next."""
        self.abandon()
        self._asked_s, self._lost, self._odd = None, "", 0

    def submit(self, request: bytes) -> None:
        """Take packets, each after its length. What is marked `ONCE` is said at once, with no place in the order."""
        for data, mark in unframed(request):
            if mark == ONCE:
                self._again.append(data)
            else:
                self._queue.append((data, mark == AGAIN))
        require_room(self._queue)

    def outgoing(self, now_s: float) -> list[bytes]:
        """Return what is to be sent now. Raises `UnreachableError` where the target counts otherwise."""
        if self._lost:
            raise UnreachableError(self._lost)
        made, self._again = self._again, []
        if self._next is None:
            return made + (self._question(now_s) if self._queue else [])
        while self._queue and self._has_room(self._next):
            flight = _Flight(*self._queue.popleft(), now_s)
            self._turns.append(flight)
            made.append(self._under_new_id(flight, self._next))
        if any(flight.answer is None and now_s >= flight.said_s + self._resend_s for flight in self._flights.values()):
            made += self._question(now_s)
        return made

    def incoming(self, datagram: bytes, now_s: float) -> None:
        """Take an answer or a state."""
        try:
            ident, kind = ipbus.header_of(datagram)
            if kind == ipbus.STATUS and self._asked_s is not None:
                self._know(ipbus.status_of(datagram), now_s)
                return
        except WireError:
            self.strays += 1
            return
        flight = self._flights.get(ident)
        if kind != ipbus.CONTROL or flight is None or flight.answer is not None:
            self.strays += 1
            return
        flight.answer = datagram
        del self._flights[ident]
        self.answered += 1
        self._hand_over()

    def replies(self) -> bytes:
        """Return what is there, as packets with id 0, each after its length."""
        if not self._ready:
            return b""
        made, self._ready = b"".join(map(framed, self._ready)), []
        return made

    @property
    def under_way(self) -> bool:
        """Return True while an answer is waited for, or a request waits for its turn."""
        return bool(self._queue or self._turns)

    @property
    def wake_s(self) -> float | None:
        """Return when the target is to be asked for its state."""
        if self._next is None:
            return None if self._asked_s is None or not self._queue else self._asked_s + self._resend_s
        due = [flight.said_s for flight in self._flights.values() if flight.answer is None]
        if not due:
            return None
        return max(min(due), self._asked_s if self._asked_s is not None else min(due)) + self._resend_s

    def abandon(self) -> None:
        """Give up what is under way; nobody knows what was done of it, so the next thing is to ask for the state."""
        self._queue.clear()
        self._flights.clear()
        self._turns.clear()
        self._ready.clear()
        self._again.clear()
        self._next = None

    def _has_room(self, ident: int) -> bool:
        """Return whether the target still keeps the answer to the oldest packet under way when this one is done."""
        return not self._flights or ipbus.steps(next(iter(self._flights)), ident) < self._window

    def _under_new_id(self, flight: _Flight, ident: int) -> bytes:
        flight.data = ipbus.with_id(flight.data, ident)
        self._flights[ident] = flight
        self._next = ipbus.after(ident)
        return flight.data

    def _question(self, now_s: float) -> list[bytes]:
        if self._asked_s is not None and now_s < self._asked_s + self._resend_s:
            return []
        self.resent += self._asked_s is not None
        self._asked_s = now_s
        return [ipbus.status_request()]

    def _know(self, status: ipbus.Status, now_s: float) -> None:
        self._asked_s = None
        self._window = max(1, min(self._most, status.buffers))
        if not self._flights:
            self._next = status.next_id if self._next is None else self._next
            return
        first = next(iter(self._flights))
        done = ipbus.steps(first, status.next_id)
        if self._next is None or done > ipbus.steps(first, self._next):
            self._doubt(status.next_id, first)
            return
        self._odd = 0
        for ident, flight in list(self._flights.items()):
            heard = ipbus.steps(first, ident) < done
            if flight.answer is None and (not heard or now_s >= flight.said_s + self._resend_s):
                self._again.append(self._once_more(ident, flight, heard=heard))
                flight.said_s = now_s
                self.resent += 1

    def _once_more(self, ident: int, flight: _Flight, *, heard: bool) -> bytes:
        """Return what is to be said for a packet without an answer.

        What the target keeps under an id may be its answer to another program, which took the id first. So what may be
        done again is done again, and answered to nobody else.
        """
        if not heard:
            return flight.data
        if not flight.again or self._next is None:
            return ipbus.resend_request(ident)
        del self._flights[ident]
        return self._under_new_id(flight, self._next)

    def _doubt(self, told: int, due: int) -> None:
        """Take a state that is of before, as one that came late is; or, when it stays so, of another time."""
        self.strays += 1
        self._odd += 1
        if self._odd >= _ODD:
            why = "it was started again, or another program talks to it"
            self._lost = f"the target takes packet {told} next, {due} was due: {why}"

    def _hand_over(self) -> None:
        while self._turns and (answer := self._turns[0].answer) is not None:
            self._turns.popleft()
            self._ready.append(ipbus.with_id(answer, 0))
