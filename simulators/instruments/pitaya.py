"""A Red Pitaya with its SCPI server: slow pins, digital pins, LEDs, a generator, and a scope that sees the generator.

Commands as in Red Pitaya's list of SCPI commands (redpitaya.readthedocs.io, OS 2.05) and as PyMeasure's driver says
them. Inputs 1 and 2 of the scope are connected to outputs 1 and 2 of the generator.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from daq.errors import UsageError
from simulators.instruments.machine import Done, LineTalk
from simulators.instruments.scope import Scope
from simulators.instruments.scpi import Get, Scpi, ScpiError, Set, number, switch

_DIGITAL = re.compile(r"(DIO[0-7]_[NP]|LED[0-7])")
_ANALOG = re.compile(r"(AIN|AOUT)([0-3])")
_WRONG = ScpiError(-224, "Illegal parameter value")
Command = tuple[str, Get | None, Set | None]


@dataclass(slots=True)
class Generator:
    """One fast output."""

    function: str = "SINE"
    hertz: float = 1000.0
    volts: float = 1.0
    on: bool = False

    def at(self, seconds: float) -> float:
        """Return its voltage at a time."""
        if not self.on:
            return 0.0
        phase = 2 * math.pi * self.hertz * seconds
        return self.volts * (math.sin(phase) if self.function == "SINE" else math.copysign(1.0, math.sin(phase)))


class RedPitaya:
    """One board."""

    def __init__(self, *, model: str = "STEMlab 125-14 v1.1", clock: Callable[[], float] = time.monotonic) -> None:
        self.model, self.obeys = model, True
        self.analog = {f"{kind}{pin}": 0.0 for kind in ("AIN", "AOUT") for pin in range(4)}
        self.digital: dict[str, bool] = {}
        self.outwards: set[str] = set()
        self.generators = (Generator(), Generator())
        self.scope = Scope(self.generators, clock)
        self.scpi = Scpi([*self._board(), *self._pins(), *self._fast(), *self.scope.commands()])

    def talk(self) -> LineTalk:
        """Return a conversation."""
        return LineTalk(lambda line: self.scpi.answer(line.rstrip("\r")), end=b"\n", reply_end=b"\r\n")

    def told(self) -> dict[str, Any]:
        """Return what is the case."""
        return {"analog": self.analog, "high": sorted(pin for pin, high in self.digital.items() if high)}

    def deeds(self) -> Mapping[str, Done]:
        """Return what can be done to it."""
        return {
            "analog": lambda said: self.analog.update({_pin(said, "AIN"): float(said.get("volts", 0.0))}),
            "digital": lambda said: self.digital.update({_pin(said, "DIO"): bool(said.get("high", True))}),
            "ignore": lambda _: setattr(self, "obeys", False),
            "obey": lambda _: setattr(self, "obeys", True),
            "swap": lambda said: setattr(self, "model", str(said.get("model", "STEMlab 125-10 v1.0"))),
            "reboot": lambda _: self._reset(),
        }

    def _board(self) -> list[Command]:
        return [
            ("*IDN", lambda _: "REDPITAYA,INSTR2024,0,2.05-37", None),
            ("SYSTem:BRD:NAME", lambda _: self.model, None),
            ("DIG:RST", None, lambda _: self._reset()),
            ("ANALOG:RST", None, lambda _: self.analog.update({f"AOUT{pin}": 0.0 for pin in range(4)})),
        ]

    def _pins(self) -> list[Command]:
        return [
            ("ANALOG:PIN", lambda pin: f"{self.analog[_named(_ANALOG, pin)]:.6f}", self._set_analog),
            ("DIG:PIN", lambda pin: str(int(self.digital.get(_named(_DIGITAL, pin), False))), self._set_digital),
            ("DIG:PIN:DIR", lambda pin: "OUT" if _named(_DIGITAL, pin) in self.outwards else "IN", self._turn),
        ]

    def _fast(self) -> list[Command]:
        outputs = [each for at, generator in enumerate(self.generators, 1) for each in _output(at, generator)]
        return [("GEN:RST", None, lambda _: self._quiet()), *outputs]

    def _set_analog(self, given: str) -> None:
        pin, _, volts = given.partition(",")
        name = _named(_ANALOG, pin)
        if name.startswith("AIN"):
            raise _WRONG
        found = number(volts, 0.0, 1.8)
        if self.obeys:
            self.analog[name] = found

    def _set_digital(self, given: str) -> None:
        pin, _, high = given.partition(",")
        name = _named(_DIGITAL, pin)
        if name.startswith("DIO") and name not in self.outwards:
            raise _WRONG
        if self.obeys:
            self.digital[name] = switch(high.strip())

    def _turn(self, given: str) -> None:
        way, _, pin = given.partition(",")
        name = _named(_DIGITAL, pin)
        if _one(way, "IN", "OUT") == "OUT":
            self.outwards.add(name)
        else:
            self.outwards.discard(name)

    def _quiet(self) -> None:
        for generator in self.generators:
            generator.function, generator.hertz, generator.volts, generator.on = "SINE", 1000.0, 1.0, False

    def _reset(self) -> None:
        self.digital.clear()
        self.outwards.clear()


def _output(at: int, it: Generator) -> list[Command]:
    """Return the commands of one fast output."""
    return [
        (f"SOUR{at}:FUNC", lambda _: it.function, lambda text: setattr(it, "function", _one(text, "SINE", "SQUARE"))),
        (f"SOUR{at}:FREQ:FIX", lambda _: f"{it.hertz:.6g}", lambda t: setattr(it, "hertz", number(t, 1.0, 62.5e6))),
        (f"SOUR{at}:VOLT", lambda _: f"{it.volts:.6g}", lambda text: setattr(it, "volts", number(text, 0.0, 1.0))),
        (f"OUTPUT{at}:STATE", lambda _: str(int(it.on)), lambda text: setattr(it, "on", switch(text))),
    ]


def _named(known: re.Pattern[str], text: str) -> str:
    name = text.strip().upper()
    if known.fullmatch(name) is None:
        raise _WRONG
    return name


def _pin(said: Mapping[str, Any], kind: str) -> str:
    name = str(said.get("pin", f"{kind}0"))
    if not name.startswith(kind) or not (_ANALOG.fullmatch(name) or _DIGITAL.fullmatch(name)):
        raise UsageError(f"pin {name!r}: e.g. AIN0, DIO0_P")
    return name


def _one(text: str, *known: str) -> str:
    if text.strip().upper() not in known:
        raise _WRONG
    return text.strip().upper()
