"""What waits to be published. Of every topic only the newest counts; documents all count, in order, up to a bound.

Urgent messages go first. The others (replies, documents, the rest) take turns, so that a long queue of one kind never
holds up another. A topic with a pace is sent at once after a quiet time and then at most once in that time, the newest
value last. Nothing here waits, and what does not fit is counted.
"""

from __future__ import annotations

import heapq
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from daq.model.station import Announcement

MOST_TOPICS = 10_000
MOST_DOCUMENTS = 5_000
MOST_REPLIES = 200
_LONGEST_PACE_S = 10.0


class Lane(Enum):
    """What a message competes with."""

    URGENT = "urgent"
    NORMAL = "normal"
    DOCUMENT = "document"
    REPLY = "reply"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message. `content` is made into bytes when it is sent. `every_s`: at most one of the topic in that time."""

    topic: str
    content: Announcement | bytes | Callable[[], bytes]
    seq: int
    at_ns: int
    retain: bool = False
    lane: Lane = Lane.NORMAL
    every_s: float = 0.0
    correlation: bytes | None = None


class Outbox:
    """Keeps what is to be sent. `dropped`: documents and replies that found no room, and messages of new topics."""

    def __init__(
        self,
        *,
        most_topics: int = MOST_TOPICS,
        most_documents: int = MOST_DOCUMENTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most_topics = most_topics
        self._most = {Lane.DOCUMENT: most_documents, Lane.REPLY: MOST_REPLIES}
        self._clock = clock
        self._newest: dict[Lane, dict[str, Outgoing]] = {Lane.URGENT: {}, Lane.NORMAL: {}}
        self._queues: dict[Lane, deque[Outgoing]] = {Lane.DOCUMENT: deque(), Lane.REPLY: deque()}
        self._paced: dict[str, Outgoing] = {}
        self._due: list[tuple[float, str]] = []
        self._sent_s: OrderedDict[str, float] = OrderedDict()
        self._turn = deque((Lane.REPLY, Lane.NORMAL, Lane.DOCUMENT))
        self.superseded = 0
        self.dropped = dict.fromkeys(Lane, 0)

    def __len__(self) -> int:
        return len(self._paced) + sum(map(len, self._newest.values())) + sum(map(len, self._queues.values()))

    def put(self, outgoing: Outgoing) -> None:
        """Take a message, in the place of an older one of its topic; count it as dropped where there is no room."""
        if outgoing.lane in self._queues:
            self._queue(outgoing)
            return
        waiting = self._place(outgoing)
        if outgoing.topic in waiting:
            self.superseded += 1
            waiting[outgoing.topic] = outgoing
        elif self._held() >= self._most_topics:
            self.dropped[outgoing.lane] += 1
        else:
            waiting[outgoing.topic] = outgoing
            if waiting is self._paced:
                heapq.heappush(self._due, (self._sent_s[outgoing.topic] + outgoing.every_s, outgoing.topic))

    def next(self) -> Outgoing | None:
        """Return what is to be sent now, and forget it; None when nothing is due."""
        self._let_due_go()
        outgoing = self._first(Lane.URGENT)
        for _ in range(len(self._turn)):
            if outgoing is not None:
                break
            outgoing = self._first(self._turn[0])
            self._turn.rotate(-1)
        if outgoing is not None and outgoing.every_s:
            self._sent_s[outgoing.topic] = self._clock()
            self._sent_s.move_to_end(outgoing.topic)
        return outgoing

    def due_in_s(self) -> float | None:
        """Return how long until a paced message is due; None when none waits."""
        return max(0.0, self._due[0][0] - self._clock()) if self._due else None

    def hurry(self) -> None:
        """Make everything due now: there is no later."""
        for outgoing in self._paced.values():
            self._newest[outgoing.lane].setdefault(outgoing.topic, outgoing)
        self._paced.clear()
        self._due.clear()

    def back(self, unanswered: Iterable[Outgoing]) -> None:
        """Take back what was sent and never acknowledged, oldest first, unless something newer waits."""
        for outgoing in reversed(list(unanswered)):
            if outgoing.lane in self._queues:
                self._queues[outgoing.lane].appendleft(outgoing)
            elif outgoing.topic not in self._paced and outgoing.topic not in self._newest[outgoing.lane]:
                self._newest[outgoing.lane][outgoing.topic] = outgoing

    def _queue(self, outgoing: Outgoing) -> None:
        queue = self._queues[outgoing.lane]
        if len(queue) >= self._most[outgoing.lane]:
            self.dropped[outgoing.lane] += 1
        else:
            queue.append(outgoing)

    def _place(self, outgoing: Outgoing) -> dict[str, Outgoing]:
        """Return where a message waits: for its time where one of its topic was sent just now."""
        if outgoing.topic in self._paced:
            return self._paced
        waiting = self._newest[outgoing.lane]
        sent_s = self._sent_s.get(outgoing.topic)
        early = sent_s is not None and sent_s + outgoing.every_s > self._clock()
        return self._paced if early and outgoing.topic not in waiting else waiting

    def _held(self) -> int:
        return len(self._paced) + sum(map(len, self._newest.values()))

    def _first(self, lane: Lane) -> Outgoing | None:
        queue = self._queues.get(lane)
        if queue is not None:
            return queue.popleft() if queue else None
        waiting = self._newest[lane]
        return waiting.pop(next(iter(waiting))) if waiting else None

    def _let_due_go(self) -> None:
        """Move what has waited long enough, and forget when topics were sent that may be sent again anyway."""
        now = self._clock()
        while self._due and self._due[0][0] <= now:
            outgoing = self._paced.pop(heapq.heappop(self._due)[1])
            self._newest[outgoing.lane][outgoing.topic] = outgoing
        while self._sent_s and next(iter(self._sent_s.values())) < now - _LONGEST_PACE_S:
            self._sent_s.popitem(last=False)
