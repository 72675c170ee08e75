"""A Hamamatsu C11204-01, a bias supply of a SiPM: frames of STX, a command of three letters, digits, ETX and a sum.

Commands, status bits and factors are those of public drivers of others (1.812 mV and 4.980 uA a count); Hamamatsu's
command reference was not read in the original. What is set by `HBV` is lost when its power was off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from daq.errors import WireError
from daq.wire.control.stx import frame, text_of
from simulators.instruments.machine import Done
from simulators.instruments.ramping import Output

V_COUNT, A_COUNT, LEAST_V, MOST_V = 1.812e-3, 4.980e-6, 40.0, 90.0
_SLEW_V_PER_S = 500.0
_TRIP_A = 3e-3
_FACTOR_C = 5.225e-2
_FRAME_ERROR, _COMMAND_ERROR, _DIGITS_ERROR, _SIZE_ERROR = "hxx0004", "hxx0005", "hxx0006", "hxx0007"
_ON, _TRIPPED, _OUT_OF_SPEC, _SENSOR, _CORRECTS, _STABLE = 0, 1, 2, 3, 6, 14


class _Frames:
    """What one client says."""

    def __init__(self, answer: Callable[[str], str | None]) -> None:
        self._answer = answer
        self._got = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return whole replies. What is beyond 256 bytes is forgotten."""
        self._got += data
        replies = []
        while (at := self._got.find(b"\r")) >= 0:
            whole = bytes(self._got[:at])
            del self._got[: at + 1]
            try:
                said = self._answer(text_of(whole))
            except WireError:
                said = _FRAME_ERROR
            replies += [] if said is None else [frame(said)]
        if len(self._got) > 256:  # noqa: PLR2004
            self._got.clear()
        return replies


class C11204:
    """One module: volts at its output, current into the SiPM, temperature of its sensor."""

    def __init__(
        self, *, factors: str = "03E803E80000000075DB00C8", load_ohm: float = 1e8, breakdown_v: float = 53.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.factors, self.load_ohm, self.breakdown_v = factors, load_ohm, breakdown_v
        self.temperature_c, self.sensor, self.corrects, self.obeys = 25.0, True, False, True
        self.on, self.tripped, self.spark_a = False, False, 0.0
        self.set_counts = int(factors[16:20], 16)
        self._output = Output(clock, _SLEW_V_PER_S, _SLEW_V_PER_S)

    def talk(self) -> _Frames:
        """Return a conversation."""
        return _Frames(self.answer)

    def told(self) -> dict[str, Any]:
        """Return what is the case."""
        self.look()
        return {"volts": [self._output.volts], "amps": [self._current_a()], "on": [self.on]}

    def deeds(self) -> Mapping[str, Done]:
        """Return what can be done to it."""
        return {
            "trip": lambda said: self._trip(),
            "spark": lambda said: setattr(self, "spark_a", 1e-6 * float(said.get("ua", 5000.0))),
            "warm": lambda said: setattr(self, "temperature_c", float(said.get("degc", 35.0))),
            "unplug-sensor": lambda said: setattr(self, "sensor", False),
            "ignore": lambda said: setattr(self, "obeys", False),
            "obey": lambda said: setattr(self, "obeys", True),
            "swap": lambda said: setattr(self, "factors", str(said.get("factors", "03E803E80000000075DA00C8"))),
            "reboot": lambda said: self._reboot(),
        }

    def answer(self, text: str) -> str | None:
        """Return the reply to one command."""
        self.look()
        name, digits = text[:3], text[3:]
        if any(digit not in "0123456789ABCDEF" for digit in digits):
            return _DIGITS_ERROR
        asked = self._asked(name)
        if asked is not None:
            return asked if not digits else _SIZE_ERROR
        lengths = {"HON": 0, "HOF": 0, "HRE": 0, "HCM": 1, "HBV": 4, "HST": 24}
        if name not in lengths:
            return _COMMAND_ERROR
        if len(digits) != lengths[name]:
            return _SIZE_ERROR
        if self.obeys:
            self._do(name, digits)
        return name.lower()

    def _asked(self, name: str) -> str | None:
        volts, amps = self._counts()
        status, kelvin = f"{self._status():04X}", f"{self._warmth():04X}"
        said = {
            "HGS": status, "HGV": volts, "HGC": amps, "HGT": kelvin, "HRT": self.factors,
            "HPO": f"{status}{round(self._goal_v() / V_COUNT):04X}{volts}{amps}{kelvin}",
        }  # fmt: skip
        return name.lower() + said[name] if name in said else None

    def _do(self, name: str, digits: str) -> None:
        if name == "HON":
            self.on, self.tripped = True, False
        elif name == "HOF":
            self.on = False
        elif name == "HRE":
            self._reboot()
        elif name == "HCM":
            self.corrects = digits != "0"
        elif name == "HBV":
            self.set_counts = int(digits, 16)
        else:
            self.factors, self.set_counts = digits, int(digits[16:20], 16)
        self._output.go(self._goal_v() if self.on else 0.0)

    def _goal_v(self) -> float:
        factor = int(self.factors[8:12], 16) * 1e-3 * _FACTOR_C if self.corrects else 0.0
        warmer = self.temperature_c - 25.0
        return min(max(self.set_counts * V_COUNT + factor * warmer, LEAST_V), MOST_V)

    def _current_a(self) -> float:
        volts = self._output.volts
        above = max(0.0, volts - self.breakdown_v)
        return volts / self.load_ohm + 1e-6 * above * above + (self.spark_a if volts > 0 else 0.0)

    def _counts(self) -> tuple[str, str]:
        return f"{round(self._output.volts / V_COUNT):04X}", f"{min(round(self._current_a() / A_COUNT), 0xFFFF):04X}"

    def _warmth(self) -> int:
        return round((1.035 - 5.5e-3 * self.temperature_c) / 1.907e-5)

    def _status(self) -> int:
        lit = {
            _ON: self.on, _TRIPPED: self.tripped, _OUT_OF_SPEC: self._current_a() > _TRIP_A, _SENSOR: self.sensor,
            _CORRECTS: self.corrects, _STABLE: self.on and self._output.ramping == 0,
        }  # fmt: skip
        return sum(1 << bit for bit, so in lit.items() if so)

    def look(self) -> None:
        """Do what is due by now, though nobody asks: it switches off, and follows the temperature."""
        if self.on and self._current_a() > _TRIP_A:
            self._trip()
        self._output.go(self._goal_v() if self.on else 0.0)

    def _trip(self) -> None:
        self.tripped, self.on = True, False
        self._output.drop()

    def _reboot(self) -> None:
        self.on, self.tripped, self.corrects = False, False, False
        self.set_counts = int(self.factors[16:20], 16)
        self._output.drop()
