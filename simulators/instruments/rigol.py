"""A Rigol DP832, three outputs of low voltage, by its SCPI commands (Rigol, DP800 Programming Guide).

Read in the guide: APPLy, OUTPut, OVP, OCP. The replies of MEASure, CVCC and QUES are as publicly noted. Commands that
set say nothing; what is wrong stands in the queue of errors. An output above its protection switches itself off, and
stays off until the protection is cleared.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from daq.errors import UsageError
from simulators.instruments.machine import Done, LineTalk

_RANGES = {"CH1": (32.0, 3.2), "CH2": (32.0, 3.2), "CH3": (5.3, 3.2)}
_REQUEST = re.compile(r":?(?P<header>\*?[A-Z:]+\??)(?: +(?P<given>.*))?", re.IGNORECASE)
_MOST_ERRORS = 20
_SWITCHES = {"OUTP": "on", "OUTP:OVP": "guards_v", "OUTP:OCP": "guards_a"}
_NUMBERS = {"APPL": ("set_v", "set_a"), "OUTP:OVP:VAL": ("over_v",), "OUTP:OCP:VAL": ("over_a",)}
_CLEARS = {"OUTP:OVP:CLEAR": "tripped_v", "OUTP:OCP:CLEAR": "tripped_a"}


@dataclass(slots=True)
class Output:
    """One output into a resistor."""

    most_v: float
    most_a: float
    load_ohm: float
    set_v: float = 0.0
    set_a: float = 1.0
    on: bool = False
    over_v: float = 0.0
    over_a: float = 0.0
    guards_v: bool = False
    guards_a: bool = False
    tripped_v: bool = False
    tripped_a: bool = False

    @property
    def current_a(self) -> float:
        """Return what flows: as much as the load takes, or as much as may."""
        return min(self.set_v / self.load_ohm, self.set_a) if self.on else 0.0

    @property
    def volts(self) -> float:
        """Return what is at the output."""
        return self.current_a * self.load_ohm

    @property
    def mode(self) -> str:
        """Return `CC` where the current is held, else `CV`."""
        return "CC" if self.on and self.set_v / self.load_ohm > self.set_a else "CV"

    def guard(self) -> None:
        """Switch off what is too much."""
        self.tripped_v |= self.guards_v and self.volts > self.over_v
        self.tripped_a |= self.guards_a and self.current_a > self.over_a
        self.on &= not (self.tripped_v or self.tripped_a)


class RigolDp832:
    """The supply. `load_ohm`: what every output feeds."""

    def __init__(self, *, serial: str = "DP8C1234567890", load_ohm: float = 100.0) -> None:
        self.serial = serial
        self.outputs = {
            name: Output(most_v, most_a, load_ohm, over_v=most_v + 1, over_a=most_a + 0.1)
            for name, (most_v, most_a) in _RANGES.items()
        }
        self._errors: deque[str] = deque(maxlen=_MOST_ERRORS)

    def talk(self) -> LineTalk:
        """Return a conversation."""
        return LineTalk(self.answer, end=b"\n", reply_end=b"\n")

    def told(self) -> dict[str, Any]:
        """Return what is the case."""
        return {
            name: {"volts": each.volts, "current_a": each.current_a, "on": each.on, "set_v": each.set_v}
            for name, each in self.outputs.items()
        }

    def deeds(self) -> Mapping[str, Done]:
        """Return what can be done to it."""
        return {"load": self._load, "swap": lambda said: setattr(self, "serial", str(said.get("serial", "DP8C0")))}

    def answer(self, line: str) -> str | None:
        """Return the reply to a line; None where none is due, or where it is wrong: that goes into the queue."""
        found = _REQUEST.fullmatch(line.strip())
        if found is None:
            return self._wrong('-113,"Undefined header"')
        header, given = found["header"].upper(), [each.strip().upper() for each in (found["given"] or "").split(",")]
        whole: dict[str, Callable[[], str | None]] = {
            "*IDN?": lambda: f"RIGOL TECHNOLOGIES,DP832,{self.serial},00.01.16",
            "SYST:ERR?": lambda: self._errors.popleft() if self._errors else '0,"No error"',
            "*CLS": self._errors.clear,
        }
        if header in whole:
            return whole[header]()
        output = self.outputs.get(given[0])
        if output is None:
            return self._wrong('-224,"Illegal parameter value"')
        return self._of_output(header, output, given)

    def _of_output(self, header: str, output: Output, given: list[str]) -> str | None:
        asks: dict[str, Callable[[], str]] = {
            "MEAS?": lambda: f"{output.volts:.3f}", "MEAS:VOLT?": lambda: f"{output.volts:.3f}",
            "MEAS:CURR?": lambda: f"{output.current_a:.4f}",
            "MEAS:ALL?": lambda: f"{output.volts:.3f},{output.current_a:.4f},{output.volts * output.current_a:.3f}",
            "APPL?": lambda: self._applied(output, given), "OUTP?": lambda: "ON" if output.on else "OFF",
            "OUTP:CVCC?": lambda: output.mode,
            "OUTP:OVP?": lambda: "ON" if output.guards_v else "OFF", "OUTP:OVP:VAL?": lambda: f"{output.over_v:.3f}",
            "OUTP:OVP:QUES?": lambda: "YES" if output.tripped_v else "NO",
            "OUTP:OCP?": lambda: "ON" if output.guards_a else "OFF", "OUTP:OCP:VAL?": lambda: f"{output.over_a:.4f}",
            "OUTP:OCP:QUES?": lambda: "YES" if output.tripped_a else "NO",
        }  # fmt: skip
        if header in asks:
            return asks[header]()
        try:
            return self._told_to(header, output, given[1:])
        except (ValueError, IndexError):
            return self._wrong('-104,"Data type error"')

    def _told_to(self, header: str, output: Output, given: list[str]) -> str | None:
        if header in _SWITCHES and given in (["ON"], ["OFF"]):
            setattr(output, _SWITCHES[header], given == ["ON"])
        elif header in _NUMBERS:
            if not self._numbers_set(output, _NUMBERS[header], [float(each) for each in given]):
                return self._wrong('-222,"Data out of range"')
        elif header in _CLEARS and not given:
            setattr(output, _CLEARS[header], False)
        else:
            return self._wrong('-113,"Undefined header"')
        output.guard()
        return None

    def _numbers_set(self, output: Output, names: tuple[str, ...], numbers: list[float]) -> bool:
        most = {
            "set_v": output.most_v,
            "set_a": output.most_a,
            "over_v": output.most_v + 1,
            "over_a": output.most_a + 0.1,
        }
        told = dict(zip(names, numbers, strict=False))
        if not numbers or len(numbers) > len(names) or not all(0 <= told[name] <= most[name] for name in told):
            return False
        for name, number in told.items():
            setattr(output, name, number)
        return True

    def _applied(self, output: Output, given: list[str]) -> str:
        which = given[1] if len(given) > 1 else ""
        both = {"VOLT": f"{output.set_v:.3f}", "CURR": f"{output.set_a:.4f}"}
        return both.get(which[:4]) or ",".join([given[0], *both.values()])

    def _wrong(self, text: str) -> str | None:
        self._errors.append(text)
        return None

    def _load(self, said: Mapping[str, Any]) -> None:
        name, ohm = said.get("output"), said.get("ohm")
        if name not in self.outputs or not isinstance(ohm, int | float) or ohm <= 0:
            raise UsageError(f"load: output is one of {', '.join(self.outputs)}, ohm above 0; got {dict(said)}")
        self.outputs[name].load_ohm = float(ohm)
        self.outputs[name].guard()
