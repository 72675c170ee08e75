"""Keithley source meters: a 2400 and a 2470, by SCPI as public drivers of others say it and expect its replies.

They jump to the voltage that is set, as far as the compliance current lets them. What they feed draws a leakage, and
above a breakdown voltage more, as a photodiode does. Keithley's manuals were not read in the original; how both models
answer while the output is off was not tried on hardware.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from simulators.instruments.machine import Done, LineTalk
from simulators.instruments.scpi import Get, Scpi, ScpiError, Set, number, switch

_ELEMENTS = ("VOLT", "CURR", "RES", "TIME", "STAT")
_MODELS = {"2400": ("MODEL 2400", 210.0, 1.05), "2470": ("MODEL 2470", 1100.0, 1.05)}
_OFF = ScpiError(803, "Not permitted with OUTPUT off")
_BLOCKED = ScpiError(802, "OUTPUT blocked by interlock")
_NOTHING = 9.91e37


class Keithley:
    """One source meter that sources voltage and measures current."""

    def __init__(
        self, model: str = "2400", *, serial: str = "1077777", load_ohm: float = 1e9, breakdown_v: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.model, self.most_v, self.most_a = _MODELS[model]
        self.serial, self.load_ohm, self.breakdown_v = serial, load_ohm, breakdown_v
        self._clock = clock
        self.set_v, self.limit_a, self.on = 0.0, 1.05e-4, False
        self.elements: tuple[str, ...] = _ELEMENTS
        self.interlock, self.obeys, self.spark_a = False, True, 0.0
        self.kept: dict[str, str] = {}
        commands = self._common() + (self._of_2470() if model == "2470" else self._of_2400())
        self.scpi = Scpi(commands)

    def talk(self) -> LineTalk:
        """Return a conversation."""
        return LineTalk(self.scpi.answer, end=b"\n", reply_end=b"\n")

    def told(self) -> dict[str, Any]:
        """Return what is the case."""
        volts, amps = self.output()
        return {"volts": [volts], "amps": [amps], "on": [self.on]}

    def deeds(self) -> Mapping[str, Done]:
        """Return what can be done to it."""
        return {
            "open-interlock": lambda said: self._open(),
            "close-interlock": lambda said: setattr(self, "interlock", False),
            "spark": lambda said: setattr(self, "spark_a", 1e-6 * float(said.get("ua", 500.0))),
            "ignore": lambda said: setattr(self, "obeys", False),
            "obey": lambda said: setattr(self, "obeys", True),
            "swap": lambda said: setattr(self, "serial", str(said.get("serial", "9999"))),
            "reboot": lambda said: self.reset(),
        }

    def output(self) -> tuple[float, float]:
        """Return voltage and current at the output: at most the compliance current flows."""
        if not self.on:
            return 0.0, 0.0
        wanted = self._drawn(abs(self.set_v))
        if wanted <= self.limit_a:
            return self.set_v, math.copysign(wanted, self.set_v)
        least, most = 0.0, abs(self.set_v)
        for _ in range(40):
            middle = (least + most) / 2
            least, most = (middle, most) if self._drawn(middle) < self.limit_a else (least, middle)
        return math.copysign(least, self.set_v), math.copysign(self.limit_a, self.set_v)

    def in_compliance(self) -> bool:
        """Return whether the current is at its limit."""
        return self.on and self._drawn(abs(self.set_v)) > self.limit_a

    def reset(self) -> None:
        """Be as after power-on."""
        self.set_v, self.limit_a, self.on, self.elements = 0.0, 1.05e-4, False, _ELEMENTS
        self.kept.clear()
        self.scpi.errors.clear()

    def _drawn(self, volts: float) -> float:
        above = max(0.0, volts - self.breakdown_v)
        return volts / self.load_ohm + 1e-6 * above * above + (self.spark_a if volts > 0 else 0.0)

    def _common(self) -> list[tuple[str, Get | None, Set | None]]:
        who = f"KEITHLEY INSTRUMENTS INC.,{self.model}"
        return [
            ("*IDN", lambda _: f"{who},{self.serial},C32   Oct  4 2010 14:20:11", None),
            ("*RST", None, lambda _: self.reset()),
            ("*OPC", lambda _: "1", lambda _: None),
            ("OUTPut[:STATe]", lambda _: str(int(self.on)), lambda text: self._switch(on=switch(text))),
            ("SOURce:FUNCtion[:MODE]", lambda _: "VOLT", lambda text: self._keep("func", text)),
            ("SOURce:VOLTage[:LEVel][:IMMediate][:AMPLitude]", lambda _: f"{self.set_v:.6E}", self._set_voltage),
            self._plain("SOURce:VOLTage:RANGe", "20.0"), self._plain("SOURce:VOLTage:RANGe:AUTO", "1"),
            self._plain("SENSe:FUNCtion[:ON]", '"CURR"'), self._plain("SENSe:CURRent[:DC]:NPLCycles", "1"),
            self._plain("SENSe:CURRent[:DC]:RANGe[:UPPer]", "1.05E-4"),
            self._plain("SENSe:CURRent[:DC]:RANGe:AUTO", "1"), self._plain("SYSTem:BEEPer[:STATe]", "1"),
            ("ABORt", None, lambda _: None),
        ]  # fmt: skip

    def _of_2400(self) -> list[tuple[str, Get | None, Set | None]]:
        return [
            ("SENSe:CURRent[:DC]:PROTection[:LEVel]", lambda _: f"{self.limit_a:.6E}", self._set_limit),
            ("SENSe:CURRent[:DC]:PROTection:TRIPped", lambda _: str(int(self.in_compliance())), None),
            ("FORMat:ELEMents[:SENSe]", lambda _: ",".join(self.elements), self._set_elements),
            ("SENSe:FUNCtion:CONCurrent", lambda _: "1", lambda _: None),
            ("READ", lambda _: self._read(), None),
            ("MEASure[:VOLTage][:DC]", lambda _: self._read(), None),
            ("MEASure:CURRent[:DC]", lambda _: self._read(), None),
            ("TRACe:FEED:CONTrol", None, lambda _: None),
        ]  # fmt: skip

    def _of_2470(self) -> list[tuple[str, Get | None, Set | None]]:
        return [
            ("SOURce:VOLTage:ILIMit[:LEVel]", lambda _: f"{self.limit_a:.6E}", self._set_limit),
            ("SOURce:VOLTage:ILIMit[:LEVel]:TRIPped", lambda _: str(int(self.in_compliance())), None),
            self._plain("SOURce:VOLTage:READ:BACK", "1"), self._plain("SOURce:VOLTage:PROTection[:LEVel]", "NONE"),
            ("READ", self._read_buffer, None),
        ]  # fmt: skip

    def _plain(self, spec: str, usual: str) -> tuple[str, Get | None, Set | None]:
        return spec, lambda _: self.kept.get(spec, usual), lambda text: self._keep(spec, text)

    def _keep(self, name: str, text: str) -> None:
        self.kept[name] = text

    def _set_voltage(self, text: str) -> None:
        volts = number(text, -self.most_v, self.most_v)
        if self.obeys:
            self.set_v = volts

    def _set_limit(self, text: str) -> None:
        amps = number(text, 1e-9, self.most_a)
        if self.obeys:
            self.limit_a = amps

    def _set_elements(self, text: str) -> None:
        chosen = tuple(word.strip().upper() for word in text.split(","))
        self.elements = tuple(name for name in _ELEMENTS if any(word.startswith(name) for word in chosen))

    def _switch(self, *, on: bool) -> None:
        if on and self.interlock:
            raise _BLOCKED
        if self.obeys:
            self.on = on

    def _open(self) -> None:
        self.interlock, self.on = True, False

    def _read(self) -> str:
        if not self.on:
            raise _OFF
        volts, amps = self.output()
        said = {
            "VOLT": volts, "CURR": amps, "RES": _NOTHING, "TIME": self._clock() % 1e4,
            "STAT": 8.0 if self.in_compliance() else 0.0,
        }  # fmt: skip
        return ",".join(f"{said[name]:+.6E}" for name in self.elements)

    def _read_buffer(self, given: str) -> str:
        if not self.on:
            raise _OFF
        volts, amps = self.output()
        words = [word.strip().upper() for word in given.split(",")[1:]] or ["READ"]
        said = {"SOUR": volts, "READ": amps}
        return ",".join(f"{said[word[:4]]:.6E}" for word in words if word[:4] in said)
