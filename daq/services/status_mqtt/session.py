"""What happens on one connection: everything is said again, then what comes, until the connection is lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NoReturn

from daq.errors import ScandaqError
from daq.model.topics import OFFLINE
from daq.services.status_mqtt.announcer import Announcer
from daq.services.status_mqtt.outbox import Outgoing
from daq.services.status_mqtt.settings import Figures
from daq.services.status_mqtt.suspects import Suspects
from daq.services.status_mqtt.troubles import REFUSED, TOO_LARGE, Troubles
from daq.transports.mqtt import MqttConnection

_LOG = logging.getLogger(__name__)
_FLUSH_S = 1.0
_FAREWELL_S = 1.0
_MOMENT_S = 0.2
_CANCELS = 20
_HEADER_BYTES = 512
"""Room for everything in a packet that is neither topic nor payload."""


class Session:
    """Publishes on one connection, one message after the other, several under way."""

    def __init__(
        self,
        connection: MqttConnection,
        announcer: Announcer,
        figures: Figures,
        troubles: Troubles,
        suspects: Suspects,
        *,
        most_bytes: int,
    ) -> None:
        self._connection = connection
        self._announcer = announcer
        self._figures = figures
        self._troubles = troubles
        self._suspects = suspects
        self._most_bytes = min(most_bytes, connection.limits.packet_bytes - _HEADER_BYTES)
        self._unanswered: dict[int, tuple[Outgoing, int]] = {}

    async def run(self, *others: Callable[[], Awaitable[None]]) -> NoReturn:
        """Publish until the connection is lost, and raise why.

        No task group: before Python 3.13 one forgets a cancellation that comes just when a task of it fails.
        """
        watch = asyncio.create_task(self._connection.watch(), name="mqtt watch")
        tasks = [watch, asyncio.create_task(self._publish(), name="mqtt publisher")]
        tasks += [asyncio.create_task(_run(other), name="mqtt helper") for other in others]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            await asyncio.wait([watch], timeout=_MOMENT_S)  # it knows best why
            raise next(filter(None, map(_failure, tasks)))
        finally:
            try:
                await _ended(tasks)
            finally:
                self._suspects.lost(self._unanswered.values())
                self._announcer.outbox.back(message for message, _ in self._unanswered.values())
                self._unanswered.clear()
                self._figures.under_way = 0

    async def farewell(self) -> None:
        """Send what waits and `offline`; where the broker does not take it in time, let the last will say so."""
        said = False
        self._announcer.leaving = True
        try:
            self._announcer.outbox.hurry()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FLUSH_S):
                    await self._send_what_is_due()
            topic = self._announcer.topics.availability
            await self._connection.publish_surely(topic, OFFLINE.encode(), retain=True, within_s=_FAREWELL_S)
            said = True
        except ScandaqError as why:
            _LOG.warning("MQTT: no goodbye: %s", why)
        finally:
            await self._connection.close(politely=said)

    async def _publish(self) -> None:
        wake, outbox = self._announcer.wake, self._announcer.outbox
        while True:
            wake.clear()
            await self._send_what_is_due()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(outbox.due_in_s()):
                    await wake.wait()

    async def _send_what_is_due(self) -> None:
        while True:
            await self._connection.room()
            message = self._announcer.outbox.next()
            if message is None:
                return
            payload = self._announcer.encoded(message)
            if payload is not None and self._fits(message, payload):
                self._send(message, payload)

    def _send(self, message: Outgoing, payload: bytes) -> None:
        self._unanswered[message.seq] = message, len(payload)
        self._connection.send(
            message.topic,
            payload,
            partial(self._answered, message),
            retain=message.retain,
            correlation=message.correlation,
        )
        self._figures.published += 1
        self._figures.published_bytes += len(payload)
        self._figures.under_way = len(self._unanswered)

    def _answered(self, message: Outgoing, refusal: str | None) -> None:
        self._unanswered.pop(message.seq, None)
        self._figures.under_way = len(self._unanswered)
        if refusal is None:
            self._figures.acknowledged += 1
            self._suspects.cleared(message.topic)
            return
        self._figures.refused += 1
        self._troubles.come(REFUSED, f"the broker refuses {message.topic}: {refusal}")

    def _fits(self, message: Outgoing, payload: bytes) -> bool:
        """Return False, and say so, for a message that the broker would refuse or hang up on."""
        room = self._most_bytes - len(message.topic.encode())
        if len(payload) <= room and not self._suspects.holds(message.topic, len(payload)):
            return True
        self._figures.too_large += 1
        why = f"limit {room} bytes" if len(payload) > room else "the broker hung up on it twice"
        self._troubles.come(TOO_LARGE, f"{message.topic} was not sent: {len(payload)} bytes, {why}")
        return False


async def _run(helper: Callable[[], Awaitable[None]]) -> None:
    await helper()


def _failure(task: asyncio.Task[None]) -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: Python 3.11 can lose a cancellation in `asyncio.wait_for` of a library."""
    for _ in range(_CANCELS):
        for task in tasks:
            task.cancel()
        _, pending = await asyncio.wait(tasks, timeout=_MOMENT_S)
        if not pending:
            break
    else:
        _LOG.error("MQTT: %s did not end", ", ".join(task.get_name() for task in tasks if not task.done()))
    for task in tasks:
        _failure(task)
