"""What happens on one connection: everything is said again, then what comes, until the connection is lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial

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

    async def run(self, *others: Callable[[], Awaitable[None]]) -> None:
        """Publish until the connection is lost, and raise why; cancelled, say goodbye first."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._publish(), name="mqtt publisher")
                tasks.create_task(self._connection.watch(), name="mqtt watch")
                for other in others:
                    tasks.create_task(_run(other), name="mqtt helper")
        except BaseExceptionGroup as group:
            self._suspects.lost(next(iter(self._unanswered.values()), None))
            _end_if_cancelled()
            raise _only(group) from None
        finally:
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


def _end_if_cancelled() -> None:
    """Go on ending where the task was cancelled just when the connection was lost: Python 3.11 forgets it then."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error of ours, or the group where it has another."""
    known, other = group.split(ScandaqError)
    if known is None or other is not None:
        return group
    first: BaseException = known
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
