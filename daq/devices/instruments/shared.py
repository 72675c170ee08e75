"""Replies that several ask for at about the same time, asked for once for all of them.

A reply is served to everybody for whom it is fresh enough, with the time at which it was *asked for*, before which the
instrument cannot have given it. So voltage and current that one request tells are those of one measurement, and where
an instrument tells all channels at once, one exchange serves them all.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

_LOG = logging.getLogger(__name__)

Said = Mapping[str, str]
"""A reply and its groups."""
Ask = Callable[[Callable[[float], None]], Awaitable[Said]]
"""Asks, says when it is about to do so, and returns the reply."""


@dataclass(slots=True)
class _Flight:
    """One request under way. `asked_s`: infinite until it is asked."""

    task: asyncio.Task[Said] | None = None
    asked_s: float = math.inf


@dataclass(slots=True)
class _Known:
    """What was said last to one request, and what is under way."""

    asked_s: float = -math.inf
    said: Said = field(default_factory=dict)
    flights: list[_Flight] = field(default_factory=list)


class Shared:
    """The replies of one instrument, by request. `served` counts those that needed no exchange of their own."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.served = 0
        self._clock = clock
        self._known: dict[str, _Known] = {}

    async def get(self, key: str, ask: Ask, *, max_age_s: float = 0.0) -> tuple[Said, float]:
        """Return a reply that was asked for less than `max_age_s` before now, or after it, and when; raise as `ask`.

        One who is cancelled takes the reply from nobody else: the exchange goes on.
        """
        known = self._known.setdefault(key, _Known())
        oldest_s = self._clock() - max_age_s
        if known.asked_s > oldest_s:
            self.served += 1
            return known.said, known.asked_s
        flight = next((each for each in known.flights if each.asked_s > oldest_s), None)
        if flight is None:
            flight = self._start(key, known, ask)
        else:
            self.served += 1
        assert flight.task is not None  # noqa: S101 - set by _start
        return await asyncio.shield(flight.task), flight.asked_s

    def _start(self, key: str, known: _Known, ask: Ask) -> _Flight:
        flight = _Flight()

        async def fly() -> Said:
            def began(asked_s: float) -> None:
                flight.asked_s = asked_s

            try:
                said = await ask(began)
            finally:
                known.flights.remove(flight)
            if flight.asked_s > known.asked_s:
                known.asked_s, known.said = flight.asked_s, said
            return said

        known.flights.append(flight)
        flight.task = asyncio.get_running_loop().create_task(fly(), name=f"ask {key!r}")
        flight.task.add_done_callback(_look_at)
        return flight


def _look_at(task: asyncio.Task[Said]) -> None:
    """Take notice of how it ended where nobody waits for it any more."""
    if not task.cancelled() and (why := task.exception()) is not None:
        _LOG.debug("%s: %s", task.get_name(), why)
