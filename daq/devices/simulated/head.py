"""A detector head that exists in time only: a thermal mass and a service cover."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

from daq.devices.abilities import Identity, Quantity, Value
from daq.devices.calls import Calls
from daq.devices.simulated.actions import Given, act, number, of_line, plain
from daq.devices.simulated.wire import Line
from daq.errors import RefusedError
from daq.state.interlock import Kind

_ROOM_C = 22.0
_MOST_C = 35.0
_SETTLING_S = 3 * 3600.0
_REPLY_S = 0.5


class SimulatedHead:
    """A `DetectorHead`. Its temperature follows that of its surroundings with a time constant of three hours."""

    def __init__(self, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.line = Line()
        self._name = name
        self._clock = clock
        self._calls = Calls(name)
        self._from_c, self._around_c, self._since_s = _ROOM_C, _ROOM_C, clock()
        self._settling_s = _SETTLING_S
        self._closed = True
        self._when_opened: list[Callable[[], None]] = []

    @property
    def name(self) -> str:
        """Return the name in the site file."""
        return self._name

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Return temperature in degrees Celsius, and whether the service cover is closed."""
        return (
            Quantity("temperature", "degC", 5.0, 30.0, {"maximum": _MOST_C}, 0.05),
            Quantity("cover_closed", "", 2.0, 6.0),
        )

    @property
    def interlock_kinds(self) -> frozenset[Kind]:
        """Return service cover and temperature."""
        return frozenset({Kind.SERVICE_COVER, Kind.TEMPERATURE})

    async def identify(self) -> Identity:
        """Return who it is."""
        await self._answer("identify")
        return Identity("scandaq", "simulated head", f"SIM-{self._name}", "1")

    async def read(self, quantity: str) -> Value:
        """Return a quantity; raise `RefusedError` for one it does not have."""
        if quantity == "temperature":
            return await self.temperature_c()
        if quantity == "cover_closed":
            return await self.cover_closed()
        raise RefusedError(f"{self._name} has temperature and cover_closed, no {quantity}")

    async def temperature_c(self) -> float:
        """Return the temperature of the detector."""
        await self._answer("temperature")
        return self.true_c()

    async def cover_closed(self) -> bool:
        """Return whether the service cover is closed."""
        await self._answer("cover")
        return self._closed

    async def interlocks(self) -> Mapping[Kind, bool]:
        """Return the cover's contact and that of the thermostat."""
        await self._answer("interlocks")
        return {Kind.SERVICE_COVER: self._closed, Kind.TEMPERATURE: self.true_c() <= _MOST_C}

    def true_c(self) -> float:
        """Return the temperature indeed."""
        part = math.exp(-(self._clock() - self._since_s) / self._settling_s)
        return self._around_c + (self._from_c - self._around_c) * part

    def surround(self, celsius: float, settling_s: float = _SETTLING_S) -> None:
        """Change the temperature of what is around it; `settling_s`: how slowly it follows."""
        self._from_c, self._since_s = self.true_c(), self._clock()
        self._around_c, self._settling_s = celsius, settling_s

    def open_cover(self) -> None:
        """Open the service cover; what is wired to its contact hears it at once."""
        self._closed = False
        for listener in tuple(self._when_opened):
            listener()

    def close_cover(self) -> None:
        """Close the service cover."""
        self._closed = True

    def when_opened(self, listener: Callable[[], None]) -> None:
        """Wire something to the cover's contact."""
        self._when_opened.append(listener)

    def simulate(self, action: str, value: Given = None) -> None:
        """Do to the head what the world would; raise `UsageError`."""
        actions = {
            "open-cover": plain(self.open_cover),
            "close-cover": plain(self.close_cover),
            "surround": number(self.surround, least=-20.0, most=80.0, unit="degrees Celsius"),
            "heat": number(lambda celsius: self.surround(celsius, 1.0), least=-20.0, most=80.0, unit="degrees Celsius"),
            **of_line(self.line),
        }
        act(self._name, actions, action, value)

    async def _answer(self, what: str) -> None:
        await self._calls.within(self.line.answer(), _REPLY_S, what)
