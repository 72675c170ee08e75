"""Messages that end a connection. A broker of MQTT 3.1.1 cannot say that a message is too large: it hangs up."""

from __future__ import annotations

from collections.abc import Iterable

from daq.services.status_mqtt.outbox import Outgoing

_TWICE = 2
_SMALLEST_BYTES = 4096
_MOST_KEPT = 100


class Suspects:
    """Knows which message was the largest under way when a connection was lost, twice in a row.

    Such a message is not sent again: else it would end every connection. A smaller one of the topic is.
    """

    def __init__(self) -> None:
        self._losses: dict[str, tuple[int, int]] = {}

    def lost(self, unanswered: Iterable[tuple[Outgoing, int]]) -> None:
        """Note what the broker had not acknowledged when the connection was lost: messages and their bytes."""
        message, size = max(unanswered, key=lambda pair: pair[1], default=(None, 0))
        if message is None or size < _SMALLEST_BYTES:
            return
        times, smallest = self._losses.pop(message.topic, (0, size))
        self._losses[message.topic] = times + 1, min(size, smallest)
        while len(self._losses) > _MOST_KEPT:
            del self._losses[next(iter(self._losses))]

    def cleared(self, topic: str) -> None:
        """Note that the broker took a message of the topic."""
        self._losses.pop(topic, None)

    def holds(self, topic: str, size: int) -> bool:
        """Return True for a message that ended two connections."""
        times, smallest = self._losses.get(topic, (0, 0))
        return times >= _TWICE and size >= smallest
