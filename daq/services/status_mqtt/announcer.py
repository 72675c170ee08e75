"""From the bus into the outbox: what is said, under which topic and number. Called by the bus, so it never waits."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict

from daq.errors import RefusedError
from daq.model.station import Announcement, Description, RunLedger, StationStatus
from daq.model.topics import ONLINE, Topics
from daq.services.bus import Bus
from daq.services.status_mqtt.commands import Reply
from daq.services.status_mqtt.messages import as_json, encoded, outgoing, stamp
from daq.services.status_mqtt.outbox import Lane, Outbox, Outgoing
from daq.services.status_mqtt.settings import Figures

_LOG = logging.getLogger(__name__)
_AGAIN_S = 1.0
MOST_LEDGERS = 10
"""Ledgers that stay retained; those of older runs are cleared. Each is in its recording's manifest."""


class Announcer:
    """Fills the outbox. `wake` is set whenever something was put there, `described` once there is a description."""

    def __init__(self, topics: Topics, bus: Bus, figures: Figures, outbox: Outbox | None = None) -> None:
        self.topics = topics
        self.outbox = Outbox() if outbox is None else outbox
        self.boot = str(uuid.uuid4())
        self.wake = asyncio.Event()
        self.described = asyncio.Event()
        self.also: list[Callable[[Announcement], None]] = []
        """Others that hear every announcement before it is queued."""
        self.leaving = False
        """We have said `offline`, or are about to."""
        self._bus = bus
        self._state_again_s = 0.0
        self._again: asyncio.TimerHandle | None = None
        self._figures = figures
        self._seq = itertools.count(1)
        self._ledgers: dict[str, None] = {}

    def hear(self, said: Announcement) -> None:
        """Queue an announcement. Called by the bus."""
        for listener in self.also:
            listener(said)
        try:
            message = outgoing(self.topics, said, next(self._seq), time.time_ns())
        except RefusedError as why:
            self.unpublishable(str(why))
            return
        if isinstance(said, RunLedger):
            self.keep_ledger(message.topic)
        elif isinstance(said, Description):
            self.described.set()
        self.put(message)

    def say(
        self, topic: str, content: bytes | Callable[[], bytes], *, retain: bool = False, lane: Lane = Lane.URGENT,
        every_s: float = 0.0,
    ) -> None:  # fmt: skip
        """Queue a message that is no announcement."""
        self.put(Outgoing(topic, content, next(self._seq), time.time_ns(), retain, lane, every_s))

    def reply(self, topic: str, reply: Reply, correlation: bytes | None) -> None:
        """Queue the answer to a command."""
        seq, now_ns = next(self._seq), time.time_ns()
        content = as_json({**stamp(seq, now_ns, self.boot), **asdict(reply)}, topic)
        self.put(Outgoing(topic, content, seq, now_ns, lane=Lane.REPLY, correlation=correlation))

    def put(self, message: Outgoing) -> None:
        """Queue a message and wake whoever sends."""
        self.outbox.put(message)
        self.wake.set()

    def birth(self) -> None:
        """Queue everything that holds now: urgent records, then `online`, then the rest."""
        for said in self._bus.newest():
            self.hear(said)
        self.online()

    def online(self) -> None:
        """Queue that we are there."""
        self.say(self.topics.availability, ONLINE.encode(), retain=True)

    def say_state_again(self) -> None:
        """Queue the state anew, which somebody else has just replaced: soon, and at most once a second.

        Two daemons for one scanner so contradict each other visibly, and do not flood the broker.
        """
        if self._again is None:
            due_s = max(self._state_again_s + _AGAIN_S - time.monotonic(), 0.0)
            self._again = asyncio.get_running_loop().call_later(due_s, self._say_state)

    def _say_state(self) -> None:
        self._again, self._state_again_s = None, time.monotonic()
        for said in self._bus.newest():
            if isinstance(said, StationStatus) and not self.leaving:
                self.hear(said)

    def clear(self, topic: str) -> None:
        """Queue the removal of what the broker keeps of a topic."""
        self.say(topic, b"", retain=True, lane=Lane.NORMAL)

    def keep_ledger(self, topic: str) -> None:
        """Count a run's ledger among those that stay retained; clear the oldest when there are too many."""
        self._ledgers[topic] = self._ledgers.pop(topic, None)
        self._clear_ledgers()

    def found_ledgers(self, topics: Iterable[str]) -> None:
        """Count ledgers that the broker still keeps, the oldest first, as older than those announced since."""
        self._ledgers = dict.fromkeys([*(topic for topic in topics if topic not in self._ledgers), *self._ledgers])
        self._clear_ledgers()

    def _clear_ledgers(self) -> None:
        while len(self._ledgers) > MOST_LEDGERS:
            oldest = next(iter(self._ledgers))
            del self._ledgers[oldest]
            self.clear(oldest)

    def encoded(self, message: Outgoing) -> bytes | None:
        """Return the bytes of a message, or None where it has none; that is counted and said."""
        try:
            return encoded(message, self.boot)
        except RefusedError as why:
            self.unpublishable(str(why))
            return None

    def unpublishable(self, why: str) -> None:
        """Count something that cannot be published; say so the first time."""
        self._figures.unpublishable += 1
        if self._figures.unpublishable == 1:
            _LOG.warning("MQTT: %s (further ones are only counted)", why)
