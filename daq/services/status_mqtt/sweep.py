"""What a broker still keeps from earlier: of devices that are gone, tests done no more, a daemon that died, old runs.

Some seconds after each connect, when what there is has been announced, the retained messages of our own tree are
listened to for a moment. Those that nothing announces any more are cleared.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from daq.errors import AccessError
from daq.model.station import Alarm, Announcement, Description, QcStatus, Reading
from daq.model.topics import level
from daq.services.bus import Bus
from daq.services.status_mqtt.announcer import Announcer
from daq.transports.mqtt import Heard, MqttConnection

_LOG = logging.getLogger(__name__)
_QUIET_S = 0.3
_LONGEST_S = 3.0
_MOST_TOPICS = 20_000


class Sweep:
    """Clears retained messages that are about nothing any more; counts readings and alarms of these in `cleared`."""

    def __init__(self, announcer: Announcer, bus: Bus, *, settle_s: float, unwanted: str | None) -> None:
        """`settle_s`: how long after a connect; `unwanted`: a topic of ours to clear, if anything is retained there."""
        self.cleared = 0
        self.done = False
        self._announcer = announcer
        self._bus = bus
        self._settle_s = settle_s
        self._unwanted = unwanted
        self._found: dict[str, None] = {}
        self._heard_s = 0.0

    async def run(self, connection: MqttConnection) -> None:
        """Wait until things have settled, look at what is retained, clear what is stale; return."""
        await asyncio.sleep(self._settle_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settle_s):
                await self._announcer.described.wait()
        topics = self._announcer.topics
        self._found.clear()
        for pattern in (topics.every_reading, topics.every_alarm, topics.every_qc, topics.every_ledger, self._unwanted):
            if pattern is not None:
                await self._collect(connection, pattern)
        self._clear()
        self.done = True

    def heard(self, heard: Heard) -> None:
        """Note a retained message."""
        if heard.retained and heard.payload and len(self._found) < _MOST_TOPICS:
            self._found[heard.topic] = None
            self._heard_s = time.monotonic()

    async def _collect(self, connection: MqttConnection, pattern: str) -> None:
        try:
            await connection.listen(pattern)
        except AccessError as why:
            _LOG.info("MQTT: nothing is cleared up there: %s", why)
            return
        begin_s = self._heard_s = time.monotonic()
        while time.monotonic() < min(self._heard_s + _QUIET_S, begin_s + _LONGEST_S):  # noqa: ASYNC110 - until silence
            await asyncio.sleep(_QUIET_S / 3)
        await connection.stop_listening(pattern)

    def _clear(self) -> None:
        newest = self._bus.newest()
        every_ledger = self._announcer.topics.every_ledger
        self._announcer.found_ledgers(sorted(topic for topic in self._found if _matches(topic, every_ledger)))
        for topic in self._stale(newest):
            _LOG.info("MQTT: cleared %s, which nothing announces any more", topic)
            self._announcer.clear(topic)
            self.cleared += 1

    def _stale(self, newest: list[Announcement]) -> list[str]:
        topics = self._announcer.topics
        alarms = {topics.alarm(said.device, said.name) for said in newest if isinstance(said, Alarm)}
        readings = {topics.reading(said.device, said.name) for said in newest if isinstance(said, Reading)}
        devices = {said.device for said in newest if isinstance(said, Reading)}
        described = [said for said in newest if isinstance(said, Description)]
        for description in described:
            devices |= description.devices.keys()
        stale = [topic for topic in self._found if _matches(topic, topics.every_alarm) and topic not in alarms]
        if tests := {topics.qc(said.test) for said in newest if isinstance(said, QcStatus)}:
            stale += [topic for topic in self._found if _matches(topic, topics.every_qc) and topic not in tests]
        if described:
            kept = {level(device) for device in devices}
            stale += [
                topic
                for topic in self._found
                if _matches(topic, topics.every_reading) and topic not in readings and topic.split("/")[-2] not in kept
            ]
        return stale + [topic for topic in self._found if topic == self._unwanted]


def _matches(topic: str, pattern: str) -> bool:
    """Return True for a topic of a pattern with `+`."""
    levels, wanted = topic.split("/"), pattern.split("/")
    return len(levels) == len(wanted) and all(want in ("+", found) for found, want in zip(levels, wanted, strict=True))
