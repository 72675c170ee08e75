"""A heart that exists in time only, and the trigger that hears it. Its rate breathes: 15 breaths a minute, 4 %."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from daq.devices.abilities import Beats, Identity, Quantity, Value
from daq.devices.calls import Calls
from daq.devices.simulated.actions import Given, act, number, of_line, plain
from daq.devices.simulated.wire import Line
from daq.errors import RefusedError, UsageError

_BREATHS_PER_S = 0.25
_VARIATION = 0.04
_REPLY_S = 0.5
_LATENCY_MS = 2.0
_FASTEST_BPM = 300.0


class SimulatedGate:
    """A `GateTrigger`. Without a signal its count stands still and the last beat grows old."""

    def __init__(self, name: str, *, bpm: float = 65.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.line = Line()
        self._name = name
        self._clock = clock
        self._calls = Calls(name)
        self._born_s = self._beat_s = clock()
        self._bpm = bpm
        self._signal = True
        self._count = 0
        self._interval_s: float | None = None

    @property
    def name(self) -> str:
        """Return the name in the site file."""
        return self._name

    @property
    def latency_ms(self) -> float:
        """Return how long after the beat the front end sees it."""
        return _LATENCY_MS

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Return beats, rate per minute, and the age of the last beat in s."""
        return (
            Quantity("beats", "", 2.0, 6.0),
            Quantity("rate", "1/min", 2.0, 6.0, {"minimum": 30.0, "maximum": 200.0}, 0.5),
            Quantity("last_beat", "s", 2.0, 6.0, {"maximum": 3.0}, 0.5),
        )

    async def identify(self) -> Identity:
        """Return who it is."""
        await self._calls.within(self.line.answer(), _REPLY_S, "identify")
        return Identity("scandaq", "simulated gate trigger", f"SIM-{self._name}", "1")

    async def read(self, quantity: str) -> Value:
        """Return a quantity, None where no beat says it; raise `RefusedError` for one it does not have."""
        beats = await self.beats()
        if quantity == "beats":
            return beats.count
        if quantity == "last_beat":
            return beats.age_s
        if quantity == "rate":
            return None if beats.last_interval_ms is None else 60_000.0 / beats.last_interval_ms
        raise RefusedError(f"{self._name} has beats, rate and last_beat, no {quantity}")

    async def beats(self) -> Beats:
        """Return what was seen so far."""
        await self._calls.within(self.line.answer(), _REPLY_S, "beats")
        self._settle()
        if self._count == 0:
            return Beats(0, None, None)
        interval_ms = None if self._interval_s is None else 1e3 * self._interval_s
        return Beats(self._count, interval_ms, self._clock() - self._beat_s)

    def beat_at(self, bpm: float) -> None:
        """Beat at this mean rate from now on; raise `UsageError` unless above 0 and at most 300."""
        if not 0 < bpm <= _FASTEST_BPM:
            raise UsageError(f"a heart beats more than 0 and at most {_FASTEST_BPM:g} times a minute, not {bpm:g}")
        self._settle()
        self._bpm = bpm

    def lose_signal(self) -> None:
        """Take the electrode off."""
        self._settle()
        self._signal = False

    def find_signal(self) -> None:
        """Put the electrode on again; the first beat comes after one interval."""
        if not self._signal:
            self._signal, self._beat_s, self._interval_s = True, self._clock(), None

    def simulate(self, action: str, value: Given = None) -> None:
        """Do to the heart, or to the electrodes, what the world would; raise `UsageError`."""
        actions = {
            "rate": number(self.beat_at, least=1.0, most=_FASTEST_BPM, unit="beats a minute"),
            "lose-signal": plain(self.lose_signal),
            "find-signal": plain(self.find_signal),
            **of_line(self.line),
        }
        act(self._name, actions, action, value)

    def _settle(self) -> None:
        """Let all beats come that were due by now."""
        while self._signal:
            breath = math.sin(2 * math.pi * _BREATHS_PER_S * (self._beat_s - self._born_s))
            interval_s = 60.0 / self._bpm * (1 + _VARIATION * breath)
            if self._beat_s + interval_s > self._clock():
                return
            self._beat_s += interval_s
            self._interval_s = interval_s
            self._count += 1
