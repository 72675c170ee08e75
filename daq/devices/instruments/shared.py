"""Values that several ask for at about the same time, read once for all of them.

A reading is served to everybody for whom it is fresh enough, with the time at which it was *asked*, before which the
instrument cannot have answered. Where an instrument reads all channels with one exchange, and more than one of them is
wanted, that exchange serves all.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from daq.devices.abilities import Timed, Value

_LOG = logging.getLogger(__name__)

Read = Callable[[Callable[[float], None]], Awaitable[Mapping[str, Value]]]
"""Reads a value, says when it is about to ask, and returns what was read by channel (`""`: of the device)."""


@dataclass(slots=True)
class _Flight:
    """One reading under way. `asked_s`: infinite until it is asked."""

    task: asyncio.Task[Mapping[str, Value]] | None = None
    asked_s: float = math.inf


@dataclass(slots=True)
class _Known:
    """What was read last of one value, and what is under way."""

    asked_s: float = -math.inf
    values: Mapping[str, Value] = field(default_factory=dict)
    flights: list[_Flight] = field(default_factory=list)


class Shared:
    """The readings of one instrument by name of the value, e.g. `voltage`, or `voltage 2` for one channel alone.

    `served` counts what was answered without an exchange of its own.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.served = 0
        self._clock = clock
        self._known: dict[str, _Known] = {}

    async def get(self, key: str, channel: str, read: Read, *, max_age_s: float = 0.0) -> Timed:
        """Return a value that was asked for less than `max_age_s` before now, or after it. Raises what reading raises.

        One who is cancelled takes the reading from nobody else: it goes on.
        """
        known = self._known.setdefault(key, _Known())
        oldest_s = self._clock() - max_age_s
        if known.asked_s > oldest_s and channel in known.values:
            self.served += 1
            return Timed(known.values[channel], known.asked_s)
        flight = next((each for each in known.flights if each.asked_s > oldest_s), None)
        if flight is None:
            flight = self._start(key, known, read)
        else:
            self.served += 1
        assert flight.task is not None  # noqa: S101 - set by _start
        values = await asyncio.shield(flight.task)
        return Timed(values[channel], flight.asked_s)

    def _start(self, key: str, known: _Known, read: Read) -> _Flight:
        flight = _Flight()

        async def fly() -> Mapping[str, Value]:
            def began(asked_s: float) -> None:
                flight.asked_s = asked_s

            try:
                values = await read(began)
            finally:
                known.flights.remove(flight)
            if flight.asked_s > known.asked_s:
                known.asked_s, known.values = flight.asked_s, values
            return values

        known.flights.append(flight)
        flight.task = asyncio.get_running_loop().create_task(fly(), name=f"read {key}")
        flight.task.add_done_callback(_look_at)
        return flight


def _look_at(task: asyncio.Task[Mapping[str, Value]]) -> None:
    """Take notice of how it ended where nobody waits for it any more."""
    if not task.cancelled() and (why := task.exception()) is not None:
        _LOG.debug("%s: %s", task.get_name(), why)
