"""Whether the collimator is still the one that a run was prepared with: corrections and manifest are of that one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from daq.errors import RefusedError
from daq.model.protocol import AcquisitionProtocol
from daq.services.acquisition.machine import Machine

Sensed = Callable[[], Awaitable[str | None]]
"""Returns the collimator that is sensed on all heads; None where nothing senses it, or heads differ."""


async def nothing_sensed() -> None:
    """Return what a station without such a sensor knows of its collimator."""


class Mounting:
    """Holds what is mounted against the journal of one run."""

    def __init__(self, sensed: Sensed, machine: Machine, protocol: AcquisitionProtocol) -> None:
        self._sensed, self._machine, self._protocol = sensed, machine, protocol

    async def require(self, name: str) -> None:
        """Refuse to begin the step `name` with another collimator than at preparing; raise what asking it raises.

        Where nothing sensed it then, and somebody said what it is, that stands until something else is sensed. A run
        that was prepared by a daemon that did not note it is let begin.
        """
        entry = self._machine.entry
        if entry.collimator == "":
            return
        sensed = await self._sensed()
        seen = entry.collimator if sensed is None and not entry.collimator_sensed else sensed
        if seen == entry.collimator:
            return
        wanted = self._protocol.requirements.collimators
        needed = f" (the protocol needs {' or '.join(wanted)})" if wanted else ""
        raise RefusedError(
            f"{name!r} cannot begin: there is {_worded(seen)} now, and it was prepared with "
            f"{_worded(entry.collimator)}{needed}: exchange it back, or abort and prepare again"
        )


def _worded(collimator: str | None) -> str:
    return "no collimator that is sensed on all heads" if collimator is None else f"collimator {collimator}"
