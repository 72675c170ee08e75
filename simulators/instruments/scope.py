"""The scope of a Red Pitaya: it waits for a trigger, then its buffer holds what was at the inputs around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from simulators.instruments.scpi import Get, ScpiError, Set, number

BUFFER = 16384
_SAMPLES_PER_S = 125e6
_SOURCES = ("DISABLED", "NOW", *(f"{of}_{edge}" for of in ("CH1", "CH2", "EXT", "AWG") for edge in ("PE", "NE")))
Command = tuple[str, Get | None, Set | None]


class Signal(Protocol):
    """What is connected to an input."""

    on: bool
    volts: float

    def at(self, seconds: float) -> float:
        """Return its voltage at a time."""


class Scope:
    """Two inputs. Time zero of what is in its buffer is the trigger."""

    def __init__(self, inputs: Sequence[Signal], clock: Callable[[], float]) -> None:
        self._inputs, self._clock = inputs, clock
        self.forget()

    def forget(self) -> None:
        """Be as after a restart."""
        self.decimation, self.average, self.units, self.form = 1, True, "VOLTS", "ASCII"
        self.source, self.level, self.delay = "DISABLED", 0.0, 0
        self.gains = ["LV", "LV"]
        self._began_s: float | None = None
        self._triggered_s: float | None = None

    def commands(self) -> list[Command]:
        """Return its part of the instrument's commands."""
        made: list[Command] = [
            ("ACQ:START", None, lambda _: self._start()), ("ACQ:STOP", None, lambda _: self._stop()),
            ("ACQ:RST", None, lambda _: self.forget()),
            ("ACQ:DEC", lambda _: str(self.decimation), self._decimate),
            ("ACQ:AVG", lambda _: "ON" if self.average else "OFF", lambda t: setattr(self, "average", t == "ON")),
            ("ACQ:DATA:UNITS", lambda _: self.units, lambda t: setattr(self, "units", _one(t, "RAW", "VOLTS"))),
            ("ACQ:DATA:FORMAT", None, lambda t: setattr(self, "form", _one(t, "ASCII"))),
            ("ACQ:BUF:SIZE", lambda _: str(BUFFER), None),
            ("ACQ:TRIG", None, self._arm), ("ACQ:TRIG:STAT", lambda _: "TD" if self._triggered() else "WAIT", None),
            ("ACQ:TRIG:FILL", lambda _: str(int(self._full())), None),
            ("ACQ:TPOS", lambda _: str(BUFFER // 2 - self.delay if self._triggered() else 0), None),
            ("ACQ:TRIG:DLY", lambda _: str(self.delay), lambda t: setattr(self, "delay", int(number(t, -8192, 8192)))),
            ("ACQ:TRIG:LEV", lambda _: f"{self.level:.6g}", lambda t: setattr(self, "level", number(t, -20.0, 20.0))),
        ]  # fmt: skip
        return [*made, *self._input(0), *self._input(1)]

    def _input(self, at: int) -> list[Command]:
        return [
            (f"ACQ:SOUR{at + 1}:GAIN", lambda _: self.gains[at], lambda text: self._gain(at, text)),
            (f"ACQ:SOUR{at + 1}:DATA", lambda _: self._data(at, BUFFER), None),
            (f"ACQ:SOUR{at + 1}:DATA:Old:N", lambda text: self._data(at, int(number(text, 1, BUFFER))), None),
        ]

    def _start(self) -> None:
        self._began_s, self._triggered_s = self._clock(), None

    def _stop(self) -> None:
        self._began_s = None

    def _arm(self, given: str) -> None:
        self.source = _one(given, *_SOURCES)
        self._triggered_s = None

    def _gain(self, at: int, given: str) -> None:
        self.gains[at] = _one(given, "LV", "HV")

    def _decimate(self, given: str) -> None:
        found = int(number(given, 1, 65536))
        if found & (found - 1):
            raise ScpiError(-224, "Illegal parameter value")
        self.decimation = found

    def _triggered(self) -> bool:
        """Return whether the trigger came: at once, or where what is watched goes through the level."""
        if self._triggered_s is None and self._began_s is not None and self._sees():
            self._triggered_s = self._clock()
        return self._triggered_s is not None

    def _sees(self) -> bool:
        if self.source[:2] != "CH":
            return self.source in ("NOW", "AWG_PE", "AWG_NE")
        signal = self._inputs[int(self.source[2]) - 1]
        return signal.on and abs(self.level) < signal.volts

    def _full(self) -> bool:
        if not self._triggered() or self._triggered_s is None:
            return False
        return self._clock() - self._triggered_s >= BUFFER * self.decimation / _SAMPLES_PER_S

    def _data(self, at: int, count: int) -> str:
        """Return the oldest samples as text, in V, or in steps of the converter of 14 bits."""
        if not self._full():
            raise ScpiError(-230, "Data corrupt or stale")
        step_s = self.decimation / _SAMPLES_PER_S
        most = 1.0 if self.gains[at] == "LV" else 20.0
        found = []
        for sample in range(count):
            volts = max(-most, min(most, self._inputs[at].at((sample - BUFFER // 2) * step_s)))
            found.append(f"{volts:.6f}" if self.units == "VOLTS" else str(round(volts / most * 8191)))
        return "{" + ",".join(found) + "}"


def _one(text: str, *known: str) -> str:
    if text.strip().upper() not in known:
        raise ScpiError(-224, "Illegal parameter value")
    return text.strip().upper()
