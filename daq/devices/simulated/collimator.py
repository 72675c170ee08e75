"""A place for a collimator, with a sensor that reads the plug of what is mounted."""

from __future__ import annotations

import time
from collections.abc import Callable

from daq.devices.abilities import Identity, Quantity, Value
from daq.devices.calls import Calls
from daq.devices.simulated.actions import Given, act, of_line, plain, text
from daq.devices.simulated.wire import Line
from daq.errors import RefusedError, UsageError

_SEATING_S = 2.0
_REPLY_S = 0.5
_MOST_LETTERS = 16


class SimulatedCollimator:
    """A `Collimator`. What is mounted is sensed once its plug has been in for two seconds."""

    def __init__(self, name: str, mounted: str | None = "LEHR", *, clock: Callable[[], float] = time.monotonic) -> None:
        self.line = Line()
        self._name = name
        self._clock = clock
        self._calls = Calls(name)
        self._mounted, self._sensed_from_s = mounted, clock()

    @property
    def name(self) -> str:
        """Return the name in the site file."""
        return self._name

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Return the id of what is mounted."""
        return (Quantity("mounted", "", 2.0, 10.0),)

    async def identify(self) -> Identity:
        """Return who it is."""
        await self._calls.within(self.line.answer(), _REPLY_S, "identify")
        return Identity("scandaq", "simulated collimator sensor", f"SIM-{self._name}", "1")

    async def read(self, quantity: str) -> Value:
        """Return what is mounted; raise `RefusedError` for another quantity."""
        if quantity != "mounted":
            raise RefusedError(f"{self._name} says what is mounted, no {quantity}")
        return await self.sensed()

    async def sensed(self) -> str | None:
        """Return the id of the mounted collimator, None where none is sensed."""
        await self._calls.within(self.line.answer(), _REPLY_S, "what is mounted")
        return self._mounted if self._clock() >= self._sensed_from_s else None

    def mount(self, identity: str) -> None:
        """Mount another one; raise `UsageError` for what is no id."""
        if not (identity.isidentifier() and len(identity) <= _MOST_LETTERS):
            raise UsageError(f"{identity!r} is no collimator: letters and digits, at most {_MOST_LETTERS}")
        self._mounted, self._sensed_from_s = identity, self._clock() + _SEATING_S

    def remove(self) -> None:
        """Take it away."""
        self._mounted = None

    def simulate(self, action: str, value: Given = None) -> None:
        """Do what a person does at the head; raise `UsageError`."""
        act(self._name, {"mount": text(self.mount), "remove": plain(self.remove), **of_line(self.line)}, action, value)
